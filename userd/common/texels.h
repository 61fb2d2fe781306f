/* SPDX-License-Identifier: MIT */
/*
 * texels.h - how large arrays are: what a library books for one and what a worker does must agree
 */
#ifndef COMMON_TEXELS_H
#define COMMON_TEXELS_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXELS_LEVELS_MAX	18	/* of a mipmapped array: 2^17 texels to an edge */
#define TEXELS_ROW_ALIGN	64
#define TEXELS_ALIGN		65536

/*
 * Bytes of a texel; 0: no such format, or not with so many channels. Planes, blocks and packed
 * fields are not here.
 */
static inline unsigned int texel_bytes(CUarray_format format, unsigned int channels)
{
	unsigned int bytes = 0, fixed = 0;

	switch (format) {
	case CU_AD_FORMAT_UNSIGNED_INT8:
	case CU_AD_FORMAT_SIGNED_INT8:
		bytes = 1;
		break;
	case CU_AD_FORMAT_UNSIGNED_INT16:
	case CU_AD_FORMAT_SIGNED_INT16:
	case CU_AD_FORMAT_HALF:
		bytes = 2;
		break;
	case CU_AD_FORMAT_UNSIGNED_INT32:
	case CU_AD_FORMAT_SIGNED_INT32:
	case CU_AD_FORMAT_FLOAT:
		bytes = 4;
		break;
	case CU_AD_FORMAT_UNORM_INT8X1:
	case CU_AD_FORMAT_SNORM_INT8X1:
	case CU_AD_FORMAT_UNORM_INT8X2:
	case CU_AD_FORMAT_SNORM_INT8X2:
	case CU_AD_FORMAT_UNORM_INT8X4:
	case CU_AD_FORMAT_SNORM_INT8X4:
		bytes = 1;
		break;
	case CU_AD_FORMAT_UNORM_INT16X1:
	case CU_AD_FORMAT_SNORM_INT16X1:
	case CU_AD_FORMAT_UNORM_INT16X2:
	case CU_AD_FORMAT_SNORM_INT16X2:
	case CU_AD_FORMAT_UNORM_INT16X4:
	case CU_AD_FORMAT_SNORM_INT16X4:
		bytes = 2;
		break;
	default:
		return 0;
	}
	/* 0xc0 to 0xcb: X1, X2, X4 in turn */
	if (format >= CU_AD_FORMAT_UNORM_INT8X1)
		fixed = 1u << (format - CU_AD_FORMAT_UNORM_INT8X1) % 3;
	if ((channels != 1 && channels != 2 && channels != 4) || (fixed && fixed != channels))
		return 0;
	return bytes * channels;
}

static inline uint64_t texels_align(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static inline uint64_t texels_at_level(uint64_t n, unsigned int level)
{
	return n >> level ? n >> level : n ? 1 : 0;
}

/* An array's extents at a level; layers and faces stay as many as they are. */
static inline void texels_level(CUDA_ARRAY3D_DESCRIPTOR *d, unsigned int level)
{
	d->Width = texels_at_level(d->Width, level);
	d->Height = texels_at_level(d->Height, level);
	if (!(d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)))
		d->Depth = texels_at_level(d->Depth, level);
}

/*
 * Bytes that count against a lease's limit; 0: more than any device has. The real layout is the
 * driver's and a little different.
 */
static inline uint64_t texels_bytes(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int levels)
{
	uint64_t sum = 0, row, n;
	unsigned int i;

	for (i = 0; i < levels; i++) {
		CUDA_ARRAY3D_DESCRIPTOR d = *desc;

		if (d.Width >> 32)
			return 0;
		texels_level(&d, i);
		row = texels_align(d.Width * texel_bytes(d.Format, d.NumChannels), TEXELS_ROW_ALIGN);
		if (__builtin_mul_overflow(row, d.Height ? d.Height : 1, &n) ||
		    __builtin_mul_overflow(n, d.Depth ? d.Depth : 1, &n) ||
		    __builtin_add_overflow(sum, n, &sum) || sum > 1ull << 50)
			return 0;
	}
	return texels_align(sum, TEXELS_ALIGN);
}

#endif
