/* SPDX-License-Identifier: MIT */
/*
 * graph_kind.h - the rows of graph_kind.c's table that other files have
 */
#ifndef SOFTGPU_GRAPH_KIND_H
#define SOFTGPU_GRAPH_KIND_H

#include "graph.h"

extern const struct node_kind node_kind_kernel;		/* graph_kernel.c */
extern const struct node_kind node_kind_memcpy;		/* graph_copy.c */
extern const struct node_kind node_kind_memset;
extern const struct node_kind node_kind_event_wait;	/* graph_event.c */
extern const struct node_kind node_kind_event_record;
extern const struct node_kind node_kind_alloc;		/* graph_memory.c */
extern const struct node_kind node_kind_free;
extern const struct node_kind node_kind_memop;		/* memop.c */
extern const struct node_kind node_kind_conditional;	/* graph_cond.c */

CUgraphExecUpdateResult graph_memcpy_update(const struct action *a, const struct action *b);
CUresult graph_memset_make(struct action *a, CUgraphNodeParams *p);
CUgraphExecUpdateResult graph_memset_update(const struct action *a, const struct action *b);

/* The context that parameters name, or the current one for NULL. */
CUresult context_of(CUcontext handle, struct context **out);

#endif
