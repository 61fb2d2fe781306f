// SPDX-License-Identifier: MIT
/*
 * wire.c - a graph, or one node's doing, as text for the server
 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

static void fail(struct graph_wire *w, CUresult r)
{
	if (!w->err)
		w->err = r;
}

static uint8_t *room(struct graph_wire *w, size_t n)
{
	size_t need = w->len + vwire_pad(n), size = w->room ? w->room : 4096;
	uint8_t *p;

	while (size < need)
		size *= 2;
	if (size != w->room) {
		p = realloc(w->p, size);
		if (!p) {
			fail(w, CUDA_ERROR_OUT_OF_MEMORY);
			return NULL;
		}
		w->p = p;
		w->room = size;
	}
	p = w->p + w->len;
	w->len = need;
	return p;
}

void wire_bytes(struct graph_wire *w, const void *p, size_t n)
{
	uint8_t *to = w->err ? NULL : room(w, n);

	if (!to || !n)
		return;
	memcpy(to, p, n);
	memset(to + n, 0, vwire_pad(n) - n);
}

uint32_t wire_slot(struct graph_wire *w, const struct slot *s)
{
	struct slot *new = vcuda_slot_new(s);

	if (!new) {
		fail(w, CUDA_ERROR_OUT_OF_MEMORY);
		return 0;
	}
	new->node = w->number;
	new->next = w->slots;
	w->slots = new;
	return new->token;
}

/* Memory of the graph's own is there all the time; a copy within the host is a function. */
static CUgraphNodeType type_of(const struct action *a)
{
	const CUDA_MEMCPY3D *c = a->data;

	switch (a->params.type) {
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
	case CU_GRAPH_NODE_TYPE_MEM_FREE:
		return CU_GRAPH_NODE_TYPE_EMPTY;
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		return c->srcMemoryType == CU_MEMORYTYPE_HOST && c->dstMemoryType == CU_MEMORYTYPE_HOST
			       ? CU_GRAPH_NODE_TYPE_HOST
			       : CU_GRAPH_NODE_TYPE_MEMCPY;
	default:
		return a->params.type;
	}
}

static void put_doing(struct graph_wire *w, const struct action *a)
{
	struct slot slot = { .kind = SLOT_FUNCTION };
	struct vwire_graph_cond cond;
	uint64_t token;

	switch (a->params.type) {
	case CU_GRAPH_NODE_TYPE_HOST:
		slot.function.fn = a->params.host.fn;
		slot.function.data = a->params.host.userData;
		token = htole64(wire_slot(w, &slot));
		return wire_bytes(w, &token, sizeof(token));
	case CU_GRAPH_NODE_TYPE_CONDITIONAL:
		cond = (struct vwire_graph_cond){
			htole64(a->params.conditional.handle),
			htole32(a->params.conditional.type),
			htole32(a->params.conditional.size),
		};
		return wire_bytes(w, &cond, sizeof(cond));
	default:
		if (a->kind->put)
			fail(w, a->kind->put(a, w));
	}
}

void wire_action(struct graph_wire *w, const struct action *a, size_t nr_graphs)
{
	struct vwire_graph_node head = { .type = htole32(type_of(a)),
					 .nr_graphs = htole32(nr_graphs) };
	size_t at = w->len;

	wire_bytes(w, &head, sizeof(head));
	put_doing(w, a);
	if (w->err)
		return;
	head.bytes = htole32(w->len - at - sizeof(head));
	memcpy(w->p + at, &head, sizeof(head));
}

static void put_edges(struct graph_wire *w, struct graph *g)
{
	struct graph_node *n;
	size_t i;

	TAILQ_FOREACH(n, &g->nodes, link) {
		for (i = 0; i < n->in.nr; i++) {
			const CUgraphEdgeData *d = &n->in.e[i].data;
			struct vwire_graph_edge e = {
				.from = htole32(n->in.e[i].node->index),
				.to = htole32(n->index),
				.from_port = d->from_port,
				.to_port = d->to_port,
				.type = d->type,
			};

			wire_bytes(w, &e, sizeof(e));
		}
	}
}

/* A plan's nodes, and their bodies, are in the graph's order. */
void wire_graph(struct graph_wire *w, struct graph *g, struct plan *p)
{
	struct vwire_graph head = { .nr_nodes = htole32(g->nr) };
	struct graph_node *n;
	uint32_t nr_edges = 0;
	size_t i = 0, k;

	TAILQ_FOREACH(n, &g->nodes, link) {
		n->index = i++;
		nr_edges += n->in.nr;
	}
	head.nr_edges = htole32(nr_edges);
	wire_bytes(w, &head, sizeof(head));
	TAILQ_FOREACH(n, &g->nodes, link) {
		if (p)
			p->nodes[n->index].number = w->number;
		wire_action(w, n->action, n->nr_bodies);
		w->number++;
		for (k = 0; k < n->nr_bodies; k++)
			wire_graph(w, n->bodies[k], p ? p->nodes[n->index].bodies[k] : NULL);
	}
	put_edges(w, g);
}

/* Nodes of a graph that have to do with the host, and those whose order among these matters. */
struct census {
	bool functions, sources, places;
};

static void count(const struct graph *g, struct census *c)
{
	const struct graph_node *n;
	const CUDA_MEMCPY3D *copy;
	size_t i;

	TAILQ_FOREACH(n, &g->nodes, link) {
		copy = n->action->data;
		if (type_of(n->action) == CU_GRAPH_NODE_TYPE_HOST) {
			c->functions = true;
		} else if (n->action->params.type == CU_GRAPH_NODE_TYPE_MEMCPY) {
			c->sources |= copy->srcMemoryType == CU_MEMORYTYPE_HOST;
			c->places |= copy->dstMemoryType == CU_MEMORYTYPE_HOST;
		}
		for (i = 0; i < n->nr_bodies; i++)
			count(n->bodies[i], c);
	}
}

bool wire_must_fetch(const struct graph *g)
{
	struct census c = { 0 };

	count(g, &c);
	return c.sources && (c.functions || c.places);
}
