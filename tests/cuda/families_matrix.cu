/* SPDX-License-Identifier: MIT */
/*
 * families_matrix.cu - mma of every type, and matrices of 8 by 8 between shared memory and registers
 *
 * a is m by k by rows and b is k by 8 by columns, so that a register is a word of either: of lane
 * (group, in_group), words k / p + in_group of row or column group, p elements to a word, and 8 rows
 * or 4 p elements further on (PTX ISA 9.7.14.5). The numbers are small and whole: sums are exact.
 */
#include <type_traits>

#include "families.h"

#define MAX_WORDS 512

/* p elements of a word; as a number, to a word, and the first architecture. */
struct f16_pair { static constexpr int per_word = 2; static uint32_t of(int v) { static const uint16_t h[] = { 0xc000, 0xbc00, 0, 0x3c00, 0x4000 }; return h[v + 2]; } };
struct bf16_pair { static constexpr int per_word = 2; static uint32_t of(int v) { static const uint16_t h[] = { 0xc000, 0xbf80, 0, 0x3f80, 0x4000 }; return h[v + 2]; } };
struct tf32 { static constexpr int per_word = 1; static uint32_t of(int v) { float f = v; uint32_t u; memcpy(&u, &f, sizeof(u)); return u; } };
struct s8 { static constexpr int per_word = 4; static uint32_t of(int v) { return v & 255; } };
struct s4 { static constexpr int per_word = 8; static uint32_t of(int v) { return v & 15; } };
struct b1 { static constexpr int per_word = 32; static uint32_t of(int v) { return v & 1; } };

#define MMA_2(instruction)								\
	asm volatile(instruction " {%0, %1}, {%2}, {%3}, {%0, %1};" : "+r"(c[0]), "+r"(c[1]) : "r"(a[0]), "r"(b[0]))
#define MMA_4_21(instruction, reg)								\
	asm volatile(instruction " {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"		\
		     : "+" reg(c[0]), "+" reg(c[1]), "+" reg(c[2]), "+" reg(c[3]) : "r"(a[0]), "r"(a[1]), "r"(b[0]))
#define MMA_4_42(instruction, reg)								\
	asm volatile(instruction " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"	\
		     : "+" reg(c[0]), "+" reg(c[1]), "+" reg(c[2]), "+" reg(c[3])			\
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

/* One instruction: its shape, its types, and itself on fragments. */
#define SHAPE(name, Element, Sum, from_arch, M, K, body)						\
struct name {												\
	using E = Element;										\
	using S = Sum;											\
	static constexpr int from = from_arch, m = M, k = K;						\
	static const char *title() { return #name; }							\
	__device__ static void run(const uint32_t *a, const uint32_t *b, Sum *c)			\
	{												\
		(void)a; (void)b; (void)c;								\
		body;											\
	}												\
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define SINCE_80(body) body
#else
#define SINCE_80(body) (void)0
#endif

SHAPE(f16_16x8x8, f16_pair, float, 75, 16, 8, MMA_4_21("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", "f"));
SHAPE(f16_16x8x16, f16_pair, float, 80, 16, 16, SINCE_80(MMA_4_42("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", "f")));
SHAPE(bf16_16x8x8, bf16_pair, float, 80, 16, 8, SINCE_80(MMA_4_21("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", "f")));
SHAPE(bf16_16x8x16, bf16_pair, float, 80, 16, 16, SINCE_80(MMA_4_42("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", "f")));
SHAPE(tf32_16x8x4, tf32, float, 80, 16, 4, SINCE_80(MMA_4_21("mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32", "f")));
SHAPE(tf32_16x8x8, tf32, float, 80, 16, 8, SINCE_80(MMA_4_42("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", "f")));
SHAPE(s8_8x8x16, s8, int, 75, 8, 16, MMA_2("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32"));
SHAPE(s8_16x8x16, s8, int, 80, 16, 16, SINCE_80(MMA_4_21("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32", "r")));
SHAPE(s8_16x8x32, s8, int, 80, 16, 32, SINCE_80(MMA_4_42("mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.s8.s32", "r")));
SHAPE(s4_8x8x32, s4, int, 75, 8, 32, MMA_2("mma.sync.aligned.m8n8k32.row.col.s32.s4.s4.s32"));
SHAPE(s4_16x8x64, s4, int, 80, 16, 64, SINCE_80(MMA_4_42("mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32", "r")));
SHAPE(b1_8x8x128, b1, int, 75, 8, 128, MMA_2("mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32.xor.popc"));
SHAPE(b1_16x8x256, b1, int, 80, 16, 256, SINCE_80(MMA_4_42("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc", "r")));

template <class I> __global__ void multiply(const uint32_t *A, const uint32_t *B, const typename I::S *C, typename I::S *D)
{
#ifdef __CUDA_ARCH__
	if constexpr (__CUDA_ARCH__ >= I::from * 10) {
		constexpr int row_words = I::k / I::E::per_word, down = I::m / 8, across = row_words / 4;
		int group = threadIdx.x / 4, in_group = threadIdx.x % 4;
		uint32_t a[down * across], b[across];
		typename I::S c[2 * down];

		for (int i = 0; i < down * across; i++)
			a[i] = A[(group + i % down * 8) * row_words + in_group + i / down * 4];
		for (int i = 0; i < across; i++)
			b[i] = B[group * row_words + in_group + i * 4];
		for (int i = 0; i < 2 * down; i++)
			c[i] = C[(group + i / 2 * 8) * 8 + in_group * 2 + i % 2];
		I::run(a, b, c);
		for (int i = 0; i < 2 * down; i++)
			D[(group + i / 2 * 8) * 8 + in_group * 2 + i % 2] = c[i];
	}
#endif
}

/* The host's product of two small numbers, as the instruction counts it. */
template <class I> static int product(int a, int b)
{
	if (!std::is_same<typename I::E, b1>::value)
		return a * b;
	return I::m == 8 ? (a ^ b) & 1 : a & b & 1;
}

static uint32_t *dev_a, *dev_b, *dev_c, *dev_d;

template <class I> static void check_mma(void)
{
	constexpr int p = I::E::per_word;
	static int a[16 * 256], b[8 * 256];
	static uint32_t packed_a[MAX_WORDS], packed_b[MAX_WORDS];
	typename I::S c[128], d[128];
	struct cudaFuncAttributes attr;

	CHECK(cudaFuncGetAttributes(&attr, multiply<I>));
	if (attr.ptxVersion < I::from)
		return;
	memset(packed_a, 0, sizeof(packed_a));
	memset(packed_b, 0, sizeof(packed_b));
	for (int i = 0; i < I::m * I::k; i++)
		packed_a[i / p] |= I::E::of(a[i] = (int)random_below(5) - 2) << i % p * (32 / p);
	for (int i = 0; i < 8 * I::k; i++)
		packed_b[i / p] |= I::E::of(b[i] = (int)random_below(5) - 2) << i % p * (32 / p);
	for (int i = 0; i < 8 * I::m; i++)
		c[i] = (int)random_below(200) - 100;
	CHECK(cudaMemcpy(dev_a, packed_a, sizeof(packed_a), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_b, packed_b, sizeof(packed_b), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_c, c, 8 * I::m * sizeof(*c), cudaMemcpyHostToDevice));
	multiply<I><<<1, 32>>>(dev_a, dev_b, (typename I::S *)dev_c, (typename I::S *)dev_d);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(d, dev_d, 8 * I::m * sizeof(*d), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 8 * I::m; i++) {
		double want = c[i];

		for (int k = 0; k < I::k; k++)
			want += product<I>(a[i / 8 * I::k + k], b[i % 8 * I::k + k]);
		if (d[i] != want)
			fail("%s: d[%d][%d] is %g, not %g", I::title(), i / 8, i % 8, (double)d[i], want);
	}
	dump(I::title(), d, 8 * I::m * sizeof(*d));
}

/* f64, and f16 with a sum of f16: registers of their own. */
__global__ void others(const double *A, const double *B, const double *C, double *D, uint32_t *halves)
{
	int group = threadIdx.x / 4, in_group = threadIdx.x % 4;
	/* (in_group + 1, 1) times (1, 1) in each place of 16 by 8 and 8 by 8 */
	uint32_t one = 0x3c003c00, d0, d1;
	uint32_t a = in_group == 0 ? 0x3c003c00 : in_group == 1 ? 0x3c004000 : in_group == 2 ? 0x3c004200 : 0x3c004400;

	asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %2}, {%3}, {%4, %5};"
		     : "=r"(d0), "=r"(d1) : "r"(a), "r"(one), "r"(0u), "r"(one));
	halves[threadIdx.x] = d0;
	halves[32 + threadIdx.x] = d1;
#if __CUDA_ARCH__ >= 800
	double c0 = C[group * 8 + in_group * 2], c1 = C[group * 8 + in_group * 2 + 1];

	asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
		     : "+d"(c0), "+d"(c1) : "d"(A[group * 4 + in_group]), "d"(B[group * 4 + in_group]));
	D[group * 8 + in_group * 2] = c0;
	D[group * 8 + in_group * 2 + 1] = c1;
#else
	for (int i = 0; i < 2; i++) {
		int col = in_group * 2 + i;
		double sum = C[group * 8 + col];

		for (int k = 0; k < 4; k++)
			sum += A[group * 4 + k] * B[col * 4 + k];
		D[group * 8 + col] = sum;
	}
#endif
}

static void check_others(void)
{
	double a[32], b[32], c[64], d[64];
	uint32_t halves[64];

	for (int i = 0; i < 64; i++) {
		a[i % 32] = (int)random_below(2000) - 1000;
		b[i % 32] = (int)random_below(2000) - 1000;
		c[i] = (int)random_below(2000) - 1000;
	}
	CHECK(cudaMemcpy(dev_a, a, sizeof(a), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_b, b, sizeof(b), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_c, c, sizeof(c), cudaMemcpyHostToDevice));
	others<<<1, 32>>>((double *)dev_a, (double *)dev_b, (double *)dev_c, (double *)dev_d, dev_d + MAX_WORDS);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(d, dev_d, sizeof(d), cudaMemcpyDeviceToHost));
	CHECK(cudaMemcpy(halves, dev_d + MAX_WORDS, sizeof(halves), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 64; i++) {
		double want = c[i];

		for (int k = 0; k < 4; k++)
			want += a[i / 8 * 4 + k] * b[i % 8 * 4 + k];
		if (d[i] != want)
			fail("f64: d[%d][%d] is %g, not %g", i / 8, i % 8, d[i], want);
		/* 1 + 2 + 3 + 4 and four ones; and 1 more in the lower rows */
		if (halves[i] != (i < 32 ? 0x4b004b00 : 0x4b804b80))
			fail("f16: register %d of lane %d is %#x", i / 32, i % 32, halves[i]);
	}
	dump("f64", d, sizeof(d));
	dump("f16", halves, sizeof(halves));
}

/* Four matrices of 8 by 8 halves through shared memory: as they are, transposed, and in a register. */
__global__ void moved(uint32_t *out)
{
	__shared__ __align__(16) uint16_t cells[256], stored[256];
	int t = threadIdx.x;
	unsigned row = __cvta_generic_to_shared(cells + 8 * t), to = __cvta_generic_to_shared(stored + 8 * t);
	uint32_t r[4];

	for (int i = t; i < 256; i += 32)
		cells[i] = i * 257;
	__syncwarp();
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row));
	for (int i = 0; i < 4; i++)
		out[i * 32 + t] = r[i];
#if __CUDA_ARCH__ >= 900
	asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" :: "r"(to), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
#else
	for (int i = 0; i < 4; i++)
		((uint32_t *)stored)[i * 32 + t] = r[i];
	(void)to;
#endif
	__syncwarp();
	for (int i = 0; i < 4; i++)
		out[(4 + i) * 32 + t] = ((uint32_t *)stored)[i * 32 + t];
	asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(row));
	asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[2]) : "r"(row));
	asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r[3]) : "r"(r[2]));
	for (int i = 0; i < 4; i++)
		out[(8 + i) * 32 + t] = r[i];
}

static uint32_t cell(int matrix, int row, int col) { return (matrix * 64 + row * 8 + col) * 257 & 65535; }

static void check_moved(void)
{
	uint32_t got[12 * 32];

	moved<<<1, 32>>>(dev_d);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_d, sizeof(got), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 12 * 32; i++) {
		int which = i / 32, row = i % 32 / 4, col = i % 4 * 2, matrix = which < 8 ? which % 4 : which == 9;
		bool transposed = which == 8 || which == 9 || which == 11;
		uint32_t want = transposed ? cell(matrix, col, row) | cell(matrix, col + 1, row) << 16 :
					     cell(matrix, row, col) | cell(matrix, row, col + 1) << 16;

		if (got[i] != want)
			fail("moved, register %d, lane %d: %#x, not %#x", which, i % 32, got[i], want);
	}
	dump("moved", got, sizeof(got));
}

int main(void)
{
	CHECK(cudaMalloc(&dev_a, 2 * MAX_WORDS * sizeof(*dev_a)));
	CHECK(cudaMalloc(&dev_b, 2 * MAX_WORDS * sizeof(*dev_b)));
	CHECK(cudaMalloc(&dev_c, 2 * MAX_WORDS * sizeof(*dev_c)));
	CHECK(cudaMalloc(&dev_d, 2 * MAX_WORDS * sizeof(*dev_d)));
	check_mma<f16_16x8x8>();
	check_mma<f16_16x8x16>();
	check_mma<bf16_16x8x8>();
	check_mma<bf16_16x8x16>();
	check_mma<tf32_16x8x4>();
	check_mma<tf32_16x8x8>();
	check_mma<s8_8x8x16>();
	check_mma<s8_16x8x16>();
	check_mma<s8_16x8x32>();
	check_mma<s4_8x8x32>();
	check_mma<s4_16x8x64>();
	check_mma<b1_8x8x128>();
	check_mma<b1_16x8x256>();
	check_others();
	check_moved();
	return pass();
}
