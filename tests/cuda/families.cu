/* SPDX-License-Identifier: MIT */
/*
 * families.cu - instructions that a plain program does not make nvcc emit, for compute_75, 80 and 90
 *
 * Each row of a test is one number of thread t, computed on the device by an intrinsic or by PTX,
 * and on the host in C. tests/e2e/families_test.py reads the PTX and says which family is missing.
 */
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <math.h>

#include "dump.h"
#include "random.h"

#define N 64

static unsigned a[N], b[N], *dev_a, *dev_b, got[32 * N], *dev_out;

#define EACH(row, value) out[(row) * N + t] = (value)

static void compare(const char *what, int rows, unsigned (*want)(int row, unsigned a, unsigned b))
{
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, rows * N * sizeof(*got), cudaMemcpyDeviceToHost));
	for (int i = 0; i < rows * N; i++)
		if (got[i] != want(i / N, a[i % N], b[i % N]))
			fail("%s, row %d: %#x and %#x give %#x, not %#x", what, i / N, a[i % N],
			     b[i % N], got[i], want(i / N, a[i % N], b[i % N]));
	dump(what, got, rows * N * sizeof(*got));
}

__device__ unsigned add3(unsigned x, unsigned y) { return x + y + 3; }
__device__ unsigned mul5(unsigned x, unsigned y) { return x * y * 5; }
__device__ unsigned (*const volatile called[])(unsigned, unsigned) = { add3, mul5 };

__global__ void integers(const unsigned *pa, const unsigned *pb, unsigned *out)
{
	extern __shared__ unsigned cells[];
	int t = threadIdx.x;
	unsigned x = pa[t], y = pb[t], lo, hi, r;

	asm("add.cc.u32 %0, %2, %3;\n\taddc.u32 %1, 0, 0;" : "=r"(lo), "=r"(hi) : "r"(x), "r"(y));
	EACH(0, lo ^ hi);
	asm("sub.cc.u32 %0, %2, %3;\n\tsubc.u32 %1, 0, 0;" : "=r"(lo), "=r"(hi) : "r"(x), "r"(y));
	EACH(1, lo ^ hi);
	asm("mad.lo.cc.u32 %0, %2, %3, %2;\n\tmadc.hi.u32 %1, %2, %3, 0;"
	    : "=&r"(lo), "=r"(hi) : "r"(x), "r"(y));
	EACH(2, lo ^ hi);
	EACH(3, __brev(x));
	EACH(4, __popc(x) + 100 * __clz(y));
	EACH(5, __byte_perm(x, y, 0x3715));
	EACH(6, __funnelshift_l(x, y, y & 31));
	asm("bfe.u32 %0, %1, 5, 9;" : "=r"(r) : "r"(x));
	EACH(7, r);
	asm("bfi.b32 %0, %1, %2, 7, 11;" : "=r"(r) : "r"(x), "r"(y));
	EACH(8, r);
	asm("bfind.u32 %0, %1;" : "=r"(r) : "r"(x));
	EACH(9, r);
	asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(r) : "r"(x), "r"(y), "r"(x >> 7));
	EACH(10, r);
	asm("vabsdiff4.u32.u32.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(0));
	EACH(11, r);
	asm("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(9));
	EACH(12, r);
	asm("vadd.u32.u32.u32.sat %0, %1, %2;" : "=r"(r) : "r"(x), "r"(y));
	EACH(13, r);
	EACH(14, __usad(x, y, 4u));
	EACH(15, called[x & 1](x, y));
	cells[t] = x;
	r = __syncthreads_or(x == pb[5]) + 2 * __syncthreads_and(x != 0) + 4 * __syncthreads_count(1);
	EACH(16, r + cells[N - 1 - t] - pa[N - 1 - t]);
	EACH(17, x / (y | 1) + x % (y >> 3 | 1));
}

static unsigned integer(int row, unsigned x, unsigned y)
{
	uint64_t sum = (uint64_t)x + y, mad = (uint64_t)x * y + x, both = (uint64_t)y << 32 | x;
	unsigned r = 0, perm[] = { 5, 1, 7, 3 };

	switch (row) {
	case 0: return (unsigned)sum ^ (unsigned)(sum >> 32);
	case 1: return (x - y) ^ -(unsigned)(x < y);
	case 2: return (unsigned)mad ^ (unsigned)(mad >> 32);
	case 3: for (int i = 0; i < 32; i++) r |= (x >> i & 1) << (31 - i); return r;
	case 4: return __builtin_popcount(x) + 100 * (y ? __builtin_clz(y) : 32);
	case 5: for (int i = 0; i < 4; i++) r |= (both >> 8 * perm[i] & 255) << 8 * i; return r;
	case 6: return (both << (y & 31)) >> 32;
	case 7: return x >> 5 & 511;
	case 8: return (y & ~(2047u << 7)) | (x & 2047) << 7;
	case 9: return x ? 31 - __builtin_clz(x) : ~0u;
	case 10: return x ^ y ^ x >> 7;
	case 11: for (int i = 0; i < 32; i += 8) r |= abs((int)(x >> i & 255) - (int)(y >> i & 255)) << i; return r;
	case 12: for (int i = 0; i < 32; i += 8) r += (x >> i & 255) * (y >> i & 255); return r + 9;
	case 13: return sum >> 32 ? ~0u : (unsigned)sum;
	case 14: return (x > y ? x - y : y - x) + 4;
	case 15: return x & 1 ? x * y * 5 : x + y + 3;
	case 16: for (unsigned v : a) r |= v == b[5]; return r + 2 + 4 * N;
	default: return x / (y | 1) + x % (y >> 3 | 1);
	}
}

/* Small whole numbers, exact in every format. */
__global__ void small_floats(const unsigned *pa, const unsigned *pb, unsigned *out)
{
	int t = threadIdx.x, x = pa[t] % 8, y = pb[t] % 8;

	EACH(0, (unsigned)__half2int_rn(__hfma(__int2half_rn(x), __int2half_rn(y), __int2half_rn(1))));
	EACH(1, (unsigned)__bfloat162float(__hadd(__float2bfloat16(x), __float2bfloat16(y))));
	EACH(2, __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3));
	EACH(3, (unsigned)__half2float(__nv_cvt_fp8_to_halfraw(__nv_cvt_float_to_fp8(y, __NV_SATFINITE, __NV_E5M2), __NV_E5M2)));
	EACH(4, (unsigned)copysignf(x, -y - 1.f));
}

static unsigned small_float(int row, unsigned x, unsigned y)
{
	static const unsigned e4m3[] = { 0, 0x38, 0x40, 0x44, 0x48, 0x4a, 0x4c, 0x4e };

	x %= 8;
	y %= 8;
	return row == 0 ? x * y + 1 : row == 1 ? x + y : row == 2 ? e4m3[x] : row == 3 ? y : 0;
}

/* What only later devices have, and in C before. */
__global__ void later(const unsigned *pa, unsigned *out)
{
	__shared__ __align__(16) unsigned copied[N];
	int t = threadIdx.x;

#if __CUDA_ARCH__ >= 800
	EACH(0, __reduce_add_sync(~0u, pa[t]));
	asm volatile("cp.async.ca.shared.global [%0], [%1], 4;\n\tcp.async.commit_group;\n\tcp.async.wait_group 0;"
		     :: "r"((unsigned)__cvta_generic_to_shared(copied + t)), "l"(pa + t) : "memory");
#else
	unsigned sum = pa[t];

	for (int i = 16; i; i /= 2)
		sum += __shfl_xor_sync(~0u, sum, i);
	EACH(0, sum);
	copied[t] = pa[t];
#endif
	__syncthreads();
	EACH(1, copied[N - 1 - t]);
	__syncthreads();
#if __CUDA_ARCH__ >= 800
	__shared__ uint64_t barrier;
	unsigned at = __cvta_generic_to_shared(&barrier), done = 0;
	uint64_t token;

	if (t == 0)
		asm volatile("mbarrier.init.shared.b64 [%0], %1;" :: "r"(at), "r"(N) : "memory");
	__syncthreads();
	copied[t] = t;
	asm volatile("mbarrier.arrive.shared.b64 %0, [%1];" : "=l"(token) : "r"(at) : "memory");
	while (!done)
		asm volatile("{\n\t.reg .pred p;\n\tmbarrier.test_wait.shared.b64 p, [%1], %2;\n\tselp.u32 %0, 1, 0, p;\n\t}"
			     : "=r"(done) : "r"(at), "l"(token) : "memory");
#else
	copied[t] = t;
	__syncthreads();
#endif
	EACH(2, copied[N - 1 - t]);
}

static void check_later(void)
{
	later<<<1, N>>>(dev_a, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, 3 * N * sizeof(*got), cudaMemcpyDeviceToHost));
	for (int t = 0; t < N; t++) {
		unsigned sum = 0;

		for (int i = t / 32 * 32; i < t / 32 * 32 + 32; i++)
			sum += a[i];
		if (got[t] != sum || got[N + t] != a[N - 1 - t] || got[2 * N + t] != (unsigned)(N - 1 - t))
			fail("later, thread %d: %#x, %#x, %u", t, got[t], got[N + t], got[2 * N + t]);
	}
	dump("later", got, 3 * N * sizeof(*got));
}

/* Time goes on, a block's heap gives and takes, and printf prints. */
__global__ void machine(unsigned *out)
{
	int t = threadIdx.x;
	long long before = clock64();
	unsigned long long ns, later_ns;
	unsigned *p = (unsigned *)malloc(16 * sizeof(*p));

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
	p[t % 16] = t;
	__threadfence_system();
	__nanosleep(20);
	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(later_ns));
	EACH(0, p[t % 16] + 1000 * (clock64() > before) + 10000 * (later_ns >= ns));
	free(p);
	if (t == 0)
		printf("printed by thread %d\n", t);
}

static unsigned thread_of(int row, unsigned x, unsigned y)
{
	(void)row;
	(void)y;
	for (unsigned t = 0; t < N; t++)
		if (a[t] == x)
			return 11000 + t;
	return 0;
}

int main(void)
{
	for (int i = 0; i < N; i++) {
		a[i] = random_u64() >> 32 >> random_below(24);
		b[i] = random_u64() >> 32 >> random_below(24);
		a[i] = a[i] / N * N + i;	/* no two are alike */
	}
	CHECK(cudaMalloc(&dev_a, sizeof(a)));
	CHECK(cudaMalloc(&dev_b, sizeof(b)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	CHECK(cudaMemcpy(dev_a, a, sizeof(a), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_b, b, sizeof(b), cudaMemcpyHostToDevice));
	a[0] = a[0] ? a[0] : N;
	CHECK(cudaMemcpy(dev_a, a, sizeof(a), cudaMemcpyHostToDevice));
	integers<<<1, N, N * sizeof(unsigned)>>>(dev_a, dev_b, dev_out);
	compare("integers", 18, integer);
	small_floats<<<1, N>>>(dev_a, dev_b, dev_out);
	compare("small floats", 5, small_float);
	check_later();
	machine<<<1, N>>>(dev_out);
	compare("machine", 1, thread_of);
	return pass();
}
