// SPDX-License-Identifier: MIT
/* Faults of kernels: the wait that tells them, and every call after it. */
#include "errors.h"
#include "kernels.h"

static void after(const char *kernel, CUdeviceptr address)
{
	CUcontext ctx = start(), other;
	CUmodule module;
	CUfunction f;
	CUdeviceptr p, q;
	CUevent event;
	CUstream stream;
	void *params[] = { &address };
	char bytes[16];
	int count;
	size_t size;

	NEED(cuModuleLoadData(&module, kernels_ptx));
	NEED(cuModuleGetFunction(&f, module, kernel));
	NEED(cuMemAlloc(&p, 64));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuEventCreate(&event, 0));
	if (address == 2)
		address = p + 2;
	NEED(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	BAD(cuCtxSynchronize());
	BAD(cuCtxSynchronize());
	BAD(cuStreamSynchronize(NULL));
	BAD(cuStreamQuery(stream));
	BAD(cuStreamDestroy(stream));
	BAD(cuEventRecord(event, NULL));
	BAD(cuEventQuery(event));
	BAD(cuEventDestroy(event));
	BAD(cuMemAlloc(&q, 64));
	BAD(cuMemcpyDtoH(bytes, p, 16));
	BAD(cuMemcpyHtoD(p, bytes, 16));
	BAD(cuMemsetD8(p, 0, 16));
	BAD(cuMemGetInfo(&size, &size));
	BAD(cuMemFree(p));
	BAD(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	BAD(cuModuleGetFunction(&f, module, "nothing"));
	BAD(cuModuleUnload(module));
	BAD(cuStreamCreate(&stream, 0));
	BAD(cuCtxGetCurrent(&other));
	SHOW(other == ctx);
	BAD(cuDeviceGetCount(&count));
	BAD(cuCtxSetCurrent(ctx));
	BAD(cuDevicePrimaryCtxReset(0));
}

static void address(void)
{
	after("store", 0);
}

static void misaligned(void)
{
	after("store", 2);
}

static void trapped(void)
{
	after("stop", 0);
}

PARTS({ "illegal address", address }, { "misaligned address", misaligned }, { "trap", trapped })
