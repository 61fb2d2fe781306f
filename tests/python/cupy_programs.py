# SPDX-License-Identifier: MIT
"""
Small programs for CuPy as it comes from PyPI: each computes with cupy and compares with numpy.

A program is a function whose name starts with "program_"; programs.py finds and runs them. Whole
numbers must be equal. None of them needs cuBLAS, cuFFT, cuSOLVER, cuSPARSE or cuRAND.
"""
import cupy as cp
import numpy as np
from cupyx import jit

RNG = np.random.default_rng(2)


def same(got, want):
    np.testing.assert_array_equal(cp.asnumpy(got), want)


def close(got, want, rtol=1e-6, atol=0.0):
    np.testing.assert_allclose(cp.asnumpy(got), want, rtol=rtol, atol=atol)


# ---- arrays ----

def program_elementwise_of_every_type():
    for dtype in "bBhHiIqQfde":
        a = RNG.integers(1, 11, 100).astype(dtype)
        b = RNG.integers(1, 11, 100).astype(dtype)
        x, y = cp.asarray(a), cp.asarray(b)
        same(x + y, a + b)
        same(x * y - x, a * b - a)
        same(x // y, a // b)
        same(x % y, a % b)
        same((x > y) & (x != 3), (a > b) & (a != 3))
        if dtype not in "fde":
            same((x << 2) ^ ~y, (a << 2) ^ ~b)


def program_broadcasting_and_strides():
    a = RNG.integers(0, 99, (7, 1, 5))
    b = RNG.integers(0, 99, (6, 1))
    x, y = cp.asarray(a), cp.asarray(b)
    same(x * y + 1, a * b + 1)
    same(x[::2, :, ::-1] - y[:4], a[::2, :, ::-1] - b[:4])
    same(cp.broadcast_to(y, (3, 6, 4)).transpose(2, 0, 1).copy(),
         np.broadcast_to(b, (3, 6, 4)).transpose(2, 0, 1))
    same(cp.concatenate([x, x + 1], axis=1).reshape(-1), np.concatenate([a, a + 1], 1).ravel())
    same(cp.pad(y, 2), np.pad(b, 2))


def program_mathematical_functions():
    a = RNG.random(500) * 3 + 0.01
    x = cp.asarray(a)
    for name in ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "arctan", "log1p", "expm1",
                 "cbrt", "floor", "rint", "square", "reciprocal", "log2", "sinh", "exp2"):
        close(getattr(cp, name)(x), getattr(np, name)(a), rtol=1e-13, atol=1e-14)
        f = a.astype(np.float32)
        close(getattr(cp, name)(cp.asarray(f)), getattr(np, name)(f), rtol=3e-6, atol=1e-6)
    close(cp.arctan2(x, 2 - x), np.arctan2(a, 2 - a), rtol=1e-13)
    close(cp.power(x, 2.5), np.power(a, 2.5), rtol=1e-13)
    close(cp.hypot(x, 3), np.hypot(a, 3), rtol=1e-13)


def program_complex_numbers():
    z = RNG.random(100) + 1j * RNG.random(100)
    x = cp.asarray(z)
    close(x * x.conj() / (x + 1), z * z.conj() / (z + 1), rtol=1e-13)
    close(cp.exp(x), np.exp(z), rtol=1e-12)
    close(cp.sqrt(x), np.sqrt(z), rtol=1e-12)
    close(cp.abs(x), np.abs(z), rtol=1e-13)
    close(cp.angle(x), np.angle(z), rtol=1e-13)
    close(x.sum(), z.sum(), rtol=1e-13)


def program_reductions():
    for shape in ((1,), (31,), (1000,), (70001,), (13, 17, 19)):
        a = RNG.integers(-50, 50, shape)
        x = cp.asarray(a)
        same(x.sum(), a.sum())
        same(x.max(), a.max())
        same(x.argmin(), a.argmin())
        same(cp.count_nonzero(x), np.count_nonzero(a))
        same((x > 48).any(), (a > 48).any())
        same(x.sum(axis=0), a.sum(axis=0))
        same(x.max(axis=-1), a.max(axis=-1))
        close(x.mean(), a.mean(), rtol=1e-13, atol=1e-13)
        close(x.std(axis=0), a.std(axis=0), rtol=1e-12, atol=1e-12)
    a = RNG.integers(1, 3, 30)
    same(cp.prod(cp.asarray(a)), np.prod(a))


def program_sort():
    for n in (0, 1, 31, 33, 1000, 5000):
        for dtype in (np.int32, np.float64, np.uint8):
            a = RNG.integers(0, 250, n).astype(dtype)
            x = cp.asarray(a)
            same(cp.sort(x), np.sort(a))
            same(a[cp.asnumpy(cp.argsort(x))], np.sort(a))
    a = RNG.integers(0, 1000, (20, 30))
    same(cp.sort(cp.asarray(a), axis=0), np.sort(a, axis=0))
    same(cp.partition(cp.asarray(a[0]), 5)[5], np.partition(a[0], 5)[5])
    keys = RNG.integers(0, 9, (2, 100))
    same(cp.lexsort(cp.asarray(keys)), np.lexsort(keys))


def program_unique_and_searchsorted():
    a = RNG.integers(0, 100, 700)
    values, inverse, counts = cp.unique(cp.asarray(a), return_inverse=True, return_counts=True)
    want = np.unique(a, return_inverse=True, return_counts=True)
    same(values, want[0])
    same(inverse, want[1])
    same(counts, want[2])
    grid = np.arange(0, 100, 7)
    same(cp.searchsorted(cp.asarray(grid), cp.asarray(a)), np.searchsorted(grid, a))


def program_scans():
    for n in (1, 32, 33, 511, 512, 513, 5000):
        a = RNG.integers(-9, 9, n)
        same(cp.cumsum(cp.asarray(a)), np.cumsum(a))
    a = RNG.integers(-9, 9, (17, 40))
    same(cp.cumsum(cp.asarray(a), axis=1), np.cumsum(a, axis=1))
    same(cp.diff(cp.asarray(a)), np.diff(a))
    p = RNG.integers(1, 3, 40)
    same(cp.cumprod(cp.asarray(p)), np.cumprod(p))


def program_fancy_indexing():
    a = RNG.integers(0, 1000, (40, 50))
    x = cp.asarray(a)
    rows, cols = RNG.integers(0, 40, 60), RNG.integers(0, 50, 60)
    same(x[cp.asarray(rows), cp.asarray(cols)], a[rows, cols])
    same(x[x % 3 == 0], a[a % 3 == 0])
    same(cp.where(x > 500, x, -x), np.where(a > 500, a, -a))
    same(cp.take(x, cp.asarray(cols), axis=1), np.take(a, cols, axis=1))
    x[cp.asarray(rows)] = 7
    a[rows] = 7
    same(x, a)
    x[x > 900] = 0
    a[a > 900] = 0
    same(x, a)
    for got, want in zip(cp.nonzero(x < 100), np.nonzero(a < 100)):
        same(got, want)
    total, want = cp.zeros(40, int), np.zeros(40, int)
    cp.add.at(total, cp.asarray(rows), cp.asarray(cols))
    np.add.at(want, rows, cols)
    same(total, want)


def program_histogram_and_bincount():
    a = RNG.integers(0, 64, 5000)
    same(cp.bincount(cp.asarray(a)), np.bincount(a))
    w = RNG.integers(0, 9, 5000).astype(float)
    same(cp.bincount(cp.asarray(a), cp.asarray(w), 80), np.bincount(a, w, 80))
    f = RNG.random(3000)
    for got, want in zip(cp.histogram(cp.asarray(f), bins=20), np.histogram(f, bins=20)):
        close(got, want, rtol=1e-12)
    same(cp.digitize(cp.asarray(f), cp.linspace(0, 1, 9)), np.digitize(f, np.linspace(0, 1, 9)))


def program_matmul_of_integers():
    a, b = RNG.integers(-9, 9, (33, 20)), RNG.integers(-9, 9, (20, 45))
    same(cp.asarray(a) @ cp.asarray(b), a @ b)


def program_half_precision():
    a = RNG.integers(-30, 30, 300).astype(np.float16)
    x = cp.asarray(a)
    same(x * x + x, a * a + a)
    same(x.astype(np.float32).sum(), a.astype(np.float32).sum())
    same((x.astype(np.float32) / 3).astype(np.float16), (a.astype(np.float32) / 3).astype(np.float16))


# ---- kernels in C ----

RAW = r"""
extern "C" __global__ void rotate(const float *in, float *out, int n, int by)
{
    extern __shared__ float tile[];
    int i = blockIdx.x * blockDim.x + threadIdx.x;

    tile[threadIdx.x] = i < n ? in[i] : 0;
    __syncthreads();
    if (i < n)
        out[i] = tile[(threadIdx.x + by) % blockDim.x];
}
"""


def program_raw_kernel():
    k = cp.RawKernel(RAW, "rotate")
    a = RNG.random(256).astype(np.float32)
    out = cp.zeros(256, np.float32)
    k((2,), (128,), (cp.asarray(a), out, np.int32(256), np.int32(5)), shared_mem=512)
    same(out, np.concatenate([np.roll(a[:128], -5), np.roll(a[128:], -5)]))
    assert k.max_threads_per_block >= 128 and k.local_size_bytes == 0


MODULE = r"""
#include <cuda_fp16.h>
#include <cupy/complex.cuh>

__constant__ int offsets[4];
__device__ unsigned hits;

template <typename T> __global__ void scale(T *x, T by, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;

    if (i < n)
        x[i] = x[i] * by + T(offsets[i % 4]);
    atomicInc(&hits, 0xffffffffu);
}

extern "C" __global__ void halves(const __half *a, const __half *b, __half *out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;

    if (i < n)
        out[i] = __hfma(a[i], b[i], __float2half(1.5f));
}

extern "C" __global__ void turn(complex<double> *z, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;

    if (i < n)
        z[i] = z[i] * complex<double>(0, 1) + conj(z[i]);
}
"""


def program_raw_module_with_headers_templates_and_globals():
    m = cp.RawModule(code=MODULE, options=("-std=c++17",),
                     name_expressions=("scale<float>", "scale<long long>"))
    offsets = cp.ndarray(4, np.int32, m.get_global("offsets"))
    offsets[...] = cp.arange(4) * 10
    for name, dtype in (("scale<float>", np.float32), ("scale<long long>", np.int64)):
        x = cp.arange(100, dtype=dtype)
        m.get_function(name)((1,), (128,), (x, dtype(3), np.int32(100)))
        same(x, np.arange(100, dtype=dtype) * 3 + np.arange(100) % 4 * 10)
    same(cp.ndarray(1, np.uint32, m.get_global("hits"))[0], 256)
    a, b = (RNG.integers(0, 20, 100).astype(np.float16) for _ in "ab")
    out = cp.zeros(100, np.float16)
    m.get_function("halves")((1,), (128,), (cp.asarray(a), cp.asarray(b), out, np.int32(100)))
    same(out, a * b + np.float16(1.5))
    z = RNG.integers(0, 9, 50) + 1j * RNG.integers(0, 9, 50)
    x = cp.asarray(z)
    m.get_function("turn")((1,), (64,), (x, np.int32(50)))
    same(x, z * 1j + z.conj())


def program_nvrtc_says_what_is_wrong():
    try:
        cp.RawKernel('extern "C" __global__ void f() { int x = nothing; }', "f").compile()
    except cp.cuda.compiler.CompileException as e:
        assert "nothing" in str(e)
    else:
        raise AssertionError("a wrong program was compiled")


def program_elementwise_kernel():
    k = cp.ElementwiseKernel("T x, raw T table, int32 n", "T y, bool z",
                             "y = x * table[i % n]; z = x > 5", "table_scale")
    a, t = RNG.integers(0, 10, 300).astype(np.float32), RNG.integers(0, 10, 7).astype(np.float32)
    y, z = k(cp.asarray(a), cp.asarray(t), 7)
    same(y, a * t[np.arange(300) % 7])
    same(z, a > 5)


def program_reduction_kernel():
    k = cp.ReductionKernel("T x", "T y", "x * x", "a + b", "y = a + 1", "0", "sum_of_squares")
    a = RNG.integers(0, 10, (40, 90))
    same(k(cp.asarray(a)), (a * a).sum() + 1)
    same(k(cp.asarray(a), axis=1), (a * a).sum(axis=1) + 1)


@cp.fuse
def fused(x, y):
    return cp.where(x > y, x * y + 1, x - y)


@cp.fuse
def fused_sum(x, y):
    return cp.sum(x * y, axis=1)


def program_fusion():
    a, b = RNG.integers(0, 9, (30, 20)), RNG.integers(0, 9, (30, 20))
    same(fused(cp.asarray(a), cp.asarray(b)), np.where(a > b, a * b + 1, a - b))
    same(fused_sum(cp.asarray(a), cp.asarray(b)), (a * b).sum(axis=1))


@jit.rawkernel()
def jit_sum(x, out, n):
    part = jit.shared_memory(cp.int32, 128)
    i = jit.threadIdx.x
    acc = 0
    for j in range(jit.grid(1), n, jit.gridsize(1)):
        acc += x[j]
    part[i] = acc
    jit.syncthreads()
    if i == 0:
        total = 0
        for j in range(128):
            total += part[j]
        jit.atomic_add(out, 0, total)


def program_jit_rawkernel():
    a = RNG.integers(0, 100, 3000).astype(np.int32)
    out = cp.zeros(1, np.int32)
    jit_sum[4, 128](cp.asarray(a), out, 3000)
    same(out[0], a.sum())


# ---- streams, memory ----

def program_streams_and_events():
    streams = [cp.cuda.Stream(non_blocking=True) for _ in range(3)]
    begin, end = cp.cuda.Event(), cp.cuda.Event()
    begin.record()
    parts = []
    for n, stream in enumerate(streams):
        with stream:
            parts.append(cp.arange(1000) * n)
    for stream in streams:
        cp.cuda.get_current_stream().wait_event(stream.record())
    total = parts[0] + parts[1] + parts[2]
    end.record()
    end.synchronize()
    same(total, np.arange(1000) * 3)
    assert cp.cuda.get_elapsed_time(begin, end) > 0 and end.done


def program_callback_on_the_host():
    said = []
    stream = cp.cuda.Stream()
    with stream:
        x = cp.arange(10) * 2
        stream.launch_host_func(said.append, "here")
    stream.synchronize()
    same(x, np.arange(10) * 2)
    assert said == ["here"]


def program_memory_pool():
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros(1000, np.float32)
        used = pool.used_bytes()
        assert used >= 4000
        del x
        assert pool.used_bytes() < used and pool.total_bytes() >= used
        y = cp.ones(500)
        same(y, np.ones(500))
        del y
    pool.free_all_blocks()
    assert pool.total_bytes() == 0


def program_stream_ordered_allocator():
    pool = cp.cuda.MemoryAsyncPool()
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.arange(1000)
        y = x * 2
        same(y, np.arange(1000) * 2)
        del x, y


def program_managed_memory():
    with cp.cuda.using_allocator(cp.cuda.malloc_managed):
        x = cp.arange(100) + 1
        same(x, np.arange(100) + 1)
        del x


def program_pinned_memory():
    mem = cp.cuda.alloc_pinned_memory(4000)
    host = np.frombuffer(mem, np.float32, 1000)
    host[...] = np.arange(1000)
    stream = cp.cuda.Stream()
    x = cp.empty(1000, np.float32)
    x.set(host, stream=stream)
    with stream:
        x *= 3
    back = x.get(stream=stream)
    stream.synchronize()
    same(back, np.arange(1000, dtype=np.float32) * 3)


def program_device_properties():
    d = cp.cuda.Device()
    p = cp.cuda.runtime.getDeviceProperties(d.id)
    assert f"{p['major']}{p['minor']}" == d.compute_capability
    assert p["warpSize"] == 32 and p["totalGlobalMem"] > 0
    free, total = d.mem_info
    assert 0 < free <= total


def program_graph_by_capture():
    x = cp.arange(100, dtype=np.float32)
    y = cp.empty_like(x)
    cp.multiply(x, 2, out=y)
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        cp.multiply(x, 2, out=y)
        cp.add(y, 1, out=y)
        graph = stream.end_capture()
    for n in range(3):
        x[...] = n
        cp.cuda.Device().synchronize()
        graph.launch(stream)
        stream.synchronize()
        same(y, np.full(100, 2 * n + 1))


TEXTURE = r"""
extern "C" __global__ void look(cudaTextureObject_t t, float *out, int w, int h)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;

    if (x < w)
        out[y * w + x] = tex2D<float>(t, x + 0.5f, y + 0.5f);
}
"""


def program_texture_object():
    from cupy.cuda import runtime, texture
    a = RNG.random((8, 20)).astype(np.float32)
    channel = texture.ChannelFormatDescriptor(32, 0, 0, 0, runtime.cudaChannelFormatKindFloat)
    array = texture.CUDAarray(channel, 20, 8)
    array.copy_from(a)
    resource = texture.ResourceDescriptor(runtime.cudaResourceTypeArray, cuArr=array)
    how = texture.TextureDescriptor((runtime.cudaAddressModeClamp,) * 2,
                                    runtime.cudaFilterModePoint, runtime.cudaReadModeElementType)
    out = cp.zeros((8, 20), np.float32)
    cp.RawKernel(TEXTURE, "look")((1, 8), (32,), (texture.TextureObject(resource, how), out,
                                                   np.int32(20), np.int32(8)))
    same(out, a)
