// SPDX-License-Identifier: MIT
/*
 * lane.c - bytes into and out of the rings of a bulk connection through vgpud
 *
 * The rings are small, so that what is in them stays in the caches: room for a few pieces one way,
 * for a few stripes the other, as vgpud shows whole frames only. Indices of vgpud's are checked; what
 * is decided on is copied out by the caller.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lane.h"
#include "vcuda.h"

#define SQ_BYTES (1u << 20)
#define CQ_BYTES (4u * VWIRE_STRIPE)
#define OPEN_MS	 5000
#define PIECE	 (128u << 10) /* bytes copied between two looks at an index */

/* true: there may be something new. The asleep word is set, and the ring was looked at since. */
static bool doze(struct vcuda_lane *l, short events, int ms)
{
	struct pollfd p[2] = { { .fd = l->t.fd, .events = events },
			       { .fd = l->stop, .events = POLLIN } };
	int r = poll(p, 2, ms);

	if (r < 0)
		return errno == EINTR;
	return r && !p[1].revents && p[0].revents & events;
}

/* ---- to vgpud ---- */

/* Bytes that are free; more than the ring has: its index is wrong. */
static uint64_t room(const struct vcuda_lane *l)
{
	const struct fwd_ring *r = &l->t.ring;

	return r->sq_bytes -
	       (l->sq_head - __atomic_load_n(&r->control->sq_tail.index, __ATOMIC_ACQUIRE));
}

static bool wait_for_room(struct vcuda_lane *l, size_t n)
{
	struct vgpu_ring_side *me = &l->t.ring.control->sq_head;
	bool ok = true;

	while (ok && room(l) < n) {
		__atomic_store_n(&me->asleep, n, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (room(l) < n)
			ok = doze(l, POLLOUT, -1);
		__atomic_store_n(&me->asleep, 0, __ATOMIC_RELAXED);
	}
	return ok && room(l) <= l->t.ring.sq_bytes;
}

static void publish(struct vcuda_lane *l, size_t n)
{
	struct vgpu_control *c = l->t.ring.control;

	l->sq_head += n;
	__atomic_store_n(&c->sq_head.index, l->sq_head, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vcuda_transport_asleep(&c->sq_tail))
		vcuda_transport_ring(&l->t);
}

bool vcuda_lane_send(struct vcuda_lane *l, const struct iovec *iov, int nr)
{
	const struct fwd_ring *r = &l->t.ring;
	size_t done, n, unseen = 0;

	for (int i = 0; i < nr; i++) {
		for (done = 0; done < iov[i].iov_len; done += n) {
			n = iov[i].iov_len - done < PIECE - unseen ? iov[i].iov_len - done
								   : PIECE - unseen;
			if (!unseen && !wait_for_room(l, PIECE))
				return false;
			memcpy(r->sq + ((l->sq_head + unseen) & (r->sq_bytes - 1)),
			       (const uint8_t *)iov[i].iov_base + done, n);
			unseen += n;
			if (unseen == PIECE) {
				publish(l, unseen);
				unseen = 0;
			}
		}
	}
	if (unseen)
		publish(l, unseen);
	return true;
}

/* ---- from vgpud ---- */

static uint64_t available(const struct vcuda_lane *l)
{
	return __atomic_load_n(&l->t.ring.control->cq_head.index, __ATOMIC_ACQUIRE) - l->cq_tail;
}

static bool wait_for_data(struct vcuda_lane *l)
{
	struct vgpu_ring_side *me = &l->t.ring.control->cq_tail;
	bool ok = true;

	while (ok && !available(l)) {
		__atomic_store_n(&me->asleep, 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!available(l))
			ok = doze(l, POLLIN, l->patience);
		__atomic_store_n(&me->asleep, 0, __ATOMIC_RELAXED);
	}
	return ok && available(l) <= l->t.ring.cq_bytes;
}

static void consumed(struct vcuda_lane *l, size_t n)
{
	struct vgpu_control *c = l->t.ring.control;
	uint32_t wanted;

	l->cq_tail += n;
	__atomic_store_n(&c->cq_tail.index, l->cq_tail, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = vcuda_transport_asleep(&c->cq_head);
	if (wanted && available(l) + wanted <= l->t.ring.cq_bytes)
		vcuda_transport_ring(&l->t);
}

bool vcuda_lane_receive(struct vcuda_lane *l, void *p, size_t n)
{
	const struct fwd_ring *r = &l->t.ring;
	uint8_t *to = p;
	size_t part;

	for (; n; n -= part, to += part) {
		if (!wait_for_data(l))
			return false;
		part = available(l);
		part = part < n ? part : n;
		part = part < PIECE ? part : PIECE;
		memcpy(to, r->cq + (l->cq_tail & (r->cq_bytes - 1)), part);
		consumed(l, part);
	}
	return true;
}

/* ---- the beginning ---- */

/* vgpud, or the server, says why not. */
static void take_reason(struct vcuda_lane *l, const struct vwire_frame *f, char *why, size_t n)
{
	struct vwire_refused v;
	size_t len = n - 1;

	if (le16toh(f->op) != VWIRE_OP_CLOSED && le16toh(f->op) != VWIRE_OP_REFUSED)
		return;
	if (le32toh(f->size) < sizeof(*f) + sizeof(v) || !vcuda_lane_receive(l, &v, sizeof(v)))
		return;
	if (len > le32toh(v.text_len))
		len = le32toh(v.text_len);
	if (len > le32toh(f->size) - sizeof(*f) - sizeof(v))
		len = le32toh(f->size) - sizeof(*f) - sizeof(v);
	if (vcuda_lane_receive(l, why, len))
		why[len] = 0;
}

int vcuda_lane_connected(struct vcuda_lane *l, char *why, size_t n)
{
	struct vwire_frame answer;
	bool ok;

	snprintf(why, n, "vgpud does not answer");
	l->patience = OPEN_MS;
	ok = vcuda_lane_receive(l, &answer, sizeof(answer));
	if (ok && le16toh(answer.op) != VWIRE_OP_BULK) {
		snprintf(why, n, "vgpud refuses");
		take_reason(l, &answer, why, n);
		ok = false;
	}
	l->patience = -1;
	return ok ? 0 : -ECONNREFUSED;
}

int vcuda_lane_open(struct vcuda_lane *l, const struct vcuda_transport *of, int stop,
		    const struct vwire_bulk *offer, char *why, size_t n)
{
	struct vwire_bulk bulk = *offer;
	struct vwire_frame head = { .size = htole32(sizeof(head) + sizeof(bulk)),
				    .op = htole16(VWIRE_OP_BULK) };
	struct iovec iov[] = { { &head, sizeof(head) }, { &bulk, sizeof(bulk) } };
	int err;

	l->sq_head = l->cq_tail = 0;
	l->stop = stop;
	l->patience = -1;
	bulk.connections = 0;
	err = vcuda_transport_again(&l->t, of, SQ_BYTES, CQ_BYTES, why, n);
	if (!err && !vcuda_lane_send(l, iov, 2)) {
		snprintf(why, n, "vgpud has gone");
		vcuda_lane_close(l);
		err = -EPIPE;
	}
	return err;
}

void vcuda_lane_close(struct vcuda_lane *l)
{
	vcuda_transport_close(&l->t);
}
