/* SPDX-License-Identifier: MIT */
/* Holds the GPU for a given time, by the GPU's own clock: PTX ISA, "Special Registers". */
#include <time.h>
#include "check.h"

__device__ static unsigned long long nanoseconds(void)
{
	unsigned long long time;

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time));
	return time;
}

__global__ void spin(unsigned long long duration, unsigned long long *spent)
{
	unsigned long long start = nanoseconds(), now = start;

	while (now - start < duration)
		now = nanoseconds();
	*spent = now - start;
}

static double host_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
	long ms = only_option(argc, argv, "--ms", 100, 1, 600000);
	unsigned long long spent = 0, *dev_spent;
	double start, end;

	CHECK(cudaMalloc(&dev_spent, sizeof(spent)));
	start = host_ms();
	spin<<<1, 1>>>(ms * 1000000ull, dev_spent);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(&spent, dev_spent, sizeof(spent), cudaMemcpyDeviceToHost));
	end = host_ms();

	printf("%.1f ms on the device, %.1f ms on the host\n", spent * 1e-6, end - start);
	if (spent < ms * 1000000ull)
		fail("the kernel ended before its time");
	/* Two clocks, not one: they may run a little apart. */
	if (end - start < ms * 0.9)
		fail("the host did not wait for the kernel");
	CHECK(cudaFree(dev_spent));
	return pass();
}
