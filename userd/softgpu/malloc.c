/* SPDX-License-Identifier: MIT */
#include "malloc.h"

#include <stdlib.h>

#include "graph_memory.h"
#include "init.h"
#include "memory.h"
#include "pool.h"
#include "print.h"
#include "stream.h"

#define PITCH_ALIGN	512

static CUresult allocate(struct context *ctx, CUdeviceptr *out, size_t size)
{
	uint64_t addr;

	if (!out || !size)
		return CUDA_ERROR_INVALID_VALUE;
	addr = mem_alloc(size, 512, MEM_DEVICE, 0, ctx);
	if (!addr)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*out = addr;
	return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *out, size_t size)
{
	struct context *ctx;
	CUresult r = context_enter_unsafe(&ctx);

	return r == CUDA_SUCCESS ? context_leave(allocate(ctx, out, size)) : r;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *out, size_t *pitch, size_t width, size_t height,
			    unsigned int element)
{
	struct context *ctx;
	size_t row;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!pitch || !width || !height || (element != 4 && element != 8 && element != 16))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (width > SIZE_MAX / 4 || height > SIZE_MAX / 4 / (width + PITCH_ALIGN))
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	row = (width + PITCH_ALIGN - 1) / PITCH_ALIGN * PITCH_ALIGN;
	r = allocate(ctx, out, row * height);
	if (r == CUDA_SUCCESS)
		*pitch = row;
	return context_leave(r);
}

CUresult malloc_release(struct context *ctx, uint64_t addr, enum mem_kind kind, CUresult not_there)
{
	CUresult r;

	if (!mem_retire(addr, kind))
		return not_there;
	r = context_drain_all(ctx);
	mem_hide(addr, kind);
	r = context_drain_all(ctx) ?: r;	/* what another thread has queued meanwhile */
	mem_remove(addr, kind);		/* or its owner's end was faster */
	return r;
}

/* Of the kinds that have an owner: not pools'. */
static bool malloc_can_free(enum mem_kind kind)
{
	return kind == MEM_DEVICE || kind == MEM_MANAGED;
}

static CUresult free_now(struct context *ctx, uint64_t addr)
{
	struct mem_range range;

	if (!mem_lookup(addr, &range))
		return CUDA_ERROR_INVALID_VALUE;
	if (range.kind == MEM_POOL)
		return pool_free_now(addr, ctx);
	if (range.kind == MEM_GRAPH)
		return graph_memory_free_now(addr, ctx);
	if (!malloc_can_free(range.kind))
		return CUDA_ERROR_INVALID_VALUE;
	return malloc_release(ctx, addr, range.kind, CUDA_ERROR_INVALID_VALUE);
}

static bool is_memory(uint64_t addr)
{
	struct mem_range range;
	bool found;

	driver_lock();
	found = mem_lookup(addr, &range);
	driver_unlock();
	return found;
}

/* Needs no context, but tells what is wrong with the one there is. */
static CUresult free_nothing(void)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r == CUDA_SUCCESS)
		driver_unlock();
	return r == CUDA_ERROR_INVALID_CONTEXT ? CUDA_SUCCESS : r;
}

CUresult cuMemFree_v2(CUdeviceptr addr)
{
	struct context *ctx;
	CUresult r;

	if (!addr)
		return free_nothing();
	r = context_enter_unsafe(&ctx);
	if (r == CUDA_ERROR_INVALID_CONTEXT && !is_memory(addr))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r != CUDA_SUCCESS)
		return r;
	r = free_now(ctx, addr);
	driver_unlock();
	print_flush();
	return r;
}

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (free_bytes)
		*free_bytes = driver_memory() - mem_used(ctx->device);
	if (total)
		*total = driver_memory();
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr addr)
{
	struct mem_range range;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!mem_lookup(addr, &range) || addr - range.lo >= range.size)
		return context_leave(CUDA_ERROR_NOT_FOUND);
	if (base)
		*base = range.lo;
	if (size)
		*size = range.size;
	return context_leave(CUDA_SUCCESS);
}

/*
 * Memory that its stream has freed. Work of other streams that was queued before may still use it,
 * by the program's mistake; its pages go when all that has passed, so that the mistake ends in
 * wrong data and not in a crash.
 */
struct zombie {
	struct work work;	/* first; afterwards: */
	SLIST_ENTRY(zombie) link;
	uint64_t addr;
	enum mem_kind kind;
	uint64_t seq;
};

void malloc_reap(struct context *ctx)
{
	struct zombie *z, *next;

	for (z = SLIST_FIRST(&ctx->zombies); z; z = next) {
		next = SLIST_NEXT(z, link);
		if (!context_all_passed(z->seq))
			continue;
		SLIST_REMOVE(&ctx->zombies, z, zombie, link);
		mem_remove(z->addr, z->kind);
		free(z);
	}
}

static CUresult free_run(struct work *w, struct context *ctx)
{
	driver_lock();
	((struct zombie *)w)->seq = w->seq;
	SLIST_INSERT_HEAD(&ctx->zombies, (struct zombie *)w, link);
	driver_unlock();
	return CUDA_SUCCESS;
}

/* Once it has run, the context has it. */
static void free_destroy(struct work *w)
{
	if (!((struct zombie *)w)->seq)
		free(w);
}

CUresult malloc_free_later(uint64_t addr, struct stream *s)
{
	struct zombie *w = calloc(1, sizeof(*w));
	struct mem_range range;

	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!mem_lookup(addr, &range) || !malloc_can_free(range.kind) ||
	    !mem_retire(addr, range.kind)) {
		free(w);
		return CUDA_ERROR_INVALID_VALUE;
	}
	w->addr = addr;
	w->kind = range.kind;
	w->work.run = free_run;
	w->work.destroy = free_destroy;
	w->work.always = true;
	return stream_submit(s, &w->work);
}
