/* SPDX-License-Identifier: MIT */
/* names and modes of the rows; made by tools/apigen.py from cuda.def, do not edit */
#include <stddef.h>
#include "cuda_ids.gen.h"

static const struct {
	uint16_t id, mode;
	const char *name;
} rows[] = {
	{ 0x0100, CUDA_MODE_LOCAL, "cuInit" },
	{ 0x0101, CUDA_MODE_HAND, "cuMemcpy" },
	{ 0x0102, CUDA_MODE_HAND, "cuMemcpy_ptds" },
	{ 0x0103, CUDA_MODE_HAND, "cuStreamSynchronize" },
	{ 0x0104, CUDA_MODE_HAND, "cuStreamSynchronize_ptsz" },
	{ 0x0105, CUDA_MODE_HAND, "cuCtxSynchronize" },
	{ 0x0200, CUDA_MODE_ASYNC, "cuEventRecord" },
	{ 0x0201, CUDA_MODE_ASYNC, "cuEventRecord_ptsz" },
	{ 0x0202, CUDA_MODE_ASYNC, "cuStreamCreateWithPriority" },
	{ 0x0203, CUDA_MODE_ASYNC, "cuStreamDestroy_v2" },
	{ 0x0204, CUDA_MODE_MEMO, "cuCtxGetApiVersion" },
	{ 0x0205, CUDA_MODE_SYNC, "cuEventElapsedTime_v2" },
	{ 0x0300, CUDA_MODE_SYNC, "cuModuleGetFunction" },
	{ 0x0301, CUDA_MODE_SYNC, "cuModuleGetGlobal_v2" },
	{ 0x0302, CUDA_MODE_SYNC, "cuDeviceGetName" },
	{ 0x0303, CUDA_MODE_MEMO, "cuDeviceGetUuid_v2" },
	{ 0x0304, CUDA_MODE_MEMO, "cuDeviceGetLuid" },
	{ 0x0305, CUDA_MODE_SYNC, "cuMemcpyHtoD_v2" },
	{ 0x0306, CUDA_MODE_SYNC, "cuCtxCreate_v3" },
	{ 0x0307, CUDA_MODE_SYNC, "cuThreadExchangeStreamCaptureMode" },
	{ 0x0308, CUDA_MODE_SYNC, "cuMemSetAccess" },
	{ 0x0400, CUDA_MODE_NONE, "cuMemAlloc" },
	{ 0x0401, CUDA_MODE_NONE, "cuMemAlloc_v2" },
	{ 0x0402, CUDA_MODE_NONE, "cuMemcpyPeer" },
	{ 0x0403, CUDA_MODE_NONE, "cuMemcpyPeer_ptds" },
	{ 0x0404, CUDA_MODE_NONE, "cuDeviceGetCliqueCount" },
	{ 0x0405, CUDA_MODE_REFUSE, "cuGraphicsMapResources" },
	{ 0x0406, CUDA_MODE_REFUSE, "cuGraphicsMapResources_ptsz" },
};

static int find(uint16_t id)
{
	int low = 0, high = sizeof(rows) / sizeof(rows[0]) - 1;

	while (low <= high) {
		int middle = (low + high) / 2;

		if (rows[middle].id == id)
			return middle;
		if (rows[middle].id < id)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

const char *gen_name(uint16_t id)
{
	int i = find(id);

	return i < 0 ? NULL : rows[i].name;
}

enum cuda_mode gen_mode(uint16_t id)
{
	int i = find(id);

	return i < 0 ? CUDA_MODE_NONE : rows[i].mode;
}
