// SPDX-License-Identifier: MIT
#include "gpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vgpu_codec.h"

static void drop_socket(struct gpu_query *q)
{
	if (!q->event.fn)
		return;
	event_timer_clear(q->loop, &q->timer);
	event_del(q->loop, &q->event);
	close(q->event.fd);
}

static void finish(struct gpu_query *q, int err, const struct gpu *gpu)
{
	drop_socket(q);
	q->done(q, err, gpu);
}

/* ---- the answer ---- */

/* As the module takes a name: printable ASCII. */
static void take_device(struct vwire_rd rd, struct gpu *gpu)
{
	struct vwire_device v;
	size_t i;

	rd_copy(&rd, &v, sizeof(v));
	if (rd.err)
		return;
	for (i = 0; i < sizeof(gpu->name) - 1 && i < sizeof(v.name) && v.name[i]; i++)
		gpu->name[i] = v.name[i] >= ' ' && v.name[i] <= '~' ? v.name[i] : '?';
	memcpy(gpu->uuid, v.uuid, sizeof(gpu->uuid));
}

static int take_info(struct vwire_rd rd, struct gpu *gpu)
{
	struct vwire_info v;
	struct vwire_tlv t;
	const void *p;

	rd_copy(&rd, &v, sizeof(v));
	while (!rd.err && rd.end - rd.p >= (ptrdiff_t)sizeof(t)) {
		rd_copy(&rd, &t, sizeof(t));
		p = rd_bytes(&rd, le32toh(t.len));
		if (!p || le16toh(t.type) != VWIRE_TLV_DEVICE)
			continue;
		take_device(rd_init(p, le32toh(t.len)), gpu);
		return *gpu->name ? 0 : -EPROTO;
	}
	return -EPROTO;
}

static int take_refused(struct vwire_rd rd)
{
	struct vwire_refused v;

	rd_copy(&rd, &v, sizeof(v));
	if (rd.err)
		return -EPROTO;
	return le32toh(v.reason) == VWIRE_REASON_WORKER ? -EAGAIN : -ECONNREFUSED;
}

/* Bytes of the whole answer, as far as that can be said; 0: it is none. */
static size_t wanted(const struct gpu_query *q)
{
	struct vwire_frame h;
	size_t n;

	if (q->have < sizeof(h))
		return sizeof(h);
	memcpy(&h, q->buf, sizeof(h));
	n = le32toh(h.size);
	return n >= sizeof(h) && n <= sizeof(q->buf) && n % 8 == 0 ? n : 0;
}

static void take_answer(struct gpu_query *q)
{
	struct gpu gpu = { 0 };
	struct vwire_frame h;
	struct vwire_rd rd;
	int err = -EPROTO;

	memcpy(&h, q->buf, sizeof(h));
	rd = rd_init(q->buf + sizeof(h), q->have - sizeof(h));
	if (le16toh(h.op) == VWIRE_OP_INFO)
		err = take_info(rd, &gpu);
	else if (le16toh(h.op) == VWIRE_OP_REFUSED)
		err = take_refused(rd);
	finish(q, err, err ? NULL : &gpu);
}

static void answer_event(struct event *e, uint32_t events)
{
	struct gpu_query *q = container_of(e, struct gpu_query, event);
	size_t want = wanted(q);
	ssize_t r;

	(void)events;
	while (q->have < want) {
		r = recv(e->fd, q->buf + q->have, want - q->have, MSG_DONTWAIT);
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0) {
			finish(q, r ? -errno : -EPIPE, NULL);
			return;
		}
		q->have += r;
		want = wanted(q);
	}
	if (want)
		take_answer(q);
	else
		finish(q, -EPROTO, NULL);
}

static void answer_late(struct event_timer *t)
{
	finish(container_of(t, struct gpu_query, timer), -ETIMEDOUT, NULL);
}

/* ---- the question ---- */

/* A new connection takes as little as this at once. */
static int ask(struct gpu_query *q, int fd)
{
	uint8_t lease[VWIRE_CONTROL_MAX];
	struct vwire_frame h;
	int n = net_lease_frame(lease, sizeof(lease), 0, 0, 0, q->tenant);

	if (n < 0)
		return n;
	memcpy(&h, lease, sizeof(h));
	h.op = htole16(VWIRE_OP_QUERY);
	memcpy(lease, &h, sizeof(h));
	return send(fd, lease, n, MSG_DONTWAIT | MSG_NOSIGNAL) == n ? 0 : -EIO;
}

static void dial_done(struct dial *dial, int fd)
{
	struct gpu_query *q = container_of(dial, struct gpu_query, dial);
	int err = fd < 0 ? fd : ask(q, fd);

	if (!err)
		err = event_add(q->loop, &q->event, fd, EPOLLIN | EPOLLRDHUP, answer_event);
	if (!err) {
		event_timer_set(q->loop, &q->timer, net_now() + q->timeout_ms, answer_late);
		return;
	}
	if (fd >= 0)
		close(fd);
	q->done(q, err, NULL);
}

void gpu_query_start(struct gpu_query *q, struct event_loop *loop, const struct net_addr *addrs,
		     int nr_addrs, const char *tenant, uint32_t timeout_ms,
		     void (*done)(struct gpu_query *q, int err, const struct gpu *gpu))
{
	gpu_query_cancel(q);
	q->loop = loop;
	q->have = 0;
	q->timeout_ms = timeout_ms;
	q->done = done;
	snprintf(q->tenant, sizeof(q->tenant), "%s", tenant);
	dial_start(&q->dial, loop, addrs, nr_addrs, timeout_ms, dial_done);
}

void gpu_query_cancel(struct gpu_query *q)
{
	if (!q->loop)
		return;
	dial_cancel(&q->dial);
	drop_socket(q);
}
