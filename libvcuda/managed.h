/* SPDX-License-Identifier: MIT */
/*
 * managed.h - managed memory, as memory.c sees it; all with the arena's lock
 */
#ifndef VCUDA_MANAGED_H
#define VCUDA_MANAGED_H

#include "arena.h"

bool vcuda_managed_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out);
CUresult vcuda_managed_free(struct arena_run *r, uint64_t addr);
void vcuda_managed_context(struct arena_run *r, CUcontext ctx);

#endif
