// SPDX-License-Identifier: MIT
/*
 * topology.c - what NCCL asks: devices of a lease do not reach each other, and have no fabric
 */
#include <string.h>

#include "vnvml.h"

static nvmlReturn_t check_pair(nvmlDevice_t a, nvmlDevice_t b, const void *out)
{
	nvmlReturn_t r = vnvml_check(a);

	if (!r)
		r = vnvml_check(b);
	return r ? r : out ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

EXPORT nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t a, nvmlDevice_t b,
							nvmlGpuTopologyLevel_t *level)
{
	nvmlReturn_t r = check_pair(a, b, level);

	if (!r)
		*level = a == b ? NVML_TOPOLOGY_INTERNAL : NVML_TOPOLOGY_SYSTEM;
	return r;
}

EXPORT nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t a, nvmlDevice_t b,
					   nvmlGpuP2PCapsIndex_t index, nvmlGpuP2PStatus_t *status)
{
	nvmlReturn_t r = check_pair(a, b, status);

	if (!r && (unsigned int)index >= NVML_P2P_CAPS_INDEX_UNKNOWN)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (!r)
		*status = NVML_P2P_STATUS_NOT_SUPPORTED;
	return r;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *fabric)
{
	nvmlReturn_t r = vnvml_check(device);

	if (!r && !fabric)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (!r)
		*fabric = (nvmlGpuFabricInfo_t){ .state = NVML_GPU_FABRIC_STATE_NOT_SUPPORTED };
	return r;
}

/* The versions are the same but for what they end with. */
static size_t fabric_bytes(unsigned int version)
{
	switch (version) {
	case nvmlGpuFabricInfo_v2:
		return sizeof(nvmlGpuFabricInfo_v2_t);
	case nvmlGpuFabricInfo_v3:
		return sizeof(nvmlGpuFabricInfo_v3_t);
	default:
		return 0;
	}
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfoV_t *fabric)
{
	nvmlReturn_t r = vnvml_check(device);
	size_t n;

	if (r)
		return r;
	if (!fabric)
		return NVML_ERROR_INVALID_ARGUMENT;
	n = fabric_bytes(fabric->version);
	if (!n)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	/* NVML_GPU_FABRIC_STATE_NOT_SUPPORTED is 0, as is a cluster of none. */
	memset((char *)fabric + sizeof(fabric->version), 0, n - sizeof(fabric->version));
	return NVML_SUCCESS;
}
