/* SPDX-License-Identifier: MIT */
/* softgpu_pool_test.c - memory pools of softgpu, and what is allocated in stream order */
#include "softgpu_memory_bench.h"

static uint64_t pool_number(CUmemoryPool pool, CUmemPool_attribute a)
{
	cuuint64_t v;

	OK(cuMemPoolGetAttribute(pool, a, &v));
	return v;
}

#define POOL(pool, a)	pool_number(pool, CU_MEMPOOL_ATTR_##a)

static void pools_keep_and_release_memory(void **state)
{
	cuuint64_t threshold = 4 * MIB, zero = 0, one = 1;
	CUmemoryPool pool = make_pool(CU_MEM_HANDLE_TYPE_NONE);
	size_t before = free_memory();
	CUdeviceptr p, q;
	CUstream s;

	(void)state;
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuMemAllocFromPoolAsync(&p, 2 * MIB, pool, s));
	OK(cuMemAllocFromPoolAsync(&q, MIB - 100, pool, s));
	assert_int_equal(POOL(pool, USED_MEM_CURRENT), 3 * MIB - 100);
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), 3 * MIB);
	assert_int_equal(before - free_memory(), 3 * MIB);
	OK(cuMemFreeAsync(p, s));
	assert_int_equal(POOL(pool, USED_MEM_CURRENT), MIB - 100);
	assert_int_equal(POOL(pool, USED_MEM_HIGH), 3 * MIB - 100);
	assert_int_equal(before - free_memory(), 3 * MIB);
	OK(cuStreamSynchronize(s));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), MIB);
	assert_int_equal(POOL(pool, RESERVED_MEM_HIGH), 3 * MIB);
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
	OK(cuMemAllocFromPoolAsync(&p, 2 * MIB, pool, s));
	OK(cuMemFreeAsync(p, s));
	OK(cuMemFreeAsync(q, s));
	OK(cuStreamSynchronize(s));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), 3 * MIB);
	OK(cuMemPoolTrimTo(pool, MIB));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), MIB);
	OK(cuMemPoolTrimTo(pool, 0));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), 0);
	assert_int_equal(free_memory(), before);
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH, &zero));
	assert_int_equal(POOL(pool, RESERVED_MEM_HIGH), 0);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &one));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &zero));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAttribute(pool, 0, &one));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAttribute(pool, 9, &one));
	OK(cuMemPoolDestroy(pool));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolTrimTo(pool, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(pool));
}

static void freed_memory_is_used_again(void **state)
{
	struct fixture *f = *state;
	CUmemoryPool pool = make_pool(CU_MEM_HANDLE_TYPE_NONE);
	int no = 0, yes;
	CUdeviceptr p, q;
	CUstream a, b;

	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	/* In the same stream, before it has even got to the free. */
	OK(cuMemAllocFromPoolAsync(&p, 4096, pool, a));
	close_gate(&f->gate, a);
	OK(put(&f->gate, p, 1, a));
	OK(cuMemFreeAsync(p, a));
	OK(cuMemAllocFromPoolAsync(&q, 4096, pool, a));
	assert_int_equal(p, q);
	OK(put(&f->gate, q, 2, a));
	/* Another stream must wait for the first one to have the memory. */
	OK(cuMemFreeAsync(q, a));
	OK(cuMemAllocFromPoolAsync(&p, 4096, pool, b));
	assert_int_equal(p, q);
	OK(put(&f->gate, p, 3, b));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(b));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(b));
	assert_int_equal(word_at(p), 3);
	OK(cuMemFreeAsync(p, b));
	/* Without leave to wait, it gets memory of its own. */
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, &no));
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &no));
	OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &yes));
	assert_int_equal(yes, 0);
	OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES, &yes));
	assert_int_equal(yes, 1);
	OK(cuMemAllocFromPoolAsync(&q, 4096, pool, a));
	assert_int_not_equal(p, q);
	OK(cuMemAllocFromPoolAsync(&q, 4096, pool, b));
	assert_int_equal(p, q);
	OK(cuCtxSynchronize());
	OK(cuMemPoolDestroy(pool));
}

static void use_after_free_in_stream_order_is_illegal(void **state)
{
	struct fixture *f = *state;
	CUmemoryPool pool;
	CUdeviceptr p;
	CUstream s;

	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuDeviceGetMemPool(&pool, 0));
	OK(cuMemAllocAsync(&p, 64, s));
	close_gate(&f->gate, s);
	OK(put(&f->gate, p, 1, s));
	OK(cuMemFreeAsync(p, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(p, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoDAsync_v2(p, &p, 8, s));
	OK(put(&f->gate, p, 2, s));
	open_gate(&f->gate);
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
}

static void devices_have_pools(void **state)
{
	CUmemLocation dev = { .type = CU_MEM_LOCATION_TYPE_DEVICE };
	CUmemLocation nowhere = { .type = CU_MEM_LOCATION_TYPE_NONE };
	CUmemAccessDesc access = { dev, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemPoolProps props = device_pool(CU_MEM_HANDLE_TYPE_NONE);
	CUmemoryPool def, pool, now, of;
	CUmemAccess_flags flags;
	CUdeviceptr p;

	(void)state;
	OK(cuDeviceGetDefaultMemPool(&def, 0));
	OK(cuMemGetDefaultMemPool(&now, &dev, CU_MEM_ALLOCATION_TYPE_PINNED));
	assert_ptr_equal(now, def);
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetDefaultMemPool(&now, 61));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemGetDefaultMemPool(&now, &nowhere, CU_MEM_ALLOCATION_TYPE_PINNED));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(def));
	pool = make_pool(CU_MEM_HANDLE_TYPE_NONE);
	OK(cuDeviceSetMemPool(0, pool));
	OK(cuMemGetMemPool(&now, &dev, CU_MEM_ALLOCATION_TYPE_PINNED));
	assert_ptr_equal(now, pool);
	OK(cuMemAllocAsync(&p, 100, NULL));
	OK(cuPointerGetAttribute(&of, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, p + 99));
	assert_ptr_equal(of, pool);
	/* A pool lasts as long as its memory, but is nobody's current one any more. */
	OK(cuMemPoolDestroy(pool));
	OK(cuDeviceGetMemPool(&now, 0));
	assert_ptr_equal(now, def);
	assert_int_equal(word_at(p), 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceSetMemPool(0, pool));
	OK(cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(&flags, p, 4));
	OK(cuMemPoolGetAccess(&flags, def, &dev));
	assert_int_equal(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
	OK(cuMemPoolSetAccess(def, &access, 1));
	access.flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAccess(def, &access, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAccess(def, NULL, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAccess(&flags, def, &nowhere));
	props.reserved[3] = 1;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolCreate(&pool, &props));
	props = device_pool(CU_MEM_HANDLE_TYPE_FABRIC);
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemPoolCreate(&pool, &props));
	props = device_pool(0);
	props.allocType = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolCreate(&pool, &props));
	props = device_pool(0);
	props.location.id = 61;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolCreate(&pool, &props));
}

static void pools_end_at_their_size_and_with_the_context(void **state)
{
	CUmemPoolProps props = device_pool(CU_MEM_HANDLE_TYPE_NONE);
	size_t before = free_memory(), total;
	CUdeviceptr p, q;
	CUmemoryPool pool;
	CUcontext ctx;
	CUstream s;

	(void)state;
	props.maxSize = 2 * MIB;
	OK(cuMemPoolCreate(&pool, &props));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&p, 3 * MIB, pool, s));
	p = 1;
	OK(cuMemAllocFromPoolAsync(&p, 0, pool, s));
	assert_int_equal(p, 0);
	OK(cuMemFreeAsync(p, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocFromPoolAsync(&p, 1, NULL, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocFromPoolAsync(NULL, 1, pool, s));
	OK(cuMemAllocFromPoolAsync(&p, 2 * MIB, pool, s));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&q, 1, pool, s));
	/* What was freed makes room for another size, without being asked. */
	OK(cuMemFreeAsync(p, s));
	OK(cuMemAllocFromPoolAsync(&q, MIB / 2, pool, s));
	OK(cuMemFreeAsync(q, s));
	OK(cuMemPoolDestroy(pool));
	OK(cuCtxSynchronize());
	assert_int_equal(free_memory(), before);
	OK(cuMemGetInfo_v2(NULL, &total));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&p, total + 4096, s));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&p, SIZE_MAX, s));
	OK(cuCtxCreate_v4(&ctx, NULL, 0, 0));
	OK(cuMemAllocAsync(&p, MIB, NULL));
	OK(cuCtxDestroy_v2(ctx));
	assert_int_equal(free_memory(), before);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(p, s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pools_keep_and_release_memory),
		CASE(freed_memory_is_used_again),
		CASE(use_after_free_in_stream_order_is_illegal),
		CASE(devices_have_pools),
		CASE(pools_end_at_their_size_and_with_the_context),
	};

	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
