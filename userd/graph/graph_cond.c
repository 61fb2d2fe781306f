/* SPDX-License-Identifier: MIT */
/*
 * graph_cond.c - conditional nodes and the handles that kernels set
 */
#include <stdlib.h>

#include "graph_kind.h"
#include "init.h"

struct conditional {
	struct object obj;
	SLIST_ENTRY(conditional) link;	/* graph->conditionals */
	unsigned int refs;		/* its graph, and its node's actions */
	bool used;			/* has its node */
	bool assign;			/* at each launch */
	unsigned int initial;
	unsigned int value;
	CUcontext ctx;
};

static void conditional_put(struct conditional *c)
{
	if (--c->refs)
		return;
	handle_retire(&c->obj);
	free(c);
}

void conditionals_drop(struct graph *g)
{
	struct conditional *c;

	while (!SLIST_EMPTY(&g->conditionals)) {
		c = SLIST_FIRST(&g->conditionals);
		SLIST_REMOVE_HEAD(&g->conditionals, link);
		conditional_put(c);
	}
}

bool conditionals_used(const struct graph *g)
{
	const struct conditional *c;

	SLIST_FOREACH(c, &g->conditionals, link)
		if (!c->used)
			return false;
	return true;
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle *out, CUgraph graph,
					CUcontext handle, unsigned int initial, unsigned int flags)
{
	struct conditional *c;
	struct context *ctx;
	struct graph *g;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || (flags & ~CU_GRAPH_COND_ASSIGN_DEFAULT))
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	r = graph_find(graph, &g);
	if (r == CUDA_SUCCESS)
		r = context_of(handle, &ctx);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	c = calloc(1, sizeof(*c));
	r = c ? conditional_open(g, &c->obj, initial, flags) : CUDA_ERROR_OUT_OF_MEMORY;
	if (r != CUDA_SUCCESS) {
		free(c);
		return context_leave(r);
	}
	c->refs = 1;
	c->assign = flags & CU_GRAPH_COND_ASSIGN_DEFAULT;
	c->initial = c->value = initial;
	c->ctx = HANDLE_OF(ctx);
	SLIST_INSERT_HEAD(&g->conditionals, c, link);
	*out = c->obj.handle;
	return context_leave(CUDA_SUCCESS);
}

bool conditional_set(uint64_t handle, uint32_t value)
{
	struct conditional *c;

	driver_lock();
	c = handle_find(handle, HANDLE_CONDITIONAL);
	if (c)
		c->value = value;
	driver_unlock();
	return c != NULL;
}

/* Graphs of one node: two for if and else, one for a loop, any number for a switch. */
static bool size_is_valid(const CUDA_CONDITIONAL_NODE_PARAMS *p)
{
	switch (p->type) {
	case CU_GRAPH_COND_TYPE_IF:
		return p->size == 1 || p->size == 2;
	case CU_GRAPH_COND_TYPE_WHILE:
		return p->size == 1;
	case CU_GRAPH_COND_TYPE_SWITCH:
		return p->size > 0 && p->size <= 65536;
	default:
		return false;
	}
}

static CUresult conditional_make(struct action *a, CUgraphNodeParams *p)
{
	struct conditional *c = handle_find(p->conditional.handle, HANDLE_CONDITIONAL);

	if (!c || c->used || !size_is_valid(&p->conditional) ||
	    (p->conditional.ctx && p->conditional.ctx != c->ctx))
		return CUDA_ERROR_INVALID_VALUE;
	c->used = true;
	c->refs++;
	a->params.conditional.ctx = c->ctx;
	a->data = c;
	return CUDA_SUCCESS;
}

static void conditional_destroy(struct action *a)
{
	struct conditional *c = a->data;

	c->used = false;
	conditional_put(c);
}

static CUgraphExecUpdateResult conditional_update(const struct action *a, const struct action *b)
{
	return a->data == b->data ? CU_GRAPH_EXEC_UPDATE_SUCCESS
				  : CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
}

size_t conditional_choose(const struct action *a, bool *again)
{
	const CUDA_CONDITIONAL_NODE_PARAMS *p = &a->params.conditional;
	const struct conditional *c = a->data;
	unsigned int value;

	driver_lock();
	value = c->value;
	driver_unlock();
	*again = p->type == CU_GRAPH_COND_TYPE_WHILE && value;
	if (p->type == CU_GRAPH_COND_TYPE_SWITCH)
		return value < p->size ? value : p->size;
	return value ? 0 : 1;	/* else, or nothing if there is no second graph */
}

/* Of one launch at a time, so that the value can be in the handle. */
void conditional_begin(const struct action *a)
{
	struct conditional *c = a->data;

	if (c->assign)
		c->value = c->initial;
}

const struct node_kind node_kind_conditional = {
	.name = "conditional",
	.in_body = true,
	.once = true,
	.make = conditional_make,
	.destroy = conditional_destroy,
	.update = conditional_update,
};
