#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Seeds for the fuzzers of tests/fuzz: seeds.py FOLDER

FOLDER/worker/seeds   what the programs of tests/cuda send behind the lease, on softgpu; a frame of every generated row
FOLDER/client/seeds   what the worker sends to the client's fuzzer, of which FOLDER/client/client_script is the plain build
FOLDER/wire/seeds     leases, and greetings
"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import dgsf  # noqa: E402

CUDA = os.path.join(dgsf.BUILD, "tests", "cuda")
SOFTGPU = os.path.join(dgsf.BUILD, "softgpu", "libcuda.so.1")
SESSION_MAX = 300 << 10
LAST_GREETING = dgsf.OP_WELCOME
# Name, arguments, and what of a session is enough.
PROGRAMS = """arrays,async,badimage,capture,contexts,drvptx,fault,graphs,groups,histogram,hostfunc,idle,manykernels,memory,oom,
pageable,pools,printf,reduce,shared --alone,streams,texture,threads,vecadd,views,upload""".replace("\n", "").split(",")


class Recorder:
    """Between one client and the server: keeps what goes by, both ways."""

    def __init__(self, port):
        self.port, self.sessions = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.port))
            session = (bytearray(), bytearray())
            self.sessions.append(session)
            for a, b, kept in ((client, server, session[0]), (server, client, session[1])):
                threading.Thread(target=self.pump, args=(a, b, kept), daemon=True).start()

    @staticmethod
    def pump(a, b, kept):
        try:
            while data := a.recv(65536):
                kept += data
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def frames(data):
    while len(data) >= 16:
        size = struct.unpack_from("<I", data)[0]
        if size < 16 or size > len(data):
            return
        yield bytes(data[:size])
        data = data[size:]


def op(f):
    return struct.unpack_from("<H", f, 4)[0]


def whole(row, most):
    """As many frames from the start as are `most` bytes."""
    out = b""
    for f in row:
        if len(out) + len(f) > most:
            break
        out += f
    return out


def keep(folder, name, data):
    if data:
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)


def sessions(out):
    server = dgsf.Daemon([os.path.join(dgsf.BUILD, "server", "vgpu-server"), "--listen", "127.0.0.1:0", "--cuda", SOFTGPU, "--workers", "2",
                          "--mem-default", "256M"], {"SOFTGPU_SM": "90"})
    try:
        port = int(server.wait_log(r"listening on 127\.0\.0\.1:(\d+)"))
        for line in PROGRAMS:
            recorder = Recorder(port)
            name, *args = line.split()
            run([os.path.join(CUDA, name), *args], recorder)
            for i, (up, _) in enumerate(recorder.sessions):
                row = list(frames(up))
                keep(os.path.join(out, "worker", "seeds"), "hello", b"".join(f for f in row if op(f) == dgsf.OP_HELLO))
                keep(os.path.join(out, "worker", "seeds"), f"{name}.{i}", whole((f for f in row if op(f) < dgsf.OP_LEASE or op(f) > LAST_GREETING), SESSION_MAX))
        script = os.path.join(out, "client", "client_script")
        if os.path.exists(script):
            recorder = Recorder(port)
            run([script], recorder)
            for i, (_, down) in enumerate(recorder.sessions):
                keep(os.path.join(out, "client", "seeds"), f"script.{i}", whole(frames(down), SESSION_MAX))
    finally:
        server.kill()


def run(argv, recorder):
    env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "libvcuda"), "VGPU_SERVER": recorder.address}
    try:
        subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        print(f"  {argv[0]}: {e}", file=sys.stderr)


def wire(out):
    for name, data in (("lease", dgsf.lease(mem=1 << 30, wait_ms=5)), ("tagged", dgsf.lease(tail=struct.pack("<HHI", 7, 0, 8) + bytes(8))),
                       ("required", dgsf.lease(tail=struct.pack("<HHI", 7, 1, 8) + bytes(8))), ("newer", dgsf.lease(version=9))):
        keep(os.path.join(out, "wire", "seeds"), name, data)


def main():
    out = os.path.abspath(sys.argv[1])
    for target in ("worker", "client", "wire"):
        shutil.rmtree(os.path.join(out, target, "seeds"), ignore_errors=True)
        os.makedirs(os.path.join(out, target, "seeds"))
    rows = os.path.join(out, "worker", "rows")
    if os.path.exists(rows):
        subprocess.run([rows, os.path.join(out, "worker", "seeds")], check=True)
    sessions(out)
    wire(out)


if __name__ == "__main__":
    main()
