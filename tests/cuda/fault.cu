/* SPDX-License-Identifier: MIT */
/* A kernel that writes where nothing is: the wait says so, and so does every later one. */
#include "check.h"

#define BAD_ADDRESS 0x10

__global__ void store(int *out)
{
	*out = threadIdx.x;
}

static void expect_fault(void)
{
	cudaError_t error = cudaDeviceSynchronize();

	printf("%s\n", cudaGetErrorName(error));
	if (error != cudaErrorIllegalAddress)
		fail("expected %s", cudaGetErrorName(cudaErrorIllegalAddress));
}

int main(void)
{
	store<<<1, 1>>>((int *)BAD_ADDRESS);
	CHECK_LAUNCH();
	expect_fault();
	expect_fault();
	return pass();
}
