/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "capture.h"
#include "init.h"
#include "memory.h"
#include "print.h"
#include "stream.h"
#include "vmm.h"

/*
 * Pageable sources up to this size are copied aside, so that the call need not wait; larger ones
 * are waited for.
 */
#define STAGE_MAX	(1 << 20)

static bool span(const struct copy_end *e, size_t width, size_t height, size_t depth, size_t *n)
{
	size_t slices;

	return !__builtin_mul_overflow(e->pitch, height - 1, n) &&
	       !__builtin_mul_overflow(e->slice, depth - 1, &slices) &&
	       !__builtin_add_overflow(*n, slices, n) &&
	       !__builtin_add_overflow(*n, width, n) && e->addr + *n >= e->addr;
}

static bool is_live(uint64_t addr, size_t n)
{
	uint64_t lo, hi;

	return sg_mem_find(addr, &lo, &hi) && n <= hi - addr;
}

/* LIVE: for work that was promised before, memory that is being freed is still there. */
enum need { NEED_READ, NEED_WRITE, NEED_LIVE_READ, NEED_LIVE };

static bool has(uint64_t addr, size_t n, enum need need)
{
	return need == NEED_LIVE ? is_live(addr, n) :
	       need == NEED_LIVE_READ ? is_live(addr, n) || sg_mem_is_read_only(addr, n) :
	       need == NEED_WRITE ? mem_holds_writable(addr, n) : mem_holds(addr, n);
}

static bool box_is_valid(const struct copy_end *e, size_t width, size_t height, size_t depth,
			 enum need need)
{
	size_t n;

	if (!e->addr || (height > 1 && e->pitch < width) || !span(e, width, height, depth, &n))
		return false;
	if (has(e->addr, n, need))
		return true;
	/*
	 * Neither the end of an allocation nor an address that is only reserved is the program's
	 * own memory.
	 */
	return e->side == SIDE_HOST && !mem_touches(e->addr, n) && !vmm_is_reserved(e->addr, n);
}

bool copy_end_is_valid(const struct copy_end *e, size_t width, size_t height)
{
	return box_is_valid(e, width, height, 1, NEED_WRITE);
}

bool copy_end_is_live(const struct copy_end *e, size_t width, size_t height)
{
	return box_is_valid(e, width, height, 1, NEED_LIVE);
}

static bool find(struct copy_end *e, const struct copy *c, enum need need)
{
	if (e->side == SIDE_ARRAY)
		return array_locate(e, c);
	return box_is_valid(e, c->width, c->height, c->depth, need);
}

/* Finds the arrays as well: they may be gone since the last time. Lock held. */
static bool is_valid(struct copy *c)
{
	return find(&c->dst, c, NEED_WRITE) && find(&c->src, c, NEED_READ);
}

static bool is_empty(const struct copy *c)
{
	return !c->width || !c->height || !c->depth;
}

/* The two may overlap, and then the result is the program's problem, but not ours. */
static void copy_slice(const struct copy *c, char *d, const char *s)
{
	if (c->height == 1 || (c->dst.pitch == c->width && c->src.pitch == c->width)) {
		memmove(d, s, c->width * c->height);
		return;
	}
	for (size_t y = 0; y < c->height; y++)
		memmove(d + y * c->dst.pitch, s + y * c->src.pitch, c->width);
}

static void copy_box(const struct copy *c)
{
	char *d = (char *)(uintptr_t)c->dst.addr;
	const char *s = (const char *)(uintptr_t)c->src.addr;

	for (size_t z = 0; z < c->depth; z++)
		copy_slice(c, d + z * c->dst.slice, s + z * c->src.slice);
}

bool copy_now(const struct copy *want)
{
	struct copy c = *want;
	bool ok;

	if (is_empty(&c))
		return true;
	driver_lock();
	ok = find(&c.dst, &c, NEED_LIVE) && find(&c.src, &c, NEED_LIVE_READ);
	driver_unlock();
	if (ok)
		copy_box(&c);
	return ok;
}

/*
 * Waits for the stream and copies on the caller's thread. ctx->copying keeps cuMemFree() and the
 * context's end away while the lock is dropped.
 */
static CUresult copy_here(struct copy *c, struct context *ctx, struct stream *s)
{
	CUresult r = stream_drain(s);

	if (r != CUDA_SUCCESS)
		return r;
	/* The wait dropped the lock. */
	if (!is_valid(c))
		return CUDA_ERROR_INVALID_VALUE;
	ctx->busy++;
	ctx->copying++;
	driver_unlock();
	copy_box(c);
	driver_lock();
	ctx->copying--;
	ctx->busy--;
	driver_wake();
	return CUDA_SUCCESS;
}

/* capturing: NULL for a call that waits, which a stream that captures refuses. */
static CUresult enter(struct copy *c, CUstream stream, struct context **ctx,
		      struct stream **s, bool *capturing)
{
	CUresult r = stream_enter(stream, s);

	if (r != CUDA_SUCCESS)
		return r;
	*ctx = (*s)->ctx;
	r = capturing ? capture_enter(*s, capturing) : capture_refuse(*s);
	/* A graph can copy from and to memory that it will have. */
	if (r == CUDA_SUCCESS && !is_empty(c) && !(capturing && *capturing) && !is_valid(c))
		r = CUDA_ERROR_INVALID_VALUE;
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUresult copy_sync(const struct copy *want, CUstream stream)
{
	struct copy c = *want;
	struct context *ctx;
	struct stream *s;
	CUresult r = enter(&c, stream, &ctx, &s, NULL);

	if (r != CUDA_SUCCESS)
		return r;
	if (!is_empty(&c))
		r = copy_here(&c, ctx, s);
	driver_unlock();
	print_flush();
	return r;
}

struct copy_work {
	struct work work;
	struct copy copy;
	char staged[];
};

static CUresult copy_run(struct work *w, struct context *ctx)
{
	(void)ctx;
	copy_box(&((struct copy_work *)w)->copy);
	return CUDA_SUCCESS;
}

bool copy_is_seen_by_host(uint64_t addr)
{
	struct mem_range r;

	return mem_lookup(addr, &r) && (r.kind == MEM_HOST || r.kind == MEM_REGISTERED ||
					r.managed || r.sync_memops);
}

static bool is_pageable(const struct copy_end *e)
{
	return e->side == SIDE_HOST && !mem_holds(e->addr, 1);
}

static CUresult queue(const struct copy *c, struct stream *s, size_t stage)
{
	struct copy_work *w = malloc(sizeof(*w) + stage);

	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memset(w, 0, sizeof(*w));
	w->work.run = copy_run;
	w->copy = *c;
	if (stage) {
		w->copy.dst = (struct copy_end){ .addr = (uintptr_t)w->staged, .pitch = c->width,
						 .side = SIDE_HOST,
						 .slice = c->width * c->height };
		copy_box(&w->copy);
		w->copy.src = w->copy.dst;
		w->copy.dst = c->dst;
	}
	return stream_submit(s, &w->work);
}

/* place: dst or src, in the names of CUDA_MEMCPY3D's members. */
#define SET_PLACE(p, place, e)								\
	do {										\
		(p)->place##MemoryType = memory_type(e);				\
		(p)->place##Device = (e)->addr;						\
		(p)->place##Array = (e)->array;						\
		(p)->place##Pitch = (e)->pitch;						\
		(p)->place##Height = (e)->pitch ? (e)->slice / (e)->pitch : 0;		\
		(p)->place##XInBytes = (e)->x;						\
		(p)->place##Y = (e)->y;							\
		(p)->place##Z = (e)->z;							\
	} while (0)

static CUmemorytype memory_type(const struct copy_end *e)
{
	return e->side == SIDE_ARRAY ? CU_MEMORYTYPE_ARRAY :
	       e->side == SIDE_DEVICE ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_UNIFIED;
}

static CUresult capture(const struct copy *c, struct stream *s)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_MEMCPY };
	CUDA_MEMCPY3D *m = &p.memcpy.copyParams;

	p.memcpy.copyCtx = HANDLE_OF(s->ctx);
	SET_PLACE(m, dst, &c->dst);
	SET_PLACE(m, src, &c->src);
	m->WidthInBytes = c->width;
	m->Height = c->height;
	m->Depth = c->depth;
	return capture_node(s, &p);
}

/*
 * Pageable memory: the program may reuse a source as soon as the call returns, and may look at a
 * destination (CUDA driver API, "API synchronization behavior").
 */
CUresult copy_async_ordered(const struct copy *want, CUstream stream, enum copy_order order)
{
	struct copy c = *want;
	struct context *ctx;
	struct stream *s;
	size_t n, stage = 0;
	bool here, early, capturing = false;
	CUresult r = enter(&c, stream, &ctx, &s, &capturing);

	if (r != CUDA_SUCCESS)
		return r;
	if (is_empty(&c))
		return context_leave(CUDA_SUCCESS);
	if (capturing)
		return context_leave(capture(&c, s));
	n = c.width * c.height * c.depth;	/* no overflow: the boxes are valid */
	early = order == ORDER_NOW || (order == ORDER_USUAL && is_pageable(&c.src));
	here = is_pageable(&c.dst) || (early && n > STAGE_MAX);
	if (!here && early)
		stage = n;
	r = here ? copy_here(&c, ctx, s) : queue(&c, s, stage);
	return context_leave(r);
}

CUresult copy_async(const struct copy *c, CUstream stream)
{
	return copy_async_ordered(c, stream, ORDER_USUAL);
}

CUresult copy_check(const struct copy *want, CUstream stream)
{
	struct copy c = *want;
	struct context *ctx;
	struct stream *s;
	bool capturing;
	CUresult r = enter(&c, stream, &ctx, &s, &capturing);

	return r == CUDA_SUCCESS ? context_leave(CUDA_SUCCESS) : r;
}

static CUresult linear(uint64_t dst, enum copy_side dst_side, uint64_t src, enum copy_side src_side,
		       size_t n, CUstream stream, bool async)
{
	struct copy c = {
		.dst = { .addr = dst, .pitch = n, .side = dst_side },
		.src = { .addr = src, .pitch = n, .side = src_side },
		.width = n,
		.height = 1,
		.depth = 1,
	};

	return async ? copy_async(&c, stream) : copy_sync(&c, stream);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t n)
{
	return linear(dst, SIDE_DEVICE, (uintptr_t)src, SIDE_HOST, n, CU_STREAM_LEGACY, false);
}

CUresult cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t n)
{
	return linear((uintptr_t)dst, SIDE_HOST, src, SIDE_DEVICE, n, CU_STREAM_LEGACY, false);
}

/* "No host-side synchronization is performed", unless the host could tell. */
static CUresult within_device(uint64_t dst, uint64_t src, size_t n, CUstream stream)
{
	bool async = !copy_is_seen_by_host(dst) && !copy_is_seen_by_host(src);

	return linear(dst, SIDE_DEVICE, src, SIDE_DEVICE, n, stream, async);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
	return within_device(dst, src, n, CU_STREAM_LEGACY);
}

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
	return linear(dst, SIDE_HOST, src, SIDE_HOST, n, CU_STREAM_LEGACY, false);
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream stream)
{
	return linear(dst, SIDE_DEVICE, (uintptr_t)src, SIDE_HOST, n, stream, true);
}

CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream stream)
{
	return linear((uintptr_t)dst, SIDE_HOST, src, SIDE_DEVICE, n, stream, true);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
	return linear(dst, SIDE_DEVICE, src, SIDE_DEVICE, n, stream, true);
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
	return linear(dst, SIDE_HOST, src, SIDE_HOST, n, stream, true);
}

CUresult cuMemcpyHtoD_v2_ptds(CUdeviceptr dst, const void *src, size_t n)
{
	return linear(dst, SIDE_DEVICE, (uintptr_t)src, SIDE_HOST, n, CU_STREAM_PER_THREAD, false);
}

CUresult cuMemcpyDtoH_v2_ptds(void *dst, CUdeviceptr src, size_t n)
{
	return linear((uintptr_t)dst, SIDE_HOST, src, SIDE_DEVICE, n, CU_STREAM_PER_THREAD, false);
}

CUresult cuMemcpyDtoD_v2_ptds(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
	return within_device(dst, src, n, CU_STREAM_PER_THREAD);
}

CUresult cuMemcpy_ptds(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
	return linear(dst, SIDE_HOST, src, SIDE_HOST, n, CU_STREAM_PER_THREAD, false);
}
