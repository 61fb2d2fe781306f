/* SPDX-License-Identifier: MIT */
/*
 * chunk.h - small allocations, which share a granule; all with the arena's lock
 */
#ifndef VCUDA_CHUNK_H
#define VCUDA_CHUNK_H

#include "arena.h"

/* An allocation of that size is a small one. */
bool vcuda_chunk_takes(size_t size);
CUresult vcuda_chunk_alloc(CUdeviceptr *out, size_t size);
/* r: of kind ARENA_CHUNK. addr, to free: where an allocation starts. */
bool vcuda_chunk_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out);
CUresult vcuda_chunk_free(struct arena_run *r, uint64_t addr);
/* What is left of that context's is freed. */
void vcuda_chunks_context(CUcontext ctx);

#endif
