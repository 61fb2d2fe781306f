/* SPDX-License-Identifier: MIT */
/*
 * graph.c - graphs as a whole: made, cloned, destroyed
 */
#include "graph.h"

#include <stdlib.h>

#include "init.h"

struct graph *graph_create(void)
{
	struct graph *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	TAILQ_INIT(&g->nodes);
	SLIST_INIT(&g->users);
	SLIST_INIT(&g->conditionals);
	if (handle_create(&g->obj, HANDLE_GRAPH)) {
		free(g);
		return NULL;
	}
	return g;
}

/* Backwards: a node is gone before those that it depends on. */
void graph_destroy(struct graph *g)
{
	while (!TAILQ_EMPTY(&g->nodes))
		node_destroy(TAILQ_LAST(&g->nodes, node_list));
	handle_retire(&g->obj);
	exec_forget_graph(g);
	users_drop(&g->users);
	conditionals_drop(g);
	free(g);
}

struct graph *graph_top(struct graph *g)
{
	while (g->owner)
		g = g->owner->graph;
	return g;
}

CUresult graph_find(CUgraph handle, struct graph **out)
{
	*out = HANDLE_FIND(handle, HANDLE_GRAPH);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphCreate(CUgraph *out, unsigned int flags)
{
	struct graph *g;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || flags)
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	g = graph_create();
	if (g)
		*out = HANDLE_OF(g);
	return context_leave(g ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY);
}

CUresult cuGraphDestroy(CUgraph handle)
{
	struct graph *g;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(handle, &g);
	/* A child graph goes with its node, and a graph in the making with its capture. */
	if (r == CUDA_SUCCESS && (g->owner || g->nr_captures))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		graph_destroy(g);
	driver_unlock();
	users_flush();
	return r;
}

static CUresult copy_node(const struct graph_node *n, struct graph *to, struct graph_node **out)
{
	CUresult r = graph_add(to, n->action, NULL, 0, out);

	if (r != CUDA_SUCCESS)
		return r;
	action_get(n->action);
	(*out)->origin = n->id;
	for (size_t i = 0; i < n->nr_bodies && r == CUDA_SUCCESS; i++) {
		struct graph *body;

		r = graph_copy(n->bodies[i], &body);
		if (r == CUDA_SUCCESS)
			r = node_add_body(*out, body);
	}
	return r;
}

/* Nodes keep their order, so the index of a node finds its copy. */
static CUresult copy_edges(const struct graph *from, struct graph_node **copies)
{
	const struct graph_node *n;
	CUresult r = CUDA_SUCCESS;

	TAILQ_FOREACH(n, &from->nodes, link) {
		for (size_t i = 0; i < n->in.nr && r == CUDA_SUCCESS; i++) {
			struct edge e = n->in.e[i];
			struct graph_node *before = copies[e.node->index];
			struct edge back = { copies[n->index], e.data };

			e.node = before;
			r = edges_add(&copies[n->index]->in, &e);
			if (r == CUDA_SUCCESS)
				r = edges_add(&before->out, &back);
		}
	}
	return r;
}

CUresult graph_copy(const struct graph *from, struct graph **out)
{
	struct graph_node **copies = calloc(from->nr + 1, sizeof(*copies)), *n;
	struct graph *g = graph_create();
	CUresult r = copies && g ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	size_t i = 0;

	TAILQ_FOREACH(n, &from->nodes, link) {
		n->index = i;
		if (r == CUDA_SUCCESS)
			r = copy_node(n, g, &copies[i++]);
	}
	if (r == CUDA_SUCCESS)
		r = copy_edges(from, copies);
	if (r == CUDA_SUCCESS)
		r = users_copy(&g->users, &from->users);
	free(copies);
	if (r == CUDA_SUCCESS)
		*out = g;
	else if (g)
		graph_destroy(g);
	return r;
}

CUresult cuGraphClone(CUgraph *out, CUgraph handle)
{
	struct graph *g, *copy;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(handle, &g);
	if (r == CUDA_SUCCESS && !out)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS && g->nr_once)
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		r = graph_copy(g, &copy);
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(copy);
	driver_unlock();
	users_flush();
	return r;
}

/*
 * Lists: with a NULL array the count is asked for; else *nr is the room, the rest of it is cleared,
 * and *nr becomes what is filled in.
 */
static CUresult give(const struct edge *from, size_t have, CUgraphNode *nodes,
		     CUgraphEdgeData *data, size_t *nr)
{
	if (!nr)
		return CUDA_ERROR_INVALID_VALUE;
	if (!nodes) {
		*nr = have;
		return data ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	}
	for (size_t i = 0; i < *nr; i++) {
		nodes[i] = i < have ? HANDLE_OF(from[i].node) : NULL;
		if (data)
			data[i] = i < have ? from[i].data : (CUgraphEdgeData){ 0 };
	}
	if (have < *nr)
		*nr = have;
	return CUDA_SUCCESS;
}

/* An edge with data may only be asked for by a call that gives the data. */
static bool loses_data(const struct edges *e)
{
	static const CUgraphEdgeData none;

	for (size_t i = 0; i < e->nr; i++)
		if (__builtin_memcmp(&e->e[i].data, &none, sizeof(none)))
			return true;
	return false;
}

static CUresult list_nodes(CUgraph handle, CUgraphNode *nodes, size_t *nr, bool roots)
{
	struct graph_node *n;
	struct edge *all;
	struct graph *g;
	size_t have = 0;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(handle, &g);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	all = calloc(g->nr + 1, sizeof(*all));
	if (!all)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	TAILQ_FOREACH(n, &g->nodes, link)
		if (!roots || !n->in.nr)
			all[have++].node = n;
	r = give(all, have, nodes, NULL, nr);
	free(all);
	return context_leave(r);
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *nr)
{
	return list_nodes(graph, nodes, nr, false);
}

CUresult cuGraphGetRootNodes(CUgraph graph, CUgraphNode *nodes, size_t *nr)
{
	return list_nodes(graph, nodes, nr, true);
}

static CUresult list_edges(CUgraph handle, CUgraphNode *from, CUgraphNode *to,
			   CUgraphEdgeData *data, size_t *nr, bool may_lose)
{
	struct graph_node *n;
	struct graph *g;
	size_t have = 0, room;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(handle, &g);
	if (r != CUDA_SUCCESS || !nr || !from != !to)
		return context_leave(r != CUDA_SUCCESS ? r : CUDA_ERROR_INVALID_VALUE);
	room = from ? *nr : 0;
	TAILQ_FOREACH(n, &g->nodes, link) {
		if (!may_lose && from && loses_data(&n->in))
			return context_leave(CUDA_ERROR_LOSSY_QUERY);
		for (size_t i = 0; i < n->in.nr; i++, have++) {
			if (have >= room)
				continue;
			from[have] = HANDLE_OF(n->in.e[i].node);
			to[have] = HANDLE_OF(n);
			if (data)
				data[have] = n->in.e[i].data;
		}
	}
	for (size_t i = have; i < room; i++)
		from[i] = to[i] = NULL;
	*nr = from && room < have ? room : have;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuGraphGetEdges(CUgraph graph, CUgraphNode *from, CUgraphNode *to, size_t *nr)
{
	return list_edges(graph, from, to, NULL, nr, false);
}

CUresult cuGraphGetEdges_v2(CUgraph graph, CUgraphNode *from, CUgraphNode *to,
			    CUgraphEdgeData *data, size_t *nr)
{
	return list_edges(graph, from, to, data, nr, data != NULL);
}

static CUresult list_neighbours(CUgraphNode handle, CUgraphNode *nodes, CUgraphEdgeData *data,
				size_t *nr, bool before)
{
	const struct edges *e;
	struct graph_node *n;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = node_find(handle, &n);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	e = before ? &n->in : &n->out;
	if (nodes && !data && loses_data(e))
		return context_leave(CUDA_ERROR_LOSSY_QUERY);
	return context_leave(give(e->e, e->nr, nodes, data, nr));
}

CUresult cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode *nodes, size_t *nr)
{
	return list_neighbours(node, nodes, NULL, nr, true);
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode *nodes, CUgraphEdgeData *data,
				       size_t *nr)
{
	return list_neighbours(node, nodes, data, nr, true);
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode node, CUgraphNode *nodes, size_t *nr)
{
	return list_neighbours(node, nodes, NULL, nr, false);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode node, CUgraphNode *nodes,
					 CUgraphEdgeData *data, size_t *nr)
{
	return list_neighbours(node, nodes, data, nr, false);
}
