#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Round trips of every program of tests/cuda, on softgpu: make roundtrips, and a part of make check

    roundtrips.py [--calls] [PROGRAM...]

A line for each program: its calls, the calls at which it waits for the GPU itself, round trips, bytes both ways. One
that needs more round trips than tests/cuda/roundtrips.tsv allows has failed, and so has one that has no line there; one
with '-' is left out, and why is said. --calls: and which calls they were. Speaks TAP.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile

import dgsf

CUDA = os.path.join(dgsf.BUILD, "tests", "cuda")
FLOORS = os.path.join(dgsf.ROOT, "tests", "cuda", "roundtrips.tsv")
STATS = re.compile(r"vgpu: calls=(\d+) round_trips=(\d+) bytes_out=(\d+) bytes_in=(\d+)")
PAID = re.compile(r" (\w+)\(.*\) = \d+ trips=([1-9]\d*) ")
# Where a program asks for what the GPU did: it waits there without DGSF too.
WAITS = re.compile(r" cu(CtxSynchronize|StreamSynchronize|EventSynchronize|Memcpy\w*DtoH|Memcpy\w*AtoH|Memcpy|Memcpy2D\w*|"
                   r"Memcpy3D|EventQuery|StreamQuery)(_v2|_ptsz|_ptds|Unaligned)*\(")


def floors():
    """{program and arguments: (round trips, why)}, in the file's order."""
    with open(FLOORS) as f:
        lines = [x.rstrip("\n").split("\t") for x in f if x.strip() and not x.startswith("#")]
    return {x[0]: (None if x[1] == "-" else int(x[1]), x[2]) for x in lines}


def unlisted(names):
    """What an older build left, without a source, is no program."""
    have = {x.split()[0] for x in names}
    sources = {x.split(".")[0] for x in os.listdir(os.path.join(dgsf.ROOT, "tests", "cuda")) if x.endswith((".c", ".cu"))}
    programs = [x for x in os.listdir(CUDA) if x in sources or x.rpartition("_")[0] in sources]
    return sorted(x for x in programs if "." not in x and os.path.isfile(os.path.join(CUDA, x)) and x not in have)


class Measured:
    def __init__(self, done, trace):
        self.code, self.err = done.returncode, done.stderr
        # of the program's children, too
        found = [[int(x) for x in m] for m in STATS.findall(done.stderr)] or [[0] * 4]
        self.calls, self.trips, self.out, self.back = (sum(x) for x in zip(*found))
        trace = list(trace)
        self.waits = sum(1 for line in trace if WAITS.search(line))
        self.paid = collections.Counter()
        for name, trips in (m.groups() for m in map(PAID.search, trace) if m):
            self.paid[name] += int(trips)


def measure(line, port):
    name, *args = line.split()
    args = [x if not x.startswith("@") else os.path.join(dgsf.ROOT, "tests", "data", x[1:]) for x in args]
    with tempfile.NamedTemporaryFile("r") as trace:
        env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "libvcuda"), "VGPU_SERVER": f"127.0.0.1:{port}",
               "VGPU_STATS": "1", "VGPU_TRACE": trace.name}
        done = subprocess.run([os.path.join(CUDA, name), *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=200, check=False)
        return Measured(done, trace)


def main():
    table = floors()
    calls, asked = "--calls" in sys.argv[1:], [x for x in sys.argv[1:] if x != "--calls"]
    lines = [x for x in table if not asked or x.split()[0] in asked]
    missing = unlisted(table) if not asked else []
    server = dgsf.GpuServer("--workers", "2", "--mem-default", "1G", env={"SOFTGPU_SM": "90"})
    bad = len(missing)
    try:
        print("TAP version 13\n1..%d" % (len(lines) + len(missing)))
        print("# %-28s %8s %6s %11s %12s %12s" % ("program", "calls", "waits", "round trips", "bytes out", "bytes back"))
        for number, line in enumerate(lines, 1):
            floor, why = table[line]
            if floor is None:
                print("ok %d %-28s # SKIP %s" % (number, line, why))
                continue
            m = measure(line, server.port)
            ok = m.code == 0 and m.trips <= floor
            bad += not ok
            print("%s %d %-28s %8d %6d %11d %12d %12d" % ("ok" if ok else "not ok", number, line, m.calls, m.waits, m.trips, m.out, m.back))
            if calls:
                print("#   " + ", ".join("%d %s" % (n, f) for f, n in m.paid.most_common()))
            if not ok:
                print("# exit status %d, %d round trips of %d\n# %s" % (m.code, m.trips, floor, m.err[-600:].replace("\n", "\n# ")))
        for number, name in enumerate(missing, len(lines) + 1):
            print("not ok %d %s: no line in tests/cuda/roundtrips.tsv" % (number, name))
    finally:
        server.stop()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
