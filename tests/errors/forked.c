// SPDX-License-Identifier: MIT
/* A child of a process that has initialised the driver, and the parent after it. */
#include "errors.h"
#include "kernels.h"

/* What calls in a child say, and this one's after it. */
static void in_child(void (*fn)(void))
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		fn();
		fflush(stdout);
		exit(0);
	}
	waitpid(child, &status, 0);
	calls = progress->at;
	if (WIFSIGNALED(status))
		raise(WTERMSIG(status));
}

static CUcontext ctx;
static CUstream stream;
static CUdeviceptr p;

static void ask(void)
{
	const char *name;
	CUcontext now;
	CUmodule module;
	void *fn;
	int n;

	BAD(cuInit(0));
	BAD(cuInit(1));
	BAD(cuDriverGetVersion(&n));
	BAD(cuGetErrorName(CUDA_ERROR_NOT_INITIALIZED, &name));
	BAD(cuGetProcAddress("cuInit", &fn, 12000, 0, NULL));
	BAD(cuDeviceGetCount(&n));
	BAD(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
	BAD(cuDevicePrimaryCtxRetain(&now, 0));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuCtxGetCurrent(&now));
	BAD(cuCtxSetCurrent(ctx));
	BAD(cuCtxCreate(&now, NULL, 0, 0));
	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 64));
	BAD(cuMemFree(p));
	BAD(cuStreamSynchronize(stream));
	BAD(cuStreamDestroy(stream));
	BAD(cuModuleLoadData(&module, kernels_ptx));
}

static void after_use(void)
{
	char bytes[4] = { 0 };

	ctx = start();
	NEED(cuMemAlloc(&p, 64));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuMemsetD8Async(p, 5, 64, stream));
	in_child(ask);
	BAD(cuStreamSynchronize(stream));
	BAD(cuMemcpyDtoH(bytes, p, 4));
	SHOW(bytes[3]);
	BAD(cuCtxSynchronize());
}

static void after_init(void)
{
	int n;

	NEED(cuInit(0));
	in_child(ask);
	BAD(cuDeviceGetCount(&n));
	BAD(cuInit(0));
}

static void use(void)
{
	int n;

	BAD(cuDeviceGetCount(&n));
	BAD(cuInit(0));
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
	BAD(cuCtxSetCurrent(ctx));
	BAD(cuMemAlloc(&p, 64));
}

static void before_init(void)
{
	int n;

	NEED(cuDriverGetVersion(&n));
	in_child(use);
	BAD(cuDeviceGetCount(&n));
	BAD(cuInit(0));
	BAD(cuDeviceGetCount(&n));
}

PARTS({ "after use", after_use }, { "after cuInit", after_init }, { "before cuInit", before_init })
