# SPDX-License-Identifier: MIT
"""
What the session of this process has cost so far (uapi/vgpu_stats.h), from the libcuda.so.1 that it has loaded; None with NVIDIA's.
"""
import ctypes
import functools

ID = (ctypes.c_ubyte * 16)(*b"vgpu-stats-1", 0x9c, 0x4e, 0x11, 0xd5)


class Stats(ctypes.Structure):
    _fields_ = [(x, ctypes.c_uint64) for x in ("calls", "round_trips", "bytes_out", "bytes_in", "waited_ns", "wakes")]


class Table(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("read", ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.POINTER(Stats), ctypes.c_size_t))]


@functools.cache
def table():
    p = ctypes.POINTER(Table)()
    try:
        r = ctypes.CDLL("libcuda.so.1").cuGetExportTable(ctypes.byref(p), ctypes.byref(ID))
    except OSError:
        return None
    return p.contents if r == 0 and p else None


def read():
    if table() is None:
        return None
    stats = Stats()
    table().read(ctypes.byref(stats), ctypes.sizeof(stats))
    return stats


def round_trips():
    stats = read()
    return None if stats is None else stats.round_trips
