/* SPDX-License-Identifier: MIT */
/*
 * hostfunc.c - the program's functions in streams
 */
#include "hostfunc.h"

#include <stdlib.h>

#include "capture.h"
#include "init.h"
#include "stream.h"

struct host_work {
	struct work work;
	CUhostFn fn;			/* or */
	CUstreamCallback callback;
	CUstream stream;		/* as the program named it */
	void *arg;
};

void hostfunc_call(CUhostFn fn, void *arg)
{
	driver_host_function(true);
	fn(arg);
	driver_host_function(false);
}

static CUresult host_run(struct work *w, struct context *ctx)
{
	struct host_work *h = (struct host_work *)w;

	if (h->fn) {
		hostfunc_call(h->fn, h->arg);
		return CUDA_SUCCESS;
	}
	driver_host_function(true);
	h->callback(h->stream, ctx->error, h->arg);
	driver_host_function(false);
	return CUDA_SUCCESS;
}

/* A callback wants the stream's error, which a graph has no place for. */
static CUresult capture_host(struct stream *s, const struct host_work *h)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_HOST,
				.host = { .fn = h->fn, .userData = h->arg } };

	return h->fn ? capture_node(s, &p) : capture_refuse(s);
}

static CUresult queue(const struct host_work *h)
{
	struct host_work *w;
	bool capturing = false;
	struct stream *s;
	CUresult r = stream_enter(h->stream, &s);

	if (r != CUDA_SUCCESS)
		return r;
	r = capture_enter(s, &capturing);
	if (r == CUDA_SUCCESS && capturing)
		r = capture_host(s, h);
	if (r != CUDA_SUCCESS || capturing)
		return context_leave(r);
	w = malloc(sizeof(*w));
	if (!w)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	*w = *h;
	w->work.run = host_run;
	/* A callback is told of the error; a host function is not called then. */
	w->work.always = h->callback != NULL;
	return context_leave(stream_submit(s, &w->work));
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn fn, void *arg)
{
	return fn ? queue(&(struct host_work){ .fn = fn, .stream = stream, .arg = arg })
		  : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback callback, void *arg,
			     unsigned int flags)
{
	if (!callback || flags)
		return CUDA_ERROR_INVALID_VALUE;
	return queue(&(struct host_work){ .callback = callback, .stream = stream, .arg = arg });
}
