/* SPDX-License-Identifier: MIT */
/* More memory than is free is refused; what fits is still given, and works. */
#include "check.h"

#define MORE (256ul << 20)
#define SMALL (1 << 20)

int main(void)
{
	size_t free_bytes = 0, total = 0;
	unsigned char *memory = (unsigned char *)malloc(SMALL), *large = NULL, *small = NULL;
	cudaError_t error;

	if (!memory)
		fail("no memory for %d bytes", SMALL);
	CHECK(cudaMemGetInfo(&free_bytes, &total));
	printf("%zu of %zu MiB free\n", free_bytes >> 20, total >> 20);
	if (!free_bytes || free_bytes > total)
		fail("that can not be");

	error = cudaMalloc(&large, free_bytes + MORE);
	printf("%s\n", cudaGetErrorName(error));
	if (error != cudaErrorMemoryAllocation)
		fail("expected %s", cudaGetErrorName(cudaErrorMemoryAllocation));
	if (cudaGetLastError() != cudaErrorMemoryAllocation || cudaGetLastError() != cudaSuccess)
		fail("the error was not kept once and cleared");

	CHECK(cudaMalloc(&small, SMALL));
	CHECK(cudaMemset(small, 0xa5, SMALL));
	CHECK(cudaMemcpy(memory, small, SMALL, cudaMemcpyDeviceToHost));
	for (int i = 0; i < SMALL; i++)
		if (memory[i] != 0xa5)
			fail("byte %d is 0x%02x, not 0xa5", i, memory[i]);
	CHECK(cudaFree(small));
	free(memory);
	return pass();
}
