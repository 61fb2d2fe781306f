/* SPDX-License-Identifier: MIT */
/*
 * copybatch.c - cuMemcpyBatchAsync(), cuMemcpy3DBatchAsync(), cuMemcpyPeer()
 *
 * A batch is checked as a whole before any of it is queued; then its copies follow one another in
 * the stream, which is one of the orders that the program has to expect.
 */
#include <stdint.h>

#include "array.h"
#include "copy.h"
#include "init.h"
#include "stream.h"

static CUresult check_stream(CUstream stream)
{
	return !stream || stream == CU_STREAM_LEGACY ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static bool order_of(CUmemcpySrcAccessOrder given, enum copy_order *order)
{
	switch (given) {
	case CU_MEMCPY_SRC_ACCESS_ORDER_STREAM:
		*order = ORDER_STREAM;
		return true;
	case CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL:
		*order = ORDER_NOW;
		return true;
	case CU_MEMCPY_SRC_ACCESS_ORDER_ANY:
		*order = ORDER_USUAL;
		return true;
	default:
		return false;
	}
}

/* One copy of a batch: what to do, and when its source is read. */
struct step {
	struct copy copy;
	enum copy_order order;
};

struct batch {
	/* Makes the step. Lock not held. */
	CUresult (*step)(const struct batch *b, size_t i, struct step *s);
	size_t count;
	/* of a linear one */
	CUdeviceptr *dsts, *srcs;
	size_t *sizes;
	CUmemcpyAttributes *attrs;
	size_t *first;			/* copy of each attribute */
	size_t nr_attrs;
	/* of one in three dimensions */
	CUDA_MEMCPY3D_BATCH_OP *ops;
};

/* *fail: the copy that is to blame; SIZE_MAX: none in particular. */
static CUresult run(const struct batch *b, CUstream stream, size_t *fail)
{
	CUresult r = check_stream(stream);
	struct step s;

	for (size_t i = 0; i < b->count && r == CUDA_SUCCESS; i++) {
		r = b->step(b, i, &s);
		if (r == CUDA_SUCCESS)
			r = copy_check(&s.copy, stream);
		if (r != CUDA_SUCCESS)
			*fail = i;
	}
	for (size_t i = 0; i < b->count && r == CUDA_SUCCESS; i++) {
		r = b->step(b, i, &s);
		if (r == CUDA_SUCCESS)
			r = copy_async_ordered(&s.copy, stream, s.order);
	}
	return r;
}

static CUresult check_attributes(const struct batch *b)
{
	enum copy_order order;

	if (!b->dsts || !b->srcs || !b->sizes || !b->count || !b->attrs || !b->first ||
	    !b->nr_attrs || b->nr_attrs > b->count || b->first[0])
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < b->nr_attrs; i++) {
		if (b->first[i] >= b->count || (i && b->first[i] <= b->first[i - 1]) ||
		    !order_of(b->attrs[i].srcAccessOrder, &order) ||
		    (b->attrs[i].flags & ~CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE))
			return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static CUresult linear_step(const struct batch *b, size_t i, struct step *s)
{
	size_t k = b->nr_attrs - 1, n = b->sizes[i];

	while (b->first[k] > i)
		k--;
	order_of(b->attrs[k].srcAccessOrder, &s->order);
	s->copy = (struct copy){
		.dst = { .addr = b->dsts[i], .pitch = n, .side = SIDE_HOST },
		.src = { .addr = b->srcs[i], .pitch = n, .side = SIDE_HOST },
		.width = n, .height = 1, .depth = 1,
	};
	return n ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult copy_batch(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			   CUmemcpyAttributes *attrs, size_t *first, size_t nr, size_t *fail,
			   CUstream stream)
{
	struct batch b = {
		.step = linear_step, .count = count, .dsts = dsts, .srcs = srcs, .sizes = sizes,
		.attrs = attrs, .first = first, .nr_attrs = nr,
	};
	size_t ignored;
	CUresult r = driver_ready();

	if (!fail)
		fail = &ignored;
	*fail = SIZE_MAX;
	if (r == CUDA_SUCCESS)
		r = check_attributes(&b);
	return r == CUDA_SUCCESS ? run(&b, stream, fail) : r;
}

CUresult cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			    CUmemcpyAttributes *attrs, size_t *first, size_t nr, size_t *fail,
			    CUstream stream)
{
	return copy_batch(dsts, srcs, sizes, count, attrs, first, nr, fail, stream);
}

CUresult cuMemcpyBatchAsync_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
				 CUmemcpyAttributes *attrs, size_t *first, size_t nr, size_t *fail,
				 CUstream stream)
{
	return copy_batch(dsts, srcs, sizes, count, attrs, first, nr, fail, stream_ptsz(stream));
}

CUresult cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
			       CUmemcpyAttributes *attrs, size_t *first, size_t nr, CUstream stream)
{
	return copy_batch(dsts, srcs, sizes, count, attrs, first, nr, NULL, stream);
}

CUresult cuMemcpyBatchAsync_v2_ptsz(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes,
				    size_t count, CUmemcpyAttributes *attrs, size_t *first,
				    size_t nr, CUstream stream)
{
	return copy_batch(dsts, srcs, sizes, count, attrs, first, nr, NULL, stream_ptsz(stream));
}

/* Bytes of an element of the array at e; 0: it is no array, or there is no such array. */
static size_t element_of(const CUmemcpy3DOperand *e)
{
	const struct array *a;
	size_t n = 0;

	if (e->type != CU_MEMCPY_OPERAND_TYPE_ARRAY)
		return 0;
	driver_lock();
	a = array_find(e->op.array.array);
	if (a)
		n = a->owner->texel.bytes;
	driver_unlock();
	return n;
}

static CUresult operand(struct copy_end *e, const CUmemcpy3DOperand *o, const struct copy *c,
			size_t element)
{
	struct copy_place p = { 0 };

	if (o->type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
		p.type = CU_MEMORYTYPE_ARRAY;
		p.array = o->op.array.array;
		if (__builtin_mul_overflow(o->op.array.offset.x, element, &p.x))
			return CUDA_ERROR_INVALID_VALUE;
		p.y = o->op.array.offset.y;
		p.z = o->op.array.offset.z;
	} else if (o->type == CU_MEMCPY_OPERAND_TYPE_POINTER) {
		p.type = CU_MEMORYTYPE_UNIFIED;
		p.device = o->op.ptr.ptr;
		p.rows = o->op.ptr.layerHeight ? o->op.ptr.layerHeight : c->height;
		if (__builtin_mul_overflow(o->op.ptr.rowLength, element, &p.pitch))
			return CUDA_ERROR_INVALID_VALUE;
		if (p.rows < c->height)
			return CUDA_ERROR_INVALID_VALUE;
	} else {
		return CUDA_ERROR_INVALID_VALUE;
	}
	return copy_end_of(e, &p, c);
}

static CUresult box_step(const struct batch *b, size_t i, struct step *s)
{
	const CUDA_MEMCPY3D_BATCH_OP *op = &b->ops[i];
	size_t dst = element_of(&op->dst), src = element_of(&op->src);
	size_t element = dst ? dst : src ? src : 1;
	CUresult r;

	s->copy = (struct copy){ .height = op->extent.height, .depth = op->extent.depth };
	if ((dst && src && dst != src) || !order_of(op->srcAccessOrder, &s->order) ||
	    (op->flags & ~CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE) || !op->extent.width ||
	    !op->extent.height || !op->extent.depth ||
	    __builtin_mul_overflow(op->extent.width, element, &s->copy.width))
		return CUDA_ERROR_INVALID_VALUE;
	r = operand(&s->copy.dst, &op->dst, &s->copy, element);
	return r == CUDA_SUCCESS ? operand(&s->copy.src, &op->src, &s->copy, element) : r;
}

static CUresult copy_boxes(size_t count, CUDA_MEMCPY3D_BATCH_OP *ops, size_t *fail,
			   unsigned long long flags, CUstream stream)
{
	struct batch b = { .step = box_step, .count = count, .ops = ops };
	size_t ignored;
	CUresult r = driver_ready();

	if (!fail)
		fail = &ignored;
	*fail = SIZE_MAX;
	if (r != CUDA_SUCCESS)
		return r;
	if (!ops || !count || flags)
		return CUDA_ERROR_INVALID_VALUE;
	return run(&b, stream, fail);
}

CUresult cuMemcpy3DBatchAsync(size_t count, CUDA_MEMCPY3D_BATCH_OP *ops, size_t *fail,
			      unsigned long long flags, CUstream stream)
{
	return copy_boxes(count, ops, fail, flags, stream);
}

CUresult cuMemcpy3DBatchAsync_ptsz(size_t count, CUDA_MEMCPY3D_BATCH_OP *ops, size_t *fail,
				   unsigned long long flags, CUstream stream)
{
	return copy_boxes(count, ops, fail, flags, stream_ptsz(stream));
}

CUresult cuMemcpy3DBatchAsync_v2(size_t count, CUDA_MEMCPY3D_BATCH_OP *ops,
				 unsigned long long flags, CUstream stream)
{
	return copy_boxes(count, ops, NULL, flags, stream);
}

CUresult cuMemcpy3DBatchAsync_v2_ptsz(size_t count, CUDA_MEMCPY3D_BATCH_OP *ops,
				      unsigned long long flags, CUstream stream)
{
	return copy_boxes(count, ops, NULL, flags, stream_ptsz(stream));
}

/* drain: what is queued in both must be over, too. */
static CUresult check_contexts(CUcontext dst, CUcontext src, bool drain)
{
	struct context *ctx, *d, *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	/* NULL: the current one */
	d = dst ? context_by_handle(dst) : ctx;
	s = src ? context_by_handle(src) : ctx;
	if (!d || !s || !d->active || !s->active)
		r = CUDA_ERROR_INVALID_CONTEXT;
	else if (drain)
		r = context_drain_all(ctx);
	return context_leave(r);
}

static CUresult copy_peer(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src, CUcontext src_ctx,
			  size_t n, CUstream stream, bool async)
{
	struct copy c = {
		.dst = { .addr = dst, .pitch = n, .side = SIDE_DEVICE },
		.src = { .addr = src, .pitch = n, .side = SIDE_DEVICE },
		.width = n, .height = 1, .depth = 1,
	};
	CUresult r = check_contexts(dst_ctx, src_ctx, !async);

	if (r != CUDA_SUCCESS)
		return r;
	return async ? copy_async(&c, stream) : copy_sync(&c, stream);
}

/*
 * "Serialized with respect to all pending and future asynchronous work" of both contexts: nothing
 * orders the streams of two contexts, so these wait.
 */
CUresult cuMemcpyPeer(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src, CUcontext src_ctx,
		      size_t n)
{
	return copy_peer(dst, dst_ctx, src, src_ctx, n, CU_STREAM_LEGACY, false);
}

CUresult cuMemcpyPeer_ptds(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src, CUcontext src_ctx,
			   size_t n)
{
	return copy_peer(dst, dst_ctx, src, src_ctx, n, CU_STREAM_PER_THREAD, false);
}

CUresult cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src, CUcontext src_ctx,
			   size_t n, CUstream stream)
{
	return copy_peer(dst, dst_ctx, src, src_ctx, n, stream, true);
}

CUresult cuMemcpyPeerAsync_ptsz(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src,
				CUcontext src_ctx, size_t n, CUstream stream)
{
	return copy_peer(dst, dst_ctx, src, src_ctx, n, stream_ptsz(stream), true);
}
