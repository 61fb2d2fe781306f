#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
A vgpu-worker that speaks control.h and runs no CUDA: it greets a client and echoes its frames, so that what is tested is
the server. FAKE_WORKER and the tenant's name make it misbehave.
"""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dgsf  # noqa: E402

MEMORY = int(os.environ.get("FAKE_MEMORY", 1 << 30))


def ready(control):
    control.send(dgsf.CONTROL_READY_MSG.pack(dgsf.CONTROL_VERSION, dgsf.CONTROL_READY, 13000, 1, MEMORY, MEMORY, 0, 0,
                                             b"fake"))


def take_lease(control):
    msg, fds, _, _ = socket.recv_fds(control, 1024, 1)
    if not msg:
        sys.exit(0)
    version, kind, number, mem, raw, client = dgsf.CONTROL_LEASE_MSG.unpack(msg)
    assert (version, kind, len(fds)) == (dgsf.CONTROL_VERSION, dgsf.CONTROL_LEASE, 1)
    tenant = dgsf.LEASE.unpack(raw)[-1].split(b"\0")[0].decode()
    sock = socket.socket(fileno=fds[0])
    sock.setblocking(True)
    return sock, mem, tenant


def take_bulk(control):
    """Bulk connections: what stands behind the BULK frame goes back."""
    while True:
        msg, fds, _, _ = socket.recv_fds(control, 1024, 1)
        if not msg:
            return
        version, kind = dgsf.CONTROL_HEAD.unpack_from(msg)
        assert (version, kind, len(fds), len(msg)) == (dgsf.CONTROL_VERSION, dgsf.CONTROL_BULK, 1, 8 + 32 + 80)
        bulk = socket.socket(fileno=fds[0])
        bulk.setblocking(True)
        bulk.sendall(dgsf.read_exactly(bulk, 8))


def serve(sock, mem):
    """WELCOME with the quota in it, then every frame back; the number of frames."""
    sock.sendall(dgsf.frame(dgsf.OP_WELCOME, mem.to_bytes(8, "little")))
    n = 0
    try:
        while True:
            head = dgsf.read_exactly(sock, 16)
            sock.sendall(head + dgsf.read_exactly(sock, dgsf.FRAME.unpack(head)[0] - 16))
            n += 1
    except (EOFError, OSError):
        return n


def main():
    mode = os.environ.get("FAKE_WORKER", "")
    if mode == "fail":
        sys.exit(3)
    control = socket.socket(fileno=int(sys.argv[sys.argv.index("--control") + 1]))
    if mode == "hang":
        signal.pause()
    if mode == "babble":
        control.send(b"what?")
        signal.pause()
    time.sleep(float(os.environ.get("FAKE_WARM_S", 0)))
    ready(control)
    sock, mem, tenant = take_lease(control)
    if tenant == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if tenant == "stuck":
        sock.close()
        control.close()
        signal.pause()
    control.send(dgsf.CONTROL_USED_MSG.pack(dgsf.CONTROL_VERSION, dgsf.CONTROL_USED, 4096))
    threading.Thread(target=take_bulk, args=(control,), daemon=True).start()
    frames = serve(sock, mem)
    control.send(dgsf.CONTROL_ENDED_MSG.pack(dgsf.CONTROL_VERSION, dgsf.CONTROL_ENDED, 1, 0, frames, 4096))


main()
