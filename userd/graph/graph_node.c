/* SPDX-License-Identifier: MIT */
/*
 * graph_node.c - nodes and the edges between them
 */
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "init.h"

static uint64_t last_id;

CUresult node_find(CUgraphNode handle, struct graph_node **out)
{
	*out = HANDLE_FIND(handle, HANDLE_NODE);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static bool edges_have(const struct edges *e, const struct graph_node *n)
{
	for (size_t i = 0; i < e->nr; i++)
		if (e->e[i].node == n)
			return true;
	return false;
}

CUresult edges_add(struct edges *e, const struct edge *edge)
{
	if (e->nr == e->max) {
		size_t n = e->max ? e->max * 2 : 4;
		struct edge *p = realloc(e->e, n * sizeof(*p));

		if (!p)
			return CUDA_ERROR_OUT_OF_MEMORY;
		e->e = p;
		e->max = n;
	}
	e->e[e->nr++] = *edge;
	return CUDA_SUCCESS;
}

static void edges_remove(struct edges *e, const struct graph_node *n)
{
	for (size_t i = 0; i < e->nr; i++) {
		if (e->e[i].node != n)
			continue;
		e->nr--;
		memmove(&e->e[i], &e->e[i + 1], (e->nr - i) * sizeof(*e->e));
		return;
	}
}

/* Both ends, or none. */
static CUresult connect(struct graph_node *to, const struct edge *from)
{
	struct edge back = { to, from->data };
	CUresult r = edges_add(&to->in, from);

	if (r != CUDA_SUCCESS)
		return r;
	r = edges_add(&from->node->out, &back);
	if (r != CUDA_SUCCESS)
		to->in.nr--;
	return r;
}

/*
 * Ports and types that say when a kernel lets its successor start: full completion, which is what
 * all edges mean here, satisfies each of them.
 */
static bool data_is_valid(const CUgraphEdgeData *d, const struct graph_node *from)
{
	static const unsigned char zero[sizeof(d->reserved)];
	bool kernel = from->action->params.type == CU_GRAPH_NODE_TYPE_KERNEL;

	if (d->to_port || memcmp(d->reserved, zero, sizeof(zero)))
		return false;
	if (d->type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC)
		return kernel && (d->from_port == CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC ||
				  d->from_port == CU_GRAPH_KERNEL_NODE_PORT_LAUNCH_ORDER);
	return d->type == CU_GRAPH_DEPENDENCY_TYPE_DEFAULT &&
	       (d->from_port == CU_GRAPH_KERNEL_NODE_PORT_DEFAULT ||
		(kernel && d->from_port == CU_GRAPH_KERNEL_NODE_PORT_LAUNCH_ORDER));
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct edge *)a)->node->id, y = ((const struct edge *)b)->node->id;

	return x < y ? -1 : x > y;
}

CUresult graph_edges(struct graph *g, const CUgraphNode *nodes, const CUgraphEdgeData *data,
		     size_t nr, struct edge **out)
{
	struct edge *e;

	if ((nr && !nodes) || nr > g->nr)	/* more than there are: one of them twice */
		return CUDA_ERROR_INVALID_VALUE;
	e = calloc(nr + 1, sizeof(*e));
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < nr; i++) {
		e[i].node = HANDLE_FIND(nodes[i], HANDLE_NODE);
		if (!e[i].node || e[i].node->graph != g)
			goto invalid;
		if (data)
			e[i].data = data[i];
		if (!data_is_valid(&e[i].data, e[i].node))
			goto invalid;
	}
	qsort(e, nr, sizeof(*e), by_id);
	for (size_t i = 1; i < nr; i++)
		if (e[i].node == e[i - 1].node)
			goto invalid;
	*out = e;
	return CUDA_SUCCESS;
invalid:
	free(e);
	return CUDA_ERROR_INVALID_VALUE;
}

static void count_once(struct graph *g, int by)
{
	while (g) {
		g->nr_once += by;
		g = g->owner ? g->owner->graph : NULL;
	}
}

CUresult node_add_body(struct graph_node *n, struct graph *body)
{
	struct graph **bodies = realloc(n->bodies, (n->nr_bodies + 1) * sizeof(*bodies));
	CUgraph *handles = realloc(n->body_handles, (n->nr_bodies + 1) * sizeof(*handles));

	if (bodies)
		n->bodies = bodies;
	if (handles)
		n->body_handles = handles;
	if (!bodies || !handles) {
		graph_destroy(body);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	bodies[n->nr_bodies] = body;
	handles[n->nr_bodies++] = HANDLE_OF(body);
	body->owner = n;
	count_once(n->graph, body->nr_once);
	return CUDA_SUCCESS;
}

void node_destroy(struct graph_node *n)
{
	struct graph *g = n->graph;

	for (size_t i = 0; i < n->in.nr; i++)
		edges_remove(&n->in.e[i].node->out, n);
	for (size_t i = 0; i < n->out.nr; i++)
		edges_remove(&n->out.e[i].node->in, n);
	free(n->in.e);
	free(n->out.e);
	for (size_t i = 0; i < n->nr_bodies; i++) {
		count_once(g, -(int)n->bodies[i]->nr_once);
		n->bodies[i]->owner = NULL;
		graph_destroy(n->bodies[i]);
	}
	free(n->bodies);
	free(n->body_handles);
	if (n->action->kind->once)
		count_once(g, -1);
	handle_retire(&n->obj);
	TAILQ_REMOVE(&g->nodes, n, link);
	g->nr--;
	action_put(n->action);
	free(n);
}

CUresult graph_add(struct graph *g, struct action *action, const struct edge *deps, size_t nr,
		   struct graph_node **out)
{
	struct graph_node *n = calloc(1, sizeof(*n));
	CUresult r = CUDA_SUCCESS;

	if (!n || handle_create(&n->obj, HANDLE_NODE)) {
		free(n);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	n->graph = g;
	n->id = ++last_id;
	n->action = action_get(action);
	TAILQ_INSERT_TAIL(&g->nodes, n, link);
	g->nr++;
	if (action->kind->once)
		count_once(g, 1);
	for (size_t i = 0; i < nr && r == CUDA_SUCCESS; i++)
		r = connect(n, &deps[i]);
	if (r != CUDA_SUCCESS) {
		node_destroy(n);
		return r;
	}
	action->refs--;		/* the caller's is n's now */
	*out = n;
	return CUDA_SUCCESS;
}

static bool in_body(const struct graph *g)
{
	for (; g->owner; g = g->owner->graph)
		if (g->owner->action->params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
			return true;
	return false;
}

/* What a node brings with it: a copy of the child graph, or empty bodies. */
static CUresult add_bodies(struct graph_node *n, const CUgraphNodeParams *p)
{
	struct graph *body;
	CUresult r = CUDA_SUCCESS;

	if (p->type == CU_GRAPH_NODE_TYPE_GRAPH) {
		r = graph_find(p->graph.graph, &body);
		if (r == CUDA_SUCCESS && p->graph.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE)
			r = graph_copy(body, &body);
		return r == CUDA_SUCCESS ? node_add_body(n, body) : r;
	}
	if (p->type != CU_GRAPH_NODE_TYPE_CONDITIONAL)
		return r;
	for (unsigned int i = 0; i < p->conditional.size && r == CUDA_SUCCESS; i++) {
		body = graph_create();
		r = body ? node_add_body(n, body) : CUDA_ERROR_OUT_OF_MEMORY;
	}
	return r;
}

/* A child graph must be apart from g: neither g itself, nor what holds it. */
static CUresult check_child(const CUgraphNodeParams *p, struct graph *g)
{
	struct graph *child;
	CUresult r;

	if (p->type != CU_GRAPH_NODE_TYPE_GRAPH)
		return CUDA_SUCCESS;
	r = graph_find(p->graph.graph, &child);
	if (r != CUDA_SUCCESS)
		return r;
	if (p->graph.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE)
		return child->nr_once ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
	if (child->owner || child->nr_execs || child->nr_captures || graph_top(g) == child)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

CUresult node_create(struct graph *g, CUgraphNodeParams *p, const struct edge *deps, size_t nr,
		     struct graph_node **out)
{
	const struct node_kind *kind = node_kind(p->type);
	struct action *a;
	CUresult r = check_child(p, g);

	if (r == CUDA_SUCCESS && kind && in_body(g) && !kind->in_body)
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS && kind && kind->once && graph_top(g)->nr_execs)
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		r = action_create(p, &a);
	if (r != CUDA_SUCCESS)
		return r;
	r = graph_add(g, a, deps, nr, out);
	if (r != CUDA_SUCCESS) {
		action_put(a);
		return r;
	}
	r = add_bodies(*out, p);
	if (r != CUDA_SUCCESS)
		node_destroy(*out);
	else if (p->type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
		p->conditional.phGraph_out = (*out)->body_handles;
	return r;
}

CUresult node_add(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
		  const CUgraphEdgeData *data, size_t nr, CUgraphNodeParams *p)
{
	struct graph_node *n;
	struct edge *edges;
	struct graph *g;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !p)
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	r = graph_find(graph, &g);
	if (r == CUDA_SUCCESS)
		r = graph_edges(g, deps, data, nr, &edges);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	r = node_create(g, p, edges, nr, &n);
	free(edges);
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(n);
	return context_leave(r);
}

/* Bytes that no version of the structure uses yet. */
static bool is_clean(const CUgraphNodeParams *p)
{
	return !p->reserved0[0] && !p->reserved0[1] && !p->reserved0[2] && !p->reserved2;
}

CUresult cuGraphAddNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
			   const CUgraphEdgeData *data, size_t nr, CUgraphNodeParams *p)
{
	if (!p || !is_clean(p))
		return CUDA_ERROR_INVALID_VALUE;
	return node_add(out, graph, deps, data, nr, p);
}

CUresult cuGraphAddNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t nr,
			CUgraphNodeParams *p)
{
	return cuGraphAddNode_v2(out, graph, deps, NULL, nr, p);
}

static bool has_memory(const struct graph *g)
{
	const struct graph_node *n;

	TAILQ_FOREACH(n, &g->nodes, link)
		if (n->action->kind->pinned)
			return true;
	return false;
}

CUresult cuGraphDestroyNode(CUgraphNode handle)
{
	struct graph_node *n;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = node_find(handle, &n);
	if (r == CUDA_SUCCESS && (has_memory(n->graph) || n->graph->nr_captures))
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		node_destroy(n);
	driver_unlock();
	users_flush();
	return r;
}

static CUresult find_pair(struct graph *g, CUgraphNode from, CUgraphNode to,
			  const CUgraphEdgeData *data, struct edge *e, struct graph_node **n)
{
	*n = HANDLE_FIND(to, HANDLE_NODE);
	e->node = HANDLE_FIND(from, HANDLE_NODE);
	e->data = data ? *data : (CUgraphEdgeData){ 0 };
	if (!*n || !e->node || (*n)->graph != g || e->node->graph != g || *n == e->node ||
	    !data_is_valid(&e->data, e->node))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static void disconnect(struct graph_node *from, struct graph_node *to)
{
	edges_remove(&to->in, from);
	edges_remove(&from->out, to);
}

/* All of them, or none: those before the one that fails are undone. */
static CUresult add_dependencies(struct graph *g, const CUgraphNode *from, const CUgraphNode *to,
				 const CUgraphEdgeData *data, size_t nr)
{
	struct graph_node *n;
	CUresult r = CUDA_SUCCESS;
	struct edge e;
	size_t i;

	for (i = 0; i < nr; i++) {
		r = find_pair(g, from[i], to[i], data ? &data[i] : NULL, &e, &n);
		if (r == CUDA_SUCCESS && edges_have(&n->in, e.node))
			r = CUDA_ERROR_INVALID_VALUE;
		if (r == CUDA_SUCCESS)
			r = connect(n, &e);
		if (r != CUDA_SUCCESS)
			break;
	}
	while (r != CUDA_SUCCESS && i-- > 0)
		disconnect(HANDLE_FIND(from[i], HANDLE_NODE), HANDLE_FIND(to[i], HANDLE_NODE));
	return r;
}

static bool has_edge(const struct graph_node *n, const struct edge *e)
{
	for (size_t i = 0; i < n->in.nr; i++)
		if (n->in.e[i].node == e->node)
			return !memcmp(&n->in.e[i].data, &e->data, sizeof(e->data));
	return false;
}

static CUresult remove_dependencies(struct graph *g, const CUgraphNode *from, const CUgraphNode *to,
				    const CUgraphEdgeData *data, size_t nr)
{
	struct graph_node *n;
	struct edge e;

	if (has_memory(g))
		return CUDA_ERROR_NOT_SUPPORTED;
	for (size_t i = 0; i < nr; i++) {
		CUresult r = find_pair(g, from[i], to[i], data ? &data[i] : NULL, &e, &n);

		if (r != CUDA_SUCCESS || !has_edge(n, &e))
			return CUDA_ERROR_INVALID_VALUE;
	}
	for (size_t i = 0; i < nr; i++)
		disconnect(HANDLE_FIND(from[i], HANDLE_NODE), HANDLE_FIND(to[i], HANDLE_NODE));
	return CUDA_SUCCESS;
}

static CUresult change_dependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
				    const CUgraphEdgeData *data, size_t nr, bool add)
{
	struct graph *g;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(graph, &g);
	if (r == CUDA_SUCCESS && nr && (!from || !to))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = add ? add_dependencies(g, from, to, data, nr)
			: remove_dependencies(g, from, to, data, nr);
	return context_leave(r);
}

CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
				size_t nr)
{
	return change_dependencies(graph, from, to, NULL, nr, true);
}

CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
				   const CUgraphEdgeData *data, size_t nr)
{
	return change_dependencies(graph, from, to, data, nr, true);
}

CUresult cuGraphRemoveDependencies(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
				   size_t nr)
{
	return change_dependencies(graph, from, to, NULL, nr, false);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
				      const CUgraphEdgeData *data, size_t nr)
{
	return change_dependencies(graph, from, to, data, nr, false);
}

CUresult cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType *type)
{
	struct graph_node *n;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = node_find(handle, &n);
	if (r == CUDA_SUCCESS && !type)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		*type = n->action->params.type;
	return context_leave(r);
}

static struct graph_node *find_clone(struct graph *g, uint64_t origin)
{
	struct graph_node *n, *found = NULL;

	TAILQ_FOREACH(n, &g->nodes, link) {
		if (n->origin == origin)
			return n;
		for (size_t i = 0; i < n->nr_bodies && !found; i++)
			found = find_clone(n->bodies[i], origin);
		if (found)
			return found;
	}
	return NULL;
}

CUresult cuGraphNodeFindInClone(CUgraphNode *out, CUgraphNode original, CUgraph clone)
{
	struct graph_node *n, *found;
	struct graph *g;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(clone, &g);
	if (r == CUDA_SUCCESS)
		r = node_find(original, &n);
	if (r == CUDA_SUCCESS && !out)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	found = find_clone(g, n->id);
	*out = found ? HANDLE_OF(found) : NULL;
	return context_leave(found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE);
}
