# SPDX-License-Identifier: MIT
"""What the tests of the daemons share: frames of vgpu_wire.h, messages of control.h, processes, a KTAP runner."""
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("DGSF_BUILD", os.path.join(ROOT, "build"))
HERE = os.path.dirname(os.path.abspath(__file__))

MAGIC, VERSION = 0x46534744, 1
OP_LEASE, OP_QUEUED, OP_REFUSED, OP_HELLO, OP_WELCOME = range(0xf000, 0xf005)
OP_STATUS, OP_CLOSED, OP_BULK = 0xf005, 0xf009, 0xf00e
REASON_VERSION, REASON_FULL, REASON_MEMORY, REASON_PROTOCOL = 1, 2, 3, 4
REASON_LOST, REASON_WORKER, REASON_DRAINING = 5, 6, 7
INVALID_VALUE, OUT_OF_MEMORY, UNAVAILABLE = 1, 2, 46

FRAME = struct.Struct("<IHHQ")
LEASE = struct.Struct("<IHHQQII16s64s")
REFUSED = struct.Struct("<IIHHI")

CONTROL_VERSION = 1
CONTROL_READY, CONTROL_LEASE, CONTROL_USED, CONTROL_ENDED, CONTROL_BULK = 1, 2, 3, 4, 5
CONTROL_HEAD = struct.Struct("=II")
CONTROL_READY_MSG = struct.Struct("=IIIIQQII64s")
CONTROL_LEASE_MSG = struct.Struct("=IIQQ112s80s")
CONTROL_USED_MSG = struct.Struct("=IIQ")
CONTROL_ENDED_MSG = struct.Struct("=IIIIQQ")


# ThreadSanitizer: it has no forked child of a process with threads start any, and its shadow grows with what is touched.
TSAN = "libtsan" in os.environ.get("DGSF_PRELOAD", "")


def patient(seconds):
    """Time for what takes so long on an idle machine; under a sanitizer everything does."""
    return seconds * (6 if os.environ.get("DGSF_PRELOAD") else 1)


def frame(op, payload=b"", seq=0, flags=0):
    payload += bytes(-len(payload) % 8)
    return FRAME.pack(16 + len(payload), op, flags, seq) + payload


def lease(mem=0, wait_ms=0, tenant="test", version=VERSION, version_min=VERSION, magic=MAGIC, tail=b""):
    return frame(OP_LEASE, LEASE.pack(magic, version, version_min, 0, mem, wait_ms, 0, bytes(16),
                                      tenant.encode()) + tail)


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise EOFError(f"end after {len(data)} of {n} bytes")
        data += part
    return data


class Client:
    """One connection to a server, speaking frames."""

    def __init__(self, port, send=b"", timeout=10):
        self.sock = socket.create_connection(("127.0.0.1", port), patient(timeout))
        if send:
            self.sock.sendall(send)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def recv(self):
        """(op, payload) of the next frame; EOFError at the end."""
        size, op, _, _ = FRAME.unpack(read_exactly(self.sock, 16))
        return op, read_exactly(self.sock, size - 16)

    def refused(self):
        """(result, reason, text), after any number of places."""
        op, payload = self.recv()
        while op == OP_QUEUED:
            op, payload = self.recv()
        assert op == OP_REFUSED, hex(op)
        result, reason, _, _, n = REFUSED.unpack_from(payload)
        return result, reason, payload[REFUSED.size:REFUSED.size + n].decode()

    def at_end(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True


class Daemon:
    """A program of ours in the background; its log is a file that can be waited for."""

    def __init__(self, argv, env=None):
        self.file = tempfile.NamedTemporaryFile(prefix="dgsf-log-")
        self.proc = subprocess.Popen(argv, stderr=self.file, stdin=subprocess.DEVNULL,
                                     env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self.proc.pid

    def log(self):
        with open(self.file.name, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, count=1, timeout=10):
        end = time.monotonic() + patient(timeout)
        while time.monotonic() < end:
            found = re.findall(pattern, self.log())
            if len(found) >= count:
                return found[-1]
            if self.proc.poll() is not None and len(re.findall(pattern, self.log())) < count:
                break
            time.sleep(0.01)
        raise AssertionError(f"no {count} x {pattern!r} in the log:\n{self.log()}")

    def stop(self, sig=15, timeout=10):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        code = self.proc.wait(patient(timeout))
        self.file.close()
        return code

    def kill(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_ticks(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            return [int(p) for p in f.read().split()]


class KtapResult(unittest.TestResult):
    def startTestRun(self):
        print("KTAP version 1", flush=True)

    def _line(self, word, test, more=""):
        print(f"{word} {self.testsRun} {test.id().split('.')[-1]}{more}", flush=True)

    def addSuccess(self, test):
        self._line("ok", test)

    def addSkip(self, test, reason):
        self._line("ok", test, f" # SKIP {reason}")

    def _bad(self, test, err):
        for line in self._exc_info_to_string(err, test).splitlines():
            print("# " + line)
        self._line("not ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._bad(subtest, err)


def main(module="__main__"):
    """Runs the module's tests, or those that the command line names; exit status 1 when one fails."""
    suite = unittest.TestLoader().loadTestsFromModule(sys.modules[module])
    tests = [t for cls in suite for t in cls]
    if sys.argv[1:]:
        tests = [t for t in tests if t.id().split(".")[-1] in sys.argv[1:]]
    result = KtapResult()
    result.startTestRun()
    unittest.TestSuite(tests).run(result)
    print(f"1..{result.testsRun}")
    sys.exit(0 if result.wasSuccessful() and tests else 1)


class GpuServer(Daemon):
    """A vgpu-server over a driver, softgpu unless told otherwise, on a port of the loopback interface that the kernel picks."""

    def __init__(self, *arguments, cuda=os.path.join(BUILD, "softgpu", "libcuda.so.1"), env=None):
        super().__init__([os.path.join(BUILD, "server", "vgpu-server"), "--listen", "127.0.0.1:0", "--cuda", cuda, *arguments], env)
        try:
            self.port = int(self.wait_log(r"listening on 127\.0\.0\.1:(\d+)"))
        except AssertionError:
            self.kill()
            raise
