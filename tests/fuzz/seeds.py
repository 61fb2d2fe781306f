#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Seeds for the fuzzers of tests/fuzz: seeds.py [--still] FOLDER ROWS

--still leaves out what programs send; ROWS is the program of rows.c.

FOLDER/worker/seeds   what the programs of tests/cuda and tests/errors, and worker_script, send behind the lease, on softgpu; what none of them
                      comes to send; a frame of every generated row, and one of zeros where no other seed has the row
FOLDER/client/seeds   what the worker sends to the client's fuzzer, of which client_script and worker_script are the programs
FOLDER/wire/seeds     leases, and greetings
FOLDER/vgpud/seeds    announcements and frames, and the configuration
"""
import os
import re
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
OTHER_SCRIPT = 0xeeee  # CLIENT_OP_OTHER
# Name, arguments, and what of a session is enough.
PROGRAMS = """arrays,async,badimage,capture,contexts,drvptx,fault,graphs,groups,histogram,hostfunc,idle,manykernels,memory,oom,
cgroups,gridsync,pageable,pools,printf,reduce,shared --alone,streams,texture,threads,vecadd,vecadd_shared,views,upload""".replace("\n", "").split(",")
ERRORS = "array context graph init launch memory pool stream".split()


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
        for argv in ([os.path.join(CUDA, name), *args] for name, *args in map(str.split, PROGRAMS)):
            record(argv, port, os.path.join(out, "worker", "seeds"))
        for argv in [[os.path.join(dgsf.BUILD, "tests", "errors", name)] for name in ERRORS] + [[os.path.join(out, "worker", "worker_script")]]:
            record(argv, port, os.path.join(out, "worker", "seeds"))
        for script, before in (("client", b""), ("worker", struct.pack("<IHHQ", 16, OTHER_SCRIPT, 0, 0))):
            recorder = Recorder(port)
            run([os.path.join(out, script, f"{script}_script")], recorder)
            for i, (_, down) in enumerate(recorder.sessions):
                keep(os.path.join(out, "client", "seeds"), f"{script}_script.{i}", before + whole(frames(down), SESSION_MAX))
    finally:
        server.kill()


def record(argv, port, folder):
    """What a program sends, without the greetings, as NAME.N for each of its sessions."""
    if not os.path.exists(argv[0]):
        return
    recorder = Recorder(port)
    run(argv, recorder)
    for i, (up, _) in enumerate(recorder.sessions):
        row = list(frames(up))
        keep(folder, "hello", b"".join(f for f in row if op(f) == dgsf.OP_HELLO))
        keep(folder, f"{'.'.join(argv[0].split(os.sep)[-2:])}.{i}",
             whole((f for f in row if op(f) < dgsf.OP_LEASE or op(f) > LAST_GREETING), SESSION_MAX))


def run(argv, recorder):
    env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "libvcuda"), "VGPU_SERVER": recorder.address}
    try:
        subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        print(f"  {argv[0]}: {e}", file=sys.stderr)


def others(folder):
    """A frame of zeros for each row that the worker has and nothing above sends."""
    with open(os.path.join(dgsf.BUILD, "gen", "dispatch.gen.c")) as f:
        rows = {int(number, 16): name for number, name in re.findall(r"\{ (0x\w+), (?:gen_)?run_(\w+) \}", f.read())}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            for frame in frames(f.read()):
                rows.pop(op(frame), None)
    for number, name in rows.items():
        keep(folder, f"row.{name}", struct.pack("<IHHQ", 16 + 64, number, 0, 2) + bytes(64))


def launch_ex(function, stream, attributes=b"", sizes=0):
    """struct vwire_launch_ex: two blocks of 32 threads, and attributes of 72 bytes."""
    return struct.pack("<12I", function, stream, 2, 1, 1, 32, 1, 1, 0, 0, len(attributes) // 72, sizes) + attributes


def unsaid(folder):
    """
    What the library answers itself where it can, or softgpu does not grant, with the objects of worker_script: stream 1, module 1 and its
    function 2, array 1, mipmapped array 1, surface reference 1, and its own texture reference.
    """
    with open(os.path.join(folder, "worker.worker_script.0"), "rb") as f:
        session = list(frames(f.read()))
    with open(os.path.join(dgsf.BUILD, "gen", "cuda_ids.gen.h"), encoding="ascii") as f:
        ids = {name: int(number, 16) for name, number in re.findall(r"CUDA_ID_(\w+) = (0x\w+)", f.read())}
    gone = {ids[f"cu{name}"] for name in ("TexRefDestroy", "MipmappedArrayDestroy", "ArrayDestroy", "ModuleUnload", "StreamDestroy_v2")}
    ref, = (struct.unpack_from("<I", f, 16)[0] for f in session if op(f) == ids["cuTexRefCreate"])
    named = 0x80000000 + sum(op(f) == ids["cuModuleGetFunction"] for f in session)
    pair = struct.pack("<II", 4, 0) + struct.pack("<III", 2, 1, 1).ljust(64, b"\0")
    calls = [
        ("cuModuleGetFunction", struct.pack("<6I", named, 1, 0, 0, 0, 6) + b"second"),
        ("cuFuncGetAttribute", struct.pack("<II", 2, 1)),
        ("cuLaunchKernelEx", launch_ex(2, 1)),
        ("cuLaunchKernelEx", launch_ex(2, 1, pair)),
        ("cuOccupancyMaxPotentialClusterSize", launch_ex(2, 1)),
        ("cuOccupancyMaxActiveClusters", launch_ex(2, 1, pair)),
        ("cuOccupancyMaxActiveClusters", launch_ex(2, 1, pair, sizes=16)),
        ("cuTexRefSetMipmappedArray", struct.pack("<IIIIII", ref, 0, 1, 0, 1, 0)),
        ("cuSurfRefSetArray", struct.pack("<IIIIII", 1, 0, 1, 0, 0, 0)),
    ]
    data = b"".join(f for f in session if op(f) not in gone)
    last = 1 + struct.unpack_from("<Q", session[-1], 8)[0]
    for i, (name, payload) in enumerate(calls):
        data += dgsf.frame(ids[name], payload, seq=last + i)
    keep(folder, "unsaid", data)


def wire(out):
    for name, data in (("lease", dgsf.lease(mem=1 << 30, wait_ms=5)), ("tagged", dgsf.lease(tail=struct.pack("<HHI", 7, 0, 8) + bytes(8))),
                       ("required", dgsf.lease(tail=struct.pack("<HHI", 7, 1, 8) + bytes(8))), ("newer", dgsf.lease(version=9))):
        keep(os.path.join(out, "wire", "seeds"), name, data)


def attribute(kind, value):
    return struct.pack("<HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(cmd, *attributes):
    """A message of the module's family, as long as a frame may be: a multiple of 8."""
    body = struct.pack("<BBH", cmd, 1, 0) + b"".join(attributes)
    body += bytes(-len(body) % 8)
    return struct.pack("<IHHII", 16 + len(body), 29, 0, 0, 0) + body


def vgpud(out):
    """Sessions announced and listed, the end of a list, an error; the configuration; a lease as what a server sends."""
    folder = os.path.join(out, "vgpud", "seeds")
    device, number, attached = attribute(2, struct.pack("<I", 0)), attribute(3, struct.pack("<Q", 5)), attribute(6, struct.pack("<I", 1))
    frame = struct.pack("<IHHQ", 24, 0xf008, 0, 0) + bytes(8)
    request = struct.pack("<IHHQ", 24, 0x0301, 0, 1) + bytes(8)
    opened, listed = message(1, device, number), message(3, device, attribute(3, struct.pack("<Q", 7)), attached)
    keep(folder, "open", opened + frame + request)
    keep(folder, "list", opened + listed + struct.pack("<IHHIII", 24, 3, 2, 0, 0, 0) + bytes(4))
    keep(folder, "error", struct.pack("<IHHIIi", 40, 2, 0, 0, 0, -1) + bytes(20))
    keep(folder, "two", opened + message(1, attribute(3, struct.pack("<Q", 11))) + (frame + request) * 3)
    keep(folder, "bulk", opened + message(1, device, attribute(3, struct.pack("<Q", 11))) + frame +
         struct.pack("<IHHQ", 48, dgsf.OP_BULK, 0, 1) + struct.pack("<IIQ16s", dgsf.MAGIC, 0, 1, b"t" * 16) + request)
    shutil.copy(os.path.join(ROOT, "userd", "vgpud", "vgpud.conf"), folder)


def main():
    still, (out, rows) = sys.argv[1] == "--still", map(os.path.abspath, sys.argv[-2:])
    for target in ("worker", "client", "wire", "vgpud"):
        shutil.rmtree(os.path.join(out, target, "seeds"), ignore_errors=True)
        os.makedirs(os.path.join(out, target, "seeds"))
    subprocess.run([rows, os.path.join(out, "worker", "seeds")], check=True)
    if not still:
        sessions(out)
        unsaid(os.path.join(out, "worker", "seeds"))
    others(os.path.join(out, "worker", "seeds"))
    wire(out)
    vgpud(out)


if __name__ == "__main__":
    main()
