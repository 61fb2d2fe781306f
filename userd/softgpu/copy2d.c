/* SPDX-License-Identifier: MIT */
/*
 * copy2d.c - cuMemcpy2D*
 */
#include <stdbool.h>

#include "copy.h"

#define PLACE(p, side) {							\
	.type = (p)->side##MemoryType, .host = (p)->side##Host,			\
	.device = (p)->side##Device, .array = (p)->side##Array,			\
	.pitch = (p)->side##Pitch, .x = (p)->side##XInBytes, .y = (p)->side##Y,	\
}

static CUresult copy_of(const CUDA_MEMCPY2D *p, struct copy *c)
{
	CUresult r;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;

	const struct copy_place dst = PLACE(p, dst), src = PLACE(p, src);

	*c = (struct copy){ .width = p->WidthInBytes, .height = p->Height, .depth = 1 };
	r = copy_end_of(&c->dst, &dst, c);
	return r == CUDA_SUCCESS ? copy_end_of(&c->src, &src, c) : r;
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
