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
	CUmemoryPool pool = new_pool(8 << 20);
	CUdeviceptr p, q;
	size_t left, total;

	CHECK_DRV(cuMemAllocFromPoolAsync(&p, 5 << 20, pool, stream));
	expect(cuMemAllocFromPoolAsync(&q, 5 << 20, pool, stream), CUDA_ERROR_OUT_OF_MEMORY,
	       "more than the pool may have");
	CHECK_DRV(cuMemPoolDestroy(pool));
	expect(cuMemAllocFromPoolAsync(&q, 1, pool, stream), CUDA_ERROR_INVALID_VALUE,
	       "a pool that was destroyed");
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
	CUmemoryPool pool, def, garbage = (CUmemoryPool)0x1234;
	CUmemLocation host = { .type = CU_MEM_LOCATION_TYPE_HOST };
	CUmemAccess_flags flags;
	CUdeviceptr p;
	int v;

	CHECK_DRV(cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 0));
	if (!v)
		fail("pools are not supported");
	CHECK_DRV(cuDeviceGetDefaultMemPool(&def, 0));
	CHECK_DRV(cuDeviceGetMemPool(&pool, 0));
	if (pool != def)
		fail("the current pool is not the default one");
	expect(cuDeviceGetMemPool(&pool, 99), CUDA_ERROR_INVALID_DEVICE, "no such device");
	expect(cuDeviceGetMemPool(NULL, 0), CUDA_ERROR_INVALID_VALUE, "NULL");
	expect(cuMemPoolDestroy(def), CUDA_ERROR_INVALID_VALUE, "the default pool");
	expect(cuMemPoolDestroy(garbage), CUDA_ERROR_INVALID_VALUE, "garbage");
	expect(cuMemAllocFromPoolAsync(&p, 1, garbage, stream), CUDA_ERROR_INVALID_VALUE,
	       "garbage");
	expect(cuMemAllocFromPoolAsync(&p, 1, NULL, stream), CUDA_ERROR_INVALID_VALUE, "NULL");
	expect(cuMemPoolGetAttribute(def, (CUmemPool_attribute)99, &p), CUDA_ERROR_INVALID_VALUE,
	       "no such attribute");
	expect(cuMemPoolGetAccess(&flags, def, &host), CUDA_ERROR_INVALID_VALUE, "of the host");
	CHECK_DRV(cuMemAllocAsync(&p, 100, stream));
	expect(cuMemFreeAsync(p + 1, stream), CUDA_ERROR_INVALID_VALUE, "inside an allocation");
	CHECK_DRV(cuMemFreeAsync(p, stream));
	expect(cuMemFreeAsync(p, stream), CUDA_ERROR_INVALID_VALUE, "freed twice");
	/* another pool for cuMemAllocAsync() */
	pool = new_pool(0);
	CHECK_DRV(cuDeviceSetMemPool(0, pool));
	CHECK_DRV(cuMemAllocAsync(&p, 100, stream));
	CHECK_DRV(cuPointerGetAttribute(&garbage, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, p));
	if (garbage != pool)
		fail("memory of another pool than the current one");
	CHECK_DRV(cuDeviceSetMemPool(0, def));
	CHECK_DRV(cuMemFree(p));
	CHECK_DRV(cuMemPoolDestroy(pool));
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
	CHECK_DRV(cuStreamDestroy(stream));
	CHECK_DRV(cuStreamDestroy(other));
	return pass();
}
