#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Manual pages and example files against the programs: every option described, none that is not there, examples that are read."""
import os
import re
import subprocess
import tempfile
import unittest

import dgsf

SERVER = os.path.join(dgsf.BUILD, "server", "vgpu-server")
VGPUD = os.path.join(dgsf.BUILD, "vgpud", "vgpud")
MAN = os.path.join(dgsf.ROOT, "Documentation", "man")


def read(path):
    with open(path) as f:
        return f.read()


def options(program):
    out = subprocess.run([program, "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return set(re.findall(r"^  --(\S+)", out, re.M)) - {"config", "help"}


def described(page):
    return set(re.findall(r"^\.TP\n\.B (\S+)$", read(os.path.join(MAN, page)), re.M))


def example(page):
    text = read(os.path.join(MAN, page)).split(".SH EXAMPLES")[1]
    return re.search(r"\.nf\n(.*?)\.fi", text, re.S).group(1)


class ManTest(unittest.TestCase):
    def fails_only_for(self, argv, config, reason):
        """The configuration is taken; what stops the program is what the last option names."""
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(config)
            f.flush()
            done = subprocess.run([*argv[:1], "--config", f.name, *argv[1:]], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(reason, done.stderr)
        self.assertNotIn(f.name, done.stderr)

    def test_every_option_of_vgpu_server_is_described(self):
        self.assertEqual(options(SERVER), described("vgpu-server.conf.5"))

    def test_every_option_of_vgpud_is_described(self):
        self.assertEqual(options(VGPUD), described("vgpud.conf.5"))

    def test_the_examples_of_vgpu_server_are_read(self):
        for text in example("vgpu-server.conf.5"), read(os.path.join(dgsf.ROOT, "userd/server/vgpu-server.conf")):
            self.fails_only_for([SERVER, "--worker", "/nonexistent"], text, "/nonexistent: No such file")

    def test_the_examples_of_vgpud_are_read(self):
        for text in example("vgpud.conf.5"), read(os.path.join(dgsf.ROOT, "userd/vgpud/vgpud.conf")):
            self.fails_only_for([VGPUD, "--control", "/nonexistent"], text, "/nonexistent: No such file")

    def test_a_wrong_section_of_vgpud_is_refused_with_its_line(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write("server = a\n[vgpu64]\n")
            f.flush()
            done = subprocess.run([VGPUD, "--config", f.name], stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{f.name}:2: no such section: vgpu64", done.stderr)


if __name__ == "__main__":
    dgsf.main()
