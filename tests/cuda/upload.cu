/* SPDX-License-Identifier: MIT */
/*
 * A model goes to the GPU: an allocation, a copy and a wait for each of its parameters. What was
 * waited for on one stream must be there for a kernel on another, which waits for nothing.
 */
#include "check.h"

#define PARAMETERS 320

__global__ void sum(float *const *parameters, const int *sizes, double *sums)
{
	double s = 0;

	for (int i = 0; i < sizes[blockIdx.x]; i++)
		s += parameters[blockIdx.x][i];
	sums[blockIdx.x] = s;
}

static float value(int parameter, int i)
{
	return (parameter * 31 + i) % 97;
}

static void upload(float **dev, int *sizes, cudaStream_t stream)
{
	for (int p = 0; p < PARAMETERS; p++) {
		sizes[p] = 64 + p * 37 % 4096;
		float *host = (float *)malloc(sizes[p] * sizeof(float));

		if (!host)
			fail("no memory");
		for (int i = 0; i < sizes[p]; i++)
			host[i] = value(p, i);
		CHECK(cudaMalloc(&dev[p], sizes[p] * sizeof(float)));
		CHECK(cudaMemcpyAsync(dev[p], host, sizes[p] * sizeof(float), cudaMemcpyHostToDevice, stream));
		CHECK(cudaStreamSynchronize(stream));
		free(host);
	}
}

int main(void)
{
	float *parameters[PARAMETERS], **dev_parameters;
	int sizes[PARAMETERS], *dev_sizes;
	double sums[PARAMETERS], *dev_sums;
	cudaStream_t first, second;

	CHECK(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
	CHECK(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
	CHECK(cudaMalloc(&dev_parameters, sizeof(parameters)));
	CHECK(cudaMalloc(&dev_sizes, sizeof(sizes)));
	CHECK(cudaMalloc(&dev_sums, sizeof(sums)));
	upload(parameters, sizes, first);
	CHECK(cudaMemcpyAsync(dev_parameters, parameters, sizeof(parameters), cudaMemcpyHostToDevice, first));
	CHECK(cudaMemcpyAsync(dev_sizes, sizes, sizeof(sizes), cudaMemcpyHostToDevice, first));
	CHECK(cudaStreamSynchronize(first));
	sum<<<PARAMETERS, 1, 0, second>>>(dev_parameters, dev_sizes, dev_sums);
	CHECK_LAUNCH();
	CHECK(cudaMemcpyAsync(sums, dev_sums, sizeof(sums), cudaMemcpyDeviceToHost, second));
	CHECK(cudaStreamSynchronize(second));
	for (int p = 0; p < PARAMETERS; p++) {
		double s = 0;

		for (int i = 0; i < sizes[p]; i++)
			s += value(p, i);
		if (sums[p] != s)
			fail("parameter %d: %g, not %g", p, sums[p], s);
	}
	return pass();
}
