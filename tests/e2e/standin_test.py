#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Programs through a vgpud, on softgpu, with a stand-in for the module (tests/e2e/standin/standin.h): what tests/qemu/e2e-guest.sh does
with the real one, where none can be loaded. Mostly the bulk connections, which vgpud opens.

    program + libcuda.so.1 --/dev/vgpu0-- vgpud --TCP--> vgpu-server --> vgpu-worker + softgpu
"""
import os
import re
import socket
import struct
import tempfile
import threading
import time
import unittest

import dgsf
import programs_test

E2E = os.path.join(dgsf.BUILD, "tests", "e2e")


class Proxy:
    """Between vgpud and a server. What it does to bulk connections is for the test to say."""

    def __init__(self, port):
        self.port, self.refuses, self.cut_after, self.bulk = port, 0, None, []
        self.lock = threading.Lock()        # connections come at once, each with a thread
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.port))
        head = client.recv(16, socket.MSG_WAITALL)
        limit = None
        if len(head) == 16 and struct.unpack("<IHHQ", head)[1] == dgsf.OP_BULK:
            with self.lock:
                refused = self.refuses > 0
                if refused:
                    self.refuses -= 1
                else:
                    limit = None if self.bulk else self.cut_after
                    self.bulk.append(client)
            if refused:
                client.close()
                server.close()
                return
        server.sendall(head)
        threading.Thread(target=self.pump, args=(server, client), daemon=True).start()
        self.pump(client, server, limit)

    @staticmethod
    def pump(a, b, limit=None):
        passed = 0
        try:
            while True:
                data = a.recv(1 << 18)
                passed += len(data)
                if not data or (limit is not None and passed > limit):
                    break
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class ThroughVgpud(programs_test.ProgramsTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="dgsf-standin-")
        self.addCleanup(folder.cleanup)
        self.socket = os.path.join(folder.name, "module")
        self.vgpud = None

    def start_vgpud(self, *arguments, port=None):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.vgpud = dgsf.Daemon([os.path.join(E2E, "vgpud_standin"), "--server", f"127.0.0.1:{port or self.port}", "--log-level", "debug",
                                  *arguments], {"VGPU_STANDIN": self.socket})
        self.addCleanup(self.vgpud.kill)
        self.vgpud.wait_log(r"answers")

    def env(self, **more):
        if not self.vgpud:
            self.start_vgpud()
        libraries = [os.environ.get("DGSF_PRELOAD"), os.path.join(E2E, "libstandin.so")]
        env = super().env(VGPU_STANDIN=self.socket, VGPU_DEVICE="/dev/vgpu0", LD_PRELOAD=":".join(filter(None, libraries)), **more)
        del env["VGPU_SERVER"]
        return env

    def stripes(self):
        """How many have come and gone over bulk connections of the worker that ended last."""
        return [int(n) for n in self.server.wait_log(r"(\d+) stripes in, .*; (\d+) out")]


class Programs(ThroughVgpud):
    def test_vecadd_in_3_round_trips(self):
        self.passes("vecadd", round_trips=3)

    def test_threads(self):
        self.passes("threads")

    @unittest.skipIf(dgsf.TSAN, "ThreadSanitizer follows no threads of a forked child")
    def test_forkfirst_after_the_first_use(self):
        self.passes("forkfirst", "--after")

    def test_large_copies_go_over_bulk_connections(self):
        done = self.passes("bulk")
        self.assertNotIn("libvcuda:", done.err)
        self.assertEqual(len(re.findall(r": bulk connection of", self.vgpud.log())), 4)
        self.assertGreater(sum(self.stripes()) << 19, (done.bytes_out + done.bytes_in) * 9 // 10)
        self.vgpud.wait_log(r"its bulk connection \d+ has ended", 4)    # with the session
        self.passes("vecadd", round_trips=3)

    def test_one_bulk_connection(self):
        self.passes("bigcopy", "--seconds", "1", VGPU_BULK="1")
        self.assertEqual(len(re.findall(r": bulk connection of", self.vgpud.log())), 1)

    def test_a_vgpud_without_threads_for_them_offers_none(self):
        self.start_vgpud("--bulk-threads", "0")
        done = self.passes("bigcopy", "--seconds", "1")
        self.assertNotIn("libvcuda:", done.err)
        self.assertNotIn("bulk connection", self.vgpud.log())
        self.assertNotIn("stripes in", self.server.log())

    def test_one_thread_carries_all(self):
        self.start_vgpud("--bulk-threads", "1")
        self.passes("bigcopy", "--seconds", "1")
        self.assertGreater(sum(self.stripes()), 100)


class Trouble(ThroughVgpud):
    server_args = ("--workers", "1", "--mem-default", "512M")

    def through_proxy(self):
        proxy = Proxy(self.port)
        self.addCleanup(proxy.listener.close)
        self.start_vgpud(port=proxy.address[1])
        return proxy

    def bigcopy(self):
        p = self.start("bigcopy", "--seconds", "60")
        self.assertIn("round", p.stdout.readline())
        return p

    def test_where_none_can_be_had_all_goes_over_the_session(self):
        self.through_proxy().refuses = 8
        done = self.passes("bigcopy", "--seconds", "1")
        self.assertRegex(done.err, "libvcuda: no bulk connections: .*; large copies go as small ones do")
        self.assertNotIn("stripes in", self.server.log())

    def test_where_fewer_can_be_had_those_are_used(self):
        proxy = self.through_proxy()
        proxy.refuses = 2
        done = self.passes("bigcopy", "--seconds", "1")
        self.assertNotIn("libvcuda:", done.err)
        self.assertEqual(len(proxy.bulk), 2)
        self.assertGreater(sum(self.stripes()), 100)

    def test_one_that_dies_in_a_copy_ends_the_session_and_no_other(self):
        proxy = self.through_proxy()
        proxy.cut_after = 50 << 20
        done = self.run_program("bigcopy", "--seconds", "60")
        self.assertNotEqual(done.code, 0)
        self.assertRegex(done.err, r"libvcuda: (bulk connection: it has ended|a bulk connection to the server has ended)", done.out)
        self.leases_end(1)
        self.server.wait_log("is warm", 2)
        proxy.cut_after = None
        self.passes("bigcopy", "--seconds", "1")

    def test_killed_in_a_copy_the_program_leaves_nothing(self):
        fds = None
        for n in (1, 2, 3):
            p = self.bigcopy()
            p.kill()
            p.wait()
            self.vgpud.wait_log(r"its bulk connection \d+ has ended", 4 * n)
            self.vgpud.wait_log(r"session \d+ ended", n)
            self.leases_end(n)
            fds = fds or self.vgpud.fds()       # the threads' own among them
            self.assertLessEqual(self.vgpud.fds(), fds + 1)
            self.server.wait_log("is warm", n + 1)

    def test_killed_in_a_copy_vgpud_is_missed_within_a_second(self):
        p = self.bigcopy()
        self.vgpud.kill()
        start = time.monotonic()
        self.assertNotEqual(p.wait(dgsf.patient(5)), 0)
        self.assertLess(time.monotonic() - start, dgsf.patient(2))
        self.assertIn("libvcuda: vgpud, or the connection to the GPU server, has gone", p.stderr.read())
        self.leases_end(1)
        self.server.wait_log("is warm", 2)
        self.start_vgpud()
        self.passes("vecadd", round_trips=3)

    def test_a_drain_that_ends_closes_bulk_connections_too(self):
        self.start_vgpud("--drain-timeout", "100ms")
        p = self.bigcopy()
        self.vgpud.proc.terminate()
        self.assertEqual(self.vgpud.proc.wait(dgsf.patient(5)), 0)
        self.assertNotEqual(p.wait(dgsf.patient(5)), 0)
        self.assertIn("vgpud is going down", p.stderr.read())


class Memory(programs_test.Memory, ThroughVgpud):
    """Copies use no more memory of the program, the worker, the server and vgpud for being large."""

    def test_large_copies_over_several_connections(self):
        self.env()
        self.others = (self.vgpud.pid,)
        self.grows_little(128)
        self.assertGreater(sum(self.stripes()), 1000)

    test_large_copies_over_one_connection = None        # not another way from programs_test.py's, as far as memory goes


if __name__ == "__main__":
    dgsf.main()
