/* SPDX-License-Identifier: MIT */
/*
 * boxes.h - a box of bytes cut into pieces that fit a frame
 *
 * Packed, the bytes of a box stand row behind row and slice behind slice. A piece is some whole
 * slices, else some whole rows of a slice, else part of a row: packed, each is one run of the whole.
 */
#ifndef COMMON_BOXES_H
#define COMMON_BOXES_H

#include <stdbool.h>
#include <stdint.h>

#define BOXES_PART	16u	/* a row is cut at multiples of the largest texel */

struct box {
	uint64_t width, height, depth;	/* bytes, rows, slices */
};

struct box_piece {
	uint64_t x, y, z;
	struct box box;
	uint64_t offset, bytes;		/* of the whole, packed */
};

/* Bytes; false: too many to count. */
static inline bool box_bytes(const struct box *b, uint64_t *bytes)
{
	return !__builtin_mul_overflow(b->width, b->height, bytes) &&
	       !__builtin_mul_overflow(*bytes, b->depth, bytes);
}

/*
 * Bytes from the first to the one behind the last where rows are pitch and slices slice bytes
 * apart; of a box that is not empty. false: too many to count.
 */
static inline bool box_span(const struct box *b, uint64_t pitch, uint64_t slice, uint64_t *bytes)
{
	uint64_t n;

	return !__builtin_mul_overflow(pitch, b->height - 1, bytes) &&
	       !__builtin_mul_overflow(slice, b->depth - 1, &n) &&
	       !__builtin_add_overflow(*bytes, n, bytes) &&
	       !__builtin_add_overflow(*bytes, b->width, bytes);
}

/*
 * The next piece of at most max bytes, which are 16 at least; *p all zero before the first. The
 * whole is not empty and can be counted.
 */
static inline bool box_next(const struct box *whole, uint64_t max, struct box_piece *p)
{
	uint64_t slice = whole->width * whole->height, n;

	p->offset += p->bytes;
	if (p->offset >= slice * whole->depth)
		return false;
	p->x = p->offset % whole->width;
	p->y = p->offset / whole->width % whole->height;
	p->z = p->offset / slice;
	p->box = (struct box){ whole->width, 1, 1 };
	if (!p->x && !p->y && slice <= max) {
		n = max / slice;
		p->box.height = whole->height;
		p->box.depth = n < whole->depth - p->z ? n : whole->depth - p->z;
	} else if (!p->x && whole->width <= max) {
		n = max / whole->width;
		p->box.height = n < whole->height - p->y ? n : whole->height - p->y;
	} else {
		n = max - max % BOXES_PART;
		p->box.width = n < whole->width - p->x ? n : whole->width - p->x;
	}
	p->bytes = p->box.width * p->box.height * p->box.depth;
	return true;
}

#endif
