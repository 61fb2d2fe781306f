/* SPDX-License-Identifier: MIT */
/* A library with a runtime of its own, inside or beside it: process.c loads one or several. */
#include <cuda_runtime.h>

__device__ int rounds = 1;

__global__ void add(int *p, int v)
{
	p[threadIdx.x] += v + rounds;
}

/* Adds v + 1 to n numbers of the device, which another runtime may have allocated; a cudaError_t. */
extern "C" __attribute__((visibility("default"))) int plugin_add(int *p, int n, int v)
{
	add<<<1, n>>>(p, v);
	cudaError_t r = cudaGetLastError();

	return r ? r : cudaDeviceSynchronize();
}

/* n zeros of the device. */
extern "C" __attribute__((visibility("default"))) int *plugin_alloc(int n)
{
	int *p = NULL;

	return cudaMalloc(&p, n * sizeof(*p)) || cudaMemset(p, 0, n * sizeof(*p)) ? NULL : p;
}

/* To the host, and the memory back. */
extern "C" __attribute__((visibility("default"))) int plugin_take(int *out, int *p, int n)
{
	cudaError_t r = cudaMemcpy(out, p, n * sizeof(*p), cudaMemcpyDeviceToHost);

	return r ? r : cudaFree(p);
}

extern "C" __attribute__((visibility("default"))) int plugin_version(void)
{
	int v = 0;

	return cudaRuntimeGetVersion(&v) ? 0 : v;
}
