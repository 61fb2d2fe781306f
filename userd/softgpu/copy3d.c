/* SPDX-License-Identifier: MIT */
/*
 * copy3d.c - cuMemcpy3D*, and where the ends of 2D and 3D copies lie
 */
#include <stdbool.h>

#include "copy.h"
#include "device.h"

static bool add_product(uint64_t *sum, size_t a, size_t b)
{
	size_t n;

	return !__builtin_mul_overflow(a, b, &n) && !__builtin_add_overflow(*sum, n, sum);
}

CUresult copy_end_of(struct copy_end *e, const struct copy_place *p, const struct copy *c)
{
	*e = (struct copy_end){ .pitch = p->pitch };
	/* of nothing, whatever else is said of it */
	if (!c->width || !c->height || !c->depth)
		return CUDA_SUCCESS;
	switch (p->type) {
	case CU_MEMORYTYPE_HOST:
		e->addr = (uintptr_t)p->host;
		e->side = SIDE_HOST;
		break;
	case CU_MEMORYTYPE_DEVICE:
	case CU_MEMORYTYPE_UNIFIED:
		e->addr = p->device;
		e->side = p->type == CU_MEMORYTYPE_DEVICE ? SIDE_DEVICE : SIDE_HOST;
		break;
	case CU_MEMORYTYPE_ARRAY:
		*e = (struct copy_end){ .side = SIDE_ARRAY, .array = p->array, .x = p->x, .y = p->y,
					.z = p->z };
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (p->pitch > (size_t)device_attribute(CU_DEVICE_ATTRIBUTE_MAX_PITCH))
		return CUDA_ERROR_INVALID_VALUE;
	if (!e->pitch && __builtin_add_overflow(c->width, p->x, &e->pitch)) /* "tightly packed" */
		return CUDA_ERROR_INVALID_VALUE;
	if (p->x > e->pitch || c->width > e->pitch - p->x)
		return CUDA_ERROR_INVALID_VALUE;
	if (c->depth > 1 || p->z) {
		if (p->y > p->rows || c->height > p->rows - p->y ||
		    __builtin_mul_overflow(e->pitch, p->rows, &e->slice))
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (!add_product(&e->addr, p->z, e->slice) || !add_product(&e->addr, p->y, e->pitch) ||
	    !add_product(&e->addr, p->x, 1))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

/* CUDA_MEMCPY3D and CUDA_MEMCPY3D_PEER have the same names for the same things. */
#define PLACE(p, side) {							\
	.type = (p)->side##MemoryType, .host = (p)->side##Host,			\
	.device = (p)->side##Device, .array = (p)->side##Array,			\
	.pitch = (p)->side##Pitch, .rows = (p)->side##Height,			\
	.x = (p)->side##XInBytes, .y = (p)->side##Y, .z = (p)->side##Z,		\
}

CUresult copy_of_3d(const CUDA_MEMCPY3D *p, struct copy *c)
{
	if (p->srcLOD || p->dstLOD || p->reserved0 || p->reserved1)
		return CUDA_ERROR_INVALID_VALUE;

	const struct copy_place dst = PLACE(p, dst), src = PLACE(p, src);
	CUresult r;

	*c = (struct copy){ .width = p->WidthInBytes, .height = p->Height, .depth = p->Depth };
	r = copy_end_of(&c->dst, &dst, c);
	return r == CUDA_SUCCESS ? copy_end_of(&c->src, &src, c) : r;
}

static CUresult copy_box(const struct copy_place *dst, const struct copy_place *src,
			 struct copy *c, CUstream stream, bool async)
{
	CUresult r = copy_end_of(&c->dst, dst, c);

	if (r == CUDA_SUCCESS)
		r = copy_end_of(&c->src, src, c);
	if (r != CUDA_SUCCESS)
		return r;
	return async ? copy_async(c, stream) : copy_sync(c, stream);
}

static CUresult copy_3d(const CUDA_MEMCPY3D *p, CUstream stream, bool async)
{
	struct copy c;
	CUresult r = p ? copy_of_3d(p, &c) : CUDA_ERROR_INVALID_VALUE;

	if (r != CUDA_SUCCESS)
		return r;
	return async ? copy_async(&c, stream) : copy_sync(&c, stream);
}

/*
 * An array belongs to the context it was made in, whatever the structure says. drain: what is queued
 * in all contexts must be over, as for cuMemcpyPeer().
 */
static CUresult check_peers(const CUDA_MEMCPY3D_PEER *p, bool drain)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if ((p->srcMemoryType == CU_MEMORYTYPE_DEVICE && !context_by_handle(p->srcContext)) ||
	    (p->dstMemoryType == CU_MEMORYTYPE_DEVICE && !context_by_handle(p->dstContext)))
		r = CUDA_ERROR_INVALID_CONTEXT;
	if (r == CUDA_SUCCESS && drain)
		r = context_drain_all(ctx);
	return context_leave(r);
}

static CUresult copy_peer(const CUDA_MEMCPY3D_PEER *p, CUstream stream, bool async)
{
	CUresult r;

	if (!p || p->srcLOD || p->dstLOD)
		return CUDA_ERROR_INVALID_VALUE;
	r = check_peers(p, !async);
	if (r != CUDA_SUCCESS)
		return r;

	const struct copy_place dst = PLACE(p, dst), src = PLACE(p, src);
	struct copy c = { .width = p->WidthInBytes, .height = p->Height, .depth = p->Depth };

	return copy_box(&dst, &src, &c, stream, async);
}

CUresult cuMemcpy3D_v2(const CUDA_MEMCPY3D *p)
{
	return copy_3d(p, CU_STREAM_LEGACY, false);
}

CUresult cuMemcpy3D_v2_ptds(const CUDA_MEMCPY3D *p)
{
	return copy_3d(p, CU_STREAM_PER_THREAD, false);
}

CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *p, CUstream stream)
{
	return copy_3d(p, stream, true);
}

CUresult cuMemcpy3DAsync_v2_ptsz(const CUDA_MEMCPY3D *p, CUstream stream)
{
	return copy_3d(p, stream ? stream : CU_STREAM_PER_THREAD, true);
}

CUresult cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *p)
{
	return copy_peer(p, CU_STREAM_LEGACY, false);
}

CUresult cuMemcpy3DPeer_ptds(const CUDA_MEMCPY3D_PEER *p)
{
	return copy_peer(p, CU_STREAM_PER_THREAD, false);
}

CUresult cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *p, CUstream stream)
{
	return copy_peer(p, stream, true);
}

CUresult cuMemcpy3DPeerAsync_ptsz(const CUDA_MEMCPY3D_PEER *p, CUstream stream)
{
	return copy_peer(p, stream ? stream : CU_STREAM_PER_THREAD, true);
}
