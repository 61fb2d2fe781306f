/* SPDX-License-Identifier: MIT */
/*
 * box.h - copies of rows and slices
 */
#ifndef VCUDA_BOX_H
#define VCUDA_BOX_H

#include "boxes.h"
#include "vcuda.h"

/* An end as CUDA's structures describe it. */
struct place {
	CUmemorytype type;
	const void *host;
	CUdeviceptr device;
	CUarray array;
	size_t pitch, rows;		/* rows of a slice: matters for several slices alone */
	size_t x, y, z;
};

enum where { HOST, DEVICE, ARRAY };

struct end {
	enum where where;
	CUarray array;
	uint64_t addr;			/* of the box's first byte */
	uint64_t pitch, slice, rows;
	uint64_t span;			/* bytes from there to the last */
	uint64_t x, y, z;
};

/* Checked: where a box lies there. */
CUresult box_end(struct end *e, const struct place *p, const struct box *b);
/* Nothing of it is captured; async: the copy may be under way when this returns. */
CUresult box_copy_ends(const struct end *dst, const struct end *src, const struct box *b,
		       CUstream stream, bool async);
CUresult box_copy(const struct place *dst, const struct place *src, const struct box *b,
		  CUstream stream, bool async);

#endif
