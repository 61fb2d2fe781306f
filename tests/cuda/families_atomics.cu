/* SPDX-License-Identifier: MIT */
/*
 * families_atomics.cu - atom and red of every operation, on cells of a thread's own and on shared ones
 *
 * %4 and %5 are the thread's cells in global and in shared memory. A row tells what was there, and
 * what both hold afterwards.
 */
#include "families.h"

__device__ __align__(16) uint64_t global_cells[2 * N], contended[16];

/* where: 1 for the global cell, 2 for the shared one, 3 for one after the other. */
#ifdef __CUDA_ARCH__
#define ATOM_ROW_AS(out_reg, in_reg, where, was, becomes, text) do {					\
	cells(x);											\
	asm volatile(text : out_reg(r) : in_reg(x), in_reg(y), in_reg(z), "l"(global), "r"(shared_at) : "memory"); \
	*out = r + 3 * *(volatile T *)global + 5 * *(volatile T *)shared;				\
	out += N;											\
} while (0)
#define CELLS()												\
	__shared__ __align__(16) uint64_t shared_cells[2 * N];							\
	T *global = (T *)(global_cells + 2 * t), *shared = (T *)(shared_cells + 2 * t), r;		\
	unsigned shared_at = __cvta_generic_to_shared(shared);						\
	auto cells = [&](T v) { *(volatile T *)global = v; *(volatile T *)shared = v; }
#else
#define ATOM_ROW_AS(out_reg, in_reg, where, was, becomes, text) do {					\
	const T before = (was), after = (becomes);							\
	*out = before + 3 * ((where) & 1 ? after : before) + 5 * ((where) & 2 ? after : before);	\
	out += N;											\
} while (0)
#define CELLS() (void)0
#endif

#define ATOM(where, becomes, text) ATOM_ROW_AS("=r", "r", where, x, becomes, text)
#define ATOM_OF(where, was, becomes, text) ATOM_ROW_AS("=r", "r", where, was, becomes, text)
#define LONG_ATOM(where, becomes, text) ATOM_ROW_AS("=l", "l", where, x, becomes, text)
#define LONG_ATOM_OF(where, was, becomes, text) ATOM_ROW_AS("=l", "l", where, was, becomes, text)

template <class F, class U> static U bits(F f)
{
	U u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static uint32_t fbits(float f) { return bits<float, uint32_t>(f); }
static uint64_t dbits(double d) { return bits<double, uint64_t>(d); }

/* Numbers that stay exact: x and y cut to 16 bits, in both cells. */
#define FLOAT_CELLS "{.reg .f32 f; .reg .b32 q; and.b32 q, %1, 65535; cvt.rn.f32.u32 f, q; st.global.f32 [%4], f; st.shared.f32 [%5], f; " \
	"and.b32 q, %2, 65535; cvt.rn.f32.u32 f, q; "
#define DOUBLE_CELLS "{.reg .f64 f; .reg .b64 q; and.b64 q, %1, 65535; cvt.rn.f64.u64 f, q; st.global.f64 [%4], f; st.shared.f64 [%5], f; " \
	"and.b64 q, %2, 65535; cvt.rn.f64.u64 f, q; "
/* (1, 2) of the type in both, and (2, 1) to add. */
#define HALF_CELLS "{.reg .b32 q; mov.b32 q, 0x40003c00; st.global.b32 [%4], q; st.shared.b32 [%5], q; mov.b32 q, 0x3c004000; "
#define BFLOAT_CELLS "{.reg .b32 q; mov.b32 q, 0x40003f80; st.global.b32 [%4], q; st.shared.b32 [%5], q; mov.b32 q, 0x3f804000; "
#define LOW_HALF ".reg .b16 h, i; mov.b32 {h, i}, q; "

__host__ __device__ static uint32_t *words(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	using T = uint32_t;
	CELLS();

	ATOM(1, x + y, "atom.global.add.u32 %0, [%4], %2;");
	ATOM(2, x + y, "atom.shared.add.s32 %0, [%5], %2;");
	ATOM(1, x + y, "atom.relaxed.gpu.global.add.u32 %0, [%4], %2;");
	ATOM(1, x + y, "atom.acq_rel.sys.global.add.u32 %0, [%4], %2;");
	ATOM(1, x + y, "atom.add.u32 %0, [%4], %2;");
	ATOM(2, x + y, "atom.acquire.cta.shared.add.u32 %0, [%5], %2;");
	ATOM(1, x < y ? x : y, "atom.release.gpu.global.min.u32 %0, [%4], %2;");
	ATOM(2, (int32_t)x < (int32_t)y ? x : y, "atom.shared.min.s32 %0, [%5], %2;");
	ATOM(1, x > y ? x : y, "atom.global.max.u32 %0, [%4], %2;");
	ATOM(1, (int32_t)x > (int32_t)y ? x : y, "atom.global.max.s32 %0, [%4], %2;");
	ATOM(1, x >= y ? 0 : x + 1, "atom.global.inc.u32 %0, [%4], %2;");
	ATOM(2, x == 0 || x > y ? y : x - 1, "atom.shared.dec.u32 %0, [%5], %2;");
	ATOM(1, x & y, "atom.global.and.b32 %0, [%4], %2;");
	ATOM(2, x | y, "atom.shared.or.b32 %0, [%5], %2;");
	ATOM(1, x ^ y, "atom.global.xor.b32 %0, [%4], %2;");
	ATOM(1, y, "atom.global.exch.b32 %0, [%4], %2;");
	ATOM(2, y, "atom.shared.exch.b32 %0, [%5], %2;");
	ATOM(1, z, "atom.global.cas.b32 %0, [%4], %1, %3;");
	ATOM(2, x == y ? z : x, "atom.shared.cas.b32 %0, [%5], %2, %3;");
	ATOM(1, (x & ~65535u) | (z & 65535), "{.reg .b16 a, b, c; mov.b32 {a, c}, %1; mov.b32 {b, c}, %3; atom.global.cas.b16 c, [%4], a, b; mov.b32 %0, %1; }");
	ATOM(1, x + y, "red.global.add.u32 [%4], %2; mov.b32 %0, %1;");
	ATOM(2, x > y ? x : y, "red.shared.max.u32 [%5], %2; mov.b32 %0, %1;");
	ATOM(1, x ^ y, "red.relaxed.sys.global.xor.b32 [%4], %2; mov.b32 %0, %1;");
	ATOM(1, x | y, "red.release.gpu.global.or.b32 [%4], %2; mov.b32 %0, %1;");
	ATOM_OF(1, fbits(x & 65535), fbits((x & 65535) + (y & 65535)), FLOAT_CELLS "atom.global.add.f32 f, [%4], f; mov.b32 %0, f; }");
	ATOM_OF(2, fbits(x & 65535), fbits((x & 65535) + (y & 65535)), FLOAT_CELLS "atom.shared.add.f32 f, [%5], f; mov.b32 %0, f; }");
	ATOM_OF(1, fbits(x & 65535), fbits((x & 65535) + (y & 65535)), FLOAT_CELLS "ld.shared.b32 %0, [%5]; red.global.add.f32 [%4], f; }");
	ATOM_OF(1, 0x40003c00u, 0x42004200u, HALF_CELLS "atom.global.add.noftz.f16x2 %0, [%4], q; }");
	ATOM_OF(2, 0x40003c00u, 0x42004200u, HALF_CELLS "atom.shared.add.noftz.f16x2 %0, [%5], q; }");
	ATOM_OF(1, 0x40003c00u, 0x40004200u, HALF_CELLS LOW_HALF "ld.global.b32 %0, [%4]; atom.global.add.noftz.f16 h, [%4], h; }");
	if (PTX_ARCH >= 90) {
		ATOM_OF(1, 0x40003f80u, 0x40404040u, BFLOAT_CELLS "atom.global.add.noftz.bf16x2 %0, [%4], q; }");
		ATOM_OF(2, 0x40003f80u, 0x40404040u, BFLOAT_CELLS "atom.shared.add.noftz.bf16x2 %0, [%5], q; }");
		ATOM_OF(1, 0x40003f80u, 0x40004040u, BFLOAT_CELLS LOW_HALF "ld.global.b32 %0, [%4]; red.global.add.noftz.bf16 [%4], h; }");
	}
	SKIP_ROW();
	return out;
}

__host__ __device__ static uint64_t *longs(int t, uint64_t x, uint64_t y, uint64_t z, const uint64_t *, uint64_t *out)
{
	using T = uint64_t;
	CELLS();

	LONG_ATOM(1, x + y, "atom.global.add.u64 %0, [%4], %2;");
	LONG_ATOM(2, x + y, "atom.shared.add.u64 %0, [%5], %2;");
	LONG_ATOM(1, x < y ? x : y, "atom.global.min.u64 %0, [%4], %2;");
	LONG_ATOM(1, (int64_t)x > (int64_t)y ? x : y, "atom.global.max.s64 %0, [%4], %2;");
	LONG_ATOM(1, x & y, "atom.global.and.b64 %0, [%4], %2;");
	LONG_ATOM(2, x | y, "atom.shared.or.b64 %0, [%5], %2;");
	LONG_ATOM(1, x ^ y, "atom.global.xor.b64 %0, [%4], %2;");
	LONG_ATOM(1, y, "atom.global.exch.b64 %0, [%4], %2;");
	LONG_ATOM(1, z, "atom.global.cas.b64 %0, [%4], %1, %3;");
	LONG_ATOM(2, x == y ? z : x, "atom.shared.cas.b64 %0, [%5], %2, %3;");
	LONG_ATOM(1, x + y, "red.global.add.u64 [%4], %2; mov.b64 %0, %1;");
	LONG_ATOM_OF(1, dbits(x & 65535), dbits((x & 65535) + (y & 65535)), DOUBLE_CELLS "atom.global.add.f64 f, [%4], f; mov.b64 %0, f; }");
	LONG_ATOM_OF(2, dbits(x & 65535), dbits((x & 65535) + (y & 65535)), DOUBLE_CELLS "atom.shared.add.f64 f, [%5], f; mov.b64 %0, f; }");
	if (PTX_ARCH >= 90) {
		LONG_ATOM(1, y, "{.reg .b128 q, o; mov.b128 q, {%2, %3}; atom.global.exch.b128 o, [%4], q; mov.b128 {%0, _}, o; }");
		LONG_ATOM(1, x, "{.reg .b128 q, o; mov.b128 q, {%2, %3}; mov.b128 o, {%3, %3}; atom.global.cas.b128 o, [%4], o, q; mov.b128 {%0, _}, o; }");
	}
	SKIP_ROW();
	return out;
}

/* All threads of all blocks on the same cells. */
__global__ void crowd(const uint32_t *X)
{
	int t = threadIdx.x;
	uint32_t x = X[t];
	__shared__ uint32_t sum;

	if (t == 0)
		sum = 0;
	__syncthreads();
	atomicAdd_block(&sum, x & 1023);
	__syncthreads();
	atomicAdd((unsigned long long *)contended, (unsigned long long)x);
	atomicAdd_system((unsigned *)(contended + 1), x & 1023);
	atomicAdd((float *)(contended + 2), (float)(x & 63));
	atomicAdd((double *)(contended + 3), (double)x);
	atomicMax((unsigned *)(contended + 4), x);
	atomicOr((unsigned *)(contended + 5), x);
	atomicXor((unsigned *)(contended + 6), x);
	atomicInc((unsigned *)(contended + 7), 6);
	if (t == 0)
		atomicAdd((unsigned *)(contended + 8), sum);
	/* a lock that compare-and-swap takes */
	for (bool done = false; !done;)
		if (atomicCAS((unsigned *)(contended + 9), 0u, 1u) == 0) {
			__threadfence();
			*(volatile uint64_t *)(contended + 10) += x;
			__threadfence();
			atomicExch((unsigned *)(contended + 9), 0u);
			done = true;
		}
}

static void check_crowd(const uint32_t *X)
{
	const int blocks = 5;
	uint64_t got[16], want[16] = { 0 }, *at;
	uint32_t *dev_in, sum = 0, floats = 0;

	for (int i = 0; i < blocks * N; i++) {
		uint32_t x = X[i % N];

		want[0] += x;
		sum += x & 1023;
		floats += x & 63;
		want[4] = x > want[4] ? x : want[4];
		want[5] |= x;
		want[6] ^= x;
	}
	want[1] = want[8] = sum;
	want[2] = fbits(floats);
	want[3] = dbits((double)want[0]);
	want[7] = blocks * N % 7;
	want[10] = want[0];
	CHECK(cudaMalloc(&dev_in, N * sizeof(*X)));
	CHECK(cudaMemcpy(dev_in, X, N * sizeof(*X), cudaMemcpyHostToDevice));
	CHECK(cudaGetSymbolAddress((void **)&at, contended));
	CHECK(cudaMemset(at, 0, sizeof(got)));
	crowd<<<blocks, N>>>(dev_in);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, at, sizeof(got), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 16; i++)
		if (got[i] != want[i])
			fail("crowd, cell %d: %#llx, not %#llx", i, (long long)got[i], (long long)want[i]);
	dump("crowd", got, sizeof(got));
}

int main(void)
{
	static uint32_t in[3 * N];
	static uint64_t in64[3 * N];

	random_bits(in, 3 * N);
	random_bits(in64, 3 * N);
	check_rows<uint32_t, uint32_t, words>("atomics of 32 bits", in);
	check_rows<uint64_t, uint64_t, longs>("atomics of 64 bits", in64);
	check_crowd(in);
	return pass();
}
