#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
gputrips.py - on a machine with an NVIDIA GPU and PyTorch: round trips of four programs through DGSF

    tools/gputrips.py [--calls] [--steps N] [PROGRAM...]

Runs each of tests/gpu/models.py in a process of its own against a server of its own, and prints the round trips of
moving the model to the GPU, of the first step and of a steady one (median). Exit status 1 where one is above LIMITS.
--calls: which calls they were, from a trace; steps are slower then.
"""
import argparse
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

import gpubench
import gpucheck

LOAD, FIRST = 8, 40
WAITS = gpubench.WAITS
PAID = re.compile(r" (\w+)\(.*\) = \d+ trips=(\d+) [\d.]+ us$")


def phases(trips):
    """(what, first and last round trip of it) of the counters that models.py read: before, after loading, first step, steps."""
    names = ["start", "load", "first step"] + ["step %d" % i for i in range(1, len(trips) - 2)]
    return list(zip(names, [0] + trips[:-1], trips))


def summary(trips):
    """(load, first step, median of the steady steps)"""
    costs = [b - a for a, b in zip(trips, trips[1:])]
    return costs[0], costs[1], statistics.median(costs[2:])


def paid(lines):
    """The function of each round trip of a trace, in order."""
    for line in lines:
        m = PAID.search(line)
        if m:
            yield from [m.group(1)] * int(m.group(2))


def print_calls(lines, trips):
    calls = list(paid(lines))
    for what, a, b in phases(trips):
        counts = collections.Counter(calls[a:b])
        print("#   %-10s %s" % (what, ", ".join("%d %s" % (n, f) for f, n in counts.most_common()) or "none"))


def measure(argv, env, calls):
    """The counters that a program printed as "trips", None where it failed."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
        done = subprocess.run(argv, env={**env, **({"VGPU_TRACE": trace.name} if calls else {})}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=500, check=False)
        found = [json.loads(x).get("trips") for x in done.stdout.splitlines() if x.startswith("{")]
        found = [x for x in found if x]
        if done.returncode or not found:
            print("# exit status %d\n# %s" % (done.returncode, done.stderr[-1500:].replace("\n", "\n# ")))
            return None
        if calls:
            print_calls(trace, found[-1])
        return found[-1]


def judge(name, trips):
    if trips is None:
        print("not ok %s" % name)
        return False
    load, first, step = summary(trips)
    ok = load <= LOAD and first <= FIRST and step <= WAITS[name]
    print("%s %-10s load %g of %d, first step %g of %d, step %g of %d" % ("ok" if ok else "not ok", name, load, LOAD, first, FIRST, step,
                                                                            WAITS[name]), flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("programs", nargs="*", choices=[[], *WAITS])
    o = parser.parse_args()
    if gpubench.torch_libraries() is None:
        print("skipped: PyTorch is not installed here")
        return 0
    server = gpucheck.Server()
    env = dict(gpubench.environments(server.port, [], []))["loopback"]
    argv = [sys.executable, gpubench.MODELS, "--steps", str(o.steps)]
    good = [judge(name, measure([*argv, name], env, o.calls)) for name in o.programs or WAITS]
    server.stop()
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
