#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
vgpu-server: leases, the queue, refusals, hostile and slow clients, dying workers, what is left behind.

    this test --TCP--> vgpu-server --control.h--> fakeworker.py, which echoes frames
"""
import os
import signal
import socket
import struct
import time
import unittest

import dgsf
from dgsf import Client, frame, lease

GIB = 1 << 30
SERVER = os.path.join(dgsf.BUILD, "server", "vgpu-server")
WORKER = os.path.join(dgsf.HERE, "fakeworker.py")


class ServerTest(unittest.TestCase):
    def start(self, *args, env=None, warm=1):
        self.server = dgsf.Daemon([SERVER, "--listen", "127.0.0.1:0", "--worker", WORKER, "--log-level", "debug",
                                   "--workers", "1", "--mem-total", "1G", *args], env)
        self.addCleanup(self.server.kill)
        self.port = int(self.server.wait_log(r"listening on 127\.0\.0\.1:(\d+)"))
        if warm:
            self.server.wait_log(r"is warm", warm)

    def client(self, data=b""):
        c = Client(self.port, data)
        self.addCleanup(c.sock.close)
        return c

    def leased(self, **kw):
        """A client that has a lease; places it was told before."""
        c = self.client(lease(**kw))
        c.places = []
        op, payload = c.recv()
        while op == dgsf.OP_QUEUED:
            c.places.append(struct.unpack_from("<I", payload)[0])
            op, payload = c.recv()
        self.assertEqual(op, dgsf.OP_WELCOME)
        c.quota = int.from_bytes(payload, "little")
        return c

    def place(self, c):
        op, payload = c.recv()
        self.assertEqual(op, dgsf.OP_QUEUED)
        return struct.unpack_from("<I", payload)[0]

    # ---- bulk connections ----

    def bulk(self, lease, magic=dgsf.MAGIC):
        return frame(dgsf.OP_BULK, struct.pack("<IIQ16s", magic, 0, lease, b"t" * 16))

    def test_a_bulk_connection_of_no_lease_is_refused(self):
        self.start()
        self.leased()
        for lease_id in (0, 2, 1 << 63):
            result, reason, text = self.client(self.bulk(lease_id)).refused()
            self.assertEqual((result, reason), (dgsf.INVALID_VALUE, dgsf.REASON_PROTOCOL))
            self.assertIn(str(lease_id), text)
        self.assertIn("magic", self.client(self.bulk(1, magic=1)).refused()[2])
        self.assertIn("op", self.client(frame(dgsf.OP_BULK, b"x" * 8)).refused()[2])

    def test_a_bulk_connection_is_passed_to_the_worker_that_has_the_lease(self):
        self.start()
        first = self.leased()
        second = self.leased()
        c = self.client(self.bulk(2) + b"and more")
        self.assertEqual(dgsf.read_exactly(c.sock, 8), b"and more")     # the fake worker echoes what stood behind
        for other in (first, second):
            other.send(frame(7, b"y" * 8))
            self.assertEqual(other.recv(), (7, b"y" * 8))

    # ---- leases ----

    def test_a_lease_is_granted_and_frames_pass(self):
        self.start()
        c = self.leased(mem=GIB // 2)
        self.assertEqual((c.places, c.quota), ([], GIB // 2))
        c.send(frame(7, b"x" * 100))
        self.assertEqual(c.recv(), (7, b"x" * 100 + bytes(4)))
        c.sock.close()
        self.server.wait_log(r"lease 1 ended: tenant test, .*client closed .*4096 bytes at most, 1 frames")

    def test_what_follows_the_lease_frame_is_the_workers(self):
        self.start()
        c = self.client(lease() + frame(9, b"hello---"))
        self.assertEqual(c.recv()[0], dgsf.OP_WELCOME)
        self.assertEqual(c.recv(), (9, b"hello---"))

    def test_no_memory_asked_gives_the_default(self):
        self.start("--mem-default", "100M")
        self.assertEqual(self.leased().quota, 100 << 20)

    def test_the_total_comes_from_the_workers_when_it_is_not_configured(self):
        self.start("--mem-total", "0", "--max-workers", "4", env={"FAKE_MEMORY": str(2 * GIB)})
        self.assertEqual(self.leased().quota, GIB // 2)

    def test_a_lease_frame_may_come_byte_by_byte(self):
        self.start()
        c = self.client()
        for b in lease():
            c.send(bytes([b]))
        self.assertEqual(c.recv()[0], dgsf.OP_WELCOME)

    def test_an_idle_connection_is_served_whenever_it_asks(self):
        self.start("--lease-timeout", "100ms")
        c = self.client()
        time.sleep(0.4)
        c.send(lease())
        self.assertEqual(c.recv()[0], dgsf.OP_WELCOME)

    # ---- the queue ----

    def test_clients_are_served_in_their_order_and_told_their_place(self):
        self.start("--max-workers", "1")
        first = self.leased()
        waiting = []
        for n in range(3):
            waiting.append(self.client(lease(tenant=f"w{n}")))
            self.assertEqual(self.place(waiting[n]), n + 1)
        waiting[1].sock.close()     # leaves; the one behind moves up
        self.assertEqual(self.place(waiting[2]), 2)
        first.sock.close()
        self.assertEqual(waiting[0].recv()[0], dgsf.OP_WELCOME)
        self.assertEqual(self.place(waiting[2]), 1)
        waiting[0].sock.close()
        self.assertEqual(waiting[2].recv()[0], dgsf.OP_WELCOME)
        self.assertIn("left the queue", self.server.log())

    def test_waiting_for_a_worker_ends_with_device_unavailable(self):
        self.start("--max-workers", "1", "--queue-wait", "300ms")
        self.leased(mem=1 << 20)
        start = time.monotonic()
        result, reason, text = self.client(lease(mem=1 << 20)).refused()
        self.assertEqual((result, reason), (dgsf.UNAVAILABLE, dgsf.REASON_FULL))
        self.assertIn("1 of 1 are alive", text)
        self.assertTrue(0.25 < time.monotonic() - start < 2)
        self.server.wait_log(r"refused: waited \d+ ms for a worker")

    def test_waiting_for_memory_ends_with_out_of_memory(self):
        self.start("--max-workers", "4", "--queue-wait", "300ms")
        self.leased(mem=GIB)
        self.server.wait_log("is warm", 2)
        result, reason, text = self.client(lease(mem=4096)).refused()
        self.assertEqual((result, reason), (dgsf.OUT_OF_MEMORY, dgsf.REASON_MEMORY))
        self.assertIn("4096 bytes", text)

    def test_a_client_may_wait_shorter_than_the_server_lets_it_but_not_longer(self):
        self.start("--max-workers", "1", "--queue-wait", "600ms")
        self.leased()
        for wait_ms, least, most in ((100, 0.08, 0.5), (60000, 0.55, 2)):
            start = time.monotonic()
            self.client(lease(wait_ms=wait_ms)).refused()
            self.assertTrue(least < time.monotonic() - start < most)

    def test_memory_given_back_serves_who_waits_for_it(self):
        self.start("--max-workers", "4")
        big = self.leased(mem=GIB)
        c = self.client(lease(mem=GIB // 2))
        self.assertEqual(self.place(c), 1)
        big.sock.close()
        self.assertEqual(c.recv()[0], dgsf.OP_WELCOME)

    def test_more_memory_than_the_server_has_is_refused_at_once(self):
        self.start()
        result, reason, text = self.client(lease(mem=GIB + 1)).refused()
        self.assertEqual((result, reason), (dgsf.OUT_OF_MEMORY, dgsf.REASON_MEMORY))
        self.assertIn(str(GIB), text)
        self.client(lease(mem=(1 << 64) - 1)).refused()

    def test_a_full_queue_refuses_at_once(self):
        self.start("--max-workers", "1", "--queue-max", "1")
        self.leased()
        self.assertEqual(self.place(self.client(lease())), 1)
        self.assertEqual(self.client(lease()).refused()[:2], (dgsf.UNAVAILABLE, dgsf.REASON_FULL))

    # ---- wrong frames ----

    def test_another_version_is_refused_and_both_are_named(self):
        self.start()
        result, reason, text = self.client(lease(version=9, version_min=7) + frame(dgsf.OP_HELLO, bytes(32))).refused()
        self.assertEqual((result, reason), (dgsf.UNAVAILABLE, dgsf.REASON_VERSION))
        self.assertIn("7 to 9", text)
        self.assertIn("1 to 1", text)

    def test_a_newer_client_that_speaks_our_version_too_is_served(self):
        self.start()
        self.assertEqual(self.client(lease(version=9, version_min=1)).recv()[0], dgsf.OP_WELCOME)

    def test_garbage_is_refused(self):
        self.start()
        good = lease()
        bad = {
            "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(200),
            "zeros": bytes(300),
            "ones": b"\xff" * 300,
            "size 0": struct.pack("<I", 0) + good[4:],
            "size 17": struct.pack("<I", 17) + good[4:],
            "size 4104": struct.pack("<I", 4104) + good[4:],
            "size 2^32-8": struct.pack("<I", 0xfffffff8) + good[4:],
            "other op": frame(dgsf.OP_HELLO, good[16:]),
            "magic": lease(magic=1),
            "tenant": lease(tenant="x" * 64),
            "tenant with a newline": lease(tenant="x\ny"),
            "tagged value beyond the end": lease(tail=struct.pack("<HHI", 9, 0, 64)),
        }
        for name, data in bad.items():
            with self.subTest(name):
                c = self.client(data)
                result, reason, text = c.refused()
                self.assertEqual((result, reason), (dgsf.INVALID_VALUE, dgsf.REASON_PROTOCOL), text)
                self.assertTrue(c.at_end())
        self.leased()

    def test_a_client_that_stops_in_the_middle_is_closed_in_time(self):
        self.start("--lease-timeout", "300ms")
        slow = self.client(lease()[:20])
        start = time.monotonic()
        self.assertIn("300 ms", slow.refused()[2])
        self.assertLess(time.monotonic() - start, 2)
        drip = self.client()
        try:    # a byte from time to time does not renew the time
            for b in lease():
                drip.send(bytes([b]))
                time.sleep(0.05)
        except OSError:
            pass
        self.assertTrue(time.monotonic() - start < 3)
        self.assertEqual(self.server.log().count("no whole LEASE frame"), 2)

    def test_idle_connections_keep_nobody_out(self):
        self.start("--max-idle", "4")
        idle = [self.client() for _ in range(10)]
        self.leased()
        for c in idle[:6]:
            self.assertTrue(c.at_end())
        idle[9].sock.settimeout(0.2)
        self.assertRaises(TimeoutError, idle[9].sock.recv, 1)

    def test_running_out_of_descriptors_is_survived(self):
        self.start("--max-idle", "1000")
        import resource
        n = self.server.fds() + 5
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (n, n))
        idle = [self.client() for _ in range(30)]
        self.server.wait_log("cannot accept: Too many open files")
        for c in idle:
            c.sock.close()
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (n, n))
        time.sleep(0.3)
        self.leased()

    # ---- workers ----

    def test_a_worker_that_is_killed_ends_its_client_and_is_replaced(self):
        self.start("--max-workers", "2")
        c = self.leased()
        self.server.wait_log("is warm", 2)
        victim = int(self.server.wait_log(r"lease 1: .*worker (\d+)"))
        os.kill(victim, signal.SIGKILL)
        start = time.monotonic()
        self.assertTrue(c.at_end())
        self.assertLess(time.monotonic() - start, 1)
        self.server.wait_log(r"lease 1 ended: .*worker died \(worker \d+ killed by signal 9")
        self.leased()
        self.leased()
        self.server.wait_log(r"lease 3: ")

    def test_a_crash_is_logged_with_its_signal_and_its_memory_comes_back(self):
        self.start(env={"ASAN_OPTIONS": "detect_leaks=0:handle_segv=0"})
        for _ in range(3):
            c = self.client(lease(mem=GIB, tenant="crash"))
            with self.assertRaises((EOFError, ConnectionResetError)):
                while c.recv()[0] == dgsf.OP_QUEUED:
                    pass
        self.server.wait_log(r"killed by signal 11 \(Segmentation fault\)", 3)
        self.assertEqual(self.leased(mem=GIB).quota, GIB)

    def test_a_worker_that_does_not_exit_is_killed(self):
        self.start("--kill-timeout", "200ms")
        c = self.client(lease(tenant="stuck"))
        self.assertTrue(c.at_end())
        self.server.wait_log("does not exit, killed")
        self.server.wait_log(r"lease 1 ended: .*killed by signal 9")

    def test_an_idle_warm_worker_that_dies_is_replaced(self):
        self.start()
        os.kill(self.server.children()[0], signal.SIGKILL)
        self.server.wait_log("is warm", 2)
        self.leased()

    def test_workers_that_cannot_start_are_said_to_clients_and_in_the_log(self):
        self.start(env={"FAKE_WORKER": "fail"}, warm=0)
        queued = self.client(lease())
        result, reason, text = queued.refused()
        self.assertEqual((result, reason), (dgsf.UNAVAILABLE, dgsf.REASON_WORKER))
        self.assertIn("exited with status 3", text)
        self.assertEqual(self.client(lease()).refused()[1], dgsf.REASON_WORKER)
        self.server.wait_log(r"no worker can be started \(3 in a row failed\)")
        time.sleep(1)
        self.assertLess(self.server.log().count("without a lease"), 6)     # backed off

    def test_a_worker_that_does_not_get_warm_is_killed(self):
        self.start("--warm-timeout", "200ms", env={"FAKE_WORKER": "hang"}, warm=0)
        self.server.wait_log("does not get warm, killed")

    def test_a_worker_that_breaks_the_control_protocol_is_killed(self):
        self.start(env={"FAKE_WORKER": "babble"}, warm=0)
        self.server.wait_log("control protocol does not have, killed")

    def test_a_missing_worker_program_is_said(self):
        self.server = dgsf.Daemon([SERVER, "--listen", "127.0.0.1:0", "--worker", "/nonexistent"])
        self.assertEqual(self.server.proc.wait(5), 1)
        self.assertIn("/nonexistent: No such file", self.server.log())

    def test_the_pool_stays_within_its_limit(self):
        self.start("--workers", "2", "--max-workers", "3", "--mem-default", "1M", warm=2)
        held = [self.leased() for _ in range(3)]
        c = self.client(lease())
        self.place(c)
        self.assertEqual(len(self.server.children()), 3)
        held[0].sock.close()
        self.assertEqual(c.recv()[0], dgsf.OP_WELCOME)

    # ---- going down, leaving nothing ----

    def test_sigterm_waits_for_leases_and_turns_the_rest_away(self):
        self.start("--max-workers", "1")
        c = self.leased()
        queued = self.client(lease())
        self.place(queued)
        idle = self.client()
        self.server.proc.terminate()
        self.assertEqual(queued.refused()[:2], (dgsf.UNAVAILABLE, dgsf.REASON_DRAINING))
        self.assertTrue(idle.at_end())
        with self.assertRaises(ConnectionRefusedError):
            Client(self.port)
        c.send(frame(7, b"still here"))
        self.assertEqual(c.recv()[0], 7)
        c.sock.close()
        self.assertEqual(self.server.proc.wait(5), 0)

    def test_sigterm_kills_leases_that_outlast_the_drain(self):
        self.start("--drain-timeout", "300ms")
        c = self.leased()
        self.server.proc.terminate()
        self.assertTrue(c.at_end())
        self.assertEqual(self.server.proc.wait(5), 0)

    def test_workers_die_with_the_server(self):
        self.start()
        self.leased()
        pids = self.server.children()
        self.server.kill()
        end = time.monotonic() + 5
        while any(os.path.exists(f"/proc/{p}") for p in pids) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertFalse([p for p in pids if os.path.exists(f"/proc/{p}")])

    def test_two_hundred_leases_leave_no_descriptor_behind(self):
        self.start("--workers", "4")
        self.server.wait_log("is warm", 4)
        before = self.server.fds()
        for n in range(200):
            c = self.leased(mem=GIB if n % 10 == 0 else 4096)
            c.sock.close()
        self.server.wait_log("lease 200 ended", timeout=20)
        self.server.wait_log("is warm", 204, timeout=20)
        self.assertEqual(self.server.fds(), before)
        self.leased(mem=GIB)

    def test_an_idle_server_uses_no_cpu(self):
        self.start("--workers", "2", warm=2)
        c = self.leased()
        self.client()
        self.server.wait_log("is warm", 3)
        time.sleep(0.2)
        before = self.server.cpu_ticks()
        switches = self.switches()
        time.sleep(2)
        self.assertEqual(self.server.cpu_ticks(), before)
        self.assertEqual(self.switches(), switches)
        c.sock.close()

    def switches(self):
        with open(f"/proc/{self.server.pid}/status") as f:
            return [line for line in f if "ctxt_switches" in line]

    # ---- configuration ----

    def test_a_wrong_configuration_names_file_and_line(self):
        path = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"dgsf-server-{os.getpid()}.conf")
        self.addCleanup(os.unlink, path)
        with open(path, "w") as f:
            f.write("# good\nworkers = 0\n")
        d = dgsf.Daemon([SERVER, "--config", path])
        self.assertEqual(d.proc.wait(5), 1)
        self.assertIn(f"{path}:2: workers: '0' is not between 1 and 1024", d.log())

    def test_an_address_in_use_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            d = dgsf.Daemon([SERVER, "--listen", "127.0.0.1:%d" % other.getsockname()[1], "--worker", WORKER])
            self.assertEqual(d.proc.wait(5), 1)
            self.assertIn("Address already in use", d.log())


if __name__ == "__main__":
    dgsf.main()
