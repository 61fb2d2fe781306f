// SPDX-License-Identifier: MIT
/* After a fault: what is left of the process when the context that it poisoned has been reset. */
#include "errors.h"
#include "kernels.h"

static void fault(void)
{
	CUdeviceptr nowhere = 0;
	void *params[] = { &nowhere };
	CUmodule module;
	CUfunction f;

	NEED(cuModuleLoadData(&module, kernels_ptx));
	NEED(cuModuleGetFunction(&f, module, "store"));
	NEED(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	BAD(cuCtxSynchronize());
}

/* Whether the current context can be worked in. */
static void work(void)
{
	unsigned char bytes[64] = { 0 };
	CUmodule module = NULL;
	CUdeviceptr p = 0;
	CUstream stream;

	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 64));
	BAD(cuMemsetD8(p, 7, 64));
	BAD(cuMemcpyDtoH(bytes, p, 64));
	SHOW(bytes[63]);
	BAD(cuStreamCreate(&stream, 0));
	BAD(cuModuleLoadData(&module, kernels_ptx));
	BAD(cuMemFree(p));
}

static void reset(void)
{
	CUcontext ctx = start();
	size_t after = 0, total;
	CUdeviceptr p;

	NEED(cuMemAlloc(&p, 64 << 20));
	fault();
	BAD(cuMemAlloc(&p, 64));
	BAD(cuDevicePrimaryCtxReset(0));
	BAD(cuCtxSynchronize());
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
	work();
	BAD(cuMemGetInfo(&after, &total));
}

PARTS({ "reset", reset })
