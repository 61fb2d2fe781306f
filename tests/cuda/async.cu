/* SPDX-License-Identifier: MIT */
/*
 * Many launches and one wait. Two runs with different --launches differ by nothing but launches, so
 * what one of them costs in bytes and in round trips is the difference by the number.
 */
#include "dump.h"

/* Not just a count: a launch that is lost, doubled or out of turn changes the result. */
__host__ __device__ static unsigned next(unsigned value, unsigned launch)
{
	return value * 1664525 + launch;
}

__global__ void step(unsigned *value, unsigned launch)
{
	*value = next(*value, launch);
}

int main(int argc, char **argv)
{
	unsigned launches = only_option(argc, argv, "--launches", 1000, 0, 100000000);
	unsigned expected = 0, value = 0, *dev;

	CHECK(cudaMalloc(&dev, sizeof(value)));
	CHECK(cudaMemset(dev, 0, sizeof(value)));
	for (unsigned i = 0; i < launches; i++) {
		step<<<1, 1>>>(dev, i);
		CHECK_LAUNCH();
		expected = next(expected, i);
	}
	CHECK(cudaDeviceSynchronize());
	CHECK(cudaMemcpy(&value, dev, sizeof(value), cudaMemcpyDeviceToHost));
	if (value != expected)
		fail("after %u launches the value is %u, not %u", launches, value, expected);
	dump("value", &value, sizeof(value));
	CHECK(cudaFree(dev));
	return pass();
}
