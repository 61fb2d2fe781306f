/* SPDX-License-Identifier: MIT */
/* Counts of bytes: each block counts in shared memory and adds what it found to the global bins. */
#include "dump.h"

#define BINS 256

__global__ void count(const unsigned char *in, size_t n, unsigned *bins)
{
	__shared__ unsigned local[BINS];

	for (int i = threadIdx.x; i < BINS; i += blockDim.x)
		local[i] = 0;
	__syncthreads();
	for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		atomicAdd(&local[in[i]], 1);
	__syncthreads();
	for (int i = threadIdx.x; i < BINS; i += blockDim.x)
		if (local[i])
			atomicAdd(&bins[i], local[i]);
}

int main(int argc, char **argv)
{
	size_t n = only_option(argc, argv, "--n", 1000003, 1, 1 << 30);
	unsigned char *in = (unsigned char *)malloc(n), *dev_in;
	unsigned expected[BINS] = { 0 }, bins[BINS], *dev_bins;
	unsigned random = 1;

	if (!in)
		fail("no memory for %zu bytes", n);
	for (size_t i = 0; i < n; i++) {
		random = random * 1664525 + 1013904223;
		/* The product of two bytes: some bins get many, so atomics meet in one word. */
		in[i] = (random >> 24) * (random >> 16 & 255) >> 8;
		expected[in[i]]++;
	}

	CHECK(cudaMalloc(&dev_in, n));
	CHECK(cudaMalloc(&dev_bins, sizeof(bins)));
	CHECK(cudaMemcpy(dev_in, in, n, cudaMemcpyHostToDevice));
	CHECK(cudaMemset(dev_bins, 0, sizeof(bins)));
	count<<<32, 192>>>(dev_in, n, dev_bins);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(bins, dev_bins, sizeof(bins), cudaMemcpyDeviceToHost));

	for (int i = 0; i < BINS; i++)
		if (bins[i] != expected[i])
			fail("bin %d has %u, not %u", i, bins[i], expected[i]);

	dump("bins", bins, sizeof(bins));
	CHECK(cudaFree(dev_in));
	CHECK(cudaFree(dev_bins));
	free(in);
	return pass();
}
