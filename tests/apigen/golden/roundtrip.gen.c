/* SPDX-License-Identifier: MIT */
/* round trips; made by tools/apigen.py from cuda.def, do not edit */
#define __CUDA_API_VERSION_INTERNAL	/* variants by their exported names */
#include "roundtrip.h"
#include "hand.gen.h"
#include "realcuda.gen.h"
#include "run_hand.gen.h"

CUresult hand_cuInit(unsigned int Flags)
{
	rt_hand(CUDA_ID_cuInit);
	rt_same("Flags", (uint64_t)Flags, (uint64_t)(unsigned int)rt_value(0));
	return rt_result;
}

static CUresult call_cuInit(void)
{
	return cuInit((unsigned int)rt_value(0));
}

CUresult hand_cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream stream)
{
	rt_hand(CUDA_ID_cuMemcpy);
	rt_same("dst", (uint64_t)dst, (uint64_t)(CUdeviceptr)rt_value(0));
	rt_same("src", (uint64_t)src, (uint64_t)(CUdeviceptr)rt_value(1));
	rt_same("ByteCount", (uint64_t)ByteCount, (uint64_t)(size_t)rt_value(2));
	rt_same("stream", (uint64_t)stream, (uint64_t)rt_default_stream());
	return rt_result;
}

static CUresult call_cuMemcpy(void)
{
	return cuMemcpy((CUdeviceptr)rt_value(0), (CUdeviceptr)rt_value(1), (size_t)rt_value(2));
}

static CUresult call_cuMemcpy_ptds(void)
{
	return cuMemcpy_ptds((CUdeviceptr)rt_value(0), (CUdeviceptr)rt_value(1),
			(size_t)rt_value(2));
}

CUresult hand_cuStreamSynchronize(CUstream hStream)
{
	rt_hand(CUDA_ID_cuStreamSynchronize);
	rt_same("hStream", (uint64_t)hStream, (uint64_t)rt_hand_stream());
	return rt_result;
}

static CUresult call_cuStreamSynchronize(void)
{
	return cuStreamSynchronize(rt_stream);
}

static CUresult call_cuStreamSynchronize_ptsz(void)
{
	return cuStreamSynchronize_ptsz(rt_stream);
}

CUresult hand_cuCtxSynchronize(void)
{
	rt_hand(CUDA_ID_cuCtxSynchronize);
	return rt_result;
}

static CUresult call_cuCtxSynchronize(void)
{
	return cuCtxSynchronize();
}

static CUresult fake_cuEventRecord(CUevent hEvent, CUstream hStream)
{
	rt_driver();
	rt_same("hEvent", (uint64_t)hEvent, (uint64_t)(rt_real(CUDA_HANDLE_event, 0)));
	rt_same("hStream", (uint64_t)hStream, (uint64_t)rt_real_stream());
	return rt_result;
}

static CUresult call_cuEventRecord(void)
{
	CUresult result;

	result = cuEventRecord(rt_client(CUDA_HANDLE_event, 0), rt_stream);
	return result;
}

static CUresult call_cuEventRecord_ptsz(void)
{
	CUresult result;

	result = cuEventRecord_ptsz(rt_client(CUDA_HANDLE_event, 0), rt_stream);
	return result;
}

static CUresult fake_cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags,
		int priority)
{
	rt_driver();
	*phStream = rt_real(CUDA_HANDLE_stream, 0);
	rt_same("flags", (uint64_t)flags, (uint64_t)(unsigned int)rt_value(1));
	rt_same("priority", (uint64_t)priority, (uint64_t)(int)rt_value(2));
	return rt_result;
}

static CUresult call_cuStreamCreateWithPriority(void)
{
	CUstream phStream = NULL;
	CUresult result;

	result = cuStreamCreateWithPriority(&phStream, (unsigned int)rt_value(1), (int)rt_value(2));
	rt_made("phStream", CUDA_HANDLE_stream, phStream, 0);
	return result;
}

static CUresult fake_cuStreamDestroy_v2(CUstream hStream)
{
	rt_driver();
	rt_same("hStream", (uint64_t)hStream, (uint64_t)rt_real(CUDA_HANDLE_stream, 0));
	return rt_result;
}

static CUresult call_cuStreamDestroy_v2(void)
{
	CUresult result;

	result = cuStreamDestroy_v2(rt_client(CUDA_HANDLE_stream, 0));
	rt_ended("hStream", CUDA_HANDLE_stream, 0);
	return result;
}

static CUresult fake_cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
	rt_driver();
	rt_same("ctx", (uint64_t)ctx, (uint64_t)(rt_null ? NULL : rt_real(CUDA_HANDLE_context, 0)));
	rt_give(version, 1, sizeof(*version), 1);
	return rt_result;
}

static CUresult call_cuCtxGetApiVersion(void)
{
	unsigned int version[1];
	CUresult result;

	rt_init(version, sizeof(version), 1);
	result = cuCtxGetApiVersion(rt_null ? NULL : rt_client(CUDA_HANDLE_context, 0), version);
	rt_out("version", version, sizeof(version), 1, result);
	return result;
}

static CUresult fake_cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	rt_driver();
	rt_give(pMilliseconds, 1, sizeof(*pMilliseconds), 0);
	rt_same("hStart", (uint64_t)hStart, (uint64_t)(rt_real(CUDA_HANDLE_event, 1)));
	rt_same("hEnd", (uint64_t)hEnd, (uint64_t)(rt_real(CUDA_HANDLE_event, 2)));
	return rt_result;
}

static CUresult call_cuEventElapsedTime_v2(void)
{
	float pMilliseconds[1];
	CUresult result;

	rt_init(pMilliseconds, sizeof(pMilliseconds), 0);
	result = cuEventElapsedTime_v2(pMilliseconds, rt_client(CUDA_HANDLE_event, 1),
			rt_client(CUDA_HANDLE_event, 2));
	rt_out("pMilliseconds", pMilliseconds, sizeof(pMilliseconds), 0, result);
	return result;
}

static CUresult fake_cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
	rt_driver();
	*hfunc = rt_real(CUDA_HANDLE_function, 0);
	rt_same("hmod", (uint64_t)hmod, (uint64_t)(rt_real(CUDA_HANDLE_module, 1)));
	rt_same("name", strcmp(name, rt_text), 0);
	return rt_result;
}

static CUresult call_cuModuleGetFunction(void)
{
	CUfunction hfunc = NULL;
	CUresult result;

	result = cuModuleGetFunction(&hfunc, rt_client(CUDA_HANDLE_module, 1), rt_text);
	rt_made("hfunc", CUDA_HANDLE_function, hfunc, 0);
	return result;
}

static CUresult fake_cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod,
		const char *name)
{
	rt_driver();
	rt_give(dptr, 1, sizeof(*dptr), 0);
	rt_give(bytes, 1, sizeof(*bytes), 1);
	rt_same("hmod", (uint64_t)hmod, (uint64_t)(rt_real(CUDA_HANDLE_module, 2)));
	rt_same("name", strcmp(name, rt_text), 0);
	return rt_result;
}

static CUresult call_cuModuleGetGlobal_v2(void)
{
	CUdeviceptr dptr[1];
	size_t bytes[1];
	CUresult result;

	rt_init(dptr, sizeof(dptr), 0);
	rt_init(bytes, sizeof(bytes), 1);
	result = cuModuleGetGlobal_v2(rt_null ? NULL : dptr, rt_null ? NULL : bytes,
			rt_client(CUDA_HANDLE_module, 2), rt_text);
	rt_out("dptr", dptr, sizeof(dptr), 0, rt_null || result);
	rt_out("bytes", bytes, sizeof(bytes), 1, rt_null || result);
	return result;
}

static CUresult fake_cuDeviceGetName(char *name, int len, CUdevice dev)
{
	rt_driver();
	rt_give(name, len, sizeof(char), 0);
	rt_same("len", (uint64_t)len, (uint64_t)(int)RT_LENGTH);
	rt_same("dev", (uint64_t)dev, (uint64_t)(CUdevice)rt_value(2));
	return rt_result;
}

static CUresult call_cuDeviceGetName(void)
{
	char name[RT_LENGTH];
	CUresult result;

	rt_init(name, sizeof(name), 0);
	result = cuDeviceGetName(name, (int)RT_LENGTH, (CUdevice)rt_value(2));
	rt_out("name", name, sizeof(name), 0, result);
	return result;
}

static CUresult fake_cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	rt_driver();
	rt_give(uuid, 1, sizeof(CUuuid), 0);
	rt_same("dev", (uint64_t)dev, (uint64_t)(CUdevice)rt_value(1));
	return rt_result;
}

static CUresult call_cuDeviceGetUuid_v2(void)
{
	CUuuid uuid[1];
	CUresult result;

	rt_init(uuid, sizeof(uuid), 0);
	result = cuDeviceGetUuid_v2(uuid, (CUdevice)rt_value(1));
	rt_out("uuid", uuid, sizeof(uuid), 0, result);
	return result;
}

static CUresult fake_cuDeviceGetLuid(char *luid, unsigned int *deviceNodeMask, CUdevice dev)
{
	rt_driver();
	rt_give(luid, 8, sizeof(char), 0);
	rt_give(deviceNodeMask, 1, sizeof(*deviceNodeMask), 1);
	rt_same("dev", (uint64_t)dev, (uint64_t)(CUdevice)rt_value(2));
	return rt_result;
}

static CUresult call_cuDeviceGetLuid(void)
{
	char luid[8];
	unsigned int deviceNodeMask[1];
	CUresult result;

	rt_init(luid, sizeof(luid), 0);
	rt_init(deviceNodeMask, sizeof(deviceNodeMask), 1);
	result = cuDeviceGetLuid(luid, deviceNodeMask, (CUdevice)rt_value(2));
	rt_out("luid", luid, sizeof(luid), 0, result);
	rt_out("deviceNodeMask", deviceNodeMask, sizeof(deviceNodeMask), 1, result);
	return result;
}

static CUresult fake_cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	rt_driver();
	rt_same("dstDevice", (uint64_t)dstDevice, (uint64_t)(CUdeviceptr)rt_value(0));
	rt_in("srcHost", srcHost, ByteCount, sizeof(unsigned char), 1, false);
	rt_same("ByteCount", (uint64_t)ByteCount, (uint64_t)(size_t)RT_LENGTH);
	return rt_result;
}

static CUresult call_cuMemcpyHtoD_v2(void)
{
	unsigned char srcHost[RT_LENGTH];
	CUresult result;

	rt_init(srcHost, sizeof(srcHost), 1);
	result = cuMemcpyHtoD_v2((CUdeviceptr)rt_value(0), srcHost, (size_t)RT_LENGTH);
	return result;
}

static CUresult fake_cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray,
		int numParams, unsigned int flags, CUdevice dev)
{
	rt_driver();
	*pctx = rt_real(CUDA_HANDLE_context, 0);
	rt_in("paramsArray", paramsArray, numParams, sizeof(CUexecAffinityParam), 1, rt_null);
	rt_same("numParams", (uint64_t)numParams, (uint64_t)(int)RT_LENGTH);
	rt_same("flags", (uint64_t)flags, (uint64_t)(unsigned int)rt_value(3));
	rt_same("dev", (uint64_t)dev, (uint64_t)(CUdevice)rt_value(4));
	return rt_result;
}

static CUresult call_cuCtxCreate_v3(void)
{
	CUcontext pctx = NULL;
	CUexecAffinityParam paramsArray[RT_LENGTH];
	CUresult result;

	rt_init(paramsArray, sizeof(paramsArray), 1);
	result = cuCtxCreate_v3(&pctx, rt_null ? NULL : paramsArray, (int)RT_LENGTH,
			(unsigned int)rt_value(3), (CUdevice)rt_value(4));
	rt_made("pctx", CUDA_HANDLE_context, pctx, 0);
	return result;
}

static CUresult fake_cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	rt_driver();
	rt_in("mode", mode, 1, sizeof(*mode), 0, false);
	rt_give(mode, 1, sizeof(*mode), 0);
	return rt_result;
}

static CUresult call_cuThreadExchangeStreamCaptureMode(void)
{
	CUstreamCaptureMode mode[1];
	CUresult result;

	rt_init(mode, sizeof(mode), 0);
	result = cuThreadExchangeStreamCaptureMode(mode);
	rt_out("mode", mode, sizeof(mode), 0, result);
	return result;
}

static CUresult fake_cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc,
		size_t count)
{
	rt_driver();
	rt_same("ptr", (uint64_t)ptr, (uint64_t)(CUdeviceptr)rt_value(0));
	rt_same("size", (uint64_t)size, (uint64_t)(size_t)rt_value(1));
	rt_in("desc", desc, count, sizeof(CUmemAccessDesc), 2, false);
	rt_same("count", (uint64_t)count, (uint64_t)(size_t)RT_LENGTH);
	return rt_result;
}

static CUresult call_cuMemSetAccess(void)
{
	CUmemAccessDesc desc[RT_LENGTH];
	CUresult result;

	rt_init(desc, sizeof(desc), 2);
	result = cuMemSetAccess((CUdeviceptr)rt_value(0), (size_t)rt_value(1), desc,
			(size_t)RT_LENGTH);
	return result;
}

void run_cuStreamSynchronize(struct request *rq)
{
	rt_run(rq, CUDA_ID_cuStreamSynchronize);
}

void run_cuCtxSynchronize(struct request *rq)
{
	rt_run(rq, CUDA_ID_cuCtxSynchronize);
}

const struct rt_row rt_rows[] = {
	{ CUDA_ID_cuInit, CUDA_ID_cuInit, false, false, false, true, false,
	  call_cuInit, NULL, NULL },
	{ CUDA_ID_cuMemcpy, CUDA_ID_cuMemcpy, false, false, false, false, false,
	  call_cuMemcpy, NULL, NULL },
	{ CUDA_ID_cuMemcpy_ptds, CUDA_ID_cuMemcpy, true, false, false, false, false,
	  call_cuMemcpy_ptds, NULL, NULL },
	{ CUDA_ID_cuStreamSynchronize, CUDA_ID_cuStreamSynchronize, false, true, true, false, false,
	  call_cuStreamSynchronize, NULL, NULL },
	{ CUDA_ID_cuStreamSynchronize_ptsz, CUDA_ID_cuStreamSynchronize, true, false, true, false,
			false,
	  call_cuStreamSynchronize_ptsz, NULL, NULL },
	{ CUDA_ID_cuCtxSynchronize, CUDA_ID_cuCtxSynchronize, false, true, false, false, false,
	  call_cuCtxSynchronize, NULL, NULL },
	{ CUDA_ID_cuEventRecord, CUDA_ID_cuEventRecord, false, true, true, false, false,
	  call_cuEventRecord, (void **)&real.cuEventRecord, (void *)fake_cuEventRecord },
	{ CUDA_ID_cuEventRecord_ptsz, CUDA_ID_cuEventRecord, true, false, true, false, false,
	  call_cuEventRecord_ptsz, (void **)&real.cuEventRecord, (void *)fake_cuEventRecord },
	{ CUDA_ID_cuStreamCreateWithPriority, CUDA_ID_cuStreamCreateWithPriority, false, true,
			false, false, false,
	  call_cuStreamCreateWithPriority, (void **)&real.cuStreamCreateWithPriority,
			(void *)fake_cuStreamCreateWithPriority },
	{ CUDA_ID_cuStreamDestroy_v2, CUDA_ID_cuStreamDestroy_v2, false, true, false, false, false,
	  call_cuStreamDestroy_v2, (void **)&real.cuStreamDestroy_v2,
			(void *)fake_cuStreamDestroy_v2 },
	{ CUDA_ID_cuCtxGetApiVersion, CUDA_ID_cuCtxGetApiVersion, false, true, false, false, true,
	  call_cuCtxGetApiVersion, (void **)&real.cuCtxGetApiVersion,
			(void *)fake_cuCtxGetApiVersion },
	{ CUDA_ID_cuEventElapsedTime_v2, CUDA_ID_cuEventElapsedTime_v2, false, true, false, false,
			false,
	  call_cuEventElapsedTime_v2, (void **)&real.cuEventElapsedTime_v2,
			(void *)fake_cuEventElapsedTime_v2 },
	{ CUDA_ID_cuModuleGetFunction, CUDA_ID_cuModuleGetFunction, false, true, false, false,
			false,
	  call_cuModuleGetFunction, (void **)&real.cuModuleGetFunction,
			(void *)fake_cuModuleGetFunction },
	{ CUDA_ID_cuModuleGetGlobal_v2, CUDA_ID_cuModuleGetGlobal_v2, false, true, false, false,
			true,
	  call_cuModuleGetGlobal_v2, (void **)&real.cuModuleGetGlobal_v2,
			(void *)fake_cuModuleGetGlobal_v2 },
	{ CUDA_ID_cuDeviceGetName, CUDA_ID_cuDeviceGetName, false, true, false, false, false,
	  call_cuDeviceGetName, (void **)&real.cuDeviceGetName, (void *)fake_cuDeviceGetName },
	{ CUDA_ID_cuDeviceGetUuid_v2, CUDA_ID_cuDeviceGetUuid_v2, false, true, false, false, false,
	  call_cuDeviceGetUuid_v2, (void **)&real.cuDeviceGetUuid_v2,
			(void *)fake_cuDeviceGetUuid_v2 },
	{ CUDA_ID_cuDeviceGetLuid, CUDA_ID_cuDeviceGetLuid, false, true, false, false, false,
	  call_cuDeviceGetLuid, (void **)&real.cuDeviceGetLuid, (void *)fake_cuDeviceGetLuid },
	{ CUDA_ID_cuMemcpyHtoD_v2, CUDA_ID_cuMemcpyHtoD_v2, false, true, false, false, false,
	  call_cuMemcpyHtoD_v2, (void **)&real.cuMemcpyHtoD_v2, (void *)fake_cuMemcpyHtoD_v2 },
	{ CUDA_ID_cuCtxCreate_v3, CUDA_ID_cuCtxCreate_v3, false, true, false, false, true,
	  call_cuCtxCreate_v3, (void **)&real.cuCtxCreate_v3, (void *)fake_cuCtxCreate_v3 },
	{ CUDA_ID_cuThreadExchangeStreamCaptureMode, CUDA_ID_cuThreadExchangeStreamCaptureMode,
			false, true, false, false, false,
	  call_cuThreadExchangeStreamCaptureMode, (void **)&real.cuThreadExchangeStreamCaptureMode,
			(void *)fake_cuThreadExchangeStreamCaptureMode },
	{ CUDA_ID_cuMemSetAccess, CUDA_ID_cuMemSetAccess, false, true, false, false, false,
	  call_cuMemSetAccess, (void **)&real.cuMemSetAccess, (void *)fake_cuMemSetAccess },
};
const size_t rt_nr_rows = sizeof(rt_rows) / sizeof(rt_rows[0]);
