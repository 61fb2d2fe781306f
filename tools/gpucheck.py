#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
gpucheck.py - on a machine with an NVIDIA GPU: every program of tests/cuda natively and through DGSF in direct mode, in turn, in one run

    tools/gpucheck.py [--pairs N] [--rst FILE] [--vm] [PROGRAM...]

Prints a table: median seconds of both (process start to exit), their ratio, round trips, bytes, PASS or FAIL. --vm adds the same programs through /dev/vgpu0 of a virtual
machine (tools/gpubundle.sh made it) on the same GPU: software emulation, so its times only compare with one another. Exit status 1 when anything failed.
"""
import argparse
import atexit
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("DGSF_BUILD", os.path.join(ROOT, "build"))
DATA = os.path.join(ROOT, "tests", "data")
STATS = re.compile(r"vgpu: calls=(\d+) round_trips=(\d+) bytes_out=(\d+) bytes_in=(\d+) waited=([\d.]+)")

PROGRAMS = [
    ("vecadd", []), ("vecadd_shared", []), ("matmul", []), ("matmul --n 1024", ["--n", "1024"]), ("reduce", []), ("histogram", []), ("streams", []),
    ("threads", []), ("pageable", []), ("async --launches 10000", ["--launches", "10000"]), ("drvptx", []), ("manykernels", []), ("gridsync", []), ("groups", []), ("wmma", []), ("badimage", []), ("forkfirst", []), ("fault", []), ("oom", []),
    ("kmeans --csv digits", ["--csv", os.path.join(DATA, "digits.csv.gz")]),
    ("kmeans --image china --colors 8", ["--image", os.path.join(DATA, "china.jpg"), "--colors", "8"]),
]
# Programs that print no PASS: exit status 0 is theirs.
QUIET = {"fault", "oom"}


class Server:
    def __init__(self, listen="127.0.0.1:0", arguments=()):
        self.log = tempfile.NamedTemporaryFile("w+", prefix="vgpu-server-")
        self.cache = tempfile.TemporaryDirectory(prefix="vgpu-images-")
        self.proc = subprocess.Popen([os.path.join(BUILD, "server", "vgpu-server"), "--listen", listen, "--workers", "3", "--max-workers", "8",
                                      "--mem-default", "4G", "--image-cache", self.cache.name, "--log-level", "debug", *arguments],
                                     stderr=self.log, stdin=subprocess.DEVNULL)
        atexit.register(self.stop)
        self.port = int(self.wait(r"listening on \S+:(\d+)", 1))
        self.wait(r"is warm", 2)

    def text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def wait(self, pattern, count, limit=60):
        end = time.monotonic() + limit
        while time.monotonic() < end and self.proc.poll() is None:
            found = re.findall(pattern, self.text())
            if len(found) >= count:
                return found[0]
            time.sleep(0.02)
        sys.exit(f"vgpu-server: no {pattern!r} within {limit} s:\n{self.text()}")

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(40)


def run(argv, env):
    start = time.monotonic()
    p = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                       check=False)
    return p, time.monotonic() - start


def passed(name, p):
    return p.returncode == 0 and (name.split()[0] in QUIET or "PASS" in p.stdout)


def measure(name, args, env, pairs):
    argv = [os.path.join(BUILD, "tests", "cuda", name.split()[0]), *args]
    native, remote, trips, out, ok = [], [], 0, 0, [True, True]
    for _ in range(pairs):
        p, seconds = run(argv, dict(os.environ))
        native.append(seconds)
        ok[0] = ok[0] and passed(name, p)
        if not passed(name, p):
            print(f"# native {name}: {p.returncode}\n# {p.stdout[-500:]}\n# {p.stderr[-500:]}", file=sys.stderr)
        p, seconds = run(argv, env)
        remote.append(seconds)
        ok[1] = ok[1] and passed(name, p)
        if not passed(name, p):
            print(f"# dgsf {name}: {p.returncode}\n# {p.stdout[-500:]}\n# {p.stderr[-800:]}", file=sys.stderr)
        m = STATS.search(p.stderr)
        if m:
            trips, out = int(m.group(2)), int(m.group(3)) + int(m.group(4))
    return statistics.median(native), statistics.median(remote), trips, out, ok


def row(cells, widths):
    return "  ".join(str(c).ljust(w) for c, w in zip(cells, widths)).rstrip()


def table_of(head, rows):
    """A simple table of reStructuredText."""
    widths = [max(len(str(r[i])) for r in [head] + rows) for i in range(len(head))]
    rule = "  ".join("=" * w for w in widths)
    return "\n".join([rule, row(head, widths), rule] + [row(r, widths) for r in rows] + [rule])


def table(rows):
    return table_of(("program", "native s", "DGSF s", "DGSF / native", "round trips", "bytes", "native", "DGSF"), rows)


def virtual_machine():
    """The bundle's guest, whose server address is fixed: 10.0.2.2:7867."""
    bundle = os.path.join(BUILD, "gpubundle")
    out = os.path.join(BUILD, "gpubundle-out")
    server = Server("127.0.0.1:7867")
    env = {**os.environ, "QEMU": os.path.join(bundle, "qemu.sh")}
    p = subprocess.run([os.path.join(ROOT, "tests", "qemu", "boot.sh"), "-o", out, "-t", "240", "-m", "1024", "-i", os.path.join(bundle, "initramfs"),
                        os.path.join(bundle, "kernel")], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       check=False)
    server.stop()
    print(p.stdout[-6000:])
    return p.returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rst")
    parser.add_argument("--vm", action="store_true")
    parser.add_argument("programs", nargs="*")
    o = parser.parse_args()
    gpu = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True, check=False)
    if gpu.returncode:
        print("0 passed, 0 failed, 1 skipped (no NVIDIA GPU here: nvidia-smi failed)")
        return 0
    server = Server()
    env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(BUILD, "libvcuda") + ":" + os.environ.get("LD_LIBRARY_PATH", ""),
           "VGPU_SERVER": f"127.0.0.1:{server.port}", "VGPU_STATS": "1"}
    rows, good, bad = [], 0, 0
    for name, args in PROGRAMS:
        if o.programs and name.split()[0] not in o.programs:
            continue
        native, remote, trips, size, ok = measure(name, args, env, o.pairs)
        rows.append((name, f"{native:.3f}", f"{remote:.3f}", f"{remote / native:.2f}", trips, size, *("PASS" if k else "FAIL" for k in ok)))
        good += sum(ok)
        bad += 2 - sum(ok)
        print(row(rows[-1], [32, 8, 8, 6, 5, 12, 5, 5]), flush=True)
    server.stop()
    text = f"{gpu.stdout.strip()}; medians of {o.pairs} pairs\n\n{table(rows)}\n"
    print("\n" + text)
    if o.rst:
        with open(o.rst, "w") as f:
            f.write(text)
    if bad:
        print(server.text()[-3000:])
    if o.vm:
        if virtual_machine():
            good += 1
        else:
            bad += 1
    print(f"{good} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
