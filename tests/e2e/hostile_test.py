#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A malformed frame of every row, each from a session of its own, on softgpu: that session is closed and the reason logged, and one
beside it goes on computing.
"""
import functools
import os
import re
import struct
import unittest

import dgsf
from dgsf import Client, frame, lease

GEN = os.path.join(dgsf.BUILD, "gen")
PAGE, STREAM_LEGACY = 2 << 20, 0
WAIT = 0x0002
OPEN = ("cuLaunchKernel", "cuGraphExecNodeSetParams")    # any bytes may follow their first ones
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


class HostileTest(unittest.TestCase):
    def setUp(self):
        self.server = dgsf.Daemon([os.path.join(dgsf.BUILD, "server", "vgpu-server"), "--listen", "127.0.0.1:0", "--cuda",
                                   os.path.join(dgsf.BUILD, "softgpu", "libcuda.so.1"), "--workers", "2", "--mem-total", "1G"])
        self.addCleanup(self.server.kill)
        self.port = int(self.server.wait_log(r"listening on 127\.0\.0\.1:(\d+)"))
        self.ops = rows()
        self.beside = Worker(self.port, self.ops)
        self.addCleanup(self.beside.session.sock.close)

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


if __name__ == "__main__":
    dgsf.main()
