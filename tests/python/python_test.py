#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
numba-cuda and CuPy from PyPI, unmodified: the programs beside this file, directly on softgpu and through DGSF in direct mode.

tools/python-packages.sh has made build/python; where it could not, everything is skipped with its reason.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import dgsf  # noqa: E402

PYTHON = os.path.join(dgsf.BUILD, "python")
SOFTGPU = os.path.join(dgsf.BUILD, "softgpu")
LINE = re.compile(r"(ok|not ok) \d+ (.*)")
LIMIT_S = 200
LIBRARIES = ("numba", "cupy")

# What is said to be unsupported, with CUDA_ERROR_NOT_SUPPORTED, is skipped for these and fails for all others.
LACKS = {
    ("numba", "direct"): [],
    ("cupy", "direct"): [],
    ("numba", "DGSF"): [],
    ("cupy", "DGSF"): [],
}

# Where softgpu, or what links for it, does wrong.
BROKEN = {"numba": [], "cupy": []}

# Of numba's, those whose threads work together: SOFTGPU_CHECK=race finds nothing in them.
SYNCHRONISED = ["tiled_matmul_in_static_shared_memory", "dynamic_shared_memory", "reduce", "block_sums", "atomics", "warp_shuffles_and_votes",
                "cooperative_grid_sync", "barriers_that_count"]


def environment(library):
    """Of a program. CuPy's own kernels are there as PTX for compute capability 12.0 alone; the others come as PTX by CUPY_COMPILE_WITH_PTX."""
    cuda = os.path.join(PYTHON, "cuda")
    env = {**os.environ, "CUDA_HOME": cuda, "CUDA_PATH": cuda, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if library == "cupy":
        env.update(SOFTGPU_SM="120", CUPY_COMPILE_WITH_PTX="1", CUPY_CACHE_DIR=os.path.join(PYTHON, "cupy-cache"))
    env.setdefault("SOFTGPU_SM", "75")
    return env


def libraries(driver):
    """driver's libcuda.so.1 before all others, and no nvJitLink: softgpu(7)."""
    return ":".join([os.path.join(dgsf.BUILD, driver), os.path.join(SOFTGPU, "driver-linker"), os.path.join(PYTHON, "cuda", "lib64")])


def start(library, way, env, programs=()):
    argv = [os.path.join(PYTHON, "bin", "python3"), os.path.join(HERE, "programs.py"), os.path.join(HERE, library + "_programs.py")]
    for name in LACKS[library, way]:
        argv += ["--may-lack", name]
    for name in BROKEN[library]:
        argv += ["--broken", name]
    argv += programs
    return subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Tap:
    def __init__(self):
        self.nr, self.failed = 0, False

    def say(self, word, text):
        self.nr += 1
        self.failed |= word == "not ok"
        print(f"{word} {self.nr} {text}", flush=True)

    def take(self, name, p):
        """The lines of a run, each with the run's name; a run that ends early is a failure of its own."""
        try:
            out, _ = p.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            p.kill()
            out, _ = p.communicate()
        seen = 0
        for line in out.splitlines():
            m = LINE.match(line)
            if m:
                seen += 1
                self.say(m.group(1), f"{name}: {m.group(2)}")
            else:
                print("# " + line.lstrip("# "))
        if f"1..{seen}" not in out.splitlines():
            self.say("not ok", f"{name}: ended with status {p.returncode} after {seen} programs")


def server(library):
    return dgsf.Daemon([os.path.join(dgsf.BUILD, "server", "vgpu-server"), "--listen", "127.0.0.1:0", "--cuda", os.path.join(SOFTGPU, "libcuda.so.1"),
                        "--workers", "1", "--mem-default", "2G"], env=environment(library))


def through_dgsf(tap, library):
    daemon = server(library)
    try:
        port = daemon.wait_log(r"listening on 127\.0\.0\.1:(\d+)")
        tap.take(f"{library}, through DGSF", start(library, "DGSF", {**environment(library), "LD_LIBRARY_PATH": libraries("libvcuda"),
                                                                     "VGPU_SERVER": f"127.0.0.1:{port}"}))
    finally:
        daemon.stop()


def main():
    tap = Tap()
    if not os.path.exists(os.path.join(PYTHON, "packages")):
        try:
            with open(PYTHON + ".missing") as f:
                why = f.read().strip()
        except OSError:
            why = "no build/python: tools/python-packages.sh makes it"
        print(f"ok 1 numba and cupy # SKIP {why}\n1..1")
        return 0
    # The first needs a compiler for most of its time, so that two at once are no slower than one.
    direct = {x: start(x, "direct", {**environment(x), "LD_LIBRARY_PATH": libraries("softgpu")}) for x in LIBRARIES}
    for library, p in direct.items():
        tap.take(library, p)
    for library in direct:
        through_dgsf(tap, library)
    tap.take("numba, looking for races", start("numba", "direct", {**environment("numba"), "LD_LIBRARY_PATH": libraries("softgpu"),
                                                                   "SOFTGPU_CHECK": "race,fatal"}, SYNCHRONISED))
    print(f"1..{tap.nr}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
