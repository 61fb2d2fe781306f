/* SPDX-License-Identifier: MIT */
/*
 * graph_plan.c - plans: a graph in an order in which it can run
 */
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "graph_kernel.h"
#include "init.h"

void plan_put(struct plan *p)
{
	if (--p->refs)
		return;
	for (size_t i = 0; i < p->nr; i++) {
		struct plan_node *n = &p->nodes[i];

		for (size_t k = 0; k < n->nr_bodies; k++)
			plan_put(n->bodies[k]);
		free(n->bodies);
		free(n->deps);
		action_put(n->action);
	}
	users_drop(&p->users);
	free(p->nodes);
	free(p->order);
	free(p);
}

static struct plan *plan_alloc(size_t nr)
{
	struct plan *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->refs = 1;
	SLIST_INIT(&p->users);
	p->nodes = calloc(nr + 1, sizeof(*p->nodes));
	p->order = calloc(nr + 1, sizeof(*p->order));
	if (p->nodes && p->order)
		return p;
	plan_put(p);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

static CUresult fill_node(struct plan *p, struct graph_node *n, bool by_priority,
			  struct graph_node **error)
{
	struct plan_node *pn = &p->nodes[n->index];
	CUresult r;

	pn->origin = n->id;
	pn->enabled = true;
	pn->action = action_get(n->action);
	p->nr++;
	pn->deps = calloc(n->in.nr + 1, sizeof(*pn->deps));
	pn->bodies = calloc(n->nr_bodies + 1, sizeof(struct plan *));
	if (!pn->deps || !pn->bodies)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < n->in.nr; i++)
		pn->deps[pn->nr_deps++] = n->in.e[i].node->index;
	qsort(pn->deps, pn->nr_deps, sizeof(*pn->deps), by_value);
	for (size_t i = 0; i < n->nr_bodies; i++) {
		r = plan_create(n->bodies[i], by_priority, &pn->bodies[i], error);
		if (r != CUDA_SUCCESS)
			return r;
		pn->nr_bodies++;
	}
	return CUDA_SUCCESS;
}

static int priority_of(const struct plan_node *n)
{
	return n->action->params.type == CU_GRAPH_NODE_TYPE_KERNEL
		       ? graph_kernel_priority(n->action)
		       : 0;
}

/* Brings the most urgent of the ready nodes, order[done] to order[ready - 1], to the front. */
static void choose(struct plan *p, size_t done, size_t ready)
{
	size_t best = done, chosen;

	for (size_t i = done + 1; i < ready; i++)
		if (priority_of(&p->nodes[p->order[i]]) < priority_of(&p->nodes[p->order[best]]))
			best = i;
	chosen = p->order[best];
	memmove(&p->order[done + 1], &p->order[done], (best - done) * sizeof(*p->order));
	p->order[done] = chosen;
}

/* Without a cycle, all nodes become ready; else *left is one that does not. */
static bool sort(struct plan *p, struct graph_node **nodes, size_t *missing, bool by_priority,
		 size_t *left)
{
	size_t ready = 0;

	for (size_t i = 0; i < p->nr; i++)
		if (!missing[i])
			p->order[ready++] = i;
	for (size_t done = 0; done < ready; done++) {
		const struct edges *out;

		if (by_priority)
			choose(p, done, ready);
		out = &nodes[p->order[done]]->out;
		for (size_t i = 0; i < out->nr; i++)
			if (!--missing[out->e[i].node->index])
				p->order[ready++] = out->e[i].node->index;
	}
	for (size_t i = 0; i < p->nr && ready < p->nr; i++)
		if (missing[i])
			*left = i;
	return ready == p->nr;
}

CUresult plan_create(struct graph *g, bool by_priority, struct plan **out,
		     struct graph_node **error)
{
	struct graph_node **nodes = calloc(g->nr + 1, sizeof(struct graph_node *)), *n;
	size_t *missing = calloc(g->nr + 1, sizeof(*missing)), i = 0, left = 0;
	struct plan *p = plan_alloc(g->nr);
	CUresult r = nodes && missing && p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	TAILQ_FOREACH(n, &g->nodes, link)
		n->index = i++;
	TAILQ_FOREACH(n, &g->nodes, link) {
		if (r != CUDA_SUCCESS)
			break;
		nodes[n->index] = n;
		missing[n->index] = n->in.nr;
		r = fill_node(p, n, by_priority, error);
	}
	if (r == CUDA_SUCCESS && !sort(p, nodes, missing, by_priority, &left)) {
		*error = nodes[left];
		r = CUDA_ERROR_INVALID_VALUE;
	}
	if (r == CUDA_SUCCESS)
		r = users_copy(&p->users, &g->users);
	free(nodes);
	free(missing);
	if (r == CUDA_SUCCESS)
		*out = p;
	else if (p)
		plan_put(p);
	return r;
}

static CUresult graph_of_node(const struct plan_node *pn, struct graph *g,
			      struct graph_node **made, struct graph_node **out)
{
	struct edge *deps = calloc(pn->nr_deps + 1, sizeof(*deps));
	struct graph *body;
	CUresult r;

	if (!deps)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < pn->nr_deps; i++)
		deps[i].node = made[pn->deps[i]];
	r = graph_add(g, pn->action, deps, pn->nr_deps, out);
	free(deps);
	if (r != CUDA_SUCCESS)
		return r;
	action_get(pn->action);
	for (size_t i = 0; i < pn->nr_bodies && r == CUDA_SUCCESS; i++) {
		r = plan_graph(pn->bodies[i], &body);
		if (r == CUDA_SUCCESS)
			r = node_add_body(*out, body);
	}
	return r;
}

CUresult plan_graph(const struct plan *p, struct graph **out)
{
	struct graph_node **made = calloc(p->nr + 1, sizeof(struct graph_node *));
	struct graph *g = graph_create();
	CUresult r = made && g ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	for (size_t i = 0; i < p->nr && r == CUDA_SUCCESS; i++)
		r = graph_of_node(&p->nodes[p->order[i]], g, made, &made[p->order[i]]);
	free(made);
	if (r == CUDA_SUCCESS)
		*out = g;
	else if (g)
		graph_destroy(g);
	return r;
}

struct plan_node *plan_find(struct plan *p, uint64_t origin)
{
	struct plan_node *found = NULL;

	for (size_t i = 0; i < p->nr && !found; i++) {
		if (p->nodes[i].origin == origin)
			return &p->nodes[i];
		for (size_t k = 0; k < p->nodes[i].nr_bodies && !found; k++)
			found = plan_find(p->nodes[i].bodies[k], origin);
	}
	return found;
}

static struct plan *plan_copy(const struct plan *from)
{
	struct plan *p = plan_alloc(from->nr);

	if (!p)
		return NULL;
	memcpy(p->order, from->order, from->nr * sizeof(*p->order));
	for (size_t i = 0; i < from->nr; i++) {
		const struct plan_node *a = &from->nodes[i];
		struct plan_node *b = &p->nodes[i];

		*b = *a;
		b->nr_bodies = 0;
		action_get(b->action);
		p->nr++;
		b->deps = malloc((a->nr_deps + 1) * sizeof(*b->deps));
		b->bodies = calloc(a->nr_bodies + 1, sizeof(struct plan *));
		if (!b->deps || !b->bodies)
			goto fail;
		memcpy(b->deps, a->deps, a->nr_deps * sizeof(*b->deps));
		for (size_t k = 0; k < a->nr_bodies; k++) {
			b->bodies[k] = plan_copy(a->bodies[k]);
			if (!b->bodies[k])
				goto fail;
			b->nr_bodies++;
		}
	}
	if (users_copy(&p->users, &from->users) == CUDA_SUCCESS)
		return p;
fail:
	plan_put(p);
	return NULL;
}

struct plan *plan_own(struct plan **p)
{
	struct plan *copy;

	if ((*p)->refs == 1)
		return *p;
	copy = plan_copy(*p);
	if (!copy)
		return NULL;
	plan_put(*p);
	*p = copy;
	return copy;
}
