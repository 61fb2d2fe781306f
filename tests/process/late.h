/* SPDX-License-Identifier: MIT */
/* What process.c calls of libcuda.so.1, and liblate.so, whose destructor calls it again. */
#ifndef LATE_H
#define LATE_H

#include <cuda.h>

#define LATE_CALLS(X)							\
	X(init, "cuInit");						\
	X(retain, "cuDevicePrimaryCtxRetain");				\
	X(set_current, "cuCtxSetCurrent");				\
	X(synchronize, "cuCtxSynchronize");				\
	X(stream_create, "cuStreamCreate");				\
	X(stream_synchronize, "cuStreamSynchronize");			\
	X(alloc, "cuMemAlloc_v2");					\
	X(memset8, "cuMemsetD8Async");					\
	X(memset8_ptsz, "cuMemsetD8Async_ptsz");			\
	X(copy_out, "cuMemcpyDtoH_v2");					\
	X(launch_host_func, "cuLaunchHostFunc");			\
	X(ctx_create, "cuCtxCreate_v4");				\
	X(ctx_destroy, "cuCtxDestroy_v2")

struct late_calls {
	CUresult (*init)(unsigned int flags);
	CUresult (*retain)(CUcontext *ctx, CUdevice dev);
	CUresult (*set_current)(CUcontext ctx);
	CUresult (*synchronize)(void);
	CUresult (*stream_create)(CUstream *s, unsigned int flags);
	CUresult (*stream_synchronize)(CUstream s);
	CUresult (*alloc)(CUdeviceptr *p, size_t n);
	CUresult (*memset8)(CUdeviceptr p, unsigned char v, size_t n, CUstream s);
	CUresult (*memset8_ptsz)(CUdeviceptr p, unsigned char v, size_t n, CUstream s);
	CUresult (*copy_out)(void *dst, CUdeviceptr src, size_t n);
	CUresult (*ctx_create)(CUcontext *ctx, CUctxCreateParams *params, unsigned int flags, CUdevice dev);
	CUresult (*ctx_destroy)(CUcontext ctx);
	CUresult (*launch_host_func)(CUstream s, CUhostFn fn, void *arg);
};

/* The destructor of liblate.so will make these calls and print their results. */
void late_remember(const struct late_calls *calls);

#endif
