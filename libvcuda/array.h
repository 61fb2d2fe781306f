/* SPDX-License-Identifier: MIT */
/* array.h - arrays, mipmapped ones and their levels, as known here */
#ifndef VCUDA_ARRAY_H
#define VCUDA_ARRAY_H

#include "texels.h"
#include "vcuda.h"

struct vcuda_array {
	CUcontext ctx;
	CUDA_ARRAY3D_DESCRIPTOR desc;	/* of the level, for a level */
	unsigned int texel_bytes;
	uint64_t booked;		/* bytes of the lease's limit; 0: a level */
	unsigned int nr_levels;		/* of a mipmapped array */
	CUarray levels[TEXELS_LEVELS_MAX];	/* that were asked for */
};

/* NULL: no such array. */
struct vcuda_array *vcuda_array_get(CUarray array);
struct vcuda_array *vcuda_mipmapped_get(CUmipmappedArray array);

void vcuda_context_destroy_arrays(CUcontext ctx);

#endif
