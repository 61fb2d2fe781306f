/* SPDX-License-Identifier: MIT */
/*
 * graph_run.c - launches of executable graphs
 *
 * The nodes of a launch run one after the other on the stream's thread; each kernel has all cores.
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "graph.h"
#include "graph_kind.h"
#include "graph_memory.h"
#include "init.h"

CUresult actions_add(struct actions *v, struct action *a)
{
	if (v->nr == v->max) {
		size_t n = v->max ? v->max * 2 : 4;
		struct action **p = realloc(v->a, n * sizeof(*p));

		if (!p)
			return CUDA_ERROR_OUT_OF_MEMORY;
		v->a = p;
		v->max = n;
	}
	v->a[v->nr++] = a;
	return CUDA_SUCCESS;
}

/* What must hold for a launch, or is remembered for it. */
static CUresult plan_launch(const struct plan *p, struct run *run)
{
	CUresult r = CUDA_SUCCESS;

	for (size_t i = 0; i < p->nr && r == CUDA_SUCCESS; i++) {
		const struct plan_node *n = &p->nodes[p->order[i]];

		if (!n->enabled)
			continue;
		if (n->action->kind->launch)
			r = n->action->kind->launch(n->action, run);
		for (size_t k = 0; k < n->nr_bodies && r == CUDA_SUCCESS; k++)
			r = plan_launch(n->bodies[k], run);
	}
	return r;
}

static bool is_over(const struct run *run)
{
	return run->ctx->error != CUDA_SUCCESS || run->ctx->closing;
}

static CUresult plan_run(const struct plan *p, struct run *run);

static CUresult run_bodies(const struct plan_node *n, struct run *run)
{
	CUresult r = CUDA_SUCCESS;
	bool again;
	size_t i;

	if (n->action->params.type != CU_GRAPH_NODE_TYPE_CONDITIONAL)
		return plan_run(n->bodies[0], run);
	do {
		i = conditional_choose(n->action, &again);
		if (i < n->nr_bodies)
			r = plan_run(n->bodies[i], run);
	} while (again && r == CUDA_SUCCESS && !is_over(run));
	return r;
}

static CUresult plan_run(const struct plan *p, struct run *run)
{
	CUresult r = CUDA_SUCCESS;

	for (size_t i = 0; i < p->nr && r == CUDA_SUCCESS; i++) {
		const struct plan_node *n = &p->nodes[p->order[i]];

		if (!n->enabled)
			continue;
		if (n->action->kind->run)
			r = n->action->kind->run(n->action, run);
		else if (n->nr_bodies)
			r = run_bodies(n, run);
	}
	return r;
}

static void begin_conditionals(const struct plan *p)
{
	for (size_t i = 0; i < p->nr; i++) {
		const struct plan_node *n = &p->nodes[i];

		if (n->action->params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
			conditional_begin(n->action);
		for (size_t k = 0; k < n->nr_bodies; k++)
			begin_conditionals(n->bodies[k]);
	}
}

static CUresult run_run(struct work *w, struct context *ctx)
{
	struct run *run = (struct run *)w;

	(void)ctx;
	driver_lock();
	begin_conditionals(run->plan);
	driver_unlock();
	return plan_run(run->plan, run);
}

static void run_free(struct run *run)
{
	for (size_t i = 0; i < run->nr_waits; i++)
		stream_put(run->waits[i].stream);
	free(run->waits);
	free(run->records.a);
	free(run->changes.a);
	plan_put(run->plan);
	stream_put(run->stream);
	free(run);
}

/* The program may learn here of the end of its objects: not under the lock. */
static void run_destroy(struct work *w)
{
	run_free((struct run *)w);
	graph_memory_reap();
	driver_unlock();
	users_flush();
	driver_lock();
}

CUresult exec_launch(struct graph_exec *e, struct context *ctx, struct stream *s)
{
	struct run *run = calloc(1, sizeof(*run));
	CUresult r;

	if (!run)
		return CUDA_ERROR_OUT_OF_MEMORY;
	run->ctx = ctx;
	run->flags = e->flags;
	run->plan = e->plan;
	run->plan->refs++;
	run->stream = s;
	stream_get(s);
	r = plan_launch(e->plan, run);
	if (r != CUDA_SUCCESS) {
		while (run->changes.nr--)
			run->changes.a[run->changes.nr]->kind->undo(
				run->changes.a[run->changes.nr]);
		run_free(run);
		return r;
	}
	run->work.run = run_run;
	run->work.destroy = run_destroy;
	if (e->last && !stream_passed(e->last, e->last_seq)) {
		run->work.after = e->last;
		run->work.after_seq = e->last_seq;
		stream_get(e->last);
	}
	r = stream_submit(s, &run->work);
	if (r != CUDA_SUCCESS)
		return r;
	if (e->last)
		stream_put(e->last);
	e->last = s;
	stream_get(s);
	e->last_seq = run->work.seq;
	graph_events_submitted(run);
	return CUDA_SUCCESS;
}

CUresult cuGraphLaunch_ptsz(CUgraphExec handle, CUstream stream)
{
	return cuGraphLaunch(handle, stream_ptsz(stream));
}

CUresult cuGraphInstantiateWithParams_ptsz(CUgraphExec *out, CUgraph graph,
					   CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
	return cuGraphInstantiateWithParams(out, graph, p);
}

/* There is nothing to upload to. */
CUresult cuGraphUpload(CUgraphExec handle, CUstream stream)
{
	struct graph_exec *e;
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = exec_find(handle, &e);
	if (r == CUDA_SUCCESS)
		r = stream_find(ctx, stream, &s);
	return context_leave(r == CUDA_SUCCESS ? capture_refuse(s) : r);
}

CUresult cuGraphUpload_ptsz(CUgraphExec handle, CUstream stream)
{
	return cuGraphUpload(handle, stream_ptsz(stream));
}

CUresult exec_open(struct graph_exec *e, struct graph *g, CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
	(void)e;
	(void)g;
	(void)p;
	return CUDA_SUCCESS;
}

void exec_close(struct graph_exec *e)
{
	if (e->last)
		stream_put(e->last);
}

/* A plan is all that there is of an executable graph: who changes it has done everything. */
CUresult exec_renew(struct graph_exec *e, const struct plan_node *pn, struct action *a)
{
	(void)e;
	(void)pn;
	(void)a;
	return CUDA_SUCCESS;
}

CUresult exec_renew_all(struct graph_exec *e, struct plan *p, struct graph *g,
			CUgraphExecUpdateResultInfo *info)
{
	(void)info;
	(void)e;
	(void)p;
	(void)g;
	return CUDA_SUCCESS;
}

CUresult exec_enable(struct graph_exec *e, const struct plan_node *pn, bool enabled)
{
	(void)e;
	(void)pn;
	(void)enabled;
	return CUDA_SUCCESS;
}

CUresult conditional_open(struct graph *g, struct object *obj, unsigned int initial,
			  unsigned int flags)
{
	(void)g;
	(void)initial;
	(void)flags;
	return handle_create(obj, HANDLE_CONDITIONAL) ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult context_of(CUcontext handle, struct context **out)
{
	*out = context_by_handle(handle ? handle : context_current());
	return *out && (*out)->active && !(*out)->closing ? CUDA_SUCCESS
							  : CUDA_ERROR_INVALID_CONTEXT;
}
