#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
libcuda.so.1 opened and closed by hand, runtimes that come and go, calls at the process's end, and the ways by which a program finds the library:
tests/process, through DGSF in direct mode and directly on softgpu.
"""
import os
import subprocess
import unittest

import dgsf

PROCESS = os.path.join(dgsf.BUILD, "tests", "process")
PLUGIN_12 = os.path.join(dgsf.BUILD, "tests", "runtimes", "12.8", "libplugin.so")
SOFTGPU = os.path.join(dgsf.BUILD, "softgpu")
LIBVCUDA = os.path.join(dgsf.BUILD, "libvcuda")
DEINITIALIZED = 4


class ProcessTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = dgsf.GpuServer("--workers", "2", "--mem-default", "256M")

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()

    def passes(self, *argv, where=LIBVCUDA, **env):
        """Its output; it ends by itself, and soon."""
        env = {**os.environ, "VGPU_SERVER": f"127.0.0.1:{self.server.port}", **({"LD_LIBRARY_PATH": where} if where else {}), **env}
        p = subprocess.run([os.path.join(dgsf.BUILD, "tests", argv[0]), *argv[1:]], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=30, check=False)
        self.assertEqual(p.returncode, 0, f"{argv} {where}\n{p.stdout}\n{p.stderr}")
        self.assertIn("PASS", p.stdout)
        return p.stdout

    def case(self, *argv):
        self.passes("process/process", *argv, where=SOFTGPU)
        return self.passes("process/process", *argv)

    def test_the_library_is_closed_and_opened_again(self):
        self.case("reopen")

    def test_a_thread_ends_after_the_library_was_closed(self):
        self.case("thread_outlives")

    def test_a_child_opens_what_its_parent_has_closed(self):
        self.case("fork_after_close")

    def test_the_process_ends_while_threads_are_in_the_library(self):
        for _ in range(3):
            self.case("exit_beside_threads")

    @unittest.skipIf(dgsf.TSAN, "ThreadSanitizer follows no threads of a forked child")
    def test_children_of_a_process_whose_threads_are_in_the_library(self):
        self.case("fork_beside_threads")

    def test_calls_at_the_end(self):
        out = self.case("calls_at_the_end")
        self.assertIn("atexit: 0\n", out)
        self.assertIn("late:" + 7 * f" {DEINITIALIZED}" + "\n", out)

    def test_children_that_execute_something_or_end(self):
        self.case("fork_and_exec")

    @unittest.skipIf(dgsf.TSAN, "ThreadSanitizer follows no threads of a forked child")
    def test_a_child_of_a_host_function(self):
        self.case("fork_in_host_function")

    @unittest.skipIf(os.environ.get("DGSF_PRELOAD"), "a sanitizer's malloc() tells nothing")
    def test_contexts_that_come_and_go(self):
        self.case("contexts_come_and_go")

    def test_static_and_shared_runtimes_in_one_process_that_come_and_go(self):
        plugins = [os.path.join(PROCESS, f"libplugin_{kind}.so") for kind in ("static", "shared")]
        self.case("plugins", plugins[0])
        self.case("plugins", *plugins)

    @unittest.skipUnless(os.path.exists(PLUGIN_12), "no other runtime: make runtimes")
    def test_runtimes_of_two_versions_in_one_process(self):
        out = self.case("plugins", PLUGIN_12, os.path.join(PROCESS, "libplugin_shared.so"), os.path.join(PROCESS, "libplugin_static.so"))
        self.assertEqual(out.split("\n")[:3], ["runtime 12080"] + 2 * ["runtime 13000"])

    def test_the_library_is_preloaded(self):
        for name in ("vecadd", "vecadd_shared", "drvptx"):
            self.passes("cuda/" + name, where=None, LD_PRELOAD=":".join(filter(None, (os.environ.get("LD_PRELOAD"),
                                                                                     os.path.join(LIBVCUDA, "libcuda.so.1")))))

    def test_the_library_is_found_by_the_programs_own_path(self):
        self.passes("process/linked", where=None)


if __name__ == "__main__":
    dgsf.main()
