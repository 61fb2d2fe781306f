/* SPDX-License-Identifier: MIT */
/*
 * graph_exec.c - executable graphs: instantiated, captured, destroyed
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "graph.h"
#include "init.h"

#define FLAGS	(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | \
		 CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD | \
		 CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | \
		 CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY)

static LIST_HEAD(, graph_exec) execs = LIST_HEAD_INITIALIZER(execs);

CUresult exec_find(CUgraphExec handle, struct graph_exec **out)
{
	*out = HANDLE_FIND(handle, HANDLE_EXEC);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void exec_forget_graph(struct graph *g)
{
	struct graph_exec *e;

	LIST_FOREACH(e, &execs, link)
		if (e->graph == g)
			e->graph = NULL;
}

static bool bodies_used(const struct graph *g)
{
	const struct graph_node *n;

	if (!conditionals_used(g))
		return false;
	TAILQ_FOREACH(n, &g->nodes, link)
		for (size_t i = 0; i < n->nr_bodies; i++)
			if (!bodies_used(n->bodies[i]))
				return false;
	return true;
}

static CUresult check_graph(const struct graph *g, cuuint64_t flags,
			    CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
	p->result_out = CUDA_GRAPH_INSTANTIATE_ERROR;
	if ((flags & ~(cuuint64_t)FLAGS) || g->owner || g->nr_captures)
		return CUDA_ERROR_INVALID_VALUE;
	if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) {
		driver_log("graphs cannot be launched from the device");
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (g->nr_once && g->nr_execs)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!bodies_used(g)) {
		p->result_out = CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED;
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static CUresult exec_create(struct graph *g, CUDA_GRAPH_INSTANTIATE_PARAMS *p, CUgraphExec *out)
{
	struct graph_exec *e = calloc(1, sizeof(*e));
	struct graph_node *error = NULL;
	CUresult r;

	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = plan_create(g, p->flags & CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY, &e->plan,
			&error);
	if (r != CUDA_SUCCESS) {
		if (error) {
			p->result_out = CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE;
			p->hErrNode_out = HANDLE_OF(error);
		}
		free(e);
		return r;
	}
	e->flags = p->flags;
	r = handle_create(&e->obj, HANDLE_EXEC) ? CUDA_ERROR_OUT_OF_MEMORY : exec_open(e, g, p);
	if (r != CUDA_SUCCESS) {
		handle_retire(&e->obj);
		plan_put(e->plan);
		free(e);
		return r;
	}
	e->graph = g;
	g->nr_execs++;
	LIST_INSERT_HEAD(&execs, e, link);
	p->result_out = CUDA_GRAPH_INSTANTIATE_SUCCESS;
	*out = HANDLE_OF(e);
	return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithParams(CUgraphExec *out, CUgraph graph,
				      CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
	struct context *ctx;
	struct stream *s;
	struct graph *g;
	CUresult r;

	if (!out || !p)
		return CUDA_ERROR_INVALID_VALUE;
	p->hErrNode_out = NULL;
	p->result_out = CUDA_GRAPH_INSTANTIATE_ERROR;
	r = context_enter(&ctx);
	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(graph, &g);
	if (r == CUDA_SUCCESS)
		r = check_graph(g, p->flags, p);
	if (r == CUDA_SUCCESS && (p->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD))
		r = stream_find(ctx, p->hUploadStream, &s);
	if (r == CUDA_SUCCESS)
		r = exec_create(g, p, out);
	driver_unlock();
	users_flush();
	return r;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS p = { .flags = flags };

	/* Only with parameters is there a stream to upload on. */
	if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD)
		return CUDA_ERROR_INVALID_VALUE;
	return cuGraphInstantiateWithParams(out, graph, &p);
}

static CUresult instantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *error, char *log,
			    size_t size)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS p = { .flags = 0 };
	CUresult r = cuGraphInstantiateWithParams(out, graph, &p);

	if (error)
		*error = p.hErrNode_out;
	if (log && size) {
		strncpy(log, r == CUDA_SUCCESS ? "" : p.hErrNode_out ?
			"the graph has a cycle" : "the graph cannot be instantiated", size - 1);
		log[size - 1] = 0;
	}
	return r;
}

CUresult cuGraphInstantiate(CUgraphExec *out, CUgraph graph, CUgraphNode *error, char *log,
			    size_t size)
{
	return instantiate(out, graph, error, log, size);
}

CUresult cuGraphInstantiate_v2(CUgraphExec *out, CUgraph graph, CUgraphNode *error, char *log,
			       size_t size)
{
	return instantiate(out, graph, error, log, size);
}

CUresult cuGraphExecGetFlags(CUgraphExec handle, cuuint64_t *flags)
{
	struct graph_exec *e;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = exec_find(handle, &e);
	if (r == CUDA_SUCCESS && !flags)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		*flags = e->flags;
	return context_leave(r);
}

/* Launches that are on their way have the plan. */
CUresult cuGraphExecDestroy(CUgraphExec handle)
{
	struct graph_exec *e;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = exec_find(handle, &e);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	exec_close(e);
	handle_retire(&e->obj);
	LIST_REMOVE(e, link);
	if (e->graph)
		e->graph->nr_execs--;
	plan_put(e->plan);
	free(e);
	driver_unlock();
	users_flush();
	return CUDA_SUCCESS;
}

/* A launch in a stream that captures is a child graph. */
static CUresult capture(const struct graph_exec *e, struct stream *s)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_GRAPH };
	struct graph *g;
	CUresult r = plan_graph(e->plan, &g);

	if (r != CUDA_SUCCESS)
		return r;
	if (g->nr_once)
		r = CUDA_ERROR_NOT_SUPPORTED;
	p.graph.graph = HANDLE_OF(g);
	p.graph.ownership = CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE;
	if (r == CUDA_SUCCESS)
		r = capture_node(s, &p);
	graph_destroy(g);
	return r;
}

CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream)
{
	bool capturing = false;
	struct graph_exec *e;
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = exec_find(handle, &e);
	if (r == CUDA_SUCCESS)
		r = stream_find(ctx, stream, &s);
	if (r == CUDA_SUCCESS)
		r = s->ctx->error;
	if (r == CUDA_SUCCESS)
		r = capture_enter(s, &capturing);
	if (r == CUDA_SUCCESS)
		r = capturing ? capture(e, s) : exec_launch(e, s->ctx, s);
	return context_leave(r);
}
