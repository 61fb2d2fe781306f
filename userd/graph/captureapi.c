/* SPDX-License-Identifier: MIT */
/*
 * captureapi.c - cuStreamBeginCapture() to cuStreamEndCapture(), and questions in between
 */
#include "captureapi.h"

#include <stdlib.h>

#include "init.h"

static __thread CUstreamCaptureMode thread_mode;

CUstreamCaptureMode capture_thread_mode(void)
{
	return thread_mode > CU_STREAM_CAPTURE_MODE_RELAXED ? CU_STREAM_CAPTURE_MODE_GLOBAL
							    : thread_mode;
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	CUstreamCaptureMode old = thread_mode;

	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	/* what is no mode is taken, as a GPU's driver does, and is the strictest */
	thread_mode = *mode;
	*mode = old;
	return CUDA_SUCCESS;
}

static CUresult enter(CUstream handle, struct stream **s)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find(ctx, handle, s);
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

static CUresult begin(struct stream *s, struct graph *g, bool own, const struct edge *e, size_t nr,
		      CUstreamCaptureMode mode)
{
	struct capture *c = capture_create(g, mode);
	CUresult r;

	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	c->origin = s;
	c->refs++;
	r = capture_join(c, s, e, nr);
	if (r != CUDA_SUCCESS)
		capture_end(c);
	else
		c->own_graph = own;
	c->refs--;
	return r;
}

static CUresult check_begin(const struct stream *s, CUstreamCaptureMode mode)
{
	if (mode > CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_ERROR_INVALID_VALUE;
	if (s == s->ctx->legacy)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	return s->capture ? CUDA_ERROR_ILLEGAL_STATE : CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode)
{
	struct graph *g = NULL;
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	r = check_begin(s, mode);
	if (r == CUDA_SUCCESS) {
		g = graph_create();
		r = g ? begin(s, g, true, NULL, 0, mode) : CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r != CUDA_SUCCESS && g)
		graph_destroy(g);
	return context_leave(r);
}

CUresult cuStreamBeginCapture(CUstream handle)
{
	return cuStreamBeginCapture_v2(handle, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult cuStreamBeginCaptureToGraph(CUstream handle, CUgraph graph, const CUgraphNode *deps,
				     const CUgraphEdgeData *data, size_t nr,
				     CUstreamCaptureMode mode)
{
	struct edge *e = NULL;
	struct stream *s;
	struct graph *g;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	r = check_begin(s, mode);
	if (r == CUDA_SUCCESS)
		r = graph_find(graph, &g);
	if (r == CUDA_SUCCESS)
		r = graph_edges(g, deps, data, nr, &e);
	if (r == CUDA_SUCCESS)
		r = begin(s, g, false, e, nr, mode);
	free(e);
	return context_leave(r);
}

/* index is scratch: 1 for what leads to n. Edges of a capture go from older nodes to younger ones. */
static void mark(struct graph *g)
{
	struct graph_node *n;
	bool more = true;

	while (more) {
		more = false;
		TAILQ_FOREACH_REVERSE(n, &g->nodes, node_list, link) {
			for (size_t i = 0; n->index && i < n->in.nr; i++) {
				more |= !n->in.e[i].node->index && n->in.e[i].node->id > n->id;
				n->in.e[i].node->index = 1;
			}
		}
	}
}

/* Whether everything that other streams captured leads to what this one captured last. */
static bool is_joined(struct capture *c)
{
	const struct frontier *f = &c->origin->capture->frontier;
	struct stream_capture *sc;
	struct graph_node *n;

	TAILQ_FOREACH(n, &c->graph->nodes, link)
		n->index = 0;
	for (size_t i = 0; i < f->nr; i++)
		f->e[i].node->index = 1;
	mark(c->graph);
	LIST_FOREACH(sc, &c->streams, link)
		for (size_t i = 0; i < sc->frontier.nr; i++)
			if (!sc->frontier.e[i].node->index)
				return false;
	return true;
}

static CUresult end(struct stream *s, CUgraph *out)
{
	struct capture *c = s->capture ? s->capture->capture : NULL;
	CUresult r = CUDA_SUCCESS;
	struct graph *g;
	bool own;

	if (!c)
		return CUDA_ERROR_ILLEGAL_STATE;
	if (c->origin != s) {
		capture_invalidate(c);
		return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
	}
	/* which ends it, too */
	if (c->mode != CU_STREAM_CAPTURE_MODE_RELAXED && c->thread != stream_thread_number())
		r = CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
	else if (c->invalid)
		r = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	else if (!is_joined(c))
		r = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
	own = c->own_graph;
	g = capture_end(c);
	if (r == CUDA_SUCCESS && out)
		*out = HANDLE_OF(g);
	else if (own)
		graph_destroy(g);
	return r;
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *out)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	if (out)
		*out = NULL;
	r = end(s, out);
	driver_unlock();
	users_flush();
	return r;
}

static CUresult tell_frontier(struct stream_capture *sc, const CUgraphNode **nodes,
			      const CUgraphEdgeData **data, size_t *nr)
{
	size_t n = sc->frontier.nr;
	CUgraphNode *handles = realloc(sc->handles, (n + 1) * sizeof(*handles));
	CUgraphEdgeData *d = realloc(sc->data, (n + 1) * sizeof(*d));

	if (handles)
		sc->handles = handles;
	if (d)
		sc->data = d;
	if (!handles || !d)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < n; i++) {
		handles[i] = HANDLE_OF(sc->frontier.e[i].node);
		d[i] = sc->frontier.e[i].data;
	}
	if (nodes)
		*nodes = handles;
	if (data)
		*data = d;
	if (nr)
		*nr = n;
	return CUDA_SUCCESS;
}

/* The further outputs are set only while a capture is active. */
CUresult cuStreamGetCaptureInfo_v3(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id,
				   CUgraph *graph, const CUgraphNode **nodes,
				   const CUgraphEdgeData **data, size_t *nr)
{
	struct capture *c;
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	r = status ? capture_check_legacy(s, false) : CUDA_ERROR_INVALID_VALUE;
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	*status = CU_STREAM_CAPTURE_STATUS_NONE;
	if (!s->capture)
		return context_leave(CUDA_SUCCESS);
	c = s->capture->capture;
	if (c->invalid) {
		*status = CU_STREAM_CAPTURE_STATUS_INVALIDATED;
		return context_leave(CUDA_SUCCESS);
	}
	*status = CU_STREAM_CAPTURE_STATUS_ACTIVE;
	if (id)
		*id = c->id;
	if (graph)
		*graph = HANDLE_OF(c->graph);
	return context_leave(tell_frontier(s->capture, nodes, data, nr));
}

CUresult cuStreamGetCaptureInfo_v2(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id,
				   CUgraph *graph, const CUgraphNode **nodes, size_t *nr)
{
	return cuStreamGetCaptureInfo_v3(handle, status, id, graph, nodes, NULL, nr);
}

CUresult cuStreamGetCaptureInfo(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id)
{
	return cuStreamGetCaptureInfo_v3(handle, status, id, NULL, NULL, NULL, NULL);
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status)
{
	return cuStreamGetCaptureInfo_v3(handle, status, NULL, NULL, NULL, NULL, NULL);
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream handle, CUgraphNode *deps,
					      const CUgraphEdgeData *data, size_t nr,
					      unsigned int flags)
{
	struct edge *e;
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	if (!s->capture)
		return context_leave(CUDA_ERROR_ILLEGAL_STATE);
	if (s->capture->capture->invalid)
		return context_leave(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
	if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = graph_edges(s->capture->capture->graph, deps, data, nr, &e);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	r = flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES ? capture_replace(s->capture, e, nr)
							: capture_merge(s->capture, e, nr);
	free(e);
	return context_leave(r);
}

CUresult cuStreamUpdateCaptureDependencies(CUstream handle, CUgraphNode *deps, size_t nr,
					   unsigned int flags)
{
	return cuStreamUpdateCaptureDependencies_v2(handle, deps, NULL, nr, flags);
}
