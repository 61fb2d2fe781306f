/* SPDX-License-Identifier: MIT */
/*
 * memset.h - a rectangle of equal elements
 */
#ifndef SOFTGPU_MEMSET_H
#define SOFTGPU_MEMSET_H

#include <stddef.h>
#include <stdint.h>

struct fill {
	uint64_t addr;
	size_t pitch, width, height;	/* bytes, elements, rows */
	uint32_t value;
	unsigned int size;		/* bytes of an element: 1, 2 or 4 */
};

void fill_memory(const struct fill *f);

#endif
