/* SPDX-License-Identifier: MIT */
/*
 * ctxorder.c - a whole context's order with an event: cuCtxRecordEvent(), cuCtxWaitEvent()
 *
 * Two streams that the program does not see, made when first needed. On `behind`, waits for all
 * other streams precede the record. On `before` lie the waits that all streams were given, so that
 * a stream made later can wait for them too.
 */
#include "capture.h"
#include "context.h"
#include "event.h"
#include "init.h"
#include "stream.h"

CUresult context_order(struct stream *s)
{
	struct stream *before = s->ctx->before;

	if (!before || before->oldest == STREAM_IDLE)
		return CUDA_SUCCESS;
	return stream_queue_wait(s, before, stream_now());
}

static CUresult hidden(struct context *ctx, struct stream **s)
{
	if (!*s)
		*s = stream_create(ctx, CU_STREAM_NON_BLOCKING, 0);
	return *s ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* Neither a context in which a stream captures nor an event of a capture will do. */
static CUresult enter(CUcontext handle, CUevent event, struct context **ctx, struct event **e)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	*ctx = context_by_handle(handle);
	if (!*ctx || !(*ctx)->active || (*ctx)->closing)
		return context_leave(CUDA_ERROR_INVALID_CONTEXT);
	if ((*ctx)->error != CUDA_SUCCESS)
		return context_leave((*ctx)->error);
	*e = HANDLE_FIND(event, HANDLE_EVENT);
	if (!*e)
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	r = capture_refuse_context(*ctx);
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

static CUresult record(struct context *ctx, struct event *e)
{
	uint64_t now = stream_now();
	CUresult r = hidden(ctx, &ctx->behind);
	struct stream *s;

	LIST_FOREACH(s, &ctx->streams, link)
		if (r == CUDA_SUCCESS && s != ctx->behind && s != ctx->before &&
		    !stream_passed(s, now))
			r = stream_queue_wait(ctx->behind, s, now);
	return r == CUDA_SUCCESS ? event_record(e, ctx->behind) : r;
}

CUresult cuCtxRecordEvent(CUcontext handle, CUevent event)
{
	struct context *ctx;
	struct event *e;
	CUresult r = enter(handle, event, &ctx, &e);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(e->ctx == ctx ? record(ctx, e) : CUDA_ERROR_INVALID_HANDLE);
}

static CUresult wait(struct context *ctx, struct event *e)
{
	CUresult r = hidden(ctx, &ctx->before);
	struct stream *s;

	if (r == CUDA_SUCCESS)
		r = event_queue_wait(e, ctx->before);
	LIST_FOREACH(s, &ctx->streams, link)
		if (r == CUDA_SUCCESS && s != ctx->before && !s->closing)
			r = event_queue_wait(e, s);
	return r;
}

CUresult cuCtxWaitEvent(CUcontext handle, CUevent event)
{
	struct context *ctx;
	struct event *e;
	CUresult r = enter(handle, event, &ctx, &e);

	if (r != CUDA_SUCCESS)
		return r;
	if (e->capture) {
		capture_invalidate(e->capture);
		return context_leave(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	}
	return context_leave(wait(ctx, e));
}
