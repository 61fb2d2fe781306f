/* SPDX-License-Identifier: MIT */
/* Holds a context and some memory and does nothing: what an idle session costs is measured here. */
#include <unistd.h>
#include "check.h"

#define SIZE (16 << 20)

int main(int argc, char **argv)
{
	unsigned left = only_option(argc, argv, "--seconds", 1, 0, 86400);
	unsigned char last = 0, *dev;

	CHECK(cudaMalloc(&dev, SIZE));
	CHECK(cudaMemset(dev, 0x5a, SIZE));
	CHECK(cudaDeviceSynchronize());
	printf("idle\n");
	fflush(stdout);
	while (left)
		left = sleep(left);
	CHECK(cudaMemcpy(&last, dev + SIZE - 1, 1, cudaMemcpyDeviceToHost));
	if (last != 0x5a)
		fail("the memory was not kept: 0x%02x", last);
	CHECK(cudaFree(dev));
	return pass();
}
