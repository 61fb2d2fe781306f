// SPDX-License-Identifier: MIT
/*
 * memory.c - cuMemAlloc(): addresses are chosen here, the worker maps memory under them as the
 * request comes by
 *
 * An allocation of more than half a granule takes whole ones (arena.h), smaller ones share one
 * (chunk.h). What counts against the lease's limit is granules.
 *
 * Memory that was freed is not handed out again before the work that used it has finished. Where
 * nothing has been submitted since the device was last known to be idle that is at once; else the
 * worker says so. A granule that is unmapped always waits, for the worker to have unmapped it.
 */
#include <stdlib.h>
#include <string.h>

#include "chunk.h"
#include "managed.h"
#include "variable.h"
#include "vcuda_graph.h"
#include "view.h"
#include "vmm.h"

#define PITCH		512u		/* of rows: a multiple of it */

struct large {
	struct arena_run run;
	uint64_t size, id;
	CUcontext ctx;
	bool sync_memops;
};

static _Atomic uint64_t last_id;

uint64_t vcuda_memory_id(void)
{
	return ++last_id;
}

/* ---- allocation ---- */

static CUresult alloc_large(CUdeviceptr *out, size_t size)
{
	struct large *l = calloc(1, sizeof(*l));
	CUresult r;

	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcuda_arena_map(&l->run, ARENA_DEVICE, vcuda_arena_granules(size));
	if (r) {
		free(l);
		return r;
	}
	l->size = size;
	l->id = vcuda_memory_id();
	l->ctx = vcuda_current();
	*out = l->run.addr;
	return CUDA_SUCCESS;
}

CUresult hand_cuMemAlloc_v2(CUdeviceptr *ptr, size_t size)
{
	CUresult r = vcuda_need_context();
	CUdeviceptr at = 0;

	if (r)
		return r;
	if (!ptr || !size)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_sticky_error();
	if (r)
		return r;
	vcuda_arena_lock();
	r = vcuda_chunk_takes(size) ? vcuda_chunk_alloc(&at, size) : alloc_large(&at, size);
	vcuda_arena_unlock();
	if (!r)
		*ptr = at;
	return r;
}

CUresult hand_cuMemAllocPitch_v2(CUdeviceptr *ptr, size_t *pitch, size_t width, size_t height,
				 unsigned int element)
{
	size_t row;

	if (!pitch || !width || !height || (element != 4 && element != 8 && element != 16))
		return CUDA_ERROR_INVALID_VALUE;
	row = (width + PITCH - 1) / PITCH * PITCH;
	if (row < width || row > SIZE_MAX / height)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pitch = row;
	return hand_cuMemAlloc_v2(ptr, row * height);
}

/* ---- looking up; under the lock ---- */

static bool find_large(struct large *l, uint64_t addr, struct vcuda_range *out)
{
	out->start = l->run.addr;
	out->size = l->size;
	out->id = l->id;
	out->ctx = l->ctx;
	out->sync_memops = &l->sync_memops;
	return addr - out->start < out->size;
}

bool vcuda_memory_lookup(uint64_t addr, struct vcuda_range *out)
{
	struct arena_run *r = vcuda_arena_at(addr);

	memset(out, 0, sizeof(*out));
	if (!r)
		return false;
	out->kind = r->kind;
	switch (r->kind) {
	case ARENA_DEVICE:
		return find_large((struct large *)r, addr, out);
	case ARENA_CHUNK:
		return vcuda_chunk_find(r, addr, out);
	case ARENA_POOL:
		return vcuda_pool_find(r, addr, out);
	case ARENA_MANAGED:
		return vcuda_managed_find(r, addr, out);
	case ARENA_HOST:
	case ARENA_SHADOW:
		return vcuda_host_find(r, addr, out);
	case ARENA_RESERVED:
		return vcuda_vmm_find(r, addr, out);
	case ARENA_IMPORT:
		return vcuda_ipc_find(r, addr, out);
	default:
		return false;
	}
}

/* ---- freeing ---- */

static CUresult free_at(uint64_t addr)
{
	struct vcuda_range range;
	struct arena_run *r;

	if (!vcuda_memory_lookup(addr, &range) || range.start != addr)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_arena_at(addr);
	switch (range.kind) {
	case ARENA_DEVICE:
		return vcuda_arena_leave(r);
	case ARENA_CHUNK:
		return vcuda_chunk_free(r, addr);
	case ARENA_POOL:
		return vcuda_pool_free(r, addr);
	case ARENA_MANAGED:
		return vcuda_managed_free(r, addr);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult vcuda_mem_free(CUdeviceptr ptr)
{
	CUresult r;

	vcuda_arena_lock();
	r = free_at(ptr);
	vcuda_arena_reap();
	vcuda_arena_unlock();
	return r ? r : vcuda_sticky_error();
}

CUresult hand_cuMemFree_v2(CUdeviceptr ptr)
{
	struct vcuda_range range;
	CUresult r = vcuda_need_context();

	/* which needs no context, but tells what is wrong with the one there is */
	if (!ptr)
		return !r ? vcuda_sticky_error() : r == CUDA_ERROR_INVALID_CONTEXT ? CUDA_SUCCESS : r;
	if (r)
		return r == CUDA_ERROR_INVALID_CONTEXT && !vcuda_mem_find(ptr, &range)
			       ? CUDA_ERROR_INVALID_VALUE
			       : r;
	if (vcuda_graph_allocs && vcuda_graph_free(ptr, &r))
		return r;
	return vcuda_mem_free(ptr);
}

void vcuda_context_free_memory(CUcontext ctx)
{
	const struct vcuda_lease *l = vcuda_lease();
	uint64_t at = l->range_base, end = at + l->range_bytes, n;
	struct arena_run *r;

	vcuda_arena_lock();
	vcuda_variables_context(ctx);
	vcuda_chunks_context(ctx);
	for (; at < end; at += n) {
		r = vcuda_arena_at(at);
		n = (r ? r->granules : 1) * vcuda_arena_granule();
		if (r && r->kind == ARENA_DEVICE && ((struct large *)r)->ctx == ctx)
			vcuda_arena_leave(r);
		else if (r && r->kind == ARENA_MANAGED)
			vcuda_managed_context(r, ctx);
	}
	vcuda_pools_context(ctx);
	vcuda_ipc_context(ctx);
	vcuda_arena_unlock();
}

/* ---- questions ---- */

CUresult hand_cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	CUresult r = vcuda_need_context();
	size_t all, left;

	if (!r)
		r = vcuda_sticky_error();
	if (r)
		return r;
	vcuda_arena_lock();
	vcuda_arena_reap();
	left = vcuda_arena_free_bytes();
	vcuda_arena_unlock();
	all = vcuda_lease()->devices[vcuda_current_device()].total_mem;
	if (total)
		*total = all;
	if (free_bytes)
		*free_bytes = left < all ? left : all;
	return CUDA_SUCCESS;
}

bool vcuda_is_device(uint64_t addr)
{
	enum arena_kind kind = vcuda_arena_kind(addr);

	if (vcuda_arena_holds(addr))
		return kind != ARENA_HOST && kind != ARENA_PINNED;
	return vcuda_is_variable(addr);
}

static bool lookup(uint64_t addr, struct vcuda_range *out)
{
	return vcuda_memory_lookup(addr, out) || vcuda_variable_find(addr, out);
}

bool vcuda_mem_find(uint64_t addr, struct vcuda_range *out)
{
	bool ok;

	vcuda_arena_lock();
	ok = lookup(addr, out);
	if (ok && out->sync_memops)
		out->is_sync_memops = *out->sync_memops;
	vcuda_arena_unlock();
	return ok;
}

bool vcuda_mem_range(uint64_t addr, uint64_t *start, uint64_t *size, CUcontext *ctx)
{
	struct vcuda_range r;

	if (!vcuda_mem_find(addr, &r))
		return false;
	*start = r.start;
	*size = r.size;
	*ctx = r.ctx;
	return true;
}

CUresult vcuda_mem_set_sync_memops(uint64_t addr, bool on)
{
	struct vcuda_range r;
	bool ok;

	vcuda_arena_lock();
	ok = vcuda_memory_lookup(addr, &r) && r.sync_memops;
	if (ok)
		*r.sync_memops = on;
	vcuda_arena_unlock();
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuMemGetAddressRange_v2(CUdeviceptr *start, size_t *size, CUdeviceptr ptr)
{
	uint64_t b, n;
	CUcontext ctx;

	if (!vcuda_mem_range(ptr, &b, &n, &ctx))
		return CUDA_ERROR_NOT_FOUND;
	if (start)
		*start = b;
	if (size)
		*size = n;
	return vcuda_sticky_error();
}
