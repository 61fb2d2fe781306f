/* SPDX-License-Identifier: MIT */
/* the prototypes are those of cuda.h; made by tools/apigen.py from cuda.def, do not edit */
#define __CUDA_API_VERSION_INTERNAL	/* variants by their exported names */
#include <cuda.h>
#include <cudaProfiler.h>

#if CUDA_VERSION < 13000
#error cuda.h is older than 13000
#endif

#define SAME(symbol, ...)							\
	_Static_assert(__builtin_types_compatible_p(__typeof__(&symbol),	\
						    CUresult (*)(__VA_ARGS__)),	\
		       #symbol " is declared otherwise in cuda.h")

SAME(cuInit, unsigned int Flags);
SAME(cuMemcpy, CUdeviceptr dst, CUdeviceptr src, size_t ByteCount);
SAME(cuMemcpy_ptds, CUdeviceptr dst, CUdeviceptr src, size_t ByteCount);
SAME(cuStreamSynchronize, CUstream hStream);
SAME(cuStreamSynchronize_ptsz, CUstream hStream);
SAME(cuCtxSynchronize, void);
SAME(cuEventRecord, CUevent hEvent, CUstream hStream);
SAME(cuEventRecord_ptsz, CUevent hEvent, CUstream hStream);
SAME(cuStreamCreateWithPriority, CUstream *phStream, unsigned int flags, int priority);
SAME(cuStreamDestroy_v2, CUstream hStream);
SAME(cuCtxGetApiVersion, CUcontext ctx, unsigned int *version);
SAME(cuEventElapsedTime_v2, float *pMilliseconds, CUevent hStart, CUevent hEnd);
SAME(cuModuleGetFunction, CUfunction *hfunc, CUmodule hmod, const char *name);
SAME(cuModuleGetGlobal_v2, CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name);
SAME(cuDeviceGetName, char *name, int len, CUdevice dev);
SAME(cuDeviceGetUuid_v2, CUuuid *uuid, CUdevice dev);
SAME(cuDeviceGetLuid, char *luid, unsigned int *deviceNodeMask, CUdevice dev);
SAME(cuMemcpyHtoD_v2, CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount);
SAME(cuCtxCreate_v3, CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
		unsigned int flags, CUdevice dev);
SAME(cuThreadExchangeStreamCaptureMode, CUstreamCaptureMode *mode);
SAME(cuMemSetAccess, CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc, size_t count);
SAME(cuMemAlloc, CUdeviceptr_v1 *dptr, unsigned int bytesize);
SAME(cuMemAlloc_v2, CUdeviceptr *dptr, size_t bytesize);
SAME(cuMemcpyPeer, CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
		CUcontext srcContext, size_t ByteCount);
SAME(cuMemcpyPeer_ptds, CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice,
		CUcontext srcContext, size_t ByteCount);
#if CUDA_VERSION >= 13040
SAME(cuDeviceGetCliqueCount, size_t *count, CUdevice dev);
#endif
SAME(cuGraphicsMapResources, unsigned int count, CUgraphicsResource *resources, CUstream hStream);
SAME(cuGraphicsMapResources_ptsz, unsigned int count, CUgraphicsResource *resources,
		CUstream hStream);
