/* SPDX-License-Identifier: MIT */
/*
 * Large copies: of sizes around what one frame, one stripe, one request and all staging memory hold;
 * to pinned and pageable memory; to and fro at once from two threads; and in their stream's order.
 */
#include <pthread.h>
#include "check.h"

#define STRIPE	(512ul << 10)		/* as vgpu_wire.h has them: only where to look */
#define REQUEST	(64 * STRIPE)
#define SLOTS	(16 * STRIPE)
#define MAX	(2 * REQUEST + SLOTS + 4096)
#define GUARD	64

static unsigned char pattern(size_t i, unsigned seed)
{
	return (i * 2654435761u >> 13) + seed + i / STRIPE;
}

static void fill(unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i, seed);
}

static void compare(const char *what, const unsigned char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(i, seed))
			fail("%s, %zu bytes: byte %zu is %u, not %u", what, n, i, p[i],
			     pattern(i, seed));
}

static void guarded(const char *what, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < GUARD; i++)
		if (p[n + i] != 0xa5)
			fail("%s, %zu bytes: byte %zu behind them was written", what, n, i);
}

/* There and back, at an odd address. */
static void sizes(unsigned char *up, unsigned char *down, unsigned char *dev)
{
	static const size_t around[] = { 256ul << 10, 1ul << 20, 3 * STRIPE, SLOTS / 4, SLOTS, REQUEST,
					 REQUEST + (1ul << 20), 2 * REQUEST + SLOTS };
	unsigned seed = 1;

	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		for (int off = -1; off <= 1; off++, seed++) {
			size_t n = around[i] + off;

			fill(up + 1, n, seed);
			memset(down + 3, 0xa5, n + GUARD);
			CHECK(cudaMemcpy(dev + 5, up + 1, n, cudaMemcpyHostToDevice));
			memset(up + 1, 0, n);	/* its bytes were taken */
			CHECK(cudaMemcpy(down + 3, dev + 5, n, cudaMemcpyDeviceToHost));
			compare("there and back", down + 3, n, seed);
			guarded("there and back", down + 3, n);
		}
}

__global__ void add(unsigned char *p, size_t n, unsigned char what)
{
	for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		p[i] += what;
}

/* What follows a copy in its stream starts behind it, and what it waits for came before. */
static void order(unsigned char *dev)
{
	const size_t n = REQUEST + SLOTS / 2, part = 4ul << 20;
	unsigned char *pinned, *first;
	cudaStream_t streams[2] = { 0, 0 };
	cudaEvent_t copied;

	CHECK(cudaMallocHost(&pinned, n));
	CHECK(cudaMallocHost(&first, n));
	CHECK(cudaStreamCreateWithFlags(&streams[1], cudaStreamNonBlocking));
	CHECK(cudaEventCreate(&copied));
	for (int s = 0; s < 2; s++) {
		cudaStream_t stream = streams[s];

		fill(pinned, n, s);
		CHECK(cudaMemsetAsync(dev, 0xff, n, stream));
		CHECK(cudaMemcpyAsync(dev, pinned, n, cudaMemcpyHostToDevice, stream));
		add<<<64, 256, 0, stream>>>(dev, part, 1);
		CHECK_LAUNCH();
		CHECK(cudaMemcpyAsync(first, dev, n, cudaMemcpyDeviceToHost, stream));
		CHECK(cudaEventRecord(copied, stream));
		CHECK(cudaMemsetAsync(dev, 0, n, stream));
		if (s)
			CHECK(cudaEventSynchronize(copied));
		else
			CHECK(cudaStreamSynchronize(stream));
		for (size_t i = 0; i < part; i++)
			first[i] -= 1;
		compare(s ? "in a stream" : "in the default stream", first, n, s);
		/* from where an earlier copy goes */
		CHECK(cudaMemcpyAsync(dev, pinned, n, cudaMemcpyHostToDevice, stream));
		CHECK(cudaMemcpyAsync(first, dev, n, cudaMemcpyDeviceToHost, stream));
		CHECK(cudaMemcpyAsync(dev + n, first, n, cudaMemcpyHostToDevice, stream));
		CHECK(cudaStreamSynchronize(stream));
		memset(pinned, 0, n);
		CHECK(cudaMemcpy(pinned, dev + n, n, cudaMemcpyDeviceToHost));
		compare("by way of the host", pinned, n, s);
	}
	CHECK(cudaEventDestroy(copied));
	CHECK(cudaStreamDestroy(streams[1]));
	CHECK(cudaFreeHost(first));
	CHECK(cudaFreeHost(pinned));
}

struct side {
	unsigned char *host, *dev;
	size_t bytes;
	bool up;
};

static void *copies(void *arg)
{
	struct side *s = (struct side *)arg;
	cudaStream_t stream;

	CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
	for (unsigned round = 0; round < 3; round++) {
		if (s->up) {
			fill(s->host, s->bytes, round);
			CHECK(cudaMemcpyAsync(s->dev, s->host, s->bytes, cudaMemcpyHostToDevice,
					      stream));
			CHECK(cudaStreamSynchronize(stream));
		} else {
			memset(s->host, 0, s->bytes);
			CHECK(cudaMemcpyAsync(s->host, s->dev, s->bytes, cudaMemcpyDeviceToHost,
					      stream));
			CHECK(cudaStreamSynchronize(stream));
			compare("both at once, down", s->host, s->bytes, 77);
		}
	}
	CHECK(cudaStreamDestroy(stream));
	return NULL;
}

/* Two threads up, two down. */
static void both(unsigned char *up, unsigned char *down, unsigned char *dev)
{
	const size_t n = REQUEST + 12345;
	struct side sides[] = {
		{ up, dev, n, true },
		{ down, dev + n, n, false },
		{ up + n, dev + 2 * n, SLOTS, true },
		{ down + n, dev + n, SLOTS + 1, false },
	};
	pthread_t threads[4];

	fill(down, n, 77);
	CHECK(cudaMemcpy(dev + n, down, n, cudaMemcpyHostToDevice));
	/* of pageable memory it may be on its way yet, and the threads' streams wait for no other */
	CHECK(cudaDeviceSynchronize());
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, copies, &sides[i]))
			fail("no thread");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK(cudaMemcpy(down, dev, n, cudaMemcpyDeviceToHost));
	compare("both at once, up", down, n, 2);
	CHECK(cudaMemcpy(down, dev + 2 * n, SLOTS, cudaMemcpyDeviceToHost));
	compare("both at once, up", down, SLOTS, 2);
}

/* More to pinned memory than is let under way at once, and then an address that is none. */
static void ends(unsigned char *dev)
{
	const size_t n = 5 * REQUEST, part = REQUEST;
	unsigned char *pinned;

	CHECK(cudaMallocHost(&pinned, n));
	memset(pinned, 0, n);
	fill(pinned, part, 9);
	CHECK(cudaMemcpy(dev, pinned, part, cudaMemcpyHostToDevice));
	for (size_t at = 0; at < n; at += part)
		CHECK(cudaMemcpyAsync(pinned + at, dev, part, cudaMemcpyDeviceToHost));
	CHECK(cudaDeviceSynchronize());
	for (size_t at = 0; at < n; at += part)
		compare("many to pinned memory", pinned + at, part, 9);
	if (cudaMemcpy(dev + 3 * REQUEST, pinned, n, cudaMemcpyHostToDevice) == cudaSuccess)
		fail("a copy to beyond the allocation succeeded");
	cudaGetLastError();
	if (cudaMemcpy(pinned, dev + 3 * REQUEST, n, cudaMemcpyDeviceToHost) == cudaSuccess)
		fail("a copy from beyond the allocation succeeded");
	cudaGetLastError();
	CHECK(cudaFreeHost(pinned));
}

int main(void)
{
	unsigned char *up = (unsigned char *)malloc(MAX), *down = (unsigned char *)malloc(MAX), *dev;

	if (!up || !down)
		fail("no memory");
	CHECK(cudaMalloc(&dev, 4 * REQUEST));
	sizes(up, down, dev);
	order(dev);
	both(up, down, dev);
	ends(dev);
	CHECK(cudaFree(dev));
	free(up);
	free(down);
	return pass();
}
