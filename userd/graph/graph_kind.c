/* SPDX-License-Identifier: MIT */
/*
 * graph_kind.c - the kinds of nodes, and what their actions have in common
 */
#include "graph_kind.h"

#include <stdlib.h>

#include "hostfunc.h"
#include "init.h"

static CUresult host_make(struct action *a, CUgraphNodeParams *p)
{
	(void)a;
	return p->host.fn ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult host_run(const struct action *a, struct run *run)
{
	(void)run;
	hostfunc_call(a->params.host.fn, a->params.host.userData);
	return CUDA_SUCCESS;
}

static CUresult any_make(struct action *a, CUgraphNodeParams *p)
{
	(void)a;
	(void)p;
	return CUDA_SUCCESS;
}

static CUresult child_make(struct action *a, CUgraphNodeParams *p)
{
	(void)a;
	return p->graph.ownership <= CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE ? CUDA_SUCCESS
									   : CUDA_ERROR_INVALID_VALUE;
}

static CUresult refuse_make(struct action *a, CUgraphNodeParams *p)
{
	(void)p;
	driver_log("nodes of a graph: %s is not supported", a->kind->name);
	return CUDA_ERROR_NOT_SUPPORTED;
}

static const struct node_kind empty = { .name = "empty", .in_body = true, .make = any_make };
static const struct node_kind host = { .name = "host", .make = host_make, .run = host_run };
static const struct node_kind child = { .name = "graph", .in_body = true, .make = child_make };
static const struct node_kind semaphore = { .name = "external semaphore", .make = refuse_make };

static const struct node_kind *const kinds[] = {
	[CU_GRAPH_NODE_TYPE_KERNEL] = &node_kind_kernel,
	[CU_GRAPH_NODE_TYPE_MEMCPY] = &node_kind_memcpy,
	[CU_GRAPH_NODE_TYPE_MEMSET] = &node_kind_memset,
	[CU_GRAPH_NODE_TYPE_HOST] = &host,
	[CU_GRAPH_NODE_TYPE_GRAPH] = &child,
	[CU_GRAPH_NODE_TYPE_EMPTY] = &empty,
	[CU_GRAPH_NODE_TYPE_WAIT_EVENT] = &node_kind_event_wait,
	[CU_GRAPH_NODE_TYPE_EVENT_RECORD] = &node_kind_event_record,
	[CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL] = &semaphore,
	[CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT] = &semaphore,
	[CU_GRAPH_NODE_TYPE_MEM_ALLOC] = &node_kind_alloc,
	[CU_GRAPH_NODE_TYPE_MEM_FREE] = &node_kind_free,
	[CU_GRAPH_NODE_TYPE_BATCH_MEM_OP] = &node_kind_memop,
	[CU_GRAPH_NODE_TYPE_CONDITIONAL] = &node_kind_conditional,
};

const struct node_kind *node_kind(CUgraphNodeType type)
{
	return type < sizeof(kinds) / sizeof(kinds[0]) ? kinds[type] : NULL;
}

CUresult action_create(CUgraphNodeParams *p, struct action **out)
{
	const struct node_kind *kind = node_kind(p->type);
	struct action *a;
	CUresult r;

	if (!kind)
		return CUDA_ERROR_INVALID_VALUE;
	a = calloc(1, sizeof(*a));
	if (!a)
		return CUDA_ERROR_OUT_OF_MEMORY;
	a->refs = 1;
	a->kind = kind;
	a->params = *p;
	r = kind->make(a, p);
	if (r == CUDA_SUCCESS)
		*out = a;
	else
		free(a);
	return r;
}

struct action *action_get(struct action *a)
{
	a->refs++;
	return a;
}

void action_put(struct action *a)
{
	if (--a->refs)
		return;
	if (a->kind->destroy)
		a->kind->destroy(a);
	free(a);
}
