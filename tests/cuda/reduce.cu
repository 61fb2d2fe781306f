/* SPDX-License-Identifier: MIT */
/*
 * Sums by warp shuffles: a warp folds onto its first lane, the first warp folds what the warps
 * left in shared memory, and a second launch of one block folds the blocks. The types differ in
 * what a shuffle of them is: one register, one register of another kind, two registers.
 */
#include "dump.h"

#define WARP 32
#define THREADS 256
#define BLOCKS 64
#define ALL_LANES 0xffffffffu

template <typename T> __device__ T warp_sum(T value)
{
	for (int offset = WARP / 2; offset > 0; offset /= 2)
		value += __shfl_down_sync(ALL_LANES, value, offset);
	return value;
}

template <typename T> __global__ void sum(const T *in, T *out, int n)
{
	__shared__ T warps[THREADS / WARP];
	int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
	T value = 0;

	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		value += in[i];
	value = warp_sum(value);
	if (lane == 0)
		warps[warp] = value;
	__syncthreads();
	if (warp == 0) {
		value = warp_sum(lane < THREADS / WARP ? warps[lane] : (T)0);
		if (lane == 0)
			out[blockIdx.x] = value;
	}
}

/* Whole numbers of 0 to 7: a float holds every partial sum exactly. */
template <typename T> static void test(const char *type, int n)
{
	T *in = (T *)malloc(n * sizeof(T)), *dev_in, *dev_partial, *dev_total;
	T expected = 0, total = 0;

	if (!in)
		fail("no memory for %d elements", n);
	for (int i = 0; i < n; i++) {
		in[i] = (T)((unsigned)i * 2654435761u >> 29);
		expected += in[i];
	}

	CHECK(cudaMalloc(&dev_in, n * sizeof(T)));
	CHECK(cudaMalloc(&dev_partial, BLOCKS * sizeof(T)));
	CHECK(cudaMalloc(&dev_total, sizeof(T)));
	CHECK(cudaMemcpy(dev_in, in, n * sizeof(T), cudaMemcpyHostToDevice));
	sum<<<BLOCKS, THREADS>>>(dev_in, dev_partial, n);
	CHECK_LAUNCH();
	sum<<<1, THREADS>>>(dev_partial, dev_total, BLOCKS);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(&total, dev_total, sizeof(T), cudaMemcpyDeviceToHost));
	if (total != expected)
		fail("the sum of %d of type %s is %g, not %g", n, type, (double)total,
		     (double)expected);
	dump(type, &total, sizeof(total));

	CHECK(cudaFree(dev_in));
	CHECK(cudaFree(dev_partial));
	CHECK(cudaFree(dev_total));
	free(in);
}

int main(void)
{
	static const int sizes[] = { 1, 2, 31, 32, 33, 255, 257, 1000, 4097, 100003, 1 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		test<unsigned>("unsigned", sizes[i]);
		test<float>("float", sizes[i]);
		test<long long>("long long", sizes[i]);
	}
	return pass();
}
