/* SPDX-License-Identifier: MIT */
/*
 * copy2d.c - cuMemcpy2D*
 */
#include <stdbool.h>

#include "copy.h"

static CUresult end_of(struct copy_end *e, CUmemorytype type, const void *host, CUdeviceptr device,
		       size_t pitch, size_t x, size_t y, size_t width)
{
	size_t skip;

	switch (type) {
	case CU_MEMORYTYPE_HOST:
		*e = (struct copy_end){ (uintptr_t)host, pitch, SIDE_HOST };
		break;
	case CU_MEMORYTYPE_DEVICE:
		*e = (struct copy_end){ device, pitch, SIDE_DEVICE };
		break;
	case CU_MEMORYTYPE_UNIFIED:
		*e = (struct copy_end){ device, pitch, SIDE_HOST };
		break;
	case CU_MEMORYTYPE_ARRAY:
		return CUDA_ERROR_NOT_SUPPORTED;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (!pitch)
		e->pitch = width + x;	/* "tightly packed" */
	if (x > e->pitch || width > e->pitch - x || __builtin_mul_overflow(y, e->pitch, &skip) ||
	    __builtin_add_overflow(e->addr, skip, &e->addr) ||
	    __builtin_add_overflow(e->addr, x, &e->addr))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static CUresult copy_of(const CUDA_MEMCPY2D *p, struct copy *c)
{
	CUresult r;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	c->width = p->WidthInBytes;
	c->height = p->Height;
	r = end_of(&c->dst, p->dstMemoryType, p->dstHost, p->dstDevice, p->dstPitch, p->dstXInBytes,
		   p->dstY, c->width);
	if (r != CUDA_SUCCESS)
		return r;
	return end_of(&c->src, p->srcMemoryType, p->srcHost, p->srcDevice, p->srcPitch,
		      p->srcXInBytes, p->srcY, c->width);
}

static CUresult copy_2d(const CUDA_MEMCPY2D *p, CUstream stream, bool async)
{
	struct copy c;
	CUresult r = copy_of(p, &c);

	if (r != CUDA_SUCCESS)
		return r;
	return async ? copy_async(&c, stream) : copy_sync(&c, stream);
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *p)
{
	return copy_2d(p, CU_STREAM_LEGACY, false);
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *p)
{
	return copy_2d(p, CU_STREAM_LEGACY, false);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *p, CUstream stream)
{
	return copy_2d(p, stream, true);
}

CUresult cuMemcpy2D_v2_ptds(const CUDA_MEMCPY2D *p)
{
	return copy_2d(p, CU_STREAM_PER_THREAD, false);
}

CUresult cuMemcpy2DUnaligned_v2_ptds(const CUDA_MEMCPY2D *p)
{
	return copy_2d(p, CU_STREAM_PER_THREAD, false);
}
