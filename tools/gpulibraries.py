#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
gpulibraries.py - on a machine with an NVIDIA GPU and PyTorch: the CUDA libraries, unmodified, through DGSF

    tools/gpulibraries.py [--native] [CASE...]

Runs tests/gpu/libraries.py against a server of its own; --native: without DGSF, to see what the machine itself can.
"""
import os
import subprocess
import sys

import gpubench
import gpucheck


def main():
    args = [x for x in sys.argv[1:] if x != "--native"]
    argv = [sys.executable, os.path.join(gpucheck.ROOT, "tests", "gpu", "libraries.py"), *args]
    if "--native" in sys.argv:
        return subprocess.run(argv, check=False).returncode
    server = gpucheck.Server()
    env = dict(gpubench.environments(server.port, [], []))["loopback"]
    env.pop("VGPU_STATS")
    code = subprocess.run(argv, env=env, check=False).returncode
    server.stop()
    if code:
        print(server.text()[-3000:])
    return code


if __name__ == "__main__":
    sys.exit(main())
