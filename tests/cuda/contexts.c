/* SPDX-License-Identifier: MIT */
/*
 * Contexts and what is asked of them: one for each thread, created and primary ones, each with streams and limits of its own, devices; and launches
 * in the manner of CUDA 2, which set a function's shape and parameters one by one.
 */
#include <cuda.h>
#include <pthread.h>
#include <stdint.h>

#include "check.h"

/* cuda.h has long warned of some of these. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define N 64

static const char ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
			  ".visible .entry put(.param .u64 p, .param .u32 a, .param .f32 b)\n{\n"
			  "\t.reg .b64 %rd<4>;\n\t.reg .b32 %r<6>;\n\t.reg .f32 %f<4>;\n"
			  "\tld.param.u64 %rd1, [p];\n\tld.param.u32 %r1, [a];\n\tld.param.f32 %f1, [b];\n"
			  "\tmov.u32 %r2, %tid.x;\n\tmov.u32 %r3, %ctaid.x;\n\tmov.u32 %r4, %ntid.x;\n"
			  "\tmad.lo.u32 %r5, %r3, %r4, %r2;\n\tmul.wide.u32 %rd2, %r5, 4;\n\tadd.s64 %rd3, %rd1, %rd2;\n"
			  "\tadd.u32 %r5, %r5, %r1;\n\tcvt.rn.f32.u32 %f2, %r5;\n\tmul.f32 %f3, %f2, %f1;\n"
			  "\tst.global.f32 [%rd3], %f3;\n\tret;\n}\n";

static CUdevice device;
static CUcontext primary;

#define GIVES(code, call) do {							\
	CUresult got_ = (call);							\
	if (got_ != (code))							\
		fail("%s:%d: %s: %s", __FILE__, __LINE__, #call, DRV_NAME(got_));	\
} while (0)

static CUcontext current(void)
{
	CUcontext c;

	CHECK_DRV(cuCtxGetCurrent(&c));
	return c;
}

static void *another_thread(void *arg)
{
	CUcontext mine;

	if (current())
		fail("a new thread has a context");
	GIVES(CUDA_ERROR_INVALID_CONTEXT, cuCtxSynchronize());
	CHECK_DRV(cuCtxCreate(&mine, NULL, 0, device));
	if (current() != mine || mine == primary)
		fail("the created context is not the current one");
	CHECK_DRV(cuCtxPushCurrent(primary));
	CHECK_DRV(cuCtxPopCurrent(NULL));
	CHECK_DRV(cuCtxDestroy(mine));
	if (current())
		fail("a destroyed context is current");
	return arg;
}

static void threads_have_their_own(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, another_thread, NULL) || pthread_join(t, NULL))
		fail("no thread");
	if (current() != primary)
		fail("another thread changed the current context");
}

static void limits(void)
{
	size_t before, now;

	CHECK_DRV(cuCtxGetLimit(&before, CU_LIMIT_STACK_SIZE));
	CHECK_DRV(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, before + 1024));
	CHECK_DRV(cuCtxGetLimit(&now, CU_LIMIT_STACK_SIZE));
	if (now < before + 1024)
		fail("a limit of %zu instead of %zu", now, before + 1024);
	GIVES(CUDA_ERROR_INVALID_VALUE, cuCtxSetLimit((CUlimit)4711, 1));
}

/* ---- a context of its own beside the primary one ---- */

/* Not freed here: freeing memory may wait for all of a device's work. */
static CUdeviceptr words(unsigned int n)
{
	CUdeviceptr p;

	CHECK_DRV(cuMemAlloc(&p, n * 4));
	CHECK_DRV(cuMemsetD32(p, 0, n));
	CHECK_DRV(cuStreamSynchronize(NULL));
	return p;
}

static unsigned int word(CUdeviceptr p)
{
	unsigned int v;

	CHECK_DRV(cuMemcpyDtoH(&v, p, sizeof(v)));
	return v;
}

static CUstream stream_new(unsigned int flags)
{
	CUstream s;

	CHECK_DRV(cuStreamCreate(&s, flags));
	return s;
}

/* What waits on one stream is let go by another one, which waits for nobody. */
static void let_go(CUdeviceptr flag)
{
	CUstream s = stream_new(CU_STREAM_NON_BLOCKING);

	CHECK_DRV(cuMemsetD32Async(flag, 1, 1, s));
	CHECK_DRV(cuStreamSynchronize(s));
	CHECK_DRV(cuStreamDestroy(s));
}

/* The legacy stream behind a blocking one, and a blocking one behind it. */
static void a_legacy_stream_keeps_its_order(void)
{
	CUdeviceptr flag = words(1), out = words(2);
	CUstream s = stream_new(0), late = stream_new(0), own = CU_STREAM_PER_THREAD;

	CHECK_DRV(cuStreamWaitValue32(s, flag, 1, CU_STREAM_WAIT_VALUE_GEQ));
	CHECK_DRV(cuMemsetD32Async(out, 1, 2, s));
	CHECK_DRV(cuMemsetD32Async(out, 2, 2, NULL));
	CHECK_DRV(cuMemsetD32Async(out, 3, 1, late));
	CHECK_DRV(cuMemsetD32Async(out + 4, 4, 1, own));
	GIVES(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	GIVES(CUDA_ERROR_NOT_READY, cuStreamQuery(late));
	GIVES(CUDA_ERROR_NOT_READY, cuStreamQuery(own));
	let_go(flag);
	CHECK_DRV(cuCtxSynchronize());
	CHECK_DRV(cuStreamQuery(s));
	if (word(out) != 3 || word(out + 4) != 4)
		fail("work of a legacy stream came in another order: %u, %u", word(out), word(out + 4));
	CHECK_DRV(cuStreamDestroy(late));
	CHECK_DRV(cuStreamDestroy(s));
}

/* A destroyed stream's work is still the context's. */
static void a_wait_covers_streams_that_have_gone(void)
{
	CUdeviceptr flag = words(1), out = words(1);
	CUstream s = stream_new(CU_STREAM_NON_BLOCKING);

	CHECK_DRV(cuStreamWaitValue32(s, flag, 1, CU_STREAM_WAIT_VALUE_GEQ));
	CHECK_DRV(cuMemsetD32Async(out, 7, 1, s));
	CHECK_DRV(cuStreamDestroy(s));
	let_go(flag);
	CHECK_DRV(cuCtxSynchronize());
	if (word(out) != 7)
		fail("a wait has left out a stream");
}

static void names_of_its_own(CUcontext other)
{
	unsigned long long here, there;
	CUstream own, s = stream_new(0);
	size_t here_limit, there_limit;
	CUcontext of;
	CUevent event;

	CHECK_DRV(cuCtxGetId(NULL, &here));
	CHECK_DRV(cuCtxGetId(primary, &there));
	if (here <= there)
		fail("a later context's number is %llu, an earlier one's %llu", here, there);
	CHECK_DRV(cuStreamGetCtx(NULL, &of));
	if (of != other)
		fail("the legacy stream is of another context");
	CHECK_DRV(cuStreamGetCtx(s, &of));
	if (of != other)
		fail("a stream is of another context");
	own = CU_STREAM_PER_THREAD;
	CHECK_DRV(cuStreamGetCtx(own, &of));
	if (of != other)
		fail("the thread's stream is of another context");
	CHECK_DRV(cuEventCreate(&event, 0));
	CHECK_DRV(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
	CHECK_DRV(cuCtxGetLimit(&here_limit, CU_LIMIT_STACK_SIZE));
	CHECK_DRV(cuCtxPushCurrent(primary));
	CHECK_DRV(cuCtxGetLimit(&there_limit, CU_LIMIT_STACK_SIZE));
	if (here_limit < 4096 || there_limit >= 4096)
		fail("limits of two contexts are %zu and %zu", here_limit, there_limit);
	/* Others' streams can be asked and waited for, and their events as well. */
	CHECK_DRV(cuStreamQuery(s));
	CHECK_DRV(cuStreamSynchronize(s));
	CHECK_DRV(cuStreamWaitEvent(NULL, event, 0));
	CHECK_DRV(cuEventQuery(event));
	GIVES(CUDA_ERROR_INVALID_HANDLE, cuEventRecord(event, NULL));
	CHECK_DRV(cuCtxPopCurrent(&of));
	CHECK_DRV(cuEventRecord(event, s));
	CHECK_DRV(cuEventSynchronize(event));
}

static void contexts_are_apart(void)
{
	CUdeviceptr flag = words(1), out = words(1);
	CUstream stuck = stream_new(0);
	size_t before, after, total;
	CUcontext other, now;

	CHECK_DRV(cuCtxSynchronize());
	CHECK_DRV(cuMemGetInfo(&before, &total));
	CHECK_DRV(cuStreamWaitValue32(stuck, flag, 1, CU_STREAM_WAIT_VALUE_GEQ));
	CHECK_DRV(cuMemsetD32Async(out, 5, 1, stuck));
	CHECK_DRV(cuMemsetD32Async(out, 6, 1, NULL));
	CHECK_DRV(cuCtxCreate(&other, NULL, 0, device));
	/* Nothing here waits for what the primary context waits for. */
	a_legacy_stream_keeps_its_order();
	a_wait_covers_streams_that_have_gone();
	names_of_its_own(other);
	words(16 << 20);
	GIVES(CUDA_ERROR_NOT_READY, cuStreamQuery(stuck));
	CHECK_DRV(cuCtxPushCurrent(primary));
	let_go(flag);
	CHECK_DRV(cuCtxPopCurrent(&now));
	CHECK_DRV(cuCtxDestroy(other));
	CHECK_DRV(cuCtxGetCurrent(&now));
	if (now != primary)
		fail("what was current before is not");
	CHECK_DRV(cuCtxSynchronize());
	if (word(out) != 6)
		fail("the primary context's work came in another order: %u", word(out));
	a_legacy_stream_keeps_its_order();
	CHECK_DRV(cuStreamDestroy(stuck));
	CHECK_DRV(cuMemGetInfo(&after, &total));
	/* The driver keeps a little of what a context took. */
	if (after + (32 << 20) < before)
		fail("%zu bytes were free, and now %zu", before, after);
	CHECK_DRV(cuMemFree(flag));
	CHECK_DRV(cuMemFree(out));
}

static void questions(void)
{
	CUdevprop prop;
	size_t width;
	int threads, yes;

	CHECK_DRV(cuDeviceGetProperties(&prop, device));
	CHECK_DRV(cuDeviceGetAttribute(&threads, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, device));
	if (prop.maxThreadsPerBlock != threads || prop.SIMDWidth != 32)
		fail("properties that are not the attributes");
	CHECK_DRV(cuDeviceGetTexture1DLinearMaxWidth(&width, CU_AD_FORMAT_FLOAT, 4, device));
	if (!width)
		fail("no width");
	GIVES(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetTexture1DLinearMaxWidth(&width, CU_AD_FORMAT_FLOAT, 4, 99));
	CHECK_DRV(cuDeviceGetExecAffinitySupport(&yes, CU_EXEC_AFFINITY_TYPE_SM_COUNT, device));
	CHECK_DRV(cuCtxResetPersistingL2Cache());
}

static void launches_of_old(void)
{
	CUdeviceptr dev;
	CUmodule module;
	CUfunction fn;
	float out[N];

	CHECK_DRV(cuModuleLoadData(&module, ptx));
	CHECK_DRV(cuModuleGetFunction(&fn, module, "put"));
	CHECK_DRV(cuMemAlloc(&dev, sizeof(out)));
	CHECK_DRV(cuFuncSetBlockShape(fn, 16, 1, 1));
	GIVES(CUDA_ERROR_INVALID_VALUE, cuFuncSetBlockShape(fn, 0, 1, 1));
	CHECK_DRV(cuFuncSetSharedSize(fn, 0));
	CHECK_DRV(cuParamSetv(fn, 0, &dev, sizeof(dev)));
	CHECK_DRV(cuParamSeti(fn, 8, 100));
	CHECK_DRV(cuParamSetf(fn, 12, 0.5f));
	CHECK_DRV(cuParamSetSize(fn, 16));
	CHECK_DRV(cuLaunchGrid(fn, N / 16, 1));
	CHECK_DRV(cuMemcpyDtoH(out, dev, sizeof(out)));
	for (int i = 0; i < N; i++)
		if (out[i] != (i + 100) * 0.5f)
			fail("a launch of old: %d is %g", i, out[i]);
	CHECK_DRV(cuParamSeti(fn, 8, 7));
	CHECK_DRV(cuLaunch(fn));
	CHECK_DRV(cuMemcpyDtoH(out, dev, sizeof(out)));
	if (out[15] != 11.0f || out[16] != 58.0f)
		fail("a launch of one block: %g, %g", out[15], out[16]);
	CHECK_DRV(cuMemFree(dev));
	CHECK_DRV(cuModuleUnload(module));
}

#define MODULES	200
#define ENDS	10

static void load(CUmodule modules[MODULES])
{
	for (int i = 0; i < MODULES; i++)
		CHECK_DRV(cuModuleLoadData(&modules[i], ptx));
}

static void *loads(void *arg)
{
	CUmodule modules[MODULES];
	CUcontext mine;

	CHECK_DRV(cuCtxCreate(&mine, NULL, 0, device));
	for (int n = 0; n < ENDS; n++) {
		load(modules);
		for (int i = 0; i < MODULES; i++)
			CHECK_DRV(cuModuleUnload(modules[i]));
	}
	CHECK_DRV(cuCtxDestroy(mine));
	return arg;
}

/* A context's modules go with it while other threads load and unload theirs. */
static void an_end_beside_other_threads(void)
{
	CUmodule modules[MODULES];
	pthread_t t[2];
	CUcontext mine;

	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, loads, NULL))
			fail("no thread");
	for (int i = 0; i < ENDS; i++) {
		CHECK_DRV(cuCtxCreate(&mine, NULL, 0, device));
		load(modules);
		CHECK_DRV(cuCtxDestroy(mine));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
}

static void a_reset_leaves_a_context_to_go_on_with(void)
{
	unsigned int flags;
	CUdeviceptr dev;
	CUstream stream;
	int active;

	CHECK_DRV(cuMemAlloc(&dev, 1 << 20));
	CHECK_DRV(cuStreamCreate(&stream, 0));
	CHECK_DRV(cuDevicePrimaryCtxReset(device));
	CHECK_DRV(cuDevicePrimaryCtxGetState(device, &flags, &active));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&primary, device));
	CHECK_DRV(cuCtxSetCurrent(primary));
	CHECK_DRV(cuMemAlloc(&dev, 1 << 20));
	CHECK_DRV(cuMemFree(dev));
}

int main(void)
{
	CHECK_DRV(cuInit(0));
	CHECK_DRV(cuDeviceGet(&device, 0));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&primary, device));
	CHECK_DRV(cuCtxSetCurrent(primary));
	threads_have_their_own();
	limits();
	an_end_beside_other_threads();
	contexts_are_apart();
	questions();
	launches_of_old();
	a_reset_leaves_a_context_to_go_on_with();
	return pass();
}
