// SPDX-License-Identifier: MIT
/* Several contexts: what lives in one, seen from another or from none, and libraries, which are of none. */
#include "errors.h"

static const char ptx[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .global .align 4 .u32 number = 3;\n"
	".visible .entry add(.param .u32 add_n)\n{\n"
	"\t.reg .b64 %rd<2>;\n\t.reg .b32 %r<3>;\n"
	"\tmov.u64 %rd1, number;\n\tld.param.u32 %r1, [add_n];\n"
	"\tld.global.u32 %r2, [%rd1];\n\tadd.u32 %r2, %r2, %r1;\n"
	"\tst.global.u32 [%rd1], %r2;\n\tret;\n}\n";

static CUlibrary library;
static CUkernel kernel;

static void show_number(void)
{
	CUdeviceptr p = 0;
	unsigned number = 0;

	BAD(cuLibraryGetGlobal(&p, NULL, library, "number"));
	BAD(cuMemcpyDtoH(&number, p, 4));
	SHOW(number);
}

static CUresult add(CUfunction f, unsigned n, unsigned shared)
{
	void *params[] = { &n };

	return cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, shared, NULL, params, NULL);
}

static void load(void)
{
	NEED(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
	NEED(cuLibraryGetKernel(&kernel, library, "add"));
}

static void variables(void)
{
	CUcontext first = start(), second, third;
	CUdeviceptr p, q;

	load();
	BAD(add((CUfunction)kernel, 10, 0));
	show_number();
	NEED(cuCtxCreate(&second, NULL, 0, 0));
	show_number();
	BAD(add((CUfunction)kernel, 100, 0));
	show_number();
	BAD(cuLibraryGetGlobal(&q, NULL, library, "number"));
	NEED(cuCtxSetCurrent(first));
	show_number();
	BAD(cuLibraryGetGlobal(&p, NULL, library, "number"));
	SHOW(p == q);
	BAD(cuMemsetD32(q, 77, 1));
	show_number();
	NEED(cuCtxSetCurrent(second));
	show_number();
	NEED(cuCtxCreate(&third, NULL, 0, 0));
	show_number();
	NEED(cuCtxDestroy(second));
	NEED(cuCtxSetCurrent(first));
	BAD(add((CUfunction)kernel, 1000, 0));
	show_number();
	NEED(cuCtxCreate(&second, NULL, 0, 0));
	show_number();
	BAD(cuLibraryUnload(library));
	BAD(cuCtxSynchronize());
}

static void functions(void)
{
	CUcontext first = start(), second;
	CUmodule module, other;
	CUlibrary from;
	CUfunction f, g;
	CUdeviceptr p;
	CUstream stream;
	unsigned n = 1;
	void *params[] = { &n };
	int value = 0;

	load();
	BAD(cuKernelGetFunction(&f, kernel));
	BAD(cuLibraryGetModule(&module, library));
	BAD(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000, kernel, 0));
	BAD(add(f, 1, 60000));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuCtxCreate(&second, NULL, 0, 0));
	BAD(cuKernelGetFunction(&g, kernel));
	SHOW(f == g);
	BAD(cuLibraryGetModule(&other, library));
	SHOW(module == other);
	BAD(cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, kernel, 0));
	SHOW(value);
	BAD(add(g, 1, 60000));
	BAD(add((CUfunction)kernel, 1, 60000));
	BAD(cuLaunchKernel(g, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
	BAD(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
	show_number();
	BAD(cuModuleGetGlobal(&p, NULL, other, "number"));
	BAD(cuModuleGetFunction(&g, other, "add"));
	BAD(add(g, 1, 0));
	show_number();
	BAD(cuFuncGetModule(&module, g));
	SHOW(module == other);
	BAD(cuKernelGetLibrary(&from, kernel));
	SHOW(from == library);
	NEED(cuCtxSetCurrent(first));
	show_number();
	BAD(cuStreamSynchronize(stream));
}

/* A stream and an event that live, and no context that is current, or one that has gone. */
static void alone(void)
{
	CUcontext ctx, gone;
	CUstream stream;
	CUevent event;
	float ms;

	NEED(cuInit(0));
	NEED(cuCtxCreate(&gone, NULL, 0, 0));
	NEED(cuCtxDestroy(gone));
	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuEventCreate(&event, 0));
	NEED(cuEventRecord(event, stream));
	NEED(cuCtxSynchronize());
	for (int i = 0; i < 2; i++) {
		NEED(cuCtxSetCurrent(i ? gone : NULL));
		BAD(cuStreamQuery(stream));
		BAD(cuStreamSynchronize(stream));
		BAD(cuStreamWaitEvent(stream, event, 0));
		BAD(cuEventRecord(event, stream));
		BAD(cuEventSynchronize(event));
		BAD(cuEventQuery(event));
		BAD(cuEventElapsedTime(&ms, event, event));
		BAD(cuEventRecord(event, NULL));
		BAD(cuStreamSynchronize(NULL));
	}
	BAD(cuEventDestroy(event));
	BAD(cuStreamDestroy(stream));
}

/* What a destroyed context has left, where another was there all the time. */
static void beside(void)
{
	CUcontext first = start(), ctx;
	CUstream stream;
	CUevent event;
	unsigned long long id;

	NEED(cuCtxCreate(&ctx, NULL, 0, 0));
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuEventCreate(&event, 0));
	NEED(cuCtxDestroy(ctx));
	NEED(cuCtxSetCurrent(first));
	BAD(cuStreamQuery(stream));
	BAD(cuStreamSynchronize(stream));
	BAD(cuEventQuery(event));
	BAD(cuEventRecord(event, NULL));
	BAD(cuCtxGetId(ctx, &id));
	BAD(cuStreamDestroy(stream));
	BAD(cuEventDestroy(event));
}

PARTS({ "variables", variables }, { "functions", functions }, { "none current", alone },
      { "beside", beside })
