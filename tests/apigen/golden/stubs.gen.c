/* SPDX-License-Identifier: MIT */
/* the exported functions; made by tools/apigen.py from cuda.def, do not edit */
#define __CUDA_API_VERSION_INTERNAL	/* variants by their exported names */
#include "call.h"
#include "hand.gen.h"

#define EXPORT __attribute__((visibility("default")))

static CUresult refuse(enum cuda_id id, const char *why)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, id, false);
	return vcuda_leave(&scope, scope.err ? scope.err : vcuda_refuse(id, why));
}

/* Not done here: the symbol without its prototype, so that any version of cuda.h will do. */
#define REFUSE(symbol, why)							\
	EXPORT CUresult refuse_##symbol(void) __asm__(#symbol);			\
	CUresult refuse_##symbol(void)						\
	{									\
		return refuse(CUDA_ID_##symbol, why);				\
	}
#define NONE(symbol)	REFUSE(symbol, NULL)

/* Bytes of n elements; what is too long is refused here: the server would close the session. */
static inline size_t length(struct vcuda_call *c, size_t n, size_t size)
{
	if (n <= GEN_BLOB_MAX / size)
		return n * size;
	if (!c->err)
		c->err = CUDA_ERROR_INVALID_VALUE;
	return 0;
}

static inline void put_string(struct vcuda_call *c, const char *s)
{
	if (s && strlen(s) < GEN_BLOB_MAX)
		vcuda_put_str(c, s);
	else if (!c->err)
		c->err = CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuInit(unsigned int Flags)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuInit, true);
	if (scope.trace)
		vcuda_trace_args(&scope, "Flags=%llu", (unsigned long long)Flags);
	return vcuda_leave(&scope, scope.err ? scope.err : hand_cuInit(Flags));
}

EXPORT CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuMemcpy, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "dst=%#llx src=%#llx ByteCount=%llu",
				(unsigned long long)dst, (unsigned long long)src,
				(unsigned long long)ByteCount);
	return vcuda_leave(&scope, scope.err ? scope.err : hand_cuMemcpy(dst, src, ByteCount,
			CU_STREAM_LEGACY));
}

EXPORT CUresult cuMemcpy_ptds(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuMemcpy_ptds, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "dst=%#llx src=%#llx ByteCount=%llu",
				(unsigned long long)dst, (unsigned long long)src,
				(unsigned long long)ByteCount);
	return vcuda_leave(&scope, scope.err ? scope.err : hand_cuMemcpy(dst, src, ByteCount,
			CU_STREAM_PER_THREAD));
}

EXPORT CUresult cuStreamSynchronize(CUstream hStream)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuStreamSynchronize, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "hStream=%p", hStream);
	return vcuda_leave(&scope, scope.err ? scope.err : hand_cuStreamSynchronize(hStream));
}

EXPORT CUresult cuStreamSynchronize_ptsz(CUstream hStream)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuStreamSynchronize_ptsz, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "hStream=%p", hStream);
	return vcuda_leave(&scope,
			scope.err ? scope.err : hand_cuStreamSynchronize(hStream ? hStream : CU_STREAM_PER_THREAD));
}

EXPORT CUresult cuCtxSynchronize(void)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuCtxSynchronize, false);
	return vcuda_leave(&scope, scope.err ? scope.err : hand_cuCtxSynchronize());
}

static CUresult body_cuEventRecord(CUevent hEvent, CUstream hStream)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuEventRecord);
	vcuda_put_handle(&call, CUDA_HANDLE_event, hEvent, false);
	vcuda_put_stream(&call, hStream);
	return vcuda_async(&call);
}

EXPORT CUresult cuEventRecord(CUevent hEvent, CUstream hStream)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuEventRecord, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "hEvent=%p hStream=%p", hEvent, hStream);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuEventRecord(hEvent, hStream));
}

EXPORT CUresult cuEventRecord_ptsz(CUevent hEvent, CUstream hStream)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuEventRecord_ptsz, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "hEvent=%p hStream=%p", hEvent, hStream);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuEventRecord(hEvent,
			hStream ? hStream : CU_STREAM_PER_THREAD));
}

static CUresult body_cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags,
		int priority)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuStreamCreateWithPriority);
	vcuda_put_new(&call, CUDA_HANDLE_stream, phStream);
	vcuda_put_u64(&call, flags);
	vcuda_put_u64(&call, priority);
	return vcuda_async(&call);
}

EXPORT CUresult cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuStreamCreateWithPriority, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "phStream=%p flags=%llu priority=%lld", phStream,
				(unsigned long long)flags, (long long)priority);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuStreamCreateWithPriority(phStream,
			flags, priority));
}

static CUresult body_cuStreamDestroy_v2(CUstream hStream)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuStreamDestroy_v2);
	vcuda_put_del(&call, CUDA_HANDLE_stream, hStream);
	return vcuda_async(&call);
}

EXPORT CUresult cuStreamDestroy_v2(CUstream hStream)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuStreamDestroy_v2, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "hStream=%p", hStream);
	if (vcuda_is_default_stream(hStream))
		scope.err = CUDA_ERROR_INVALID_HANDLE;
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuStreamDestroy_v2(hStream));
}

static CUresult body_cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuCtxGetApiVersion);
	vcuda_put_handle(&call, CUDA_HANDLE_context, ctx, true);
	vcuda_want_scalar(&call, version, sizeof(*version), false);
	return vcuda_memo(&call);
}

EXPORT CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuCtxGetApiVersion, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "ctx=%p version=%p", ctx, version);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuCtxGetApiVersion(ctx, version));
}

static CUresult body_cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuEventElapsedTime_v2);
	vcuda_want_scalar(&call, pMilliseconds, sizeof(*pMilliseconds), false);
	vcuda_put_handle(&call, CUDA_HANDLE_event, hStart, false);
	vcuda_put_handle(&call, CUDA_HANDLE_event, hEnd, false);
	return vcuda_sync(&call);
}

EXPORT CUresult cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuEventElapsedTime_v2, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "pMilliseconds=%p hStart=%p hEnd=%p", pMilliseconds,
				hStart, hEnd);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuEventElapsedTime_v2(pMilliseconds,
			hStart, hEnd));
}

static CUresult body_cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuModuleGetFunction);
	vcuda_put_new(&call, CUDA_HANDLE_function, hfunc);
	vcuda_put_handle(&call, CUDA_HANDLE_module, hmod, false);
	put_string(&call, name);
	return vcuda_sync(&call);
}

EXPORT CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuModuleGetFunction, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "hfunc=%p hmod=%p name=%s", hfunc, hmod,
				name ? name : "(null)");
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuModuleGetFunction(hfunc, hmod,
			name));
}

static CUresult body_cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod,
		const char *name)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuModuleGetGlobal_v2);
	vcuda_want_scalar(&call, dptr, sizeof(*dptr), true);
	vcuda_want_scalar(&call, bytes, sizeof(*bytes), true);
	vcuda_put_handle(&call, CUDA_HANDLE_module, hmod, false);
	put_string(&call, name);
	return vcuda_sync(&call);
}

EXPORT CUresult cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod,
		const char *name)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuModuleGetGlobal_v2, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "dptr=%p bytes=%p hmod=%p name=%s", dptr, bytes, hmod,
				name ? name : "(null)");
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuModuleGetGlobal_v2(dptr, bytes,
			hmod, name));
}

static CUresult body_cuDeviceGetName(char *name, int len, CUdevice dev)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuDeviceGetName);
	vcuda_want_blob(&call, name, length(&call, len, sizeof(char)), false);
	vcuda_put_u64(&call, len);
	vcuda_put_device(&call, dev);
	return vcuda_sync(&call);
}

EXPORT CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuDeviceGetName, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "name=%p len=%lld dev=%lld", name, (long long)len,
				(long long)dev);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuDeviceGetName(name, len, dev));
}

static CUresult body_cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuDeviceGetUuid_v2);
	vcuda_want_blob(&call, uuid, length(&call, 1, sizeof(CUuuid)), false);
	vcuda_put_device(&call, dev);
	return vcuda_memo(&call);
}

EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuDeviceGetUuid_v2, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "uuid=%p dev=%lld", uuid, (long long)dev);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuDeviceGetUuid_v2(uuid, dev));
}

static CUresult body_cuDeviceGetLuid(char *luid, unsigned int *deviceNodeMask, CUdevice dev)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuDeviceGetLuid);
	vcuda_want_blob(&call, luid, length(&call, 8, sizeof(char)), false);
	vcuda_want_scalar(&call, deviceNodeMask, sizeof(*deviceNodeMask), false);
	vcuda_put_device(&call, dev);
	return vcuda_memo(&call);
}

EXPORT CUresult cuDeviceGetLuid(char *luid, unsigned int *deviceNodeMask, CUdevice dev)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuDeviceGetLuid, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "luid=%p deviceNodeMask=%p dev=%lld", luid, deviceNodeMask,
				(long long)dev);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuDeviceGetLuid(luid,
			deviceNodeMask, dev));
}

static CUresult body_cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuMemcpyHtoD_v2);
	vcuda_put_u64(&call, dstDevice);
	vcuda_put_blob(&call, srcHost, length(&call, ByteCount, sizeof(unsigned char)), false);
	vcuda_put_u64(&call, ByteCount);
	return vcuda_sync(&call);
}

EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuMemcpyHtoD_v2, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "dstDevice=%#llx srcHost=%p ByteCount=%llu",
				(unsigned long long)dstDevice, srcHost,
				(unsigned long long)ByteCount);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuMemcpyHtoD_v2(dstDevice, srcHost,
			ByteCount));
}

static CUresult body_cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray,
		int numParams, unsigned int flags, CUdevice dev)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuCtxCreate_v3);
	vcuda_put_new(&call, CUDA_HANDLE_context, pctx);
	vcuda_put_blob(&call, paramsArray, length(&call, numParams, sizeof(CUexecAffinityParam)),
			true);
	vcuda_put_u64(&call, numParams);
	vcuda_put_u64(&call, flags);
	vcuda_put_device(&call, dev);
	return vcuda_sync(&call);
}

EXPORT CUresult cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
		unsigned int flags, CUdevice dev)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuCtxCreate_v3, false);
	if (scope.trace)
		vcuda_trace_args(&scope,
				"pctx=%p paramsArray=%p numParams=%lld flags=%llu dev=%lld", pctx,
				paramsArray, (long long)numParams, (unsigned long long)flags,
				(long long)dev);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuCtxCreate_v3(pctx, paramsArray,
			numParams, flags, dev));
}

static CUresult body_cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuThreadExchangeStreamCaptureMode);
	vcuda_put_u64(&call, mode ? *mode : 0);
	vcuda_want_scalar(&call, mode, sizeof(*mode), false);
	return vcuda_sync(&call);
}

EXPORT CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuThreadExchangeStreamCaptureMode, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "mode=%p", mode);
	return vcuda_leave(&scope,
			scope.err ? scope.err : body_cuThreadExchangeStreamCaptureMode(mode));
}

static CUresult body_cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc,
		size_t count)
{
	struct vcuda_call call;

	vcuda_begin(&call, CUDA_ID_cuMemSetAccess);
	vcuda_put_u64(&call, ptr);
	vcuda_put_u64(&call, size);
	vcuda_put_blob(&call, desc, length(&call, count, sizeof(CUmemAccessDesc)), false);
	vcuda_put_u64(&call, count);
	return vcuda_sync(&call);
}

EXPORT CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc,
		size_t count)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, CUDA_ID_cuMemSetAccess, false);
	if (scope.trace)
		vcuda_trace_args(&scope, "ptr=%#llx size=%llu desc=%p count=%llu",
				(unsigned long long)ptr, (unsigned long long)size, desc,
				(unsigned long long)count);
	return vcuda_leave(&scope, scope.err ? scope.err : body_cuMemSetAccess(ptr, size, desc,
			count));
}

NONE(cuMemAlloc)
NONE(cuMemAlloc_v2)
NONE(cuMemcpyPeer)
NONE(cuMemcpyPeer_ptds)
NONE(cuDeviceGetCliqueCount)
REFUSE(cuGraphicsMapResources, "it is of a display")
REFUSE(cuGraphicsMapResources_ptsz, "it is of a display")
