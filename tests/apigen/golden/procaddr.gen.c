/* SPDX-License-Identifier: MIT */
/* what cuGetProcAddress chooses from; made by tools/apigen.py from cuda.def, do not edit */
#include "procaddr.gen.h"

/* Without prototypes, and weak: another library than libvcuda may lack some. */
#define REF(symbol) \
	extern void symbol(void) __attribute__((weak, visibility("default")));

REF(cuCtxCreate_v3)
REF(cuCtxGetApiVersion)
REF(cuCtxSynchronize)
REF(cuDeviceGetCliqueCount)
REF(cuDeviceGetLuid)
REF(cuDeviceGetName)
REF(cuDeviceGetUuid_v2)
REF(cuEventElapsedTime_v2)
REF(cuEventRecord)
REF(cuEventRecord_ptsz)
REF(cuGraphicsMapResources)
REF(cuGraphicsMapResources_ptsz)
REF(cuInit)
REF(cuMemAlloc)
REF(cuMemAlloc_v2)
REF(cuMemSetAccess)
REF(cuMemcpy)
REF(cuMemcpy_ptds)
REF(cuMemcpyHtoD_v2)
REF(cuMemcpyPeer)
REF(cuMemcpyPeer_ptds)
REF(cuModuleGetFunction)
REF(cuModuleGetGlobal_v2)
REF(cuStreamCreateWithPriority)
REF(cuStreamDestroy_v2)
REF(cuStreamSynchronize)
REF(cuStreamSynchronize_ptsz)
REF(cuThreadExchangeStreamCaptureMode)

const struct gen_procaddr gen_procaddr[] = {
	{ "cuCtxCreate", 11040, false, "cuCtxCreate_v3", cuCtxCreate_v3 },
	{ "cuCtxGetApiVersion", 3020, false, "cuCtxGetApiVersion", cuCtxGetApiVersion },
	{ "cuCtxSynchronize", 2000, false, "cuCtxSynchronize", cuCtxSynchronize },
	{ "cuDeviceGetCliqueCount", 13040, false, "cuDeviceGetCliqueCount",
			cuDeviceGetCliqueCount },
	{ "cuDeviceGetLuid", 10000, false, "cuDeviceGetLuid", cuDeviceGetLuid },
	{ "cuDeviceGetName", 2000, false, "cuDeviceGetName", cuDeviceGetName },
	{ "cuDeviceGetUuid", 11040, false, "cuDeviceGetUuid_v2", cuDeviceGetUuid_v2 },
	{ "cuEventElapsedTime", 12080, false, "cuEventElapsedTime_v2", cuEventElapsedTime_v2 },
	{ "cuEventRecord", 2000, false, "cuEventRecord", cuEventRecord },
	{ "cuEventRecord", 7000, true, "cuEventRecord_ptsz", cuEventRecord_ptsz },
	{ "cuGraphicsMapResources", 3000, false, "cuGraphicsMapResources", cuGraphicsMapResources },
	{ "cuGraphicsMapResources", 7000, true, "cuGraphicsMapResources_ptsz",
			cuGraphicsMapResources_ptsz },
	{ "cuInit", 2000, false, "cuInit", cuInit },
	{ "cuMemAlloc", 2000, false, "cuMemAlloc", cuMemAlloc },
	{ "cuMemAlloc", 3020, false, "cuMemAlloc_v2", cuMemAlloc_v2 },
	{ "cuMemSetAccess", 10020, false, "cuMemSetAccess", cuMemSetAccess },
	{ "cuMemcpy", 4000, false, "cuMemcpy", cuMemcpy },
	{ "cuMemcpy", 7000, true, "cuMemcpy_ptds", cuMemcpy_ptds },
	{ "cuMemcpyHtoD", 3020, false, "cuMemcpyHtoD_v2", cuMemcpyHtoD_v2 },
	{ "cuMemcpyPeer", 4000, false, "cuMemcpyPeer", cuMemcpyPeer },
	{ "cuMemcpyPeer", 7000, true, "cuMemcpyPeer_ptds", cuMemcpyPeer_ptds },
	{ "cuModuleGetFunction", 2000, false, "cuModuleGetFunction", cuModuleGetFunction },
	{ "cuModuleGetGlobal", 3020, false, "cuModuleGetGlobal_v2", cuModuleGetGlobal_v2 },
	{ "cuStreamCreateWithPriority", 5050, false, "cuStreamCreateWithPriority",
			cuStreamCreateWithPriority },
	{ "cuStreamDestroy", 4000, false, "cuStreamDestroy_v2", cuStreamDestroy_v2 },
	{ "cuStreamSynchronize", 2000, false, "cuStreamSynchronize", cuStreamSynchronize },
	{ "cuStreamSynchronize", 7000, true, "cuStreamSynchronize_ptsz", cuStreamSynchronize_ptsz },
	{ "cuThreadExchangeStreamCaptureMode", 10010, false, "cuThreadExchangeStreamCaptureMode",
			cuThreadExchangeStreamCaptureMode },
};
const size_t gen_procaddr_count = sizeof(gen_procaddr) / sizeof(gen_procaddr[0]);
