/* SPDX-License-Identifier: MIT */
/* requests, decoded and run; made by tools/apigen.py from cuda.def, do not edit */
#include "realcuda.gen.h"
#include "run_hand.gen.h"

/* An integer or enum from the payload; what does not fit its type is malformed. */
#define TAKE(rq, type) ({							\
	uint64_t raw_ = rd_u64(&(rq)->in);					\
	type value_ = (type)raw_;						\
										\
	if ((uint64_t)value_ != raw_)						\
		(rq)->in.err = true;						\
	value_;									\
})

/* The bytes of a value, widened with zeros: the reader takes as many as its type has. */
#define GIVE(rq, value) ({							\
	uint64_t raw_ = 0;							\
										\
	_Static_assert(sizeof(value) <= sizeof(raw_), "a struct needs [1]");	\
	memcpy(&raw_, &(value), sizeof(value));					\
	run_out_u64(rq, raw_);							\
})

static void gen_run_cuEventRecord(struct request *rq)
{
	CUevent hEvent = run_handle(rq, CUDA_HANDLE_event, false);
	CUstream hStream = run_stream(rq);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuEventRecord)
		result = real.cuEventRecord(hEvent, hStream);
	run_result(rq, result);
}

static void gen_run_cuStreamCreateWithPriority(struct request *rq)
{
	CUstream phStream = NULL;
	uint32_t phStream_number = run_new(rq, CUDA_HANDLE_stream);
	unsigned int flags = TAKE(rq, unsigned int);
	int priority = TAKE(rq, int);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuStreamCreateWithPriority)
		result = real.cuStreamCreateWithPriority(&phStream, flags, priority);
	if (!result)
		run_bind(rq, CUDA_HANDLE_stream, phStream_number, phStream);
	run_result(rq, result);
}

static void gen_run_cuStreamDestroy_v2(struct request *rq)
{
	uint32_t hStream_number = 0;
	CUstream hStream = run_del(rq, CUDA_HANDLE_stream, &hStream_number);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuStreamDestroy_v2)
		result = real.cuStreamDestroy_v2(hStream);
	if (!result)
		run_unbind(rq, CUDA_HANDLE_stream, hStream_number);
	run_result(rq, result);
}

static void gen_run_cuCtxGetApiVersion(struct request *rq)
{
	CUcontext ctx = run_handle(rq, CUDA_HANDLE_context, true);
	unsigned int version = 0;
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuCtxGetApiVersion)
		result = real.cuCtxGetApiVersion(ctx, &version);
	if (!result)
		GIVE(rq, version);
	run_result(rq, result);
}

static void gen_run_cuEventElapsedTime_v2(struct request *rq)
{
	float pMilliseconds = 0;
	CUevent hStart = run_handle(rq, CUDA_HANDLE_event, false);
	CUevent hEnd = run_handle(rq, CUDA_HANDLE_event, false);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuEventElapsedTime_v2)
		result = real.cuEventElapsedTime_v2(&pMilliseconds, hStart, hEnd);
	if (!result)
		GIVE(rq, pMilliseconds);
	run_result(rq, result);
}

static void gen_run_cuModuleGetFunction(struct request *rq)
{
	CUfunction hfunc = NULL;
	uint32_t hfunc_number = run_new(rq, CUDA_HANDLE_function);
	CUmodule hmod = run_handle(rq, CUDA_HANDLE_module, false);
	const char *name = rd_str(&rq->in, GEN_BLOB_MAX);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuModuleGetFunction)
		result = real.cuModuleGetFunction(&hfunc, hmod, name);
	if (!result)
		run_bind(rq, CUDA_HANDLE_function, hfunc_number, hfunc);
	run_result(rq, result);
}

static void gen_run_cuModuleGetGlobal_v2(struct request *rq)
{
	CUdeviceptr dptr = 0;
	size_t bytes = 0;
	CUmodule hmod = run_handle(rq, CUDA_HANDLE_module, false);
	const char *name = rd_str(&rq->in, GEN_BLOB_MAX);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuModuleGetGlobal_v2)
		result = real.cuModuleGetGlobal_v2(&dptr, &bytes, hmod, name);
	if (!result) {
		GIVE(rq, dptr);
		GIVE(rq, bytes);
	}
	run_result(rq, result);
}

static void gen_run_cuDeviceGetName(struct request *rq)
{
	char name[GEN_BLOB_MAX / sizeof(char)] = { 0 };
	int len = TAKE(rq, int);
	CUdevice dev = run_device(rq);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if ((size_t)len > GEN_BLOB_MAX / sizeof(char))
		rq->in.err = true;
	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuDeviceGetName)
		result = real.cuDeviceGetName(name, len, dev);
	if (!result)
		run_out_blob(rq, name, len * sizeof(char));
	run_result(rq, result);
}

static void gen_run_cuDeviceGetUuid_v2(struct request *rq)
{
	CUuuid uuid[GEN_BLOB_MAX / sizeof(CUuuid)] = { 0 };
	CUdevice dev = run_device(rq);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if ((size_t)1 > GEN_BLOB_MAX / sizeof(CUuuid))
		rq->in.err = true;
	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuDeviceGetUuid_v2)
		result = real.cuDeviceGetUuid_v2(uuid, dev);
	if (!result)
		run_out_blob(rq, uuid, 1 * sizeof(CUuuid));
	run_result(rq, result);
}

static void gen_run_cuDeviceGetLuid(struct request *rq)
{
	char luid[GEN_BLOB_MAX / sizeof(char)] = { 0 };
	unsigned int deviceNodeMask = 0;
	CUdevice dev = run_device(rq);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if ((size_t)8 > GEN_BLOB_MAX / sizeof(char))
		rq->in.err = true;
	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuDeviceGetLuid)
		result = real.cuDeviceGetLuid(luid, &deviceNodeMask, dev);
	if (!result) {
		run_out_blob(rq, luid, 8 * sizeof(char));
		GIVE(rq, deviceNodeMask);
	}
	run_result(rq, result);
}

static void gen_run_cuMemcpyHtoD_v2(struct request *rq)
{
	CUdeviceptr dstDevice = TAKE(rq, CUdeviceptr);
	size_t srcHost_bytes;
	const void *srcHost = (const void *)rd_blob(&rq->in, GEN_BLOB_MAX, &srcHost_bytes);
	size_t ByteCount = TAKE(rq, size_t);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if ((size_t)ByteCount > GEN_BLOB_MAX / sizeof(unsigned char) ||
			srcHost_bytes != ByteCount * sizeof(unsigned char))
		rq->in.err = true;
	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuMemcpyHtoD_v2)
		result = real.cuMemcpyHtoD_v2(dstDevice, srcHost, ByteCount);
	run_result(rq, result);
}

static void gen_run_cuCtxCreate_v3(struct request *rq)
{
	CUcontext pctx = NULL;
	uint32_t pctx_number = run_new(rq, CUDA_HANDLE_context);
	size_t paramsArray_bytes;
	CUexecAffinityParam *paramsArray = (CUexecAffinityParam *)rd_blob(&rq->in, GEN_BLOB_MAX,
			&paramsArray_bytes);
	int numParams = TAKE(rq, int);
	unsigned int flags = TAKE(rq, unsigned int);
	CUdevice dev = run_device(rq);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!paramsArray_bytes)
		paramsArray = NULL;
	else if ((size_t)numParams > GEN_BLOB_MAX / sizeof(CUexecAffinityParam) ||
			paramsArray_bytes != numParams * sizeof(CUexecAffinityParam))
		rq->in.err = true;
	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuCtxCreate_v3)
		result = real.cuCtxCreate_v3(&pctx, paramsArray, numParams, flags, dev);
	if (!result)
		run_bind(rq, CUDA_HANDLE_context, pctx_number, pctx);
	run_result(rq, result);
}

static void gen_run_cuThreadExchangeStreamCaptureMode(struct request *rq)
{
	CUstreamCaptureMode mode = TAKE(rq, CUstreamCaptureMode);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuThreadExchangeStreamCaptureMode)
		result = real.cuThreadExchangeStreamCaptureMode(&mode);
	if (!result)
		GIVE(rq, mode);
	run_result(rq, result);
}

static void gen_run_cuMemSetAccess(struct request *rq)
{
	CUdeviceptr ptr = TAKE(rq, CUdeviceptr);
	size_t size = TAKE(rq, size_t);
	size_t desc_bytes;
	const CUmemAccessDesc *desc = (const CUmemAccessDesc *)rd_blob(&rq->in, GEN_BLOB_MAX,
			&desc_bytes);
	size_t count = TAKE(rq, size_t);
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if ((size_t)count > GEN_BLOB_MAX / sizeof(CUmemAccessDesc) ||
			desc_bytes != count * sizeof(CUmemAccessDesc))
		rq->in.err = true;
	if (!run_ready(rq)) {
		run_bad(rq);
		return;
	}
	if (real.cuMemSetAccess)
		result = real.cuMemSetAccess(ptr, size, desc, count);
	run_result(rq, result);
}

static const struct gen_dispatch_row rows[] = {
	{ 0x0103, run_cuStreamSynchronize },
	{ 0x0105, run_cuCtxSynchronize },
	{ 0x0200, gen_run_cuEventRecord },
	{ 0x0202, gen_run_cuStreamCreateWithPriority },
	{ 0x0203, gen_run_cuStreamDestroy_v2 },
	{ 0x0204, gen_run_cuCtxGetApiVersion },
	{ 0x0205, gen_run_cuEventElapsedTime_v2 },
	{ 0x0300, gen_run_cuModuleGetFunction },
	{ 0x0301, gen_run_cuModuleGetGlobal_v2 },
	{ 0x0302, gen_run_cuDeviceGetName },
	{ 0x0303, gen_run_cuDeviceGetUuid_v2 },
	{ 0x0304, gen_run_cuDeviceGetLuid },
	{ 0x0305, gen_run_cuMemcpyHtoD_v2 },
	{ 0x0306, gen_run_cuCtxCreate_v3 },
	{ 0x0307, gen_run_cuThreadExchangeStreamCaptureMode },
	{ 0x0308, gen_run_cuMemSetAccess },
};

gen_dispatch_fn gen_dispatch_find(uint16_t op)
{
	int low = 0, high = sizeof(rows) / sizeof(rows[0]) - 1;

	while (low <= high) {
		int middle = (low + high) / 2;

		if (rows[middle].id == op)
			return rows[middle].fn;
		if (rows[middle].id < op)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}
