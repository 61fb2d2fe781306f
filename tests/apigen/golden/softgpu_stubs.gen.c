/* SPDX-License-Identifier: MIT */
/* what softgpu does not implement; made by tools/apigen.py from cuda.def, do not edit */

/*
 * Without cuda.h, whose prototypes these do not have. A strong definition of the same name takes
 * the place of one of these.
 */
enum { NOT_SUPPORTED = 801 };	/* CUDA_ERROR_NOT_SUPPORTED */

void driver_log(const char *fmt, ...);

static int none(const char *name, char *said)
{
	if (!__atomic_test_and_set(said, __ATOMIC_RELAXED))
		driver_log("%s is not implemented", name);
	return NOT_SUPPORTED;
}

#define NONE(symbol)								\
	int symbol(void) __attribute__((weak, visibility("default")));		\
	int symbol(void)							\
	{									\
		static char said;						\
										\
		return none(#symbol, &said);					\
	}

NONE(cuInit)
NONE(cuMemcpy)
NONE(cuMemcpy_ptds)
NONE(cuStreamSynchronize)
NONE(cuStreamSynchronize_ptsz)
NONE(cuCtxSynchronize)
NONE(cuEventRecord)
NONE(cuEventRecord_ptsz)
NONE(cuStreamCreateWithPriority)
NONE(cuStreamDestroy_v2)
NONE(cuCtxGetApiVersion)
NONE(cuEventElapsedTime_v2)
NONE(cuModuleGetFunction)
NONE(cuModuleGetGlobal_v2)
NONE(cuDeviceGetName)
NONE(cuDeviceGetUuid_v2)
NONE(cuDeviceGetLuid)
NONE(cuMemcpyHtoD_v2)
NONE(cuCtxCreate_v3)
NONE(cuThreadExchangeStreamCaptureMode)
NONE(cuMemSetAccess)
NONE(cuMemAlloc)
NONE(cuMemAlloc_v2)
NONE(cuMemcpyPeer)
NONE(cuMemcpyPeer_ptds)
NONE(cuDeviceGetCliqueCount)
NONE(cuGraphicsMapResources)
NONE(cuGraphicsMapResources_ptsz)
