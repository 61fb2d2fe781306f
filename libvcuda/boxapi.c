// SPDX-License-Identifier: MIT
/*
 * boxapi.c - cuMemcpy2D() and cuMemcpy3D() with their kin, and copies to and from arrays
 */
#include "array.h"
#include "box.h"

/* ---- two dimensions ---- */

#define PLACE_2D(p, side)								\
	{ .type = (p)->side##MemoryType, .host = (p)->side##Host,			\
	  .device = (p)->side##Device, .array = (p)->side##Array, .pitch = (p)->side##Pitch, \
	  .x = (p)->side##XInBytes, .y = (p)->side##Y }

static CUresult copy_2d(const CUDA_MEMCPY2D *c, CUstream stream, bool async)
{
	struct place dst, src;

	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	dst = (struct place)PLACE_2D(c, dst);
	src = (struct place)PLACE_2D(c, src);
	return box_copy(&dst, &src, &(struct box){ c->WidthInBytes, c->Height, 1 }, stream, async);
}

CUresult hand_cuMemcpy2D_v2(const CUDA_MEMCPY2D *c, CUstream stream)
{
	return copy_2d(c, stream, false);
}

CUresult hand_cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *c, CUstream stream)
{
	return copy_2d(c, stream, false);
}

CUresult hand_cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *c, CUstream stream)
{
	return copy_2d(c, stream, true);
}

/* ---- three ---- */

/* CUDA_MEMCPY3D and CUDA_MEMCPY3D_PEER have the same names for the same things. */
#define PLACE_3D(p, side)								\
	{ .type = (p)->side##MemoryType, .host = (p)->side##Host,			\
	  .device = (p)->side##Device, .array = (p)->side##Array, .pitch = (p)->side##Pitch, \
	  .rows = (p)->side##Height, .x = (p)->side##XInBytes, .y = (p)->side##Y,	\
	  .z = (p)->side##Z }
#define BOX_3D(p)	(struct box){ (p)->WidthInBytes, (p)->Height, (p)->Depth }

static CUresult copy_3d(const CUDA_MEMCPY3D *c, CUstream stream, bool async)
{
	struct place dst, src;

	if (!c || c->srcLOD || c->dstLOD)
		return CUDA_ERROR_INVALID_VALUE;
	dst = (struct place)PLACE_3D(c, dst);
	src = (struct place)PLACE_3D(c, src);
	return box_copy(&dst, &src, &BOX_3D(c), stream, async);
}

CUresult hand_cuMemcpy3D_v2(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return copy_3d(c, stream, false);
}

CUresult hand_cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *c, CUstream stream)
{
	return copy_3d(c, stream, true);
}

/* All contexts share one address space: which one an end is in makes no difference. */
static CUresult copy_peer(const CUDA_MEMCPY3D_PEER *c, CUstream stream)
{
	struct place dst, src;

	if (!c || c->srcLOD || c->dstLOD)
		return CUDA_ERROR_INVALID_VALUE;
	if ((c->srcMemoryType == CU_MEMORYTYPE_DEVICE && !vcuda_context_ok(c->srcContext)) ||
	    (c->dstMemoryType == CU_MEMORYTYPE_DEVICE && !vcuda_context_ok(c->dstContext)))
		return CUDA_ERROR_INVALID_CONTEXT;
	dst = (struct place)PLACE_3D(c, dst);
	src = (struct place)PLACE_3D(c, src);
	return box_copy(&dst, &src, &BOX_3D(c), stream, true);
}

CUresult hand_cuMemcpy3DPeer(const CUDA_MEMCPY3D_PEER *c, CUstream stream)
{
	return copy_peer(c, stream);
}

CUresult hand_cuMemcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *c, CUstream stream)
{
	return copy_peer(c, stream);
}

/* ---- a line of an array ---- */

static struct place line_of(CUarray array, size_t offset)
{
	return (struct place){ .type = CU_MEMORYTYPE_ARRAY, .array = array, .x = offset };
}

static struct place device_at(CUdeviceptr p)
{
	return (struct place){ .type = CU_MEMORYTYPE_DEVICE, .device = p };
}

static struct place host_at(const void *p)
{
	return (struct place){ .type = CU_MEMORYTYPE_HOST, .host = p };
}

static CUresult copy_line(struct place dst, struct place src, size_t n, CUstream stream, bool async)
{
	return box_copy(&dst, &src, &(struct box){ n, 1, 1 }, stream, async);
}

CUresult hand_cuMemcpyDtoA_v2(CUarray dst, size_t offset, CUdeviceptr src, size_t n,
			      CUstream stream)
{
	return copy_line(line_of(dst, offset), device_at(src), n, stream, true);
}

CUresult hand_cuMemcpyAtoD_v2(CUdeviceptr dst, CUarray src, size_t offset, size_t n,
			      CUstream stream)
{
	return copy_line(device_at(dst), line_of(src, offset), n, stream, true);
}

CUresult hand_cuMemcpyHtoA_v2(CUarray dst, size_t offset, const void *src, size_t n,
			      CUstream stream)
{
	return copy_line(line_of(dst, offset), host_at(src), n, stream, false);
}

CUresult hand_cuMemcpyAtoH_v2(void *dst, CUarray src, size_t offset, size_t n, CUstream stream)
{
	return copy_line(host_at(dst), line_of(src, offset), n, stream, false);
}

CUresult hand_cuMemcpyAtoA_v2(CUarray dst, size_t offset, CUarray src, size_t src_offset, size_t n,
			      CUstream stream)
{
	return copy_line(line_of(dst, offset), line_of(src, src_offset), n, stream, true);
}

CUresult hand_cuMemcpyHtoAAsync_v2(CUarray dst, size_t offset, const void *src, size_t n,
				   CUstream stream)
{
	return copy_line(line_of(dst, offset), host_at(src), n, stream, true);
}

CUresult hand_cuMemcpyAtoHAsync_v2(void *dst, CUarray src, size_t offset, size_t n, CUstream stream)
{
	return copy_line(host_at(dst), line_of(src, offset), n, stream, true);
}

/* ---- many at once: all are looked at before the first is begun ---- */

static CUresult operand(struct place *p, const CUmemcpy3DOperand *o, size_t *texel)
{
	const struct vcuda_array *a;

	*p = (struct place){ 0 };
	if (o->type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
		a = vcuda_array_get(o->op.array.array);
		if (!a)
			return CUDA_ERROR_INVALID_HANDLE;
		*texel = a->texel_bytes;
		*p = (struct place){ .type = CU_MEMORYTYPE_ARRAY, .array = o->op.array.array,
				     .y = o->op.array.offset.y, .z = o->op.array.offset.z };
		return __builtin_mul_overflow(o->op.array.offset.x, *texel, &p->x)
			       ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	}
	if (o->type != CU_MEMCPY_OPERAND_TYPE_POINTER)
		return CUDA_ERROR_INVALID_VALUE;
	*p = (struct place){ .type = CU_MEMORYTYPE_UNIFIED, .device = o->op.ptr.ptr,
			     .pitch = o->op.ptr.rowLength, .rows = o->op.ptr.layerHeight };
	return CUDA_SUCCESS;
}

/* Extents are elements of the arrays, or bytes where none is one. */
static CUresult take_op(const CUDA_MEMCPY3D_BATCH_OP *op, struct end *dst, struct end *src,
			struct box *b)
{
	struct place d, s;
	size_t texel = 1, other = 0;
	uint64_t n;
	CUresult r = operand(&s, &op->src, &texel);

	if (!r)
		r = operand(&d, &op->dst, op->src.type == CU_MEMCPY_OPERAND_TYPE_ARRAY ? &other
										: &texel);
	if (r)
		return r;
	if ((other && other != texel) || op->flags & ~CU_MEMCPY_FLAG_PREFER_OVERLAP_WITH_COMPUTE ||
	    op->srcAccessOrder < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
	    op->srcAccessOrder > CU_MEMCPY_SRC_ACCESS_ORDER_ANY)
		return CUDA_ERROR_INVALID_VALUE;
	*b = (struct box){ op->extent.width, op->extent.height, op->extent.depth };
	if (__builtin_mul_overflow(b->width, texel, &b->width) ||
	    __builtin_mul_overflow(d.pitch, texel, &d.pitch) ||
	    __builtin_mul_overflow(s.pitch, texel, &s.pitch) || !b->width || !b->height ||
	    !b->depth || !box_bytes(b, &n))
		return CUDA_ERROR_INVALID_VALUE;
	r = box_end(dst, &d, b);
	return r ? r : box_end(src, &s, b);
}

static CUresult copy_ops(CUDA_MEMCPY3D_BATCH_OP *ops, size_t n, unsigned long long flags,
			 size_t *fail, CUstream stream)
{
	struct end dst, src;
	struct box b;
	size_t i;
	CUresult r = vcuda_need_context();

	*fail = SIZE_MAX;
	if (!r && (!ops || !n || flags || !stream || stream == CU_STREAM_LEGACY))
		r = CUDA_ERROR_INVALID_VALUE;
	for (i = 0; !r && i < n; i++) {
		r = take_op(&ops[i], &dst, &src, &b);
		if (r)
			*fail = i;
	}
	for (i = 0; !r && i < n; i++) {
		r = take_op(&ops[i], &dst, &src, &b);
		if (!r)
			r = box_copy_ends(&dst, &src, &b, stream, true);
	}
	return r;
}

CUresult hand_cuMemcpy3DBatchAsync(size_t n, CUDA_MEMCPY3D_BATCH_OP *ops, size_t *fail,
				   unsigned long long flags, CUstream stream)
{
	size_t ignored;

	return copy_ops(ops, n, flags, fail ? fail : &ignored, stream);
}

CUresult hand_cuMemcpy3DBatchAsync_v2(size_t n, CUDA_MEMCPY3D_BATCH_OP *ops,
				      unsigned long long flags, CUstream stream)
{
	size_t ignored;

	return copy_ops(ops, n, flags, &ignored, stream);
}

CUresult hand_cuMemcpy3DWithAttributesAsync(CUDA_MEMCPY3D_BATCH_OP *op, unsigned long long flags,
					    CUstream stream)
{
	size_t ignored;

	return copy_ops(op, 1, flags, &ignored, stream);
}
