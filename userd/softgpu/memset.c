/* SPDX-License-Identifier: MIT */
/*
 * memset.c - cuMemset*: 8, 16 and 32 bits, lines and rectangles
 *
 * All are queued; the calls without "Async" may return before device memory is set, too, and are
 * ordered by the legacy stream. Memory that the host can look at is set when they return.
 */
#include "memset.h"

#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "context.h"
#include "copy.h"
#include "init.h"
#include "memory.h"
#include "stream.h"

struct fill_work {
	struct work work;
	struct fill fill;
};

static void fill_row(char *p, const struct fill *f)
{
	if (f->size == 1) {
		memset(p, f->value, f->width);
	} else if (f->size == 2) {
		for (size_t i = 0; i < f->width; i++)
			((uint16_t *)p)[i] = f->value;
	} else {
		for (size_t i = 0; i < f->width; i++)
			((uint32_t *)p)[i] = f->value;
	}
}

void fill_memory(const struct fill *f)
{
	for (size_t y = 0; y < f->height; y++)
		fill_row((char *)(uintptr_t)f->addr + y * f->pitch, f);
}

static CUresult fill_run(struct work *w, struct context *ctx)
{
	(void)ctx;
	fill_memory(&((struct fill_work *)w)->fill);
	return CUDA_SUCCESS;
}

static bool is_valid(const struct fill *f)
{
	struct copy_end e = { .addr = f->addr, .pitch = f->pitch, .side = SIDE_DEVICE };
	size_t bytes;

	if (f->addr % f->size || (f->height > 1 && f->pitch % f->size))
		return false;
	return !__builtin_mul_overflow(f->width, f->size, &bytes) &&
	       copy_end_is_valid(&e, bytes, f->height);
}

/* A module's variables are set in the module's context only; other memory in any. */
static bool is_foreign(const struct fill *f, const struct context *ctx)
{
	struct mem_range r;

	return mem_lookup(f->addr, &r) && r.kind == MEM_MODULE && r.owner && r.owner != ctx;
}

static CUresult capture(const struct fill *f, struct stream *s)
{
	CUgraphNodeParams p = {
		.type = CU_GRAPH_NODE_TYPE_MEMSET,
		.memset = {
			.dst = f->addr,
			.pitch = f->pitch,
			.value = f->value,
			.elementSize = f->size,
			.width = f->width,
			.height = f->height,
			.ctx = HANDLE_OF(s->ctx),
		},
	};

	return capture_node(s, &p);
}

static CUresult fill(const struct fill *f, CUstream stream, bool sync)
{
	bool capturing = false;
	struct fill_work *w;
	struct stream *s;
	CUresult r = stream_enter(stream, &s);

	if (r != CUDA_SUCCESS)
		return r;
	r = capture_enter(s, &capturing);
	if (r != CUDA_SUCCESS || !f->width || !f->height)
		return context_leave(r);
	if (capturing)
		return context_leave(capture(f, s));
	if (!is_valid(f) || is_foreign(f, s->ctx))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	w = calloc(1, sizeof(*w));
	if (!w)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	w->fill = *f;
	w->work.run = fill_run;
	r = stream_submit(s, &w->work);
	if (r == CUDA_SUCCESS && sync && copy_is_seen_by_host(f->addr))
		r = stream_drain(s);
	return context_leave(r);
}

#define LINE(sync, stream, bits, dst, v, n) \
	fill(&(struct fill){ .addr = (dst), \
			     .width = (n), \
			     .height = 1, \
			     .value = (v), \
			     .size = (bits) / 8 }, \
	     (stream), (sync))
#define RECT(sync, stream, bits, dst, p, v, w, h) \
	fill(&(struct fill){ .addr = (dst), \
			     .pitch = (p), \
			     .width = (w), \
			     .height = (h), \
			     .value = (v), \
			     .size = (bits) / 8 }, \
	     (stream), (sync))

/* The eight entry points of one element type. */
#define MEMSET(bits, type) \
	CUresult cuMemsetD##bits##_v2(CUdeviceptr dst, type v, size_t n) \
	{ \
		return LINE(true, CU_STREAM_LEGACY, bits, dst, v, n); \
	} \
	CUresult cuMemsetD##bits##_v2_ptds(CUdeviceptr dst, type v, size_t n) \
	{ \
		return LINE(true, CU_STREAM_PER_THREAD, bits, dst, v, n); \
	} \
	CUresult cuMemsetD##bits##Async(CUdeviceptr dst, type v, size_t n, CUstream s) \
	{ \
		return LINE(false, s, bits, dst, v, n); \
	} \
	CUresult cuMemsetD##bits##Async_ptsz(CUdeviceptr dst, type v, size_t n, CUstream s) \
	{ \
		return LINE(false, s ? s : CU_STREAM_PER_THREAD, bits, dst, v, n); \
	} \
	CUresult cuMemsetD2D##bits##_v2(CUdeviceptr dst, size_t pitch, type v, size_t w, size_t h) \
	{ \
		return RECT(true, CU_STREAM_LEGACY, bits, dst, pitch, v, w, h); \
	} \
	CUresult cuMemsetD2D##bits##_v2_ptds(CUdeviceptr dst, size_t pitch, type v, size_t w, \
					     size_t h) \
	{ \
		return RECT(true, CU_STREAM_PER_THREAD, bits, dst, pitch, v, w, h); \
	} \
	CUresult cuMemsetD2D##bits##Async(CUdeviceptr dst, size_t pitch, type v, size_t w, \
					  size_t h, CUstream s) \
	{ \
		return RECT(false, s, bits, dst, pitch, v, w, h); \
	} \
	CUresult cuMemsetD2D##bits##Async_ptsz(CUdeviceptr dst, size_t pitch, type v, size_t w, \
					       size_t h, CUstream s) \
	{ \
		return RECT(false, s ? s : CU_STREAM_PER_THREAD, bits, dst, pitch, v, w, h); \
	}

MEMSET(8, unsigned char)
MEMSET(16, unsigned short)
MEMSET(32, unsigned int)
