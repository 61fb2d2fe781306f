# SPDX-License-Identifier: MIT
"""
Small programs for numba-cuda as it comes from PyPI: each runs kernels and compares with numpy.

A program is a function whose name starts with "program_"; programs.py finds and runs them. What is
whole numbers must be equal; what is not has the bound that numpy's own result has.
"""
import math

import numpy as np
from numba import cuda, float32, float64, int32, uint32, vectorize
from numba.cuda.random import (create_xoroshiro128p_states, xoroshiro128p_normal_float64,
                               xoroshiro128p_uniform_float32, xoroshiro128p_uniform_float64)

RNG = np.random.default_rng(1)
SCALE = 3
TABLE = np.arange(64, dtype=np.float32) ** 2
POINT = np.dtype([("x", np.float32), ("y", np.float64), ("n", np.int32)], align=True)


def same(got, want):
    np.testing.assert_array_equal(got, want)


def close(got, want, rtol=1e-6, atol=0.0):
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


# ---- element-wise ----

@cuda.jit
def k_axpy(a, x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


def program_axpy_of_every_type():
    for dtype in (np.int8, np.uint16, np.int32, np.int64, np.float32, np.float64):
        x = RNG.integers(0, 9, 1000).astype(dtype)
        y = RNG.integers(0, 9, 1000).astype(dtype)
        out = np.zeros_like(x)
        k_axpy[8, 128](dtype(2), x, y, out)
        same(out, dtype(2) * x + y)


@cuda.jit
def k_integers(a, b, out):
    i = cuda.grid(1)
    if i < a.size:
        out[i, 0] = a[i] // b[i]
        out[i, 1] = a[i] % b[i]
        out[i, 2] = (a[i] << 3) ^ (b[i] >> 1)
        out[i, 3] = min(a[i], b[i]) - max(a[i], b[i])
        out[i, 4] = abs(a[i]) & ~b[i]


def program_integer_division_and_bits():
    a = RNG.integers(-10000, 10000, 777)
    b = RNG.integers(1, 300, 777) * RNG.choice([-1, 1], 777)
    out = np.zeros((777, 5), np.int64)
    k_integers[7, 128](a, b, out)
    same(out, np.stack([a // b, a % b, (a << 3) ^ (b >> 1), np.minimum(a, b) - np.maximum(a, b),
                        np.abs(a) & ~b], axis=1))


@cuda.jit
def k_bits(a, out):
    i = cuda.grid(1)
    if i < a.size:
        out[i, 0] = cuda.popc(a[i])
        out[i, 1] = cuda.clz(a[i])
        out[i, 2] = cuda.ffs(a[i])
        out[i, 3] = cuda.brev(a[i])


def program_bit_intrinsics():
    a = np.concatenate([RNG.integers(0, 1 << 32, 200), [0, 1, 0x80000000]]).astype(np.uint32)
    out = np.zeros((a.size, 4), np.uint32)
    k_bits[2, 128](a, out)
    text = [f"{v:032b}" for v in a]
    same(out[:, 0], [t.count("1") for t in text])
    same(out[:, 1], [32 if "1" not in t else t.index("1") for t in text])
    same(out[:, 2], [t[::-1].find("1") + 1 for t in text])
    same(out[:, 3], [int(t[::-1], 2) for t in text])


@cuda.jit
def k_math(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[0, i] = math.sin(v)
        out[1, i] = math.cos(v)
        out[2, i] = math.exp(v)
        out[3, i] = math.log(v + 1)
        out[4, i] = math.sqrt(v)
        out[5, i] = math.tanh(v)
        out[6, i] = math.atan2(v, 2.0)
        out[7, i] = v ** 1.5
        out[8, i] = math.floor(v) + math.ceil(v)
        out[9, i] = math.erf(v)
        out[10, i] = math.fmod(v, 0.7)
        out[11, i] = math.hypot(v, 3.0)


def want_math(x):
    return np.stack([np.sin(x), np.cos(x), np.exp(x), np.log(x + 1), np.sqrt(x), np.tanh(x),
                     np.arctan2(x, 2), x ** 1.5, np.floor(x) + np.ceil(x),
                     np.vectorize(math.erf)(x), np.fmod(x, 0.7), np.hypot(x, 3)])


def program_math_in_double():
    x = RNG.random(500) * 20
    out = np.zeros((12, x.size))
    k_math[4, 128](x, out)
    close(out, want_math(x), rtol=1e-13, atol=1e-13)


def program_math_in_single():
    x = (RNG.random(500) * 20).astype(np.float32)
    out = np.zeros((12, x.size), np.float32)
    k_math[4, 128](x, out)
    close(out, want_math(x.astype(np.float64)), rtol=2e-6, atol=2e-6)


@cuda.jit(fastmath=True)
def k_fast(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = math.sin(x[i]) / (math.exp(x[i]) + math.sqrt(x[i]))


def program_fast_math():
    x = (RNG.random(300) * 3 + 0.1).astype(np.float32)
    out = np.zeros_like(x)
    k_fast[3, 128](x, out)
    close(out, np.sin(x) / (np.exp(x) + np.sqrt(x)), rtol=2e-5, atol=1e-6)


@cuda.jit
def k_complex(z, out):
    i = cuda.grid(1)
    if i < z.size:
        out[i] = z[i] * z[i].conjugate() + (z[i] - 2j) / (z[i] + 1)


def program_complex_numbers():
    z = RNG.random(200) + 1j * RNG.random(200)
    out = np.zeros_like(z)
    k_complex[2, 128](z, out)
    close(out, z * z.conj() + (z - 2j) / (z + 1), rtol=1e-14)


@cuda.jit
def k_half(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i] * x[i] + x[i]


def program_half_precision():
    x = RNG.integers(-20, 20, 100).astype(np.float16)
    out = np.zeros_like(x)
    k_half[1, 128](x, out)
    same(out, x * x + x)


# ---- shared, constant and local memory ----

@cuda.jit
def k_matmul(a, b, c):
    sa = cuda.shared.array((16, 16), float32)
    sb = cuda.shared.array((16, 16), float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    acc = float32(0)
    for t in range((a.shape[1] + 15) // 16):
        sa[ty, tx] = 0
        sb[ty, tx] = 0
        if y < a.shape[0] and t * 16 + tx < a.shape[1]:
            sa[ty, tx] = a[y, t * 16 + tx]
        if x < b.shape[1] and t * 16 + ty < b.shape[0]:
            sb[ty, tx] = b[t * 16 + ty, x]
        cuda.syncthreads()
        for k in range(16):
            acc += sa[ty, k] * sb[k, tx]
        cuda.syncthreads()
    if y < c.shape[0] and x < c.shape[1]:
        c[y, x] = acc


def program_tiled_matmul_in_static_shared_memory():
    a = RNG.integers(-4, 5, (50, 37)).astype(np.float32)
    b = RNG.integers(-4, 5, (37, 70)).astype(np.float32)
    c = np.zeros((50, 70), np.float32)
    k_matmul[(5, 4), (16, 16)](a, b, c)
    same(c, a @ b)


@cuda.jit
def k_reverse(x):
    tile = cuda.shared.array(0, int32)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    cuda.syncthreads()
    x[i] = tile[x.size - 1 - i]


def program_dynamic_shared_memory():
    for n in (1, 32, 100, 1024):
        x = np.arange(n, dtype=np.int32)
        k_reverse[1, n, 0, n * 4](x)
        same(x, np.arange(n)[::-1])


@cuda.jit
def k_constant(index, out):
    table = cuda.const.array_like(TABLE)
    i = cuda.grid(1)
    if i < index.size:
        out[i] = table[index[i]] + SCALE


def program_constant_memory():
    index = RNG.integers(0, 64, 500).astype(np.int32)
    out = np.zeros(500, np.float32)
    k_constant[4, 128](index, out)
    same(out, TABLE[index] + SCALE)


@cuda.jit
def k_local(x, out):
    seen = cuda.local.array(8, int32)
    i = cuda.grid(1)
    if i < x.shape[0]:
        for j in range(8):
            seen[j] = x[i, j]
        for j in range(1, 8):
            v = seen[j]
            k = j - 1
            while k >= 0 and seen[k] > v:
                seen[k + 1] = seen[k]
                k -= 1
            seen[k + 1] = v
        for j in range(8):
            out[i, j] = seen[j]


def program_local_arrays_sort_rows():
    x = RNG.integers(-99, 99, (300, 8)).astype(np.int32)
    out = np.zeros_like(x)
    k_local[3, 128](x, out)
    same(out, np.sort(x, axis=1))


# ---- reductions, atomics ----

@cuda.reduce
def add(a, b):
    return a + b


def program_reduce():
    for n in (1, 31, 32, 33, 1000, 70001):
        x = RNG.integers(-50, 50, n).astype(np.int64)
        assert add(x) == x.sum()
    x = RNG.random(5000)
    close(add(x), x.sum(), rtol=1e-12)


@cuda.jit
def k_block_sum(x, out):
    part = cuda.shared.array(128, float64)
    i = cuda.threadIdx.x
    acc = 0.0
    for j in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        acc += x[j]
    part[i] = acc
    cuda.syncthreads()
    n = 64
    while n:
        if i < n:
            part[i] += part[i + n]
        cuda.syncthreads()
        n >>= 1
    if i == 0:
        cuda.atomic.add(out, 0, part[0])


def program_block_sums():
    x = RNG.integers(0, 100, 12345).astype(np.float64)
    out = np.zeros(1)
    k_block_sum[9, 128](x, out)
    same(out[0], x.sum())


@cuda.jit
def k_atomics(x, hist, extremes, cells):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(hist, x[i], 1)
        cuda.atomic.max(extremes, 0, x[i])
        cuda.atomic.min(extremes, 1, x[i])
        cuda.atomic.or_(cells, 0, 1 << (x[i] & 31))
        cuda.atomic.xor(cells, 1, x[i])
        cuda.atomic.inc(cells, 2, 99)
        cuda.atomic.sub(cells, 3, x[i])
        cuda.atomic.cas(cells, 4, 7, i)


def program_atomics():
    x = RNG.integers(0, 200, 3000).astype(np.int32)
    hist = np.zeros(256, np.int32)
    extremes = np.array([-1, 1000], np.int32)
    cells = np.array([0, 0, 0, 0, 7], np.uint32)
    k_atomics[24, 128](x, hist, extremes, cells)
    same(hist, np.bincount(x, minlength=256))
    same(extremes, [x.max(), x.min()])
    same(cells[0], np.bitwise_or.reduce(np.uint32(1) << (x & 31).astype(np.uint32)))
    same(cells[1], np.bitwise_xor.reduce(x))
    same(cells[2], 3000 % 100)
    same(cells[3], np.uint32(-int(x.sum()) & 0xffffffff))
    assert cells[4] == 7 or cells[4] < 3000


@cuda.jit
def k_float_atomics(x, out, top):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(out, i % 7, x[i])
        cuda.atomic.max(top, 0, x[i])


def program_float_atomics():
    for dtype in (np.float32, np.float64):
        x = RNG.integers(-8, 8, 1000).astype(dtype)
        out, top = np.zeros(7, dtype), np.full(1, -100, dtype)
        k_float_atomics[8, 128](x, out, top)
        same(out, [x[j::7].sum() for j in range(7)])
        same(top[0], x.max())


# ---- warps, cooperation ----

@cuda.jit
def k_warp(x, out):
    lane = cuda.laneid
    v = x[cuda.threadIdx.x]
    total = v
    for d in (16, 8, 4, 2, 1):
        total += cuda.shfl_xor_sync(0xffffffff, total, d)
    out[0, cuda.threadIdx.x] = total
    out[1, cuda.threadIdx.x] = cuda.shfl_sync(0xffffffff, v, 5)
    up = cuda.shfl_up_sync(0xffffffff, v, 1)
    out[2, cuda.threadIdx.x] = up if lane else 0
    out[3, cuda.threadIdx.x] = cuda.ballot_sync(0xffffffff, v > 50)
    out[4, cuda.threadIdx.x] = cuda.all_sync(0xffffffff, v >= 0) + 2 * cuda.any_sync(
        0xffffffff, v == 99)
    out[5, cuda.threadIdx.x] = cuda.match_any_sync(0xffffffff, v & 3)
    cuda.syncwarp()


def program_warp_shuffles_and_votes():
    x = RNG.integers(0, 100, 64)
    out = np.zeros((6, 64), np.int64)
    k_warp[1, 64](x, out)
    for w in range(2):
        v, o = x[32 * w:32 * w + 32], out[:, 32 * w:32 * w + 32]
        same(o[0], np.full(32, v.sum()))
        same(o[1], np.full(32, v[5]))
        same(o[2], np.concatenate([[0], v[:-1]]))
        same(o[3] & 0xffffffff, np.full(32, sum(1 << i for i in range(32) if v[i] > 50)))
        same(o[4], np.full(32, 1 + 2 * (99 in v)))
        same(o[5] & 0xffffffff,
             [sum(1 << i for i in range(32) if v[i] & 3 == v[j] & 3) for j in range(32)])


@cuda.jit
def k_grid_sync(m):
    col = cuda.grid(1)
    g = cuda.cg.this_grid()
    for row in range(1, m.shape[0]):
        m[row, col] = m[row - 1, m.shape[1] - 1 - col] + 1
        g.sync()


def program_cooperative_grid_sync():
    m = np.zeros((20, 256), np.int32)
    m[0] = np.arange(256)
    want = m.copy()
    for row in range(1, 20):
        want[row] = want[row - 1, ::-1] + 1
    k_grid_sync[8, 32](m)
    same(m, want)


@cuda.jit
def k_block_votes(x, out):
    i = cuda.grid(1)
    out[0, i] = cuda.syncthreads_count(int32(x[i] > 3))
    out[1, i] = cuda.syncthreads_and(int32(x[i] >= 0))
    out[2, i] = cuda.syncthreads_or(int32(x[i] == 1000))


def program_barriers_that_count():
    x = RNG.integers(0, 10, 256).astype(np.int32)
    out = np.zeros((3, 256), np.int32)
    k_block_votes[2, 128](x, out)
    for b in range(2):
        part = slice(128 * b, 128 * b + 128)
        same(out[0, part], np.full(128, (x[part] > 3).sum()))
    same(out[1] != 0, np.ones(256, bool))
    same(out[2], np.zeros(256))


# ---- functions, ufuncs, types ----

@cuda.jit(device=True)
def collatz(n):
    steps = 0
    while n != 1:
        n = 3 * n + 1 if n & 1 else n >> 1
        steps += 1
    return steps


@cuda.jit
def k_collatz(out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = collatz(i + 1)


def program_device_functions_that_diverge():
    out = np.zeros(500, np.int32)
    k_collatz[4, 128](out)

    def steps(n):
        count = 0
        while n != 1:
            n, count = (3 * n + 1 if n & 1 else n >> 1), count + 1
        return count
    same(out, [steps(i + 1) for i in range(500)])


@vectorize(["float32(float32, float32)", "int64(int64, int64)"], target="cuda")
def u_blend(a, b):
    return a * a - b


def program_ufunc():
    a = RNG.integers(0, 9, (20, 30)).astype(np.float32)
    b = RNG.integers(0, 9, (1, 30)).astype(np.float32)
    same(u_blend(a, b), a * a - b)
    same(u_blend(np.arange(50), 3), np.arange(50) ** 2 - 3)


@cuda.jit
def k_records(r):
    i = cuda.grid(1)
    if i < r.size:
        r[i].y = r[i].x * 2
        r[i].n += 5


def program_record_arrays():
    r = np.zeros(100, POINT)
    r["x"], r["n"] = np.arange(100), np.arange(100) * 3
    k_records[1, 128](r)
    same(r["y"], np.arange(100) * 2.0)
    same(r["n"], np.arange(100) * 3 + 5)


@cuda.jit
def k_stencil(a, out):
    x, y = cuda.grid(2)
    if 0 < x < a.shape[0] - 1 and 0 < y < a.shape[1] - 1:
        out[x, y] = a[x - 1, y] + a[x + 1, y] + a[x, y - 1] + a[x, y + 1] - 4 * a[x, y]


def program_two_dimensional_grid_with_strides():
    base = RNG.integers(0, 50, (60, 90)).astype(np.float32)
    for a in (base, base.T, base[::2, ::3]):
        a = np.ascontiguousarray(a) if a is not base.T else np.asfortranarray(a)
        out = np.zeros_like(a)
        k_stencil[((a.shape[0] + 7) // 8, (a.shape[1] + 15) // 16), (8, 16)](a, out)
        want = np.zeros_like(a)
        want[1:-1, 1:-1] = (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:]
                            - 4 * a[1:-1, 1:-1])
        same(out, want)


@cuda.jit
def k_cube(out):
    x, y, z = cuda.grid(3)
    if x < out.shape[0] and y < out.shape[1] and z < out.shape[2]:
        out[x, y, z] = x * 10000 + y * 100 + z


def program_three_dimensional_grid():
    out = np.zeros((13, 9, 21), np.int32)
    k_cube[(4, 3, 6), (4, 4, 4)](out)
    x, y, z = np.indices(out.shape)
    same(out, x * 10000 + y * 100 + z)


# ---- memory, streams, events ----

def program_streams_and_events():
    streams = [cuda.stream() for _ in range(3)]
    outs = []
    begin, end = cuda.event(), cuda.event()
    begin.record()
    for n, stream in enumerate(streams):
        x = cuda.to_device(np.full(1000, n, np.float32), stream=stream)
        y = cuda.to_device(np.arange(1000, dtype=np.float32), stream=stream)
        out = cuda.device_array(1000, np.float32, stream=stream)
        k_axpy[8, 128, stream](np.float32(2), x, y, out)
        outs.append(out)
    for n, stream in enumerate(streams):
        stream.synchronize()
        same(outs[n].copy_to_host(stream=stream), 2 * n + np.arange(1000, dtype=np.float32))
    end.record()
    end.synchronize()
    assert cuda.event_elapsed_time(begin, end) > 0
    waited = cuda.event()
    waited.record(streams[0])
    waited.wait(streams[1])
    streams[1].synchronize()
    assert waited.query()


def program_device_arrays():
    a = np.arange(240, dtype=np.int64).reshape(12, 20)
    d = cuda.to_device(a)
    same(d.copy_to_host(), a)
    same(d[3:5].copy_to_host(), a[3:5])
    same(d.reshape(20, 12).copy_to_host(), a.reshape(20, 12))
    same(d.ravel()[7:100].copy_to_host(), a.ravel()[7:100])
    d[2:4] = np.zeros((2, 20), np.int64)
    a[2:4] = 0
    same(d.copy_to_host(), a)
    e = cuda.device_array_like(d)
    e.copy_to_device(d)
    same(e.copy_to_host(), a)


def program_pinned_memory():
    x = cuda.pinned_array(500, np.float32)
    x[:] = np.arange(500)
    y = np.ones(500, np.float32)
    with cuda.pinned(y):
        stream = cuda.stream()
        dx, dy = cuda.to_device(x, stream), cuda.to_device(y, stream)
        out = cuda.device_array_like(dx)
        k_axpy[4, 128, stream](np.float32(3), dx, dy, out)
        result = out.copy_to_host(stream=stream)
        stream.synchronize()
    same(result, 3 * np.arange(500, dtype=np.float32) + 1)


def program_mapped_memory():
    out = cuda.mapped_array(500, np.int32)
    out[:] = -1
    k_collatz[4, 128](out)
    cuda.synchronize()
    assert out[0] == 0 and out[26] == 111


def program_managed_memory():
    x, out = cuda.managed_array(300, np.float32), cuda.managed_array(300, np.float32)
    x[:] = np.arange(300)
    k_axpy[3, 128](np.float32(5), x, x, out)
    cuda.synchronize()
    same(out, 6 * np.arange(300, dtype=np.float32))


@cuda.jit
def k_random(states, uniform, normal):
    i = cuda.grid(1)
    if i < uniform.size:
        uniform[i] = xoroshiro128p_uniform_float32(states, i)
        xoroshiro128p_uniform_float64(states, i)
        normal[i] = xoroshiro128p_normal_float64(states, i)


def program_random_numbers():
    states = create_xoroshiro128p_states(2000, seed=7)
    host = states.copy_to_host()
    uniform, normal = np.zeros(2000, np.float32), np.zeros(2000)
    k_random[16, 128](states, uniform, normal)
    with np.errstate(over="ignore"):
        first = (host["s0"] + host["s1"]) >> np.uint64(11)
    same(uniform, (first * (1.0 / (1 << 53))).astype(np.float32))
    assert abs(normal.mean()) < 0.1 and abs(normal.std() - 1) < 0.1


@cuda.jit
def k_print(x):
    if cuda.grid(1) == 0:
        print("first", x[0])


def program_printing():
    k_print[1, 32](np.arange(3, dtype=np.int32))
    cuda.synchronize()


@cuda.jit(debug=True, opt=False)
def k_assert(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] += 1


def program_debug_build():
    x = np.arange(100, dtype=np.int32)
    k_assert[1, 128](x)
    same(x, np.arange(100) + 1)


@cuda.jit
def k_unsigned(a, out):
    i = cuda.grid(1)
    if i < a.size:
        out[i] = uint32(a[i] * uint32(2654435761)) >> uint32(7)


def program_unsigned_wrap():
    a = RNG.integers(0, 1 << 32, 300).astype(np.uint32)
    out = np.zeros_like(a)
    k_unsigned[3, 128](a, out)
    same(out, (a * np.uint32(2654435761)) >> np.uint32(7))
