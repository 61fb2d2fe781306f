/* SPDX-License-Identifier: MIT */
/*
 * graph_alloc.h - memory that a node allocates and another frees: what is the same in any driver
 *
 * All of it is under the driver's lock.
 */
#ifndef GRAPH_GRAPH_ALLOC_H
#define GRAPH_GRAPH_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "graph_kind.h"

/* The first of what a driver has of it. */
struct graph_alloc {
	LIST_ENTRY(graph_alloc) link;
	unsigned int refs;	/* actions */
	CUdeviceptr addr;
	size_t size;		/* asked for */
	bool owned;		/* a launch has allocated it, and nobody freed it since */
};

LIST_HEAD(graph_allocs, graph_alloc);
extern struct graph_allocs graph_allocs;

/* The driver's own: it goes, unless somebody can name it or has it. */
void graph_alloc_put(struct graph_alloc *a);

/* What can be asked of any driver. */
CUresult graph_alloc_check(const CUDA_MEM_ALLOC_NODE_PARAMS_v2 *p);
/* One at addr, as action has it. */
void graph_alloc_made(struct graph_alloc *a, CUdeviceptr addr, struct action *action,
		      CUgraphNodeParams *p);
/* NULL: none starts there. */
struct graph_alloc *graph_alloc_find(CUdeviceptr addr);

/* Of both kinds of node, but for how one is made that allocates. */
CUresult graph_free_make(struct action *action, CUgraphNodeParams *p);
void graph_alloc_destroy(struct action *action);
CUgraphExecUpdateResult graph_alloc_update(const struct action *a, const struct action *b);

#endif
