/* SPDX-License-Identifier: MIT */
/*
 * bulkcopy.c - the executor's side of bulk copies, and the waiters'
 */
#include "bulk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "env.h"
#include "log.h"
#include "run.h"
#include "worker.h"

#define FLAGS_BYTES 4096u
#define HUGE_PAGE   (2u << 20)

_Static_assert(4 * BULK_SLOTS_MAX * sizeof(uint32_t) <= FLAGS_BYTES, "full and empty, both ways");

/* Flags for a stream to wait for or to raise, on their way there in one call. */
struct ops {
	struct bulk *b;
	CUstream stream;
	unsigned int nr;
	CUstreamBatchMemOpParams op[2 * BULK_TOGETHER_MAX];
};

static CUdeviceptr on_device(const struct bulk *b, const uint32_t *flag)
{
	return b->flags + ((uintptr_t)flag - (uintptr_t)b->in.full);
}

static void add_wait(struct ops *o, const uint32_t *flag, uint32_t turn)
{
	CUstreamBatchMemOpParams *op = &o->op[o->nr++];

	*op = (CUstreamBatchMemOpParams){ .operation = CU_STREAM_MEM_OP_WAIT_VALUE_32 };
	op->waitValue.address = on_device(o->b, flag);
	op->waitValue.value = turn;
	op->waitValue.flags = CU_STREAM_WAIT_VALUE_GEQ;
}

static void add_raise(struct ops *o, const uint32_t *flag, uint32_t turn)
{
	CUstreamBatchMemOpParams *op = &o->op[o->nr++];

	*op = (CUstreamBatchMemOpParams){ .operation = CU_STREAM_MEM_OP_WRITE_VALUE_32 };
	op->writeValue.address = on_device(o->b, flag);
	op->writeValue.value = turn;
	op->writeValue.flags = CU_STREAM_WRITE_VALUE_DEFAULT;
}

static CUresult put(struct ops *o)
{
	unsigned int nr = o->nr;

	o->nr = 0;
	return nr ? real.cuStreamBatchMemOp_v2(o->stream, nr, o->op, 0) : CUDA_SUCCESS;
}

/* In large pages where there are any: the kernel copies into all of it again and again. */
static uint8_t *map_slots(size_t bytes)
{
	uint8_t *mem = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	mem += -(uintptr_t)mem % HUGE_PAGE;
	madvise(mem, bytes, MADV_HUGEPAGE);
	return mem;
}

static void ring_init(struct bulk_ring *r, const char *slots, uint32_t nr_slots,
		      const char *together, uint32_t nr_together)
{
	r->tail = &r->copies;
	r->nr_slots = env_number(slots, 1, BULK_SLOTS_MAX, nr_slots);
	r->together = env_number(together, 1, BULK_TOGETHER_MAX, nr_together);
}

static uint32_t *place(struct bulk_ring *r, uint8_t *mem, uint32_t *flags)
{
	r->mem = mem;
	r->full = flags;
	r->empty = flags + r->nr_slots;
	return r->empty + r->nr_slots;
}

/*
 * The process's own memory, made known to the driver: threads here may still look at it when the
 * context is taken down.
 */
static CUresult pin(struct bulk *b)
{
	size_t in = (size_t)b->in.nr_slots * VWIRE_STRIPE;
	size_t slots = in + (size_t)b->out.nr_slots * VWIRE_STRIPE, all = slots + FLAGS_BYTES;
	uint8_t *mem = map_slots(all);
	uint32_t *flags = (uint32_t *)(mem + slots);
	CUresult r;

	if (!mem)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = real.cuMemHostRegister_v2(mem, all, CU_MEMHOSTREGISTER_DEVICEMAP);
	if (r == CUDA_SUCCESS)
		r = real.cuMemHostGetDevicePointer_v2(&b->flags, flags, 0);
	place(&b->out, mem + in, place(&b->in, mem, flags));
	return r;
}

int bulk_init(struct worker *w)
{
	struct bulk *b = &w->bulk;
	struct ops o = { .b = b, .stream = CU_STREAM_LEGACY };
	CUresult r;

	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	pthread_cond_init(&b->work, NULL);
	ring_init(&b->in, "VGPU_BULK_SLOTS_IN", BULK_SLOTS_IN, "VGPU_BULK_TOGETHER_IN",
		  BULK_TOGETHER_IN);
	ring_init(&b->out, "VGPU_BULK_SLOTS_OUT", BULK_SLOTS_OUT, "VGPU_BULK_TOGETHER_OUT",
		  BULK_TOGETHER_OUT);
	if (!real.cuStreamBatchMemOp_v2 || !real.cuMemHostRegister_v2 ||
	    !real.cuMemHostGetDevicePointer_v2)
		return 0;
	r = pin(b);
	if (r != CUDA_SUCCESS) {
		log_err("cannot pin memory: %s", run_error_name(r));
		return -ENOMEM;
	}
	/* a device that cannot says so here */
	add_raise(&o, b->in.full, 0);
	add_wait(&o, b->in.full, 0);
	b->offered = put(&o) == CUDA_SUCCESS &&
		     getrandom(b->token, sizeof(b->token), 0) == sizeof(b->token);
	return 0;
}

void bulk_offer(struct worker *w, struct vwire_wr *wr)
{
	struct vwire_tlv tlv = {
		.type = htole16(VWIRE_TLV_BULK),
		.len = htole32(sizeof(struct vwire_bulk)),
	};
	struct vwire_bulk v = {
		.magic = htole32(VWIRE_MAGIC),
		.connections = htole32(BULK_CONNECTIONS),
		.lease = htole64(w->lease.id),
	};

	if (!w->bulk.offered)
		return;
	memcpy(v.token, w->bulk.token, sizeof(v.token));
	wr_bytes(wr, &tlv, sizeof(tlv));
	wr_bytes(wr, &v, sizeof(v));
}

static void bulk_add(struct bulk_ring *r, struct bulk_copy *c)
{
	c->next = NULL;
	*r->tail = c;
	r->tail = &c->next;
	r->nr_copies++;
}

static void bulk_del(struct bulk_ring *r, struct bulk_copy *c)
{
	struct bulk_copy **p;

	for (p = &r->copies; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	if (!*p)
		r->tail = p;
	r->nr_copies--;
}

void bulk_in_end(struct bulk *b, struct bulk_copy *c)
{
	if (!c->queued || c->nr_done < c->nr)
		return;
	bulk_del(&b->in, c);
	pthread_cond_broadcast(&b->changed);
	free(c);
}

/* Of k stripes, from i on. */
static size_t bytes_of(const struct bulk_copy *c, uint32_t i, uint32_t k)
{
	uint64_t left = c->bytes - (uint64_t)i * VWIRE_STRIPE, most = (uint64_t)k * VWIRE_STRIPE;

	return left < most ? left : most;
}

size_t bulk_stripe_bytes(const struct bulk_copy *c, uint32_t i)
{
	return bytes_of(c, i, 1);
}

/*
 * How many stripes are copied together: those whose slots stand side by side, and towards the end
 * fewer, so that the last copy is short.
 */
static uint32_t together(const struct bulk_ring *r, uint64_t n, uint32_t left)
{
	uint32_t row = r->nr_slots - n % r->nr_slots;
	uint32_t k = left / 2 < r->together ? left / 2 : r->together;

	k = k < row ? k : row;
	return k ? k : 1;
}

/* Bytes that may be, and a connection for them; else the session is closed. */
static struct bulk_copy *copy_new(struct request *rq, uint64_t bytes)
{
	struct bulk *b = &rq->w->bulk;
	struct bulk_copy *c;
	bool connected;

	pthread_mutex_lock(&b->lock);
	connected = b->nr_connections;
	pthread_mutex_unlock(&b->lock);
	if (!bytes || bytes > VWIRE_BULK_MAX || !connected)
		rq->in.err = true;
	if (!rd_end(&rq->in)) {
		run_bad(rq);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		worker_close(rq->w, CUDA_ERROR_OUT_OF_MEMORY, VWIRE_REASON_PROTOCOL,
			     "no memory for a copy");
		return NULL;
	}
	c->seq = rq->seq;
	c->bytes = bytes;
	c->nr = (bytes + VWIRE_STRIPE - 1) / VWIRE_STRIPE;
	return c;
}

/* With the lock: room for one more. */
static void wait_for_room(struct bulk *b, struct bulk_ring *r)
{
	while (r->nr_copies >= BULK_COPIES_MAX && !b->broken)
		pthread_cond_wait(&b->changed, &b->lock);
}

static void note_result(struct bulk *b, CUresult r)
{
	if (r != CUDA_SUCCESS && run_is_sticky(r))
		bulk_lose(b);
}

/*
 * A copy that fails for itself (its address) still passes its slot on; where the flags fail nothing
 * goes on, and only a lost context does that.
 */
static CUresult begin_in(struct bulk *b, const struct bulk_copy *c, uint64_t dst, CUstream stream)
{
	struct ops o = { .b = b, .stream = stream };
	CUresult first = CUDA_SUCCESS, r;
	uint32_t i, j, k;
	uint64_t n;

	for (i = 0; i < c->nr; i += k) {
		n = c->first + i;
		k = together(&b->in, n, c->nr - i);
		for (j = 0; j < k; j++)
			add_wait(&o, bulk_full(&b->in, n + j), bulk_turn(&b->in, n + j));
		r = put(&o);
		if (r != CUDA_SUCCESS)
			return r;
		if (first == CUDA_SUCCESS)
			first = real.cuMemcpyHtoDAsync_v2(dst + (uint64_t)i * VWIRE_STRIPE,
							  bulk_slot(&b->in, n), bytes_of(c, i, k),
							  stream);
		for (j = 0; j < k; j++)
			add_raise(&o, bulk_empty(&b->in, n + j), bulk_turn(&b->in, n + j));
	}
	return put(&o) ?: first;
}

void bulk_in(struct request *rq)
{
	struct bulk *b = &rq->w->bulk;
	struct vwire_copy_in in;
	struct bulk_copy *c;
	struct queue *q;
	CUresult r;

	rd_copy(&rq->in, &in, sizeof(in));
	q = run_queue(rq, le32toh(in.stream));
	c = copy_new(rq, le64toh(in.bytes));
	if (!c)
		return;
	r = rq->err ?: memory_check(&rq->w->memory, le64toh(in.dst), c->bytes);
	pthread_mutex_lock(&b->lock);
	wait_for_room(b, &b->in);
	c->discard = r != CUDA_SUCCESS || b->lost || b->broken;
	c->first = b->in.next;
	if (!c->discard)
		b->in.next += c->nr;
	b->last_in = c->seq;
	bulk_add(&b->in, c);
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	/* its data is received meanwhile */
	if (!c->discard)
		r = begin_in(b, c, le64toh(in.dst), q->stream);
	note_result(b, r);
	pthread_mutex_lock(&b->lock);
	c->queued = true;
	bulk_in_end(b, c);
	bulk_release(rq->w);
	pthread_mutex_unlock(&b->lock);
	run_result(rq, r);
}

/* All has been sent, or never will be. */
static uint64_t wait_sent(struct worker *w, struct bulk_copy *c)
{
	struct bulk *b = &w->bulk;
	uint64_t sent;

	pthread_mutex_lock(&b->lock);
	while (c->nr_done < c->nr && !(b->broken && c->nr_done == c->nr_begun))
		pthread_cond_wait(&b->changed, &b->lock);
	sent = c->sent;
	bulk_del(&b->out, c);
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	free(c);
	return sent;
}

/* What has been sent has left the device: nobody asks the driver before. */
static void out_done(struct worker *w, struct job *job, CUresult r)
{
	struct vwire_bulk_done done;

	note_result(&w->bulk, r);
	done.bytes = htole64(wait_sent(w, job->copy.slot));
	r = r ?: wait_events(w, job);
	reply_frame(w, VWIRE_OP_BULK_DONE, 0, job->seq, &done, sizeof(done));
	if (job->is_wait)
		reply_result(w, job->op, job->seq, r, NULL, 0);
	else if (r != CUDA_SUCCESS)
		reply_error(w, r, job->op, job->seq);
}

/* Senders may look for k more stripes. */
static void show(struct bulk *b, struct bulk_copy *c, uint32_t k, CUresult copied)
{
	pthread_mutex_lock(&b->lock);
	c->nr += k;
	b->out.next += k;
	if (copied == CUDA_SUCCESS)
		c->nr_good = c->nr;
	pthread_cond_signal(&b->work);
	pthread_mutex_unlock(&b->lock);
}

/* The stripes that were begun are c->nr, those whose copy was are c->nr_good. */
static CUresult begin_out(struct bulk *b, struct bulk_copy *c, uint32_t nr, uint64_t src,
			  CUstream stream)
{
	struct ops o = { .b = b, .stream = stream };
	CUresult r, copied = CUDA_SUCCESS;
	uint32_t i, j, k;
	uint64_t n;

	for (i = 0; i < nr && copied == CUDA_SUCCESS; i += k) {
		n = c->first + i;
		k = together(&b->out, n, nr - i);
		for (j = 0; j < k; j++)
			add_wait(&o, bulk_empty(&b->out, n + j), bulk_turn(&b->out, n + j) - 1);
		r = put(&o);
		if (r != CUDA_SUCCESS)
			return r;
		copied = real.cuMemcpyDtoHAsync_v2(bulk_slot(&b->out, n),
						   src + (uint64_t)i * VWIRE_STRIPE,
						   bytes_of(c, i, k), stream);
		for (j = 0; j < k; j++)
			add_raise(&o, bulk_full(&b->out, n + j), bulk_turn(&b->out, n + j));
		show(b, c, k, copied);
	}
	return put(&o) ?: copied;
}

void bulk_out(struct request *rq)
{
	struct worker *w = rq->w;
	struct bulk *b = &w->bulk;
	struct vwire_copy_out out;
	struct bulk_copy *c;
	struct queue *q;
	struct job *job;
	uint32_t nr;
	CUresult r;

	rd_copy(&rq->in, &out, sizeof(out));
	q = run_queue(rq, le32toh(out.stream)) ?: &w->wait.legacy;
	c = copy_new(rq, le64toh(out.bytes));
	if (!c)
		return;
	job = wait_job(rq, out_done);
	if (!job) {
		free(c);
		worker_close(w, CUDA_ERROR_OUT_OF_MEMORY, VWIRE_REASON_PROTOCOL,
			     "no memory for a copy");
		return;
	}
	r = rq->err ?: memory_check(&w->memory, le64toh(out.src), c->bytes);
	pthread_mutex_lock(&b->lock);
	wait_for_room(b, &b->out);
	c->first = b->out.next;
	nr = c->nr;
	c->nr = 0;
	bulk_add(&b->out, c);
	pthread_mutex_unlock(&b->lock);
	if (r == CUDA_SUCCESS)
		r = begin_out(b, c, nr, le64toh(out.src), q->stream);
	note_result(b, r);
	pthread_mutex_lock(&b->lock);
	bulk_release(w);
	pthread_mutex_unlock(&b->lock);
	job->copy.slot = c;
	job->is_wait = rq->flags & VWIRE_F_WAIT;
	job->is_data = !job->is_wait && !(le32toh(out.flags) & VWIRE_COPY_F_PART);
	job->is_slow = true;
	job->waits = !job->is_wait; /* others' data is looked for once its event has come */
	job->err = r;
	if (r == CUDA_SUCCESS)
		wait_mark(w, job, q);
	wait_submit(w, q, job);
}
