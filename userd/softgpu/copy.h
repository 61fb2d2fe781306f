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
	SIDE_ARRAY,		/* a CUDA array */
};

struct copy_end {
	uint64_t addr;
	size_t pitch;
	enum copy_side side;
	size_t slice;		/* bytes from one slice to the next; any value if there is one */
	/* SIDE_ARRAY: addr, pitch and slice are found when the copy is checked. */
	CUarray array;
	size_t x, y, z;		/* bytes, rows, slices or layers */
};

struct copy {
	struct copy_end dst, src;
	size_t width, height;	/* bytes, rows */
	size_t depth;		/* slices */
};

/* An end as the structures of cuMemcpy2D() and cuMemcpy3D() describe it. */
struct copy_place {
	CUmemorytype type;
	const void *host;
	CUdeviceptr device;
	CUarray array;
	size_t pitch, rows;	/* rows of a slice; only for several slices */
	size_t x, y, z;
};

/* INVALID_VALUE: the box leaves the place, or the place is none. */
CUresult copy_end_of(struct copy_end *e, const struct copy_place *p, const struct copy *c);

CUresult copy_sync(const struct copy *c, CUstream stream);
CUresult copy_async(const struct copy *c, CUstream stream);

/* When the source is read (CUmemcpySrcAccessOrder). */
enum copy_order {
	ORDER_USUAL,		/* pageable memory during the call, any other in stream order */
	ORDER_STREAM,
	ORDER_NOW,		/* during the call */
};

CUresult copy_async_ordered(const struct copy *c, CUstream stream, enum copy_order order);
/* The error that copying would give now, without doing it. */
CUresult copy_check(const struct copy *c, CUstream stream);

/* True when all of the rectangle at e may be written. Lock held. */
bool copy_end_is_valid(const struct copy_end *e, size_t width, size_t height);
/*
 * True when a call without "Async" must not return before it is done, although it copies within or
 * fills the device's memory: the host can look at it, or SYNC_MEMOPS says so.
 */
bool copy_is_seen_by_host(uint64_t addr);
/* The copy that cuMemcpy3D() would do, not looked at further. */
CUresult copy_of_3d(const CUDA_MEMCPY3D *p, struct copy *c);

/*
 * The same for work that was promised before: memory that is being freed is still there.
 */
bool copy_end_is_live(const struct copy_end *e, size_t width, size_t height);
/* Copies on the calling thread, without the lock. False: an end is not there. */
bool copy_now(const struct copy *c);

#endif
