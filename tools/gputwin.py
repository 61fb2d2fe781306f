#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
gputwin.py - what a driver says, and what DGSF says of the same driver: output, exit status and every return code

    tools/gputwin.py [--softgpu] [--errors | --programs] [--record] [--beside] [PROGRAM...]

Runs each program of tests/errors and of tests/cuda (the lines of tests/cuda/roundtrips.tsv) twice: on the driver, and through DGSF on that driver. On
a machine with an NVIDIA GPU the driver is the GPU's; --beside shows what softgpu says too where it is something else, which fails nothing. With --softgpu
the driver is softgpu, and no GPU is needed. Without either: says so, exit status 0.

What a driver of NVIDIA's said in tests/errors/NAME.c is in tests/errors/NAME.said; softgpu must say the same. On a GPU lines that it says otherwise
are shown ("# said:"), and --record writes them down.

Programs of tests/cuda run over build/twin/libcuda.so.1 (tools/twin.c), which writes down each call and its result; those are compared thread by
thread, and in any order of threads. Polls are left out: how often one polls is a matter of time. tests/twin.tsv lists what may differ, and why.
Speaks TAP.
"""
import argparse
import collections
import ctypes.util
import difflib
import fnmatch
import itertools
import os
import re
import subprocess
import sys
import tempfile

import gpucheck

ROOT, BUILD = gpucheck.ROOT, gpucheck.BUILD
SOFTGPU = os.path.join(BUILD, "softgpu", "libcuda.so.1")
LIBVCUDA = os.path.join(BUILD, "libvcuda", "libcuda.so.1")
FLOORS = os.path.join(ROOT, "tests", "cuda", "roundtrips.tsv")
RULES = os.path.join(ROOT, "tests", "twin.tsv")
POLLS = re.compile(r"cu(Stream|Event)Query(_ptsz)?$")
NOT_READY = 600
LIMIT_S = 120
DIED = ("crashed", "hung")
TOLD = 60		# differences of one program


def said_file(name):
    return os.path.join(ROOT, "tests", "errors", f"{name}.said")


def errors_programs():
    return sorted(x[:-2] for x in os.listdir(os.path.join(ROOT, "tests", "errors")) if x.endswith(".c"))


def cuda_programs():
    with open(FLOORS) as f:
        return [x.split("\t")[0] for x in f if x.strip() and not x.startswith("#")]


class Rules:
    """tests/twin.tsv: program (a pattern), what, a regular expression, why."""

    def __init__(self):
        with open(RULES) as f:
            self.rows = [x.rstrip("\n").split("\t") for x in f if x.strip() and not x.startswith("#")]
        self.used = set()

    def find(self, program, what, text):
        """The rows that allow it; they count as used."""
        found = [i for i, x in enumerate(self.rows) if what in x[1].split(",") and fnmatch.fnmatch(program, x[0]) and re.search(x[2], text)]
        self.used.update(found)
        return [self.rows[i] for i in found]


class NoRules(Rules):
    """Nothing may differ."""

    def __init__(self):
        self.rows, self.used = [], set()


class Result:
    def __init__(self, code, out, err, threads):
        self.code, self.out, self.err, self.threads = code, out, err, threads


def calls_of(log):
    """The sequence of 'function result' of each thread of each process, sorted."""
    threads = collections.defaultdict(list)
    for line in log:
        process, thread, name, result = line.split()
        if not (POLLS.match(name) and int(result) in (0, NOT_READY)):
            threads[process, thread].append(f"{name} {result}")
    return sorted(threads.values())


def run(argv, directory, library, extra):
    with tempfile.NamedTemporaryFile("r", prefix="twin-") as log:
        env = {**os.environ, **extra, "LD_LIBRARY_PATH": directory, "DGSF_REAL_CUDA": library, "DGSF_TWIN_LOG": log.name}
        try:
            p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                               timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return Result("stopped", "", f"stopped after {LIMIT_S} s", [])
        return Result(p.returncode, p.stdout, p.stderr, calls_of(log))


def pairs(ours, theirs):
    """Lines of two texts side by side; None where one has no such line."""
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag != "equal":
            for i in range(max(b - a, d - c)):
                yield ours[a + i] if a + i < b else None, theirs[c + i] if c + i < d else None


def allowed(rules, program, what, driver, dgsf):
    """A driver that died says nothing of what is right; where we die is never allowed."""
    if dgsf and dgsf.endswith(DIED):
        return False
    if driver and dgsf and driver.endswith(DIED):
        return True
    return all(x is None or rules.find(program, what, x) for x in (driver, dgsf))


def compare_output(rules, program, what, driver, dgsf):
    other = "recorded" if what == "said" else "the driver's"
    return [f"{what}: {b!r}, {other} {a!r}" for a, b in pairs(driver.splitlines(), dgsf.splitlines()) if not allowed(rules, program, what, a, b)]


def compare_said(rules, name, out):
    """What is said now beside what NVIDIA's driver said."""
    if not os.path.exists(said_file(name)):
        return []
    with open(said_file(name)) as f:
        return compare_output(rules, name, "said", f.read(), out)


def compare(rules, program, driver, dgsf):
    """Texts of what differs and may not."""
    wrong = []
    if driver.code != dgsf.code:
        wrong.append(f"exit status {dgsf.code}, the driver's {driver.code}")
    wrong += compare_output(rules, program, "output", driver.out, dgsf.out)
    sides = [x.threads for x in (driver, dgsf)]
    if rules.find(program, "threads", "all"):
        sides = [[sorted(call for thread in side for call in thread)] for side in sides]
    for number, (a, b) in enumerate(itertools.zip_longest(*sides, fillvalue=[])):
        for x, y in pairs(a, b):
            if not allowed(rules, program, "call", x, y):
                wrong.append(f"thread {number}: {y}, the driver's {x}")
    return wrong


class Sides:
    """How a program is run on the driver, through DGSF, and on softgpu alone."""

    def __init__(self, softgpu, record, beside):
        self.write, self.beside = record, beside
        self.extra = {"SOFTGPU_SM": "90"}
        self.softgpu = softgpu
        self.library = SOFTGPU if softgpu else real_library()
        os.environ.update(self.extra)
        self.server = gpucheck.Server(arguments=["--cuda", SOFTGPU, "--mem-default", "1G"] if softgpu else [])

    def run(self, argv, side, record):
        library = {"driver": self.library, "dgsf": LIBVCUDA, "softgpu": SOFTGPU}[side]
        extra = {"VGPU_SERVER": f"127.0.0.1:{self.server.port}"} if side == "dgsf" else self.extra
        directory = os.path.join(BUILD, "twin") if record else os.path.dirname(library)
        return run(argv, directory, library, extra)


def real_library():
    """The driver's own file, by its whole name: that in build/twin has the same short one."""
    lines = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    m = re.search(r"libcuda\.so\.1 .*=> (\S+)", lines)
    return m.group(1) if m else "/usr/lib/x86_64-linux-gnu/" + (ctypes.util.find_library("cuda") or "libcuda.so.1")


def arguments(line):
    return [os.path.join(gpucheck.DATA, x[1:]) if x.startswith("@") else x for x in line.split()[1:]]


def tell(texts):
    for text in texts[:TOLD]:
        print(f"# {text}")
    if len(texts) > TOLD:
        print(f"# and {len(texts) - TOLD} more")


def check(sides, rules, number, directory, line):
    name = line.split()[0]
    skip = rules.find(name, "skip", line)
    if skip:
        print(f"ok {number} {line} # SKIP {skip[0][3]}", flush=True)
        return True
    argv = [os.path.join(BUILD, "tests", directory, name), *arguments(line)]
    record = directory == "cuda"
    driver, dgsf = (sides.run(argv, side, record) for side in ("driver", "dgsf"))
    missing = re.search(r"error while loading shared libraries: (.*)", driver.err)
    if missing:
        print(f"ok {number} {line} # SKIP {missing[1]}", flush=True)
        return True
    wrong = compare(rules, name, driver, dgsf)
    if not driver.out and not driver.threads:
        wrong.append(f"the driver's run says nothing: {driver.err[-300:]}")
    told = [] if record else compare_said(rules if sides.softgpu else NoRules(), name, driver.out)
    if sides.softgpu:
        wrong += told
    said = f"{sum(len(x) for x in driver.threads)} calls" if record else f"{sum(x[:1] not in '#' + chr(9) for x in driver.out.splitlines())} bad calls"
    print(f"{'not ok' if wrong else 'ok'} {number} {line}, {said}")
    tell(wrong)
    if not sides.softgpu:
        tell(told)
    if sides.beside:
        tell([f"softgpu: {x}" for x in compare(NoRules(), name, driver, sides.run(argv, "softgpu", record))])
    if sides.write and not record:
        with open(said_file(name), "w") as f:
            f.write(driver.out)
    sys.stdout.flush()
    return not wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--softgpu", action="store_true")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--programs", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("names", nargs="*")
    o = parser.parse_args()
    if not o.softgpu and not os.path.exists("/dev/nvidiactl"):
        print("TAP version 13\n1..0 # SKIP no NVIDIA GPU here; --softgpu needs none")
        return 0
    cases = [] if o.programs else [("errors", x) for x in errors_programs()]
    cases += [] if o.errors else [("cuda", x) for x in cuda_programs()]
    cases = [x for x in cases if not o.names or x[1].split()[0] in o.names]
    print(f"TAP version 13\n1..{len(cases)}", flush=True)
    sides, rules = Sides(o.softgpu, o.record, o.beside), Rules()
    bad = sum(not check(sides, rules, i, *case) for i, case in enumerate(cases, 1))
    sides.server.stop()
    for i, row in enumerate(rules.rows):
        if i not in rules.used and not (o.names or o.errors or o.programs):
            print(f"# not needed here: {' '.join(row[:3])}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
