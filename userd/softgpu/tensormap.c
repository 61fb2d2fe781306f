/* SPDX-License-Identifier: MIT */
/*
 * tensormap.c - tensor maps, which no kernel here could use: there are no bulk copies of tensors;
 * what is wrong with a call is told before that
 */
#include <stdint.h>

#include "context.h"
#include "init.h"

#define RANK_MAX	5
#define ALIGN		64	/* bytes; CUtensorMap */

static CUresult refuse(const CUtensorMap *map, bool valid)
{
	static bool said;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!map || (uintptr_t)map % ALIGN || !valid)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!said)
		driver_log("tensor maps are not supported");
	said = true;
	return context_leave(CUDA_ERROR_NOT_SUPPORTED);
}

/* strides: one less than there are dimensions */
static bool shape_is_valid(cuuint32_t rank, cuuint32_t least, const cuuint64_t *dim,
			   const cuuint64_t *strides, const cuuint32_t *steps)
{
	return rank >= least && rank <= RANK_MAX && dim && steps && (strides || rank == 1);
}

CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank,
				void *address, const cuuint64_t *dim, const cuuint64_t *strides,
				const cuuint32_t *box, const cuuint32_t *steps,
				CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	(void)type, (void)address, (void)interleave, (void)swizzle, (void)promotion, (void)fill;
	return refuse(map, shape_is_valid(rank, 1, dim, strides, steps) && box);
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank,
				 void *address, const cuuint64_t *dim, const cuuint64_t *strides,
				 const int *lower, const int *upper, cuuint32_t channels,
				 cuuint32_t pixels, const cuuint32_t *steps,
				 CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				 CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	(void)type, (void)address, (void)channels, (void)pixels, (void)interleave;
	(void)swizzle, (void)promotion, (void)fill;
	return refuse(map, shape_is_valid(rank, 3, dim, strides, steps) && lower && upper);
}

CUresult cuTensorMapEncodeIm2colWide(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank,
				     void *address, const cuuint64_t *dim,
				     const cuuint64_t *strides, int lower, int upper,
				     cuuint32_t channels, cuuint32_t pixels,
				     const cuuint32_t *steps, CUtensorMapInterleave interleave,
				     CUtensorMapIm2ColWideMode mode, CUtensorMapSwizzle swizzle,
				     CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	(void)type, (void)address, (void)lower, (void)upper, (void)channels, (void)pixels;
	(void)interleave, (void)mode, (void)swizzle, (void)promotion, (void)fill;
	return refuse(map, shape_is_valid(rank, 3, dim, strides, steps));
}

CUresult cuTensorMapReplaceAddress(CUtensorMap *map, void *address)
{
	(void)address;
	return refuse(map, true);
}
