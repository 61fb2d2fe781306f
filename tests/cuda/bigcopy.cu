/* SPDX-License-Identifier: MIT */
/* Copies 64 MiB, or as many as --mib says, up and down until the time is over: something to be killed in the middle of. */
#include <time.h>
#include "check.h"

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec * 1e-9;
}

/* The last option, taken off; 64 where there is none. */
static size_t take_mib(int *argc, char **argv)
{
	long mib = 64;

	if (*argc > 2 && !strcmp(argv[*argc - 2], "--mib")) {
		mib = atol(argv[*argc - 1]);
		if (mib < 1 || mib > 4096)
			fail("--mib: 1..4096");
		*argc -= 2;
	}
	return (size_t)mib << 20;
}

int main(int argc, char **argv)
{
	size_t size = take_mib(&argc, argv), words = size / sizeof(unsigned);
	long seconds = only_option(argc, argv, "--seconds", 2, 1, 3600);
	unsigned *up = (unsigned *)malloc(size), *down = (unsigned *)malloc(size), *dev;
	unsigned rounds = 0;
	double start = now();

	if (!up || !down)
		fail("no memory for 2 x %zu bytes", size);
	CHECK(cudaMalloc(&dev, size));
	do {
		for (size_t i = 0; i < words; i++)
			up[i] = i * 2654435761u + rounds;
		CHECK(cudaMemcpy(dev, up, size, cudaMemcpyHostToDevice));
		CHECK(cudaMemcpy(down, dev, size, cudaMemcpyDeviceToHost));
		if (memcmp(up, down, size))
			fail("round %u came back different", rounds);
		printf("round %u\n", ++rounds);
		fflush(stdout);
	} while (now() - start < seconds);
	CHECK(cudaFree(dev));
	free(up);
	free(down);
	return pass();
}
