// SPDX-License-Identifier: MIT
/*
 * copybatch.c - copies with attributes, many at once, and between contexts
 *
 * A batch is checked as a whole before any of it is begun; then its copies follow one another in
 * the stream, which is one of the orders that a program has to expect. The bytes of a source in
 * this process are taken during the call, unless a copy is still to write them, which suits every
 * order of access.
 */
#include "vcuda.h"

struct batch {
	CUdeviceptr *dsts, *srcs;
	size_t *sizes, count;
	CUmemcpyAttributes *attrs;
	size_t *first, nr_attrs;	/* first: copy of each attribute */
};

static bool attributes_ok(const CUmemcpyAttributes *a)
{
	return (a->srcAccessOrder == CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
		a->srcAccessOrder == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL ||
		a->srcAccessOrder == CU_MEMCPY_SRC_ACCESS_ORDER_ANY) &&
	       !(a->flags & ~(unsigned int)CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE);
}

static CUresult check_attributes(const struct batch *b)
{
	size_t i;

	if (!b->dsts || !b->srcs || !b->sizes || !b->count || !b->attrs || !b->first ||
	    !b->nr_attrs || b->nr_attrs > b->count || b->first[0])
		return CUDA_ERROR_INVALID_VALUE;
	for (i = 0; i < b->nr_attrs; i++)
		if (b->first[i] >= b->count || (i && b->first[i] <= b->first[i - 1]) ||
		    !attributes_ok(&b->attrs[i]))
			return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

/* CUDA has the legacy stream refused, by whatever name. */
static CUresult check_stream(CUstream stream)
{
	uint32_t number;

	if (!stream || stream == CU_STREAM_LEGACY)
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_stream_number(stream, &number);
}

/* *fail: the copy that is to blame; SIZE_MAX: none in particular. */
static CUresult run(const struct batch *b, size_t *fail, CUstream stream)
{
	CUresult r = check_attributes(b);
	size_t i, ignored;

	if (!fail)
		fail = &ignored;
	*fail = SIZE_MAX;
	if (!r)
		r = check_stream(stream);
	for (i = 0; !r && i < b->count; i++) {
		r = vcuda_copy_check(b->dsts[i], b->srcs[i], b->sizes[i]);
		if (r)
			*fail = i;
	}
	for (i = 0; !r && i < b->count; i++)
		r = hand_cuMemcpyAsync(b->dsts[i], b->srcs[i], b->sizes[i], stream);
	return r;
}

CUresult hand_cuMemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count,
				 CUmemcpyAttributes *attrs, size_t *first, size_t nr, size_t *fail,
				 CUstream stream)
{
	struct batch b = { dsts, srcs, sizes, count, attrs, first, nr };

	return run(&b, fail, stream);
}

CUresult hand_cuMemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes,
				    size_t count, CUmemcpyAttributes *attrs, size_t *first,
				    size_t nr, CUstream stream)
{
	struct batch b = { dsts, srcs, sizes, count, attrs, first, nr };

	return run(&b, NULL, stream);
}

CUresult hand_cuMemcpyWithAttributesAsync(CUdeviceptr dst, CUdeviceptr src, size_t n,
					  CUmemcpyAttributes *attr, CUstream stream)
{
	CUresult r = attr && attributes_ok(attr) ? check_stream(stream) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		r = vcuda_copy_check(dst, src, n);
	return r ? r : hand_cuMemcpyAsync(dst, src, n, stream);
}

/* ---- between contexts, which share one address space on the device ---- */

/* NULL: the current one. */
static bool peer_ok(CUcontext ctx)
{
	return vcuda_context_ok(ctx ? ctx : vcuda_current());
}

static CUresult check_peer(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src, CUcontext src_ctx)
{
	if (!peer_ok(dst_ctx) || !peer_ok(src_ctx))
		return CUDA_ERROR_INVALID_CONTEXT;
	return vcuda_is_device(dst) && vcuda_is_device(src) ? CUDA_SUCCESS
							    : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuMemcpyPeerAsync(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src,
				CUcontext src_ctx, size_t n, CUstream stream)
{
	CUresult r = check_peer(dst, dst_ctx, src, src_ctx);

	return r ? r : hand_cuMemcpyAsync(dst, src, n, stream);
}

/* In order with all work of both contexts, that of streams too which the legacy one does not know. */
CUresult hand_cuMemcpyPeer(CUdeviceptr dst, CUcontext dst_ctx, CUdeviceptr src, CUcontext src_ctx,
			   size_t n, CUstream stream)
{
	bool ordered = !vcuda_has_nonblocking();
	CUresult r = check_peer(dst, dst_ctx, src, src_ctx);

	if (!r && !ordered)
		r = vcuda_context_wait(dst_ctx);
	if (!r && !ordered && src_ctx != dst_ctx)
		r = vcuda_context_wait(src_ctx);
	if (!r)
		r = hand_cuMemcpyAsync(dst, src, n, stream);
	return r || ordered ? r : hand_cuStreamSynchronize(stream);
}

/* ---- what a device behind a network has not ---- */

/* There is no descriptor of the device's memory in this machine. */
CUresult hand_cuMemGetHandleForAddressRange(void *handle, CUdeviceptr ptr, size_t size,
					    CUmemRangeHandleType type, unsigned long long flags)
{
	(void)flags;
	if (!handle || type != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD ||
	    vcuda_copy_check(ptr, ptr, size))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_ERROR_NOT_SUPPORTED;
}
