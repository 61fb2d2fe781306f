/* SPDX-License-Identifier: MIT */
/*
 * copy.h - copies and fills as rectangles
 */
#ifndef SOFTGPU_COPY_H
#define SOFTGPU_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context.h"

/* What an address must be. */
enum copy_side {
	SIDE_DEVICE,		/* live device or page-locked memory */
	SIDE_HOST,		/* the program's memory, or live memory as above */
};

struct copy_end {
	uint64_t addr;
	size_t pitch;
	enum copy_side side;
};

struct copy {
	struct copy_end dst, src;
	size_t width, height;	/* bytes, rows */
};

CUresult copy_sync(const struct copy *c, CUstream stream);
CUresult copy_async(const struct copy *c, CUstream stream);

/* True when all of the rectangle at e may be touched. Lock held. */
bool copy_end_is_valid(const struct copy_end *e, size_t width, size_t height);

#endif
