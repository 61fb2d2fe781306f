/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous copies to the host. Into pageable memory one returns when the data is there (CUDA
 * Runtime API, "API synchronization behavior"), so the program may read, and free, at once; into
 * pinned memory it may return before, and the program waits for the stream.
 */
#include "dump.h"

#define N (1 << 14)
#define ROUNDS 200
#define WIDTH 100	/* of the 2D copy, in elements, out of rows of PITCH */
#define PITCH 128
#define ROWS (N / PITCH)

/* Slow: who does not wait finds the values of an earlier round. */
__global__ void fill(unsigned *out, int rounds)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	out[i] = i;
	for (int round = 0; round < rounds; round++)
		out[i] = out[i] * 5 + round;
}

static unsigned expected(unsigned i)
{
	for (int round = 0; round < ROUNDS; round++)
		i = i * 5 + round;
	return i;
}

static void verify(const char *what, const unsigned *got, int width, int rows, int pitch)
{
	for (int y = 0; y < rows; y++)
		for (int x = 0; x < width; x++)
			if (got[y * pitch + x] != expected(y * PITCH + x))
				fail("%s: element %d of row %d is %u", what, x, y,
				     got[y * pitch + x]);
	dump(what, got, sizeof(*got) * pitch * rows);
}

static void start(unsigned *dev, cudaStream_t stream)
{
	CHECK(cudaMemsetAsync(dev, 0, N * sizeof(*dev), stream));
	fill<<<N / 128, 128, 0, stream>>>(dev, ROUNDS);
	CHECK_LAUNCH();
}

static void test(const char *name, cudaStream_t stream, unsigned *dev)
{
	unsigned *pageable = (unsigned *)malloc(N * sizeof(*pageable)), *pinned;

	if (!pageable)
		fail("no memory");
	start(dev, stream);
	CHECK(cudaMemcpyAsync(pageable, dev, N * sizeof(*dev), cudaMemcpyDeviceToHost, stream));
	verify(name, pageable, PITCH, ROWS, PITCH);

	start(dev, stream);
	memset(pageable, 0, N * sizeof(*pageable));
	CHECK(cudaMemcpy2DAsync(pageable, WIDTH * sizeof(*dev), dev, PITCH * sizeof(*dev),
				WIDTH * sizeof(*dev), ROWS, cudaMemcpyDeviceToHost, stream));
	verify(name, pageable, WIDTH, ROWS, WIDTH);
	free(pageable);
	CHECK(cudaStreamSynchronize(stream));

	CHECK(cudaMallocHost(&pinned, N * sizeof(*pinned)));
	start(dev, stream);
	CHECK(cudaMemcpyAsync(pinned, dev, N * sizeof(*dev), cudaMemcpyDeviceToHost, stream));
	CHECK(cudaStreamSynchronize(stream));
	verify(name, pinned, PITCH, ROWS, PITCH);
	CHECK(cudaFreeHost(pinned));
}

int main(void)
{
	cudaStream_t stream;
	unsigned *dev;

	CHECK(cudaMalloc(&dev, N * sizeof(*dev)));
	CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
	test("the legacy stream", 0, dev);
	test("a stream", stream, dev);
	CHECK(cudaStreamDestroy(stream));
	CHECK(cudaFree(dev));
	return pass();
}
