// SPDX-License-Identifier: MIT
/* Contexts: none, not the right one, destroyed, and limits and flags that are none. */
#include "errors.h"

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

static void destroyed(void)
{
	CUcontext ctx, now;
	CUdeviceptr p;
	CUevent event;
	CUstream stream;
	unsigned version;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	NEED(cuMemAlloc(&p, 64));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuEventCreate(&event, 0));
	NEED(cuCtxDestroy(ctx));
	BAD(cuCtxGetCurrent(&now));
	SHOW(now == NULL);
	BAD(cuMemFree(p));
	BAD(cuCtxSynchronize());
	BAD(cuCtxSetCurrent(ctx));
	BAD(cuCtxPushCurrent(ctx));
	BAD(cuCtxGetApiVersion(ctx, &version));
	BAD(cuCtxDestroy(ctx));
	BAD(cuStreamSynchronize(stream));
	BAD(cuStreamDestroy(stream));
	BAD(cuEventQuery(event));
	BAD(cuEventDestroy(event));
	NEED(cuDevicePrimaryCtxRetain(&now, 0));
	NEED(cuCtxSetCurrent(now));
	BAD(cuMemFree(p));
	BAD(cuMemsetD8(p, 0, 64));
	BAD(cuStreamQuery(stream));
	BAD(cuEventRecord(event, NULL));
	NEED(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 64));
}

static void others(void)
{
	CUcontext first, second;
	CUdeviceptr p;
	CUevent event;
	CUstream stream;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&first, NULL, 0, 0));
	NEED(cuMemAlloc(&p, 64));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuEventCreate(&event, 0));
	NEED(cuCtxCreate(&second, NULL, 0, 0));
	BAD(cuStreamQuery(stream));
	BAD(cuEventRecord(event, NULL));
	BAD(cuEventRecord(event, stream));
	BAD(cuMemsetD8(p, 1, 64));
	BAD(cuMemsetD8Async(p, 1, 64, stream));
	BAD(cuMemFree(p));
	BAD(cuCtxPopCurrent(NULL));
	BAD(cuCtxPopCurrent(NULL));
	BAD(cuCtxPopCurrent(NULL));
}

PARTS({ "none", none }, { "wrong", wrong }, { "garbage", garbage }, { "destroyed", destroyed },
      { "others", others })
