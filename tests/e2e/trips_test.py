#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Round trips counted from inside a program, on softgpu: what tools/gputrips.py and tests/gpu/vgpustats.py do on a GPU

The program below does what PyTorch does: it moves a model of 200 tensors from pageable memory, each with a wait for its
copy, then makes steps that each wait for a result twice.
"""
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stdout

import dgsf

GPU = os.path.join(dgsf.ROOT, "tests", "gpu")
SOFTGPU = os.path.join(dgsf.BUILD, "softgpu")
LIBVCUDA = os.path.join(dgsf.BUILD, "libvcuda")

sys.path[:0] = [os.path.join(dgsf.ROOT, "tools"), GPU]
import gputrips     # pylint: disable=wrong-import-position

PROGRAM = r'''
import ctypes, json, vgpustats
cuda = ctypes.CDLL("libcuda.so.1")

def call(name, *args):
    r = getattr(cuda, name)(*args)
    assert r == 0, (name, r)

u64 = ctypes.c_uint64
ctx, ptrs, data = ctypes.c_void_p(), [], (ctypes.c_char * (3 << 20))()
call("cuInit", 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(ctx), 0)
call("cuCtxSetCurrent", ctx)
trips = [vgpustats.round_trips()]
for i in range(200):
    p = u64()
    n = len(data) if i % 20 == 0 else 1000 + i
    call("cuMemAlloc_v2", ctypes.byref(p), ctypes.c_size_t(n))
    call("cuMemcpyHtoDAsync_v2", p, data, ctypes.c_size_t(n), None)
    call("cuStreamSynchronize", None)
    ptrs.append(p)
call("cuCtxSynchronize")
trips.append(vgpustats.round_trips())

def step():
    back = (ctypes.c_char * 8)()
    call("cuMemcpyHtoDAsync_v2", ptrs[1], data, ctypes.c_size_t(8), None)
    call("cuStreamSynchronize", None)
    for _ in range(30):
        call("cuMemsetD8Async", ptrs[0], ctypes.c_ubyte(1), ctypes.c_size_t(1000), None)
    call("cuMemcpyDtoHAsync_v2", back, ptrs[0], ctypes.c_size_t(8), None)
    call("cuStreamSynchronize", None)
    assert back.raw == bytes([1] * 8)

for _ in range(4):
    step()
    trips.append(vgpustats.round_trips())
stats = vgpustats.read()
print(json.dumps({"program": "copies", "trips": None if trips[0] is None else trips,
                  "bytes": stats and stats.bytes_out, "wakes": stats and stats.wakes}))
'''

# A kernel of PTX with a barrier, and one without: blocks that fit of 64, 96 ... threads, and round trips of the questions.
BLOCKS = r'''
import ctypes, json, vgpustats
cuda = ctypes.CDLL("libcuda.so.1")

def call(name, *args):
    r = getattr(cuda, name)(*args)
    assert r == 0, (name, r)

def blocks(text):
    module, kernel, n, got = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int(), []
    call("cuModuleLoadData", ctypes.byref(module), b".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry f() {" + text + b"ret; }")
    call("cuModuleGetFunction", ctypes.byref(kernel), module, b"f")
    before = vgpustats.round_trips()
    for threads in range(64, 1025, 32):
        call("cuOccupancyMaxActiveBlocksPerMultiprocessor", ctypes.byref(n), kernel, threads, ctypes.c_size_t(1024))
        got.append(n.value)
    return got, vgpustats.round_trips() - before

ctx = ctypes.c_void_p()
call("cuInit", 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(ctx), 0)
call("cuCtxSetCurrent", ctx)
(one, asked), (other, computed) = blocks(b"bar.sync 0; "), blocks(b"")
print(json.dumps({"same": one == other, "asked": asked, "computed": computed}))
'''


class Trips(unittest.TestCase):
    def setUp(self):
        self.server = dgsf.GpuServer("--mem-default", "512M")
        self.addCleanup(self.server.kill)
        self.env = {**os.environ, "PYTHONPATH": GPU, "LD_LIBRARY_PATH": LIBVCUDA, "VGPU_SERVER": f"127.0.0.1:{self.server.port}"}

    def run_program(self, program=PROGRAM, **env):
        done = subprocess.run([sys.executable, "-c", program], env={**self.env, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_moving_a_model_is_one_round_trip_and_a_step_one_for_its_result(self):
        result = self.run_program()
        load, first, step = gputrips.summary(result["trips"])
        self.assertLessEqual(load, 1)
        self.assertLessEqual(first, 1)
        self.assertEqual(step, 1)
        self.assertGreater(result["bytes"], 30 << 20)
        self.assertEqual(self.run_program()["trips"], result["trips"])

    def test_blocks_of_ptx_without_barriers_are_counted_here(self):
        server = dgsf.GpuServer(env={"SOFTGPU_SM": "90"})
        self.addCleanup(server.kill)
        self.assertEqual(self.run_program(BLOCKS, VGPU_SERVER=f"127.0.0.1:{server.port}"), {"same": True, "asked": 31, "computed": 0})

    def test_another_driver_has_no_counters(self):
        self.assertIsNone(self.run_program(LD_LIBRARY_PATH=SOFTGPU)["trips"])

    def test_a_trace_names_the_call_of_each_round_trip(self):
        out = io.StringIO()
        with redirect_stdout(out):
            trips = gputrips.measure([sys.executable, "-c", PROGRAM], self.env, True)
        self.assertIn("step 3     1 cuMemcpyDtoHAsync_v2\n", out.getvalue())
        with tempfile.NamedTemporaryFile("r") as trace:
            self.run_program(VGPU_TRACE=trace.name)
            self.assertEqual(len(list(gputrips.paid(trace))), trips[-1])


if __name__ == "__main__":
    dgsf.main()
