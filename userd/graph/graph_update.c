/* SPDX-License-Identifier: MIT */
/*
 * graph_update.c - other parameters for nodes, and for those of executable graphs
 */
#include "graph_update.h"

#include <string.h>

#include "graph_kernel.h"
#include "graph_kind.h"
#include "init.h"

/* A new action for a node that has old: of the same kind, and a kernel keeps its attributes. */
static CUresult renew(const struct action *old, CUgraphNodeParams *p, struct action **out)
{
	CUresult r;

	if (p->type != old->params.type)
		return CUDA_ERROR_INVALID_VALUE;
	r = action_create(p, out);
	if (r != CUDA_SUCCESS || old->kind != &node_kind_kernel)
		return r;
	r = graph_kernel_keep_attributes(old, *out);
	if (r != CUDA_SUCCESS)
		action_put(*out);
	return r;
}

static void replace(struct action **at, struct action *a)
{
	action_put(*at);
	*at = a;
}

/* What is given once and for all: memory, bodies. */
static bool can_change(const struct action *a)
{
	return !a->kind->once && a->params.type != CU_GRAPH_NODE_TYPE_GRAPH &&
	       a->params.type != CU_GRAPH_NODE_TYPE_EMPTY;
}

CUresult node_set_params(CUgraphNode handle, CUgraphNodeParams *p)
{
	struct graph_node *n;
	struct action *a;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	r = node_find(handle, &n);
	if (r == CUDA_SUCCESS && p->type != n->action->params.type)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS && !can_change(n->action))
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		r = renew(n->action, p, &a);
	if (r == CUDA_SUCCESS)
		replace(&n->action, a);
	return context_leave(r);
}

CUresult cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams *p)
{
	return node_set_params(node, p);
}

CUresult node_get_params(CUgraphNode handle, CUgraphNodeType type, CUgraphNodeParams *p)
{
	struct graph_node *n;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = node_find(handle, &n);
	if (r == CUDA_SUCCESS && n->action->params.type != type)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	*p = n->action->params;
	if (type == CU_GRAPH_NODE_TYPE_GRAPH)
		p->graph.graph = n->nr_bodies ? n->body_handles[0] : NULL;
	return context_leave(CUDA_SUCCESS);
}

/* The plan's node for a node of the graph that was instantiated, in a plan that can be changed. */
static CUresult enter(CUgraphExec exec, CUgraphNode handle, struct graph_exec **e,
		      struct plan_node **pn)
{
	struct graph_node *n;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = exec_find(exec, e);
	if (r == CUDA_SUCCESS)
		r = node_find(handle, &n);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	if (!plan_find((*e)->plan, n->id))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!plan_own(&(*e)->plan))
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	*pn = plan_find((*e)->plan, n->id);
	return CUDA_SUCCESS;
}

static CUgraphExecUpdateResult can_become(const struct action *a, const struct action *b)
{
	if (a == b)
		return CU_GRAPH_EXEC_UPDATE_SUCCESS;
	if (a->kind != b->kind)
		return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
	return a->kind->update ? a->kind->update(a, b) : CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

CUresult exec_set_params(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams *p)
{
	struct graph_exec *e;
	struct plan_node *pn;
	struct action *a;
	CUresult r;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	if (p->type == CU_GRAPH_NODE_TYPE_GRAPH)
		return exec_set_child(exec, node, p->graph.graph);
	r = enter(exec, node, &e, &pn);
	if (r != CUDA_SUCCESS)
		return r;
	if (p->type != pn->action->params.type)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!can_change(pn->action))
		return context_leave(CUDA_ERROR_NOT_SUPPORTED);
	r = renew(pn->action, p, &a);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	if (can_become(pn->action, a) != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
		action_put(a);
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	}
	r = exec_renew(e, pn, a);
	if (r != CUDA_SUCCESS)
		action_put(a);
	else
		replace(&pn->action, a);
	return context_leave(r);
}

CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams *p)
{
	return exec_set_params(exec, node, p);
}

static CUresult differs(CUgraphExecUpdateResultInfo *info, CUgraphExecUpdateResult why,
			const struct graph_node *n, const struct graph_node *from)
{
	info->result = why;
	info->errorNode = n ? HANDLE_OF(n) : NULL;
	info->errorFromNode = from ? HANDLE_OF(from) : NULL;
	return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
}

/* The edges that lead to n are those that led to pn. */
static CUresult compare_edges(const struct plan_node *pn, const struct graph_node *n,
			      CUgraphExecUpdateResultInfo *info)
{
	for (size_t i = 0; i < n->in.nr; i++) {
		bool found = false;

		for (size_t k = 0; k < pn->nr_deps && !found; k++)
			found = pn->deps[k] == n->in.e[i].node->index;
		if (!found)
			return differs(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, n,
				       n->in.e[i].node);
	}
	return n->in.nr == pn->nr_deps
		       ? CUDA_SUCCESS
		       : differs(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, n, NULL);
}

/* Nodes are paired in the order in which they were added. */
static CUresult compare(const struct plan *p, struct graph *g, CUgraphExecUpdateResultInfo *info)
{
	struct graph_node *n;
	size_t i = 0;

	TAILQ_FOREACH(n, &g->nodes, link)
		n->index = i++;
	if (i != p->nr)
		return differs(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, NULL, NULL);
	TAILQ_FOREACH(n, &g->nodes, link) {
		const struct plan_node *pn = &p->nodes[n->index];
		CUgraphExecUpdateResult why = can_become(pn->action, n->action);
		CUresult r;

		if (why == CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED)
			return differs(info, why, n, NULL);
		r = compare_edges(pn, n, info);
		if (r == CUDA_SUCCESS && why != CU_GRAPH_EXEC_UPDATE_SUCCESS)
			r = differs(info, why, n, NULL);
		if (r == CUDA_SUCCESS && pn->nr_bodies != n->nr_bodies)
			r = differs(info, CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED, n, NULL);
		for (size_t k = 0; k < n->nr_bodies && r == CUDA_SUCCESS; k++)
			r = compare(pn->bodies[k], n->bodies[k], info);
		if (r != CUDA_SUCCESS)
			return r;
	}
	return CUDA_SUCCESS;
}

/* After compare(). */
static void take_over(struct plan *p, const struct graph *g)
{
	const struct graph_node *n;

	TAILQ_FOREACH(n, &g->nodes, link) {
		struct plan_node *pn = &p->nodes[n->index];

		replace(&pn->action, action_get(n->action));
		for (size_t k = 0; k < n->nr_bodies; k++)
			take_over(pn->bodies[k], n->bodies[k]);
	}
}

CUresult exec_set_child(CUgraphExec exec, CUgraphNode node, CUgraph child)
{
	CUgraphExecUpdateResultInfo info;
	struct graph_exec *e;
	struct plan_node *pn;
	struct graph *g;
	CUresult r = enter(exec, node, &e, &pn);

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(child, &g);
	if (r == CUDA_SUCCESS && (pn->action->params.type != CU_GRAPH_NODE_TYPE_GRAPH ||
				  compare(pn->bodies[0], g, &info) != CUDA_SUCCESS))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = exec_renew_all(e, pn->bodies[0], g, &info);
	if (r == CUDA_SUCCESS)
		take_over(pn->bodies[0], g);
	return context_leave(r);
}

CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *info)
{
	CUgraphExecUpdateResultInfo own;
	struct graph_exec *e;
	struct graph *g;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!info)
		info = &own;
	memset(info, 0, sizeof(*info));
	info->result = CU_GRAPH_EXEC_UPDATE_ERROR;
	driver_lock();
	r = exec_find(exec, &e);
	if (r == CUDA_SUCCESS)
		r = graph_find(graph, &g);
	if (r == CUDA_SUCCESS && (g->owner || g->nr_captures))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = compare(e->plan, g, info);
	if (r == CUDA_SUCCESS && !plan_own(&e->plan))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r == CUDA_SUCCESS)
		r = exec_renew_all(e, e->plan, g, info);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	take_over(e->plan, g);
	info->result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode *error,
			   CUgraphExecUpdateResult *result)
{
	CUgraphExecUpdateResultInfo info = { .result = CU_GRAPH_EXEC_UPDATE_ERROR };
	CUresult r = cuGraphExecUpdate_v2(exec, graph, &info);

	if (error)
		*error = info.errorNode;
	if (result)
		*result = info.result;
	return r;
}

CUresult cuGraphNodeSetEnabled(CUgraphExec exec, CUgraphNode node, unsigned int enabled)
{
	struct graph_exec *e;
	struct plan_node *pn;
	CUresult r = enter(exec, node, &e, &pn);

	if (r != CUDA_SUCCESS)
		return r;
	if (!pn->action->kind->can_disable)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = exec_enable(e, pn, enabled);
	if (r == CUDA_SUCCESS)
		pn->enabled = enabled;
	return context_leave(r);
}

CUresult cuGraphNodeGetEnabled(CUgraphExec exec, CUgraphNode node, unsigned int *enabled)
{
	struct graph_exec *e;
	struct plan_node *pn;
	CUresult r = enter(exec, node, &e, &pn);

	if (r != CUDA_SUCCESS)
		return r;
	if (!enabled || !pn->action->kind->can_disable)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*enabled = pn->enabled;
	return context_leave(CUDA_SUCCESS);
}
