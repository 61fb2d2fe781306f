/* SPDX-License-Identifier: MIT */
/*
 * softgpu_driver_test.c - softgpu's driver side through its public calls
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cuda.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OK(call)	assert_int_equal((call), CUDA_SUCCESS)
#define FAILS(r, call)	assert_int_equal((call), (r))

#define MIB		((size_t)1 << 20)

#include "softgpu_gate.h"

static const char ptx[] =
	"\n\n.version 7.0\n.target sm_75\n.address_size 64\n"
	".visible .global .align 4 .u32 counter = 7;\n"
	".const .align 4 .b32 table[4] = {1, 2, 3, 4};\n"
	/* c[i] = a[i] + b[i] */
	".visible .entry add(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u32 pn)\n"
	"{\n"
	"	.reg .pred %p<2>; .reg .f32 %f<4>; .reg .b32 %r<6>; .reg .b64 %rd<10>;\n"
	"	ld.param.u64 %rd1, [pa]; ld.param.u64 %rd2, [pb]; ld.param.u64 %rd3, [pc]; "
	"ld.param.u32 %r1, [pn];\n"
	"	mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;\n"
	"	mad.lo.s32 %r5, %r2, %r3, %r4;\n"
	"	setp.ge.u32 %p1, %r5, %r1;\n"
	"	@%p1 bra DONE;\n"
	"	mul.wide.u32 %rd4, %r5, 4;\n"
	"	add.s64 %rd5, %rd1, %rd4; add.s64 %rd6, %rd2, %rd4; add.s64 %rd7, %rd3, %rd4;\n"
	"	ld.global.f32 %f1, [%rd5]; ld.global.f32 %f2, [%rd6];\n"
	"	add.f32 %f3, %f1, %f2;\n"
	"	st.global.f32 [%rd7], %f3;\n"
	"DONE:	ret;\n"
	"}\n"
	GATE_PTX
	/* counter += v, a global of the module */
	".visible .entry bump(.param .u32 pv)\n"
	".maxntid 64, 1, 1\n"
	"{\n"
	"	.reg .b32 %r<3>; .reg .b64 %rd<2>;\n"
	"	ld.param.u32 %r1, [pv];\n"
	"	mov.u64 %rd1, counter;\n"
	"	atom.global.add.u32 %r2, [%rd1], %r1;\n"
	"	ret;\n"
	"}\n";

struct fixture {
	CUcontext ctx;
	CUmodule mod;
	CUfunction add, bump;
	struct gate gate;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	OK(cuInit(0));
	OK(cuCtxCreate(&f->ctx, NULL, 0, 0));
	OK(cuModuleLoadData(&f->mod, ptx));
	OK(cuModuleGetFunction(&f->add, f->mod, "add"));
	OK(cuModuleGetFunction(&f->bump, f->mod, "bump"));
	gate_init(&f->gate, f->mod);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	__atomic_store_n(f->gate.flag, 1, __ATOMIC_SEQ_CST);
	OK(cuCtxDestroy(f->ctx));
	free(f);
	return 0;
}

static CUresult launch1(CUfunction fn, unsigned int blocks, unsigned int threads, CUstream s,
			void *arg)
{
	void *params[] = { arg };

	return cuLaunchKernel(fn, blocks, 1, 1, threads, 1, 1, 0, s, params, NULL);
}

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ 0, ms * 1000000l }, NULL);
}

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

static void streams_run_without_the_caller(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	CUstream s;

	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuStreamQuery(s));
	close_gate(&f->gate, s);
	OK(put(&f->gate, p, 11, s));
	pause_ms(5);
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(s));
	/* A non-blocking stream holds nobody else up. */
	assert_int_equal(word_at(p), 0);
	open_gate(&f->gate);
	OK(cuStreamSynchronize(s));
	OK(cuStreamQuery(s));
	assert_int_equal(word_at(p), 11);
	/* Destroying returns at once, and what is queued still runs. */
	close_gate(&f->gate, s);
	OK(put(&f->gate, p, 12, s));
	OK(cuStreamDestroy(s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, put(&f->gate, p, 13, s));
	open_gate(&f->gate);
	OK(cuCtxSynchronize());
	assert_int_equal(word_at(p), 12);
}

static void legacy_stream_orders_blocking_streams(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	CUstream a, b;

	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&a, 0));
	OK(cuStreamCreate(&b, 0));
	/* a, then the legacy stream, then b: each waits for the one before. */
	close_gate(&f->gate, a);
	OK(put(&f->gate, p, 1, a));
	OK(put(&f->gate, p, 2, NULL));
	OK(put(&f->gate, p, 3, b));
	pause_ms(10);
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(b));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(b));
	assert_int_equal(word_at(p), 3);
	/* Without work of its own a stream is done, whatever the legacy stream does. */
	close_gate(&f->gate, NULL);
	OK(cuStreamQuery(a));
	OK(cuStreamSynchronize(a));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(NULL));
	/* The thread's own stream is a blocking one. */
	close_gate(&f->gate, CU_STREAM_PER_THREAD);
	OK(put(&f->gate, p, 4, CU_STREAM_LEGACY));
	pause_ms(5);
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(CU_STREAM_LEGACY));
	open_gate(&f->gate);
	assert_int_equal(word_at(p), 4);
}

static void events_order_and_time(void **state)
{
	struct fixture *f = *state;
	CUevent start, end, untimed, never;
	CUdeviceptr p;
	CUstream a, b;
	float ms;

	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&start, 0));
	OK(cuEventCreate(&end, CU_EVENT_BLOCKING_SYNC));
	OK(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	OK(cuEventCreate(&never, 0));
	OK(cuEventQuery(never));
	OK(cuEventSynchronize(never));
	OK(cuEventRecord(start, a));
	close_gate(&f->gate, a);
	OK(put(&f->gate, p, 1, a));
	OK(cuEventRecord(end, a));
	OK(cuEventRecord(untimed, a));
	OK(cuStreamWaitEvent(b, end, 0));
	OK(put(&f->gate, p, 2, b));
	FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(end));
	FAILS(CUDA_ERROR_NOT_READY, cuEventElapsedTime(&ms, start, end));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(b));
	pause_ms(30);
	open_gate(&f->gate);
	OK(cuEventSynchronize(end));
	OK(cuEventElapsedTime(&ms, start, end));
	assert_true(ms >= 29 && ms < 5000);
	OK(cuStreamSynchronize(b));
	assert_int_equal(word_at(p), 2);
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, start, untimed));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, start, never));
	/* Destroyed while its record is queued. */
	close_gate(&f->gate, a);
	OK(cuEventRecord(end, a));
	OK(cuEventDestroy(end));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(end));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(a));
}

struct calls {
	char log[32];
	CUresult inside;
};

static void note_host(void *arg)
{
	struct calls *c = arg;
	size_t n;

	strcat(c->log, "h");
	c->inside = cuMemGetInfo(&n, &n);
}

static void note_callback(CUstream s, CUresult r, void *arg)
{
	(void)s;
	strcat(((struct calls *)arg)->log, r == CUDA_SUCCESS ? "c" : "e");
}

static void host_functions_run_in_order(void **state)
{
	struct fixture *f = *state;
	struct calls c = { "", CUDA_SUCCESS };
	CUstream s;

	OK(cuStreamCreate(&s, 0));
	close_gate(&f->gate, s);
	OK(cuLaunchHostFunc(s, note_host, &c));
	OK(cuStreamAddCallback(s, note_callback, &c, 0));
	OK(cuLaunchHostFunc(s, note_host, &c));
	pause_ms(5);
	assert_string_equal(c.log, "");
	open_gate(&f->gate);
	OK(cuStreamSynchronize(s));
	assert_string_equal(c.log, "hch");
	assert_int_equal(c.inside, CUDA_ERROR_NOT_PERMITTED);
}

static void asynchronous_copies_keep_their_order(void **state)
{
	struct fixture *f = *state;
	uint32_t pageable = 5, *locked, back = 0;
	CUdeviceptr p, q;
	CUstream s;

	OK(cuMemAlloc(&p, 4));
	OK(cuMemAlloc(&q, 4));
	OK(cuMemAllocHost((void **)&locked, 4));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	close_gate(&f->gate, s);
	OK(cuMemcpyHtoDAsync(p, &pageable, 4, s));
	pageable = 99;			/* the call has taken it */
	OK(cuMemcpyDtoDAsync(q, p, 4, s));
	OK(cuMemcpyDtoHAsync(locked, q, 4, s));
	pause_ms(5);
	assert_int_equal(*locked, 0);
	open_gate(&f->gate);
	OK(cuMemcpyDtoHAsync(&back, q, 4, s));	/* pageable: waits */
	assert_int_equal(back, 5);
	assert_int_equal(*locked, 5);
	OK(cuMemFreeHost(locked));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(locked));
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

static void bad_images_are_refused(void **state)
{
	char log[256] = "untouched";
	CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	void *values[] = { log, (void *)sizeof(log) };
	uint32_t fatbin[4] = { 0xba55ed50, 0x00100001, 1000,
			       0 }; /* claims more than it has in entries */
	uint32_t empty[4] = { 0xba55ed50, 0x00100001, 0, 0 };
	CUmodule m;

	(void)state;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleLoadData(&m, NULL));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, ""));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, "\x01\x02\x03\x04"));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, "looks like text \x01"));
	FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&m, empty));
	fatbin[1] = 0x00100002;
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, fatbin));
	FAILS(CUDA_ERROR_INVALID_PTX,
	      cuModuleLoadDataEx(&m,
				 ".version 7.0\n.target sm_75\n.address_size 64\n.entry x() { "
				 "frob.u32 %r1; }\n",
				 2, options, values));
	assert_true(strlen(log) > 0 && strcmp(log, "untouched"));
	assert_int_equal((uintptr_t)values[1], strlen(log));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, "hello, world"));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleUnload(m));
}

/* A fatbin with one stored PTX text, as nvcc --no-compress makes it. */
static void *stored_fatbin(const char *text, uint32_t arch)
{
	size_t len = strlen(text) + 1, padded = (len + 7) & ~(size_t)7;
	unsigned char *p = calloc(1, 16 + 64 + padded);
	uint64_t total = 64 + padded, flags = 0x11, payload = padded;

	memcpy(p, &(uint32_t){ 0xba55ed50 }, 4);
	memcpy(p + 4, &(uint32_t){ 0x00100001 }, 4);
	memcpy(p + 8, &total, 8);
	memcpy(p + 16, &(uint32_t){ 0x01010001 }, 4);	/* PTX */
	memcpy(p + 20, &(uint32_t){ 64 }, 4);
	memcpy(p + 24, &payload, 8);
	memcpy(p + 16 + 28, &arch, 4);
	memcpy(p + 16 + 40, &flags, 8);
	memcpy(p + 16 + 64, text, len);
	return p;
}

struct wrapper {
	uint32_t magic, version;
	const void *data;
	void **list;
};

static void wrappers_lead_to_their_fatbins(void **state)
{
	static const char caller[] =
		".version 7.0\n.target sm_75\n.address_size 64\n"
		".extern .func (.param .b32 r) twice (.param .b32 x);\n"
		".extern .global .align 4 .u32 bias;\n"
		".visible .entry k(.param .u64 pp, .param .u32 pv)\n"
		"{\n"
		"	.reg .b32 %r<5>; .reg .b64 %rd<3>;\n"
		"	ld.param.u64 %rd1, [pp]; ld.param.u32 %r1, [pv];\n"
		"	{ .param .b32 a; st.param.b32 [a], %r1; .param .b32 ret;\n"
		"	call.uni (ret), twice, (a); ld.param.b32 %r2, [ret]; }\n"
		"	mov.u64 %rd2, bias; ld.global.u32 %r3, [%rd2];\n"
		"	add.s32 %r4, %r2, %r3; st.global.u32 [%rd1], %r4;\n"
		"	ret;\n"
		"}\n";
	static const char callee[] =
		".version 7.0\n.target sm_75\n.address_size 64\n"
		".visible .global .align 4 .u32 bias = 1000;\n"
		".visible .func (.param .b32 r) twice (.param .b32 x)\n"
		"{\n"
		"	.reg .b32 %r<3>;\n"
		"	ld.param.b32 %r1, [x]; shl.b32 %r2, %r1, 1; st.param.b32 [r], %r2; ret;\n"
		"}\n";
	void *one = stored_fatbin(ptx, 75), *young = stored_fatbin(ptx, 90);
	void *list[] = { stored_fatbin(caller, 75), stored_fatbin(callee, 75), NULL };
	struct wrapper w = { 0x466243b1, 1, one, NULL };
	uint32_t v = 21;
	CUdeviceptr p;
	void *params[] = { &p, &v };
	CUfunction fn;
	CUmodule m;

	(void)state;
	OK(cuModuleLoadData(&m, &w));
	OK(cuModuleGetFunction(&fn, m, "count"));
	OK(cuModuleUnload(m));
	OK(cuModuleLoadFatBinary(&m, one));
	OK(cuModuleUnload(m));
	w.data = young;
	FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&m, &w));
	w.version = 3;
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, &w));
	/* Two objects of nvcc -rdc=true: each text needs the other's symbols. */
	w = (struct wrapper){ 0x466243b1, 2, young, list };
	OK(cuModuleLoadData(&m, &w));
	OK(cuModuleGetFunction(&fn, m, "k"));
	OK(cuMemAlloc(&p, 4));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	assert_int_equal(word_at(p), 1042);
	OK(cuModuleUnload(m));
	free(list[1]);
	list[1] = NULL;
	FAILS(CUDA_ERROR_INVALID_PTX, cuModuleLoadData(&m, &w));
	free(list[0]);
	free(one);
	free(young);
}

/* Where the build has put nvcc's fatbins: beside this program. */
static const char *fatbins(void)
{
	static char dir[4096];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 16);

	assert_true(n > 0);
	strcpy(strrchr(dir, '/'), "/fatbins");
	return access(dir, R_OK) ? NULL : dir;
}

static void *read_file(const char *dir, const char *name)
{
	char path[4096], *data;
	long n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.fatbin", dir, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	data = malloc(n);	/* exactly: a sanitizer sees a read too far */
	assert_int_equal(fread(data, 1, n, f), n);
	fclose(f);
	return data;
}

/* What nvcc makes of softgpu_fatbin.cu with each way of compression. */
static void nvcc_fatbins_run(void **state)
{
	static const char *const modes[] = { "default", "size", "speed", "none" };
	const char *dir = fatbins();
	uint32_t in[40], out[40];
	int factor = 3, n = 40;
	CUdeviceptr p;
	void *params[] = { &p, &factor, &n };
	CUfunction fn;
	CUmodule m;
	void *image;

	(void)state;
	if (!dir)
		skip();
	for (int i = 0; i < n; i++)
		in[i] = i;
	OK(cuMemAlloc(&p, sizeof(in)));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		image = read_file(dir, modes[i]);
		OK(cuModuleLoadData(&m, image));
		free(image);
		OK(cuModuleGetFunction(&fn, m, "scale"));
		OK(cuMemcpyHtoD(p, in, sizeof(in)));
		OK(cuLaunchKernel(fn, 2, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
		OK(cuMemcpyDtoH(out, p, sizeof(out)));
		for (int j = 0; j < n; j++)
			assert_int_equal(out[j], 3 * j + 100);
		OK(cuModuleUnload(m));
	}
	image = read_file(dir, "sass");
	FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&m, image));
	free(image);
}

static CUfunction from_default_fatbin(const char *name)
{
	const char *dir = fatbins();
	CUfunction fn;
	CUmodule m;
	void *image;

	if (!dir)
		skip();
	image = read_file(dir, "default");
	OK(cuModuleLoadData(&m, image));
	free(image);
	OK(cuModuleGetFunction(&fn, m, name));
	return fn;
}

static void printf_comes_out_at_synchronisation(void **state)
{
	CUfunction fn = from_default_fatbin("hello");
	FILE *capture = tmpfile();
	int number = 42, saved;
	char text[128] = "";

	(void)state;
	fflush(stdout);
	saved = dup(1);
	dup2(fileno(capture), 1);
	OK(launch1(fn, 1, 2, NULL, &number));
	OK(cuStreamSynchronize(NULL));
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	rewind(capture);
	assert_true(fread(text, 1, sizeof(text) - 1, capture) > 0);
	fclose(capture);
	assert_string_equal(text, "hello 42 from 0\nhello 42 from 1\n");
}

static void blocks_of_a_cooperative_grid_meet(void **state)
{
	enum { BLOCKS = 16 };
	CUfunction fn = from_default_fatbin("neighbours");
	CUlaunchAttribute attr = { .id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE };
	CUlaunchConfig config = {
		.gridDimX = BLOCKS, .gridDimY = 1, .gridDimZ = 1,
		.blockDimX = 64, .blockDimY = 1, .blockDimZ = 1,
		.attrs = &attr, .numAttrs = 1,
	};
	CUdeviceptr in, out;
	void *params[] = { &in, &out };
	int n[BLOCKS], supported;

	(void)state;
	OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 0));
	if (!supported)
		skip();
	OK(cuMemAlloc(&in, sizeof(n)));
	OK(cuMemAlloc(&out, sizeof(n)));
	attr.value.cooperative = 1;
	for (int form = 0; form < 2; form++) {
		OK(cuMemsetD8(out, 0, sizeof(n)));
		if (form)
			OK(cuLaunchKernelEx(&config, fn, params, NULL));
		else
			OK(cuLaunchCooperativeKernel(fn, BLOCKS, 1, 1, 64, 1, 1, 0, NULL, params));
		OK(cuMemcpyDtoH(n, out, sizeof(n)));
		for (int i = 0; i < BLOCKS; i++)
			assert_int_equal(n[i], (i + 1) % BLOCKS + 1);
	}
	attr = (CUlaunchAttribute){ .id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
				    .value.clusterDim = { 2, 1, 1 } };
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuLaunchKernelEx(&config, fn, params, NULL));
}

static void traps_and_assertions_have_their_own_errors(void **state)
{
	static const CUresult want[] = {
		CUDA_SUCCESS, CUDA_ERROR_LAUNCH_FAILED, CUDA_ERROR_ASSERT,
	};
	struct fixture *f = *state;
	CUcontext ctx;

	from_default_fatbin("fail");	/* or skip, before there is another context */
	for (int how = 0; how < 3; how++) {
		OK(cuCtxCreate(&ctx, NULL, 0, 0));
		OK(launch1(from_default_fatbin("fail"), 1, 1, NULL, &how));
		FAILS(want[how], cuCtxSynchronize());
		OK(cuCtxDestroy(ctx));
	}
	OK(cuCtxSetCurrent(f->ctx));
	OK(cuCtxSynchronize());
}

static void libraries_give_each_context_its_module(void **state)
{
	struct fixture *f = *state;
	CUlibrary lib;
	CUkernel k, all[8];
	CUmodule m1, m2;
	CUdeviceptr g1, g2;
	CUcontext other;
	CUfunction fn;
	const char *name;
	unsigned int nr;
	uint32_t v = 10;
	size_t off, n;
	int a;

	OK(cuLibraryLoadData(&lib, ptx, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernelCount(&nr, lib));
	assert_int_equal(nr, 5);
	OK(cuLibraryEnumerateKernels(all, 8, lib));
	OK(cuKernelGetName(&name, all[0]));
	OK(cuLibraryGetKernel(&k, lib, "bump"));
	FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetKernel(&k, lib, "nonesuch"));
	OK(cuKernelGetParamInfo(k, 0, &off, &n));
	assert_int_equal(n, 4);
	OK(cuKernelGetAttribute(&a, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, k, 0));
	assert_int_equal(a, 64);
	OK(cuLibraryGetModule(&m1, lib));
	OK(cuLibraryGetGlobal(&g1, NULL, lib, "counter"));
	/* A kernel in place of a function. */
	OK(launch1((CUfunction)k, 1, 1, NULL, &v));
	assert_int_equal(word_at(g1), 17);
	OK(cuKernelGetFunction(&fn, k));
	OK(launch1(fn, 1, 1, NULL, &v));
	assert_int_equal(word_at(g1), 27);
	OK(cuFuncGetAttribute(&a, CU_FUNC_ATTRIBUTE_NUM_REGS, (CUfunction)k));
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&a, (CUfunction)k, 64, 0));
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuLibraryGetModule(&m2, lib));
	assert_true(m1 != m2);
	OK(cuLibraryGetGlobal(&g2, NULL, lib, "counter"));
	assert_int_equal(word_at(g2), 7);
	OK(launch1((CUfunction)k, 1, 1, NULL, &v));
	assert_int_equal(word_at(g2), 17);
	/* A function belongs to its context. */
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1(fn, 1, 1, NULL, &v));
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1(f->gate.count, 1, 1, NULL, &v));
	OK(cuCtxDestroy(other));
	OK(launch1((CUfunction)k, 1, 1, NULL, &v));
	OK(cuLibraryUnload(lib));
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1((CUfunction)k, 1, 1, NULL, &v));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuLibraryUnload(lib));
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

/* As main() set it, the fault is this context's alone. */
static void an_illegal_access_poisons_its_context(void **state)
{
	struct fixture *f = *state;
	struct calls c = { "", CUDA_SUCCESS };
	CUcontext bad;
	CUmodule m;
	CUfunction fn, wait;
	CUdeviceptr p, nowhere = 0x10;
	uint32_t v = 1, x;
	void *params[] = { &nowhere, &v };
	CUstream s;
	CUevent e;

	OK(cuCtxCreate(&bad, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&fn, m, "put"));
	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&s, 0));
	OK(cuEventCreate(&e, 0));
	/* Behind a gate, or the fault could be faster than the next call. */
	OK(cuModuleGetFunction(&wait, m, "wait"));
	__atomic_store_n(f->gate.flag, 0, __ATOMIC_SEQ_CST);
	OK(launch1(wait, 1, 1, s, &f->gate.flag));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, s, params, NULL));
	OK(cuStreamAddCallback(s, note_callback, &c, 0));
	open_gate(&f->gate);
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
	assert_string_equal(c.log, "e");
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(NULL));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc(&p, 4));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemcpyDtoH(&x, p, 4));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuEventRecord(e, s));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuEventSynchronize(e));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, s, params, NULL));
	OK(cuCtxSetCurrent(f->ctx));
	OK(cuMemAlloc(&p, 4));
	OK(put(&f->gate, p, 4, NULL));
	assert_int_equal(word_at(p), 4);
	OK(cuCtxDestroy(bad));
	/* Beside an allocation, and in one that is gone. */
	OK(cuCtxCreate(&bad, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&fn, m, "put"));
	OK(cuMemAlloc(&nowhere, 4));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	OK(cuCtxSynchronize());
	OK(cuMemFree(nowhere));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	OK(cuCtxDestroy(bad));
	OK(cuCtxCreate(&bad, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&fn, m, "put"));
	OK(cuMemAlloc(&nowhere, 4));
	nowhere += 1;
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	FAILS(CUDA_ERROR_MISALIGNED_ADDRESS, cuCtxSynchronize());
	OK(cuCtxDestroy(bad));
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

struct worker {
	struct fixture *f;
	CUdeviceptr p;
};

/* A stream of its own and the thread's, many short launches, and memory that comes and goes. */
static void *hammer(void *arg)
{
	struct worker *w = arg;
	CUdeviceptr tmp;
	CUstream s;

	OK(cuCtxSetCurrent(w->f->ctx));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < 200; i++) {
		OK(launch1(w->f->gate.count, 2, 32, i % 2 ? s : CU_STREAM_PER_THREAD, &w->p));
		OK(cuMemAlloc(&tmp, 4096));
		OK(cuMemsetD8Async(tmp, i, 4096, s));
		if (i % 16 == 0)
			OK(cuStreamSynchronize(s));
		OK(cuMemFree(tmp));
	}
	OK(cuStreamSynchronize(s));
	OK(cuStreamSynchronize(CU_STREAM_PER_THREAD));
	OK(cuStreamDestroy(s));
	return NULL;
}

static void threads_share_a_context(void **state)
{
	struct fixture *f = *state;
	struct worker w = { f, 0 };
	pthread_t t[4];

	OK(cuMemAlloc(&w.p, 4));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, &w), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(word_at(w.p), 4 * 200 * 64);
}

struct waiter {
	CUcontext ctx;
	CUresult result;
	bool ready;
};

static void *wait_in_context(void *arg)
{
	struct waiter *w = arg;

	OK(cuCtxSetCurrent(w->ctx));
	__atomic_store_n(&w->ready, true, __ATOMIC_SEQ_CST);
	w->result = cuStreamSynchronize(NULL);
	return NULL;
}

static void *destroy_context(void *arg)
{
	struct waiter *w = arg;

	w->result = cuCtxDestroy(w->ctx);
	return NULL;
}

/* The wait ends when the work does, and by then the context is going away. */
static void a_context_ends_under_a_waiting_thread(void **state)
{
	struct fixture *f = *state;
	struct waiter w = { NULL, CUDA_SUCCESS, false }, d;
	pthread_t waits, destroys;
	unsigned int version;
	CUfunction wait;
	CUmodule m;

	OK(cuCtxCreate(&w.ctx, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&wait, m, "wait"));
	__atomic_store_n(f->gate.flag, 0, __ATOMIC_SEQ_CST);
	OK(launch1(wait, 1, 1, NULL, &f->gate.flag));
	OK(cuCtxPopCurrent(NULL));
	d = w;
	assert_int_equal(pthread_create(&waits, NULL, wait_in_context, &w), 0);
	while (!__atomic_load_n(&w.ready, __ATOMIC_SEQ_CST))
		pause_ms(1);
	pause_ms(10);
	assert_int_equal(pthread_create(&destroys, NULL, destroy_context, &d), 0);
	/* The handle is gone as soon as the end has begun. */
	while (cuCtxGetApiVersion(w.ctx, &version) == CUDA_SUCCESS)
		pause_ms(1);
	open_gate(&f->gate);
	pthread_join(waits, NULL);
	pthread_join(destroys, NULL);
	assert_int_equal(d.result, CUDA_SUCCESS);
	assert_int_equal(w.result, CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

static void idle_streams_use_no_cpu(void **state)
{
	struct rusage a, b;
	CUdeviceptr p;
	CUstream s[8];
	long us;

	(void)state;
	OK(cuMemAlloc(&p, 8 * 4));
	for (int i = 0; i < 8; i++) {
		OK(cuStreamCreate(&s[i], 0));
		OK(cuMemsetD32Async(p + 4 * i, i, 1, s[i]));
	}
	OK(cuCtxSynchronize());
	getrusage(RUSAGE_SELF, &a);
	pause_ms(200);
	getrusage(RUSAGE_SELF, &b);
	us = (b.ru_utime.tv_sec - a.ru_utime.tv_sec + b.ru_stime.tv_sec - a.ru_stime.tv_sec) *
		     1000000 +
	     b.ru_utime.tv_usec - a.ru_utime.tv_usec + b.ru_stime.tv_usec - a.ru_stime.tv_usec;
	assert_true(us < 5000);
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

#define CASE(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
		CASE(streams_run_without_the_caller),
		CASE(legacy_stream_orders_blocking_streams),
		CASE(events_order_and_time),
		CASE(host_functions_run_in_order),
		CASE(asynchronous_copies_keep_their_order),
		CASE(copies_out_of_bounds_are_refused),
		CASE(fills_and_rectangles),
		CASE(mapped_memory_is_device_memory),
		CASE(a_taken_hint_gives_another_place),
		CASE(pointers_know_what_they_are),
		CASE(stream_ordered_allocations),
		CASE(garbage_handles_are_refused),
		CASE(bad_images_are_refused),
		CASE(wrappers_lead_to_their_fatbins),
		CASE(nvcc_fatbins_run),
		CASE(printf_comes_out_at_synchronisation),
		CASE(blocks_of_a_cooperative_grid_meet),
		CASE(traps_and_assertions_have_their_own_errors),
		CASE(libraries_give_each_context_its_module),
		CASE(contexts_stack_and_end),
		CASE(primary_context_lives_while_retained),
		CASE(an_illegal_access_poisons_its_context),
		CASE(occupancy_follows_the_limits),
		CASE(threads_share_a_context),
		CASE(a_context_ends_under_a_waiting_thread),
		CASE(idle_streams_use_no_cpu),
		CASE(a_forked_child_is_told),
		CASE(entry_points_by_name_and_version),
		CASE(errors_have_names),
	};

	unsetenv("SOFTGPU_SM");
	unsetenv("SOFTGPU_MEMORY");
	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	alarm(120);		/* a test that hangs is a test that fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
