// SPDX-License-Identifier: MIT
#include "graph_alloc.h"

#include "driver.h"

struct graph_allocs graph_allocs = LIST_HEAD_INITIALIZER(graph_allocs);

CUresult graph_alloc_check(const CUDA_MEM_ALLOC_NODE_PARAMS_v2 *p)
{
	const CUmemPoolProps *props = &p->poolProps;

	if (!p->bytesize || (p->accessDescCount && !p->accessDescs) ||
	    props->allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
	    props->handleTypes != CU_MEM_HANDLE_TYPE_NONE ||
	    props->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    !device_exists(props->location.id))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

/* All devices may use it; the list of those is not kept. */
void graph_alloc_made(struct graph_alloc *a, CUdeviceptr addr, struct action *action,
		      CUgraphNodeParams *p)
{
	a->addr = addr;
	a->size = p->alloc.bytesize;
	a->refs = 1;
	LIST_INSERT_HEAD(&graph_allocs, a, link);
	p->alloc.dptr = action->params.alloc.dptr = addr;
	action->params.alloc.accessDescs = NULL;
	action->params.alloc.accessDescCount = 0;
	action->data = a;
}

struct graph_alloc *graph_alloc_find(CUdeviceptr addr)
{
	struct graph_alloc *a;

	LIST_FOREACH(a, &graph_allocs, link)
		if (a->addr == addr)
			return a;
	return NULL;
}

CUresult graph_free_make(struct action *action, CUgraphNodeParams *p)
{
	struct graph_alloc *a = graph_alloc_find(p->free.dptr);

	if (!a || !a->refs)
		return CUDA_ERROR_INVALID_VALUE;
	a->refs++;
	action->data = a;
	return CUDA_SUCCESS;
}

void graph_alloc_destroy(struct action *action)
{
	struct graph_alloc *a = action->data;

	a->refs--;
	graph_alloc_put(a);
}

/* Addresses are part of what other nodes were given. */
CUgraphExecUpdateResult graph_alloc_update(const struct action *a, const struct action *b)
{
	return a->data == b->data ? CU_GRAPH_EXEC_UPDATE_SUCCESS
				  : CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED;
}
