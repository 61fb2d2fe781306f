/* SPDX-License-Identifier: MIT */
/* ids, modes and handle kinds; made by tools/apigen.py from cuda.def, do not edit */
#ifndef CUDA_IDS_GEN_H
#define CUDA_IDS_GEN_H

#include <stdint.h>

/* Of the rows that go over the wire, and of the sizes of their types in cuda.h. */
#define GEN_ROWS_HASH	0xeb83758b85046055ull
#define GEN_TABLE_HASH	(GEN_ROWS_HASH \
	+ sizeof(CUdevice) * 0x9e3779b1ull \
	+ sizeof(CUdeviceptr) * 0x13c6ef362ull \
	+ sizeof(CUexecAffinityParam) * 0x1daa66d13ull \
	+ sizeof(CUmemAccessDesc) * 0x278dde6c4ull \
	+ sizeof(CUstreamCaptureMode) * 0x317156075ull \
	+ sizeof(CUuuid) * 0x3b54cda26ull)
#define GEN_BLOB_MAX	512	/* bytes behind one pointer of a row */

enum cuda_mode {
	CUDA_MODE_NONE,
	CUDA_MODE_LOCAL,
	CUDA_MODE_MEMO,
	CUDA_MODE_ASYNC,
	CUDA_MODE_SYNC,
	CUDA_MODE_HAND,
	CUDA_MODE_REFUSE,
};

enum cuda_handle_kind {
	CUDA_HANDLE_context = 1,
	CUDA_HANDLE_module,
	CUDA_HANDLE_function,
	CUDA_HANDLE_stream,
	CUDA_HANDLE_event,
	CUDA_HANDLE_MAX		/* one more than the last kind */
};

enum cuda_id {
	CUDA_ID_cuInit = 0x0100,
	CUDA_ID_cuMemcpy = 0x0101,
	CUDA_ID_cuMemcpy_ptds = 0x0102,
	CUDA_ID_cuStreamSynchronize = 0x0103,
	CUDA_ID_cuStreamSynchronize_ptsz = 0x0104,
	CUDA_ID_cuCtxSynchronize = 0x0105,
	CUDA_ID_cuEventRecord = 0x0200,
	CUDA_ID_cuEventRecord_ptsz = 0x0201,
	CUDA_ID_cuStreamCreateWithPriority = 0x0202,
	CUDA_ID_cuStreamDestroy_v2 = 0x0203,
	CUDA_ID_cuCtxGetApiVersion = 0x0204,
	CUDA_ID_cuEventElapsedTime_v2 = 0x0205,
	CUDA_ID_cuModuleGetFunction = 0x0300,
	CUDA_ID_cuModuleGetGlobal_v2 = 0x0301,
	CUDA_ID_cuDeviceGetName = 0x0302,
	CUDA_ID_cuDeviceGetUuid_v2 = 0x0303,
	CUDA_ID_cuDeviceGetLuid = 0x0304,
	CUDA_ID_cuMemcpyHtoD_v2 = 0x0305,
	CUDA_ID_cuCtxCreate_v3 = 0x0306,
	CUDA_ID_cuThreadExchangeStreamCaptureMode = 0x0307,
	CUDA_ID_cuMemSetAccess = 0x0308,
	CUDA_ID_cuMemAlloc = 0x0400,
	CUDA_ID_cuMemAlloc_v2 = 0x0401,
	CUDA_ID_cuMemcpyPeer = 0x0402,
	CUDA_ID_cuMemcpyPeer_ptds = 0x0403,
	CUDA_ID_cuDeviceGetCliqueCount = 0x0404,
	CUDA_ID_cuGraphicsMapResources = 0x0405,
	CUDA_ID_cuGraphicsMapResources_ptsz = 0x0406,
};

/* NULL, CUDA_MODE_NONE: no such row. A twin has the mode of its base. */
const char *gen_name(uint16_t id);
enum cuda_mode gen_mode(uint16_t id);

#endif
