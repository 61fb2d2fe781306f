/* SPDX-License-Identifier: MIT */
/*
 * pool.h - memory pools: stream-ordered allocation
 *
 * A pool's memory consists of blocks, each a mapping of its own. A block that is in use is a range
 * of live memory; once its stream has reached the free it is not, so that a kernel that still
 * uses it faults, but the pages stay with the pool until it is trimmed.
 */
#ifndef SOFTGPU_POOL_H
#define SOFTGPU_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "context.h"
#include "poolprops.h"
#include "stream.h"

enum block_state {
	BLOCK_LIVE,
	BLOCK_FREEING,		/* freed, but its stream is not there yet */
	BLOCK_FREE,
};

struct block {
	LIST_ENTRY(block) link;
	struct pool *pool;
	struct context *ctx;	/* whose stream allocated it: it ends with that */
	enum block_state state;
	uint64_t addr;
	size_t size;		/* as asked for */
	size_t bytes;		/* pages */
	size_t offset;		/* in the pool's memfd */
	struct stream *stream;	/* a reference: where it was freed last, or NULL */
	uint64_t seq;		/* FREEING: number of the free; FREE: the youngest work then */
	struct pool_free *pending;
};

struct pool {
	struct object obj;
	LIST_ENTRY(pool) link;
	CUmemPoolProps props;
	bool is_default, imported;
	bool destroyed;		/* goes away with its last block */
	struct pool *current;	/* of a default pool: what cuMemAllocAsync() uses on the device */
	int fd;			/* memfd of all its blocks, for other processes; 0: none */
	size_t fd_size;
	LIST_HEAD(, block) blocks;
	size_t reserved, reserved_high, used, used_high;	/* bytes */
	uint64_t threshold;
	struct pool_reuse reuse;
	uint32_t peers;		/* bit n: device n may access it */
};

/* All with the lock held. */
struct pool *pool_create(const CUmemPoolProps *props, int fd);
void pool_destroy(struct pool *p);
/* The device's default pool, made at the first call. NULL: no memory. */
struct pool *pool_default(CUdevice dev);
/* Garbage, stale: NULL. */
struct pool *pool_find(CUmemoryPool handle);
struct block *pool_block_at(uint64_t addr);
/* Which devices may touch its memory, that which is there included. */
void pool_set_access(struct pool *p, uint32_t devices);

/* Memory for work that is queued on s from now on. May wait for frees when there is none left. */
CUresult pool_alloc(struct pool *p, struct stream *s, size_t size, uint64_t *addr);
/* The free in stream order; at once: after the device has nothing left to do. */
CUresult pool_free(uint64_t addr, struct stream *s);
CUresult pool_free_now(uint64_t addr, struct context *ctx);
/* Maps [offset, offset + bytes) of an imported pool's memfd. */
CUresult pool_map(struct pool *p, struct context *ctx, size_t offset, size_t bytes, size_t size,
		  uint64_t *addr);

/* Gives pages that nobody can use any more back, while more than keep bytes are reserved. */
void pool_trim(struct pool *p, size_t keep);
/* The program has waited for something: trims all pools to their thresholds. */
void pool_synchronized(void);
/* All that streams of ctx allocated. Nothing runs in it. */
void pool_release_context(struct context *ctx);

#endif
