// SPDX-License-Identifier: MIT
/* After a fault: what is left of the process when the contexts that it poisoned have gone. */
#include "errors.h"
#include "kernels.h"

static void fault(CUfunction f)
{
	CUdeviceptr nowhere = 0;
	void *params[] = { &nowhere };

	NEED(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	BAD(cuCtxSynchronize());
}

static CUfunction function(CUmodule *module, const char *name)
{
	CUfunction f;

	NEED(cuModuleLoadData(module, kernels_ptx));
	NEED(cuModuleGetFunction(&f, *module, name));
	return f;
}

/* Whether a context that is current can be worked in. */
static void work(void)
{
	unsigned char bytes[64] = { 0 };
	CUmodule module = NULL;
	CUdeviceptr p = 0;
	CUstream stream;
	CUfunction f;

	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 64));
	BAD(cuMemsetD8(p, 7, 64));
	BAD(cuMemcpyDtoH(bytes, p, 64));
	SHOW(bytes[63]);
	BAD(cuStreamCreate(&stream, 0));
	BAD(cuModuleLoadData(&module, kernels_ptx));
	BAD(cuModuleGetFunction(&f, module, "nothing"));
	BAD(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	BAD(cuStreamSynchronize(stream));
	BAD(cuMemFree(p));
}

static void reset(void)
{
	CUcontext ctx = start();
	size_t before, after, total;
	CUmodule module;
	CUdeviceptr p;

	NEED(cuMemGetInfo(&before, &total));
	NEED(cuMemAlloc(&p, 64 << 20));
	fault(function(&module, "store"));
	BAD(cuMemAlloc(&p, 64));
	BAD(cuDevicePrimaryCtxReset(0));
	BAD(cuCtxSynchronize());
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
	work();
	BAD(cuMemGetInfo(&after, &total));
	SHOW(after + (32 << 20) >= before);
	fault(function(&module, "store"));
	BAD(cuDevicePrimaryCtxReset(0));
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
	work();
}

static void destroyed(void)
{
	CUmodule module;
	CUcontext ctx;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	fault(function(&module, "store"));
	BAD(cuCtxSynchronize());
	BAD(cuCtxDestroy(ctx));
	BAD(cuCtxCreate(&ctx, NULL, 0, 0));
	work();
	BAD(cuCtxDestroy(ctx));
}

/* Another context that was there. */
static void beside(void)
{
	CUcontext primary = start(), ctx;
	CUdeviceptr other;
	CUmodule module;

	NEED(cuCtxSynchronize());
	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	fault(function(&module, "store"));
	BAD(cuCtxDestroy(ctx));
	BAD(cuCtxSetCurrent(primary));
	BAD(cuStreamSynchronize(NULL));
	BAD(cuMemAlloc(&other, 64));
	BAD(cuDevicePrimaryCtxReset(0));
	BAD(cuDevicePrimaryCtxRetain(&primary, 0));
	work();
}

PARTS({ "reset", reset }, { "destroyed", destroyed }, { "beside", beside })
