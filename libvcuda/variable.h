/* SPDX-License-Identifier: MIT */
/*
 * variable.h - variables of modules, as memory
 */
#ifndef VCUDA_VARIABLE_H
#define VCUDA_VARIABLE_H

#include "arena.h"

/* ctx: NULL for one of all contexts. */
void vcuda_variable_note(uint64_t addr, uint64_t size, CUcontext ctx);
/* The context of the variable around addr; NULL: of all, or it is none. */
CUcontext vcuda_variable_context(uint64_t addr);
/* Without the lock. */
bool vcuda_is_variable(uint64_t addr);
/* With the arena's lock: the variable around addr; a context's variables are forgotten. */
bool vcuda_variable_find(uint64_t addr, struct vcuda_range *out);
void vcuda_variables_context(CUcontext ctx);

#endif
