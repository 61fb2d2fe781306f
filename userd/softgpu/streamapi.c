/* SPDX-License-Identifier: MIT */
/*
 * streamapi.c - cuStream*: the calls on streams themselves
 */
#include <stdlib.h>

#include "device.h"
#include "event.h"
#include "init.h"
#include "ipcevent.h"
#include "print.h"
#include "stream.h"

static CUresult create(CUstream *out, unsigned int flags)
{
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || (flags & ~CU_STREAM_NON_BLOCKING))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	s = stream_create(ctx, flags, 0);
	if (!s)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	if (handle_create(&s->obj, HANDLE_STREAM)) {
		stream_close(s);
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	*out = HANDLE_OF(s);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuStreamCreate(CUstream *out, unsigned int flags)
{
	return create(out, flags);
}

/* The range of priorities is 0 to 0, and out of range ones are clamped to it. */
CUresult cuStreamCreateWithPriority(CUstream *out, unsigned int flags, int priority)
{
	(void)priority;
	return create(out, flags);
}

/* Returns at once; the work that is queued still runs. */
CUresult cuStreamDestroy_v2(CUstream handle)
{
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	s = HANDLE_FIND(handle, HANDLE_STREAM);
	if (!s)
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	stream_close(s);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuStreamDestroy(CUstream handle)
{
	return cuStreamDestroy_v2(handle);
}

/* Takes the lock and finds the stream, whose own context must be healthy, too. */
static CUresult enter(CUstream handle, struct stream **s)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find(ctx, handle, s);
	if (r == CUDA_SUCCESS)
		r = (*s)->ctx->error;
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUresult cuStreamQuery(CUstream handle)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(stream_is_done(s) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY);
}

CUresult cuStreamSynchronize(CUstream handle)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r == CUDA_SUCCESS)
		r = context_leave(stream_sync(s));
	print_flush();
	return r;
}

CUresult cuStreamGetPriority(CUstream handle, int *priority)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	if (!priority)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*priority = s->priority;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuStreamGetFlags(CUstream handle, unsigned int *flags)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	if (!flags)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*flags = s->flags;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuStreamGetId(CUstream handle, unsigned long long *id)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	if (!id)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*id = s->id;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuStreamGetCtx(CUstream handle, CUcontext *out)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*out = HANDLE_OF(s->ctx);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuStreamGetCtx_v2(CUstream handle, CUcontext *out, CUgreenCtx *green)
{
	if (green)
		*green = NULL;
	return cuStreamGetCtx(handle, out);
}

CUresult cuStreamGetDevice(CUstream handle, CUdevice *dev)
{
	struct stream *s;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	if (!dev)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*dev = s->ctx->device;
	return context_leave(CUDA_SUCCESS);
}


static CUresult wait_run(struct work *w, struct context *ctx)
{
	(void)w;
	(void)ctx;
	return CUDA_SUCCESS;	/* work.after was all there is to it */
}

/* The record that counts is the latest one now; recording the event again later changes nothing. */
CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned int flags)
{
	struct stream *s;
	struct event *e;
	struct work *w;
	CUresult r = enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	e = HANDLE_FIND(event, HANDLE_EVENT);
	if (!e)
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	if (flags & ~CU_EVENT_WAIT_EXTERNAL)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (e->ipc)
		return context_leave(ipc_event_queue_wait(e, s));
	if (!e->stream || stream_passed(e->stream, e->seq) || e->stream == s)
		return context_leave(CUDA_SUCCESS);
	w = calloc(1, sizeof(*w));
	if (!w)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	w->run = wait_run;
	w->after = e->stream;
	w->after_seq = e->seq;
	stream_get(e->stream);
	return context_leave(stream_submit(s, w));
}
