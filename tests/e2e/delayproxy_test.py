#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/delayproxy: a ping-pong takes the round trip that was asked for and no less, order and content hold, ends are passed on."""
import hashlib
import os
import random
import re
import socket
import subprocess
import threading
import time
import unittest

import dgsf

PROXY = os.path.join(dgsf.BUILD, "tools", "delayproxy")


class Echo:
    """Sends back what it gets."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.echo, args=(conn,), daemon=True).start()

    @staticmethod
    def echo(conn):
        with conn:
            while data := conn.recv(1 << 16):
                conn.sendall(data)


class DelayProxy(unittest.TestCase):
    def setUp(self):
        self.echo = Echo()
        self.addCleanup(self.echo.sock.close)

    def start(self, rtt_us, port=None):
        proc = subprocess.Popen([PROXY, "--to", f"127.0.0.1:{port or self.echo.port}", "--rtt", str(rtt_us)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        self.addCleanup(proc.stderr.close)
        self.addCleanup(proc.stdout.close)
        self.addCleanup(proc.wait)
        self.addCleanup(proc.kill)
        port = int(re.search(r":(\d+)$", proc.stdout.readline().strip()).group(1))
        sock = socket.create_connection(("127.0.0.1", port), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(sock.close)
        return sock

    @staticmethod
    def ping(sock, times):
        seconds = []
        for i in range(times):
            start = time.monotonic()
            sock.sendall(b"%8d" % i)
            if dgsf.read_exactly(sock, 8) != b"%8d" % i:
                raise AssertionError("another answer than what was sent")
            seconds.append(time.monotonic() - start)
        return seconds

    def test_no_round_trip_is_shorter_than_asked_for(self):
        for rtt_us in (200, 1000, 20000):
            with self.subTest(rtt_us=rtt_us):
                sock = self.start(rtt_us)
                self.assertGreaterEqual(min(self.ping(sock, 20)), rtt_us / 1e6)

    def test_bytes_arrive_whole_and_in_order(self):
        sock = self.start(1000)
        data = random.Random(1).randbytes(8 << 20)
        threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
        got = hashlib.sha256(dgsf.read_exactly(sock, len(data)))
        self.assertEqual(got.digest(), hashlib.sha256(data).digest())

    def test_the_end_of_one_direction_leaves_the_other_open(self):
        sock = self.start(1000)
        sock.sendall(b"last words")
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(dgsf.read_exactly(sock, 10), b"last words")
        self.assertEqual(sock.recv(1), b"")

    def test_a_target_that_does_not_listen_ends_the_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        sock = self.start(0, port)
        self.assertEqual(sock.recv(1), b"")

    def test_bad_options_are_refused(self):
        for args in ([], ["--to", "x:1"], ["--to", "x:1", "--rtt", "-1"], ["--to", "x:1", "--rtt", "1x"], ["--to", "x:1", "--rtt", "1", "more"]):
            done = subprocess.run([PROXY, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 2, args)


if __name__ == "__main__":
    dgsf.main()
