/* SPDX-License-Identifier: MIT */
/* Eight threads with a stream each; the launches of a stream run in the order they were made. */
#include <pthread.h>
#include "dump.h"

#define THREADS 8
#define LAUNCHES 200
#define N 64

/* Steps of different launches do not commute: launches out of order give another result. */
__host__ __device__ static unsigned next(unsigned value, unsigned launch)
{
	return value * 3 + launch;
}

__global__ void step(unsigned *values, unsigned launch)
{
	values[threadIdx.x] = next(values[threadIdx.x], launch);
}

static unsigned results[THREADS][N];

static void *run(void *arg)
{
	unsigned self = (size_t)arg, *values = results[self], *dev;
	cudaStream_t stream;

	for (unsigned i = 0; i < N; i++)
		values[i] = self * N + i;
	CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
	CHECK(cudaMalloc(&dev, sizeof(results[self])));
	CHECK(cudaMemcpyAsync(dev, values, sizeof(results[self]), cudaMemcpyHostToDevice, stream));
	for (unsigned launch = 0; launch < LAUNCHES; launch++) {
		step<<<1, N, 0, stream>>>(dev, launch);
		CHECK_LAUNCH();
	}
	CHECK(cudaMemcpyAsync(values, dev, sizeof(results[self]), cudaMemcpyDeviceToHost, stream));
	CHECK(cudaStreamSynchronize(stream));

	for (unsigned i = 0; i < N; i++) {
		unsigned expected = self * N + i;

		for (unsigned launch = 0; launch < LAUNCHES; launch++)
			expected = next(expected, launch);
		if (values[i] != expected)
			fail("thread %u: element %u is %u, not %u", self, i, values[i], expected);
	}
	CHECK(cudaFree(dev));
	CHECK(cudaStreamDestroy(stream));
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)(size_t)i))
			fail("no thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	dump("threads", results, sizeof(results));
	return pass();
}
