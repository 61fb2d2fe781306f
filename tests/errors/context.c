// SPDX-License-Identifier: MIT
/* Contexts: none, not the right one, destroyed, and limits and flags that are none. */
#include "errors.h"
#include "kernels.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void none(void)
{
	CUcontext ctx = JUNK(CUcontext);
	CUdeviceptr p;
	CUevent event;
	CUdevice dev;
	unsigned version;
	size_t size;

	NEED(cuInit(0));
	BAD(cuCtxGetCurrent(&ctx));
	SHOW(ctx == NULL);
	BAD(cuCtxGetCurrent(NULL));
	BAD(cuCtxGetDevice(&dev));
	BAD(cuCtxPopCurrent(&ctx));
	BAD(cuCtxPopCurrent(NULL));
	BAD(cuCtxPushCurrent(NULL));
	BAD(cuCtxSynchronize());
	BAD(cuCtxGetApiVersion(NULL, &version));
	BAD(cuCtxGetLimit(&size, CU_LIMIT_STACK_SIZE));
	BAD(cuCtxGetFlags(&version));
	BAD(cuCtxDestroy(NULL));
	BAD(cuMemAlloc(&p, 1));
	BAD(cuMemGetInfo(&size, &size));
	BAD(cuEventCreate(&event, 0));
	BAD(cuStreamQuery(NULL));
	BAD(cuMemsetD8(0, 0, 1));
	BAD(cuMemHostAlloc((void **)&p, 16, 0));
}

static void wrong(void)
{
	CUcontext ctx = start();
	CUdevice dev;
	CUfunc_cache cache;
	int low, high;
	unsigned flags;
	size_t size;

	BAD(cuCtxGetDevice(NULL));
	BAD(cuCtxGetApiVersion(ctx, NULL));
	BAD(cuCtxGetLimit(NULL, CU_LIMIT_STACK_SIZE));
	BAD(cuCtxGetLimit(&size, (CUlimit)99));
	BAD(cuCtxSetLimit((CUlimit)99, 1));
	BAD(cuCtxSetLimit((CUlimit)-1, 1));
	BAD(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, (size_t)-1));
	BAD(cuCtxGetCacheConfig(NULL));
	BAD(cuCtxSetCacheConfig((CUfunc_cache)99));
	BAD(cuCtxGetCacheConfig(&cache));
	BAD(cuCtxGetStreamPriorityRange(NULL, NULL));
	BAD(cuCtxGetStreamPriorityRange(&low, &high));
	BAD(cuCtxGetFlags(NULL));
	BAD(cuCtxSetFlags(0xffff0000));
	BAD(cuCtxGetFlags(&flags));
	BAD(cuCtxEnablePeerAccess(ctx, 0));
	BAD(cuCtxEnablePeerAccess(ctx, 1));
	BAD(cuCtxEnablePeerAccess(NULL, 0));
	BAD(cuCtxDisablePeerAccess(ctx));
	BAD(cuCtxDestroy(ctx));
	BAD(cuCtxGetDevice(&dev));
	BAD(cuCtxCreate(NULL, NULL, 0, 0));
	BAD(cuCtxCreate(&ctx, NULL, 0xffff0000, 0));
	BAD(cuCtxCreate(&ctx, NULL, 0, 4096));
	BAD(cuCtxCreate(&ctx, NULL, CU_CTX_SCHED_MASK, 0));
}

static void garbage(void)
{
	CUcontext ctx = start(), other;
	unsigned version;

	BAD(cuCtxSetCurrent((CUcontext)1));
	BAD(cuCtxSetCurrent((CUcontext)-1));
	BAD(cuCtxSetCurrent(JUNK(CUcontext)));
	BAD(cuCtxPushCurrent((CUcontext)1));
	BAD(cuCtxPushCurrent(JUNK(CUcontext)));
	BAD(cuCtxDestroy((CUcontext)1));
	BAD(cuCtxDestroy(JUNK(CUcontext)));
	BAD(cuCtxGetApiVersion((CUcontext)-1, &version));
	BAD(cuCtxGetApiVersion(JUNK(CUcontext), &version));
	BAD(cuCtxEnablePeerAccess(JUNK(CUcontext), 0));
	BAD(cuCtxGetCurrent(&other));
	SHOW(other == ctx);
}

/* What lived in a context that has gone. */
struct gone {
	CUcontext ctx;
	CUdeviceptr p;
	CUevent event;
	CUstream stream;
	CUmodule module;
	CUfunction f;
};

static struct gone gone(void)
{
	struct gone g;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&g.ctx, NULL, 0, 0));
	NEED(cuMemAlloc(&g.p, 64));
	NEED(cuStreamCreate(&g.stream, 0));
	NEED(cuEventCreate(&g.event, 0));
	NEED(cuModuleLoadData(&g.module, kernels_ptx));
	NEED(cuModuleGetFunction(&g.f, g.module, "nothing"));
	NEED(cuCtxDestroy(g.ctx));
	return g;
}

/* Nothing is current. */
static void destroyed(void)
{
	struct gone g = gone();
	CUcontext now;
	CUdevice dev;
	unsigned version;
	unsigned long long id;

	BAD(cuCtxGetCurrent(&now));
	SHOW(now == NULL);
	BAD(cuMemFree(g.p));
	BAD(cuCtxSynchronize());
	BAD(cuCtxGetApiVersion(g.ctx, &version));
	BAD(cuCtxGetId(g.ctx, &id));
	BAD(cuCtxGetDevice(&dev));
	BAD(cuCtxDestroy(g.ctx));
	BAD(cuStreamSynchronize(g.stream));
	BAD(cuStreamDestroy(g.stream));
	BAD(cuEventQuery(g.event));
	BAD(cuEventDestroy(g.event));
}

/* The destroyed one is current. */
static void stale(void)
{
	struct gone g = gone();
	CUcontext now;
	CUdeviceptr p;
	CUdevice dev;
	CUstream stream;
	unsigned flags;
	size_t size;

	BAD(cuCtxSetCurrent(g.ctx));
	BAD(cuCtxPushCurrent(g.ctx));
	BAD(cuCtxGetCurrent(&now));
	SHOW(now == g.ctx);
	BAD(cuCtxGetDevice(&dev));
	BAD(cuCtxGetFlags(&flags));
	BAD(cuCtxGetLimit(&size, CU_LIMIT_STACK_SIZE));
	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 64));
	BAD(cuMemGetInfo(&size, &size));
	BAD(cuStreamCreate(&stream, 0));
	BAD(cuStreamQuery(NULL));
	BAD(cuStreamSynchronize(g.stream));
	BAD(cuStreamDestroy(g.stream));
	BAD(cuEventQuery(g.event));
	BAD(cuEventDestroy(g.event));
	BAD(cuCtxPopCurrent(&now));
	SHOW(now == g.ctx);
	BAD(cuCtxPopCurrent(NULL));
	BAD(cuCtxPopCurrent(NULL));
}

/* Another is current. */
static void after(void)
{
	struct gone g = gone();
	CUcontext now = start();

	SHOW(now == g.ctx);
	BAD(cuStreamQuery(g.stream));
	BAD(cuStreamSynchronize(g.stream));
	BAD(cuStreamDestroy(g.stream));
	BAD(cuEventQuery(g.event));
	BAD(cuEventRecord(g.event, NULL));
	BAD(cuEventDestroy(g.event));
	BAD(cuMemsetD8(g.p, 0, 64));
	BAD(cuMemFree(g.p));
	BAD(cuModuleGetFunction(&g.f, g.module, "nothing"));
	BAD(cuModuleUnload(g.module));
	BAD(cuCtxSynchronize());
}

/* Released to the end, and reset, while it is current. */
static void released(void)
{
	CUcontext ctx = start(), again;
	CUdeviceptr p;
	CUstream stream;
	unsigned flags;
	int active;

	NEED(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxGetState(0, &flags, &active));
	SHOW(active);
	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 64));
	BAD(cuStreamCreate(&stream, 0));
	NEED(cuDevicePrimaryCtxRetain(&again, 0));
	BAD(cuCtxSynchronize());
	SHOW(ctx == again);
	BAD(cuDevicePrimaryCtxReset(0));
	BAD(cuDevicePrimaryCtxGetState(0, &flags, &active));
	SHOW(active);
	BAD(cuMemAlloc(&p, 64));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxRelease(0));
}

static void others(void)
{
	CUcontext first, second;
	CUdeviceptr p;
	CUevent event;
	CUstream stream;
	CUmodule module;
	CUfunction f;
	unsigned long long a, b;
	float ms;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&first, NULL, 0, 0));
	NEED(cuMemAlloc(&p, 64));
	NEED(cuModuleLoadData(&module, kernels_ptx));
	NEED(cuModuleGetFunction(&f, module, "nothing"));
	NEED(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	NEED(cuCtxSynchronize());
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuEventCreate(&event, 0));
	NEED(cuCtxCreate(&second, NULL, 0, 0));
	BAD(cuStreamQuery(stream));
	BAD(cuEventRecord(event, NULL));
	BAD(cuEventRecord(event, stream));
	BAD(cuMemsetD8(p, 1, 64));
	BAD(cuMemsetD8Async(p, 1, 64, stream));
	BAD(cuStreamWaitEvent(NULL, event, 0));
	BAD(cuStreamSynchronize(stream));
	BAD(cuEventElapsedTime(&ms, event, event));
	BAD(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	BAD(cuCtxSynchronize());
	BAD(cuMemFree(p));
	BAD(cuCtxGetId(first, &a));
	BAD(cuCtxGetId(NULL, &b));
	SHOW(a < b);
	BAD(cuCtxPopCurrent(NULL));
	BAD(cuCtxPopCurrent(NULL));
	BAD(cuCtxPopCurrent(NULL));
	BAD(cuCtxDetach(first));
	BAD(cuCtxAttach(&first, 0));
}

PARTS({ "none", none }, { "wrong", wrong }, { "garbage", garbage }, { "destroyed", destroyed },
      { "stale", stale }, { "after", after }, { "released", released }, { "others", others })
