#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""CUB's algorithms (tests/cuda/cub.cu) Thrust's and cooperative groups directly on softgpu, as each capability that runs their PTX."""
import os
import subprocess
import unittest

import dgsf


class Cub(unittest.TestCase):
    def passes(self, name, sm):
        env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "softgpu"), "SOFTGPU_SM": sm}
        p = subprocess.run([os.path.join(dgsf.BUILD, "tests", "cuda", name)], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=100, check=False)
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertIn("PASS", p.stdout)

    def test_sort(self):
        for sm in ("75", "80", "90"):
            with self.subTest(sm=sm):
                self.passes("cub_sort", sm)

    def test_scan_and_reduce(self):
        for sm in ("80", "90"):
            with self.subTest(sm=sm):
                self.passes("cub_scan", sm)

    def test_select_partition_histogram(self):
        self.passes("cub_pick", "90")

    def test_thrust(self):
        for name, sms in (("order", ("75", "80", "90")), ("sums", ("80", "90")), ("sets", ("90",))):
            for sm in sms:
                with self.subTest(name=name, sm=sm):
                    self.passes("thrust_" + name, sm)

    def test_cooperative_groups(self):
        for sm in ("75", "80", "90"):
            with self.subTest(sm=sm):
                self.passes("cgroups", sm)


if __name__ == "__main__":
    dgsf.main()
