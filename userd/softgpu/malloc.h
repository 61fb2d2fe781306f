/* SPDX-License-Identifier: MIT */
/*
 * malloc.h - cuMemAlloc* and cuMemFree*
 */
#ifndef SOFTGPU_MALLOC_H
#define SOFTGPU_MALLOC_H

#include "context.h"
#include "memory.h"

/* All with the lock held. */

/* Frees once nobody uses it; the lock is dropped meanwhile. */
CUresult malloc_release(struct context *ctx, uint64_t addr, enum mem_kind kind, CUresult not_there);

/* Frees what has no pool when the stream gets there. */
CUresult malloc_free_later(uint64_t addr, struct stream *s);

/* Gives back what cuMemFreeAsync() freed, as far as nobody can still use it. */
void malloc_reap(struct context *ctx);

#endif
