/* SPDX-License-Identifier: MIT */
/* families_memory.cu - spaces, generic addresses, caches, fences, asynchronous copies and mbarriers */
#include "families.h"

__constant__ uint32_t constants[N];
__device__ __align__(16) uint32_t table[4 * N];

extern __shared__ __align__(16) uint32_t dynamic[];

/* %4: x of this thread; %5: of thread 4 * (t / 4), aligned for a vector; %6: this thread's 16 bytes of shared memory. */
#ifdef __CUDA_ARCH__
#define PLACE_ROW(want, text) do {									\
	asm volatile(text : "=r"(r) : "r"(x), "r"(y), "r"(z), "l"(X + t), "l"(X + t / 4 * 4),		\
		     "r"(shared_at), "l"(own), "r"(t) : "memory");					\
	*out = r;											\
	out += N;											\
} while (0)
#define PLACES()											\
	__shared__ __align__(16) uint32_t cells[4 * N];							\
	unsigned shared_at = __cvta_generic_to_shared(cells + 4 * t);					\
	uint32_t r, *own = table + 4 * t
#else
#define PLACE_ROW(want, text) ROW(want, text)
#define PLACES() (void)0
#endif

static uint32_t vector_sum(int t, const uint32_t *X)
{
	const uint32_t *v = X + t / 4 * 4;

	return v[0] + 2 * v[1] + 3 * v[2] + 4 * v[3];
}

#define SUM_OF_FOUR "mad.lo.u32 b, b, 2, a; mad.lo.u32 b, c, 3, b; mad.lo.u32 %0, d, 4, b; }"

__host__ __device__ static uint32_t *loads(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *X, uint32_t *out)
{
	PLACES();

	PLACE_ROW(x, "ld.global.u32 %0, [%4];");
	PLACE_ROW(x, "ld.u32 %0, [%4];");
	PLACE_ROW(x, "ld.global.nc.u32 %0, [%4];");
	PLACE_ROW(x, "ldu.global.u32 %0, [%4];");
	PLACE_ROW(x, "ld.volatile.global.u32 %0, [%4];");
	PLACE_ROW(x, "ld.relaxed.gpu.global.u32 %0, [%4];");
	PLACE_ROW(x, "ld.acquire.sys.global.u32 %0, [%4];");
	PLACE_ROW(x, "ld.global.ca.u32 %0, [%4];");
	PLACE_ROW(x, "ld.global.cg.u32 %0, [%4];");
	PLACE_ROW(x, "ld.global.cs.u32 %0, [%4];");
	PLACE_ROW(x, "ld.global.cv.u32 %0, [%4];");
	PLACE_ROW(x, "ld.global.lu.u32 %0, [%4];");
	PLACE_ROW((uint32_t)(int8_t)(x >> 8), "ld.global.s8 %0, [%4+1];");
	PLACE_ROW(x >> 16, "{.reg .u16 h; ld.global.u16 h, [%4+2]; cvt.u32.u16 %0, h; }");
	PLACE_ROW(vector_sum(t, X), "{.reg .b32 a, b, c, d; ld.global.v4.u32 {a, b, c, d}, [%5]; " SUM_OF_FOUR);
	PLACE_ROW(vector_sum(t, X), "{.reg .b32 a, b, c, d; ld.global.nc.v2.u32 {a, b}, [%5]; ld.global.v2.u32 {c, d}, [%5+8]; " SUM_OF_FOUR);
	PLACE_ROW(x, "ld.global.L1::no_allocate.u32 %0, [%4];");
	PLACE_ROW(x, "prefetch.global.L1 [%4]; prefetch.global.L2 [%4]; prefetchu.L1 [%4]; ld.global.u32 %0, [%4];");
	PLACE_ROW(y, "st.global.u32 [%7], %2; ld.global.u32 %0, [%7];");
	PLACE_ROW(y, "st.volatile.global.u32 [%7], %2; membar.gl; ld.global.u32 %0, [%7];");
	PLACE_ROW(y, "st.release.gpu.global.u32 [%7], %2; fence.acq_rel.gpu; ld.global.u32 %0, [%7];");
	PLACE_ROW(y, "st.relaxed.sys.global.u32 [%7], %2; fence.sc.sys; membar.sys; ld.global.u32 %0, [%7];");
	PLACE_ROW(x + 2 * y + 3 * z + 4 * x, "{.reg .b32 a, b, c, d; st.global.wb.v4.u32 [%7], {%1, %2, %3, %1}; membar.cta; fence.sc.cta; "
		  "ld.global.v4.u32 {a, b, c, d}, [%7]; " SUM_OF_FOUR);
	PLACE_ROW(x + 2 * y + 3 * z + 4 * x, "{.reg .b32 a, b, c, d; st.shared.v4.u32 [%6], {%1, %2, %3, %1}; ld.shared.v4.u32 {a, b, c, d}, [%6]; " SUM_OF_FOUR);
	PLACE_ROW(y & 65535, "{.reg .u16 h; cvt.u16.u32 h, %2; st.shared.u16 [%6+2], h; ld.shared.u16 h, [%6+2]; cvt.u32.u16 %0, h; }");
	PLACE_ROW(y, "st.global.cs.u32 [%7], %2; ld.global.u32 %0, [%7];");
	PLACE_ROW(y, "st.global.cg.u32 [%7], %2; ld.global.u32 %0, [%7];");
	PLACE_ROW(y, "st.global.wt.u32 [%7], %2; ld.global.u32 %0, [%7];");
	if (PTX_ARCH >= 80) {
		PLACE_ROW(x, "{.reg .b64 q; createpolicy.fractional.L2::evict_last.b64 q, 1.0; ld.global.L2::cache_hint.u32 %0, [%4], q; }");
		PLACE_ROW(x, "prefetch.global.L2::evict_last [%4]; ld.global.L2::128B.u32 %0, [%4];");
	}
	SKIP_ROW();
	return out;
}

#define IS(space, address) "{.reg .pred p; isspacep." space " p, " address "; selp.u32 %0, 1, 0, p; }"
#define GENERIC_SHARED "{.reg .b64 s; .reg .pred p; cvt.u64.u32 s, %6; cvta.shared.u64 s, s; "

__host__ __device__ static uint32_t *spaces(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *X, uint32_t *out)
{
	PLACES();

	PLACE_ROW(1, IS("global", "%7"));
	PLACE_ROW(0, IS("shared", "%7"));
	PLACE_ROW(0, IS("local", "%7"));
	PLACE_ROW(1, GENERIC_SHARED "isspacep.shared p, s; selp.u32 %0, 1, 0, p; }");
	PLACE_ROW(0, GENERIC_SHARED "isspacep.global p, s; selp.u32 %0, 1, 0, p; }");
	PLACE_ROW(y, GENERIC_SHARED "st.u32 [s], %2; ld.shared.u32 %0, [%6]; }");
	PLACE_ROW(y, GENERIC_SHARED "st.shared.u32 [%6], %2; cvta.to.shared.u64 s, s; ld.shared.u32 %0, [s]; }");
	PLACE_ROW(x, "{.reg .b64 g; cvta.to.global.u64 g, %7; st.global.u32 [g], %1; cvta.global.u64 g, g; ld.u32 %0, [g]; }");
	PLACE_ROW(y + 1, "{.local .align 8 .b32 slot[2]; .reg .b64 s; .reg .pred p; mov.u64 s, slot; st.local.u32 [s+4], %2; cvta.local.u64 s, s; "
		  "isspacep.local p, s; ld.u32 %0, [s+4]; @p add.u32 %0, %0, 1; }");
	return out;
}

__host__ __device__ static uint32_t *copies(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *X, uint32_t *out)
{
	PLACES();

	if (PTX_ARCH >= 80) {
		PLACE_ROW(x, "cp.async.ca.shared.global [%6], [%4], 4; cp.async.commit_group; cp.async.wait_group 0; ld.shared.u32 %0, [%6];");
		PLACE_ROW(vector_sum(t, X), "{.reg .b32 a, b, c, d; cp.async.cg.shared.global [%6], [%5], 16; cp.async.wait_all; "
			  "ld.shared.v4.u32 {a, b, c, d}, [%6]; " SUM_OF_FOUR);
		PLACE_ROW(X[t / 4 * 4], "{.reg .b32 a, b; cp.async.ca.shared.global [%6], [%5], 8, 4; cp.async.commit_group; cp.async.wait_group 0; "
			  "ld.shared.v2.u32 {a, b}, [%6]; mad.lo.u32 %0, b, 5, a; }");
	}
	SKIP_ROW();
	return out;
}

/* Constant, local and dynamic shared memory, at places that only the run tells. */
__global__ void indexed(const uint32_t *X, uint32_t *out)
{
	int t = threadIdx.x;
	uint32_t local[16];
	unsigned size;

	for (int i = 0; i < 16; i++)
		local[i] = X[(t + i) % N];
	dynamic[t] = X[t];
	__syncthreads();
	asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(size));
	out[t] = constants[X[t] % N];
	out[N + t] = local[X[t] % 16];
	out[2 * N + t] = dynamic[X[t] % N];
	out[3 * N + t] = size;
}

static void check_indexed(const uint32_t *X)
{
	uint32_t got[4 * N], *dev_in, *dev_out;

	CHECK(cudaMalloc(&dev_in, N * sizeof(*X)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	CHECK(cudaMemcpy(dev_in, X, N * sizeof(*X), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpyToSymbol(constants, X + N, N * sizeof(*X)));
	indexed<<<1, N, N * sizeof(*X)>>>(dev_in, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, sizeof(got), cudaMemcpyDeviceToHost));
	for (int t = 0; t < N; t++) {
		const uint32_t want[] = { X[N + X[t] % N], X[(t + X[t] % 16) % N], X[X[t] % N], N * sizeof(*X) };

		for (int i = 0; i < 4; i++)
			if (got[i * N + t] != want[i])
				fail("indexed, thread %d, number %d: %#x, not %#x", t, i, got[i * N + t], want[i]);
	}
	dump("indexed", got, sizeof(got));
}

/* A block that waits on mbarriers: twice by all; on 9.0 for the bytes of a bulk copy too. */
__global__ void waiting(const uint32_t *X, uint32_t *out)
{
	int t = threadIdx.x;
#if __CUDA_ARCH__ >= 800
	__shared__ __align__(16) uint32_t cells[N];
	__shared__ uint64_t barrier;
	unsigned at = __cvta_generic_to_shared(&barrier), cells_at = __cvta_generic_to_shared(cells), done, pending;
	uint64_t state;

	if (t == 0)
		asm volatile("mbarrier.init.shared.b64 [%0], %1;" :: "r"(at), "r"(N) : "memory");
	__syncthreads();
	for (int round = 0; round < 2; round++) {
		cells[t] = X[t] + round;
		asm volatile("mbarrier.arrive.shared.b64 %0, [%1];" : "=l"(state) : "r"(at) : "memory");
		for (done = 0; !done;)
			asm volatile("{.reg .pred p; mbarrier.test_wait.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
				     : "=r"(done) : "r"(at), "l"(state) : "memory");
		out[round * N + t] = cells[N - 1 - t];
		__syncthreads();
	}
	asm volatile("cp.async.ca.shared.global [%0], [%1], 4; cp.async.mbarrier.arrive.noinc.shared.b64 [%2];"
		     :: "r"(cells_at + 4 * t), "l"(X + t), "r"(at) : "memory");
	for (done = 0; !done;)
		asm volatile("{.reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
			     : "=r"(done) : "r"(at) : "memory");
	out[2 * N + t] = cells[N - 1 - t];
	__syncthreads();
	if (t == 0)
		asm volatile("mbarrier.inval.shared.b64 [%0]; mbarrier.init.shared.b64 [%0], 1;" :: "r"(at) : "memory");
	__syncthreads();
#if __CUDA_ARCH__ >= 900
	if (t == 0)
		asm volatile("fence.proxy.async.shared::cta; mbarrier.arrive.expect_tx.shared.b64 %0, [%1], %2;"
			     "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%3], [%4], %2, [%1];"
			     : "=l"(state) : "r"(at), "r"(N * 4), "r"(cells_at), "l"(X + N) : "memory");
	for (done = 0; !done;)
		asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
			     : "=r"(done) : "r"(at) : "memory");
#else
	cells[t] = X[N + t];
	__syncthreads();
#endif
	out[3 * N + t] = cells[N - 1 - t];
	__syncthreads();
	if (t == 0) {
		asm volatile("mbarrier.inval.shared.b64 [%0]; mbarrier.init.shared.b64 [%0], 3; mbarrier.arrive.noComplete.shared.b64 %1, [%0], 2;"
			     : "+r"(at), "=l"(state) :: "memory");
		asm volatile("mbarrier.pending_count.b64 %0, %1;" : "=r"(pending) : "l"(state));
		asm volatile("{.reg .pred p; mbarrier.arrive_drop.shared.b64 %1, [%2]; mbarrier.test_wait.shared.b64 p, [%2], %1; selp.u32 %0, 1, 0, p; }"
			     : "=r"(done), "=&l"(state) : "r"(at) : "memory");
		out[4 * N] = pending + 10 * done;
	}
#else
	for (int row = 0; row < 4; row++)
		out[row * N + t] = X[N - 1 - t + (row == 3) * N] + (row == 1);
	if (t == 0)
		out[4 * N] = 13;
#endif
}

static void check_waiting(const uint32_t *X)
{
	uint32_t got[4 * N + 1], *dev_in, *dev_out;

	CHECK(cudaMalloc(&dev_in, 2 * N * sizeof(*X)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	CHECK(cudaMemcpy(dev_in, X, 2 * N * sizeof(*X), cudaMemcpyHostToDevice));
	waiting<<<1, N>>>(dev_in, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, sizeof(got), cudaMemcpyDeviceToHost));
	for (int i = 0; i < 4 * N; i++) {
		int last = N - 1 - i % N;
		uint32_t want = i / N == 3 ? X[N + last] : X[last] + (i / N == 1);

		if (got[i] != want)
			fail("waiting, round %d, thread %d: %#x, not %#x", i / N, i % N, got[i], want);
	}
	if (got[4 * N] != 13)
		fail("waiting: 3 arrivals and then none are pending, not %u", got[4 * N]);
	dump("waiting", got, sizeof(got));
}

int main(void)
{
	static uint32_t words[3 * N];

	random_bits(words, 3 * N);
	check_rows<uint32_t, uint32_t, loads>("loads and stores", words);
	check_rows<uint32_t, uint32_t, spaces>("spaces", words);
	check_rows<uint32_t, uint32_t, copies>("asynchronous copies", words);
	check_indexed(words);
	check_waiting(words);
	return pass();
}
