/* SPDX-License-Identifier: MIT */
/*
 * softgpu_driver_test.c - softgpu's driver side through its public calls
 */
#include "softgpu_driver_bench.h"

#include <sys/wait.h>

static void device_describes_itself(void **state)
{
	char name[16], bus[16];
	int n, major, minor;
	size_t total, free_bytes, free_after;
	CUdeviceptr p;
	CUdevice dev;
	CUuuid uuid;

	(void)state;
	OK(cuDriverGetVersion(&n));
	assert_int_equal(n, 13000);
	OK(cuDeviceGetCount(&n));
	assert_int_equal(n, 1);
	OK(cuDeviceGet(&dev, 0));
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&dev, 1));
	OK(cuDeviceGetName(name, sizeof(name), 0));
	assert_string_equal(name, "softgpu");
	OK(cuDeviceGetName(name, 4, 0));
	assert_string_equal(name, "sof");
	OK(cuDeviceGetPCIBusId(bus, sizeof(bus), 0));
	OK(cuDeviceGetByPCIBusId(&dev, bus));
	OK(cuDeviceGetUuid_v2(&uuid, 0));
	OK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
	OK(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0));
	assert_int_equal(major * 10 + minor, 75);
	for (int a = 1; a < CU_DEVICE_ATTRIBUTE_MAX; a++)
		OK(cuDeviceGetAttribute(&n, a, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_MAX, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&n, -1, 0));
	OK(cuMemGetInfo(&free_bytes, &total));
	OK(cuMemAlloc(&p, 3 * MIB));
	OK(cuMemGetInfo(&free_after, NULL));
	assert_int_equal(free_bytes - free_after, 3 * MIB);
	OK(cuMemFree(p));
	OK(cuMemGetInfo(&free_after, NULL));
	assert_int_equal(free_bytes, free_after);
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&p, total + 1));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&p, SIZE_MAX));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAlloc(&p, 0));
}

static void vectors_are_added(void **state)
{
	struct fixture *f = *state;
	enum { N = 1000 };
	float a[N], b[N], c[N];
	CUdeviceptr d[3];
	uint32_t n = N;
	void *params[] = { &d[0], &d[1], &d[2], &n };
	struct { CUdeviceptr p[3]; uint32_t n; } block;
	size_t block_size = sizeof(block);
	void *extra[] = {
		CU_LAUNCH_PARAM_BUFFER_POINTER,
		&block,
		CU_LAUNCH_PARAM_BUFFER_SIZE,
		&block_size,
		CU_LAUNCH_PARAM_END,
	};

	for (int i = 0; i < N; i++) {
		a[i] = i;
		b[i] = 2 * i;
	}
	for (int i = 0; i < 3; i++)
		OK(cuMemAlloc(&d[i], sizeof(a)));
	OK(cuMemcpyHtoD(d[0], a, sizeof(a)));
	OK(cuMemcpyHtoD(d[1], b, sizeof(b)));
	OK(cuLaunchKernel(f->add, 4, 1, 1, 256, 1, 1, 0, NULL, params, NULL));
	OK(cuMemcpyDtoH(c, d[2], sizeof(c)));
	for (int i = 0; i < N; i++)
		assert_true(c[i] == 3 * i);
	/* The packed form, without the padding at the end. */
	memcpy(block.p, d, sizeof(d));
	block.n = N;
	block_size = 28;
	OK(cuMemsetD8(d[2], 0xff, sizeof(c)));
	OK(cuLaunchKernel(f->add, 4, 1, 1, 256, 1, 1, 0, NULL, NULL, extra));
	OK(cuMemcpyDtoH(c, d[2], sizeof(c)));
	for (int i = 0; i < N; i++)
		assert_true(c[i] == 3 * i);
	/* what it leaves out is 0: here the count */
	block_size = 24;
	OK(cuMemsetD8(d[2], 0xff, sizeof(c)));
	OK(cuLaunchKernel(f->add, 4, 1, 1, 256, 1, 1, 0, NULL, NULL, extra));
	OK(cuMemcpyDtoH(c, d[2], sizeof(c)));
	assert_int_equal(*(unsigned char *)c, 0xff);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuLaunchKernel(f->add, 4, 1, 1, 256, 1, 1, 0, NULL, params, extra));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuLaunchKernel(f->add, 4, 1, 1, 256, 1, 1, 0, NULL, NULL, NULL));
}

static void atomics_count_every_thread(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;

	OK(cuMemAlloc(&p, 4));
	assert_int_equal(word_at(p), 0);
	OK(launch1(f->gate.count, 64, 128, NULL, &p));
	OK(launch1(f->gate.count, 3, 33, NULL, &p));
	assert_int_equal(word_at(p), 64 * 128 + 3 * 33);
}

static void launch_geometry_is_checked(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	void *params[] = { &p };
	static const unsigned int bad[][7] = {
		{ 0, 1, 1, 1, 1, 1, 0 },     { 1, 0, 1, 1, 1, 1, 0 },
		{ 1, 1, 0, 1, 1, 1, 0 },     { 1, 1, 1, 0, 1, 1, 0 },
		{ 1, 1, 1, 1, 0, 1, 0 },     { 1, 1, 1, 1, 1, 0, 0 },
		{ 1, 1, 1, 1025, 1, 1, 0 },  { 1, 1, 1, 32, 33, 1, 0 },
		{ 1, 1, 1, 1, 1, 65, 0 },    { 0x80000000, 1, 1, 1, 1, 1, 0 },
		{ 1, 65536, 1, 1, 1, 1, 0 }, { 1, 1, 65536, 1, 1, 1, 0 },
		{ 1, 1, 1, 1, 1, 1, 49153 }, { 1, 1, 1, 65536, 65536, 1, 0 },
	};
	uint32_t one = 1;
	int cooperative;

	OK(cuMemAlloc(&p, 4));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const unsigned int *b = bad[i];

		FAILS(CUDA_ERROR_INVALID_VALUE,
		      cuLaunchKernel(f->gate.count, b[0], b[1], b[2], b[3], b[4], b[5], b[6], NULL,
				     params, NULL));
	}
	/* Beyond 48 KiB a function has to ask first. */
	OK(cuFuncSetAttribute(f->gate.count, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000));
	OK(cuLaunchKernel(f->gate.count, 1, 1, 1, 1, 1, 1, 60000, NULL, params, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuFuncSetAttribute(f->gate.count, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 70000));
	FAILS(CUDA_ERROR_INVALID_VALUE, launch1(f->bump, 1, 65, NULL, &one));
	OK(launch1(f->bump, 1, 64, NULL, &one));
	OK(cuDeviceGetAttribute(&cooperative, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 0));
	FAILS(cooperative ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE : CUDA_ERROR_NOT_SUPPORTED,
	      cuLaunchCooperativeKernel(f->gate.count, 1 << 20, 1, 1, 1, 1, 1, 0, NULL, params));
	OK(cuCtxSynchronize());
	assert_int_equal(word_at(p), 1);
}

static void functions_describe_their_parameters(void **state)
{
	struct fixture *f = *state;
	static const size_t offsets[] = { 0, 8, 16, 24 }, sizes[] = { 8, 8, 8, 4 };
	unsigned int count;
	CUfunction all[8];
	const char *name;
	size_t o, n;
	int v;

	for (size_t i = 0; i < 4; i++) {
		OK(cuFuncGetParamInfo(f->add, i, &o, &n));
		assert_int_equal(o, offsets[i]);
		assert_int_equal(n, sizes[i]);
	}
	FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncGetParamInfo(f->add, 4, &o, &n));
	OK(cuFuncGetName(&name, f->add));
	assert_string_equal(name, "add");
	OK(cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, f->bump));
	assert_int_equal(v, 64);
	for (int a = 0; a < CU_FUNC_ATTRIBUTE_MAX; a++)
		OK(cuFuncGetAttribute(&v, a, f->add));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_MAX, f->add));
	OK(cuModuleGetFunctionCount(&count, f->mod));
	assert_int_equal(count, 5);
	OK(cuModuleEnumerateFunctions(all, 8, f->mod));
	for (unsigned int i = 0; i < count; i++)
		OK(cuFuncGetName(&name, all[i]));
	FAILS(CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&all[0], f->mod, "nonesuch"));
}

static void globals_are_initialised_and_shared_with_kernels(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	uint32_t v = 5, t[4];
	size_t n;

	OK(cuModuleGetGlobal(&p, &n, f->mod, "counter"));
	assert_int_equal(n, 4);
	assert_int_equal(word_at(p), 7);
	OK(launch1(f->bump, 1, 1, NULL, &v));
	assert_int_equal(word_at(p), 12);
	OK(cuModuleGetGlobal(&p, NULL, f->mod, "table"));
	OK(cuMemcpyDtoH(t, p, sizeof(t)));
	assert_int_equal(t[3], 4);
	FAILS(CUDA_ERROR_NOT_FOUND, cuModuleGetGlobal(&p, &n, f->mod, "nonesuch"));
}

static void copies_out_of_bounds_are_refused(void **state)
{
	char buf[64] = "";
	CUdeviceptr p, reserved;

	(void)state;
	OK(cuMemAlloc(&p, 64));
	OK(cuMemcpyHtoD(p, buf, 64));
	OK(cuMemcpyHtoD(p + 64, buf, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(p, buf, 65));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(p + 1, buf, 64));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(p - 1, buf, 2));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(0, buf, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(p, NULL, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(p, buf, SIZE_MAX));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(buf, (uintptr_t)buf, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoD(p, p + 32, 33));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8(p, 0, 65));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD32(p + 2, 0, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD32(p, 0, SIZE_MAX / 2));
	OK(cuMemAddressReserve(&reserved, 2 * MIB, 0, 0, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy(p, reserved, 4));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(p, (void *)(uintptr_t)reserved, 4));
	OK(cuMemAddressFree(reserved, 2 * MIB));
	OK(cuMemFree(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(p, buf, 1));
	OK(cuMemFree(0));
}

static void fills_and_rectangles(void **state)
{
	uint16_t half[4];
	uint32_t row[4];
	unsigned char out[3 * 5];
	CUDA_MEMCPY2D c = { 0 };
	CUdeviceptr p;
	size_t pitch;

	(void)state;
	OK(cuMemAllocPitch(&p, &pitch, 20, 4, 4));
	assert_true(pitch >= 20 && pitch % 512 == 0);
	OK(cuMemsetD2D8(p, pitch, 0x11, 20, 4));
	OK(cuMemsetD2D8(p + pitch + 3, pitch, 0x22, 5, 2));
	c.srcMemoryType = CU_MEMORYTYPE_DEVICE;
	c.srcDevice = p;
	c.srcPitch = pitch;
	c.srcXInBytes = 2;
	c.srcY = 0;
	c.dstMemoryType = CU_MEMORYTYPE_HOST;
	c.dstHost = out;
	c.dstPitch = 5;
	c.WidthInBytes = 5;
	c.Height = 3;
	OK(cuMemcpy2D(&c));
	assert_int_equal(out[4], 0x11);
	assert_int_equal(out[5], 0x11);
	assert_int_equal(out[6], 0x22);
	assert_int_equal(out[14], 0x22);
	c.Height = 5;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D(&c));
	c.Height = 3;
	c.dstPitch = 4;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2DUnaligned(&c));
	c.dstPitch = 5;
	c.srcMemoryType = CU_MEMORYTYPE_ARRAY;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D(&c));
	OK(cuMemsetD16(p, 0x1234, 4));
	OK(cuMemcpyDtoH(half, p, sizeof(half)));
	assert_int_equal(half[3], 0x1234);
	OK(cuMemsetD32Async(p, 0xdeadbeef, 4, CU_STREAM_PER_THREAD));
	OK(cuMemcpyDtoH(row, p, sizeof(row)));
	assert_int_equal(row[3], 0xdeadbeef);
	OK(cuMemsetD2D32(p, pitch, 7, 2, 2));
	assert_int_equal(word_at(p + pitch + 4), 7);
	assert_int_equal(word_at(p + pitch + 8), 0x11111111);
}

static CUmemAllocationProp on_device(void)
{
	CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED };

	prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	return prop;
}

static void mapped_memory_is_device_memory(void **state)
{
	struct fixture *f = *state;
	CUmemAllocationProp prop = on_device();
	CUmemAccessDesc rw = { prop.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemGenericAllocationHandle h[2];
	size_t g, before, after;
	CUdeviceptr va, hint;
	char buf[4] = "abc";

	OK(cuMemGetAllocationGranularity(&g, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	assert_int_equal(g, 2 * MIB);
	OK(cuMemAddressReserve(&hint, 8 * MIB, 0, 0, 0));
	OK(cuMemAddressFree(hint, 8 * MIB));
	OK(cuMemAddressReserve(&va, 8 * MIB, 0, hint, 0));
	assert_int_equal(va, hint);
	OK(cuMemGetInfo(&before, NULL));
	OK(cuMemCreate(&h[0], 2 * MIB, &prop, 0));
	OK(cuMemCreate(&h[1], 4 * MIB, &prop, 0));
	OK(cuMemGetInfo(&after, NULL));
	assert_int_equal(before - after, 6 * MIB);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemCreate(&h[1], MIB, &prop, 0));
	OK(cuMemMap(va, 2 * MIB, 0, h[0], 0));
	OK(cuMemMap(va + 2 * MIB, 4 * MIB, 0, h[1], 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemMap(va + 4 * MIB, 2 * MIB, 0, h[0], 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemMap(va + 8 * MIB, 2 * MIB, 0, h[0], 0));
	/* Mapped, but nobody may touch it yet. */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(va, buf, 4));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemSetAccess(va, 8 * MIB, &rw, 1));
	OK(cuMemSetAccess(va, 6 * MIB, &rw, 1));
	/* Across the border of the two mappings. */
	OK(cuMemsetD8(va, 0x5a, 6 * MIB));
	OK(cuMemcpyHtoD(va + 2 * MIB - 2, buf, 4));
	OK(put(&f->gate, va + 6 * MIB - 4, 77, NULL));
	assert_int_equal(word_at(va + 6 * MIB - 4), 77);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(va + 6 * MIB - 2, buf, 4));
	/* The handle may go; the memory stays with its mapping. */
	OK(cuMemRelease(h[0]));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemRelease(h[0]));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemUnmap(va, MIB * 3));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(va, 8 * MIB));
	OK(cuMemUnmap(va, 2 * MIB));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(va, buf, 4));
	OK(cuMemUnmap(va + 2 * MIB, 4 * MIB));
	OK(cuMemMap(va, 4 * MIB, 0, h[1], 0));
	OK(cuMemSetAccess(va, 4 * MIB, &rw, 1));
	assert_int_equal(word_at(va + 4 * MIB - 4), 77);
	OK(cuMemUnmap(va, 4 * MIB));
	OK(cuMemRelease(h[1]));
	OK(cuMemAddressFree(va, 8 * MIB));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(va, 8 * MIB));
	OK(cuMemGetInfo(&after, NULL));
	assert_int_equal(before, after);
}

static void a_taken_hint_gives_another_place(void **state)
{
	CUdeviceptr a, b;

	(void)state;
	OK(cuMemAddressReserve(&a, 4 * MIB, 0, 0, 0));
	OK(cuMemAddressReserve(&b, 4 * MIB, 4 * MIB, a, 0));
	assert_true(a != b && b % (4 * MIB) == 0);
	OK(cuMemAddressFree(a, 4 * MIB));
	OK(cuMemAddressFree(b, 4 * MIB));
}

static void pointers_know_what_they_are(void **state)
{
	struct fixture *f = *state;
	unsigned int type = 0;
	CUdeviceptr p, base;
	CUcontext ctx;
	size_t size;
	char *host = malloc(8192);
	int ordinal;
	CUpointer_attribute attrs[] = { CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
					CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL };
	void *data[] = { &type, &ordinal };

	OK(cuMemAlloc(&p, 100));
	OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p + 99));
	assert_int_equal(type, CU_MEMORYTYPE_DEVICE);
	OK(cuPointerGetAttribute(&ctx, CU_POINTER_ATTRIBUTE_CONTEXT, p));
	assert_ptr_equal(ctx, f->ctx);
	OK(cuMemGetAddressRange(&base, &size, p + 50));
	assert_int_equal(base, p);
	assert_int_equal(size, 100);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
				    (CUdeviceptr)(uintptr_t)host));
	OK(cuPointerGetAttributes(2, attrs, data, (CUdeviceptr)(uintptr_t)host));
	assert_int_equal(type, 0);
	assert_int_equal(ordinal, CU_DEVICE_INVALID);
	OK(cuMemHostRegister(host, 8192, 0));
	FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister(host + 10, 10, 0));
	OK(cuMemHostGetDevicePointer(&base, host + 1, 0));
	OK(put(&f->gate, (CUdeviceptr)(uintptr_t)host & ~3ull, 0x41414141, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(host[0], 0x41);
	OK(cuMemHostUnregister(host));
	FAILS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(host));
	free(host);
}

static void stream_ordered_allocations(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	CUstream s;

	OK(cuStreamCreate(&s, 0));
	OK(cuMemAllocAsync(&p, 4, s));
	close_gate(&f->gate, s);
	OK(put(&f->gate, p, 3, s));
	OK(cuMemFreeAsync(p, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoDAsync(p, &(int){ 0 }, 4, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree(p));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(p, s));
}

static void garbage_handles_are_refused(void **state)
{
	struct fixture *f = *state;
	void *garbage[] = {
		(void *)3, (void *)0x1234, (void *)-1, (void *)0x7fffffffffff, f, f->gate.flag, f->ctx,
		(void *)((uintptr_t)f->mod ^ 0x100000000), (void *)((uintptr_t)f->add + 16),
	};
	CUfunction fn;
	CUdeviceptr p;
	CUevent e;
	size_t n;
	int v;

	OK(cuEventCreate(&e, 0));
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		void *g = garbage[i];

		FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(g));
		FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamDestroy(g));
		FAILS(CUDA_ERROR_INVALID_CONTEXT, cuEventRecord(g, NULL));
		FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventRecord(e, g));
		FAILS(CUDA_ERROR_INVALID_CONTEXT, cuEventDestroy(g));
		FAILS(CUDA_ERROR_INVALID_HANDLE, cuModuleGetFunction(&fn, g, "add"));
		FAILS(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(g));
		FAILS(CUDA_ERROR_INVALID_HANDLE, launch1(g, 1, 1, NULL, &p));
		FAILS(CUDA_ERROR_INVALID_HANDLE, cuFuncGetAttribute(&v, 0, g));
		FAILS(CUDA_ERROR_INVALID_HANDLE, cuLibraryUnload(g));
		FAILS(CUDA_ERROR_INVALID_HANDLE, cuKernelGetFunction(&fn, g));
		FAILS(CUDA_ERROR_INVALID_VALUE, cuMemRelease((uintptr_t)g));
		if (g == f->ctx)
			continue;
		/* What could be the address of a context is taken for one that was. */
		if (g == f || g == f->gate.flag) {
			OK(cuCtxPushCurrent(g));
			FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxSynchronize());
			FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxDestroy(g));
			OK(cuCtxPopCurrent(NULL));
		} else {
			FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxSetCurrent(g));
			FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxPushCurrent(g));
			FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(g));
		}
	}
	/* Stale ones. */
	OK(cuEventDestroy(e));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventDestroy(e));
	OK(cuModuleUnload(f->mod));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(f->mod));
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1(f->gate.count, 1, 1, NULL, &p));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuModuleGetGlobal(&p, &n, f->mod, "counter"));
}

static void contexts_stack_and_end(void **state)
{
	struct fixture *f = *state;
	CUcontext other, cur;
	CUdeviceptr p;
	size_t before, after;
	CUstream s;
	CUdevice dev;

	OK(cuMemGetInfo(&before, NULL));
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuCtxGetCurrent(&cur));
	assert_ptr_equal(cur, other);
	OK(cuMemAlloc(&p, MIB));
	OK(cuStreamCreate(&s, 0));
	OK(cuMemsetD8Async(p, 1, MIB, s));
	OK(cuCtxPopCurrent(&cur));
	assert_ptr_equal(cur, other);
	OK(cuCtxGetDevice(&dev));
	/* Memory is set in any stream; other work is not for other contexts' ones. */
	OK(cuMemsetD8Async(p, 1, 1, s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamWriteValue32(s, p, 1, 0));
	OK(cuStreamSynchronize(s));
	OK(cuCtxPushCurrent(other));
	OK(cuCtxPushCurrent(f->ctx));
	OK(cuCtxDestroy(other));		/* below the top of the stack */
	OK(cuCtxPopCurrent(NULL));
	FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemAlloc(&p, 4));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(other));
	OK(cuCtxPopCurrent(NULL));
	OK(cuCtxGetCurrent(&cur));
	assert_ptr_equal(cur, f->ctx);
	OK(cuMemGetInfo(&after, NULL));
	assert_int_equal(before, after);
	FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuStreamSynchronize(s));
	OK(cuCtxPopCurrent(NULL));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxPopCurrent(&cur));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc(&p, 4));
	OK(cuCtxSetCurrent(f->ctx));
}

static void primary_context_lives_while_retained(void **state)
{
	struct fixture *f = *state;
	CUcontext p, again;
	unsigned int flags;
	CUdeviceptr d;
	int active;

	OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
	assert_int_equal(active, 0);
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(0));
	OK(cuDevicePrimaryCtxRetain(&p, 0));
	OK(cuDevicePrimaryCtxRetain(&again, 0));
	assert_ptr_equal(p, again);
	OK(cuCtxSetCurrent(p));
	OK(cuMemAlloc(&d, 4));
	OK(cuMemsetD32(d, 1, 1));
	OK(cuDevicePrimaryCtxReset(0));
	FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemFree(d));
	OK(cuDevicePrimaryCtxRetain(&again, 0));
	assert_ptr_equal(p, again);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree(d));
	OK(cuMemAlloc(&d, 4));
	for (int i = 0; i < 3; i++)
		OK(cuDevicePrimaryCtxRelease(0));
	OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
	assert_int_equal(active, 0);
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(p));
	OK(cuCtxSetCurrent(f->ctx));
}

static void occupancy_follows_the_limits(void **state)
{
	struct fixture *f = *state;
	int blocks, grid, block;
	size_t shared;

	/* Compute capability 7.5: 1,024 threads, 16 blocks, 64 KiB of shared memory. */
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f->add, 1024, 0));
	assert_int_equal(blocks, 1);
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f->add, 32, 0));
	assert_int_equal(blocks, 16);
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f->add, 32, 20000));
	assert_int_equal(blocks, 3);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f->add, 0, 0));
	OK(cuOccupancyMaxPotentialBlockSize(&grid, &block, f->add, NULL, 0, 0));
	assert_int_equal(block, 1024);
	assert_true(grid >= 1);
	OK(cuOccupancyMaxPotentialBlockSize(&grid, &block, f->bump, NULL, 0, 0));
	assert_int_equal(block, 64);
	OK(cuOccupancyAvailableDynamicSMemPerBlock(&shared, f->add, 4, 256));
	assert_int_equal(shared, 16384);
}

static void a_forked_child_is_told(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		size_t n;

		_exit(cuMemGetInfo(&n, &n) == CUDA_ERROR_NOT_INITIALIZED &&
				      cuInit(0) == CUDA_ERROR_NOT_INITIALIZED
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void entry_points_by_name_and_version(void **state)
{
	CUresult (*first)(const char *, void **, int, cuuint64_t);
	CUdriverProcAddressQueryResult q;
	void *a, *b;

	(void)state;
	OK(cuGetProcAddress_v2("cuCtxGetDevice", &a, 12000, 0, NULL));
	OK(cuGetProcAddress_v2("cuCtxGetDevice", &b, 13000, 0, &q));
	assert_int_equal(q, CU_GET_PROC_ADDRESS_SUCCESS);
	assert_true(a && b && a != b);
	OK(cuGetProcAddress_v2("cuStreamSynchronize", &a, 13000, 0, NULL));
	OK(cuGetProcAddress_v2("cuStreamSynchronize", &b, 13000,
			       CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, NULL));
	assert_true(a && b && a != b);
	OK(cuGetProcAddress_v2("", &a, 0, 0, &q));
	assert_int_equal(q, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	assert_null(a);
	a = &q;
	OK(cuGetProcAddress_v2("cuStreamGetDevice", &a, 12000, 0, &q));
	assert_int_equal(q, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
	assert_null(a);
	OK(cuGetProcAddress_v2("cuGetProcAddress", (void **)&first, 11030, 0, NULL));
	FAILS(CUDA_ERROR_NOT_FOUND, first("cuNoSuchThing", &a, 11030, 0));
}

static void errors_have_names(void **state)
{
	const char *s;

	(void)state;
	OK(cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &s));
	assert_string_equal(s, "CUDA_ERROR_ILLEGAL_ADDRESS");
	OK(cuGetErrorString(CUDA_ERROR_UNKNOWN, &s));
	assert_non_null(s);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorName(12345, &s));
	assert_null(s);
}

static void nothing_works_before_init(void **state)
{
	CUcontext ctx;
	int n;

	(void)state;
	FAILS(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&n));
	FAILS(CUDA_ERROR_NOT_INITIALIZED, cuCtxCreate(&ctx, NULL, 0, 0));
	FAILS(CUDA_ERROR_NOT_INITIALIZED, cuStreamSynchronize(NULL));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamDestroy(NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuInit(1));
}

/* 0: the driver, started with these settings, says what they say. */
static int settings_child(const char *sm, const char *memory)
{
	CUdeviceptr p;
	CUcontext ctx;
	size_t total;
	int major;

	setenv("SOFTGPU_SM", sm, 1);
	setenv("SOFTGPU_MEMORY", memory, 1);
	if (cuInit(0) != CUDA_SUCCESS)
		return 2;
	if (cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0) ||
	    major != sm[0] - '0')
		return 3;
	if (cuDeviceTotalMem(&total, 0) || total != 64 * MIB || cuCtxCreate(&ctx, NULL, 0, 0))
		return 4;
	if (cuMemAlloc(&p, 65 * MIB) != CUDA_ERROR_OUT_OF_MEMORY || cuMemAlloc(&p, 64 * MIB))
		return 5;
	return cuMemAlloc(&p, 1) == CUDA_ERROR_OUT_OF_MEMORY ? 0 : 6;
}

static int in_child(const char *sm, const char *memory)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(settings_child(sm, memory));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void settings_come_from_the_environment(void **state)
{
	(void)state;
	assert_int_equal(in_child("75", "64M"), 0);
	assert_int_equal(in_child("80", "65536k"), 0);
	assert_int_equal(in_child("90", "67108864"), 0);
	assert_int_equal(in_child("70", "64M"), 2);
	assert_int_equal(in_child("75", "64Q"), 2);
	assert_int_equal(in_child("75", "-1"), 2);
	assert_int_equal(in_child("75", "99999999999999999999G"), 2);
	assert_int_equal(in_child("75", "1"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* These two have to be first. */
		cmocka_unit_test(nothing_works_before_init),
		cmocka_unit_test(settings_come_from_the_environment),
		CASE(device_describes_itself),
		CASE(vectors_are_added),
		CASE(atomics_count_every_thread),
		CASE(launch_geometry_is_checked),
		CASE(functions_describe_their_parameters),
		CASE(globals_are_initialised_and_shared_with_kernels),
		CASE(copies_out_of_bounds_are_refused),
		CASE(fills_and_rectangles),
		CASE(mapped_memory_is_device_memory),
		CASE(a_taken_hint_gives_another_place),
		CASE(pointers_know_what_they_are),
		CASE(stream_ordered_allocations),
		CASE(garbage_handles_are_refused),
		CASE(contexts_stack_and_end),
		CASE(primary_context_lives_while_retained),
		CASE(occupancy_follows_the_limits),
		CASE(a_forked_child_is_told),
		CASE(entry_points_by_name_and_version),
		CASE(errors_have_names),
	};

	set_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
