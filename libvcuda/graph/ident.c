// SPDX-License-Identifier: MIT
/*
 * ident.c - numbers of graphs and nodes, and a node's parameters whatever its kind
 */
#include "graph.h"
#include "init.h"

static CUresult number(const struct object *o, unsigned int *out)
{
	if (!o || !out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*out = o->handle;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuGraphGetId(CUgraph handle, unsigned int *out)
{
	driver_lock();
	return number(handle_find((uintptr_t)handle, HANDLE_GRAPH), out);
}

CUresult cuGraphExecGetId(CUgraphExec handle, unsigned int *out)
{
	driver_lock();
	return number(handle_find((uintptr_t)handle, HANDLE_EXEC), out);
}

CUresult cuGraphNodeGetContainingGraph(CUgraphNode handle, CUgraph *out)
{
	struct graph_node *n;
	CUresult r;

	driver_lock();
	r = out ? node_find(handle, &n) : CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*out = HANDLE_OF(n->graph);
	return context_leave(r);
}

/* Of its graph's nodes: their places, which change only when one of them goes. */
CUresult cuGraphNodeGetLocalId(CUgraphNode handle, unsigned int *out)
{
	struct graph_node *n, *other;
	unsigned int i = 0;
	CUresult r;

	driver_lock();
	r = out ? node_find(handle, &n) : CUDA_ERROR_INVALID_VALUE;
	if (r)
		return context_leave(r);
	TAILQ_FOREACH(other, &n->graph->nodes, link) {
		if (other == n)
			break;
		i++;
	}
	*out = i;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuGraphNodeGetToolsId(CUgraphNode handle, unsigned long long *out)
{
	struct graph_node *n;
	CUresult r;

	driver_lock();
	r = out ? node_find(handle, &n) : CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*out = n->id;
	return context_leave(r);
}

CUresult cuGraphNodeGetParams(CUgraphNode handle, CUgraphNodeParams *p)
{
	struct graph_node *n;
	CUresult r;

	driver_lock();
	r = p ? node_find(handle, &n) : CUDA_ERROR_INVALID_VALUE;
	if (r)
		return context_leave(r);
	*p = n->action->params;
	if (p->type == CU_GRAPH_NODE_TYPE_GRAPH)
		p->graph.graph = n->nr_bodies ? n->body_handles[0] : NULL;
	if (p->type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
		p->conditional.phGraph_out = n->body_handles;
	return context_leave(CUDA_SUCCESS);
}
