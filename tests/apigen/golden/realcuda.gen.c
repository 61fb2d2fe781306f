/* SPDX-License-Identifier: MIT */
/* the driver's functions; made by tools/apigen.py from cuda.def, do not edit */
#include <dlfcn.h>
#include <stddef.h>
#include "realcuda.gen.h"

struct realcuda real;

static const struct {
	const char *name;
	size_t offset;
} rows[] = {
	{ "cuInit", offsetof(struct realcuda, cuInit) },
	{ "cuMemcpy", offsetof(struct realcuda, cuMemcpy) },
	{ "cuStreamSynchronize", offsetof(struct realcuda, cuStreamSynchronize) },
	{ "cuCtxSynchronize", offsetof(struct realcuda, cuCtxSynchronize) },
	{ "cuEventRecord", offsetof(struct realcuda, cuEventRecord) },
	{ "cuStreamCreateWithPriority", offsetof(struct realcuda, cuStreamCreateWithPriority) },
	{ "cuStreamDestroy_v2", offsetof(struct realcuda, cuStreamDestroy_v2) },
	{ "cuCtxGetApiVersion", offsetof(struct realcuda, cuCtxGetApiVersion) },
	{ "cuEventElapsedTime_v2", offsetof(struct realcuda, cuEventElapsedTime_v2) },
	{ "cuModuleGetFunction", offsetof(struct realcuda, cuModuleGetFunction) },
	{ "cuModuleGetGlobal_v2", offsetof(struct realcuda, cuModuleGetGlobal_v2) },
	{ "cuDeviceGetName", offsetof(struct realcuda, cuDeviceGetName) },
	{ "cuDeviceGetUuid_v2", offsetof(struct realcuda, cuDeviceGetUuid_v2) },
	{ "cuDeviceGetLuid", offsetof(struct realcuda, cuDeviceGetLuid) },
	{ "cuMemcpyHtoD_v2", offsetof(struct realcuda, cuMemcpyHtoD_v2) },
	{ "cuCtxCreate_v3", offsetof(struct realcuda, cuCtxCreate_v3) },
	{ "cuThreadExchangeStreamCaptureMode", offsetof(struct realcuda,
			cuThreadExchangeStreamCaptureMode) },
	{ "cuMemSetAccess", offsetof(struct realcuda, cuMemSetAccess) },
	{ "cuMemAlloc_v2", offsetof(struct realcuda, cuMemAlloc_v2) },
	{ "cuMemcpyPeer", offsetof(struct realcuda, cuMemcpyPeer) },
#if CUDA_VERSION >= 13040
	{ "cuDeviceGetCliqueCount", offsetof(struct realcuda, cuDeviceGetCliqueCount) },
#endif
	{ "cuGraphicsMapResources", offsetof(struct realcuda, cuGraphicsMapResources) },
};

int realcuda_load(struct realcuda *to, void *dlhandle)
{
	int missing = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *fn = dlsym(dlhandle, rows[i].name);

		*(void **)((char *)to + rows[i].offset) = fn;
		missing += !fn;
	}
	return missing;
}
