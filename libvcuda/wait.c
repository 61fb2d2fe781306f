// SPDX-License-Identifier: MIT
/*
 * wait.c - waits for streams, contexts and events, and those that need no answer
 */
#include "vcuda_graph.h"
#include "view.h"

/* The stream that the calling thread has waited for last, and up to which frame. */
static __thread struct {
	CUcontext ctx;
	uint32_t number;
	bool whole;		/* and with it for all others of that context */
	uint64_t seq;
} waited;

/*
 * Where nothing is under way but what a wait does not show, the program need not wait: the worker
 * does, before anything that comes later, and what goes wrong is told at the next wait.
 */
static CUresult wait_there(void)
{
	struct vcuda_call c;
	CUresult r;

	vcuda_begin(&c, CUDA_ID_cuCtxSynchronize);
	r = vcuda_async(&c);
	if (!r) {
		vcuda_note_idle(c.seq);
		vcuda_pools_synchronized();
	}
	return r ? r : vcuda_take_error(CUDA_SUCCESS);
}

static void note_waited(CUcontext ctx, uint32_t number, bool whole, uint64_t seq)
{
	waited.ctx = ctx;
	waited.number = number;
	waited.whole = whole;
	waited.seq = seq;
}

static bool is_legacy(uint32_t number)
{
	uint32_t own = VWIRE_STREAM_LEGACY;

	return (!vcuda_several_contexts() || !vcuda_legacy_number(NULL, &own)) && number == own;
}

/* The legacy stream's turn comes when all others are done, but for those that ignore it. */
void vcuda_stream_waited(uint32_t number, uint64_t seq)
{
	if (number == VWIRE_STREAM_LEGACY && !vcuda_has_nonblocking())
		vcuda_note_idle(seq);
	note_waited(vcuda_current(), number, vcuda_legacy_covers() && is_legacy(number), seq);
}

/*
 * What was waited for is not waited for again: by a copy to pageable memory, mostly, behind which
 * programs put a wait all the same. Nothing at all was put on the device since.
 */
static bool was_waited(uint32_t number)
{
	return waited.seq >= vcuda_last_work() && waited.number == number &&
	       waited.ctx == vcuda_current() && waited.seq && !vcuda_has_views() &&
	       !vcuda_is_sharing();
}

/* Without a question: nothing is under way, in the stream at least. */
static bool is_done(CUstream s, CUresult *r)
{
	uint32_t number = 0;

	*r = vcuda_stream_number(s, &number);
	if (!*r && !vcuda_device_idle() && !was_waited(number))
		return false;
	if (!*r)
		*r = vcuda_take_error(CUDA_SUCCESS);
	return true;
}

CUresult hand_cuStreamSynchronize(CUstream s)
{
	struct vcuda_fetch *fetch;
	struct vcuda_call c;
	uint32_t number;
	CUresult r = vcuda_capture_refuse_wait(s);

	if (r)
		return r;
	if (is_done(s, &r)) {
		if (!r)
			vcuda_pools_synchronized();
		return r;
	}
	if (!vcuda_wait_shows())
		return wait_there();
	fetch = vcuda_views_fetch(s);
	vcuda_begin(&c, CUDA_ID_cuStreamSynchronize);
	vcuda_put_stream(&c, s);
	r = vcuda_sync(&c);
	if (!r && !vcuda_stream_number(s, &number))
		vcuda_stream_waited(number, c.seq);
	vcuda_views_fetched(fetch, !r);
	if (!r)
		vcuda_pools_synchronized();
	return r;
}

CUresult hand_cuStreamQuery(CUstream s)
{
	struct vcuda_call c;
	CUresult r = vcuda_capture_refuse_wait(s);

	if (r || is_done(s, &r))
		return r;
	vcuda_begin(&c, CUDA_ID_cuStreamQuery);
	vcuda_put_stream(&c, s);
	r = vcuda_sync(&c);
	return r ? r : vcuda_views_waited();
}

/* Of all contexts where there is but one. */
static CUresult synchronize(CUcontext ctx, struct vcuda_call *c)
{
	uint32_t legacy;
	CUresult r = vcuda_legacy_number(ctx, &legacy);

	if (r)
		return r;
	vcuda_begin(c, vcuda_several_contexts() ? CUDA_ID_cuCtxSynchronize_v2
						: CUDA_ID_cuCtxSynchronize);
	if (c->id == CUDA_ID_cuCtxSynchronize_v2)
		vcuda_put_u64(c, legacy);
	r = vcuda_sync(c);
	if (!r && c->id == CUDA_ID_cuCtxSynchronize)
		vcuda_note_idle(c->seq);
	else if (!r)
		note_waited(ctx ?: vcuda_current(), legacy, true, c->seq);
	return r;
}

static CUresult check_context(CUcontext ctx)
{
	if (!ctx)
		return vcuda_need_context();
	return vcuda_context_ok(ctx) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult vcuda_context_wait(CUcontext ctx)
{
	struct vcuda_fetch *fetch;
	struct vcuda_call c;
	CUresult r = check_context(ctx);

	if (r)
		return r;
	if (!vcuda_device_idle() && !vcuda_wait_shows())
		return wait_there();
	/* the legacy stream's turn comes when all others are done, but for those that ignore it */
	fetch = vcuda_has_nonblocking() || !vcuda_current() ? NULL
							    : vcuda_views_fetch(CU_STREAM_LEGACY);
	r = synchronize(ctx, &c);
	vcuda_views_fetched(fetch, !r);
	if (!r)
		r = vcuda_views_waited();
	if (!r)
		vcuda_pools_synchronized();
	return r;
}

CUresult hand_cuCtxSynchronize_v2(CUcontext ctx)
{
	CUresult r = check_context(ctx);

	if (!r)
		r = vcuda_capture_refuse_context();
	return r ? r : vcuda_context_wait(ctx);
}

/*
 * Natively a context's end is a wait for its work: callbacks have run, copies are there, and text is out.
 * What is known to be done is not asked for again.
 */
void vcuda_context_synchronize(CUcontext ctx)
{
	bool done = waited.whole && waited.ctx == ctx && waited.seq >= vcuda_last_work();
	struct vcuda_call c;

	if (!vcuda_session_check() && !vcuda_sticky_error() && !vcuda_device_idle() &&
	    vcuda_wait_shows() && !(done && !vcuda_has_views() && !vcuda_is_sharing()))
		synchronize(ctx, &c);
}

CUresult hand_cuCtxSynchronize(void)
{
	return hand_cuCtxSynchronize_v2(NULL);
}

/* ---- events ---- */

static CUresult ask_event(enum cuda_id id, CUevent event)
{
	struct vcuda_call c;

	vcuda_begin(&c, id);
	vcuda_put_handle(&c, CUDA_HANDLE_event, event, false);
	return vcuda_sync(&c);
}

/* Without a question, as for streams; not for what another process or a capture has recorded. */
static bool has_happened(CUevent event)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_event, event);

	return o && vcuda_device_idle() && !(o->event.flags & CU_EVENT_INTERPROCESS) && !capture_ever;
}

CUresult hand_cuEventQuery(CUevent event)
{
	CUresult r;

	if (has_happened(event))
		return vcuda_take_error(CUDA_SUCCESS);
	r = ask_event(CUDA_ID_cuEventQuery, event);
	return r ? r : vcuda_views_waited();
}

CUresult hand_cuEventSynchronize(CUevent event)
{
	bool happened = has_happened(event);
	CUresult r = happened ? vcuda_take_error(CUDA_SUCCESS)
			      : ask_event(CUDA_ID_cuEventSynchronize, event);

	if (!r && happened)
		vcuda_pools_synchronized();
	if (happened)
		return r;
	if (!r)
		r = vcuda_views_waited();
	if (!r)
		vcuda_pools_synchronized();
	return r;
}
