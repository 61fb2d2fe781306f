/* SPDX-License-Identifier: MIT */
#include "context.h"

#include "run.h"
#include "wait.h"
#include "worker.h"

void context_join(struct queue *q, struct queue *legacy, bool blocking)
{
	q->legacy = legacy;
	q->blocking = blocking;
}

/* What comes later on `to` waits for what is on `from` now. */
static CUresult order(struct queue *from, struct queue *to)
{
	CUresult r = CUDA_SUCCESS;

	if (!from->order)
		r = real.cuEventCreate(&from->order, CU_EVENT_DISABLE_TIMING);
	if (r == CUDA_SUCCESS)
		r = real.cuEventRecord(from->order, from->stream);
	return r == CUDA_SUCCESS ? real.cuStreamWaitEvent(to->stream, from->order, 0) : r;
}

static CUresult order_legacy(struct worker *w, struct queue *legacy)
{
	CUresult r = CUDA_SUCCESS;

	for (struct queue *q = w->wait.streams; q && r == CUDA_SUCCESS; q = q->next_stream) {
		if (q->legacy != legacy || !q->ahead)
			continue;
		r = order(q, legacy);
		q->ahead = false;
	}
	legacy->epoch++;
	return r;
}

CUresult context_order(struct worker *w, struct queue *q)
{
	struct queue *legacy = q->legacy;

	if (legacy == &w->wait.legacy)
		return CUDA_SUCCESS;	/* the driver's */
	if (q == legacy)
		return order_legacy(w, q);
	if (!q->blocking)
		return CUDA_SUCCESS;
	q->ahead = true;
	if (q->epoch == legacy->epoch)
		return CUDA_SUCCESS;
	q->epoch = legacy->epoch;
	return order(legacy, q);
}

void context_leave(struct queue *q)
{
	if (q->ahead)
		order(q, q->legacy);	/* an error comes with its next work */
	q->ahead = false;
}

void context_forget(struct worker *w, struct queue *q)
{
	if (q->order)
		real.cuEventDestroy_v2(q->order);
	q->order = NULL;
	for (struct queue *s = w->wait.streams; s; s = s->next_stream) {
		if (s->legacy != q)
			continue;
		context_join(s, &w->wait.legacy, false);
		s->ahead = false;
	}
}

/* ---- streams ---- */

static CUresult make(CUstream *s, unsigned int flags, int priority, bool has_priority)
{
	if (has_priority)
		return real.cuStreamCreateWithPriority
			       ? real.cuStreamCreateWithPriority(s, flags, priority)
			       : CUDA_ERROR_NOT_SUPPORTED;
	return real.cuStreamCreate(s, flags);
}

/* The legacy stream of an existing context; NULL: there is none. */
static struct queue *legacy_of(struct request *rq, uint32_t number)
{
	struct handle *h;
	struct queue *q;

	if (number == VWIRE_STREAM_LEGACY)
		return &rq->w->wait.legacy;
	h = handles_find(&rq->w->handles, CUDA_HANDLE_stream, number);
	q = h ? h->aux : NULL;
	return q && q->legacy == q ? q : NULL;
}

static void create(struct request *rq, bool has_priority)
{
	uint32_t number = run_new(rq, CUDA_HANDLE_stream);
	uint64_t word = rd_u64(&rq->in);
	int priority = has_priority ? (int)rd_u64(&rq->in) : 0;
	uint32_t context = word >> 32;
	unsigned int flags = (unsigned int)word;
	struct queue *legacy = NULL, *q;
	CUstream stream = NULL;
	CUresult r;

	if (context != number) {
		legacy = legacy_of(rq, context);
		if (!legacy && !rq->err)
			rq->err = CUDA_ERROR_INVALID_HANDLE;
	}
	if (!run_args_ready(rq))
		return;
	rq->w->wait.several |= context != VWIRE_STREAM_LEGACY;
	r = make(&stream, context == VWIRE_STREAM_LEGACY ? flags : flags | CU_STREAM_NON_BLOCKING,
		 priority, has_priority);
	if (r == CUDA_SUCCESS) {
		run_bind(rq, CUDA_HANDLE_stream, number, stream);
		q = run_find_queue(rq, number);
		if (q)
			context_join(q, legacy ? legacy : q, !(flags & CU_STREAM_NON_BLOCKING));
	}
	run_result(rq, r);
}

void run_cuStreamCreate(struct request *rq)
{
	create(rq, false);
}

void run_cuStreamCreateWithPriority(struct request *rq)
{
	create(rq, true);
}

/* ---- the context as a whole ---- */

static void synchronize(struct request *rq, struct queue *legacy)
{
	struct job *job = wait_job(rq, wait_answer);

	if (!job) {
		run_reply(rq, CUDA_ERROR_OUT_OF_MEMORY);
		return;
	}
	job->is_wait = true;
	if (legacy)
		wait_fence_context(rq->w, job, legacy);
	else
		wait_fence(rq->w, job);
	wait_submit(rq->w, legacy ? legacy->fences : &rq->w->wait.context, job);
}

/* All contexts of the client: it has one. */
void run_cuCtxSynchronize(struct request *rq)
{
	if (!run_args_end(rq))
		return;
	/* nobody waits for the answer, but what comes later has to wait */
	if (!(rq->flags & VWIRE_F_WAIT))
		run_result(rq, real.cuCtxSynchronize());
	else
		synchronize(rq, NULL);
}

/* One of several, by its legacy stream. */
void run_cuCtxSynchronize_v2(struct request *rq)
{
	struct queue *legacy = legacy_of(rq, rd_u32(&rq->in));

	if (!legacy && !rq->err)
		rq->err = CUDA_ERROR_INVALID_CONTEXT;
	if (!run_args_end(rq))
		return;
	if (!legacy->fences)
		legacy->fences = wait_queue_fences();
	if (legacy->fences)
		synchronize(rq, legacy);
	else
		run_reply(rq, CUDA_ERROR_OUT_OF_MEMORY);
}

/* ---- limits and orders: the worker's context, so those of all ---- */

void run_cuCtxSetLimit(struct request *rq)
{
	uint32_t limit = rd_u32(&rq->in);
	uint64_t value = rd_u64(&rq->in);
	size_t now = value;
	CUresult r;

	if (!run_args_end(rq))
		return;
	r = real.cuCtxSetLimit ? real.cuCtxSetLimit(limit, value) : CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS && real.cuCtxGetLimit)
		r = real.cuCtxGetLimit(&now, limit);
	run_out_u64(rq, now);
	run_reply(rq, r);
}

void run_cuCtxRecordEvent(struct request *rq)
{
	CUevent event = run_handle(rq, CUDA_HANDLE_event, false);

	if (run_args_ready(rq))
		run_result(rq, real.cuCtxRecordEvent ? real.cuCtxRecordEvent(rq->w->ctx, event)
						     : CUDA_ERROR_NOT_SUPPORTED);
}

void run_cuCtxWaitEvent(struct request *rq)
{
	CUevent event = run_handle(rq, CUDA_HANDLE_event, false);

	if (run_args_ready(rq))
		run_result(rq, real.cuCtxWaitEvent ? real.cuCtxWaitEvent(rq->w->ctx, event)
						   : CUDA_ERROR_NOT_SUPPORTED);
}
