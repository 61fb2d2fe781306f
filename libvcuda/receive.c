// SPDX-License-Identifier: MIT
/*
 * receive.c - what comes in the completion ring
 *
 * No thread of the library's own reads it. Of the threads that wait for replies one is the reader:
 * it handles every frame and wakes the others when theirs have come; when it leaves, another takes
 * over. Frames are copied out before they are decided on, since the peer can write the ring at any
 * time; bulk data goes from the ring to its place, with lengths from the copied header.
 *
 * In direct mode a reader that sleeps lets others read: one that looks on for its reply has it sooner
 * than the sleeper is awake. Who reads then wakes the sleeper, whose reply may have been among them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulk.h"
#include "hostcall.h"
#include "ring.h"
#include "sticky.h"
#include "vcuda.h"

#define REPLY_MAX	(64u << 20)	/* bytes of all frames of one reply */
#define EXPECT_BUCKETS	256

struct expected {			/* a copy to the host that a later wait covers */
	struct expected *next;
	uint64_t seq, bytes;
	uint64_t span;			/* bytes from the first to the last */
	uint8_t *dst;
	struct vcuda_rows rows;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* waits, expected, reading, sleepers */
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct vcuda_wait *waits;
static struct expected *expected[EXPECT_BUCKETS];
static unsigned int nr_expected;
static _Atomic bool reading, dozing; /* dozing: a thread sleeps until there are frames, and lets others read */
static bool watching; /* a thread looks for its reply, which another is to read */
static uint64_t cq_tail;		/* of the reader */
static unsigned int sleepers;

void vcuda_receive_start(void)
{
	cq_tail = 0;
	vcuda_queued_start();
}

/* ---- waits and expected data; all under lock ---- */

void vcuda_receive_add(struct vcuda_wait *w)
{
	pthread_mutex_lock(&lock);
	w->next = waits;
	waits = w;
	pthread_mutex_unlock(&lock);
}

static struct vcuda_wait *find_wait(uint64_t seq)
{
	struct vcuda_wait *w;

	for (w = waits; w && w->seq != seq; w = w->next)
		;
	return w;
}

static void remove_wait(struct vcuda_wait *w)
{
	struct vcuda_wait **p;

	for (p = &waits; *p && *p != w; p = &(*p)->next)
		;
	if (*p)
		*p = w->next;
}

CUresult vcuda_expect_rows(uint64_t seq, void *dst, uint64_t bytes, const struct vcuda_rows *rows,
			   uint64_t span)
{
	struct expected *e = malloc(sizeof(*e));

	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*e = (struct expected){ .seq = seq, .bytes = bytes, .dst = dst, .rows = *rows,
				.span = span };
	pthread_mutex_lock(&lock);
	e->next = expected[seq % EXPECT_BUCKETS];
	expected[seq % EXPECT_BUCKETS] = e;
	nr_expected++;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

CUresult vcuda_expect_data(uint64_t seq, void *dst, uint64_t bytes)
{
	return vcuda_expect_rows(seq, dst, bytes, &(struct vcuda_rows){ 0 }, bytes);
}

static struct expected **find_expected(uint64_t seq)
{
	struct expected **p;

	for (p = &expected[seq % EXPECT_BUCKETS]; *p && (*p)->seq != seq; p = &(*p)->next)
		;
	return p;
}

static void drop_expected(struct expected **p)
{
	struct expected *e = *p;

	*p = e->next;
	nr_expected--;
	free(e);
}

void vcuda_unexpect_data(uint64_t seq)
{
	struct expected **p;

	pthread_mutex_lock(&lock);
	p = find_expected(seq);
	if (*p)
		drop_expected(p);
	pthread_mutex_unlock(&lock);
}

bool vcuda_expects(const void *p, size_t n)
{
	const uint8_t *start = p;
	struct expected *e = NULL;
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; nr_expected && !e && i < EXPECT_BUCKETS; i++)
		for (e = expected[i]; e && (e->dst >= start + n || e->dst + e->span <= start);
		     e = e->next)
			;
	pthread_mutex_unlock(&lock);
	return e || vcuda_bulk_expects(start, n);
}

/* ---- frames; run by the reader alone ---- */

static void protocol_error(const char *what)
{
	vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, what);
}

/* Where data goes; dst NULL: nowhere. */
struct target {
	uint8_t *dst;
	uint64_t bytes;
	struct vcuda_rows rows;
};

/*
 * Of the data of request seq. The destination outlives the copy: its owner waits, or CUDA's rules
 * say so.
 */
static struct target find_target(uint64_t seq)
{
	struct target t = { 0 };
	struct vcuda_wait *w;
	struct expected **e;

	pthread_mutex_lock(&lock);
	w = find_wait(seq);
	e = find_expected(seq);
	if (w)
		t = (struct target){ w->data, w->data_bytes, w->rows };
	else if (*e)
		t = (struct target){ (*e)->dst, (*e)->bytes, (*e)->rows };
	pthread_mutex_unlock(&lock);
	return t;
}

/* Bytes from offset on of what stands row behind row. */
static void put_data(const struct target *t, uint64_t offset, const uint8_t *src, uint64_t len)
{
	const struct vcuda_rows *r = &t->rows;
	uint64_t row, x, n;

	if (!r->width) {
		memcpy(t->dst + offset, src, len);
		return;
	}
	for (; len; len -= n, src += n, offset += n) {
		row = offset / r->width;
		x = offset % r->width;
		n = r->width - x < len ? r->width - x : len;
		memcpy(t->dst + row / r->height * r->slice + row % r->height * r->pitch + x, src, n);
	}
}

static void data_done(uint64_t seq, uint64_t end)
{
	struct expected **e;

	pthread_mutex_lock(&lock);
	e = find_expected(seq);
	if (*e && (*e)->bytes == end)
		drop_expected(e);
	pthread_mutex_unlock(&lock);
}

static void on_data(const struct vwire_frame *f, struct vwire_rd *rd)
{
	uint64_t offset = rd_u64(rd), len = rd_u64(rd);
	const void *src = rd_bytes(rd, len);
	struct target t = { 0 };

	if (src)
		t = find_target(f->seq);
	if (!t.dst || offset > t.bytes || len > t.bytes - offset)
		return protocol_error("data for no copy of this program");
	put_data(&t, offset, src, len);
	data_done(f->seq, offset + len);
}

static bool reply_append(struct vcuda_wait *w, const void *p, size_t n)
{
	uint8_t *buf;

	if (!n)
		return true;
	if (n > REPLY_MAX - w->reply_len)
		return false;
	buf = realloc(w->reply, w->reply_len + n);
	if (!buf)
		return false;
	memcpy(buf + w->reply_len, p, n);
	w->reply = buf;
	w->reply_len += n;
	return true;
}

/* With the lock. Data that comes beside the ring may still be missing. */
static void finish_replied(struct vcuda_wait *w)
{
	if (vcuda_bulk_holds(w))
		return;
	remove_wait(w);
	w->done = true;
	pthread_cond_broadcast(&cond);
}

static void finish(struct vcuda_wait *w, CUresult r)
{
	if (result_is_sticky(r))
		vcuda_keep_error(r);
	pthread_mutex_lock(&lock);
	w->result = r;
	w->told = vcuda_bulk_ends();
	w->replied = true;
	finish_replied(w);
	pthread_mutex_unlock(&lock);
}

void vcuda_receive_again(void)
{
	struct vcuda_wait *w, *next;

	pthread_mutex_lock(&lock);
	for (w = waits; w; w = next) {
		next = w->next;
		if (w->replied)
			finish_replied(w);
	}
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	/* the reader may sleep, and wait for this itself */
	vcuda_transport_wake(vcuda_transport());
}

static void on_bulk_done(uint64_t seq, struct vwire_rd *rd)
{
	struct vwire_bulk_done v;

	rd_copy(rd, &v, sizeof(v));
	if (rd->err || !vcuda_bulk_told(seq, le64toh(v.bytes)))
		return protocol_error("the end of no copy of this program");
}

static void on_reply(const struct vwire_frame *f, struct vwire_rd *rd)
{
	struct vcuda_wait *w;
	struct vwire_reply r;
	bool more = f->flags & VWIRE_F_MORE;

	pthread_mutex_lock(&lock);
	w = find_wait(f->seq);
	pthread_mutex_unlock(&lock);
	rd_copy(rd, &r, sizeof(r));
	if (!w || w->replied || rd->err)
		return protocol_error("reply to no request of this program");
	w->reserved = le32toh(r.reserved);
	if (!reply_append(w, rd->p, rd->end - rd->p))
		return finish(w, CUDA_ERROR_OUT_OF_MEMORY);
	if (!more)
		finish(w, le32toh(r.result));
}

static void on_error(struct vwire_rd *rd)
{
	struct vwire_error e;

	rd_copy(rd, &e, sizeof(e));
	if (rd->err || !e.result)
		return;
	if (le32toh(e.result) == CUDA_ERROR_NOT_SUPPORTED)
		vcuda_tell_newer(le16toh(e.op));
	vcuda_async_error(le32toh(e.result), e.sticky != 0);
	/* what failed calls nothing; a context that is lost, nothing at all */
	if (e.sticky || le16toh(e.op) == CUDA_ID_cuLaunchHostFunc ||
	    le16toh(e.op) == CUDA_ID_cuGraphLaunch)
		vcuda_hostcall_forget();
}

static void on_freed(struct vwire_rd *rd)
{
	struct vwire_freed v;

	rd_copy(rd, &v, sizeof(v));
	vcuda_note_freed(le64toh(v.seq));
	pthread_mutex_lock(&lock);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}

static void on_call(struct vwire_rd *rd)
{
	if (!vcuda_hostcall_take(rd))
		return protocol_error("a call that names nothing of this program");
	vcuda_receive_wake();
}

/* Text of device code goes where the program's own goes, behind what it has printed so far. */
static void on_text(struct vwire_rd *rd)
{
	struct vwire_text head;
	const char *p;
	FILE *to;

	rd_copy(rd, &head, sizeof(head));
	p = rd_bytes(rd, le32toh(head.len));
	if (rd->err)
		return protocol_error("text that is cut off");
	to = le32toh(head.fd) == STDERR_FILENO ? stderr : stdout;
	fwrite(p, 1, le32toh(head.len), to);
	fflush(to);
}

static void on_closed(struct vwire_rd *rd)
{
	struct vwire_refused v;
	char text[VWIRE_TEXT_MAX];
	const char *p;
	size_t n;

	rd_copy(rd, &v, sizeof(v));
	n = le32toh(v.text_len) < sizeof(text) ? le32toh(v.text_len) : sizeof(text) - 1;
	p = rd_bytes(rd, n);
	if (!p)
		n = 0;
	memcpy(text, p ? p : "", n);
	text[n] = 0;
	vcuda_session_lose(v.result ? le32toh(v.result) : CUDA_ERROR_DEVICE_UNAVAILABLE, text);
}

static void on_queued(struct vwire_rd *rd)
{
	struct vwire_queued v;

	rd_copy(rd, &v, sizeof(v));
	if (rd->err)
		return protocol_error("a place in the queue that is cut off");
	vcuda_queued_at(le32toh(v.place));
}

static void handle_frame(const struct vwire_frame *f, struct vwire_rd *rd)
{
	struct vcuda_wait *w;

	switch (f->op) {
	case VWIRE_OP_DATA:
		return on_data(f, rd);
	case VWIRE_OP_ERROR:
		return on_error(rd);
	case VWIRE_OP_FREED:
		return on_freed(rd);
	case VWIRE_OP_CALL:
		return on_call(rd);
	case VWIRE_OP_TEXT:
		return on_text(rd);
	case VWIRE_OP_BULK_DONE:
		return on_bulk_done(f->seq, rd);
	case VWIRE_OP_CLOSED:
	case VWIRE_OP_REFUSED:
		return on_closed(rd);
	case VWIRE_OP_QUEUED:
		return on_queued(rd);
	case VWIRE_OP_STATUS:
		return;
	case VWIRE_OP_WELCOME:			/* answers the greeting, which is request 1 */
		vcuda_queued_at(0);
		pthread_mutex_lock(&lock);
		w = find_wait(1);
		pthread_mutex_unlock(&lock);
		if (!w || !reply_append(w, rd->p, rd->end - rd->p))
			return protocol_error("a second greeting");
		return finish(w, CUDA_SUCCESS);
	default:
		if (f->flags & VWIRE_F_REPLY)
			return on_reply(f, rd);
		protocol_error("a frame of an unknown kind");
	}
}

static uint64_t available(void)
{
	const struct fwd_ring *r = &vcuda_transport()->ring;
	uint64_t n = __atomic_load_n(&r->control->cq_head.index, __ATOMIC_ACQUIRE) - cq_tail;

	if (n > r->cq_bytes) {
		protocol_error("the daemon's ring index is wrong");
		return 0;
	}
	return n;
}

bool vcuda_receive_ready(void)
{
	const struct fwd_ring *r = &vcuda_transport()->ring;

	return __atomic_load_n(&r->control->cq_head.index, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(&r->control->cq_tail.index, __ATOMIC_RELAXED);
}

static void consumed(struct vcuda_transport *t, size_t n)
{
	struct vgpu_control *c = t->ring.control;
	uint32_t wanted;

	cq_tail += n;
	__atomic_store_n(&c->cq_tail.index, cq_tail, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = vcuda_transport_asleep(&c->cq_head);
	if (wanted && available() + wanted <= t->ring.cq_bytes)
		vcuda_transport_ring(t);
	vcuda_stats_bytes(0, n);
}

/* Handles all whole frames that are there. */
static bool read_frames(void)
{
	struct vcuda_transport *t = vcuda_transport();
	uint64_t n = available();
	bool any = false;
	struct vwire_frame f;
	struct vwire_rd rd;
	uint8_t *p;

	while (n >= sizeof(f) && !vcuda_session_error()) {
		p = t->ring.cq + (cq_tail & (t->ring.cq_bytes - 1));
		memcpy(&f, p, sizeof(f));
		f.size = le32toh(f.size);
		f.op = le16toh(f.op);
		f.flags = le16toh(f.flags);
		f.seq = le64toh(f.seq);
		if (f.size < sizeof(f) || f.size % 8 || f.size > VWIRE_FRAME_MAX || f.size > n) {
			protocol_error("a frame with a wrong length");
			break;
		}
		rd = rd_init(p + sizeof(f), f.size - sizeof(f));
		handle_frame(&f, &rd);
		consumed(t, f.size);
		any = true;
		n = available();
	}
	/* frames come whole; who waited for the rest of this one would not sleep meanwhile */
	if (n && n < sizeof(f) && !vcuda_session_error())
		protocol_error("a part of a frame");
	return any;
}

/* ---- who reads ---- */

void vcuda_receive_sleeps(bool yes)
{
	struct vgpu_ring_side *me = &vcuda_transport()->ring.control->cq_tail;

	pthread_mutex_lock(&lock);
	sleepers += yes ? 1 : -1;
	__atomic_store_n(&me->asleep, sleepers > 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
}

static bool become_reader(void)
{
	bool ok;

	pthread_mutex_lock(&lock);
	ok = !reading;
	if (ok)
		reading = true;
	pthread_mutex_unlock(&lock);
	return ok;
}

/* With the lock. any: there were frames. */
static void leave(bool any)
{
	reading = false;
	pthread_cond_broadcast(&cond);
	if (any && dozing)
		vcuda_transport_wake(vcuda_transport());
}

static void stop_reading(bool any)
{
	pthread_mutex_lock(&lock);
	leave(any);
	pthread_mutex_unlock(&lock);
}

void vcuda_drain(void)
{
	if (!vcuda_receive_ready() || !become_reader())
		return;
	stop_reading(read_frames());
}

void vcuda_receive_peer_gone(void)
{
	if (become_reader())
		stop_reading(read_frames());
	vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE,
			   "vgpud, or the connection to the GPU server, has gone");
}

static bool comes_soon(const struct halt_poll *p, uint64_t look)
{
	uint64_t start = look ? vcuda_now_ns() : 0, looked = 0;

	while (look && !available() && !vcuda_session_error()) {
		looked = vcuda_now_ns() - start;
		if (looked > look)
			return false;
		halt_poll_pause(p, looked);
	}
	return look;
}

/* The reader's turn. */
static bool read_some(uint64_t look)
{
	return read_frames() || (comes_soon(&vcuda_transport()->poll, look) && read_frames());
}

/* false: the peer has gone. */
static bool sleep_for_frames(void)
{
	struct vcuda_transport *t = vcuda_transport();
	bool gone = false;

	vcuda_receive_sleeps(true);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vcuda_receive_ready() && !vcuda_session_error())
		gone = vcuda_transport_sleep(t, true, false) < 0;
	vcuda_receive_sleeps(false);
	vcuda_queued_look();
	return !gone || vcuda_receive_ready();
}

/* With the lock, which is dropped meanwhile. */
static bool doze(void)
{
	bool there;

	dozing = true;
	pthread_mutex_unlock(&lock);
	there = sleep_for_frames();
	pthread_mutex_lock(&lock);
	dozing = false;
	pthread_cond_broadcast(&cond);
	return there;
}

void vcuda_receive_lost(void)
{
	pthread_mutex_lock(&lock);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}

static bool wait_over(const struct vcuda_wait *w, uint64_t freed)
{
	return (w ? w->done : vcuda_freed() >= freed) || vcuda_session_error();
}

/*
 * With the lock: frames, or, after a look for so many nanoseconds, a sleep until somebody has handled
 * some. Nobody could wake a thread that sleeps on the module's device.
 */
static void read_once(uint64_t look)
{
	bool any, lends = vcuda_transport()->direct, there = true;

	if (reading || dozing) {
		pthread_cond_wait(&cond, &lock);
		return;
	}
	reading = true;
	pthread_mutex_unlock(&lock);
	any = read_some(look);
	if (!any && !lends)
		there = sleep_for_frames();
	pthread_mutex_lock(&lock);
	leave(any);
	if (!any && lends)
		there = doze();
	if (there)
		return;
	pthread_mutex_unlock(&lock);
	vcuda_receive_peer_gone();
	pthread_mutex_lock(&lock);
}

/*
 * With the lock, which is dropped meanwhile. A thread that has others' data come in handles this
 * reply too; being woken by it takes longer than most replies. One thread at a time looks for that.
 */
static void watch_reader(const struct vcuda_wait *w)
{
	struct halt_poll *p = &vcuda_transport()->poll;
	uint64_t look = halt_poll_ns(p), start = vcuda_now_ns(), looked = 0;

	if (!(reading || dozing) || watching || !look || w->done)
		return;
	watching = true;
	pthread_mutex_unlock(&lock);
	while (!w->done && (reading || dozing) && looked < look) {
		if (!reading)
			vcuda_drain();
		halt_poll_pause(p, looked);
		looked = vcuda_now_ns() - start;
	}
	pthread_mutex_lock(&lock);
	watching = false;
}

/* Until w is done, or, without w, until vcuda_freed() has reached freed. */
static void wait_for(const struct vcuda_wait *w, uint64_t freed)
{
	struct vcuda_transport *t = vcuda_transport();
	uint64_t start = vcuda_now_ns(), took;

	t->nr_waiting++;
	pthread_mutex_lock(&lock);
	if (w)
		watch_reader(w);
	while (!wait_over(w, freed))
		read_once(halt_poll_ns(&t->poll));
	/* The session is lost: the reader may still be writing to what w names. It leaves soon. */
	while (w && !w->done && reading)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	t->nr_waiting--;
	took = vcuda_now_ns() - start;
	halt_poll_note(&t->poll, took);
	vcuda_stats_round_trip(took);
}

void vcuda_receive_wake(void)
{
	vcuda_receive_lost();
}

void vcuda_receive_until(bool (*over)(void))
{
	pthread_mutex_lock(&lock);
	while (!over() && !vcuda_session_error())
		read_once(vcuda_transport()->poll.least);
	pthread_mutex_unlock(&lock);
}

CUresult vcuda_wait(struct vcuda_wait *w)
{
	wait_for(w, 0);
	if (!w->done) {
		pthread_mutex_lock(&lock);
		remove_wait(w);
		pthread_mutex_unlock(&lock);
		return vcuda_session_error();
	}
	return vcuda_take_error(w->result);
}

CUresult vcuda_wait_freed(uint64_t seq)
{
	wait_for(NULL, seq);
	return vcuda_session_error();
}
