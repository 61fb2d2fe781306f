/* SPDX-License-Identifier: MIT */
/*
 * Two threads with a stream each launch at once. Each stream fills its own half and records an
 * event, then waits for the other's event and reads the other's half:
 *
 *	thread 0: fill half 0, record filled 0 --- wait filled 1, take half 1
 *	thread 1: fill half 1, record filled 1 --- wait filled 0, take half 0
 *
 * The host meets once between the two, since a wait for an event that was not recorded yet does
 * not wait; the device is never waited for in between.
 */
#include <pthread.h>
#include "dump.h"

#define N (1 << 16)
#define ROUNDS 50

struct half {
	unsigned *dev_own, *dev_taken;
	unsigned *taken;
	cudaStream_t stream;
	cudaEvent_t start, filled, stop;
};

static struct half halves[2];
static pthread_barrier_t recorded;

/* Many rounds over the same element: a reader that does not wait finds it half done. */
__global__ void fill(unsigned *out, int n, int rounds, int salt)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i >= n)
		return;
	out[i] = i + salt;
	for (int round = 0; round < rounds; round++)
		out[i] = out[i] * 5 + round;
}

__global__ void take(const unsigned *in, unsigned *out, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		out[i] = in[i] + 1;
}

static void *run(void *arg)
{
	int self = (int)(size_t)arg;
	struct half *own = &halves[self], *other = &halves[!self];
	int blocks = (N + 127) / 128;

	CHECK(cudaEventRecord(own->start, own->stream));
	fill<<<blocks, 128, 0, own->stream>>>(own->dev_own, N, ROUNDS, self);
	CHECK_LAUNCH();
	CHECK(cudaEventRecord(own->filled, own->stream));
	pthread_barrier_wait(&recorded);
	CHECK(cudaStreamWaitEvent(own->stream, other->filled, 0));
	take<<<blocks, 128, 0, own->stream>>>(other->dev_own, own->dev_taken, N);
	CHECK_LAUNCH();
	CHECK(cudaEventRecord(own->stop, own->stream));
	CHECK(cudaMemcpyAsync(own->taken, own->dev_taken, N * sizeof(unsigned),
			      cudaMemcpyDeviceToHost, own->stream));
	CHECK(cudaStreamSynchronize(own->stream));
	return NULL;
}

static void open_half(struct half *half)
{
	half->taken = (unsigned *)malloc(N * sizeof(unsigned));
	if (!half->taken)
		fail("no memory for %d elements", N);
	CHECK(cudaMalloc(&half->dev_own, N * sizeof(unsigned)));
	CHECK(cudaMalloc(&half->dev_taken, N * sizeof(unsigned)));
	CHECK(cudaStreamCreateWithFlags(&half->stream, cudaStreamNonBlocking));
	CHECK(cudaEventCreate(&half->start));
	CHECK(cudaEventCreateWithFlags(&half->filled, cudaEventDisableTiming));
	CHECK(cudaEventCreate(&half->stop));
}

static void verify(int self)
{
	struct half *half = &halves[self];
	float ms = -1;

	for (int i = 0; i < N; i++) {
		unsigned expected = i + !self;

		for (unsigned round = 0; round < ROUNDS; round++)
			expected = expected * 5 + round;
		if (half->taken[i] != expected + 1)
			fail("thread %d: element %d is %u, not %u", self, i, half->taken[i],
			     expected + 1);
	}
	dump("the other half", half->taken, N * sizeof(*half->taken));
	CHECK(cudaEventQuery(half->stop));
	CHECK(cudaEventElapsedTime(&ms, half->start, half->stop));
	if (!(ms >= 0))
		fail("thread %d: the events lie %g ms apart", self, ms);
}

static void close_half(struct half *half)
{
	CHECK(cudaEventDestroy(half->start));
	CHECK(cudaEventDestroy(half->filled));
	CHECK(cudaEventDestroy(half->stop));
	CHECK(cudaStreamDestroy(half->stream));
	CHECK(cudaFree(half->dev_own));
	CHECK(cudaFree(half->dev_taken));
	free(half->taken);
}

int main(void)
{
	pthread_t threads[2];

	pthread_barrier_init(&recorded, NULL, 2);
	for (int i = 0; i < 2; i++)
		open_half(&halves[i]);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)(size_t)i))
			fail("no thread");
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++)
		verify(i);
	for (int i = 0; i < 2; i++)
		close_half(&halves[i]);
	return pass();
}
