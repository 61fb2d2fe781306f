/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "context.h"
#include "log.h"
#include "sticky.h"
#include "worker.h"

static void bad_handle(struct request *rq)
{
	if (!rq->err)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
}

static struct handle *find(struct request *rq, enum cuda_handle_kind kind, uint32_t number)
{
	struct handle *h = handles_find(&rq->w->handles, kind, number);

	if (!h)
		bad_handle(rq);
	return h;
}

void *run_handle(struct request *rq, enum cuda_handle_kind kind, bool null_ok)
{
	uint32_t number = rd_u32(&rq->in);
	struct handle *h;

	if (!number && null_ok)
		return NULL;
	h = find(rq, kind, number);
	return h ? h->real : NULL;
}

float run_float(struct request *rq)
{
	uint32_t bits = rd_u32(&rq->in);
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

CUdevice run_device(struct request *rq)
{
	if (rd_u64(&rq->in) && !rq->err)
		rq->err = CUDA_ERROR_INVALID_DEVICE;
	return rq->w->device.dev;
}

struct queue *run_find_queue(struct request *rq, uint32_t number)
{
	struct handle *h;

	if (number == VWIRE_STREAM_LEGACY)
		return &rq->w->wait.legacy;
	h = find(rq, CUDA_HANDLE_stream, number);
	return h ? h->aux : NULL;
}

struct queue *run_queue(struct request *rq, uint32_t number)
{
	struct queue *q = run_find_queue(rq, number);
	CUresult r;

	if (!q)
		return NULL;
	q->busy = q->busy_context = true;
	r = context_order(rq->w, q);
	if (r != CUDA_SUCCESS && !rq->err)
		rq->err = r;
	return q;
}

CUstream run_stream(struct request *rq)
{
	struct queue *q = run_queue(rq, rd_u32(&rq->in));

	return q ? q->stream : NULL;
}

/* Taken already, or 0: the client has lost count, and what it would do next is anybody's guess. */
uint32_t run_new(struct request *rq, enum cuda_handle_kind kind)
{
	uint32_t number = rd_u32(&rq->in);

	if (!number || handles_find(&rq->w->handles, kind, number))
		bad_handle(rq);
	return number;
}

void run_bind(struct request *rq, enum cuda_handle_kind kind, uint32_t number, void *real_handle)
{
	struct handle *h = handles_add(&rq->w->handles, kind, number, real_handle);

	if (h && kind == CUDA_HANDLE_stream)
		h->aux = wait_queue_new(rq->w, real_handle);
	if (!h || (kind == CUDA_HANDLE_stream && !h->aux))
		worker_close(rq->w, CUDA_ERROR_OUT_OF_MEMORY, VWIRE_REASON_PROTOCOL,
			     "%s: more objects than a session may have", gen_name(rq->op));
}

void *run_del(struct request *rq, enum cuda_handle_kind kind, uint32_t *number)
{
	struct handle *h;

	*number = rd_u32(&rq->in);
	h = find(rq, kind, *number);
	if (h && kind == CUDA_HANDLE_stream)
		wait_queue_leave(rq->w, h->aux);
	return h ? h->real : NULL;
}

void run_unbind(struct request *rq, enum cuda_handle_kind kind, uint32_t number)
{
	struct handle *h = handles_find(&rq->w->handles, kind, number);

	if (!h)
		return;
	if (kind == CUDA_HANDLE_stream)
		wait_queue_put(rq->w, h->aux);
	handles_del(&rq->w->handles, kind, number);
}

bool run_ready(struct request *rq)
{
	return rd_end(&rq->in) && rq->err == CUDA_SUCCESS;
}

static void out_begin(struct request *rq)
{
	if (!rq->out.start)
		rq->out = wr_init(rq->out_buf, sizeof(rq->out_buf));
}

void run_out_u64(struct request *rq, uint64_t v)
{
	out_begin(rq);
	wr_u64(&rq->out, v);
}

void run_out_blob(struct request *rq, const void *p, size_t n)
{
	out_begin(rq);
	wr_blob(&rq->out, p, n);
}

bool run_is_sticky(CUresult r)
{
	return result_is_sticky(r);
}

const char *run_error_name(CUresult r)
{
	const char *name = NULL;

	if (!real.cuGetErrorName || real.cuGetErrorName(r, &name) != CUDA_SUCCESS || !name)
		return "unknown error";
	return name;
}

void run_reply(struct request *rq, CUresult r)
{
	size_t n = r == CUDA_SUCCESS && rq->out.start ? wr_len(&rq->out) : 0;

	if (run_is_sticky(r))
		rq->w->lost = r;
	reply_result(rq->w, rq->op, rq->seq, r, rq->out_buf, n);
}

/* HAND rows that are always answered use run_reply(): the others are like ASYNC ones. */
void run_result(struct request *rq, CUresult r)
{
	enum cuda_mode mode = gen_mode(rq->op);

	if (mode == CUDA_MODE_SYNC || mode == CUDA_MODE_MEMO || (rq->flags & VWIRE_F_WAIT)) {
		run_reply(rq, r);
		return;
	}
	if (r == CUDA_SUCCESS)
		return;
	if (run_is_sticky(r))
		rq->w->lost = r;
	log_debug("%s: %s", gen_name(rq->op), run_error_name(r));
	reply_error(rq->w, r, rq->op, rq->seq);
}

void run_bad(struct request *rq)
{
	if (rd_end(&rq->in)) {
		run_result(rq, rq->err);
		return;
	}
	worker_close(rq->w, CUDA_ERROR_UNKNOWN, VWIRE_REASON_PROTOCOL, "%s: malformed request %llu",
		     gen_name(rq->op), (unsigned long long)rq->seq);
}

bool run_args_ready(struct request *rq)
{
	if (run_ready(rq))
		return true;
	run_bad(rq);
	return false;
}

/* ---- waits ---- */

static struct job *job_for(struct request *rq)
{
	struct job *job = wait_job(rq, wait_answer);

	if (job)
		job->is_wait = true;
	else
		run_reply(rq, CUDA_ERROR_OUT_OF_MEMORY);
	return job;
}

/* run_bad() would keep the error of one that came without VWIRE_F_WAIT. */
bool run_args_end(struct request *rq)
{
	if (run_ready(rq))
		return true;
	rq->flags |= VWIRE_F_WAIT;
	run_bad(rq);
	return false;
}

void run_cuStreamSynchronize(struct request *rq)
{
	struct queue *q = run_queue(rq, rd_u32(&rq->in));
	struct job *job;

	if (!run_args_end(rq))
		return;
	job = job_for(rq);
	if (!job)
		return;
	wait_mark(rq->w, job, q);
	wait_submit(rq->w, q, job);
}

/* Waits for the event as it is now: one recorded again before the wait ends is waited for again. */
void run_cuEventSynchronize(struct request *rq)
{
	CUevent event = run_handle(rq, CUDA_HANDLE_event, false);
	struct job *job;

	if (!run_args_end(rq))
		return;
	job = job_for(rq);
	if (!job)
		return;
	job->event = event;
	wait_submit(rq->w, NULL, job);
}

/* Success comes behind the data of the copies that it covers, so it may have to wait for that. */
static void query_reply(struct request *rq, CUresult r)
{
	struct job *job;

	if (r != CUDA_SUCCESS) {
		run_reply(rq, r);
		return;
	}
	job = job_for(rq);
	if (job)
		wait_submit(rq->w, NULL, job);
}

void run_cuEventQuery(struct request *rq)
{
	CUevent event = run_handle(rq, CUDA_HANDLE_event, false);

	if (run_args_end(rq))
		query_reply(rq, real.cuEventQuery(event));
}

void run_cuStreamQuery(struct request *rq)
{
	struct queue *q = run_queue(rq, rd_u32(&rq->in));

	if (run_args_end(rq))
		query_reply(rq, real.cuStreamQuery(q->stream));
}

/* ---- memory ---- */

void run_cuMemAlloc_v2(struct request *rq)
{
	struct vwire_map map;
	CUresult r;

	rd_copy(&rq->in, &map, sizeof(map));
	if (!run_args_ready(rq))
		return;
	r = memory_map(&rq->w->memory, le64toh(map.addr), le64toh(map.size));
	if (r == CUDA_SUCCESS)
		reply_used(rq->w);
	run_result(rq, r);
}

static void freed(struct worker *w, struct job *job, CUresult r)
{
	if (r == CUDA_SUCCESS && job->free.unmap) {
		r = memory_unmap(&w->memory, job->free.addr, job->free.size);
		if (r == CUDA_SUCCESS)
			reply_used(w);
	}
	if (r == CUDA_SUCCESS)
		w->freed_untold = job->seq;
	/* A next one that waits for nothing more tells of this one too. */
	if (w->freed_untold && !wait_next_is_over(w, job)) {
		reply_freed(w, w->freed_untold);
		w->freed_untold = 0;
	}
	if (job->is_wait)
		reply_result(w, job->op, job->seq, r, NULL, 0);
	else if (r != CUDA_SUCCESS)
		reply_error(w, r, job->op, job->seq);
}

void run_cuMemFree_v2(struct request *rq)
{
	struct vwire_free in;
	struct job *job;

	rd_copy(&rq->in, &in, sizeof(in));
	if (!run_args_ready(rq))
		return;
	job = wait_job(rq, freed);
	if (!job) {
		run_result(rq, CUDA_ERROR_OUT_OF_MEMORY);
		return;
	}
	job->free.addr = le64toh(in.addr);
	job->free.size = le64toh(in.size);
	job->free.unmap = le32toh(in.flags) & VWIRE_FREE_F_UNMAP;
	job->is_wait = rq->flags & VWIRE_F_WAIT;
	job->is_slow = job->free.unmap;
	wait_fence(rq->w, job);
	wait_submit(rq->w, &rq->w->wait.context, job);
}
