/* SPDX-License-Identifier: MIT */
/*
 * printf.cu - what device code prints comes out at the next wait, in its place among the rest
 *
 * --lines N: of one kernel, more than any buffer between here and there. --assert: a failed
 * assertion, whose text is on stderr.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

__global__ void say(int round)
{
	printf("device %d, thread %d\n", round, threadIdx.x);
}

__global__ void talk(int lines)
{
	for (int i = 0; i < lines; i++)
		printf("line %d of what one kernel has to say\n", i);
}

__global__ void claim(int v)
{
	assert(v == 2);
}

int main(int argc, char **argv)
{
	cudaStream_t s;

	for (int round = 0; round < 3; round++) {
		printf("host %d\n", round);
		say<<<1, 2>>>(round);
		CHECK(cudaDeviceSynchronize());
	}
	CHECK(cudaStreamCreate(&s));
	printf("host 3\n");
	say<<<1, 2, 0, s>>>(3);
	CHECK(cudaStreamSynchronize(s));
	printf("host 4\n");
	if (argc > 2 && !strcmp(argv[1], "--lines")) {
		talk<<<1, 1>>>(atoi(argv[2]));
		CHECK(cudaDeviceSynchronize());
	}
	if (argc > 1 && !strcmp(argv[1], "--assert")) {
		claim<<<1, 1>>>(1);
		if (cudaDeviceSynchronize() != cudaErrorAssert)
			fail("a failed assertion is not told");
	}
	return pass();
}
