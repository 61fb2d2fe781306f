/* SPDX-License-Identifier: MIT */
/* Copies 64 MiB up and down until the time is over: something to be killed in the middle of. */
#include <time.h>
#include "check.h"

#define SIZE (64ul << 20)

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
	long seconds = only_option(argc, argv, "--seconds", 2, 1, 3600);
	size_t words = SIZE / sizeof(unsigned);
	unsigned *up = (unsigned *)malloc(SIZE), *down = (unsigned *)malloc(SIZE), *dev;
	unsigned rounds = 0;
	double start = now();

	if (!up || !down)
		fail("no memory for 2 x %lu bytes", SIZE);
	CHECK(cudaMalloc(&dev, SIZE));
	do {
		for (size_t i = 0; i < words; i++)
			up[i] = i * 2654435761u + rounds;
		CHECK(cudaMemcpy(dev, up, SIZE, cudaMemcpyHostToDevice));
		CHECK(cudaMemcpy(down, dev, SIZE, cudaMemcpyDeviceToHost));
		if (memcmp(up, down, SIZE))
			fail("round %u came back different", rounds);
		printf("round %u\n", ++rounds);
		fflush(stdout);
	} while (now() - start < seconds);
	CHECK(cudaFree(dev));
	free(up);
	free(down);
	return pass();
}
