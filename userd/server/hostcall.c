/* SPDX-License-Identifier: MIT */
#include "hostcall.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph.h"
#include "log.h"
#include "run.h"
#include "worker.h"

#define LOOK_NS		500000000ull	/* between two looks whether the client is still there */

void hostcall_init(struct worker *w)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&w->calls.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->calls.answered, &attr);
	pthread_condattr_destroy(&attr);
}

/* ---- asking ---- */

static void send_call(struct worker *w, struct job *job, CUresult r)
{
	struct vwire_call head = {
		.call = htole64(job->call.number), .token = htole32(job->call.token),
		.kind = htole32(job->call.kind), .result = htole32(job->call.result),
	};

	(void)r;
	reply_frame(w, VWIRE_OP_CALL, 0, 0, &head, sizeof(head));
}

/*
 * As a job that ends a wait, so that it comes behind the data of the copies that are done. It waits
 * for nothing itself.
 */
static void submit(struct worker *w, uint64_t number, uint32_t token, uint32_t kind, CUresult result)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		log_err("no memory for a call");
		_exit(1);
	}
	job->run = send_call;
	job->is_wait = true;
	job->call.number = number;
	job->call.token = token;
	job->call.kind = kind;
	job->call.result = result;
	wait_submit(w, NULL, job);
}

/* The executor, which would see the end of the connection, may wait for this very stream. */
static bool client_has_gone(struct worker *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLRDHUP };

	return w->out.dead || (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

static void wait_for_answer(struct worker *w, struct call *c)
{
	struct hostcalls *h = &w->calls;

	while (!c->done && !h->over) {
		uint64_t end = worker_now_ns() + LOOK_NS;
		struct timespec t = { .tv_sec = end / 1000000000, .tv_nsec = end % 1000000000 };

		if (pthread_cond_timedwait(&h->answered, &h->lock, &t) && client_has_gone(w))
			h->over = true;
	}
}

static void forget(struct hostcalls *h, struct call *c)
{
	struct call **p = &h->waiting;

	while (*p && *p != c)
		p = &(*p)->next;
	if (*p)
		*p = c->next;
}

bool hostcall_ask(struct worker *w, uint32_t token, uint32_t kind, CUresult result, void *data,
		  size_t bytes)
{
	struct call c = { .data = data, .bytes = bytes };
	struct hostcalls *h = &w->calls;

	pthread_mutex_lock(&h->lock);
	c.number = ++h->last;
	c.next = h->waiting;
	h->waiting = &c;
	pthread_mutex_unlock(&h->lock);
	submit(w, c.number, token, kind, result);
	pthread_mutex_lock(&h->lock);
	wait_for_answer(w, &c);
	forget(h, &c);
	pthread_mutex_unlock(&h->lock);
	return c.done;
}

void hostcall_tell(struct worker *w, uint32_t token, uint32_t kind)
{
	submit(w, 0, token, kind, CUDA_SUCCESS);
}

void hostcall_store(struct worker *w, uint32_t token, const void *data, size_t bytes)
{
	size_t max = w->reply_max - sizeof(struct vwire_frame) - sizeof(struct vwire_call);
	size_t offset, part;

	if (max > VWIRE_DATA_MAX)
		max = VWIRE_DATA_MAX;
	for (offset = 0; offset < bytes; offset += part) {
		struct vwire_call head = {
			.token = htole32(token), .kind = htole32(VWIRE_CALL_STORE),
			.offset = htole64(offset),
		};

		part = bytes - offset < max ? bytes - offset : max;
		head.len = htole32(part);
		reply_parts(w, VWIRE_OP_CALL, &head, sizeof(head), (const uint8_t *)data + offset,
			    part);
	}
}

void hostcall_end(struct worker *w)
{
	pthread_mutex_lock(&w->calls.lock);
	w->calls.over = true;
	pthread_cond_broadcast(&w->calls.answered);
	pthread_mutex_unlock(&w->calls.lock);
}

/* ---- answers ---- */

/* With the lock. An answer of another length than was asked for: false. */
static bool take_part(struct hostcalls *h, struct call *c, const struct vwire_feed *f,
		      const void *data)
{
	size_t n = le64toh(f->len);

	if (le64toh(f->total) != c->bytes || le64toh(f->offset) != c->have ||
	    n > c->bytes - c->have)
		return false;
	if (n)
		memcpy(c->data + c->have, data, n);
	c->have += n;
	if (c->have == c->bytes) {
		c->done = true;
		pthread_cond_broadcast(&h->answered);
	}
	return true;
}

static bool answer(struct worker *w, const struct vwire_feed *f, const void *data)
{
	struct hostcalls *h = &w->calls;
	struct call *c;
	bool ok = true;

	pthread_mutex_lock(&h->lock);
	for (c = h->waiting; c && c->number != le64toh(f->call); c = c->next)
		;
	/* the client has nothing of what was asked for: the stream goes on without */
	if (c && !f->total && c->bytes) {
		c->done = true;
		pthread_cond_broadcast(&h->answered);
	} else if (c) {
		ok = take_part(h, c, f, data);
	}
	pthread_mutex_unlock(&h->lock);
	return ok;
}

bool hostcall_feed(struct worker *w, struct request *rq)
{
	struct vwire_feed f;
	const void *data;

	rd_copy(&rq->in, &f, sizeof(f));
	if (rq->in.err || le64toh(f.len) > VWIRE_DATA_MAX)
		return false;
	data = rd_bytes(&rq->in, le64toh(f.len));
	if (!rd_end(&rq->in))
		return false;
	return f.call ? answer(w, &f, data) : graph_feed(w, &f, data);
}

/* ---- functions in streams ---- */

struct function_call {
	struct worker *w;
	uint32_t token;
};

static void CUDA_CB call_function(void *arg)
{
	struct function_call *f = arg;

	hostcall_ask(f->w, f->token, VWIRE_CALL_FUNCTION, CUDA_SUCCESS, NULL, 0);
	free(f);
}

static void CUDA_CB call_back(CUstream stream, CUresult r, void *arg)
{
	struct function_call *f = arg;

	(void)stream;
	hostcall_ask(f->w, f->token, VWIRE_CALL_FUNCTION, r, NULL, 0);
	free(f);
}

/* ---- copies of what functions may write ---- */

struct fetch {
	struct worker *w;
	uint32_t token;
	size_t bytes;
	void *mem;			/* pinned */
};

static void CUDA_CB fetch_now(void *arg)
{
	struct fetch *f = arg;

	hostcall_ask(f->w, f->token, VWIRE_CALL_FETCH, CUDA_SUCCESS, f->mem, f->bytes);
}

static void fetch_free(struct fetch *f)
{
	if (f->mem)
		real.cuMemFreeHost(f->mem);
	free(f);
}

static void fetched(struct worker *w, struct job *job, CUresult r)
{
	(void)w;
	(void)r;
	fetch_free(job->fetch);
}

static CUresult fetch_copy(struct fetch *f, CUdeviceptr dst, CUstream stream)
{
	CUresult r = real.cuMemHostAlloc(&f->mem, f->bytes, 0);

	if (r == CUDA_SUCCESS)
		r = real.cuLaunchHostFunc(stream, fetch_now, f);
	return r == CUDA_SUCCESS ? real.cuMemcpyHtoDAsync_v2(dst, f->mem, f->bytes, stream) : r;
}

/*
 * The memory is given back behind the copy, or, where that failed, behind what was begun. The driver
 * waits for all streams then, so not on the queue of one: data behind it there would hold up the very
 * calls that a stream waits for.
 */
static CUresult fetch(struct request *rq, const struct vwire_host_func *in, struct queue *q)
{
	uint64_t dst = le64toh(in->dst), n = le64toh(in->bytes);
	CUresult r = n ? memory_check(&rq->w->memory, dst, n) : CUDA_ERROR_INVALID_VALUE;
	struct job *job = r == CUDA_SUCCESS ? wait_job(rq, fetched) : NULL;
	struct fetch *f = job ? calloc(1, sizeof(*f)) : NULL;

	if (!f) {
		free(job);
		return r ? r : CUDA_ERROR_OUT_OF_MEMORY;
	}
	*f = (struct fetch){ .w = rq->w, .token = le32toh(in->token), .bytes = n };
	r = fetch_copy(f, dst, q->stream);
	job->fetch = f;
	job->is_slow = true;
	wait_mark(rq->w, job, q);
	wait_submit(rq->w, &rq->w->wait.context, job);
	return r;
}

void run_cuLaunchHostFunc(struct request *rq)
{
	struct vwire_host_func in;
	struct function_call *f;
	struct queue *q;
	CUresult r;

	rd_copy(&rq->in, &in, sizeof(in));
	q = run_queue(rq, le32toh(in.stream));
	if (!run_args_ready(rq))
		return;
	if (le32toh(in.flags) & VWIRE_HOST_F_FETCH) {
		run_result(rq, fetch(rq, &in, q));
		return;
	}
	f = malloc(sizeof(*f));
	if (!f) {
		run_result(rq, CUDA_ERROR_OUT_OF_MEMORY);
		return;
	}
	*f = (struct function_call){ rq->w, le32toh(in.token) };
	if (le32toh(in.flags) & VWIRE_HOST_F_CALLBACK)
		r = real.cuStreamAddCallback(q->stream, call_back, f, 0);
	else
		r = real.cuLaunchHostFunc(q->stream, call_function, f);
	if (r != CUDA_SUCCESS)
		free(f);
	run_result(rq, r);
}

/* ---- batches of memory operations ---- */

#define OPS_MAX		256

CUresult hostcall_check_ops(struct worker *w, const CUstreamBatchMemOpParams *ops, uint32_t nr)
{
	CUresult r = CUDA_SUCCESS;

	for (uint32_t i = 0; i < nr && r == CUDA_SUCCESS; i++)
		if (ops[i].operation != CU_STREAM_MEM_OP_BARRIER &&
		    ops[i].operation != CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES)
			r = memory_check(&w->memory, ops[i].waitValue.address, 4);
	return r;
}

void run_cuStreamBatchMemOp_v2(struct request *rq)
{
	CUstreamBatchMemOpParams ops[OPS_MAX];
	struct queue *q = run_queue(rq, rd_u32(&rq->in));
	uint32_t nr = rd_u32(&rq->in);
	CUresult r;

	if (nr > OPS_MAX)
		rq->in.err = true;
	else
		rd_copy(&rq->in, ops, nr * sizeof(*ops));
	if (!run_args_ready(rq))
		return;
	r = hostcall_check_ops(rq->w, ops, nr);
	if (r == CUDA_SUCCESS)
		r = real.cuStreamBatchMemOp_v2
			    ? real.cuStreamBatchMemOp_v2(q->stream, nr, ops, 0)
			    : CUDA_ERROR_NOT_SUPPORTED;
	run_result(rq, r);
}
