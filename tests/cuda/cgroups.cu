/* SPDX-License-Identifier: MIT */
/*
 * Cooperative groups: tiles of a warp and of several warps, coalesced and labelled groups, reduce
 * and scan over them, asynchronous copies of a block, and grids whose blocks all meet.
 *
 * Lanes of a tile come to each collective operation by different ways and at different times, which
 * no result may show.
 */
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

#include <algorithm>

#include "dump.h"
#include "random.h"

namespace cg = cooperative_groups;

#define THREADS 128

/* What a thread says about its group: one number for each. */
enum {
	RANK, META_RANK, META_SIZE, SUM, LEAST, GREATEST, AND, OR, XOR, INCLUSIVE, EXCLUSIVE,
	GREATEST_SCAN, FROM_LAST, UP, DOWN, FLY, ANY, ALL, BALLOT, SAME, WHOLE_FLOATS, ODD_TILES, NR
};

static int numbers[THREADS], *dev_numbers;
static int got[NR * THREADS], *dev_out;

static void random_numbers(uint32_t below)
{
	for (int &v : numbers)
		v = random_below(below);
	CHECK(cudaMemcpy(dev_numbers, numbers, sizeof(numbers), cudaMemcpyHostToDevice));
	CHECK(cudaMemset(dev_out, 0xff, sizeof(got)));
}

static void fetch(const char *what, int nr)
{
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, nr * sizeof(*got), cudaMemcpyDeviceToHost));
	dump(what, got, nr * sizeof(*got));
}

static void expect(const char *what, int thread, int column, int value, int want)
{
	if (value != want)
		fail("%s: thread %d, number %d is %d, not %d", what, thread, column, value, want);
}

/* n steps that a compiler cannot leave out; returns 0. */
__device__ static int linger(int n)
{
	unsigned x = n + 1;

	for (int i = 0; i < n; i++)
		x = x * 1664525 + (x & 64 ? 1013904223 : 12345);
	return x == 0xdecade;
}

template <int N> __global__ void tiles(const int *in, int *out)
{
	cg::thread_block_tile<N> tile = cg::tiled_partition<N>(cg::this_thread_block());
	int t = threadIdx.x, v = in[t], last = N - 1;

	auto say = [=](int column, int value) {
		out[column * THREADS + t] = value + linger(v * (column + t) % 7);
	};
	say(RANK, tile.thread_rank());
	say(META_RANK, tile.meta_group_rank());
	say(META_SIZE, tile.meta_group_size());
	say(SUM, cg::reduce(tile, v, cg::plus<int>()));
	say(LEAST, cg::reduce(tile, v, cg::less<int>()));
	say(GREATEST, cg::reduce(tile, v, cg::greater<int>()));
	say(AND, cg::reduce(tile, v, cg::bit_and<int>()));
	say(OR, cg::reduce(tile, v, cg::bit_or<int>()));
	say(XOR, cg::reduce(tile, v, cg::bit_xor<int>()));
	say(INCLUSIVE, cg::inclusive_scan(tile, v));
	say(EXCLUSIVE, cg::exclusive_scan(tile, v));
	say(GREATEST_SCAN, cg::inclusive_scan(tile, v, cg::greater<int>()));
	say(FROM_LAST, tile.shfl(v, last));
	say(UP, tile.shfl_up(v, 1));
	say(DOWN, tile.shfl_down(v, 1));
	say(FLY, tile.shfl_xor(v, last));
	say(ANY, tile.any(v > 60));
	say(ALL, tile.all(v < 60));
	say(BALLOT, tile.ballot(v & 1));
	say(SAME, tile.match_any(v & 3));
	say(WHOLE_FLOATS, (int)cg::reduce(tile, (float)v, cg::plus<float>()));
	if (tile.meta_group_rank() % 2)
		say(ODD_TILES, cg::reduce(tile, (long long)v, cg::plus<long long>()));
	else
		say(ODD_TILES, -1);
}

static int least(int a, int b) { return std::min(a, b); }
static int greatest(int a, int b) { return std::max(a, b); }
static int sum(int a, int b) { return a + b; }
static int both(int a, int b) { return a & b; }
static int either(int a, int b) { return a | b; }
static int differ(int a, int b) { return a ^ b; }

static int fold(int from, int to, int (*op)(int, int))
{
	int v = numbers[from];

	while (++from < to)
		v = op(v, numbers[from]);
	return v;
}

/* A mask of those of n threads from first on that are as the condition says. */
template <typename F> static int mask_of(int first, int n, F condition)
{
	unsigned mask = 0;

	for (int i = 0; i < n; i++)
		mask |= (unsigned)condition(numbers[first + i]) << i;
	return mask;
}

template <int N> static void check_tiles(const char *what)
{
	random_numbers(64);
	tiles<N><<<1, THREADS>>>(dev_numbers, dev_out);
	fetch(what, NR * THREADS);
	for (int t = 0; t < THREADS; t++) {
		int first = t / N * N, end = first + N, rank = t - first, v = numbers[t];
		const int want[NR] = {
			rank, t / N, THREADS / N,
			fold(first, end, sum), fold(first, end, least), fold(first, end, greatest),
			fold(first, end, both), fold(first, end, either), fold(first, end, differ),
			fold(first, t + 1, sum), fold(first, t + 1, sum) - v,
			fold(first, t + 1, greatest),
			numbers[end - 1], numbers[rank ? t - 1 : t], numbers[t + 1 < end ? t + 1 : t],
			numbers[first + (rank ^ (N - 1))],
			fold(first, end, greatest) > 60, fold(first, end, greatest) < 60,
			mask_of(first, N, [](int x) { return x & 1; }),
			mask_of(first, N, [=](int x) { return (x & 3) == (v & 3); }),
			fold(first, end, sum), t / N % 2 ? fold(first, end, sum) : -1,
		};

		for (int i = 0; i < NR; i++)
			expect(what, t, i, got[i * THREADS + t], want[i]);
	}
}

/* Tiles of several warps, which meet through shared memory. */
template <int N> __global__ void wide_tiles(const int *in, int *out)
{
	__shared__ cg::block_tile_memory<THREADS> scratch;
	auto tile = cg::tiled_partition<N>(cg::this_thread_block(scratch));
	int t = threadIdx.x, v = in[t] + linger(in[t] * t % 50);

	out[t] = cg::reduce(tile, v, cg::plus<int>());
	out[THREADS + t] = cg::inclusive_scan(tile, v);
	out[2 * THREADS + t] = tile.shfl(v, N - 2);
	tile.sync();
	out[3 * THREADS + t] = tile.any(v == in[N % THREADS]);
}

template <int N> static void check_wide_tiles(const char *what)
{
	random_numbers(1000);
	wide_tiles<N><<<1, THREADS>>>(dev_numbers, dev_out);
	fetch(what, 4 * THREADS);
	for (int t = 0; t < THREADS; t++) {
		int first = t / N * N;
		int *end = numbers + first + N;

		expect(what, t, 0, got[t], fold(first, first + N, sum));
		expect(what, t, 1, got[THREADS + t], fold(first, t + 1, sum));
		expect(what, t, 2, got[2 * THREADS + t], end[-2]);
		expect(what, t, 3, got[3 * THREADS + t],
		       std::find(numbers + first, end, numbers[N % THREADS]) != end);
	}
}

/* The lanes of each warp in groups by label, and by a condition. */
__global__ void labelled(const int *in, int *out)
{
	cg::thread_block_tile<32> warp = cg::tiled_partition<32>(cg::this_thread_block());
	int t = threadIdx.x, v = in[t];
	cg::coalesced_group same = cg::labeled_partition(warp, v % 5);
	cg::coalesced_group half = cg::binary_partition(warp, v % 3 == 0);

	linger(v % 9);
	out[t] = same.thread_rank();
	out[THREADS + t] = same.num_threads();
	out[2 * THREADS + t] = cg::reduce(same, v, cg::plus<int>());
	out[3 * THREADS + t] = cg::exclusive_scan(same, v);
	out[4 * THREADS + t] = same.shfl(v, same.num_threads() - 1);
	if (v % 3 == 0)
		out[5 * THREADS + t] = cg::reduce(half, v, cg::less<int>()) + linger(v % 11);
	else
		out[5 * THREADS + t] = cg::reduce(half, v, cg::greater<int>());
}

static void check_labelled(void)
{
	random_numbers(100);
	labelled<<<1, THREADS>>>(dev_numbers, dev_out);
	fetch("labelled", 6 * THREADS);
	for (int t = 0; t < THREADS; t++) {
		int v = numbers[t], rank = 0, size = 0, total = 0, scan = 0, last = 0, half = v;

		for (int i = t / 32 * 32; i < t / 32 * 32 + 32; i++) {
			int x = numbers[i];

			if (x % 5 == v % 5) {
				rank += i < t;
				scan += i < t ? x : 0;
				size++;
				total += x;
				last = x;
			}
			if ((x % 3 == 0) == (v % 3 == 0))
				half = v % 3 ? greatest(half, x) : least(half, x);
		}
		const int want[] = { rank, size, total, scan, last, half };

		for (int i = 0; i < 6; i++)
			expect("labelled", t, i, got[i * THREADS + t], want[i]);
	}
}

/*
 * Which lanes are together in a branch is the machine's choice; that they count and add up, is not.
 * The last warp is not full.
 */
__global__ void coalesced(const int *in, int *out)
{
	int v = in[threadIdx.x];

	if (v % 3 == 1) {
		cg::coalesced_group here = cg::coalesced_threads();
		int total = cg::reduce(here, v, cg::plus<int>());
		int before = cg::exclusive_scan(here, 1);
		int place;

		if (before != here.thread_rank())
			out[2] = threadIdx.x;
		if (here.thread_rank() == 0) {
			atomicAdd(&out[1], total);
			place = atomicAdd(&out[0], here.num_threads());
		}
		place = here.shfl(place, 0) + here.thread_rank();
		out[3 + place] = threadIdx.x;
	}
}

static void check_coalesced(void)
{
	const int threads = THREADS - 28;
	int count = 0, total = 0;

	random_numbers(100);
	CHECK(cudaMemset(dev_out, 0, 3 * sizeof(*dev_out)));
	coalesced<<<1, threads>>>(dev_numbers, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, sizeof(got), cudaMemcpyDeviceToHost));
	for (int t = 0; t < threads; t++) {
		count += numbers[t] % 3 == 1;
		total += numbers[t] % 3 == 1 ? numbers[t] : 0;
	}
	expect("coalesced", 0, 0, got[0], count);
	expect("coalesced", 0, 1, got[1], total);
	expect("coalesced", 0, 2, got[2], 0);
	std::sort(got + 3, got + 3 + count);
	for (int t = 0, place = 3; t < threads; t++)
		if (numbers[t] % 3 == 1)
			expect("places", t, place, got[place], t), place++;
	dump("coalesced", got, (3 + count) * sizeof(*got));
}

/* Stages of a pipeline: the next part is on its way while this one is used. */
#define PART 300

__global__ void copies(const int *in, int n, int *out)
{
	__shared__ int part[2][PART];
	cg::thread_block block = cg::this_thread_block();
	int sum = 0;

	cg::memcpy_async(block, part[0], in, sizeof(int) * min(n, PART));
	for (int first = 0, i = 0; first < n; first += PART, i++) {
		int next = first + PART;

		if (next < n) {
			cg::memcpy_async(block, part[(i + 1) % 2], in + next,
					 sizeof(int) * min(n - next, PART));
			cg::wait_prior<1>(block);
		} else {
			cg::wait(block);
		}
		for (int k = block.thread_rank(); k < min(n - first, PART); k += block.num_threads())
			sum = sum * 3 + part[i % 2][k];
		block.sync();
	}
	out[block.thread_rank()] = sum;
}

static void check_copies(int n)
{
	static int in[4 * PART + 1];
	unsigned want[96] = { 0 };
	int *dev;

	for (int i = 0; i < n; i++)
		in[i] = random_below(1000);
	for (int first = 0; first < n; first += PART)
		for (int k = 0; k < std::min(n - first, PART); k++)
			want[k % 96] = want[k % 96] * 3 + in[first + k];
	CHECK(cudaMalloc(&dev, sizeof(in)));
	CHECK(cudaMemcpy(dev, in, sizeof(in), cudaMemcpyHostToDevice));
	copies<<<1, dim3(8, 4, 3)>>>(dev, n, dev_out);
	fetch("copies", 96);
	for (int t = 0; t < 96; t++)
		expect("copies", t, n, got[t], want[t]);
	CHECK(cudaFree(dev));
}

/* A block's barrier in two halves: who has arrived does something else before it waits. */
__global__ void halves(const int *in, int *out)
{
	__shared__ int cells[THREADS];
	cg::thread_block block = cg::this_thread_block();
	int t = block.thread_rank(), v = in[t];

	for (int round = 0; round < 4; round++) {
		cells[t] = v + linger(v * t % 30);
		cg::thread_block::arrival_token token = block.barrier_arrive();
		v = v * 3 + round;
		block.barrier_wait(std::move(token));
		v += cells[(t + 37) % THREADS];
		block.sync();
	}
	out[t] = v;
}

static void check_halves(void)
{
	int v[THREADS], cells[THREADS];

	random_numbers(1000);
	halves<<<1, THREADS>>>(dev_numbers, dev_out);
	fetch("halves of a barrier", THREADS);
	std::copy(numbers, numbers + THREADS, v);
	for (int round = 0; round < 4; round++) {
		std::copy(v, v + THREADS, cells);
		for (int t = 0; t < THREADS; t++)
			v[t] = v[t] * 3 + round + cells[(t + 37) % THREADS];
	}
	for (int t = 0; t < THREADS; t++)
		expect("halves of a barrier", t, 0, got[t], v[t]);
}

/*
 * Hillis and Steele's scan over one number of each block: in each phase a block adds what the block
 * at a distance had in the phase before. Blocks that do not wait for all others give another sum.
 */
__global__ void scan_of_blocks(int *cells, int blocks)
{
	cg::grid_group grid = cg::this_grid();
	int *from = cells, *to = cells + blocks, b = blockIdx.x;

	for (int distance = 1; distance < blocks; distance *= 2) {
		if (threadIdx.x == b % blockDim.x)
			to[b] = from[b] + (b >= distance ? from[b - distance] : 0) +
				linger(b * 37 % 200);
		grid.sync();
		int *other = from;
		from = to;
		to = other;
	}
	if (grid.thread_rank() < grid.num_threads() && threadIdx.x == 0 && from != cells)
		cells[b] = from[b];
}

static int scan_grid(int blocks, int threads)
{
	int *cells, *host = (int *)malloc(2 * sizeof(int) * blocks), total = 0;
	void *args[] = { &cells, &blocks };

	if (!host)
		fail("no memory for %d blocks", blocks);
	for (int i = 0; i < blocks; i++)
		host[i] = i % 7 + 1;
	CHECK(cudaMalloc(&cells, 2 * sizeof(int) * blocks));
	CHECK(cudaMemcpy(cells, host, sizeof(int) * blocks, cudaMemcpyHostToDevice));
	CHECK(cudaLaunchCooperativeKernel((void *)scan_of_blocks, dim3(blocks), dim3(threads), args,
					  0, 0));
	CHECK(cudaMemcpy(host, cells, sizeof(int) * blocks, cudaMemcpyDeviceToHost));
	for (int i = 0; i < blocks; i++) {
		total += i % 7 + 1;
		expect("a grid", i, blocks, host[i], total);
	}
	CHECK(cudaFree(cells));
	free(host);
	return total;
}

/* As many blocks as the device holds at once, and one more, which it refuses. */
static void check_grids(void)
{
	static const int sizes[] = { 1, 2, 3, 15, 16 };	/* that one multiprocessor holds */
	const int threads = 256;
	int totals[5], of_one, units, *cells = NULL, blocks = 0;
	void *args[] = { &cells, &blocks };
	cudaError_t e;

	for (int i = 0; i < 5; i++)
		totals[i] = scan_grid(sizes[i], 64);
	dump("grids", totals, sizeof(totals));
	CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&of_one, scan_of_blocks, threads, 0));
	CHECK(cudaDeviceGetAttribute(&units, cudaDevAttrMultiProcessorCount, 0));
	scan_grid(of_one * units, threads);
	e = cudaLaunchCooperativeKernel((void *)scan_of_blocks, dim3(of_one * units + 1),
					dim3(threads), args, 0, 0);
	if (e != cudaErrorCooperativeLaunchTooLarge)
		fail("a grid that is too large: %s", cudaGetErrorName(e));
	cudaGetLastError();
}

int main(void)
{
	CHECK(cudaMalloc(&dev_numbers, sizeof(numbers)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	check_tiles<2>("tiles of 2");
	check_tiles<4>("tiles of 4");
	check_tiles<8>("tiles of 8");
	check_tiles<16>("tiles of 16");
	check_tiles<32>("tiles of 32");
	check_wide_tiles<64>("tiles of 64");
	check_wide_tiles<128>("tiles of 128");
	check_labelled();
	check_coalesced();
	for (int n : { 1, PART - 1, PART, PART + 1, 4 * PART + 1 })
		check_copies(n);
	check_halves();
	check_grids();
	return pass();
}
