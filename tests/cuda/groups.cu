/* SPDX-License-Identifier: MIT */
/*
 * Cooperative groups below a grid, and the barriers and copies that go with them: tiles, coalesced threads, labelled parts,
 * reductions and scans, memcpy_async, cuda::barrier. Every result has a closed form.
 */
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
#include <cuda/barrier>

#include "dump.h"

/* a barrier in shared memory is initialised by hand */
#pragma nv_diag_suppress static_var_with_dynamic_init

#define THREADS 128
#define ROUNDS	5

namespace cg = cooperative_groups;

enum { TILE32, TILE8, SCAN, COALESCED, LABELLED, COPIED, PIPELINE, NR };

template <int SIZE> static __device__ int tile_sum(const cg::thread_block &block, int v)
{
	cg::thread_block_tile<SIZE> tile = cg::tiled_partition<SIZE>(block);

	return cg::reduce(tile, v, cg::plus<int>());
}

/* Of the odd threads alone: each adds its number's half to those of its warp. */
static __device__ int coalesced_sum(int i)
{
	if (i % 2 == 0)
		return -1;
	cg::coalesced_group odd = cg::coalesced_threads();
	int sum = cg::reduce(odd, i / 2, cg::plus<int>());

	return sum * 100 + odd.thread_rank();
}

/* Half of the block writes what the other half reads, round after round. */
static __device__ int handed_over(const cg::thread_block &block)
{
	__shared__ cuda::barrier<cuda::thread_scope_block> full, empty;
	__shared__ int slot[THREADS / 2];
	int i = block.thread_rank(), half = THREADS / 2, sum = 0;

	if (i == 0) {
		init(&full, THREADS);
		init(&empty, THREADS);
	}
	block.sync();
	for (int round = 0; round < ROUNDS; round++) {
		if (i >= half)
			slot[i - half] = i * round;
		full.arrive_and_wait();
		if (i < half)
			sum += slot[half - 1 - i];
		empty.arrive_and_wait();
	}
	return sum;
}

__global__ void groups(const int *in, int *out)
{
	cg::thread_block block = cg::this_thread_block();
	cg::thread_block_tile<32> warp = cg::tiled_partition<32>(block);
	__shared__ int copy[THREADS];
	int i = block.thread_rank(), *mine = out + NR * (blockIdx.x * THREADS + i);

	mine[TILE32] = tile_sum<32>(block, i);
	mine[TILE8] = tile_sum<8>(block, i);
	mine[SCAN] = cg::inclusive_scan(warp, i, cg::plus<int>());
	mine[COALESCED] = coalesced_sum(i);
	mine[LABELLED] = cg::reduce(cg::labeled_partition(warp, i % 3), 1, cg::plus<int>());
	cg::memcpy_async(block, copy, in + blockIdx.x * THREADS, sizeof(copy));
	cg::wait(block);
	mine[COPIED] = copy[THREADS - 1 - i];
	mine[PIPELINE] = handed_over(block);
}

/* first + ... + (first + n - 1) */
static int sum_from(int first, int n)
{
	return n * first + n * (n - 1) / 2;
}

static void check_thread(int block, int i, const int *r)
{
	int lane = i % 32, base = i - lane, third = 0;
	int want[NR];

	for (int k = base; k < base + 32; k++)
		third += k % 3 == i % 3;
	want[TILE32] = sum_from(base, 32);
	want[TILE8] = sum_from(i / 8 * 8, 8);
	want[SCAN] = sum_from(base, lane + 1);
	want[COALESCED] = i % 2 ? sum_from(base / 2, 16) * 100 + lane / 2 : -1;
	want[LABELLED] = third;
	want[COPIED] = 3 * (block * THREADS + THREADS - 1 - i);
	want[PIPELINE] = i < THREADS / 2 ? (THREADS - 1 - i) * ROUNDS * (ROUNDS - 1) / 2 : 0;
	for (int k = 0; k < NR; k++)
		if (r[k] != want[k])
			fail("block %d thread %d: result %d is %d, not %d", block, i, k, r[k], want[k]);
}

int main()
{
	enum { BLOCKS = 3, N = BLOCKS * THREADS };
	int in[N], host[N * NR], *dev_in, *dev_out;

	for (int i = 0; i < N; i++)
		in[i] = 3 * i;
	CHECK(cudaMalloc(&dev_in, sizeof(in)));
	CHECK(cudaMalloc(&dev_out, sizeof(host)));
	CHECK(cudaMemcpy(dev_in, in, sizeof(in), cudaMemcpyHostToDevice));
	groups<<<BLOCKS, THREADS>>>(dev_in, dev_out);
	CHECK(cudaGetLastError());
	CHECK(cudaMemcpy(host, dev_out, sizeof(host), cudaMemcpyDeviceToHost));
	dump("groups", host, sizeof(host));
	for (int i = 0; i < N; i++)
		check_thread(i / THREADS, i % THREADS, host + i * NR);
	CHECK(cudaFree(dev_in));
	CHECK(cudaFree(dev_out));
	return pass();
}
