#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
softcheck.py - on a machine with an NVIDIA GPU: programs on the GPU and on softgpu, every output compared bit by bit

    tools/softcheck.py [--sm N] [--softgpu DIR] [--rst FILE] [PROGRAM...]

A program writes what it computed to DGSF_DUMP (tests/cuda/dump.h): names, bytes, and for approximate ones the bound.
softgpu plays the GPU's own compute capability, or --sm. Prints a table; exit status 1 when a program fails or an output differs.
Needs python3 and the programs (make cuda-programs), nothing else. Without a GPU: says so, exit status 0.
"""
import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
PROGRAMS = ["cub_sort", "cub_scan", "cub_pick", "thrust_order", "thrust_sums", "thrust_sets", "cgroups", "families_int",
            "families_float", "families_half", "families_warp", "families_atomics", "families_memory", "families_matrix",
            "families_texture", "families_machine", "vecadd", "reduce", "histogram",
            "matmul", "kmeans --csv @digits.csv.gz", "wmma", "texture", "fft", "groups", "gridsync", "graphs", "memory", "streams", "async",
            "pageable", "hostfunc", "threads", "drvptx", "manykernels", "printf", "reset", "runtime"]
PRINTS = ["printf"]     # what they say is their output
PLAYED = (75, 80, 86, 89, 90, 100, 120)     # SOFTGPU_SM
HEAD = re.compile(rb"([^\n]+) (\d+) (exact|f(?:32|64):(?:\d+|abs:\d[-+.\de]*))\n")
TYPES = {"f32": ("<%di", 4, 0x7fffffff), "f64": ("<%dq", 8, 0x7fffffffffffffff)}


def records(data):
    """(name, bound, bytes) of each record; ValueError for a file that no program writes."""
    at = 0
    while at < len(data):
        m = HEAD.match(data, at)
        end = m.end() + int(m.group(2)) if m else 0
        if not m or end > len(data):
            raise ValueError(f"no record at byte {at}")
        yield m.group(1).decode(errors="replace"), m.group(3).decode(), data[m.end():end]
        at = end


def apart(kind, a, b):
    """The largest distance of two arrays in units in the last place; NaN and NaN are 0 apart, NaN and a number infinitely."""
    form, size, infinity = TYPES[kind]
    infinity &= ~((1 << (23 if size == 4 else 52)) - 1)
    worst = 0
    for x, y in zip(struct.unpack(form % (len(a) // size), a), struct.unpack(form % (len(b) // size), b)):
        if x == y:
            continue
        top = (1 << (8 * size - 1)) - 1
        nans = [(v & top) > infinity for v in (x, y)]
        if all(nans):
            continue
        if any(nans):
            return float("inf")
        x, y = (v if v >= 0 else -(v & top) for v in (x, y))
        worst = max(worst, abs(x - y))
    return worst


def far(kind, a, b):
    """The largest difference of two arrays of numbers; of NaN and a number, or of two infinities, infinite."""
    form = "<%d" + kind.replace("f32", "f").replace("f64", "d")
    n = len(a) // TYPES[kind][1]
    return max((0.0 if x == y or x != x and y != y else abs(x - y) if abs(x - y) >= 0 else float("inf")
                for x, y in zip(struct.unpack(form % n, a), struct.unpack(form % n, b))), default=0.0)


def compare(ours, gpus):
    """(outputs, bytes, worst distance in units in the last place and in itself, texts of differences)"""
    ours, gpus = list(records(ours)), list(records(gpus))
    wrong, worst = [], {"ulp": 0, "abs": 0.0}
    if [r[:2] for r in ours] != [r[:2] for r in gpus]:
        return len(gpus), 0, worst, ["not the same outputs: %d on softgpu, %d on the GPU" % (len(ours), len(gpus))]
    for (name, bound, a), (_, _, b) in zip(ours, gpus):
        if a == b:
            continue
        if len(a) != len(b):
            wrong.append(f"{name}: {len(a)} bytes on softgpu, {len(b)} on the GPU")
        elif bound == "exact":
            first = next(i for i in range(len(a)) if a[i] != b[i])
            wrong.append(f"{name}: byte {first} of {len(a)} is {a[first]:#04x} on softgpu, {b[first]:#04x} on the GPU")
        else:
            kind, *absolute, limit = bound.split(":")
            unit, distance = ("abs", far(kind, a, b)) if absolute else ("ulp", apart(kind, a, b))
            worst[unit] = max(worst[unit], distance)
            if distance > float(limit):
                wrong.append(f"{name}: {distance:.6g} {'' if absolute else 'units in the last place '}apart, {limit} allowed")
    return len(gpus), sum(len(r[2]) for r in gpus), worst, wrong


def run(program, env):
    """A program and its arguments, '@' before a file of tests/data: (what it dumped, seconds, why it failed)"""
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "dump")
        start = time.monotonic()
        try:
            name, *args = program.split()
            args = [os.path.join(ROOT, "tests", "data", x[1:]) if x.startswith("@") else x for x in args]
            p = subprocess.run([os.path.join(BUILD, "tests", "cuda", name), *args], env={**env, "DGSF_DUMP": path}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if name in PRINTS else subprocess.STDOUT, text=True, timeout=200,
                               check=False)
        except subprocess.TimeoutExpired:
            return b"", time.monotonic() - start, "stopped after 200 s"
        seconds = time.monotonic() - start
        data = b""
        if os.path.exists(path):
            with open(path, "rb") as f:
                data = f.read()
        if name in PRINTS:
            data += b"stdout %d exact\n" % len(p.stdout.encode()) + p.stdout.encode()
        if p.returncode or "PASS" not in p.stdout:
            return data, seconds, f"status {p.returncode}: {p.stdout.strip()[-300:]}"
        return data, seconds, None if data else "no output was dumped"


def table(rows):
    head = ("program", "outputs", "bytes", "GPU s", "softgpu s", "ulp", "apart", "result")
    widths = [max(len(str(r[i])) for r in [head] + rows) for i in range(len(head))]
    rule = "  ".join("=" * w for w in widths)
    lines = ["  ".join(str(c).ljust(w) for c, w in zip(r, widths)).rstrip() for r in [head] + rows]
    return "\n".join([rule, lines[0], rule] + lines[1:] + [rule])


def capability(gpu):
    """The newest that softgpu plays and the GPU has."""
    sm = int(gpu.rsplit(",", 1)[1].strip().replace(".", ""))
    return max((x for x in PLAYED if x <= sm), default=75)


def check(programs, gpu_env, soft_env):
    rows, bad = [], []
    for name in programs:
        gpu, gpu_s, gpu_why = run(name, gpu_env)
        soft, soft_s, soft_why = run(name, soft_env)
        wrong = [f"on the GPU: {gpu_why}"] if gpu_why else []
        wrong += [f"on softgpu: {soft_why}"] if soft_why else []
        count, size, worst = 0, 0, {"ulp": 0, "abs": 0.0}
        if not wrong:
            try:
                count, size, worst, wrong = compare(soft, gpu)
            except ValueError as e:
                wrong = [str(e)]
        bad += [f"{name}: {text}" for text in wrong]
        rows.append((name, count, size, f"{gpu_s:.2f}", f"{soft_s:.2f}", worst["ulp"], f"{worst['abs']:.2g}",
                     "differs" if wrong else "within bounds" if any(worst.values()) else "equal"))
        print("#", *rows[-1], flush=True)
    return rows, bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sm")
    parser.add_argument("--softgpu", default=os.path.join(BUILD, "softgpu"))
    parser.add_argument("--rst")
    parser.add_argument("programs", nargs="*")
    o = parser.parse_args()
    try:
        gpu = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"], capture_output=True, text=True,
                             check=False)
    except OSError:
        gpu = None
    if not gpu or gpu.returncode:
        print("0 passed, 0 failed, 1 skipped (no NVIDIA GPU here: nvidia-smi failed)")
        return 0
    first = gpu.stdout.strip().splitlines()[0]
    sm = o.sm or str(capability(first))
    soft_env = {**os.environ, "LD_LIBRARY_PATH": o.softgpu + ":" + os.environ.get("LD_LIBRARY_PATH", ""), "SOFTGPU_SM": sm}
    rows, bad = check(o.programs or PROGRAMS, dict(os.environ), soft_env)
    text = f"{first}; softgpu as {sm}\n\n{table(rows)}\n"
    print(text)
    for line in bad:
        print(line)
    if o.rst:
        with open(o.rst, "w") as f:
            f.write(text)
    failed = sum(r[-1] == "differs" for r in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
