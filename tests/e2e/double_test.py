#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Functions that softgpu does not have, through DGSF: the library's and the worker's half, with tests/unit/worker_double.c as the driver.

    this file, as its own program, by ctypes + libcuda.so.1 (libvcuda) --TCP--> vgpu-server --> vgpu-worker + the double
"""
import ctypes as c
import os
import re
import subprocess
import sys
import unittest

import dgsf

DOUBLE = os.path.join(dgsf.BUILD, "tests", "unit", "worker_double.so")
LIBVCUDA = os.path.join(dgsf.BUILD, "libvcuda")
INVALID_VALUE, OUT_OF_MEMORY, NOT_FOUND, INVALID_HANDLE, INVALID_CLUSTER_SIZE = 1, 2, 500, 400, 912


class Library:
    """libcuda.so.1 with a current context."""

    def __init__(self):
        self.lib = c.CDLL(os.path.join(LIBVCUDA, "libcuda.so.1"))
        context = c.c_void_p()
        self.ok("cuInit", 0)
        self.ok("cuDevicePrimaryCtxRetain", c.byref(context), 0)
        self.ok("cuCtxSetCurrent", context)

    def gives(self, result, name, *args):
        got = getattr(self.lib, name)(*args)
        if got != result:
            raise AssertionError(f"{name}: {got}, not {result}")

    def ok(self, name, *args):
        self.gives(0, name, *args)


def aligned(n, to):
    room = c.create_string_buffer(n + to)
    at = (c.addressof(room) + to - 1) // to * to
    return (c.c_uint64 * (n // 8)).from_address(at), room


def tensor_maps():
    cuda = Library()
    m, keep = aligned(128, 64)
    dim, strides = (c.c_uint64 * 3)(64, 32, 16), (c.c_uint64 * 2)(256, 8192)
    box, steps = (c.c_uint32 * 3)(8, 4, 2), (c.c_uint32 * 3)(1, 2, 3)

    def tiled(address, rank=3):
        return m, 7, rank, c.c_void_p(address), dim, strides, box, steps, 1, 2, 3, 1
    for _ in range(3):      # once on the wire
        cuda.ok("cuTensorMapEncodeTiled", *tiled(0x1000))
        want = [0x1000, 7 | 3 << 8 | 1 << 16 | 2 << 24 | 3 << 32 | 1 << 40, 64, 32, 16, 0, 0, 256, 8192, 0, 0,
                8 | 1 << 32, 4 | 2 << 32, 2 | 3 << 32, 0, 0]
        assert list(m) == want, [hex(x) for x in m]
    cuda.gives(INVALID_VALUE, "cuTensorMapEncodeTiled", *tiled(0x1008))
    cuda.gives(INVALID_VALUE, "cuTensorMapEncodeTiled", *tiled(0x1000, 6))
    cuda.gives(INVALID_VALUE, "cuTensorMapEncodeTiled", *tiled(0x1000, 0))
    cuda.ok("cuTensorMapReplaceAddress", m, c.c_void_p(0x2000))
    assert list(m) == [0x2000] + want[1:]
    low, high = (c.c_int * 1)(-1), (c.c_int * 1)(5)
    cuda.ok("cuTensorMapEncodeIm2col", m, 7, 3, c.c_void_p(0x1000), dim, strides, low, high, 9, 17, steps, 1, 2, 3, 1)
    assert m[11] == 0xffff | 5 << 16 | 1 << 32 and m[1] >> 48 == 9 | 17 << 8, [hex(x) for x in m]
    del keep


def texture_references():
    cuda = Library()
    module, ref, none = c.c_void_p(), c.c_void_p(), c.c_void_p()
    pointer, offset, got = c.c_uint64(), c.c_size_t(), c.c_uint64()
    flags, bias, color = c.c_uint(), c.c_float(), (c.c_float * 4)()
    cuda.ok("cuModuleLoadData", c.byref(module), b".version 7.0\n")
    cuda.gives(NOT_FOUND, "cuModuleGetTexRef", c.byref(none), module, b"other")
    cuda.ok("cuModuleGetTexRef", c.byref(ref), module, b"ref")
    cuda.ok("cuMemAlloc_v2", c.byref(pointer), c.c_size_t(4096))
    cuda.ok("cuTexRefSetAddress_v2", c.byref(offset), ref, pointer, c.c_size_t(1024))
    cuda.ok("cuTexRefGetAddress_v2", c.byref(got), ref)
    assert (got.value, offset.value) == (pointer.value, 1024)
    cuda.gives(INVALID_VALUE, "cuTexRefSetAddress_v2", c.byref(offset), ref, c.c_uint64(4096), c.c_size_t(1024))
    cuda.ok("cuTexRefSetFlags", ref, 2)
    cuda.ok("cuTexRefGetFlags", c.byref(flags), ref)
    cuda.ok("cuTexRefSetMipmapLevelBias", ref, c.c_float(-1.5))
    cuda.ok("cuTexRefGetMipmapLevelBias", c.byref(bias), ref)
    cuda.ok("cuTexRefSetBorderColor", ref, (c.c_float * 4)(1, 2, 3, 4))
    cuda.ok("cuTexRefGetBorderColor", color, ref)
    assert (flags.value, bias.value, list(color)) == (2, -1.5, [1, 2, 3, 4])
    cuda.gives(INVALID_VALUE, "cuTexRefGetArray", c.byref(none), ref)
    cuda.ok("cuModuleUnload", module)
    cuda.gives(INVALID_HANDLE, "cuTexRefGetFlags", c.byref(flags), ref)


class Attribute(c.Structure):
    _fields_ = [("id", c.c_int), ("pad", c.c_int), ("x", c.c_uint), ("y", c.c_uint), ("z", c.c_uint), ("rest", c.c_uint * 13)]


class Config(c.Structure):
    _fields_ = [("grid", c.c_uint * 3), ("block", c.c_uint * 3), ("shared", c.c_uint), ("stream", c.c_void_p),
                ("attributes", c.POINTER(Attribute)), ("nr", c.c_uint)]


def clusters():
    cuda = Library()
    module, kernel, n = c.c_void_p(), c.c_void_p(), c.c_int()
    cuda.ok("cuModuleLoadData", c.byref(module), b".version 7.0\n")
    cuda.ok("cuModuleGetFunction", c.byref(kernel), module, b"add")

    def ask(x, grid, result=0, rest=0):
        a = Attribute(4, 0, x, 1, 1, (c.c_uint * 13)(*[rest] * 13))
        config = Config((c.c_uint * 3)(grid, 1, 1), (c.c_uint * 3)(128, 1, 1), 1000, None, c.pointer(a), 1)
        n.value = -1
        cuda.gives(result, "cuOccupancyMaxActiveClusters", c.byref(n), kernel, c.byref(config))
        return n.value

    for x in list(range(3, 29)) + [2, 1, 30, 31, 32]:
        assert ask(x, x, rest=x) == (0 if x > 16 else 132 // x), (x, n.value)
    # a grid of its own is a question of its own, as what is larger
    assert [ask(x, 24) for x in (1, 2, 3, 4, 6, 8)] == [132, 66, 44, 33, 22, 16]
    ask(5, 24, INVALID_CLUSTER_SIZE)
    ask(0, 24, INVALID_CLUSTER_SIZE)
    for _ in range(2):
        assert ask(40, 40) == 0
    # what says that it could not be asked is asked again
    for _ in range(3):
        ask(29, 29, OUT_OF_MEMORY)


def images():
    cuda = Library()
    text = b".version 7.0\n"

    def load(name="cuModuleLoadData", *more):
        module, kernel = c.c_void_p(), c.c_void_p()
        cuda.ok(name, c.byref(module), text, *more)
        cuda.ok("cuModuleGetFunction", c.byref(kernel), module, b"add")
        return module, kernel

    def attribute(kernel, which):
        v = c.c_int()
        cuda.ok("cuFuncGetAttribute", c.byref(v), which, kernel)
        return v.value

    first, add = load()
    cuda.ok("cuFuncSetAttribute", add, 8, 1)
    cuda.gives(NOT_FOUND, "cuModuleGetFunction", c.byref(c.c_void_p()), first, b"subtract")
    # the same text: what the program did to a kernel is not the other's
    for _ in range(3):
        second, again = load()
        assert (attribute(add, 8), attribute(again, 8), attribute(again, 0)) == (1, 108, 100)
    cuda.ok("cuModuleUnload", first)
    third, again = load()
    # an option of the JIT
    load("cuModuleLoadDataEx", 1, (c.c_int * 1)(7), (c.c_void_p * 1)(4))
    load("cuModuleLoadDataEx", 0, None, None)
    # its kernels are there
    room = c.c_size_t()
    cuda.ok("cuOccupancyAvailableDynamicSMemPerBlock", c.byref(room), again, 2, 64)
    assert room.value == 2064
    cuda.ok("cuModuleUnload", third)
    cuda.ok("cuModuleUnload", second)


class Double(unittest.TestCase):
    def run_here(self, name):
        server = dgsf.GpuServer("--workers", "1", "--mem-default", "64M", cuda=DOUBLE)
        self.addCleanup(server.kill)
        p = subprocess.run([sys.executable, os.path.abspath(__file__), "--program", name], capture_output=True, text=True, timeout=60,
                           env={**os.environ, "VGPU_SERVER": f"127.0.0.1:{server.port}", "VGPU_STATS": "1"})
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return int(re.search(r"round_trips=(\d+)", p.stderr).group(1))

    def test_tensor_maps_are_asked_for_once(self):
        # the lease, three maps and the driver's refusal
        self.assertEqual(self.run_here("tensor_maps"), 5)

    def test_clusters_of_all_sizes_are_asked_for_at_once(self):
        # the lease and the module; two grids, a size of 0 and one of 40; three for what is not answered
        self.assertEqual(self.run_here("clusters"), 9)

    def test_text_that_was_loaded_before_is_not_waited_for(self):
        # the lease, the text, the text with an option, a question
        self.assertEqual(self.run_here("images"), 4)

    def test_texture_references(self):
        self.run_here("texture_references")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--program"]:
        {f.__name__: f for f in (tensor_maps, texture_references, clusters, images)}[sys.argv[2]]()
    else:
        dgsf.main()
