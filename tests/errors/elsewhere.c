// SPDX-License-Identifier: MIT
/* Work in streams, and with modules, of a context that is not current: none is, or another. */
#include "errors.h"
#include "kernels.h"

static CUstream stream;
static CUmodule module;
static CUfunction f;
static CUdeviceptr p, number;

static void nothing(void *arg)
{
	(void)arg;
}

/* One that lives, and is not current any more after it. */
static void make(void)
{
	CUcontext ctx;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuModuleLoadData(&module, kernels_ptx));
	NEED(cuModuleGetFunction(&f, module, "nothing"));
	NEED(cuModuleGetGlobal(&number, NULL, module, "number"));
	NEED(cuMemAlloc(&p, 64));
	NEED(cuCtxSynchronize());
	NEED(cuCtxPopCurrent(NULL));
}

static void use(void)
{
	CUcontext of;
	CUdeviceptr q;
	unsigned flags;
	char bytes[4] = { 0 };
	int n;

	BAD(cuStreamGetCtx(stream, &of));
	BAD(cuStreamGetFlags(stream, &flags));
	BAD(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	BAD(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchHostFunc(stream, nothing, NULL));
	BAD(cuMemsetD8Async(p, 1, 64, stream));
	BAD(cuMemcpyDtoDAsync(p, p + 32, 32, stream));
	BAD(cuMemcpyHtoDAsync(p, bytes, 4, stream));
	BAD(cuMemcpyDtoHAsync(bytes, p, 4, stream));
	BAD(cuMemAllocAsync(&q, 64, stream));
	BAD(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	BAD(cuMemcpyDtoH(bytes, p, 4));
	BAD(cuModuleGetFunction(&f, module, "nothing"));
	BAD(cuModuleGetFunction(&f, NULL, "nothing"));
	BAD(cuFuncGetAttribute(&n, CU_FUNC_ATTRIBUTE_NUM_REGS, f));
	BAD(cuStreamDestroy(NULL));
}

static void none(void)
{
	make();
	use();
}

static void gone(void)
{
	CUcontext ctx;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	NEED(cuCtxDestroy(ctx));
	make();
	NEED(cuCtxSetCurrent(ctx));
	use();
}

/* A variable of a module of another context. */
static void variable(void)
{
	CUdeviceptr own;
	CUstream here;
	unsigned value = 0;

	make();
	start();
	NEED(cuStreamCreate(&here, 0));
	NEED(cuMemAlloc(&own, 4));
	BAD(cuMemsetD32(number, 7, 1));
	BAD(cuMemsetD32Async(number, 7, 1, here));
	BAD(cuMemsetD32Async(number, 8, 1, stream));
	BAD(cuMemsetD2D8(number, 2, 7, 2, 2));
	BAD(cuStreamSynchronize(stream));
	BAD(cuMemcpyDtoH(&value, number, 4));
	SHOW(value);
	BAD(cuMemcpyHtoD(number, &value, 4));
	BAD(cuMemcpyDtoD(own, number, 4));
}

PARTS({ "none", none }, { "gone", gone }, { "variable", variable })
