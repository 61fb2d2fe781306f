/* SPDX-License-Identifier: MIT */
/* functions that record what another library says; made by tools/apigen.py from cuda.def,
		do not edit */
#define __CUDA_API_VERSION_INTERNAL	/* variants by their exported names */
#include <cuda.h>
#include <cudaProfiler.h>
#include "twin.h"

#define EXPORT __attribute__((visibility("default")))

/* Not done by libvcuda: passed on without a record, and without a prototype. */
#define PASS(symbol)								\
	__asm__(".text\n.globl " #symbol "\n.type " #symbol ", @function\n"	\
		#symbol ":\n	jmp *twin_real_" #symbol "(%rip)\n");			\
	__attribute__((visibility("hidden"), used)) twin_fn twin_real_##symbol;

static twin_fn twin_real_cuInit;

EXPORT CUresult cuInit(unsigned int Flags)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuInit))twin_real_cuInit)(Flags);
	twin_record("cuInit", result);
	return result;
}

static twin_fn twin_real_cuMemcpy;

EXPORT CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuMemcpy))twin_real_cuMemcpy)(dst, src, ByteCount);
	twin_record("cuMemcpy", result);
	return result;
}

static twin_fn twin_real_cuMemcpy_ptds;

EXPORT CUresult cuMemcpy_ptds(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuMemcpy_ptds))twin_real_cuMemcpy_ptds)(dst, src, ByteCount);
	twin_record("cuMemcpy_ptds", result);
	return result;
}

static twin_fn twin_real_cuStreamSynchronize;

EXPORT CUresult cuStreamSynchronize(CUstream hStream)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuStreamSynchronize))twin_real_cuStreamSynchronize)(hStream);
	twin_record("cuStreamSynchronize", result);
	return result;
}

static twin_fn twin_real_cuStreamSynchronize_ptsz;

EXPORT CUresult cuStreamSynchronize_ptsz(CUstream hStream)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuStreamSynchronize_ptsz))twin_real_cuStreamSynchronize_ptsz)(hStream);
	twin_record("cuStreamSynchronize_ptsz", result);
	return result;
}

static twin_fn twin_real_cuCtxSynchronize;

EXPORT CUresult cuCtxSynchronize(void)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuCtxSynchronize))twin_real_cuCtxSynchronize)();
	twin_record("cuCtxSynchronize", result);
	return result;
}

static twin_fn twin_real_cuEventRecord;

EXPORT CUresult cuEventRecord(CUevent hEvent, CUstream hStream)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuEventRecord))twin_real_cuEventRecord)(hEvent, hStream);
	twin_record("cuEventRecord", result);
	return result;
}

static twin_fn twin_real_cuEventRecord_ptsz;

EXPORT CUresult cuEventRecord_ptsz(CUevent hEvent, CUstream hStream)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuEventRecord_ptsz))twin_real_cuEventRecord_ptsz)(hEvent, hStream);
	twin_record("cuEventRecord_ptsz", result);
	return result;
}

static twin_fn twin_real_cuStreamCreateWithPriority;

EXPORT CUresult cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuStreamCreateWithPriority))twin_real_cuStreamCreateWithPriority)(phStream,
			flags, priority);
	twin_record("cuStreamCreateWithPriority", result);
	return result;
}

static twin_fn twin_real_cuStreamDestroy_v2;

EXPORT CUresult cuStreamDestroy_v2(CUstream hStream)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuStreamDestroy_v2))twin_real_cuStreamDestroy_v2)(hStream);
	twin_record("cuStreamDestroy_v2", result);
	return result;
}

static twin_fn twin_real_cuCtxGetApiVersion;

EXPORT CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuCtxGetApiVersion))twin_real_cuCtxGetApiVersion)(ctx, version);
	twin_record("cuCtxGetApiVersion", result);
	return result;
}

static twin_fn twin_real_cuEventElapsedTime_v2;

EXPORT CUresult cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuEventElapsedTime_v2))twin_real_cuEventElapsedTime_v2)(pMilliseconds,
			hStart, hEnd);
	twin_record("cuEventElapsedTime_v2", result);
	return result;
}

static twin_fn twin_real_cuModuleGetFunction;

EXPORT CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuModuleGetFunction))twin_real_cuModuleGetFunction)(hfunc, hmod,
			name);
	twin_record("cuModuleGetFunction", result);
	return result;
}

static twin_fn twin_real_cuModuleGetGlobal_v2;

EXPORT CUresult cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod,
		const char *name)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuModuleGetGlobal_v2))twin_real_cuModuleGetGlobal_v2)(dptr, bytes,
			hmod, name);
	twin_record("cuModuleGetGlobal_v2", result);
	return result;
}

static twin_fn twin_real_cuDeviceGetName;

EXPORT CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuDeviceGetName))twin_real_cuDeviceGetName)(name, len, dev);
	twin_record("cuDeviceGetName", result);
	return result;
}

static twin_fn twin_real_cuDeviceGetUuid_v2;

EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuDeviceGetUuid_v2))twin_real_cuDeviceGetUuid_v2)(uuid, dev);
	twin_record("cuDeviceGetUuid_v2", result);
	return result;
}

static twin_fn twin_real_cuDeviceGetLuid;

EXPORT CUresult cuDeviceGetLuid(char *luid, unsigned int *deviceNodeMask, CUdevice dev)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuDeviceGetLuid))twin_real_cuDeviceGetLuid)(luid, deviceNodeMask,
			dev);
	twin_record("cuDeviceGetLuid", result);
	return result;
}

static twin_fn twin_real_cuMemcpyHtoD_v2;

EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuMemcpyHtoD_v2))twin_real_cuMemcpyHtoD_v2)(dstDevice, srcHost,
			ByteCount);
	twin_record("cuMemcpyHtoD_v2", result);
	return result;
}

static twin_fn twin_real_cuCtxCreate_v3;

EXPORT CUresult cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
		unsigned int flags, CUdevice dev)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuCtxCreate_v3))twin_real_cuCtxCreate_v3)(pctx, paramsArray,
			numParams, flags, dev);
	twin_record("cuCtxCreate_v3", result);
	return result;
}

static twin_fn twin_real_cuThreadExchangeStreamCaptureMode;

EXPORT CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuThreadExchangeStreamCaptureMode))twin_real_cuThreadExchangeStreamCaptureMode)(mode);
	twin_record("cuThreadExchangeStreamCaptureMode", result);
	return result;
}

static twin_fn twin_real_cuMemSetAccess;

EXPORT CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc,
		size_t count)
{
	CUresult result;

	twin_depth++;
	result = ((__typeof__(&cuMemSetAccess))twin_real_cuMemSetAccess)(ptr, size, desc, count);
	twin_record("cuMemSetAccess", result);
	return result;
}

PASS(cuMemAlloc)
PASS(cuMemAlloc_v2)
PASS(cuMemcpyPeer)
PASS(cuMemcpyPeer_ptds)
PASS(cuDeviceGetCliqueCount)
PASS(cuGraphicsMapResources)
PASS(cuGraphicsMapResources_ptsz)

const struct twin_row twin_rows[] = {
	{ "cuInit", &twin_real_cuInit },
	{ "cuMemcpy", &twin_real_cuMemcpy },
	{ "cuMemcpy_ptds", &twin_real_cuMemcpy_ptds },
	{ "cuStreamSynchronize", &twin_real_cuStreamSynchronize },
	{ "cuStreamSynchronize_ptsz", &twin_real_cuStreamSynchronize_ptsz },
	{ "cuCtxSynchronize", &twin_real_cuCtxSynchronize },
	{ "cuEventRecord", &twin_real_cuEventRecord },
	{ "cuEventRecord_ptsz", &twin_real_cuEventRecord_ptsz },
	{ "cuStreamCreateWithPriority", &twin_real_cuStreamCreateWithPriority },
	{ "cuStreamDestroy_v2", &twin_real_cuStreamDestroy_v2 },
	{ "cuCtxGetApiVersion", &twin_real_cuCtxGetApiVersion },
	{ "cuEventElapsedTime_v2", &twin_real_cuEventElapsedTime_v2 },
	{ "cuModuleGetFunction", &twin_real_cuModuleGetFunction },
	{ "cuModuleGetGlobal_v2", &twin_real_cuModuleGetGlobal_v2 },
	{ "cuDeviceGetName", &twin_real_cuDeviceGetName },
	{ "cuDeviceGetUuid_v2", &twin_real_cuDeviceGetUuid_v2 },
	{ "cuDeviceGetLuid", &twin_real_cuDeviceGetLuid },
	{ "cuMemcpyHtoD_v2", &twin_real_cuMemcpyHtoD_v2 },
	{ "cuCtxCreate_v3", &twin_real_cuCtxCreate_v3 },
	{ "cuThreadExchangeStreamCaptureMode", &twin_real_cuThreadExchangeStreamCaptureMode },
	{ "cuMemSetAccess", &twin_real_cuMemSetAccess },
	{ "cuMemAlloc", &twin_real_cuMemAlloc },
	{ "cuMemAlloc_v2", &twin_real_cuMemAlloc_v2 },
	{ "cuMemcpyPeer", &twin_real_cuMemcpyPeer },
	{ "cuMemcpyPeer_ptds", &twin_real_cuMemcpyPeer_ptds },
	{ "cuDeviceGetCliqueCount", &twin_real_cuDeviceGetCliqueCount },
	{ "cuGraphicsMapResources", &twin_real_cuGraphicsMapResources },
	{ "cuGraphicsMapResources_ptsz", &twin_real_cuGraphicsMapResources_ptsz },
	{ 0 },
};
