/* SPDX-License-Identifier: MIT */
/*
 * capture.c - what captures: streams that join and leave, nodes behind a frontier, rules
 */
#include "capture.h"

#include <stdlib.h>
#include <string.h>

#include "captureapi.h"
#include "event.h"
#include "graph_kernel.h"
#include "init.h"

static LIST_HEAD(, capture) captures = LIST_HEAD_INITIALIZER(captures);
static uint64_t last_id;
_Atomic unsigned int capture_count;
_Atomic bool capture_ever;

struct capture *capture_create(struct graph *g, CUstreamCaptureMode mode)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->id = ++last_id;
	c->mode = mode;
	c->thread = stream_thread_number();
	c->graph = g;
	g->nr_captures++;
	LIST_INIT(&c->streams);
	LIST_INSERT_HEAD(&captures, c, link);
	capture_count++;
	capture_ever = true;
	return c;
}

static void capture_put(struct capture *c)
{
	if (--c->refs == 0)
		free(c);
}

static CUresult set_frontier(struct frontier *f, const struct edge *e, size_t nr)
{
	struct edge *copy = NULL;

	if (nr) {
		copy = malloc(nr * sizeof(*copy));
		if (!copy)
			return CUDA_ERROR_OUT_OF_MEMORY;
		memcpy(copy, e, nr * sizeof(*copy));
	}
	free(f->e);
	f->e = copy;
	f->nr = nr;
	return CUDA_SUCCESS;
}

CUresult capture_join(struct capture *c, struct stream *s, const struct edge *e, size_t nr)
{
	struct stream_capture *sc = calloc(1, sizeof(*sc));
	CUresult r = sc ? set_frontier(&sc->frontier, e, nr) : CUDA_ERROR_OUT_OF_MEMORY;

	if (r != CUDA_SUCCESS) {
		free(sc);
		return r;
	}
	sc->capture = c;
	sc->stream = s;
	c->refs++;
	LIST_INSERT_HEAD(&c->streams, sc, link);
	s->capture = sc;
	return CUDA_SUCCESS;
}

static void leave(struct stream *s)
{
	struct stream_capture *sc = s->capture;

	LIST_REMOVE(sc, link);
	s->capture = NULL;
	capture_put(sc->capture);
	free(sc->frontier.e);
	free(sc->handles);
	free(sc->data);
	free(sc);
}

/* All of its streams leave. Gives the graph, which is the caller's. */
struct graph *capture_end(struct capture *c)
{
	struct graph *g = c->graph;

	c->refs++;
	LIST_REMOVE(c, link);
	capture_count--;
	c->graph = NULL;
	g->nr_captures--;
	while (!LIST_EMPTY(&c->streams))
		leave(LIST_FIRST(&c->streams)->stream);
	capture_put(c);
	return g;
}

void capture_invalidate(struct capture *c)
{
	c->invalid = true;
}

/* The stream that began it takes the capture along. */
void capture_forget_stream(struct stream *s)
{
	struct capture *c;
	struct graph *g;
	bool own;

	if (!s->capture)
		return;
	c = s->capture->capture;
	c->invalid = true;
	if (c->origin != s) {
		leave(s);
		return;
	}
	own = c->own_graph;
	g = capture_end(c);
	if (own)
		graph_destroy(g);
}

static bool has_blocking(const struct capture *c, const struct context *ctx)
{
	const struct stream_capture *sc;

	LIST_FOREACH(sc, &c->streams, link)
		if (sc->stream->ctx == ctx && !(sc->stream->flags & CU_STREAM_NON_BLOCKING))
			return true;
	return false;
}

/* Work of the legacy stream would be ordered with that of blocking streams. */
CUresult capture_check_legacy(const struct stream *s, bool spoil)
{
	struct capture *c;
	CUresult r = CUDA_SUCCESS;

	if (!s->ctx || s != s->ctx->legacy)
		return r;
	LIST_FOREACH(c, &captures, link) {
		if (!has_blocking(c, s->ctx))
			continue;
		r = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
		if (spoil)
			c->invalid = true;
	}
	return r;
}

CUresult capture_enter(struct stream *s, bool *capturing)
{
	*capturing = false;
	if (LIST_EMPTY(&captures))
		return CUDA_SUCCESS;
	if (!s->capture)
		return capture_check_legacy(s, true);
	if (s->capture->capture->invalid)
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	*capturing = true;
	return CUDA_SUCCESS;
}

CUresult capture_refuse(struct stream *s)
{
	bool capturing;

	if (!s->capture)
		return capture_enter(s, &capturing);
	capture_invalidate(s->capture->capture);
	return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult capture_refuse_context(struct context *ctx)
{
	struct stream_capture *sc;
	CUresult r = CUDA_SUCCESS;
	struct capture *c;

	LIST_FOREACH(c, &captures, link) {
		LIST_FOREACH(sc, &c->streams, link) {
			if (sc->stream->ctx != ctx)
				continue;
			c->invalid = true;
			r = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
		}
	}
	return r;
}

CUresult capture_unsafe(void)
{
	CUstreamCaptureMode mode = capture_thread_mode();
	CUresult r = CUDA_SUCCESS;
	struct capture *c;

	if (LIST_EMPTY(&captures) || mode == CU_STREAM_CAPTURE_MODE_RELAXED)
		return r;
	LIST_FOREACH(c, &captures, link) {
		bool own = c->thread == stream_thread_number() &&
			   c->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
		bool global = mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
			      c->mode == CU_STREAM_CAPTURE_MODE_GLOBAL;

		if (!own && !global)
			continue;
		c->invalid = true;
		r = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	}
	return r;
}

/* A node that is made from a call: what the call gives wrong leaves the capture as it was. */
static CUresult add(struct stream *s, struct graph_node **n, CUgraphNodeParams *p)
{
	struct stream_capture *sc = s->capture;
	struct edge e = { NULL, { 0 } };
	CUresult r;

	if (sc->capture->invalid)
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	r = node_create(sc->capture->graph, p, sc->frontier.e, sc->frontier.nr, n);
	if (r != CUDA_SUCCESS)
		return r;
	e.node = *n;
	r = set_frontier(&sc->frontier, &e, 1);
	if (r != CUDA_SUCCESS)
		capture_invalidate(sc->capture);
	return r;
}

CUresult capture_node(struct stream *s, CUgraphNodeParams *p)
{
	struct graph_node *n;

	return add(s, &n, p);
}

static bool is_programmatic(const CUlaunchAttribute *attrs, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (attrs[i].id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
			return attrs[i].value.programmaticStreamSerializationAllowed;
	return false;
}

/* The next kernel may start when those before it say so. */
static void serialize(struct frontier *f)
{
	for (size_t i = 0; i < f->nr; i++)
		if (f->e[i].node->action->params.type == CU_GRAPH_NODE_TYPE_KERNEL &&
		    f->e[i].data.type == CU_GRAPH_DEPENDENCY_TYPE_DEFAULT)
			f->e[i].data = (CUgraphEdgeData){
				.from_port = CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC,
				.type = CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC,
			};
}

CUresult capture_kernel(struct stream *s, CUgraphNodeParams *p, const CUlaunchAttribute *attrs,
			unsigned int nr)
{
	struct graph_node *n;
	CUresult r;

	if (is_programmatic(attrs, nr))
		serialize(&s->capture->frontier);
	r = add(s, &n, p);
	if (r != CUDA_SUCCESS)
		return r;
	r = graph_kernel_set_attributes(n->action, attrs, nr);
	if (r != CUDA_SUCCESS)
		capture_invalidate(s->capture->capture);
	return r;
}

CUresult capture_add_alloc(struct stream *s, size_t bytes, uint64_t *out)
{
	CUgraphNodeParams p = {
		.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC,
		.alloc = {
			.poolProps = {
				.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE,
					      .id = s->ctx->device },
			},
			.bytesize = bytes,
		},
	};
	CUresult r = capture_node(s, &p);

	if (r == CUDA_SUCCESS)
		*out = p.alloc.dptr;
	return r;
}

CUresult capture_add_free(struct stream *s, uint64_t addr)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free.dptr = addr };

	return capture_node(s, &p);
}

CUresult capture_ask_event(struct event *e)
{
	/* it stands for nothing once its capture is, or was at its end, invalid */
	if (e->capture->invalid)
		return CUDA_ERROR_INVALID_VALUE;
	if (e->capture->graph)
		capture_invalidate(e->capture);
	return CUDA_ERROR_CAPTURED_EVENT;
}

void capture_forget_event(struct event *e)
{
	if (!e->capture)
		return;
	capture_put(e->capture);
	e->capture = NULL;
	free(e->frontier.e);
	e->frontier = (struct frontier){ NULL, 0 };
}

CUresult capture_record(struct stream *s, struct event *e)
{
	struct stream_capture *sc = s->capture;
	CUresult r;

	capture_forget_event(e);
	r = set_frontier(&e->frontier, sc->frontier.e, sc->frontier.nr);
	if (r != CUDA_SUCCESS)
		return r;
	e->capture = sc->capture;
	sc->capture->refs++;
	return CUDA_SUCCESS;
}

/* Both sets, each node once. */
CUresult capture_merge(struct stream_capture *sc, const struct edge *e, size_t nr)
{
	struct frontier *f = &sc->frontier;
	struct edge *p = realloc(f->e, (f->nr + nr + 1) * sizeof(*p));

	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	f->e = p;
	for (size_t i = 0; i < nr; i++) {
		size_t k;

		for (k = 0; k < f->nr && f->e[k].node != e[i].node; k++)
			;
		if (k == f->nr)
			f->e[f->nr++] = e[i];
	}
	return CUDA_SUCCESS;
}

CUresult capture_replace(struct stream_capture *sc, const struct edge *e, size_t nr)
{
	return set_frontier(&sc->frontier, e, nr);
}

static CUresult spoil(struct stream *s, CUresult r)
{
	if (s->capture)
		capture_invalidate(s->capture->capture);
	return r;
}

/* e was recorded in a capture, or s captures, or both. */
CUresult capture_wait(struct stream *s, struct event *e)
{
	struct capture *c = e->capture;
	bool capturing;
	CUresult r;

	if (s->capture && s->capture->capture->invalid)
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	if (!c)
		return spoil(s, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
	if (!c->graph)
		return spoil(s, CUDA_ERROR_CAPTURED_EVENT);
	if (s->capture && s->capture->capture != c) {
		capture_invalidate(c);
		return spoil(s, CUDA_ERROR_STREAM_CAPTURE_MERGE);
	}
	if (c->invalid)
		return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	if (s->capture)
		return capture_merge(s->capture, e->frontier.e, e->frontier.nr);
	/* The legacy stream can be part of no capture. */
	r = capture_enter(s, &capturing);
	if (r == CUDA_SUCCESS && s == s->ctx->legacy) {
		capture_invalidate(c);
		r = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	}
	return r == CUDA_SUCCESS ? capture_join(c, s, e->frontier.e, e->frontier.nr) : r;
}
