/* SPDX-License-Identifier: MIT */
/*
 * pointer.c - cuPointerGetAttribute*
 */
#include <string.h>

#include "context.h"
#include "init.h"
#include "memory.h"
#include "pool.h"
#include "vmm.h"

/* Bytes of an attribute's answer; 0: not known. */
static size_t size_of(CUpointer_attribute a)
{
	switch (a) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
	case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
	case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
	case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
	case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
		return 8;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
	/* The booleans: programs pass an int and look at all of it. */
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
	case CU_POINTER_ATTRIBUTE_MAPPED:
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
		return 4;
	default:
		return 0;
	}
}

static bool is_host(const struct mem_range *r)
{
	return r->kind == MEM_HOST || r->kind == MEM_REGISTERED;
}

/* Of host memory: where it was allocated or registered. */
static unsigned int device_of_owner(const struct mem_range *r)
{
	return r->owner ? (unsigned int)((struct context *)r->owner)->device : 0;
}

/* What the host may touch at the same address. */
static bool is_visible(const struct mem_range *r)
{
	return is_host(r) || r->managed;
}

static uint64_t pool_of(uint64_t addr)
{
	const struct block *b = pool_block_at(addr);

	return b ? b->pool->obj.handle : 0;
}

static uint64_t handle_types(const struct mem_range *r, uint64_t addr)
{
	const struct block *b = pool_block_at(addr);

	if (r->kind == MEM_MAPPED)
		return vmm_handle_types(addr);
	return b ? b->pool->props.handleTypes : CU_MEM_HANDLE_TYPE_NONE;
}

static uint64_t value_of(const struct mem_range *r, CUpointer_attribute a, uint64_t addr)
{
	uint64_t start = r->lo;
	size_t size = r->size;

	vmm_reservation(addr, &start, &size);
	switch (a) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		return r->owner ? ((struct context *)r->owner)->obj.handle : 0;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		return r->device != MEM_NO_DEVICE ? (unsigned int)r->device : device_of_owner(r);
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		return is_host(r) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		return addr;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		return is_visible(r) ? addr : 0;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
	case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
		return r->id;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
		return start;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
		return size;
	case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
		return r->lo;
	case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
		return r->bytes;
	case CU_POINTER_ATTRIBUTE_MAPPED:
		return r->bytes != 0;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
		return r->managed;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		return r->sync_memops;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		return r->kind == MEM_DEVICE;
	case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
		return pool_of(addr);
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		return handle_types(r, addr);
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		return !r->bytes ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE
		     : r->read_only ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ
				    : CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
	default:
		return 0;
	}
}

/* Addresses that are only reserved are a range without any bytes. */
static bool find(CUdeviceptr addr, struct mem_range *r)
{
	if (mem_lookup(addr, r) && addr - r->lo < r->size)
		return true;
	*r = (struct mem_range){ .kind = MEM_MAPPED };
	return vmm_reservation(addr, &r->lo, &r->size);
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr addr)
{
	struct mem_range range;
	struct context *ctx;
	uint64_t v;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!data || !size_of(attribute) || !find(addr, &range))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (attribute == CU_POINTER_ATTRIBUTE_HOST_POINTER && !is_visible(&range))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	v = value_of(&range, attribute, addr);
	memcpy(data, &v, size_of(attribute));	/* little-endian */
	return context_leave(CUDA_SUCCESS);
}

/* An address that nobody knows is no error here: the answers are zero, and the device is none. */
CUresult cuPointerGetAttributes(unsigned int nr, CUpointer_attribute *attributes, void **data,
				CUdeviceptr addr)
{
	struct mem_range range;
	struct context *ctx;
	bool known;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!nr || !attributes || !data)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	known = find(addr, &range);
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t v = known ? value_of(&range, attributes[i], addr) : 0;

		if (!known && attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
			v = (uint32_t)CU_DEVICE_INVALID;
		if (!data[i] || !size_of(attributes[i]))
			return context_leave(CUDA_ERROR_INVALID_VALUE);
		memcpy(data[i], &v, size_of(attributes[i]));
	}
	return context_leave(CUDA_SUCCESS);
}

CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr addr)
{
	struct mem_range range;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || !find(addr, &range))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	range.sync_memops = *(const unsigned int *)value != 0;
	mem_update(&range);
	return context_leave(CUDA_SUCCESS);
}
