/* SPDX-License-Identifier: MIT */
/*
 * async.h - operands of the asynchronous copies
 */
#ifndef SOFTGPU_ASYNC_H
#define SOFTGPU_ASYNC_H

#include "warp.h"

/* Where an address row leads. */
struct sg_place {
	int64_t offset;
	uint32_t row;
	uint8_t space, a32;
};

/* aux of an instruction of cp; bytes: cp-size, or of an element of cp.reduce; r[2]: src-size, ignore-src or size, 0: none */
struct sg_copy {
	struct sg_place dst, src, bar;	/* bar.row 0: none */
	bool ignore;			/* r[2] is a predicate */
	const struct sg_insn *atom;	/* cp.reduce: what is done with each element */
};

#endif
