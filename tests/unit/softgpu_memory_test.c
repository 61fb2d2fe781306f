/* SPDX-License-Identifier: MIT */
/*
 * softgpu_memory_test.c - softgpu's memory through the driver's public calls: managed memory, copies,
 * page-locked memory, mappings, questions about pointers
 */
#include "softgpu_memory_bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

/* Managed memory. */

static void managed_memory_is_for_host_and_kernels(void **state)
{
	struct fixture *f = *state;
	size_t before = free_memory();
	unsigned int yes;
	CUdeviceptr p, host;
	CUstream s;
	int n;

	OK(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 0));
	assert_int_equal(n, 1);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 0, CU_MEM_ATTACH_GLOBAL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 64, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 64, CU_MEM_ATTACH_SINGLE));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(NULL, 64, CU_MEM_ATTACH_GLOBAL));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocManaged(&p, SIZE_MAX / 8, CU_MEM_ATTACH_GLOBAL));
	OK(cuMemAllocManaged(&p, 3 * MIB, CU_MEM_ATTACH_HOST));
	assert_int_equal(before - free_memory(), 3 * MIB);
	*(uint32_t *)p = 1;
	OK(put(&f->gate, p + 4, 2, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(((uint32_t *)p)[0] + ((uint32_t *)p)[1], 3);
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, p + 5));
	assert_int_equal(yes, 1);
	OK(cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, p + 5));
	assert_int_equal(host, p + 5);
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuStreamAttachMemAsync(s, p, 0, CU_MEM_ATTACH_SINGLE));
	OK(cuStreamAttachMemAsync(NULL, p, 3 * MIB, CU_MEM_ATTACH_GLOBAL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(NULL, p, 0, CU_MEM_ATTACH_SINGLE));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p + 64, 0, CU_MEM_ATTACH_HOST));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p, 64, CU_MEM_ATTACH_HOST));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p, 0, 7));
	OK(cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p, 0, CU_MEM_ATTACH_HOST));
	assert_int_equal(free_memory(), before);
	OK(cuMemAlloc_v2(&p, 64));
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, p));
	assert_int_equal(yes, 0);
}

static int range_int(CUmem_range_attribute a, CUdeviceptr p, size_t n)
{
	int v = 12345;

	OK(cuMemRangeGetAttribute(&v, sizeof(v), a, p, n));
	return v;
}

#define RANGE(a, p, n)	range_int(CU_MEM_RANGE_ATTRIBUTE_##a, p, n)

static void advice_is_kept_by_page(void **state)
{
	CUmemLocation dev = { .type = CU_MEM_LOCATION_TYPE_DEVICE };
	CUmemLocation host = { .type = CU_MEM_LOCATION_TYPE_HOST };
	CUmemLocation numa = { .type = CU_MEM_LOCATION_TYPE_HOST_NUMA, .id = 3 };
	int list[3];
	CUdeviceptr p;

	(void)state;
	OK(cuMemAllocManaged(&p, 8 * 4096, CU_MEM_ATTACH_GLOBAL));
	assert_int_equal(RANGE(READ_MOSTLY, p, 1), 0);
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 4096), CU_DEVICE_INVALID);
	assert_int_equal(RANGE(PREFERRED_LOCATION_TYPE, p, 4096), CU_MEM_LOCATION_TYPE_INVALID);
	OK(cuMemAdvise(p + 4096, 2 * 4096, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 8192), 1);
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 8193), 0);
	OK(cuMemAdvise(p + 2 * 4096, 1, CU_MEM_ADVISE_UNSET_READ_MOSTLY, 0));
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 4096), 1);
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 8192), 0);
	OK(cuMemAdvise_v2(p, 4 * 4096, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, dev));
	OK(cuMemAdvise(p + 4 * 4096, 4 * 4096, CU_MEM_ADVISE_SET_PREFERRED_LOCATION,
		       CU_DEVICE_CPU));
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 4 * 4096), 0);
	assert_int_equal(RANGE(PREFERRED_LOCATION, p + 4 * 4096, 4096), CU_DEVICE_CPU);
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 8 * 4096), CU_DEVICE_INVALID);
	OK(cuMemAdvise_v2(p, 4096, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, numa));
	assert_int_equal(RANGE(PREFERRED_LOCATION_TYPE, p, 4096), CU_MEM_LOCATION_TYPE_HOST_NUMA);
	assert_int_equal(RANGE(PREFERRED_LOCATION_ID, p, 4096), 3);
	OK(cuMemAdvise(p, 4096, CU_MEM_ADVISE_SET_ACCESSED_BY, 0));
	OK(cuMemAdvise_v2(p, 4096, CU_MEM_ADVISE_SET_ACCESSED_BY, host));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise_v2(p, 1, CU_MEM_ADVISE_SET_ACCESSED_BY, numa));
	OK(cuMemRangeGetAttribute(list, 12, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, p, 4096));
	assert_int_equal(list[0], 0);
	assert_int_equal(list[1], CU_DEVICE_CPU);
	assert_int_equal(list[2], CU_DEVICE_INVALID);
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuMemAdvise(p, 1, CU_MEM_ADVISE_SET_ACCESSED_BY, 63));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(p, 1, 99, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemAdvise(p, 8 * 4096 + 1, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(p, 0, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemRangeGetAttribute(list, 8, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemRangeGetAttribute(list, 6, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, p, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemRangeGetAttribute(list, 4, 77, p, 1));
	/* What lies there next knows nothing of it. */
	OK(cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemRangeGetAttribute(list, 4, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, 1));
	OK(cuMemAllocManaged(&p, 8 * 4096, CU_MEM_ATTACH_GLOBAL));
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 4096), CU_DEVICE_INVALID);
	OK(cuMemFree_v2(p));
}

static void prefetches_are_checked_and_remembered(void **state)
{
	CUmemLocation dev = { .type = CU_MEM_LOCATION_TYPE_DEVICE };
	CUmemLocation host = { .type = CU_MEM_LOCATION_TYPE_HOST };
	CUmemLocation both[] = { dev, host };
	size_t sizes[] = { 4096, 4096, 4096 }, first[] = { 0, 2 }, bad[] = { 0, 0 };
	CUdeviceptr p, q, addrs[3];
	CUstream s;

	(void)state;
	OK(cuStreamCreate(&s, 0));
	OK(cuMemAllocManaged(&p, 3 * 4096, CU_MEM_ATTACH_GLOBAL));
	OK(cuMemAlloc_v2(&q, 4096));
	for (int i = 0; i < 3; i++)
		addrs[i] = p + i * 4096;
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 4096), CU_DEVICE_INVALID);
	OK(cuMemPrefetchAsync(p, 4096, 0, s));
	OK(cuMemPrefetchAsync_v2(p + 4096, 8192, host, 0, NULL));
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 4096), 0);
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p + 4096, 8192), CU_DEVICE_CPU);
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION_TYPE, p, 8192),
			 CU_MEM_LOCATION_TYPE_INVALID);
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuMemPrefetchAsync(p, 4096, 62, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync_v2(p, 4096, dev, 1, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(q, 4096, 0, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(p, 4 * 4096, 0, s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuMemPrefetchAsync(p, 4096, 0, (CUstream)0x1234));
	OK(cuMemPrefetchBatchAsync(addrs, sizes, 3, both, first, 2, 0, s));
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 8192), 0);
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p + 8192, 4096), CU_DEVICE_CPU);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPrefetchBatchAsync(addrs, sizes, 3, both, bad, 2, 0, s));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPrefetchBatchAsync(addrs, sizes, 3, both, first, 2, 0, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPrefetchBatchAsync(addrs, sizes, 1, both, first, 2, 0, s));
	OK(cuMemDiscardBatchAsync(addrs, sizes, 3, 0, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemDiscardBatchAsync(addrs, sizes, 3, 1, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemDiscardBatchAsync(&q, sizes, 1, 0, s));
	OK(cuMemDiscardAndPrefetchBatchAsync(addrs, sizes, 3, both, first, 1, 0, s));
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 3 * 4096), 0);
}

static void variables_can_be_managed(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p, plain;
	unsigned int yes;
	CUlibrary lib;
	size_t size;

	OK(cuModuleGetGlobal_v2(&p, &size, f->mod, "both"));
	assert_int_equal(size, 4);
	assert_int_equal(*(uint32_t *)p, 41);
	OK(put(&f->gate, p, 42, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(*(uint32_t *)p, 42);
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, p));
	assert_int_equal(yes, 1);
	OK(cuModuleGetGlobal_v2(&plain, &size, f->mod, "plain"));
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, plain));
	assert_int_equal(yes, 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p));
	OK(cuLibraryLoadData(&lib, ptx, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetManaged(&p, &size, lib, "both"));
	assert_int_equal(*(uint32_t *)p, 41);
	FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetManaged(&p, &size, lib, "plain"));
	FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetManaged(&p, &size, lib, "nothing"));
	OK(cuLibraryUnload(lib));
}

/* Copies. */

static void batches_of_copies_are_checked_as_a_whole(void **state)
{
	struct fixture *f = *state;
	CUmemcpyAttributes attrs[2] = {
		{ .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL },
		{ .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM },
	};
	size_t sizes[] = { 4, 4, 4 }, first[] = { 0, 1 }, fail = 77, nr;
	CUdeviceptr p, dsts[3], srcs[3];
	uint32_t a = 1, b = 2, *pinned;
	CUstream s;

	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuMemHostAlloc((void **)&pinned, 4096, 0));
	OK(cuMemAlloc_v2(&p, 64));
	OK(cuMemsetD8_v2(p, 0, 64));
	OK(cuCtxSynchronize());
	pinned[0] = 3;
	for (int i = 0; i < 3; i++)
		dsts[i] = p + 4 * i;
	srcs[0] = (CUdeviceptr)(uintptr_t)&pinned[0];
	srcs[1] = (CUdeviceptr)(uintptr_t)&a;
	srcs[2] = (CUdeviceptr)(uintptr_t)&b;
	dsts[2] = p + 63;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync(dsts, srcs, sizes, 3, attrs, first, 2, &fail, s));
	assert_int_equal(fail, 2);
	dsts[2] = p + 8;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync(dsts, srcs, sizes, 3, attrs, first, 2, &fail, NULL));
	assert_int_equal(fail, SIZE_MAX);
	for (nr = 0; nr < 3; nr++)
		assert_int_equal(word_at(p + 4 * nr), 0);
	close_gate(&f->gate, s);
	OK(cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 3, attrs, first, 2, s));
	/* The first was read during the call, the others are read when the stream gets there. */
	pinned[0] = 4;
	a = 10;
	open_gate(&f->gate);
	OK(cuStreamSynchronize(s));
	assert_int_equal(word_at(p), 3);
	assert_int_equal(word_at(p + 4), 10);
	assert_int_equal(word_at(p + 8), 2);
	first[0] = 1;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 3, attrs, first, 2, s));
	first[0] = 0;
	attrs[1].srcAccessOrder = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 3, attrs, first, 2, s));
}

static CUmemcpy3DOperand pointer_operand(const void *p, size_t row, size_t rows)
{
	CUmemcpy3DOperand o = { .type = CU_MEMCPY_OPERAND_TYPE_POINTER };

	o.op.ptr.ptr = (CUdeviceptr)(uintptr_t)p;
	o.op.ptr.rowLength = row;
	o.op.ptr.layerHeight = rows;
	return o;
}

static void batches_of_boxes_reach_pointers_and_arrays(void **state)
{
	CUDA_ARRAY_DESCRIPTOR desc = { .Width = 4, .Height = 3, .Format = CU_AD_FORMAT_UNSIGNED_INT16,
				       .NumChannels = 2 };
	CUDA_MEMCPY3D_BATCH_OP ops[2] = { 0 };
	CUDA_MEMCPY2D back = { .srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcY = 1,
			       .dstMemoryType = CU_MEMORYTYPE_HOST, .WidthInBytes = 16,
			       .Height = 1 };
	uint32_t in[2][3][5], out[12];
	size_t fail;
	CUarray array;
	CUdeviceptr p;
	CUstream s;

	(void)state;
	for (int i = 0; i < 30; i++)
		in[i / 15][i / 5 % 3][i % 5] = i;
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuMemAlloc_v2(&p, 48));
	OK(cuArrayCreate_v2(&array, &desc));
	back.srcArray = array;
	back.dstHost = out;
	ops[0].src = pointer_operand(in[1], 5, 3);
	ops[0].dst.type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
	ops[0].dst.op.array.array = array;
	ops[0].extent = (CUextent3D){ 4, 3, 1 };
	ops[1].src = pointer_operand(in, 20, 3);
	ops[1].dst = pointer_operand((void *)p, 0, 0);
	ops[1].extent = (CUextent3D){ 8, 2, 2 };
	ops[0].srcAccessOrder = ops[1].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_ANY;
	OK(cuMemcpy3DBatchAsync_v2(2, ops, 0, s));
	OK(cuStreamSynchronize(s));
	OK(cuMemcpyDtoH_v2(out, p, 32));
	for (int i = 0; i < 8; i++)
		assert_int_equal(out[i], in[i / 4][i / 2 % 2][i % 2]);
	OK(cuMemcpy2D_v2(&back));
	assert_int_equal(out[0], in[1][1][0]);
	assert_int_equal(out[3], in[1][1][3]);
	ops[1].extent.width = 21;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync(2, ops, &fail, 0, s));
	assert_int_equal(fail, 1);
	ops[0].extent.depth = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync(2, ops, &fail, 0, s));
	assert_int_equal(fail, 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync(2, ops, &fail, 1, s));
	assert_int_equal(fail, SIZE_MAX);
	OK(cuArrayDestroy(array));
}

static void copies_between_contexts(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p, q;
	CUcontext other;

	OK(cuMemAlloc_v2(&p, 64));
	OK(cuMemsetD32_v2(p, 5, 16));
	OK(cuCtxCreate_v4(&other, NULL, 0, 0));
	OK(cuMemAlloc_v2(&q, 64));
	OK(cuMemcpyPeer(q, other, p, f->ctx, 64));
	assert_int_equal(word_at(q + 60), 5);
	OK(cuMemcpyPeerAsync(p, f->ctx, q, other, 32, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyPeer(q, other, p, f->ctx, 65));
	OK(cuMemcpyPeer(q, NULL, p, f->ctx, 4));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemcpyPeer(q, (CUcontext)0x77, p, f->ctx, 4));
	OK(cuCtxDestroy_v2(other));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemcpyPeer(q, other, p, f->ctx, 4));
}

/* Opens the gate in a while. */
static void *open_later(void *gate)
{
	usleep(30000);
	open_gate(gate);
	return NULL;
}

static bool gate_is_open(struct fixture *f)
{
	return __atomic_load_n(f->gate.flag, __ATOMIC_SEQ_CST) == 1;
}

static void a_peer_copy_waits_for_both_contexts(void **state)
{
	struct fixture *f = *state;
	CUDA_MEMCPY3D_PEER box = { .srcMemoryType = CU_MEMORYTYPE_DEVICE, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
				   .WidthInBytes = 4, .Height = 1, .Depth = 1, .srcContext = f->ctx };
	CUcontext other;
	CUstream s;
	pthread_t t;

	OK(cuMemAlloc_v2(&box.srcDevice, 64));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuCtxCreate_v4(&other, NULL, 0, 0));
	box.dstContext = other;
	OK(cuMemAlloc_v2(&box.dstDevice, 64));
	OK(cuCtxPushCurrent_v2(f->ctx));
	close_gate(&f->gate, s);
	OK(put(&f->gate, box.srcDevice, 11, s));
	OK(cuCtxPopCurrent_v2(NULL));
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemcpy3DPeer(&box));
	assert_true(gate_is_open(f));
	assert_int_equal(word_at(box.dstDevice), 11);
	pthread_join(t, NULL);
	OK(cuCtxDestroy_v2(other));
}

static void calls_wait_when_the_host_could_tell(void **state)
{
	struct fixture *f = *state;
	unsigned int yes = 1;
	CUdeviceptr p, pinned, managed;
	pthread_t t;

	OK(cuMemAlloc_v2(&p, 4096));
	OK(cuMemAllocManaged(&managed, 4096, CU_MEM_ATTACH_GLOBAL));
	OK(cuMemHostAlloc((void **)&pinned, 4096, 0));
	close_gate(&f->gate, NULL);
	OK(cuMemsetD8_v2(p, 1, 4096));
	OK(cuMemcpyDtoD_v2(p, p + 2048, 16));
	assert_false(gate_is_open(f));
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemsetD32_v2(managed, 7, 1024));
	assert_true(gate_is_open(f));
	assert_int_equal(((uint32_t *)managed)[1023], 7);
	pthread_join(t, NULL);
	close_gate(&f->gate, NULL);
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemcpyDtoD_v2(pinned, managed, 4096));
	assert_int_equal(((uint32_t *)pinned)[1023], 7);
	assert_true(gate_is_open(f));
	pthread_join(t, NULL);
	OK(cuPointerSetAttribute(&yes, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p));
	yes = 0;
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p + 9));
	assert_int_equal(yes, 1);
	close_gate(&f->gate, NULL);
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemsetD8_v2(p, 1, 4096));
	assert_true(gate_is_open(f));
	pthread_join(t, NULL);
}

/* Page-locked memory. */

static void registered_memory_must_be_there(void **state)
{
	struct fixture *f = *state;
	char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CUdeviceptr q, dev;
	unsigned int flags;

	OK(cuMemAlloc_v2(&q, 4096));
	assert_int_equal(mprotect(p + 2 * 4096, 4096, PROT_NONE), 0);
	assert_int_equal(mprotect(p + 3 * 4096, 4096, PROT_READ), 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, 3 * 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p + 3 * 4096, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(NULL, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2((void *)4096, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, 0, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, SIZE_MAX, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, 64, 0x100));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2((void *)q, 64, 0));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemHostRegister_v2(p, 64, CU_MEMHOSTREGISTER_IOMEMORY));
	OK(cuMemHostRegister_v2(p + 12, 5000, CU_MEMHOSTREGISTER_DEVICEMAP));
	FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(p + 5000, 100, 0));
	FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(p, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(f->gate.flag, 64, 0));
	OK(cuMemHostRegister(p + 5012, 64, 0));
	OK(cuMemHostGetDevicePointer_v2(&dev, p + 16, 0));
	OK(put(&f->gate, dev, 0x01020304, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(p[16], 4);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostGetFlags(&flags, p + 16));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostGetDevicePointer_v2(&dev, p, 0));
	FAILS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(p + 12));
	/* Work that is queued may still use it. */
	close_gate(&f->gate, NULL);
	OK(put(&f->gate, dev, 9, NULL));
	open_gate(&f->gate);
	OK(cuMemHostUnregister(p + 12));
	assert_int_equal(p[16], 9);
	OK(cuMemHostUnregister(p + 5012));
	munmap(p, 4 * 4096);
}

static void read_only_memory_is_only_read(void **state)
{
	struct fixture *f = *state;
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CUdeviceptr at = (CUdeviceptr)(uintptr_t)p, q;
	void *params[] = { &at };
	unsigned int flags;

	OK(cuMemAlloc_v2(&q, 64));
	OK(cuMemHostRegister_v2(p, 4096, CU_MEMHOSTREGISTER_READ_ONLY));
	OK(cuPointerGetAttribute(&flags, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS, at));
	assert_int_equal(flags, CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ);
	OK(cuMemcpyHtoD_v2(q, p, 64));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(p, q, 64));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(at, 1, 4));
	/* A load, in a kernel that ends as soon as it sees another page. */
	mprotect(p, 4096, PROT_READ | PROT_WRITE);
	p[0] = 1;
	mprotect(p, 4096, PROT_READ);
	OK(cuLaunchKernel(f->gate.wait, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	OK(cuCtxSynchronize());
	OK(put(&f->gate, at, 1, NULL));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	munmap(p, 4096);
}

static void mappings_can_be_read_only(void **state)
{
	struct fixture *f = *state;
	CUmemAllocationProp prop = shareable();
	CUmemAccessDesc read = {
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
		.flags = CU_MEM_ACCESS_FLAGS_PROT_READ,
	};
	CUmemGenericAllocationHandle h;
	unsigned long long flags;
	CUdeviceptr p;

	OK(cuMemCreate(&h, 2 * MIB, &prop, 0));
	p = map_physical(h, 2 * MIB);
	OK(cuMemRelease(h));
	OK(put(&f->gate, p, 6, NULL));
	OK(cuMemSetAccess(p, 2 * MIB, &read, 1));
	OK(cuMemGetAccess(&flags, &read.location, p));
	assert_int_equal(flags, CU_MEM_ACCESS_FLAGS_PROT_READ);
	assert_int_equal(word_at(p), 6);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(p, &flags, 8));
	read.flags = 2;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemSetAccess(p, 2 * MIB, &read, 1));
	read.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	OK(cuMemSetAccess(p, 2 * MIB, &read, 1));
	OK(cuMemcpyHtoD_v2(p, &flags, 8));
	OK(cuMemUnmap(p, 2 * MIB));
	OK(cuMemAddressFree(p, 2 * MIB));
}

struct writer {
	CUcontext ctx;
	CUdeviceptr at;
	atomic_bool stop;
	atomic_uint nr_written;
};

/* What it may not write is refused; what it may is queued, and runs while the access changes. */
static void *keep_writing(void *arg)
{
	struct writer *w = arg;

	if (cuCtxSetCurrent(w->ctx))
		return NULL;
	while (!w->stop) {
		w->nr_written += !cuMemsetD8Async(w->at, 1, MIB / 2, NULL);
		if (w->nr_written % 32 == 0)
			cuStreamSynchronize(NULL);
	}
	return NULL;
}

static void access_changes_while_another_thread_writes(void **state)
{
	struct fixture *f = *state;
	CUmemAllocationProp prop = shareable();
	CUmemAccessDesc access = { .location = { .type = CU_MEM_LOCATION_TYPE_DEVICE } };
	static const int flags[] = { CU_MEM_ACCESS_FLAGS_PROT_NONE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
				     CU_MEM_ACCESS_FLAGS_PROT_READ, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemGenericAllocationHandle h;
	struct writer w = { .ctx = f->ctx };
	pthread_t t;

	OK(cuMemCreate(&h, 2 * MIB, &prop, 0));
	w.at = map_physical(h, 2 * MIB);
	OK(cuMemRelease(h));
	assert_int_equal(pthread_create(&t, NULL, keep_writing, &w), 0);
	for (unsigned int i = 0; i < 400 || w.nr_written < 400; i++) {
		access.flags = flags[i % 4];
		OK(cuMemSetAccess(w.at, 2 * MIB, &access, 1));
	}
	w.stop = true;
	pthread_join(t, NULL);
	OK(cuCtxSynchronize());
	OK(cuMemUnmap(w.at, 2 * MIB));
	OK(cuMemAddressFree(w.at, 2 * MIB));
}

/* Questions. */

static void every_question_has_an_answer(void **state)
{
	struct fixture *f = *state;
	CUpointer_attribute attrs[CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE];
	uint64_t values[CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE + 1];
	void *data[CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE];
	CUdeviceptr p, garbage[] = { 0, 1, 0x1234567, (CUdeviceptr)(uintptr_t)&p, ~0ull };
	int nr = 0;

	for (int a = 1; a <= CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE; a++) {
		if (a == CU_POINTER_ATTRIBUTE_P2P_TOKENS)
			continue;
		attrs[nr] = a;
		data[nr++] = &values[a];
	}
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		memset(values, 0, sizeof(values));
		values[CU_POINTER_ATTRIBUTE_CONTEXT] = ~0ull;
		OK(cuPointerGetAttributes(nr, attrs, data, garbage[i]));
		assert_int_equal(values[CU_POINTER_ATTRIBUTE_CONTEXT], 0);
		assert_int_equal((int)values[CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL],
				 CU_DEVICE_INVALID);
		assert_int_equal(values[CU_POINTER_ATTRIBUTE_MAPPED], 0);
		for (int a = 0; a < nr; a++)
			FAILS(CUDA_ERROR_INVALID_VALUE,
			      cuPointerGetAttribute(&values[0], attrs[a], garbage[i]));
	}
	OK(cuMemAlloc_v2(&p, 1000));
	memset(values, 0, sizeof(values));
	OK(cuPointerGetAttributes(nr, attrs, data, p + 10));
	assert_ptr_equal(values[CU_POINTER_ATTRIBUTE_CONTEXT], f->ctx);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MEMORY_TYPE], CU_MEMORYTYPE_DEVICE);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_DEVICE_POINTER], p + 10);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_START_ADDR], p);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_SIZE], 1000);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MAPPED], 1);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE], 1);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE], 0);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL], 0);
	assert_true(values[CU_POINTER_ATTRIBUTE_BUFFER_ID] != 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(values, 999, p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(NULL, 2, p));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuPointerGetAttribute(values, CU_POINTER_ATTRIBUTE_HOST_POINTER, p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerSetAttribute(&nr, 2, p));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuPointerSetAttribute(&nr, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, 0x1000));
	/* Reserved addresses are a range, too, of which some may be mapped. */
	OK(cuMemAddressReserve(&p, 4 * MIB, 0, 0, 0));
	OK(cuPointerGetAttributes(nr, attrs, data, p + 3 * MIB));
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_START_ADDR], p);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_SIZE], 4 * MIB);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MAPPED], 0);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_ACCESS_FLAGS], 0);
	OK(cuMemAddressFree(p, 4 * MIB));
}

static void what_is_not_there_says_so(void **state)
{
	unsigned long long handle;
	CUdeviceptr p;

	(void)state;
	OK(cuMemAlloc_v2(&p, 4096));
	FAILS(CUDA_ERROR_NOT_SUPPORTED,
	      cuMemGetHandleForAddressRange(&handle, p, 4096, CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD,
					    0));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemMapArrayAsync(NULL, 0, NULL));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMulticastCreate(&handle, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(managed_memory_is_for_host_and_kernels),
		CASE(advice_is_kept_by_page),
		CASE(prefetches_are_checked_and_remembered),
		CASE(variables_can_be_managed),
		CASE(batches_of_copies_are_checked_as_a_whole),
		CASE(batches_of_boxes_reach_pointers_and_arrays),
		CASE(copies_between_contexts),
		CASE(a_peer_copy_waits_for_both_contexts),
		CASE(calls_wait_when_the_host_could_tell),
		CASE(registered_memory_must_be_there),
		CASE(read_only_memory_is_only_read),
		CASE(mappings_can_be_read_only),
		CASE(access_changes_while_another_thread_writes),
		CASE(every_question_has_an_answer),
		CASE(what_is_not_there_says_so),
	};

	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
