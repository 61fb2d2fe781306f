/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "net.h"
#include "run.h"
#include "worker.h"

#define NR_IOV	5	/* status, header, two parts, padding */

/* What is left to send. */
struct message {
	struct iovec iov[NR_IOV];
	int nr;
};

static void message_add(struct message *m, const void *p, size_t n)
{
	if (!n)
		return;
	m->iov[m->nr++] = (struct iovec){ .iov_base = (void *)p, .iov_len = n };
}

static size_t message_bytes(const struct message *m)
{
	size_t n = 0;

	for (int i = 0; i < m->nr; i++)
		n += m->iov[i].iov_len;
	return n;
}

/*
 * Sends until all is sent or, with MSG_DONTWAIT, the socket is full. false: the connection is gone.
 */
static bool message_send(struct message *m, int fd, int flags)
{
	int err = net_send(fd, m->iov, m->nr, flags);

	return !err || (err == -EAGAIN && flags & MSG_DONTWAIT);
}

/* With the lock. The executor sees it as the end of its input. */
static void output_die(struct worker *w)
{
	w->out.dead = true;
	w->out.len = 0;
	shutdown(w->fd, SHUT_RDWR);
	pthread_cond_broadcast(&w->out.turn);
}

/* With the lock, which a wait for room drops. All of a message goes in, or none. */
static void backlog_add(struct output *o, const struct message *m)
{
	if (o->dead)
		return;
	for (int i = 0; i < m->nr; i++) {
		const uint8_t *p = m->iov[i].iov_base;
		size_t n = m->iov[i].iov_len;
		size_t at = (o->head + o->len) % REPLY_BACKLOG;
		size_t first = n < REPLY_BACKLOG - at ? n : REPLY_BACKLOG - at;

		memcpy(o->backlog + at, p, first);
		memcpy(o->backlog, p + first, n - first);
		o->len += n;
	}
	if (!o->sending)
		pthread_cond_signal(&o->kick);
}

/* The status rides in front of another frame when there is one to send: it costs no packet then. */
struct status_frame {
	struct vwire_frame frame;
	struct vwire_status status;
};

static bool status_make(struct worker *w, struct status_frame *s)
{
	uint64_t used = w->memory.used;

	if (!w->out.wants_status || used == w->out.status_sent)
		return false;
	*s = (struct status_frame){
		.frame = { .size = htole32(sizeof(*s)), .op = htole16(VWIRE_OP_STATUS) },
		.status = { .mem_used = htole64(used) },
	};
	w->out.status_sent = used;
	w->out.status_at = worker_now_ns();
	return true;
}

/* With the lock, on a thread that may wait: alone with the socket until all is sent. */
static void send_in_turn(struct worker *w, struct message *m)
{
	struct output *o = &w->out;
	bool ok;

	o->sending = true;
	pthread_mutex_unlock(&o->lock);
	ok = message_send(m, w->fd, 0);
	pthread_mutex_lock(&o->lock);
	o->sending = false;
	if (!ok)
		output_die(w);
	if (o->len || o->used_dirty)
		pthread_cond_signal(&o->kick);
	if (!o->len)
		pthread_cond_broadcast(&o->turn);
}

/* With the lock, on the executor. */
static void send_or_keep(struct worker *w, struct message *m)
{
	struct output *o = &w->out;

	if (!o->sending && !o->len) {
		if (!message_send(m, w->fd, MSG_DONTWAIT))
			output_die(w);
		if (!message_bytes(m))
			return;
	}
	while (REPLY_BACKLOG - o->len < message_bytes(m) && !o->dead)
		pthread_cond_wait(&o->turn, &o->lock);
	backlog_add(o, m);
}

static void output_send(struct worker *w, const struct message *frame, bool last)
{
	struct output *o = &w->out;
	struct message m = { .nr = 0 };
	struct status_frame s;

	while (wait_is_waiter && (o->sending || o->len) && !o->dead)
		pthread_cond_wait(&o->turn, &o->lock);
	if (o->dead || o->last || (o->mute && !last))
		return;
	o->last = last;
	if (status_make(w, &s))
		message_add(&m, &s, sizeof(s));
	for (int i = 0; i < frame->nr; i++)
		message_add(&m, frame->iov[i].iov_base, frame->iov[i].iov_len);
	if (wait_is_waiter)
		send_in_turn(w, &m);
	else
		send_or_keep(w, &m);
}

static const uint8_t zeros[8];

/* A frame of header, n1 bytes and n2 bytes, and the padding. */
static void frame_give(struct worker *w, struct vwire_frame *f, const void *p1, size_t n1,
		       const void *p2, size_t n2, bool last)
{
	size_t n = sizeof(*f) + n1 + n2;
	struct message m = { .nr = 0 };

	f->size = htole32(vwire_pad(n));
	message_add(&m, f, sizeof(*f));
	message_add(&m, p1, n1);
	message_add(&m, p2, n2);
	message_add(&m, zeros, vwire_pad(n) - n);
	pthread_mutex_lock(&w->out.lock);
	output_send(w, &m, last);
	pthread_mutex_unlock(&w->out.lock);
}

static void frame_send(struct worker *w, struct vwire_frame *f, const void *p1, size_t n1,
		       const void *p2, size_t n2)
{
	frame_give(w, f, p1, n1, p2, n2, false);
}

void reply_frame(struct worker *w, uint16_t op, uint16_t flags, uint64_t seq, const void *payload,
		 size_t n)
{
	struct vwire_frame f = { .op = htole16(op), .flags = htole16(flags), .seq = htole64(seq) };

	frame_send(w, &f, payload, n, NULL, 0);
}

void reply_parts(struct worker *w, uint16_t op, const void *p1, size_t n1, const void *p2, size_t n2)
{
	struct vwire_frame f = { .op = htole16(op) };

	frame_send(w, &f, p1, n1, p2, n2);
}

static void result_send(struct worker *w, struct vwire_frame *f, CUresult r, uint32_t aux,
			const void *p, size_t n)
{
	struct vwire_reply head = { .result = htole32(r), .reserved = htole32(aux) };

	frame_send(w, f, &head, sizeof(head), p, n);
}

void reply_result(struct worker *w, uint16_t op, uint64_t seq, CUresult r, const void *payload,
		  size_t n)
{
	struct vwire_frame f = { .op = htole16(op),
				 .flags = htole16(VWIRE_F_REPLY),
				 .seq = htole64(seq) };

	result_send(w, &f, r, 0, payload, n);
}

void reply_table(struct worker *w, uint16_t op, uint64_t seq, CUresult r, uint32_t aux,
		 const void *payload, size_t n)
{
	size_t max = w->reply_max - sizeof(struct vwire_frame) - sizeof(struct vwire_reply);
	const uint8_t *p = payload;
	struct vwire_frame f = { .op = htole16(op), .seq = htole64(seq) };

	do {
		size_t part = n < max ? n : max;

		f.flags = htole16(VWIRE_F_REPLY | (n > part ? VWIRE_F_MORE : 0));
		result_send(w, &f, r, aux, p, part);
		n -= part;
		if (n)		/* p is NULL where there is nothing */
			p += part;
	} while (n);
}

void reply_data(struct worker *w, uint64_t seq, uint64_t offset, const void *data, size_t n)
{
	struct vwire_frame f = { .op = htole16(VWIRE_OP_DATA), .seq = htole64(seq) };
	struct vwire_data d = { .offset = htole64(offset), .len = htole64(n) };

	frame_send(w, &f, &d, sizeof(d), data, n);
}

/* One that still waits to be sent is enough: it came first. */
void reply_error(struct worker *w, CUresult r, uint16_t op, uint64_t seq)
{
	struct {
		struct vwire_frame frame;
		struct vwire_error error;
	} f = {
		.frame = { .size = htole32(sizeof(f)), .op = htole16(VWIRE_OP_ERROR) },
		.error = {
			.result = htole32(r), .op = htole16(op), .sticky = htole16(run_is_sticky(r)), .seq = htole64(seq),
		},
	};
	struct message m = { .nr = 0 };

	message_add(&m, &f, sizeof(f));
	pthread_mutex_lock(&w->out.lock);
	if (!w->out.error_waits) {
		output_send(w, &m, false);
		w->out.error_waits = w->out.len > 0;
	}
	pthread_mutex_unlock(&w->out.lock);
}

void reply_freed(struct worker *w, uint64_t seq)
{
	struct vwire_freed f = { .seq = htole64(seq) };

	reply_frame(w, VWIRE_OP_FREED, 0, 0, &f, sizeof(f));
}

void reply_used(struct worker *w)
{
	struct output *o = &w->out;

	pthread_mutex_lock(&o->lock);
	if (!o->used_dirty)
		pthread_cond_signal(&o->kick);
	o->used_dirty = true;
	pthread_mutex_unlock(&o->lock);
}

void reply_last(struct worker *w, uint16_t op, CUresult r, uint32_t reason, const char *text)
{
	size_t n = strnlen(text, VWIRE_TEXT_MAX - 1);
	struct vwire_refused head = {
		.result = htole32(r), .reason = htole32(reason), .version = htole16(VWIRE_VERSION),
		.version_min = htole16(VWIRE_VERSION_MIN), .text_len = htole32(n),
	};
	struct vwire_frame f = { .op = htole16(op) };

	frame_give(w, &f, &head, sizeof(head), text, n, true);
}

void reply_mute(struct worker *w)
{
	pthread_mutex_lock(&w->out.lock);
	w->out.mute = true;
	pthread_mutex_unlock(&w->out.lock);
}

bool reply_is_idle(struct worker *w)
{
	bool idle;

	pthread_mutex_lock(&w->out.lock);
	idle = !w->out.sending && !w->out.len;
	pthread_mutex_unlock(&w->out.lock);
	return idle;
}

static struct timespec time_of(uint64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

void reply_drain(struct worker *w, int ms)
{
	struct timespec end = time_of(worker_now_ns() + ms * 1000000ull);
	struct output *o = &w->out;

	pthread_mutex_lock(&o->lock);
	while ((o->sending || o->len) && !o->dead)
		if (pthread_cond_timedwait(&o->turn, &o->lock, &end))
			break;
	pthread_mutex_unlock(&o->lock);
}

/* With the lock, which is dropped while a part of the backlog is sent. */
static void backlog_send(struct worker *w)
{
	struct output *o = &w->out;
	size_t n = o->len < REPLY_BACKLOG - o->head ? o->len : REPLY_BACKLOG - o->head;
	struct message m = { .nr = 0 };
	bool ok;

	message_add(&m, o->backlog + o->head, n);
	o->sending = true;
	pthread_mutex_unlock(&o->lock);
	ok = message_send(&m, w->fd, 0);
	pthread_mutex_lock(&o->lock);
	o->sending = false;
	o->head = (o->head + n) % REPLY_BACKLOG;
	o->len -= n;
	if (!o->len)
		o->error_waits = false;
	if (!ok)
		output_die(w);
	pthread_cond_broadcast(&o->turn);
}

static void status_tell(struct worker *w)
{
	struct message m = { .nr = 0 };
	struct status_frame s;

	if (!status_make(w, &s))
		return;
	message_add(&m, &s, sizeof(s));
	send_in_turn(w, &m);
}

static void used_tell(struct worker *w)
{
	struct control_used u = {
		.head = { .version = CONTROL_VERSION, .type = CONTROL_USED },
		.mem_used = w->memory.used,
	};

	w->out.used_at = worker_now_ns();
	if (send(w->control, &u, sizeof(u), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(u))
		w->out.used_sent = u.mem_used;
}

/* With the lock: tells what is due; else when the next is, 0 for nothing. */
static uint64_t notices_tell(struct worker *w)
{
	struct output *o = &w->out;
	uint64_t used = w->memory.used, now = worker_now_ns(), next = UINT64_MAX;
	bool told = false;

	if (o->wants_status && !o->dead && !o->last && used != o->status_sent) {
		next = o->status_at + REPLY_STATUS_NS;
		told = next <= now;
		if (told)
			status_tell(w);
	}
	if (used != o->used_sent && o->used_at + REPLY_USED_NS <= now) {
		used_tell(w);
		told = true;
	} else if (used != o->used_sent && o->used_at + REPLY_USED_NS < next) {
		next = o->used_at + REPLY_USED_NS;
	}
	o->used_dirty = told || next != UINT64_MAX;
	return told ? now : o->used_dirty ? next : 0;
}

static void *writer(void *arg)
{
	struct worker *w = arg;
	struct output *o = &w->out;
	struct timespec end;
	uint64_t next;

	pthread_mutex_lock(&o->lock);
	for (;;) {
		if (o->sending) {
			pthread_cond_wait(&o->kick, &o->lock);
			continue;
		}
		if (o->len) {
			backlog_send(w);
			continue;
		}
		next = notices_tell(w);
		end = time_of(next);
		if (!next)
			pthread_cond_wait(&o->kick, &o->lock);
		else if (next > worker_now_ns())
			pthread_cond_timedwait(&o->kick, &o->lock, &end);
	}
	return NULL;
}

int reply_init(struct worker *w)
{
	struct output *o = &w->out;
	pthread_condattr_t attr;
	pthread_t thread;
	int err;

	o->backlog = malloc(REPLY_BACKLOG);
	if (!o->backlog)
		return -ENOMEM;
	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&o->turn, &attr);
	pthread_cond_init(&o->kick, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&thread, NULL, writer, w);
	if (!err)
		pthread_detach(thread);
	return -err;
}
