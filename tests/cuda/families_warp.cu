/* SPDX-License-Identifier: MIT */
/* families_warp.cu - what the lanes of a warp and the threads of a block tell each other */
#include "families.h"

#define PRED "{.reg .pred p, q; .reg .b32 m, s; "

static int first_lane(int t) { return t / 32 * 32; }

/* The lanes of t's warp for which f(x of the lane) is true. */
template <class F> static uint32_t lanes(int t, const uint32_t *X, F f)
{
	uint32_t mask = 0;

	for (int i = 0; i < 32; i++)
		mask |= (uint32_t)f(X[first_lane(t) + i]) << i;
	return mask;
}

template <class F> static uint32_t fold(int t, const uint32_t *X, F f)
{
	uint32_t v = X[first_lane(t)];

	for (int i = 1; i < 32; i++)
		v = f(v, X[first_lane(t) + i]);
	return v;
}

static uint32_t count(const uint32_t *X, uint32_t bit)
{
	uint32_t n = 0;

	for (int t = 0; t < N; t++)
		n += (X[t] & bit) != 0;
	return n;
}

static uint32_t odd(uint32_t x) { return x & 1; }
static uint32_t sum(uint32_t a, uint32_t b) { return a + b; }
static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }
static uint32_t most(uint32_t a, uint32_t b) { return (int32_t)a > (int32_t)b ? a : b; }
static uint32_t both(uint32_t a, uint32_t b) { return a & b; }
static uint32_t either(uint32_t a, uint32_t b) { return a | b; }
static uint32_t differ(uint32_t a, uint32_t b) { return a ^ b; }

__host__ __device__ static uint32_t *shuffles(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *X, uint32_t *out)
{
	uint32_t r;
	int lane = t & 31;

	ROW(X[first_lane(t) + (lane >= 3 ? lane - 3 : lane)], "shfl.sync.up.b32 %0, %1, 3, 0, -1;");
	ROW(X[first_lane(t) + (lane + 5 < 32 ? lane + 5 : lane)], "shfl.sync.down.b32 %0, %1, 5, 31, -1;");
	ROW(X[first_lane(t) + (lane ^ 9)], "shfl.sync.bfly.b32 %0, %1, 9, 31, -1;");
	ROW(X[first_lane(t) + (X[N + t] & 31)], "shfl.sync.idx.b32 %0, %1, %2, 31, -1;");
	ROW(X[first_lane(t) + (lane & 24) + 2], "shfl.sync.idx.b32 %0, %1, 2, 0x181f, -1;");
	ROW((lane & 7) >= 1, PRED "shfl.sync.up.b32 m|p, %1, 1, 0x1800, -1; selp.u32 %0, 1, 0, p; }");
	ROW(lane + 4 < 32, PRED "shfl.sync.down.b32 m|p, %1, 4, 31, -1; selp.u32 %0, 1, 0, p; }");
	return out;
}

__host__ __device__ static uint32_t *votes(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *X, uint32_t *out)
{
	uint32_t r;

	ROW(lanes(t, X, odd), PRED "and.b32 m, %1, 1; setp.ne.u32 p, m, 0; vote.sync.ballot.b32 %0, p, -1; }");
	ROW(lanes(t, X, odd) == ~0u, PRED "and.b32 m, %1, 1; setp.ne.u32 p, m, 0; vote.sync.all.pred q, p, -1; selp.u32 %0, 1, 0, q; }");
	ROW(lanes(t, X, odd) != 0, PRED "and.b32 m, %1, 1; setp.ne.u32 p, m, 0; vote.sync.any.pred q, p, -1; selp.u32 %0, 1, 0, q; }");
	ROW(lanes(t, X, odd) == ~0u || !lanes(t, X, odd), PRED "and.b32 m, %1, 1; setp.ne.u32 p, m, 0; vote.sync.uni.pred q, p, -1; selp.u32 %0, 1, 0, q; }");
	ROW(~0u, "activemask.b32 %0;");
	ROW(lanes(t, X, [=](uint32_t v) { return (v & 3) == (x & 3); }), PRED "and.b32 m, %1, 3; match.any.sync.b32 %0, m, -1; }");
	ROW(lanes(t, X, [=](uint32_t v) { return v == X[first_lane(t)]; }) == ~0u ? ~0u : 0, PRED "match.all.sync.b32 m|p, %1, -1; selp.b32 %0, m, 0, p; }");
	ROW(~0u, PRED "match.all.sync.b32 m|p, 7, -1; selp.b32 %0, m, 0, p; }");
	ROW(lanes(t, X, [=](uint32_t v) { return (v & 1) == (x & 1); }),
	    "{.reg .b64 d; .reg .b32 m; and.b32 m, %1, 1; cvt.u64.u32 d, m; shl.b64 d, d, 40; match.any.sync.b64 %0, d, -1; }");
	ROW((uint32_t)t & 31, "mov.u32 %0, %%laneid;");
	ROW((2u << (t & 31)) - 1 + (1u << (t & 31)), PRED "mov.u32 m, %%lanemask_le; mov.u32 s, %%lanemask_eq; add.u32 %0, m, s; }");
	ROW((1u << (t & 31)) - 1 + ~((1u << (t & 31)) - 1), PRED "mov.u32 m, %%lanemask_lt; mov.u32 s, %%lanemask_ge; add.u32 %0, m, s; }");
	/* which lane is elected PTX leaves open; that there is one it does not */
	if (PTX_ARCH >= 90)
		ROW(1, PRED "elect.sync m|p, -1; vote.sync.ballot.b32 s, p, -1; popc.b32 %0, s; }");
	else
		SKIP_ROW();
	return out;
}

__host__ __device__ static uint32_t *reductions(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *X, uint32_t *out)
{
	uint32_t r;

	if (PTX_ARCH >= 80) {
		ROW(fold(t, X, sum), "redux.sync.add.u32 %0, %1, -1;");
		ROW(fold(t, X, sum), "redux.sync.add.s32 %0, %1, -1;");
		ROW(fold(t, X, least), "redux.sync.min.u32 %0, %1, -1;");
		ROW(fold(t, X, most), "redux.sync.max.s32 %0, %1, -1;");
		ROW(fold(t, X, both), "redux.sync.and.b32 %0, %1, -1;");
		ROW(fold(t, X, either), "redux.sync.or.b32 %0, %1, -1;");
		ROW(fold(t, X, differ), "redux.sync.xor.b32 %0, %1, -1;");
	}
	SKIP_ROW();
	return out;
}

__host__ __device__ static uint32_t *barriers(int t, uint32_t x, uint32_t y, uint32_t z, const uint32_t *X, uint32_t *out)
{
	uint32_t r;

	ROW(count(X, 2), PRED "and.b32 m, %1, 2; setp.ne.u32 p, m, 0; barrier.sync.aligned 0; barrier.red.popc.aligned.u32 %0, 0, p; }");
	ROW(count(X, 2) == N, PRED "and.b32 m, %1, 2; setp.ne.u32 p, m, 0; bar.sync 1, 64; bar.red.and.pred q, 1, 64, p; selp.u32 %0, 1, 0, q; }");
	ROW(count(X, 2) != 0, PRED "and.b32 m, %1, 2; setp.ne.u32 p, m, 0; barrier.sync 2, 64; bar.red.or.pred q, 0, p; selp.u32 %0, 1, 0, q; }");
	ROW(x, "bar.warp.sync -1; nanosleep.u32 30; mov.b32 %0, %1;");
	return out;
}

/* Lanes that part and meet: each kind of the switch reduces among its own. */
__global__ void parted(const uint32_t *X, uint32_t *out)
{
	int t = threadIdx.x;
	uint32_t x = X[t], sum = 0;
	unsigned mine = __match_any_sync(~0u, x & 3);

	switch (x & 3) {
	case 0:
		sum = __popc(__ballot_sync(mine, x & 4));
		break;
	case 1:
		sum = __shfl_sync(mine, x, __ffs(mine) - 1);
		break;
	case 2:
		for (unsigned i = 0; i < 32; i++)
			if (mine >> i & 1)
				sum += __shfl_sync(mine, x, i);
		break;
	default:
		sum = __any_sync(mine, x & 4) + 2 * __all_sync(mine, x & 4);
		__syncwarp(mine);
	}
	out[t] = sum;
}

static uint32_t expected_of(int t, const uint32_t *X)
{
	uint32_t among = 0, set = 0, total = 0, first = 0;

	for (int i = first_lane(t) + 31; i >= first_lane(t); i--)
		if ((X[i] & 3) == (X[t] & 3)) {
			among++;
			set += (X[i] & 4) != 0;
			total += X[i];
			first = X[i];
		}
	return (X[t] & 3) == 0 ? set : (X[t] & 3) == 1 ? first : (X[t] & 3) == 2 ? total : (set != 0) + 2 * (set == among);
}

static void check_parted(const uint32_t *X)
{
	uint32_t got[N], *dev_in, *dev_out;

	CHECK(cudaMalloc(&dev_in, N * sizeof(*X)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	CHECK(cudaMemcpy(dev_in, X, N * sizeof(*X), cudaMemcpyHostToDevice));
	parted<<<1, N>>>(dev_in, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, sizeof(got), cudaMemcpyDeviceToHost));
	for (int t = 0; t < N; t++)
		if (got[t] != expected_of(t, X))
			fail("parted, thread %d: %#x, not %#x", t, got[t], expected_of(t, X));
	dump("parted", got, sizeof(got));
}

int main(void)
{
	static uint32_t words[3 * N];

	random_bits(words, 3 * N);
	check_rows<uint32_t, uint32_t, shuffles>("shuffles", words);
	check_rows<uint32_t, uint32_t, votes>("votes", words);
	check_rows<uint32_t, uint32_t, reductions>("reductions", words);
	check_rows<uint32_t, uint32_t, barriers>("barriers", words);
	check_parted(words);
	return pass();
}
