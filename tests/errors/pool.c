// SPDX-License-Identifier: MIT
/* Pools of stream-ordered memory, and virtual memory. */
#include "errors.h"

#define GRAIN	(2ul << 20)

static void pools(void)
{
	CUmemoryPool pool, found;
	CUmemPoolProps props = { 0 };
	CUmemLocation where = { 0 };
	CUmemAccess_flags flags;
	CUdeviceptr p;
	cuuint64_t value = 0;

	start();
	BAD(cuDeviceGetDefaultMemPool(NULL, 0));
	BAD(cuDeviceGetDefaultMemPool(&pool, 4096));
	BAD(cuDeviceGetMemPool(&pool, -1));
	BAD(cuDeviceSetMemPool(0, NULL));
	BAD(cuDeviceSetMemPool(4096, NULL));
	NEED(cuDeviceGetDefaultMemPool(&found, 0));
	BAD(cuMemPoolDestroy(found));
	BAD(cuMemPoolCreate(NULL, &props));
	BAD(cuMemPoolCreate(&pool, NULL));
	BAD(cuMemPoolCreate(&pool, &props));
	props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
	props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	props.location.id = 4096;
	BAD(cuMemPoolCreate(&pool, &props));
	props.location.id = 0;
	NEED(cuMemPoolCreate(&pool, &props));
	BAD(cuMemPoolGetAttribute(pool, (CUmemPool_attribute)99, &value));
	BAD(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, NULL));
	BAD(cuMemPoolSetAttribute(pool, (CUmemPool_attribute)99, &value));
	BAD(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, NULL));
	value = 1;
	BAD(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &value));
	BAD(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &value));
	BAD(cuMemPoolTrimTo(NULL, 0));
	BAD(cuMemPoolGetAccess(&flags, pool, NULL));
	BAD(cuMemPoolGetAccess(&flags, pool, &where));
	where.type = CU_MEM_LOCATION_TYPE_HOST;
	BAD(cuMemPoolGetAccess(&flags, pool, &where));
	BAD(cuMemPoolSetAccess(pool, NULL, 1));
	BAD(cuMemAllocFromPoolAsync(NULL, 64, pool, NULL));
	p = 1;
	BAD(cuMemAllocFromPoolAsync(&p, 0, pool, NULL));
	SHOW(p);
	BAD(cuMemAllocFromPoolAsync(&p, 64, NULL, NULL));
	BAD(cuMemAllocFromPoolAsync(&p, 1ul << 50, pool, NULL));
	BAD(cuMemAllocAsync(NULL, 64, NULL));
	BAD(cuMemAllocAsync(&p, 0, NULL));
	BAD(cuMemAllocAsync(&p, 1ul << 50, NULL));
	BAD(cuMemFreeAsync(0, NULL));
	BAD(cuMemFreeAsync(1, NULL));
	NEED(cuMemAllocAsync(&p, 64, NULL));
	BAD(cuMemFreeAsync(p + 1, NULL));
	NEED(cuMemFreeAsync(p, NULL));
	BAD(cuMemFreeAsync(p, NULL));
	BAD(cuMemPoolDestroy(NULL));
	BAD(cuMemPoolDestroy(pool));
	BAD(cuMemPoolDestroy(pool));
	BAD(cuMemPoolTrimTo(pool, 0));
	BAD(cuMemPoolTrimTo(JUNK(CUmemoryPool), 0));
	BAD(cuMemPoolDestroy(JUNK(CUmemoryPool)));
}

static void virtual_memory(void)
{
	CUmemAllocationProp prop = { 0 };
	CUmemAccessDesc access = { 0 };
	CUmemGenericAllocationHandle h;
	CUdeviceptr p, q;
	size_t grain;
	unsigned long long flags;

	start();
	BAD(cuMemGetAllocationGranularity(NULL, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	BAD(cuMemGetAllocationGranularity(&grain, NULL, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	BAD(cuMemGetAllocationGranularity(&grain, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	BAD(cuMemGetAllocationGranularity(&grain, &prop, (CUmemAllocationGranularity_flags)99));
	BAD(cuMemCreate(NULL, GRAIN, &prop, 0));
	BAD(cuMemCreate(&h, 0, &prop, 0));
	BAD(cuMemCreate(&h, 100, &prop, 0));
	BAD(cuMemCreate(&h, GRAIN, NULL, 0));
	BAD(cuMemCreate(&h, GRAIN, &prop, 99));
	BAD(cuMemCreate(&h, 1ul << 50, &prop, 0));
	prop.location.id = 77;
	BAD(cuMemCreate(&h, GRAIN, &prop, 0));
	prop.location.id = 0;
	BAD(cuMemAddressReserve(NULL, GRAIN, 0, 0, 0));
	BAD(cuMemAddressReserve(&p, 0, 0, 0, 0));
	BAD(cuMemAddressReserve(&p, 100, 0, 0, 0));
	BAD(cuMemAddressReserve(&p, GRAIN, 3, 0, 0));
	BAD(cuMemAddressReserve(&p, GRAIN, 0, 0, 99));
	NEED(cuMemAddressReserve(&p, 2 * GRAIN, 0, 0, 0));
	NEED(cuMemCreate(&h, GRAIN, &prop, 0));
	BAD(cuMemMap(0, GRAIN, 0, h, 0));
	BAD(cuMemMap(p, 0, 0, h, 0));
	BAD(cuMemMap(p, 100, 0, h, 0));
	BAD(cuMemMap(p, 2 * GRAIN, 0, h, 0));
	BAD(cuMemMap(p, GRAIN, 16, h, 0));
	BAD(cuMemMap(p + 1, GRAIN, 0, h, 0));
	BAD(cuMemMap(p + 2 * GRAIN, GRAIN, 0, h, 0));
	BAD(cuMemMap(p, GRAIN, 0, h, 99));
	BAD(cuMemMap(p, GRAIN, 0, 0, 0));
	BAD(cuMemMap(p, GRAIN, 0, (CUmemGenericAllocationHandle)junk, 0));
	NEED(cuMemMap(p, GRAIN, 0, h, 0));
	BAD(cuMemMap(p, GRAIN, 0, h, 0));
	BAD(cuMemSetAccess(p, GRAIN, NULL, 1));
	BAD(cuMemSetAccess(p, GRAIN, &access, 0));
	BAD(cuMemSetAccess(p, GRAIN, &access, 1));
	access.location = prop.location;
	access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	BAD(cuMemSetAccess(p, 2 * GRAIN, &access, 1));
	BAD(cuMemSetAccess(p + GRAIN, GRAIN, &access, 1));
	BAD(cuMemGetAccess(&flags, NULL, p));
	BAD(cuMemGetAccess(NULL, &prop.location, p));
	BAD(cuMemFree(p));
	BAD(cuMemAddressFree(p, 2 * GRAIN));
	BAD(cuMemUnmap(p, 100));
	BAD(cuMemUnmap(p + GRAIN, GRAIN));
	BAD(cuMemUnmap(p, GRAIN));
	BAD(cuMemUnmap(p, GRAIN));
	NEED(cuMemMap(p, GRAIN, 0, h, 0));
	BAD(cuMemUnmap(p, 2 * GRAIN));
	BAD(cuMemUnmap(p, 2 * GRAIN));
	BAD(cuMemAddressFree(p, GRAIN));
	BAD(cuMemAddressFree(p + 4096, GRAIN));
	BAD(cuMemAddressFree(p, 2 * GRAIN));
	BAD(cuMemAddressFree(p, 2 * GRAIN));
	BAD(cuMemRetainAllocationHandle(NULL, junk));
	BAD(cuMemRetainAllocationHandle(&h, junk));
	BAD(cuMemGetAllocationPropertiesFromHandle(NULL, h));
	BAD(cuMemGetAllocationPropertiesFromHandle(&prop, 0));
	BAD(cuMemRelease(h));
	BAD(cuMemRelease(h));
	BAD(cuMemRelease(0));
	NEED(cuMemAlloc(&q, 16));
	BAD(cuMemUnmap(q, 16));
	BAD(cuMemAddressFree(q, 16));
}

/* Memory that is larger than what is mapped of it. */
static void part_of_memory(void)
{
	CUmemAllocationProp prop = { 0 };
	CUmemGenericAllocationHandle h;
	CUdeviceptr p;

	start();
	prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	NEED(cuMemAddressReserve(&p, 2 * GRAIN, 0, 0, 0));
	NEED(cuMemCreate(&h, 2 * GRAIN, &prop, 0));
	BAD(cuMemMap(p, GRAIN, GRAIN, h, 0));
	BAD(cuMemMap(p, GRAIN, 0, h, 0));
}

static void batches(void)
{
	CUmemcpyAttributes attribute = { .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM };
	size_t size = 64, first = 0;
	CUdeviceptr from, to;
	CUstream stream;

	start();
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuMemAlloc(&from, 64));
	NEED(cuMemAlloc(&to, 64));
	BAD(cuMemcpyBatchAsync(&to, &from, &size, 1, &attribute, &first, 1, NULL));
	BAD(cuMemcpyBatchAsync(NULL, &from, &size, 1, &attribute, &first, 1, stream));
	BAD(cuMemcpyBatchAsync(&to, &from, &size, 1, NULL, &first, 1, stream));
	BAD(cuMemcpyBatchAsync(&to, &from, &size, 0, &attribute, &first, 1, stream));
	size = 65;
	BAD(cuMemcpyBatchAsync(&to, &from, &size, 1, &attribute, &first, 1, stream));
	size = 0;
	BAD(cuMemcpyBatchAsync(&to, &from, &size, 1, &attribute, &first, 1, stream));
	size = 64;
	first = 1;
	BAD(cuMemcpyBatchAsync(&to, &from, &size, 1, &attribute, &first, 1, stream));
	first = 0;
	attribute.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_INVALID;
	BAD(cuMemcpyBatchAsync(&to, &from, &size, 1, &attribute, &first, 1, stream));
	BAD(cuStreamSynchronize(stream));
}

PARTS({ "pools", pools }, { "part of memory", part_of_memory }, { "batches", batches }, { "virtual memory", virtual_memory })
