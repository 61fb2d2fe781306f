/* SPDX-License-Identifier: MIT */
/*
 * phys.h - physical memory, as the virtual memory API has it: a memfd behind handles and mappings
 */
#ifndef SOFTGPU_PHYS_H
#define SOFTGPU_PHYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"
#include "handle.h"

#define PHYS_GRANULARITY	((size_t)2 << 20)

/* Physical memory: lives as long as its handle or a mapping. */
struct phys {
	struct object obj;
	unsigned int refs;	/* mappings, and one for all handles */
	unsigned int handles;	/* cuMemCreate(), cuMemRetainAllocationHandle() */
	size_t size;
	int fd;
	bool imported;		/* another process pays for it */
	CUmemAllocationProp prop;
};

/* Of the granularity, and not 0. */
static inline bool phys_is_multiple(uint64_t n)
{
	return n && n % PHYS_GRANULARITY == 0;
}

/* All with the lock held. */

void phys_put(struct phys *p);
/* One more handle. After the last release only mappings keep it; it gets a new one. */
CUresult phys_retain(struct phys *p, CUmemGenericAllocationHandle *out);
#endif
