// SPDX-License-Identifier: MIT
/*
 * bulk.c - large copies: their requests, and the stripes of their data
 *
 * Each connection has a thread that receives, and all but the first one that sends; the thread that
 * copies sends over the first itself. A copy is cut into requests, whose stripes are sent in turn;
 * the next is made before the last stripes of one are sent, so that its data never has to wait for
 * it at the server. Small requests hold others up there for a shorter time. Nothing is staged here:
 * the memory that is used does not depend on the size of a copy.
 *
 * Lengths, offsets and numbers that come are checked: a server cannot make this write anywhere but
 * where a copy that is under way goes, nor there twice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulk.h"
#include "bulklink.h"
#include "env.h"
#include "hostcall.h"
#include "ring.h"

#define TAKES_BYTES   (1u << 20)	      /* smaller copies go with the other requests */
#define PART_KIB      (VWIRE_BULK_MAX / 4 >> 10) /* of a request */
#define UNDER_WAY_MAX (4ull * VWIRE_BULK_MAX) /* bytes asked for that have not come */
#define AHEAD_MAX     VWIRE_BULK_MAX	      /* those of a copy that waits, beside others */

/* A request for data that has not all come. */
struct inbound {
	struct inbound *next;
	uint64_t seq, bytes, received;
	uint64_t told; /* bytes that were sent, once is_told */
	uint64_t got;  /* stripes that have come, or are coming: bit for bit */
	uint8_t *dst;
	const struct vcuda_wait *owner; /* the only wait that covers it; NULL: any later one */
	uint64_t copy;			/* that it is a part of */
	uint64_t end; /* number of that copy's end, once it is told: what is answered from then on covers it */
	bool is_told, is_last;
};

_Static_assert(VWIRE_BULK_MAX / VWIRE_STRIPE <= 64, "a bit for each stripe");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* inbound, nr_busy */
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static struct inbound *inbound;
static unsigned int nr_busy; /* receivers that write to the program's memory */
static _Atomic unsigned int nr_inbound;
static _Atomic uint64_t under_way, nr_copies, nr_ends;

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* stripes go in the order of requests */
static _Thread_local const struct vcuda_wait *own;	 /* of the copy that this thread waits for */

bool vcuda_bulk_takes(size_t n, bool wait)
{
	return n >= TAKES_BYTES && vcuda_bulk_open(wait);
}

static uint64_t part_max(void)
{
	static _Atomic uint64_t bytes;
	uint64_t v = bytes;

	if (!v)
		bytes = v = (uint64_t)env_number("VGPU_BULK_PART", VWIRE_STRIPE >> 10,
						 VWIRE_BULK_MAX >> 10, PART_KIB) * 1024;
	return v;
}

/* ---- to the device ---- */

static CUresult begin(struct vcuda_outbound *o, const void *src, const struct vwire_copy_in *h,
		      uint64_t *seq)
{
	struct vcuda_iov iov = { h, sizeof(*h) };
	CUresult r;

	if (vcuda_hostcalls())
		vcuda_hostcall_throttle(le64toh(h->bytes));
	pthread_mutex_lock(&turn);
	r = vcuda_submit(VWIRE_OP_BULK_IN, 0, &iov, 1, NULL, seq);
	if (!r)
		vcuda_bulk_begin(o, src, le64toh(h->bytes), *seq);
	pthread_mutex_unlock(&turn);
	return r;
}

CUresult vcuda_bulk_in(CUdeviceptr dst, const void *src, size_t n, uint32_t stream, uint64_t *seq)
{
	struct vcuda_outbound two[2] = { 0 }, *o = NULL;
	struct vwire_copy_in h = { .stream = htole32(stream) };
	size_t done, part;
	CUresult r = CUDA_SUCCESS;

	for (done = 0; !r && done < n; done += part) {
		o = o == two ? two + 1 : two;
		part = n - done < part_max() ? n - done : part_max();
		h.dst = htole64(dst + done);
		h.bytes = htole64(part);
		vcuda_bulk_finish(o);
		r = begin(o, (const uint8_t *)src + done, &h, seq);
		if (!r)
			vcuda_bulk_send(o);
	}
	vcuda_bulk_finish(&two[0]);
	vcuda_bulk_finish(&two[1]);
	vcuda_bulk_settle();
	return r ? r : vcuda_session_error();
}

/* ---- to the host ---- */

static struct inbound **find(uint64_t seq)
{
	struct inbound **p;

	for (p = &inbound; *p && (*p)->seq != seq; p = &(*p)->next)
		;
	return p;
}

static void drop(struct inbound **p)
{
	struct inbound *in = *p;

	*p = in->next;
	atomic_fetch_sub(&under_way, in->bytes);
	atomic_fetch_sub(&nr_inbound, 1);
	free(in);
}

/* With the lock: all of it that was sent is here. */
static bool settle(struct inbound **p)
{
	if (!(*p)->is_told || (*p)->received != (*p)->told)
		return false;
	drop(p);
	return true;
}

uint8_t *vcuda_bulk_claim(uint64_t seq, uint64_t offset, uint64_t len)
{
	uint64_t i = offset / VWIRE_STRIPE, left;
	uint8_t *dst = NULL;
	struct inbound *in;

	pthread_mutex_lock(&lock);
	in = *find(seq);
	if (in && offset < in->bytes && !(in->got >> i & 1) && !vcuda_session_error()) {
		left = in->bytes - offset;
		if (len == (left < VWIRE_STRIPE ? left : VWIRE_STRIPE)) {
			in->got |= 1ull << i;
			dst = in->dst + offset;
			nr_busy++;
		}
	}
	pthread_mutex_unlock(&lock);
	return dst;
}

void vcuda_bulk_received(uint64_t seq, uint64_t len)
{
	struct inbound **p;
	bool over = false;

	pthread_mutex_lock(&lock);
	p = find(seq);
	if (*p) {
		(*p)->received += len;
		over = settle(p);
	}
	if (!--nr_busy)
		pthread_cond_broadcast(&idle);
	pthread_mutex_unlock(&lock);
	if (over)
		vcuda_receive_again();
}

/* With the lock. Parts that came before are there already, and forgotten. */
static void told_last(const struct inbound *last)
{
	uint64_t end = atomic_fetch_add(&nr_ends, 1) + 1;
	struct inbound *in;

	for (in = inbound; in; in = in->next)
		if (in->copy == last->copy)
			in->end = end;
}

uint64_t vcuda_bulk_ends(void)
{
	return atomic_load(&nr_ends);
}

bool vcuda_bulk_told(uint64_t seq, uint64_t bytes)
{
	struct inbound **p;
	bool ok, over = false;

	pthread_mutex_lock(&lock);
	p = find(seq);
	ok = *p && !(*p)->is_told && bytes <= (*p)->bytes && bytes >= (*p)->received;
	if (ok) {
		(*p)->told = bytes;
		(*p)->is_told = true;
		if ((*p)->is_last)
			told_last(*p);
		over = settle(p);
	}
	pthread_mutex_unlock(&lock);
	if (over)
		vcuda_receive_again();
	return ok;
}

bool vcuda_bulk_holds(const struct vcuda_wait *w)
{
	struct inbound *in;

	if (!atomic_load(&nr_inbound))
		return false;
	pthread_mutex_lock(&lock);
	for (in = inbound; in; in = in->next)
		if (in->owner ? in->owner == w : in->end && in->end <= w->told && in->seq < w->seq)
			break;
	pthread_mutex_unlock(&lock);
	return in;
}

bool vcuda_bulk_expects(const uint8_t *p, size_t n)
{
	struct inbound *in;

	if (!atomic_load(&nr_inbound))
		return false;
	pthread_mutex_lock(&lock);
	for (in = inbound; in && (in->dst >= p + n || in->dst + in->bytes <= p); in = in->next)
		;
	pthread_mutex_unlock(&lock);
	return in;
}

void vcuda_bulk_quiesce(void)
{
	pthread_mutex_lock(&lock);
	while (nr_busy)
		pthread_cond_wait(&idle, &lock);
	while (inbound)
		drop(&inbound);
	pthread_mutex_unlock(&lock);
}

static void add(struct inbound *in, uint64_t seq)
{
	in->seq = seq;
	pthread_mutex_lock(&lock);
	in->next = inbound;
	inbound = in;
	atomic_fetch_add(&nr_inbound, 1);
	atomic_fetch_add(&under_way, in->bytes);
	pthread_mutex_unlock(&lock);
}

static void withdraw(uint64_t seq)
{
	struct inbound **p;

	pthread_mutex_lock(&lock);
	p = find(seq);
	if (*p)
		drop(p);
	pthread_mutex_unlock(&lock);
}

/* The place for the data is known before the request is visible. w: it is waited for. */
static CUresult ask(const struct vwire_copy_out *h, const struct inbound *what, struct vcuda_wait *w,
		    uint64_t *seq)
{
	struct vcuda_iov iov = { h, sizeof(*h) };
	struct inbound *in = malloc(sizeof(*in));
	CUresult r;

	if (!in)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*in = *what;
	vcuda_submit_lock();
	*seq = vcuda_next_seq();
	add(in, *seq);
	r = vcuda_submit_locked(VWIRE_OP_BULK_OUT, w ? VWIRE_F_WAIT : 0, &iov, 1, w, NULL);
	if (r)
		withdraw(*seq);
	else if (!w)
		vcuda_note_work(*seq);
	vcuda_submit_unlock();
	return r;
}

static bool nothing_under_way(void)
{
	return !atomic_load(&nr_inbound);
}

/* A copy that waits asks for the rest as the data comes: requests of others go in between. */
static uint64_t own_under_way(void)
{
	struct inbound *in;
	uint64_t bytes = 0;

	pthread_mutex_lock(&lock);
	for (in = inbound; in; in = in->next)
		bytes += in->owner == own ? in->bytes : 0;
	pthread_mutex_unlock(&lock);
	return bytes;
}

static bool has_room(void)
{
	return atomic_load(&under_way) <= UNDER_WAY_MAX - part_max() &&
	       (!own || own_under_way() <= AHEAD_MAX - part_max());
}

/*
 * One wait covers all parts: that of the last one, or any that covers the last one, as the parts are
 * sent in order.
 */
static CUresult ask_all(uint8_t *dst, CUdeviceptr src, size_t n, uint32_t stream,
			struct vcuda_wait *w, uint64_t *seq)
{
	struct inbound in = { .owner = w, .copy = atomic_fetch_add(&nr_copies, 1) };
	struct vwire_copy_out h = { .stream = htole32(stream) };
	size_t done;
	CUresult r = CUDA_SUCCESS;

	own = w;
	for (done = 0; !r && done < n; done += in.bytes) {
		in.dst = dst + done;
		in.bytes = n - done < part_max() ? n - done : part_max();
		in.is_last = done + in.bytes == n;
		h.src = htole64(src + done);
		h.bytes = htole64(in.bytes);
		h.flags = htole32(in.is_last && !w ? 0 : VWIRE_COPY_F_PART);
		if (!has_room())
			vcuda_receive_until(has_room);
		r = ask(&h, &in, in.is_last ? w : NULL, seq);
	}
	own = NULL;
	return r;
}

CUresult vcuda_bulk_out(void *dst, CUdeviceptr src, size_t n, uint32_t stream, bool async,
			uint64_t *seq)
{
	struct vcuda_wait w = { 0 };
	CUresult r = ask_all(dst, src, n, stream, async ? NULL : &w, seq);

	if (r)
		vcuda_receive_until(nothing_under_way); /* parts that were asked for go to dst */
	else if (!async)
		r = vcuda_wait(&w);
	free(w.reply);
	if (vcuda_session_error())
		vcuda_bulk_quiesce();
	return r;
}
