/* SPDX-License-Identifier: MIT */
/*
 * session.c - the executor: a client's frames, from HELLO to the end of the connection
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "log.h"
#include "run.h"
#include "worker.h"

#define INPUT_BYTES	(4u << 20)	/* several of the largest frames */
#define HELLO_TIMEOUT_S	10
#define REPLY_MAX_MIN	1024u

_Static_assert(INPUT_BYTES >= 2 * VWIRE_FRAME_MAX, "a frame and what came with it");

/*
 * Bytes [start, end) are not taken yet. Frames are decoded where they are: nothing is read while
 * one is at work.
 */
struct input {
	uint8_t *bytes;
	size_t start, end;
	bool gone;	/* the client has closed, or the connection broke */
	int err;
};

void worker_close(struct worker *w, CUresult r, uint32_t reason, const char *fmt, ...)
{
	char text[VWIRE_TEXT_MAX];
	va_list ap;

	if (atomic_exchange(&w->closing_begun, true))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("lease %llu, %s: closed: %s", (unsigned long long)w->lease.id, w->lease.client,
		 text);
	reply_last(w, w->reply_max ? VWIRE_OP_CLOSED : VWIRE_OP_REFUSED, r, reason, text);
	w->end = reason == VWIRE_REASON_VERSION ? CONTROL_END_VERSION :
		 reason == VWIRE_REASON_LOST	? CONTROL_END_LOST :
						  CONTROL_END_PROTOCOL;
	w->closing = true;
}

static void protocol_error(struct worker *w, const char *what, const struct vwire_frame *f)
{
	worker_close(w, CUDA_ERROR_UNKNOWN, VWIRE_REASON_PROTOCOL,
		     "%s: op 0x%04x, size %u, request %llu", what, le16toh(f->op), le32toh(f->size),
		     (unsigned long long)le64toh(f->seq));
}

static struct halt_poll halt_poll;

static void poll_init(void)
{
	halt_poll_init(&halt_poll);
}

struct halt_poll *worker_poll(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, poll_init);
	return &halt_poll;
}

bool worker_has_input(struct worker *w)
{
	char c;

	return w->input_left || recv(w->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/*
 * A client that waits for one answer after the other sends again within microseconds, and being
 * woken costs more than that: look for a while before sleeping; where it waits now, for as long as
 * that takes, too.
 */
static ssize_t receive(struct worker *w, void *p, size_t n)
{
	struct halt_poll *poll = worker_poll();
	uint64_t start = worker_now_ns(), looked = 0;
	uint64_t look = poll->least + (w->wait.nr_jobs ? halt_poll_ns(poll) : 0);
	ssize_t got;

	while (poll->least && looked < look) {
		got = recv(w->fd, p, n, MSG_DONTWAIT);
		if (got >= 0 || errno != EAGAIN)
			return got;
		halt_poll_pause(poll, looked);
		looked = worker_now_ns() - start;
	}
	return recv(w->fd, p, n, 0);
}

/* At least one more byte; room for a whole frame is made first. */
static void input_fill(struct worker *w, struct input *in)
{
	ssize_t n;

	if (in->start == in->end) {
		in->start = in->end = 0;
	} else if (INPUT_BYTES - in->start < VWIRE_FRAME_MAX) {
		memmove(in->bytes, in->bytes + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	do
		n = receive(w, in->bytes + in->end, INPUT_BYTES - in->end);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		in->end += n;
		return;
	}
	in->gone = true;
	in->err = n < 0 ? errno : 0;
}

static bool size_is_right(uint32_t size)
{
	return size >= sizeof(struct vwire_frame) && size <= VWIRE_FRAME_MAX && size % 8 == 0;
}

/* The next whole frame; NULL at the end of the connection or of the session. */
static const struct vwire_frame *input_frame(struct worker *w, struct input *in)
{
	const struct vwire_frame *f;
	uint32_t size;

	while (!in->gone) {
		size_t n = in->end - in->start;

		f = (const struct vwire_frame *)(in->bytes + in->start);
		if (n >= sizeof(*f)) {
			size = le32toh(f->size);
			if (!size_is_right(size)) {
				protocol_error(w, "wrong size of a frame", f);
				return NULL;
			}
			if (n >= size) {
				in->start += size;
				w->input_left = in->end - in->start;
				return f;
			}
		}
		input_fill(w, in);
	}
	return NULL;
}

/* ---- HELLO and WELCOME ---- */

static bool values_are_known(struct vwire_rd *rd)
{
	struct vwire_tlv t;

	while (!rd->err && (size_t)(rd->end - rd->p) >= sizeof(t)) {
		rd_copy(rd, &t, sizeof(t));
		rd_bytes(rd, le32toh(t.len));
		if (le16toh(t.flags) & VWIRE_TLV_F_REQUIRED)
			return false;
	}
	return !rd->err;
}

static bool hello_fits(struct worker *w, const struct vwire_hello *h)
{
	uint32_t version = le32toh(h->version);
	unsigned long long table = le64toh(h->table_hash);

	if (version >= VWIRE_VERSION_MIN && version <= VWIRE_VERSION && table == GEN_TABLE_HASH)
		return true;
	worker_close(w, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, VWIRE_REASON_VERSION,
		     "the library speaks protocol %u with table %016llx, the server %u to %u with "
		     "table %016llx",
		     version, table, VWIRE_VERSION_MIN, VWIRE_VERSION,
		     (unsigned long long)GEN_TABLE_HASH);
	return false;
}

static bool take_hello(struct worker *w, const struct vwire_frame *f)
{
	struct vwire_rd rd = rd_init(f + 1, le32toh(f->size) - sizeof(*f));
	struct vwire_hello h;

	rd_copy(&rd, &h, sizeof(h));
	if (le16toh(f->op) != VWIRE_OP_HELLO || le32toh(f->size) > VWIRE_CONTROL_MAX || rd.err) {
		protocol_error(w, "no HELLO", f);
		return false;
	}
	if (!hello_fits(w, &h))
		return false;
	if (!values_are_known(&rd) || le32toh(h.reply_max) < REPLY_MAX_MIN) {
		protocol_error(w, "wrong or unknown values in HELLO", f);
		return false;
	}
	w->reply_max = le32toh(h.reply_max) < VWIRE_FRAME_MAX ? le32toh(h.reply_max) & ~7u
							      : VWIRE_FRAME_MAX;
	w->features = (le64toh(h.features) | le64toh(w->lease.lease.features)) &
		      (VWIRE_FEAT_STATUS | VWIRE_FEAT_BULK);
	w->last_seq = le64toh(f->seq);
	log_info("lease %llu, %s: process %u, CUDA %u, tenant %s, %llu bytes",
		 (unsigned long long)w->lease.id, w->lease.client, le32toh(h.pid),
		 le32toh(h.cuda_version), w->lease.lease.tenant,
		 (unsigned long long)w->lease.mem_limit);
	return true;
}

static void put_images(struct worker *w, struct vwire_wr *wr)
{
	uint8_t (*list)[IMAGECACHE_HASH] = calloc(IMAGECACHE_LIST_MAX, sizeof(*list));
	unsigned int nr = list ? imagecache_list(&w->cache, list) : 0;
	struct vwire_tlv tlv = {
		.type = htole16(VWIRE_TLV_IMAGES), .len = htole32(nr * IMAGECACHE_HASH),
	};

	if (nr) {
		wr_bytes(wr, &tlv, sizeof(tlv));
		wr_bytes(wr, list, (size_t)nr * IMAGECACHE_HASH);
	}
	free(list);
}

static void send_welcome(struct worker *w)
{
	struct vwire_welcome head = {
		.version = htole32(VWIRE_VERSION),
		.driver_version = htole32(w->device.driver_version),
		.features = htole64(w->features),
		.table_hash = htole64(GEN_TABLE_HASH),
		.mem_limit = htole64(w->memory.limit),
		.range_base = htole64(w->memory.base),
		.range_bytes = htole64(w->memory.bytes),
		.granularity = htole32(w->memory.granularity),
		.nr_devices = htole32(1),
	};
	static uint8_t buf[16384];
	struct vwire_wr wr = wr_init(buf, sizeof(buf));

	wr_bytes(&wr, &head, sizeof(head));
	device_put(&w->device, &wr);
	bulk_offer(w, &wr);
	put_images(w, &wr);
	reply_frame(w, VWIRE_OP_WELCOME, 0, w->last_seq, buf, wr_len(&wr));
}

static void set_timeout(int fd, int seconds)
{
	struct timeval t = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

static bool greet(struct worker *w, struct input *in)
{
	const struct vwire_frame *f;

	/* A connection that says nothing must not hold a warm worker. */
	set_timeout(w->fd, HELLO_TIMEOUT_S);
	f = input_frame(w, in);
	set_timeout(w->fd, 0);
	if (!f || !take_hello(w, f))
		return false;
	send_welcome(w);
	return true;
}

/* ---- requests ---- */

static void take_frame(struct worker *w, const struct vwire_frame *f)
{
	static struct request rq;	/* the executor's: too large to be cleared for each frame */
	gen_dispatch_fn fn = NULL;

	rq.w = w;
	rq.op = le16toh(f->op);
	rq.flags = le16toh(f->flags);
	rq.seq = le64toh(f->seq);
	rq.in = rd_init(f + 1, le32toh(f->size) - sizeof(*f));
	rq.err = CUDA_SUCCESS;
	rq.out.start = NULL;
	if ((rq.flags & ~VWIRE_F_WAIT) || rq.seq <= w->last_seq) {
		protocol_error(w, "wrong flags or number of a request", f);
		return;
	}
	w->last_seq = rq.seq;
	w->nr_frames++;
	if (rq.op == VWIRE_OP_IMAGE) {
		if (!modules_part(w, &rq))
			protocol_error(w, "wrong part of an image", f);
		return;
	}
	if (rq.op == VWIRE_OP_FEED) {
		if (!hostcall_feed(w, &rq))
			protocol_error(w, "wrong answer, or data that nothing asked for", f);
		return;
	}
	if (rq.op == VWIRE_OP_BULK_IN) {
		rq.op = CUDA_ID_cuMemcpyHtoDAsync_v2;
		return bulk_in(&rq);
	}
	if (rq.op == VWIRE_OP_BULK_OUT) {
		rq.op = CUDA_ID_cuMemcpyDtoHAsync_v2;
		return bulk_out(&rq);
	}
	if (rq.op < VWIRE_OP_CONTROL)
		fn = gen_dispatch_find(rq.op);
	if (fn)
		fn(&rq);
	else
		protocol_error(w, gen_name(rq.op) ? gen_name(rq.op) : "no such request", f);
}

uint32_t worker_serve(struct worker *w)
{
	struct input in = { .bytes = malloc(INPUT_BYTES) };
	const struct vwire_frame *f;

	if (!in.bytes)
		return CONTROL_END_FAULT;
	if (greet(w, &in)) {
		while (!w->closing && (f = input_frame(w, &in)))
			take_frame(w, f);
	}
	free(in.bytes);
	hostcall_end(w);
	if (w->closing)
		return w->end;
	return in.err ? CONTROL_END_LOST : CONTROL_END_CLIENT;
}
