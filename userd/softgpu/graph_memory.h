/* SPDX-License-Identifier: MIT */
/*
 * graph_memory.h - memory that graphs allocate, freed by the program
 */
#ifndef SOFTGPU_GRAPH_MEMORY_H
#define SOFTGPU_GRAPH_MEMORY_H

#include "context.h"
#include "stream.h"

/* Lock held; dropped meanwhile. INVALID_VALUE: no graph has it allocated now. */
CUresult graph_memory_free_now(uint64_t addr, struct context *ctx);
CUresult graph_memory_free_later(uint64_t addr, struct stream *s);
/* Gives back what was freed and nobody can use any more. */
void graph_memory_reap(void);

#endif
