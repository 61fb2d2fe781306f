#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
What either side of a session may send that breaks the protocol, on softgpu. A malformed frame of every row, and wrong heads, each
from a session of its own: that session is closed and the reason logged, and one beside it goes on computing. And answers that
cannot be, to a program: it ends with an error that says so, and others go on.
"""
import functools
import os
import re
import socket
import struct
import subprocess
import threading
import unittest

import dgsf
from dgsf import Client, frame, lease

GEN = os.path.join(dgsf.BUILD, "gen")
PAGE, STREAM_LEGACY = 2 << 20, 0
WAIT = 0x0002
OPEN = ("cuLaunchKernel", "cuGraphExecNodeSetParams")    # any bytes may follow their first ones
F_REPLY = 0x0001
OP_DATA, OP_CLOSED, OP_IMAGE, OP_FEED = 0xf008, 0xf009, 0xf00a, 0xf00c


def read(name):
    with open(os.path.join(GEN, name), encoding="ascii") as f:
        return f.read()


def rows():
    """{name: op} of what a worker dispatches."""
    found = re.findall(r"{ 0x([0-9a-f]{4}), (?:gen_)?run_(\w+) }", read("dispatch.gen.c"))
    return {name: int(op, 16) for op, name in found}


@functools.lru_cache(maxsize=None)
def table_of(port):
    """The server's hash, from its refusal of another."""
    with Client(port, lease() + hello(0), timeout=30) as c:
        op, payload = c.recv()
        while op == dgsf.OP_QUEUED:
            op, payload = c.recv()
    return int(re.search(rb"the server .* with table ([0-9a-f]{16})", payload)[1], 16)


def hello(table):
    return frame(dgsf.OP_HELLO, struct.pack("<IIQQII", dgsf.VERSION, 1 << 20, 0, table, 13000, os.getpid()), seq=1)


class Session(Client):
    """From the lease to the greeting's answer."""

    def __init__(self, port):
        super().__init__(port, lease(mem=8 << 20) + hello(table_of(port)), timeout=30)
        op, welcome = self.recv()
        while op == dgsf.OP_QUEUED:
            op, welcome = self.recv()
        if op != dgsf.OP_WELCOME:
            raise AssertionError(f"op {op:#x}: {welcome!r}")
        self.base = struct.unpack_from("<IIQQQQ", welcome)[5]
        self.seq = 1

    def request(self, op, payload=b"", flags=0):
        self.seq += 1
        self.send(frame(op, payload, self.seq, flags))

    def closed(self):
        """(reason, text) of the end."""
        op, payload = self.recv()
        while op != OP_CLOSED:
            op, payload = self.recv()
        _, reason, _, _, n = dgsf.REFUSED.unpack_from(payload)
        return reason, payload[dgsf.REFUSED.size:dgsf.REFUSED.size + n].decode()


class Worker:
    """The session beside: memory that is set to another value each time, and read back."""

    def __init__(self, port, ops):
        self.session, self.ops, self.value = Session(port), ops, 0
        self.session.request(ops["cuMemAlloc_v2"], struct.pack("<QQ", self.session.base, PAGE))

    def compute(self):
        s, n = self.session, 4096
        self.value = (self.value + 1) % 256
        s.request(self.ops["cuMemsetD8Async"], struct.pack("<QQQQ", s.base, self.value, n, STREAM_LEGACY))
        s.request(self.ops["cuMemcpyDtoHAsync_v2"], struct.pack("<QQII", s.base, n, STREAM_LEGACY, 0), WAIT)
        data = b""
        while len(data) < n:
            op, payload = s.recv()
            if op == OP_CLOSED:
                raise AssertionError(payload)
            if op == OP_DATA:
                _, length = struct.unpack_from("<QQ", payload)
                data += payload[16:16 + length]
        return data == bytes([self.value]) * n


class OnServer(unittest.TestCase):
    def setUp(self):
        self.server = dgsf.GpuServer("--workers", "2", "--mem-total", "1G")
        self.addCleanup(self.server.kill)
        self.port = self.server.port
        self.ops = rows()
        self.beside = Worker(self.port, self.ops)
        self.addCleanup(self.beside.session.sock.close)


class HostileTest(OnServer):
    def offend(self, op, payload, flags=0):
        with Session(self.port) as s:
            s.request(op, payload, flags)
            reason, text = s.closed()
        self.assertEqual(reason, dgsf.REASON_PROTOCOL, text)
        self.server.wait_log("closed: " + re.escape(text))
        self.assertTrue(self.beside.compute())
        return text

    def test_a_malformed_frame_of_every_row(self):
        self.assertGreater(len(self.ops), 100)
        for name, op in self.ops.items():
            with self.subTest(row=name):
                self.assertIn(name, self.offend(op, b"\xff" * (8 if name in OPEN else 8000), WAIT))

    def test_what_is_no_row(self):
        for op, payload, flags in ((0x0001, b"", 0), (OP_IMAGE, bytes(8), 0), (OP_FEED, bytes(8), 0), (dgsf.OP_HELLO, bytes(40), 0),
                                   (0xffff, b"", 0), (self.ops["cuMemsetD8Async"], bytes(32), 0x8000)):
            with self.subTest(op=op):
                self.offend(op, payload, flags)

    def test_heads_that_cannot_be(self):
        op, payload = self.ops["cuMemsetD8Async"], bytes(32)
        for what, size, number in (("shorter than a head", 8, 2), ("of no length", 0, 2), ("not a multiple of 8", 44, 2),
                                   ("larger than any", (1 << 20) + 8, 2), ("a number again", 48, 1), ("number 0", 48, 0)):
            with self.subTest(what), Session(self.port) as s:
                s.send(dgsf.FRAME.pack(size, op, 0, number) + payload)
                self.check_closed(s, "wrong size of a frame" if number == 2 else "wrong flags or number of a request")

    def check_closed(self, session, why):
        reason, text = session.closed()
        self.assertEqual(reason, dgsf.REASON_PROTOCOL, text)
        self.assertIn(why, text)
        self.server.wait_log("closed: " + re.escape(text))
        self.assertTrue(self.beside.compute())

    def test_too_little_and_too_much(self):
        op = self.ops["cuMemsetD8Async"]
        for n in (0, 8, 24, 40, 4096):
            with self.subTest(bytes=n), Session(self.port) as s:
                s.request(op, bytes(n))
                self.check_closed(s, "cuMemsetD8Async: malformed request 2")

    def test_a_handle_of_another_session_is_none(self):
        """Not against the protocol: an error, and the other's event is as it was."""
        event = struct.pack("<IIQ", 0x780, 0, 0)
        s = self.beside.session
        s.request(self.ops["cuEventCreate"], event)
        with Session(self.port) as other:
            other.request(self.ops["cuEventDestroy_v2"], event[:8], WAIT)
            self.assertEqual(self.result(other), 400)
            other.request(self.ops["cuEventQuery"], event[:8], WAIT)
            self.assertEqual(self.result(other), 400)
        self.assertTrue(self.beside.compute())
        s.request(self.ops["cuEventQuery"], event[:8], WAIT)
        self.assertEqual(self.result(s), 0)

    @staticmethod
    def result(session):
        """Of the next reply."""
        while True:
            size, _, flags, _ = dgsf.FRAME.unpack(dgsf.read_exactly(session.sock, 16))
            payload = dgsf.read_exactly(session.sock, size - 16)
            if flags & F_REPLY:
                return struct.unpack_from("<I", payload)[0]


class LyingServer:
    """Between a program and the server: after the greeting and some frames of the server comes `lie`, and nothing more."""

    def __init__(self, port, after, lie):
        self.port, self.after, self.lie = port, after, lie
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with self.listener, self.listener.accept()[0] as client, socket.create_connection(("127.0.0.1", self.port)) as server:
            up = threading.Thread(target=self.up, args=(client, server), daemon=True)
            up.start()
            try:
                self.down(server, client)
            except (OSError, EOFError):
                pass
            up.join()

    @staticmethod
    def up(client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass

    def down(self, server, client):
        left = None
        while left != 0:
            head = dgsf.read_exactly(server, 16)
            size, op, _, _ = dgsf.FRAME.unpack(head)
            client.sendall(head + dgsf.read_exactly(server, size - 16))
            if op == dgsf.OP_WELCOME:
                left = self.after + 1
            if left is not None:
                left -= 1
        client.sendall(self.lie)


class LyingServerTest(OnServer):
    """After a greeting that is right."""

    def program(self, address):
        return subprocess.run([os.path.join(dgsf.BUILD, "tests", "cuda", "vecadd")], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=dgsf.patient(30), check=False,
                              env={**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "libvcuda"), "VGPU_SERVER": address})

    def test_answers_that_cannot_be(self):
        lies = (
            (struct.pack("<IHHQ", 0, 0x0502, F_REPLY, 3) + bytes(64), "connection to the server lost: Protocol error"),
            (struct.pack("<IHHQ", 0xfffffff8, 0x0502, F_REPLY, 3) + bytes(4096), "connection to the server lost: Protocol error"),
            (frame(0x0502, bytes(64), seq=1 << 40, flags=F_REPLY), "reply to no request of this program"),
            (frame(OP_DATA, struct.pack("<QQ", 0x1234, 64) + bytes(64)), "data for no copy of this program"),
            (frame(dgsf.OP_WELCOME, bytes(64)), "a second greeting"),
            (frame(0xf0ff, bytes(64)), "a frame of an unknown kind"),
        )
        for lie, why in lies:
            for after in (0, 1):
                with self.subTest(why, after=after):
                    done = self.program(LyingServer(self.port, after, lie).address)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertIn(f"libvcuda: {why}\n", done.stderr)
                    self.assertTrue(self.beside.compute())
        self.assertEqual(self.program(f"127.0.0.1:{self.port}").returncode, 0)


if __name__ == "__main__":
    dgsf.main()
