/* SPDX-License-Identifier: MIT */
#include "event.h"

#include <stdlib.h>
#include <time.h>

#include "init.h"
#include "ipcevent.h"
#include "pool.h"
#include "print.h"
#include "stream.h"

#define FLAGS	(CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS)

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

void event_put(struct event *e)
{
	if (--e->refs)
		return;
	ipc_event_close(e->ipc);
	free(e);
}

static void forget_record(struct event *e)
{
	if (e->stream)
		stream_put(e->stream);
	e->stream = NULL;
}

void event_destroy(struct event *e)
{
	context_retire(e->ctx, &e->obj);
	LIST_REMOVE(e, link);
	e->ctx = NULL;
	forget_record(e);
	capture_forget_event(e);
	event_put(e);
}

CUresult event_create(struct context *ctx, unsigned int flags, struct event **out)
{
	struct event *e = calloc(1, sizeof(*e));

	if (!e || handle_create(&e->obj, HANDLE_EVENT)) {
		free(e);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	e->refs = 1;
	e->flags = flags;
	e->ctx = ctx;
	LIST_INSERT_HEAD(&ctx->events, e, link);
	*out = e;
	return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *out, unsigned int flags)
{
	struct context *ctx;
	struct event *e;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || (flags & ~FLAGS) ||
	    ((flags & CU_EVENT_INTERPROCESS) && !(flags & CU_EVENT_DISABLE_TIMING)))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = event_create(ctx, flags, &e);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	if (flags & CU_EVENT_INTERPROCESS) {
		e->ipc = ipc_event_create();
		if (!e->ipc) {
			event_destroy(e);
			return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
		}
	}
	*out = HANDLE_OF(e);
	return context_leave(CUDA_SUCCESS);
}

/*
 * Finds the event; the lock is held on success. Events of other contexts may be asked and waited
 * for, and without one: *ctx may be NULL.
 */
static CUresult enter(CUevent handle, struct event **e, struct context **ctx)
{
	CUresult r = context_enter_any(ctx);

	if (r != CUDA_SUCCESS)
		return r;
	*e = HANDLE_FIND(handle, HANDLE_EVENT);
	if (!*e)
		return context_leave(context_bad_handle(handle, HANDLE_EVENT));
	r = (*e)->ctx->error;
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

/* The same for calls that ask what became of the event. */
static CUresult enter_to_ask(CUevent handle, struct event **e, struct context **ctx)
{
	CUresult r = enter(handle, e, ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = (*e)->capture ? capture_ask_event(*e) : capture_unsafe();
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

/* The event goes in any case; a fault of its context is told here as everywhere. */
CUresult cuEventDestroy_v2(CUevent handle)
{
	struct context *ctx;
	struct event *e;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	e = HANDLE_FIND(handle, HANDLE_EVENT);
	if (!e)
		return context_leave(context_bad_handle(handle, HANDLE_EVENT));
	r = e->ctx->error;
	event_destroy(e);
	return context_leave(r);
}

CUresult cuEventDestroy(CUevent handle)
{
	return cuEventDestroy_v2(handle);
}

struct record {
	struct work work;
	struct event *event;
	int64_t time;
};

static CUresult record_run(struct work *w, struct context *ctx)
{
	(void)ctx;
	((struct record *)w)->time = now_ns();
	return CUDA_SUCCESS;
}

/* With the lock held: the time counts only if the event was not recorded again since. */
static void record_destroy(struct work *w)
{
	struct record *rec = (struct record *)w;

	if (w->seq && rec->event->seq == w->seq)
		rec->event->time = rec->time;
	event_put(rec->event);
	free(rec);
}

static CUresult record_later(struct event *e, struct stream *s)
{
	struct record *rec = calloc(1, sizeof(*rec));
	CUresult r;

	if (!rec)
		return CUDA_ERROR_OUT_OF_MEMORY;
	rec->work.run = record_run;
	rec->work.destroy = record_destroy;
	rec->event = e;
	e->refs++;
	r = stream_submit(s, &rec->work);
	if (r != CUDA_SUCCESS)
		return r;
	forget_record(e);
	stream_get(s);
	e->stream = s;
	e->seq = rec->work.seq;
	e->recorded = true;
	return CUDA_SUCCESS;
}

void event_expect(struct event *e, struct stream *s, uint64_t seq)
{
	stream_get(s);
	forget_record(e);
	capture_forget_event(e);
	e->stream = s;
	e->seq = seq;
	e->recorded = true;
}

void event_happens(struct event *e, struct stream *s, uint64_t seq)
{
	if (e->stream != s || e->seq != seq)
		return;
	e->time = now_ns();
	forget_record(e);
}

CUresult event_record(struct event *e, struct stream *s)
{
	bool capturing;
	CUresult r = capture_enter(s, &capturing);

	if (r != CUDA_SUCCESS)
		return r;
	if (capturing)
		return e->ipc ? capture_refuse(s) : capture_record(s, e);
	if (e->ipc)
		return ipc_event_record(e->ipc, s);
	capture_forget_event(e);
	if (!stream_is_idle(s))
		return record_later(e, s);
	/* Nothing precedes it: it is complete now, and needs no thread. */
	forget_record(e);
	e->seq = 0;
	e->time = now_ns();
	e->recorded = true;
	return CUDA_SUCCESS;
}

static CUresult record(CUevent handle, CUstream stream, bool external)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_EVENT_RECORD,
				.eventRecord.event = handle };
	struct context *ctx;
	struct stream *s;
	struct event *e;
	CUresult r = enter(handle, &e, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find(ctx, stream, &s);
	if (r == CUDA_SUCCESS && s->ctx != e->ctx)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (r == CUDA_SUCCESS && external && !s->capture)
		r = CUDA_ERROR_ILLEGAL_STATE;
	if (r == CUDA_SUCCESS)
		r = external ? capture_node(s, &p) : event_record(e, s);
	return context_leave(r);
}

CUresult cuEventRecord(CUevent handle, CUstream stream)
{
	return record(handle, stream, false);
}

CUresult cuEventRecordWithFlags(CUevent handle, CUstream stream, unsigned int flags)
{
	if (flags & ~CU_EVENT_RECORD_EXTERNAL)
		return CUDA_ERROR_INVALID_VALUE;
	return record(handle, stream, flags & CU_EVENT_RECORD_EXTERNAL);
}

bool event_is_complete(const struct event *e)
{
	if (e->ipc)
		return ipc_event_is_done(e->ipc);
	return !e->stream || stream_passed(e->stream, e->seq);
}

CUresult event_queue_wait(struct event *e, struct stream *s)
{
	if (e->ipc)
		return ipc_event_queue_wait(e, s);
	if (!e->stream || stream_passed(e->stream, e->seq) || e->stream == s)
		return CUDA_SUCCESS;
	return stream_queue_wait(s, e->stream, e->seq);
}

CUresult cuEventQuery(CUevent handle)
{
	struct context *ctx;
	struct event *e;
	CUresult r = enter_to_ask(handle, &e, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(event_is_complete(e) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY);
}

/* The lock is dropped meanwhile. */
static void wait_for(struct event *e)
{
	if (!e->ipc) {
		stream_wait(e->stream, e->seq);
		return;
	}
	e->refs++;
	driver_unlock();
	ipc_event_wait(e->ipc, ipc_event_latest(e->ipc));
	driver_lock();
	event_put(e);
}

CUresult cuEventSynchronize(CUevent handle)
{
	struct context *ctx, *owner;
	struct event *e;
	CUresult r = enter_to_ask(handle, &e, &ctx);

	if (r == CUDA_SUCCESS) {
		owner = e->ctx;
		owner->busy++;
		if (!event_is_complete(e))
			wait_for(e);
		pool_synchronized();
		owner->busy--;
		driver_wake();
		r = context_leave(owner->closing ? CUDA_ERROR_CONTEXT_IS_DESTROYED : owner->error);
	}
	print_flush();
	return r;
}

CUresult cuEventElapsedTime_v2(float *ms, CUevent start, CUevent end)
{
	struct event *a, *b;
	struct context *ctx;
	CUresult r = enter_to_ask(start, &a, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	b = HANDLE_FIND(end, HANDLE_EVENT);
	if (b && b->capture)
		return context_leave(CUDA_ERROR_CAPTURED_EVENT);
	if (!ms || !b || !a->recorded || !b->recorded ||
	    ((a->flags | b->flags) & CU_EVENT_DISABLE_TIMING))
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	if (!event_is_complete(a) || !event_is_complete(b))
		return context_leave(CUDA_ERROR_NOT_READY);
	*ms = (b->time - a->time) / 1e6;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end)
{
	return cuEventElapsedTime_v2(ms, start, end);
}
