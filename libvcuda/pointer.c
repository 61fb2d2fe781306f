// SPDX-License-Identifier: MIT
/*
 * pointer.c - cuPointerGetAttribute*(): what CUDA knows of an address, without a round trip
 */
#include <string.h>

#include "arena.h"
#include "view.h"

struct pointer {
	bool device, host, managed;		/* none of these: CUDA does not know it */
	uint64_t host_addr, device_addr;	/* 0: none */
	struct vcuda_range range;
};

static void identify(uint64_t addr, struct pointer *p)
{
	struct vcuda_view v;

	memset(p, 0, sizeof(*p));
	/* the device's address of the program's memory stands for that memory */
	if (vcuda_arena_kind(addr) == ARENA_SHADOW && vcuda_view_find(addr, true, &v))
		addr = (uintptr_t)v.host + (addr - v.dev);
	p->host = vcuda_host_range(addr, &p->range);
	if (!p->host)
		p->device = vcuda_mem_find(addr, &p->range);
	if (!p->host && !p->device)
		return;
	if (p->host) {
		p->host_addr = addr;
		if (vcuda_view_find(addr, false, &v))
			p->device_addr = v.dev + (addr - (uintptr_t)v.host);
		else if (vcuda_arena_kind(addr) == ARENA_PINNED)
			p->device_addr = addr;
		return;
	}
	p->device_addr = addr;
	p->managed = vcuda_view_find(addr, false, &v) && v.managed;
	p->host_addr = p->managed ? addr : 0;
}

static CUdevice device_of(const struct pointer *p)
{
	CUdevice dev = 0;

	return hand_cuCtxGetDevice_v2(&dev, p->range.ctx) ? 0 : dev;
}

/* The attribute of a pointer that CUDA knows. */
static CUresult attribute(void *data, CUpointer_attribute which, const struct pointer *p)
{
	switch (which) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		*(CUcontext *)data = p->range.ctx;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(unsigned int *)data = p->device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		*(CUdeviceptr *)data = p->device_addr;
		return p->device_addr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		*(void **)data = (void *)(uintptr_t)p->host_addr;
		return p->host_addr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(unsigned int *)data = p->range.is_sync_memops;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
		*(unsigned int *)data = p->managed;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		*(unsigned int *)data = p->device && (p->range.kind == ARENA_DEVICE ||
						      p->range.kind == ARENA_CHUNK);
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
		*(unsigned int *)data = 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
		*(unsigned long long *)data = p->range.id;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		*(int *)data = device_of(p);
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
		*(void **)data = (void *)(uintptr_t)p->range.start;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
		*(size_t *)data = p->range.size;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MAPPED:
		*(unsigned int *)data = p->device || p->device_addr;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		*(unsigned long long *)data = 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		*(int *)data = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
		*(CUmemoryPool *)data = p->range.pool;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult hand_cuPointerGetAttribute(void *data, CUpointer_attribute which, CUdeviceptr ptr)
{
	struct pointer p;

	if (!data)
		return CUDA_ERROR_INVALID_VALUE;
	identify(ptr, &p);
	if (!p.device && !p.host)
		return CUDA_ERROR_INVALID_VALUE;
	return attribute(data, which, &p);
}

CUresult hand_cuPointerSetAttribute(const void *value, CUpointer_attribute which, CUdeviceptr ptr)
{
	if (!value || which != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS)
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_mem_set_sync_memops(ptr, *(const unsigned int *)value != 0);
}

/*
 * Where memory is: all of a span is in one place here, so that neither granularity matters but for
 * the number of answers. Managed memory is on both sides; what was said last counts.
 */
CUresult hand_cuMemGetLocationInfo(CUdeviceptr ptr, size_t size, size_t summary, size_t sampling,
				   CUmemLocation *out)
{
	struct pointer p;
	size_t i, n;

	if (!out || !size || !summary || summary > size || sampling > summary)
		return CUDA_ERROR_INVALID_VALUE;
	identify(ptr, &p);
	if ((!p.device && !p.host) || size > p.range.size - (ptr - p.range.start))
		return CUDA_ERROR_INVALID_VALUE;
	n = size / summary + (size % summary != 0);
	for (i = 0; i < n; i++)
		out[i] = (CUmemLocation){
			.type = p.host ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE,
			.id = p.host ? 0 : device_of(&p),
		};
	return CUDA_SUCCESS;
}

/*
 * The plural form does not fail for a pointer that CUDA does not know, nor for what a pointer has
 * not: it gives zeros.
 */
CUresult hand_cuPointerGetAttributes(unsigned int n, CUpointer_attribute *which, void **data,
				     CUdeviceptr ptr)
{
	struct pointer p;
	unsigned int i;

	if (!n || !which || !data)
		return CUDA_ERROR_INVALID_VALUE;
	identify(ptr, &p);
	for (i = 0; i < n; i++) {
		if (!data[i])
			return CUDA_ERROR_INVALID_VALUE;
		if (p.device || p.host) {
			if (attribute(data[i], which[i], &p) &&
			    (unsigned int)which[i] > CU_POINTER_ATTRIBUTE_HOST_POINTER)
				return CUDA_ERROR_INVALID_VALUE;
			continue;
		}
		if (which[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
			*(int *)data[i] = CU_DEVICE_INVALID;
		else if (attribute(data[i], which[i], &p) &&
			 (unsigned int)which[i] > CU_POINTER_ATTRIBUTE_HOST_POINTER)
			return CUDA_ERROR_INVALID_VALUE;
		else if (which[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
			*(unsigned int *)data[i] = 0;
	}
	return CUDA_SUCCESS;
}
