/* SPDX-License-Identifier: MIT */
/*
 * mempool.h - memory pools, for the calls that make and ask them; all with the arena's lock
 */
#ifndef VCUDA_MEMPOOL_H
#define VCUDA_MEMPOOL_H

#include "poolprops.h"
#include "arena.h"

struct pool {
	struct pool *next;
	CUmemoryPool handle;
	CUdevice dev;
	bool is_default, destroyed;	/* destroyed: goes with its last block */
	struct segment *segments;
	uint64_t reserved, reserved_high, used, used_high, threshold, max_size;
	struct pool_reuse reuse;
};

/* What cuMemAllocAsync() uses on a device; NULL: the default. */
extern struct pool *vcuda_pool_current[VCUDA_MAX_DEVICES];

struct pool *vcuda_pool_new(CUdevice dev);
/* NULL: no such pool. */
struct pool *vcuda_pool_of(CUmemoryPool handle);
struct pool *vcuda_pool_default(CUdevice dev);
/* Gives back what is in no use, while more than keep bytes are reserved. */
void vcuda_pool_trim(struct pool *p, uint64_t keep);
/* A pool that was destroyed, and whose last block has gone, goes. */
void vcuda_pool_settle(struct pool *p);

#endif
