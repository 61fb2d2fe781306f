#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Copies of so many MiB each way, to memory that is pinned and to memory that is not, by libcuda.so.1 alone.

What the process has used at most goes to stdout, then it waits for a line on stdin: once after small copies,
with all of both sides' memory touched, and once after the large ones.
"""
import ctypes
import mmap
import sys

SMALL = 8 << 20


def check(result):
    if result:
        sys.exit(f"CUDA error {result}")


def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM"))


def tell():
    print(peak(), flush=True)
    sys.stdin.readline()


def there_and_back(cu, dev, host, n):
    host[0], host[n - 1] = 1, 2
    check(cu.cuMemcpyHtoD_v2(dev, host, ctypes.c_size_t(n)))
    host[0] = host[n - 1] = 0
    check(cu.cuMemcpyDtoH_v2(host, dev, ctypes.c_size_t(n)))
    check(cu.cuMemcpyHtoDAsync_v2(dev, host, ctypes.c_size_t(n), None))
    check(cu.cuMemcpyDtoHAsync_v2(host, dev, ctypes.c_size_t(n), None))
    check(cu.cuCtxSynchronize())
    if (host[0], host[n - 1]) != (1, 2):
        sys.exit("other bytes came back")


def main():
    n = int(sys.argv[1]) << 20
    cu = ctypes.CDLL("libcuda.so.1")
    ctx, dev = ctypes.c_void_p(), ctypes.c_uint64()
    host = (ctypes.c_uint8 * n).from_buffer(mmap.mmap(-1, n))
    ctypes.memset(host, 7, n)
    check(cu.cuInit(0))
    check(cu.cuDevicePrimaryCtxRetain(ctypes.byref(ctx), 0))
    check(cu.cuCtxSetCurrent(ctx))
    check(cu.cuMemAlloc_v2(ctypes.byref(dev), ctypes.c_size_t(n)))
    check(cu.cuMemsetD8_v2(dev, ctypes.c_ubyte(9), ctypes.c_size_t(n)))
    there_and_back(cu, dev, host, SMALL)
    tell()
    there_and_back(cu, dev, host, n)
    check(cu.cuMemHostRegister_v2(host, ctypes.c_size_t(n), 0))
    there_and_back(cu, dev, host, n)
    check(cu.cuMemHostUnregister(host))
    tell()


main()
