/* SPDX-License-Identifier: MIT */
/* c = a + b, with nothing in it that waits but the copy of c. */
#include "dump.h"

__global__ void add(const float *a, const float *b, float *c, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		c[i] = a[i] + b[i];
}

int main(int argc, char **argv)
{
	int n = only_option(argc, argv, "--n", 100000, 1, 1 << 28);
	size_t bytes = n * sizeof(float);
	float *a = (float *)malloc(bytes), *b = (float *)malloc(bytes), *c = (float *)malloc(bytes);
	float *dev_a, *dev_b, *dev_c;

	if (!a || !b || !c)
		fail("no memory for %d elements", n);
	for (int i = 0; i < n; i++) {
		a[i] = i % 1000;
		b[i] = 0.5f * (i % 777);
	}

	CHECK(cudaMalloc(&dev_a, bytes));
	CHECK(cudaMalloc(&dev_b, bytes));
	CHECK(cudaMalloc(&dev_c, bytes));
	CHECK(cudaMemcpy(dev_a, a, bytes, cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_b, b, bytes, cudaMemcpyHostToDevice));
	add<<<(n + 255) / 256, 256>>>(dev_a, dev_b, dev_c, n);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(c, dev_c, bytes, cudaMemcpyDeviceToHost));

	for (int i = 0; i < n; i++)
		if (c[i] != a[i] + b[i])
			fail("c[%d] is %g, not %g", i, c[i], a[i] + b[i]);

	dump("sums", c, bytes);
	CHECK(cudaFree(dev_a));
	CHECK(cudaFree(dev_b));
	CHECK(cudaFree(dev_c));
	free(a);
	free(b);
	free(c);
	return pass();
}
