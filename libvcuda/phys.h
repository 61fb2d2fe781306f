/* SPDX-License-Identifier: MIT */
/*
 * phys.h - memory as the virtual memory calls have it; all with the arena's lock
 */
#ifndef VCUDA_PHYS_H
#define VCUDA_PHYS_H

#include "arena.h"
#include "vmm.h"

struct phys {
	CUmemGenericAllocationHandle handle;
	uint64_t size, id;
	unsigned int handles, mappings;
	CUmemAllocationProp prop;
};

/* Of the granularity, and not 0. */
static inline bool phys_is_multiple(uint64_t n)
{
	return n && n % vcuda_arena_granule() == 0;
}

/* NULL: no such handle. */
struct phys *vcuda_phys_get(CUmemGenericAllocationHandle handle);
/* After a handle or a mapping has gone: it may have been the last. */
void vcuda_phys_put(struct phys *m);
CUresult vcuda_vmm_send(enum cuda_id id, const void *p, size_t n);

#endif
