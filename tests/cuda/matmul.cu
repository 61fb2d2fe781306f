/* SPDX-License-Identifier: MIT */
/* c = a b, by tiles in shared memory with a barrier before and after each is used. */
#include "dump.h"

#define TILE 16

__global__ void multiply(const float *a, const float *b, float *c, int n)
{
	__shared__ float tile_a[TILE][TILE], tile_b[TILE][TILE];
	int row = blockIdx.y * TILE + threadIdx.y;
	int column = blockIdx.x * TILE + threadIdx.x;
	float sum = 0;

	for (int first = 0; first < n; first += TILE) {
		int inner_a = first + threadIdx.x, inner_b = first + threadIdx.y;

		tile_a[threadIdx.y][threadIdx.x] =
			row < n && inner_a < n ? a[(size_t)row * n + inner_a] : 0;
		tile_b[threadIdx.y][threadIdx.x] =
			inner_b < n && column < n ? b[(size_t)inner_b * n + column] : 0;
		__syncthreads();
		for (int i = 0; i < TILE; i++)
			sum += tile_a[threadIdx.y][i] * tile_b[i][threadIdx.x];
		__syncthreads();
	}
	if (row < n && column < n)
		c[(size_t)row * n + column] = sum;
}

/* Elements of -3 to 3: sums are whole and below 2^24, so the order of adding does not matter. */
static void fill(float *matrix, int n, unsigned factor)
{
	for (unsigned i = 0; i < (unsigned)n * n; i++)
		matrix[i] = (int)(i * factor % 1009 % 7) - 3;
}

static void verify(const float *a, const float *b, const float *c, int n)
{
	float *sums = (float *)malloc(n * sizeof(*sums));

	if (!sums)
		fail("no memory for a row of %d", n);
	for (int row = 0; row < n; row++) {
		memset(sums, 0, n * sizeof(*sums));
		for (int i = 0; i < n; i++)
			for (int column = 0; column < n; column++)
				sums[column] += a[(size_t)row * n + i] * b[(size_t)i * n + column];
		for (int column = 0; column < n; column++)
			if (c[(size_t)row * n + column] != sums[column])
				fail("c[%d][%d] is %g, not %g", row, column,
				     c[(size_t)row * n + column], sums[column]);
	}
	free(sums);
}

int main(int argc, char **argv)
{
	int n = only_option(argc, argv, "--n", 128, 1, 8192);
	size_t bytes = (size_t)n * n * sizeof(float);
	float *a = (float *)malloc(bytes), *b = (float *)malloc(bytes), *c = (float *)malloc(bytes);
	float *dev_a, *dev_b, *dev_c;
	dim3 threads(TILE, TILE), blocks((n + TILE - 1) / TILE, (n + TILE - 1) / TILE);

	if (!a || !b || !c)
		fail("no memory for %d x %d", n, n);
	fill(a, n, 7919);
	fill(b, n, 104729);

	CHECK(cudaMalloc(&dev_a, bytes));
	CHECK(cudaMalloc(&dev_b, bytes));
	CHECK(cudaMalloc(&dev_c, bytes));
	CHECK(cudaMemcpy(dev_a, a, bytes, cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_b, b, bytes, cudaMemcpyHostToDevice));
	multiply<<<blocks, threads>>>(dev_a, dev_b, dev_c, n);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(c, dev_c, bytes, cudaMemcpyDeviceToHost));
	verify(a, b, c, n);
	dump("product", c, bytes);

	CHECK(cudaFree(dev_a));
	CHECK(cudaFree(dev_b));
	CHECK(cudaFree(dev_c));
	free(a);
	free(b);
	free(c);
	return pass();
}
