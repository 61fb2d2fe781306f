/* SPDX-License-Identifier: MIT */
/* A kernel that launches another. A device that cannot says so, by name, and not with a wrong result. */
#include "check.h"

__global__ void child(int *value)
{
	*value = 42;
}

__global__ void parent(int *value)
{
	child<<<1, 1>>>(value);
}

int main(void)
{
	int *dev, value = 0;
	cudaError_t err;

	CHECK(cudaMalloc(&dev, sizeof(int)));
	parent<<<1, 1>>>(dev);
	err = cudaGetLastError();
	if (err == cudaErrorNotSupported) {
		printf("refused\n");
		return pass();
	}
	CHECK(err);
	CHECK(cudaMemcpy(&value, dev, sizeof(int), cudaMemcpyDeviceToHost));
	if (value != 42)
		fail("the child left %d", value);
	return pass();
}
