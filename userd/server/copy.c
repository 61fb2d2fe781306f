/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "run.h"
#include "worker.h"

_Static_assert(COPY_SLOT >= VWIRE_DATA_MAX, "a frame's data fits a slot");

static CUresult in_init(struct copy *c)
{
	uint8_t *mem;
	CUresult r = real.cuMemHostAlloc((void **)&mem, (size_t)COPY_IN_SLOTS * COPY_SLOT, 0);

	for (uint32_t i = 0; r == CUDA_SUCCESS && i < COPY_IN_SLOTS; i++) {
		c->in[i].mem = mem + (size_t)i * COPY_SLOT;
		r = real.cuEventCreate(&c->in[i].event,
				       CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC);
	}
	return r;
}

static CUresult pool_init(struct copy_pool *p, uint32_t nr, size_t slot_bytes)
{
	CUresult r;

	*p = (struct copy_pool){ .nr = nr, .slot_bytes = slot_bytes };
	p->free = calloc(nr, sizeof(*p->free));
	if (!p->free)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = real.cuMemHostAlloc((void **)&p->start, nr * slot_bytes, 0);
	while (r == CUDA_SUCCESS && p->nr_free < nr) {
		p->free[p->nr_free] = p->start + p->nr_free * slot_bytes;
		p->nr_free++;
	}
	return r;
}

int copy_init(struct worker *w)
{
	struct copy *c = &w->copy;
	CUresult r;

	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->given, NULL);
	r = in_init(c);
	if (r == CUDA_SUCCESS)
		r = pool_init(&c->small, COPY_OUT_SMALL, COPY_SMALL);
	if (r == CUDA_SUCCESS)
		r = pool_init(&c->large, COPY_OUT_SLOTS, COPY_SLOT);
	if (r == CUDA_SUCCESS)
		return 0;
	log_err("cannot allocate pinned memory: %s", run_error_name(r));
	return -ENOMEM;
}

/*
 * Any slot whose copy is done, the next in turn first. When none is, the executor waits for the
 * oldest: the client has outrun the device by all of the pinned memory.
 */
static struct copy_in_slot *in_take(struct copy *c)
{
	struct copy_in_slot *s;

	for (uint32_t i = 0; i < COPY_IN_SLOTS; i++) {
		s = &c->in[(c->in_next + i) % COPY_IN_SLOTS];
		if (real.cuEventQuery(s->event) != CUDA_ERROR_NOT_READY) {
			c->in_next += i + 1;
			return s;
		}
	}
	s = &c->in[c->in_next++ % COPY_IN_SLOTS];
	real.cuEventSynchronize(s->event);
	return s;
}

struct copy_in_slot *copy_in_take(struct worker *w)
{
	return in_take(&w->copy);
}

CUresult copy_in_begun(struct copy_in_slot *s, CUstream stream)
{
	return real.cuEventRecord(s->event, stream);
}

static CUresult copy_to_device(struct copy *c, const struct vwire_copy_in *in, const void *data,
			       CUstream stream)
{
	uint64_t dst = le64toh(in->dst), n = le64toh(in->bytes);
	struct copy_in_slot *s;
	CUresult r;

	if (!n)
		return CUDA_SUCCESS;
	if (n <= COPY_INLINE)
		return real.cuMemcpyHtoDAsync_v2(dst, data, n, stream);
	s = in_take(c);
	memcpy(s->mem, data, n);
	r = real.cuMemcpyHtoDAsync_v2(dst, s->mem, n, stream);
	if (r == CUDA_SUCCESS)
		r = real.cuEventRecord(s->event, stream);
	return r;
}

void run_cuMemcpyHtoDAsync_v2(struct request *rq)
{
	struct vwire_copy_in in;
	const void *data;
	struct queue *q;
	CUresult r;

	rd_copy(&rq->in, &in, sizeof(in));
	if (le64toh(in.bytes) > VWIRE_DATA_MAX)
		rq->in.err = true;
	data = rd_bytes(&rq->in, le64toh(in.bytes));
	q = run_queue(rq, le32toh(in.stream));
	if (!run_args_ready(rq))
		return;
	r = memory_check(&rq->w->memory, le64toh(in.dst), le64toh(in.bytes));
	if (r == CUDA_SUCCESS)
		r = copy_to_device(&rq->w->copy, &in, data, q->stream);
	run_result(rq, r);
}

static struct copy_pool *pool_for(struct copy *c, size_t n)
{
	return n <= COPY_SMALL ? &c->small : &c->large;
}

/*
 * When no slot is free the executor waits for a waiter to send one's data: a copy of more than all
 * the pinned memory goes piece by piece, and nothing behind it in the connection may start before.
 */
static void *out_take(struct copy *c, size_t n)
{
	struct copy_pool *p = pool_for(c, n);
	void *slot;

	pthread_mutex_lock(&c->lock);
	while (!p->nr_free)
		pthread_cond_wait(&c->given, &c->lock);
	slot = p->free[--p->nr_free];
	pthread_mutex_unlock(&c->lock);
	return slot;
}

static void out_give(struct copy *c, void *slot, size_t n)
{
	struct copy_pool *p = pool_for(c, n);

	pthread_mutex_lock(&c->lock);
	p->free[p->nr_free++] = slot;
	pthread_cond_signal(&c->given);
	pthread_mutex_unlock(&c->lock);
}

static void out_done(struct worker *w, struct job *job, CUresult r)
{
	if (r == CUDA_SUCCESS && job->copy.slot)
		reply_data(w, job->seq, job->copy.offset, job->copy.slot, job->copy.bytes);
	if (job->copy.slot)
		out_give(&w->copy, job->copy.slot, job->copy.bytes);
	if (job->is_wait)
		reply_result(w, job->op, job->seq, r, NULL, 0);
	else if (r != CUDA_SUCCESS)
		reply_error(w, r, job->op, job->seq);
}

void copy_out_end(struct request *rq, struct queue *q, CUresult err)
{
	struct job *job;

	if (!(rq->flags & VWIRE_F_WAIT)) {
		run_result(rq, err);
		return;
	}
	job = wait_job(rq, out_done);
	if (!job) {
		run_result(rq, CUDA_ERROR_OUT_OF_MEMORY);
		return;
	}
	job->is_wait = true;
	job->err = err;
	if (!err)
		wait_mark(rq->w, job, q);
	wait_submit(rq->w, q, job);
}

CUresult copy_out_piece(struct request *rq, struct queue *q, struct copy_out *c)
{
	struct worker *w = rq->w;
	void *slot = out_take(&w->copy, c->bytes);
	CUresult r = c->begin(c, slot, q->stream);
	struct job *job = r == CUDA_SUCCESS ? wait_job(rq, out_done) : NULL;

	if (r == CUDA_SUCCESS && !job)
		r = real.cuStreamSynchronize(q->stream) ?: CUDA_ERROR_OUT_OF_MEMORY;
	if (r != CUDA_SUCCESS) {
		out_give(&w->copy, slot, c->bytes);
		return r;
	}
	job->copy.slot = slot;
	job->copy.offset = c->offset;
	job->copy.bytes = c->bytes;
	job->is_data = true;
	job->is_wait = c->last && (rq->flags & VWIRE_F_WAIT);
	wait_mark(w, job, q);
	wait_submit(w, q, job);
	return r;
}

size_t copy_out_max(struct worker *w)
{
	size_t max = w->reply_max - sizeof(struct vwire_frame) - sizeof(struct vwire_data);

	return max < VWIRE_DATA_MAX ? max : VWIRE_DATA_MAX;
}

struct run_out {
	struct copy_out out;
	uint64_t src;
};

static CUresult begin_run(struct copy_out *c, void *slot, CUstream stream)
{
	struct run_out *o = (struct run_out *)c;

	return real.cuMemcpyDtoHAsync_v2(slot, o->src + c->offset, c->bytes, stream);
}

/* Pieces are also what overlaps the copy over the bus with the way to the client. */
static void out_pieces(struct request *rq, struct queue *q, uint64_t src, uint64_t bytes)
{
	struct run_out o = { .out.begin = begin_run, .src = src };
	size_t max = copy_out_max(rq->w);
	CUresult r;

	while (o.out.offset < bytes) {
		o.out.bytes = bytes - o.out.offset < max ? bytes - o.out.offset : max;
		o.out.last = o.out.offset + o.out.bytes == bytes;
		r = copy_out_piece(rq, q, &o.out);
		if (r != CUDA_SUCCESS) {
			copy_out_end(rq, q, r);
			return;
		}
		o.out.offset += o.out.bytes;
	}
}

void run_cuMemcpyDtoHAsync_v2(struct request *rq)
{
	struct vwire_copy_out out;
	struct queue *q;
	CUresult r;

	rd_copy(&rq->in, &out, sizeof(out));
	q = run_queue(rq, le32toh(out.stream));
	if (!run_args_ready(rq))
		return;
	r = memory_check(&rq->w->memory, le64toh(out.src), le64toh(out.bytes));
	if (r != CUDA_SUCCESS || !out.bytes)
		copy_out_end(rq, q, r);
	else
		out_pieces(rq, q, le64toh(out.src), le64toh(out.bytes));
}
