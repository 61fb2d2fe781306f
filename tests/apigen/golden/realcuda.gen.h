/* SPDX-License-Identifier: MIT */
/* the driver's functions; made by tools/apigen.py from cuda.def, do not edit */
#ifndef REALCUDA_GEN_H
#define REALCUDA_GEN_H

#include <cuda.h>
#include <cudaProfiler.h>

/* cuda.h renames some to newer variants: here each has the name that is exported. */
#undef cuInit
#undef cuMemcpy
#undef cuStreamSynchronize
#undef cuCtxSynchronize
#undef cuEventRecord
#undef cuStreamCreateWithPriority
#undef cuCtxGetApiVersion
#undef cuModuleGetFunction
#undef cuDeviceGetName
#undef cuDeviceGetLuid
#undef cuThreadExchangeStreamCaptureMode
#undef cuMemSetAccess
#undef cuMemcpyPeer
#undef cuDeviceGetCliqueCount
#undef cuGraphicsMapResources

/* NULL: the driver does not have it. */
struct realcuda {
	CUresult (*cuInit)(unsigned int Flags);
	CUresult (*cuMemcpy)(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount);
	CUresult (*cuStreamSynchronize)(CUstream hStream);
	CUresult (*cuCtxSynchronize)(void);
	CUresult (*cuEventRecord)(CUevent hEvent, CUstream hStream);
	CUresult (*cuStreamCreateWithPriority)(CUstream *phStream, unsigned int flags,
			int priority);
	CUresult (*cuStreamDestroy_v2)(CUstream hStream);
	CUresult (*cuCtxGetApiVersion)(CUcontext ctx, unsigned int *version);
	CUresult (*cuEventElapsedTime_v2)(float *pMilliseconds, CUevent hStart, CUevent hEnd);
	CUresult (*cuModuleGetFunction)(CUfunction *hfunc, CUmodule hmod, const char *name);
	CUresult (*cuModuleGetGlobal_v2)(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod,
			const char *name);
	CUresult (*cuDeviceGetName)(char *name, int len, CUdevice dev);
	CUresult (*cuDeviceGetUuid_v2)(CUuuid *uuid, CUdevice dev);
	CUresult (*cuDeviceGetLuid)(char *luid, unsigned int *deviceNodeMask, CUdevice dev);
	CUresult (*cuMemcpyHtoD_v2)(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount);
	CUresult (*cuCtxCreate_v3)(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
			unsigned int flags, CUdevice dev);
	CUresult (*cuThreadExchangeStreamCaptureMode)(CUstreamCaptureMode *mode);
	CUresult (*cuMemSetAccess)(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc,
			size_t count);
	CUresult (*cuMemAlloc_v2)(CUdeviceptr *dptr, size_t bytesize);
	CUresult (*cuMemcpyPeer)(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
			CUcontext srcContext, size_t ByteCount);
#if CUDA_VERSION >= 13040
	CUresult (*cuDeviceGetCliqueCount)(size_t *count, CUdevice dev);
#endif
	CUresult (*cuGraphicsMapResources)(unsigned int count, CUgraphicsResource *resources,
			CUstream hStream);
};

extern struct realcuda real;

/* Looks them up in a dlopen()ed driver; gives the number of those it lacks. */
int realcuda_load(struct realcuda *to, void *dlhandle);

#endif
