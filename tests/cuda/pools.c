/* SPDX-License-Identifier: MIT */
/*
 * Stream-ordered allocation and copies in batches, by the driver API: what a pool keeps and gives
 * back, reuse in the order of streams, limits, and calls that are wrong.
 */
#include <cuda.h>
#include <stdint.h>

#include "check.h"

#define N	5000

static void expect(CUresult got, CUresult want, const char *what)
{
	if (got != want)
		fail("%s: %s, not %s", what, DRV_NAME(got), DRV_NAME(want));
}

static uint64_t number(CUmemoryPool pool, CUmemPool_attribute which)
{
	cuuint64_t v;

	CHECK_DRV(cuMemPoolGetAttribute(pool, which, &v));
	return v;
}

static CUmemoryPool new_pool(size_t max)
{
	CUmemPoolProps props = {
		.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
		.maxSize = max,
	};
	CUmemoryPool pool;

	CHECK_DRV(cuMemPoolCreate(&pool, &props));
	return pool;
}

/* Every allocation has its own memory, through many rounds of sizes that do not fit each other. */
static void own_memory(CUmemoryPool pool, CUstream stream)
{
	static const size_t sizes[] = { 1, 512, 513, 70000, 3 << 20, 5000, 1 << 20, 4096 };
	enum { NR = sizeof(sizes) / sizeof(sizes[0]) };
	static unsigned char out[3 << 20];
	CUdeviceptr p[NR];

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < NR; i++) {
			CHECK_DRV(cuMemAllocFromPoolAsync(&p[i], sizes[(i + round) % NR], pool,
							  stream));
			CHECK_DRV(cuMemsetD8Async(p[i], round * 16 + i, sizes[(i + round) % NR],
						  stream));
		}
		for (int i = 0; i < NR; i++) {
			size_t n = sizes[(i + round) % NR];

			CHECK_DRV(cuMemcpyDtoHAsync(out, p[i], n, stream));
			CHECK_DRV(cuStreamSynchronize(stream));
			for (size_t k = 0; k < n; k += n > 64 ? n / 64 : 1)
				if (out[k] != (unsigned char)(round * 16 + i))
					fail("round %d, allocation %d: [%zu] is %d", round, i, k,
					     out[k]);
		}
		for (int i = round & 1; i < NR; i += 2)
			CHECK_DRV(cuMemFreeAsync(p[i], stream));
		for (int i = !(round & 1); i < NR; i += 2)
			CHECK_DRV(cuMemFreeAsync(p[i], stream));
	}
	if (number(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT))
		fail("%llu bytes are still in use",
		     (unsigned long long)number(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT));
}

static void what_a_pool_keeps(CUstream stream)
{
	CUmemoryPool pool = new_pool(0);
	cuuint64_t keep = 1ull << 30;
	CUdeviceptr p, again;
	size_t before, after, total;

	CHECK_DRV(cuStreamSynchronize(stream));
	CHECK_DRV(cuMemGetInfo(&before, &total));
	CHECK_DRV(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
	CHECK_DRV(cuMemAllocFromPoolAsync(&p, 10 << 20, pool, stream));
	CHECK_DRV(cuMemFreeAsync(p, stream));
	CHECK_DRV(cuMemAllocFromPoolAsync(&again, 10 << 20, pool, stream));
	if (again != p)
		fail("the stream that freed memory did not get it again");
	CHECK_DRV(cuMemFreeAsync(again, stream));
	CHECK_DRV(cuStreamSynchronize(stream));
	if (number(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) < 10 << 20)
		fail("the pool kept nothing");
	if (number(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH) < 10 << 20)
		fail("the high-water mark is too low");
	keep = 0;
	CHECK_DRV(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &keep));
	if (number(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH))
		fail("the high-water mark was not set back");
	CHECK_DRV(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
	CHECK_DRV(cuStreamSynchronize(stream));
	if (number(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT))
		fail("the pool kept more than its threshold");
	CHECK_DRV(cuMemPoolDestroy(pool));
	/* a wait for all of the device, and memory is back */
	CHECK_DRV(cuMemAlloc(&p, 1));
	CHECK_DRV(cuMemFree(p));
	CHECK_DRV(cuCtxSynchronize());
	CHECK_DRV(cuMemGetInfo(&after, &total));
	if (after + (4 << 20) < before)
		fail("%zu of %zu bytes are free", after, before);
}

static void limits(CUstream stream)
{
	CUmemoryPool pool = new_pool(64 << 20);	/* a driver may round it up */
	CUdeviceptr p, q;
	size_t left, total;

	CHECK_DRV(cuMemAllocFromPoolAsync(&p, 5 << 20, pool, stream));
	expect(cuMemAllocFromPoolAsync(&q, 160 << 20, pool, stream), CUDA_ERROR_OUT_OF_MEMORY,
	       "more than the pool may have");
	CHECK_DRV(cuMemPoolDestroy(pool));
	/* what it gave out lives on */
	CHECK_DRV(cuMemsetD8Async(p, 1, 5 << 20, stream));
	CHECK_DRV(cuMemFreeAsync(p, stream));
	CHECK_DRV(cuStreamSynchronize(stream));
	CHECK_DRV(cuMemGetInfo(&left, &total));
	expect(cuMemAllocAsync(&p, total + 1, stream), CUDA_ERROR_OUT_OF_MEMORY,
	       "more than there is");
	expect(cuMemAllocAsync(&p, SIZE_MAX, stream), CUDA_ERROR_OUT_OF_MEMORY, "SIZE_MAX");
	/* all there is, again and again: each time the memory of the last has to come back */
	for (int i = 0; i < 3; i++) {
		CHECK_DRV(cuMemAllocAsync(&p, total / 2 + (4 << 20), stream));
		CHECK_DRV(cuMemFreeAsync(p, stream));
		CHECK_DRV(cuStreamSynchronize(stream));
		CHECK_DRV(cuMemAlloc(&q, total / 2 + (4 << 20)));
		CHECK_DRV(cuMemFree(q));
	}
}

static void wrong_calls(CUstream stream)
{
	CUmemoryPool pool, def, of;
	CUdeviceptr p;
	int v;

	CHECK_DRV(cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 0));
	if (!v)
		fail("pools are not supported");
	CHECK_DRV(cuDeviceGetDefaultMemPool(&def, 0));
	CHECK_DRV(cuDeviceGetMemPool(&pool, 0));
	if (pool != def)
		fail("the current pool is not the default one");
	expect(cuDeviceGetMemPool(&pool, 99), CUDA_ERROR_INVALID_VALUE, "no such device");
	expect(cuDeviceGetMemPool(NULL, 0), CUDA_ERROR_INVALID_VALUE, "NULL");
	expect(cuMemPoolDestroy(def), CUDA_ERROR_INVALID_VALUE, "the default pool");
	expect(cuMemAllocFromPoolAsync(&p, 1, NULL, stream), CUDA_ERROR_INVALID_VALUE, "NULL");
	expect(cuMemPoolGetAttribute(def, (CUmemPool_attribute)99, &p), CUDA_ERROR_INVALID_VALUE,
	       "no such attribute");
	CHECK_DRV(cuMemAllocAsync(&p, 100, stream));
	CHECK_DRV(cuMemFreeAsync(p, stream));
	expect(cuMemFreeAsync(p, stream), CUDA_ERROR_INVALID_VALUE, "freed twice");
	/* another pool for cuMemAllocAsync() */
	pool = new_pool(0);
	CHECK_DRV(cuDeviceSetMemPool(0, pool));
	CHECK_DRV(cuMemAllocAsync(&p, 100, stream));
	CHECK_DRV(cuPointerGetAttribute(&of, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, p));
	if (of != pool)
		fail("memory of another pool than the current one");
	CHECK_DRV(cuDeviceSetMemPool(0, def));
	CHECK_DRV(cuMemFree(p));
	CHECK_DRV(cuMemPoolDestroy(pool));
}

/* Host to device, device to device and back, in one batch each; then what a batch refuses. */
static void batches(CUstream stream)
{
	static int in[2][N], out[2][N];
	CUmemcpyAttributes attrs[2] = {
		{ .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL },
		{ .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM },
	};
	size_t sizes[2] = { sizeof(in[0]), sizeof(in[1]) }, first[2] = { 0, 1 };
	CUdeviceptr hosts[2] = { (uintptr_t)in[0], (uintptr_t)in[1] }, p[2], q[2];
	CUdeviceptr outs[2] = { (uintptr_t)out[0], (uintptr_t)out[1] };

	for (int i = 0; i < N; i++) {
		in[0][i] = i;
		in[1][i] = -i;
	}
	for (int i = 0; i < 2; i++) {
		CHECK_DRV(cuMemAllocAsync(&p[i], sizes[i], stream));
		CHECK_DRV(cuMemAllocAsync(&q[i], sizes[i], stream));
	}
	CHECK_DRV(cuMemcpyBatchAsync(p, hosts, sizes, 2, attrs, first, 2, stream));
	CHECK_DRV(cuMemcpyBatchAsync(q, p, sizes, 2, attrs + 1, first, 1, stream));
	CHECK_DRV(cuMemcpyBatchAsync(outs, q, sizes, 2, attrs + 1, first, 1, stream));
	CHECK_DRV(cuStreamSynchronize(stream));
	if (memcmp(in, out, sizeof(in)))
		fail("a batch of copies did not come back as it went");
	expect(cuMemcpyBatchAsync(p, hosts, sizes, 2, attrs, first, 1, NULL),
	       CUDA_ERROR_INVALID_VALUE, "the legacy stream");
	first[0] = 1;
	expect(cuMemcpyBatchAsync(p, hosts, sizes, 2, attrs, first, 1, stream),
	       CUDA_ERROR_INVALID_VALUE, "no attribute for the first copy");
	for (int i = 0; i < 2; i++) {
		CHECK_DRV(cuMemFreeAsync(p[i], stream));
		CHECK_DRV(cuMemFreeAsync(q[i], stream));
	}
}

/* What a capture allocates is the graph's at every launch, though it was freed and others allocate. */
static void captured(CUstream stream)
{
	CUdeviceptr p, other[8], out;
	CUgraphExec exec;
	CUgraph graph;
	int got = 0;

	CHECK_DRV(cuMemAlloc(&out, 1 << 20));
	CHECK_DRV(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	CHECK_DRV(cuMemAllocAsync(&p, 1 << 20, stream));
	CHECK_DRV(cuMemsetD32Async(p, 4711, 1 << 18, stream));
	CHECK_DRV(cuMemcpyDtoDAsync(out, p, 1 << 20, stream));
	CHECK_DRV(cuMemFreeAsync(p, stream));
	CHECK_DRV(cuStreamEndCapture(stream, &graph));
	CHECK_DRV(cuGraphInstantiate(&exec, graph, 0));
	for (int i = 0; i < 8; i++) {
		CHECK_DRV(cuMemAllocAsync(&other[i], 1 << 20, stream));
		CHECK_DRV(cuMemsetD32Async(other[i], i, 1 << 18, stream));
		CHECK_DRV(cuMemsetD8Async(out, 0, 1 << 20, stream));
		CHECK_DRV(cuGraphLaunch(exec, stream));
	}
	CHECK_DRV(cuStreamSynchronize(stream));
	CHECK_DRV(cuMemcpyDtoH(&got, out + 4096, 4));
	if (got != 4711)
		fail("a graph with memory of its own gave %d", got);
	for (int i = 0; i < 8; i++) {
		CHECK_DRV(cuMemcpyDtoH(&got, other[i] + 4096, 4));
		if (got != i)
			fail("a graph wrote to another's memory: %d", got);
		CHECK_DRV(cuMemFreeAsync(other[i], stream));
	}
	CHECK_DRV(cuGraphExecDestroy(exec));
	CHECK_DRV(cuGraphDestroy(graph));
	CHECK_DRV(cuMemFree(out));
}

static void between_contexts(CUcontext ctx, CUstream stream)
{
	int in = 77, out = 0;
	CUdeviceptr p, q;

	CHECK_DRV(cuMemAlloc(&p, 4));
	CHECK_DRV(cuMemAlloc(&q, 4));
	CHECK_DRV(cuMemcpyHtoD(p, &in, 4));
	CHECK_DRV(cuMemcpyPeer(q, ctx, p, ctx, 4));
	CHECK_DRV(cuMemcpyPeerAsync(p, ctx, q, ctx, 4, stream));
	CHECK_DRV(cuStreamSynchronize(stream));
	CHECK_DRV(cuMemcpyDtoH(&out, p, 4));
	if (out != 77)
		fail("%d after two copies between contexts", out);
	CHECK_DRV(cuMemFree(p));
	CHECK_DRV(cuMemFree(q));
}

/* A copy to the device takes what a copy before it, in the same stream, brings to the host. */
static void there_and_back(CUstream stream)
{
	CUdeviceptr p, q;
	int *host, out = 0;

	CHECK_DRV(cuMemAlloc(&p, 1 << 20));
	CHECK_DRV(cuMemAlloc(&q, 1 << 20));
	CHECK_DRV(cuMemHostAlloc((void **)&host, 1 << 20, 0));
	memset(host, 0, 1 << 20);
	CHECK_DRV(cuMemsetD32Async(p, 123456, 1 << 18, stream));
	CHECK_DRV(cuMemcpyDtoHAsync(host, p, 1 << 20, stream));
	CHECK_DRV(cuMemcpyHtoDAsync(q, host, 1 << 20, stream));
	CHECK_DRV(cuStreamSynchronize(stream));
	CHECK_DRV(cuMemcpyDtoH(&out, q + (1 << 20) - 4, 4));
	if (out != 123456)
		fail("%d after a copy to the host and back", out);
	CHECK_DRV(cuMemFreeHost(host));
	CHECK_DRV(cuMemFree(p));
	CHECK_DRV(cuMemFree(q));
}

int main(void)
{
	CUmemoryPool pool;
	CUcontext ctx;
	CUstream stream, other;

	CHECK_DRV(cuInit(0));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&ctx, 0));
	CHECK_DRV(cuCtxSetCurrent(ctx));
	CHECK_DRV(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CHECK_DRV(cuStreamCreate(&other, CU_STREAM_DEFAULT));
	CHECK_DRV(cuDeviceGetDefaultMemPool(&pool, 0));
	own_memory(pool, stream);
	own_memory(pool, other);
	what_a_pool_keeps(stream);
	limits(stream);
	wrong_calls(stream);
	batches(stream);
	captured(stream);
	between_contexts(ctx, stream);
	there_and_back(stream);
	CHECK_DRV(cuStreamDestroy(stream));
	CHECK_DRV(cuStreamDestroy(other));
	return pass();
}
