// SPDX-License-Identifier: MIT
/*
 * bulk.c - large copies: their requests, and the stripes of their data
 *
 * Each connection has a thread that receives, and all but the first one that sends; the thread that
 * copies sends over the first itself. One copy to the device at a time is sent, so that stripes
 * stand on every connection in the order of their requests. Nothing is staged here: the memory that
 * is used does not depend on the size of a copy.
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
#include "hostcall.h"
#include "ring.h"

#define TAKES_BYTES   (1u << 20)	      /* smaller copies go with the other requests */
#define UNDER_WAY_MAX (4ull * VWIRE_BULK_MAX) /* bytes asked for that have not come */

/* A request for data that has not all come. */
struct inbound {
	struct inbound *next;
	uint64_t seq, bytes, received;
	uint64_t told; /* bytes that were sent, once is_told */
	uint64_t got;  /* stripes that have come, or are coming: bit for bit */
	uint8_t *dst;
	const struct vcuda_wait *owner; /* the only wait that covers it; NULL: any later one */
	bool is_told;
};

_Static_assert(VWIRE_BULK_MAX / VWIRE_STRIPE <= 64, "a bit for each stripe");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* inbound, nr_busy */
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static struct inbound *inbound;
static unsigned int nr_busy; /* receivers that write to the program's memory */
static _Atomic unsigned int nr_inbound;
static _Atomic uint64_t under_way;

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* held while a copy is sent */

bool vcuda_bulk_takes(size_t n, bool wait)
{
	return n >= TAKES_BYTES && vcuda_bulk_open(wait);
}

/* ---- to the device ---- */

CUresult vcuda_bulk_in(CUdeviceptr dst, const void *src, size_t n, uint32_t stream, size_t *taken,
		       uint64_t *seq)
{
	size_t part = n < VWIRE_BULK_MAX ? n : VWIRE_BULK_MAX;
	struct vwire_copy_in h = {
		.dst = htole64(dst),
		.bytes = htole64(part),
		.stream = htole32(stream),
	};
	struct vcuda_iov iov = { &h, sizeof(h) };
	CUresult r;

	if (vcuda_hostcalls())
		vcuda_hostcall_throttle(part);
	pthread_mutex_lock(&turn);
	r = vcuda_submit(VWIRE_OP_BULK_IN, 0, &iov, 1, NULL, seq);
	if (!r)
		vcuda_bulk_send(src, part, *seq);
	pthread_mutex_unlock(&turn);
	*taken = part;
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
		if (in->owner ? in->owner == w : in->is_told && in->seq < w->seq)
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
static CUresult ask(const struct vwire_copy_out *h, uint8_t *dst, const struct vcuda_wait *owner,
		    struct vcuda_wait *w, uint64_t *seq)
{
	struct vcuda_iov iov = { h, sizeof(*h) };
	struct inbound *in = calloc(1, sizeof(*in));
	CUresult r;

	if (!in)
		return CUDA_ERROR_OUT_OF_MEMORY;
	in->bytes = le64toh(h->bytes);
	in->dst = dst;
	in->owner = owner;
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

static bool has_room(void)
{
	return atomic_load(&under_way) <= UNDER_WAY_MAX - VWIRE_BULK_MAX;
}

CUresult vcuda_bulk_out(void *dst, CUdeviceptr src, size_t n, uint32_t stream, bool async,
			uint64_t *seq)
{
	struct vcuda_wait w = { 0 };
	struct vwire_copy_out h = {
		.stream = htole32(stream),
		.flags = htole32(async ? 0 : VWIRE_COPY_F_PART),
	};
	size_t done, part;
	bool last;
	CUresult r = CUDA_SUCCESS;

	for (done = 0; !r && done < n; done += part) {
		part = n - done < VWIRE_BULK_MAX ? n - done : VWIRE_BULK_MAX;
		last = done + part == n;
		h.src = htole64(src + done);
		h.bytes = htole64(part);
		if (!has_room())
			vcuda_receive_until(has_room);
		r = ask(&h, (uint8_t *)dst + done, async ? NULL : &w, last && !async ? &w : NULL,
			seq);
	}
	if (async)
		return r;
	if (!r)
		r = vcuda_wait(&w);
	else
		vcuda_receive_until(nothing_under_way); /* parts that were asked for go to dst */
	free(w.reply);
	if (vcuda_session_error())
		vcuda_bulk_quiesce();
	return r;
}

void vcuda_bulk_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_mutex_init(&turn, NULL);
	pthread_cond_init(&idle, NULL);
	inbound = NULL;
	nr_busy = 0;
	atomic_store(&nr_inbound, 0);
	atomic_store(&under_way, 0);
	vcuda_bulk_link_fork();
}
