/* SPDX-License-Identifier: MIT */
/*
 * vmm.h - the virtual memory calls, as memory.c sees them; all with the arena's lock
 */
#ifndef VCUDA_VMM_H
#define VCUDA_VMM_H

#include "arena.h"

/* What may be touched around addr, over as many mappings as follow each other. */
bool vcuda_vmm_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out);

#endif
