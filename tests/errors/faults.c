// SPDX-License-Identifier: MIT
/* A fault in one context: what the others, new ones, and calls that ask for little, say of it. */
#include "errors.h"
#include "kernels.h"

struct things {
	CUmodule module;
	CUfunction f;
	CUdeviceptr p;
	CUstream stream;
	CUevent event;
};

static struct things things(void)
{
	struct things t;

	NEED(cuModuleLoadData(&t.module, kernels_ptx));
	NEED(cuModuleGetFunction(&t.f, t.module, "nothing"));
	NEED(cuMemAlloc(&t.p, 64));
	NEED(cuStreamCreate(&t.stream, 0));
	NEED(cuEventCreate(&t.event, 0));
	NEED(cuEventRecord(t.event, t.stream));
	NEED(cuCtxSynchronize());
	return t;
}

static void launch(const char *kernel)
{
	CUdeviceptr nowhere = 0;
	void *params[] = { &nowhere };
	CUmodule module;
	CUfunction f;

	NEED(cuModuleLoadData(&module, kernels_ptx));
	NEED(cuModuleGetFunction(&f, module, kernel));
	NEED(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
}

static void use(const struct things *t)
{
	char bytes[16] = { 0 };
	CUdeviceptr q;
	CUstream s;
	size_t size;

	BAD(cuCtxSynchronize());
	BAD(cuStreamSynchronize(t->stream));
	BAD(cuStreamQuery(t->stream));
	BAD(cuStreamQuery(NULL));
	BAD(cuEventQuery(t->event));
	BAD(cuEventRecord(t->event, t->stream));
	BAD(cuMemAlloc(&q, 64));
	BAD(cuMemsetD8(t->p, 7, 64));
	BAD(cuMemcpyDtoH(bytes, t->p, 16));
	SHOW(bytes[15]);
	BAD(cuMemGetInfo(&size, &size));
	BAD(cuStreamCreate(&s, 0));
	BAD(cuLaunchKernel(t->f, 1, 1, 1, 1, 1, 1, 0, t->stream, NULL, NULL));
	BAD(cuCtxSynchronize());
	BAD(cuMemFree(t->p));
}

/* The primary context, which has been used, beside one whose kernel faults. */
static void beside(const char *kernel)
{
	CUcontext primary = start(), ctx, now;
	struct things first = things(), second;
	unsigned flags;
	int active;

	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	second = things();
	launch(kernel);
	BAD(cuCtxSynchronize());
	BAD(cuStreamQuery(first.stream));
	BAD(cuEventQuery(first.event));
	BAD(cuCtxPopCurrent(&now));
	SHOW(now == ctx);
	BAD(cuCtxSynchronize());
	BAD(cuStreamQuery(second.stream));
	use(&first);
	BAD(cuDevicePrimaryCtxGetState(0, &flags, &active));
	SHOW(active);
	BAD(cuDevicePrimaryCtxRetain(&now, 0));
	SHOW(now == primary);
	BAD(cuCtxCreate(&now, NULL, 0, 0));
	BAD(cuCtxDestroy(ctx));
	BAD(cuCtxSynchronize());
	BAD(cuCtxCreate(&now, NULL, 0, 0));
	BAD(cuDevicePrimaryCtxReset(0));
	BAD(cuDevicePrimaryCtxGetState(0, &flags, &active));
	SHOW(active);
	BAD(cuDevicePrimaryCtxRetain(&now, 0));
	BAD(cuCtxCreate(&now, NULL, 0, 0));
}

static void address(void)
{
	beside("store");
}

static void trapped(void)
{
	beside("stop");
}

/* A created context alone. */
static void destroyed(void)
{
	CUcontext ctx, now;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	launch("store");
	BAD(cuCtxSynchronize());
	BAD(cuCtxDestroy(ctx));
	BAD(cuCtxGetCurrent(&now));
	SHOW(now == NULL);
	BAD(cuCtxSynchronize());
	BAD(cuCtxCreate(&ctx, NULL, 0, 0));
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
}

/* Nobody has waited for the kernel. */
static void unnoticed(void)
{
	CUcontext ctx = start();

	launch("store");
	BAD(cuDevicePrimaryCtxReset(0));
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
	BAD(cuCtxSynchronize());
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxRelease(0));
}

static void releases(void)
{
	CUcontext ctx = start();
	CUdeviceptr p;

	launch("store");
	BAD(cuCtxSynchronize());
	BAD(cuMemFree(0));
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuCtxSynchronize());
	BAD(cuMemFree(0));
	BAD(cuCtxSetCurrent(NULL));
	BAD(cuMemFree(0));
	BAD(cuMemAlloc(&p, 64));
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
}

/* What needs no device. */
static void asked(void)
{
	CUcontext ctx = start(), other;
	struct things t = things();
	CUstreamCaptureStatus status;
	CUlibrary library, another;
	CUkernel kernel;
	CUdevice dev;
	CUgraph graph;
	CUlimit limit = CU_LIMIT_STACK_SIZE;
	CUmemorytype type;
	unsigned flags;
	size_t size;
	void *host;
	int n;

	NEED(cuMemHostAlloc(&host, 64, 0));
	NEED(cuLibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	launch("store");
	BAD(cuCtxSynchronize());
	BAD(cuInit(0));
	BAD(cuDriverGetVersion(&n));
	BAD(cuDeviceGetCount(&n));
	BAD(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
	BAD(cuDevicePrimaryCtxGetState(0, &flags, &n));
	BAD(cuCtxGetDevice(&dev));
	BAD(cuCtxGetApiVersion(ctx, &flags));
	BAD(cuCtxGetFlags(&flags));
	BAD(cuCtxGetLimit(&size, limit));
	BAD(cuCtxSetLimit(limit, 2048));
	BAD(cuCtxGetStreamPriorityRange(&n, &n));
	BAD(cuCtxGetCacheConfig((CUfunc_cache *)&n));
	BAD(cuCtxPushCurrent(ctx));
	BAD(cuCtxPopCurrent(&other));
	BAD(cuStreamGetPriority(t.stream, &n));
	BAD(cuStreamGetFlags(t.stream, &flags));
	BAD(cuStreamGetCtx(t.stream, &other));
	BAD(cuStreamIsCapturing(t.stream, &status));
	BAD(cuStreamBeginCapture(t.stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuStreamWaitEvent(t.stream, t.event, 0));
	BAD(cuFuncGetAttribute(&n, CU_FUNC_ATTRIBUTE_NUM_REGS, t.f));
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, t.f, 32, 0));
	BAD(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, t.p));
	BAD(cuMemGetAddressRange(NULL, &size, t.p));
	BAD(cuMemHostGetFlags(&flags, host));
	BAD(cuMemFreeHost(host));
	BAD(cuGraphCreate(&graph, 0));
	BAD(cuLibraryLoadData(&another, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	BAD(cuLibraryGetKernel(&kernel, library, "nothing"));
	BAD(cuLibraryUnload(library));
}

PARTS({ "address", address }, { "trap", trapped }, { "destroyed", destroyed },
      { "unnoticed", unnoticed }, { "releases", releases }, { "asked", asked })
