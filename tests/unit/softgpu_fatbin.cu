/* SPDX-License-Identifier: MIT */
/* Compiled by nvcc in each of its compression modes; softgpu_module_test loads the results. */
#include <assert.h>
#include <cooperative_groups.h>
#include <stdio.h>

__device__ int offset = 100;

extern "C" __global__ void scale(int *p, int factor, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		p[i] = p[i] * factor + offset;
}

extern "C" __global__ void hello(int number)
{
	printf("hello %d from %d\n", number, threadIdx.x);
}

/* Each block reads what the next one wrote, so all must get past the barrier together. */
extern "C" __global__ void neighbours(int *in, int *out)
{
	if (threadIdx.x == 0)
		in[blockIdx.x] = blockIdx.x + 1;
	cooperative_groups::this_grid().sync();
	if (threadIdx.x == 0)
		out[blockIdx.x] = in[(blockIdx.x + 1) % gridDim.x];
}

extern "C" __global__ void fail(int how)
{
	if (how == 1)
		__trap();
	assert(how != 2);
}
