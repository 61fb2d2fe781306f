// SPDX-License-Identifier: MIT
/*
 * poolprops.c - properties of memory pools: what a pool can be made of
 */
#include "poolprops.h"

#include <string.h>

CUresult mempool_check(const CUmemPoolProps *props, unsigned int shareable)
{
	static const unsigned char zero[sizeof(props->reserved)];

	if (!props || memcmp(props->reserved, zero, sizeof(zero)) || props->win32SecurityAttributes)
		return CUDA_ERROR_INVALID_VALUE;
	if (props->allocType == CU_MEM_ALLOCATION_TYPE_MANAGED)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (props->allocType != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	if (props->location.type == CU_MEM_LOCATION_TYPE_HOST ||
	    props->location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA || props->usage)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (props->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    !device_exists(props->location.id))
		return CUDA_ERROR_INVALID_VALUE;
	return props->handleTypes & ~shareable ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
}

int *pool_reuse_rule(struct pool_reuse *r, CUmemPool_attribute a)
{
	switch (a) {
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
		return &r->follow;
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
		return &r->opportunistic;
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
		return &r->internal;
	default:
		return NULL;
	}
}
