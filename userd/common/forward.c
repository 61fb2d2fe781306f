// SPDX-License-Identifier: MIT
#include "forward.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A frame that is taken out of the stream here is read whole from the private buffer. */
#define STATUS_FRAME_MAX	512u

static uint64_t load_index(const struct vgpu_ring_side *side)
{
	return __atomic_load_n(&side->index, __ATOMIC_ACQUIRE);
}

/*
 * Stores our index, then looks whether the other side sleeps. The full barrier between the two
 * pairs with the one in the other side's way to sleep: it stores asleep, then looks at our index.
 * One of the two sees the other's store.
 */
static void publish(struct fwd *f, struct vgpu_ring_side *own, uint64_t index,
		    struct vgpu_ring_side *peer)
{
	__atomic_store_n(&own->index, index, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&peer->asleep, __ATOMIC_RELAXED))
		f->ops->wake(f->arg);
}

static bool ring_size_ok(uint32_t n)
{
	return n >= VGPU_RING_MIN && n <= VGPU_RING_MAX && !(n & (n - 1));
}

int fwd_init(struct fwd *f, const struct fwd_ring *ring, int sock, const struct fwd_ops *ops,
	     void *arg)
{
	int fl;

	if (!ring_size_ok(ring->sq_bytes) || !ring_size_ok(ring->cq_bytes))
		return -EINVAL;
	fl = sock < 0 ? 0 : fcntl(sock, F_GETFL);
	if (fl < 0 || (sock >= 0 && fcntl(sock, F_SETFL, fl | O_NONBLOCK) < 0))
		return -errno;

	memset(f, 0, offsetof(struct fwd, prefix));
	f->ring = *ring;
	f->sock = sock;
	f->ops = ops;
	f->arg = arg;
	return 0;
}

int fwd_prefix(struct fwd *f, const void *frame, size_t n)
{
	if (n > sizeof(f->prefix))
		return -EMSGSIZE;
	memcpy(f->prefix, frame, n);
	f->prefix_off = 0;
	f->prefix_len = n;
	return 0;
}

void fwd_zerocopy(struct fwd *f, struct zerocopy *z)
{
	f->zero = z;
}

/* Bytes that the function has submitted and we have not sent. */
static int sq_pending(const struct fwd *f, uint32_t *n)
{
	uint64_t used = load_index(&f->ring.control->sq_head) - f->sq_tail;
	uint64_t sent = f->sq_sent - f->sq_tail;

	if (used > f->ring.sq_bytes || used < sent)
		return -EPROTO;
	*n = used - sent;
	return 0;
}

/* Bytes of the completion ring that the function has given back. */
static int cq_room(const struct fwd *f, uint32_t *n)
{
	uint64_t used = f->cq_head - load_index(&f->ring.control->cq_tail);

	if (used > f->ring.cq_bytes)
		return -EPROTO;
	*n = f->ring.cq_bytes - used;
	return 0;
}

static uint8_t *cq_at(const struct fwd *f, uint64_t index)
{
	return f->ring.cq + (index & (f->ring.cq_bytes - 1));
}

static void set_asleep(struct vgpu_ring_side *side, uint32_t v)
{
	__atomic_store_n(&side->asleep, v, __ATOMIC_RELAXED);
}

int fwd_peek(struct fwd *f, void *buf, uint32_t n)
{
	uint32_t there;
	int err = sq_pending(f, &there);

	if (!err && there < n) {
		set_asleep(&f->ring.control->sq_tail, 1);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		err = sq_pending(f, &there);
	}
	if (err || there < n)
		return err;
	set_asleep(&f->ring.control->sq_tail, 0);
	memcpy(buf, f->ring.sq + (f->sq_sent & (f->ring.sq_bytes - 1)), n);
	return 1;
}

static void give_back(struct fwd *f, uint64_t end)
{
	f->sq_tail = end;
	publish(f, &f->ring.control->sq_tail, f->sq_tail, &f->ring.control->sq_head);
}

void fwd_skip(struct fwd *f, uint32_t n)
{
	f->sq_sent += n;
	give_back(f, f->sq_sent);
}

static struct fwd_flight *flight(struct fwd *f, uint32_t i)
{
	return &f->flights[(f->first_flight + i) % FWD_FLIGHTS];
}

/* Room of what the kernel has sent from the ring. What was copied behind that goes with it. */
static bool land(struct fwd *f)
{
	uint64_t end = f->sq_tail;
	uint32_t through;

	if (!f->nr_flights)
		return false;
	through = zerocopy_through(f->zero);
	while (f->nr_flights && (int32_t)(through - flight(f, 0)->sends) >= 0) {
		end = flight(f, 0)->end;
		f->first_flight++;
		f->nr_flights--;
	}
	if (end == f->sq_tail)
		return false;
	give_back(f, end);
	return true;
}

/* Takes sent bytes off the prefix first, then off the ring. */
static void sent(struct fwd *f, uint32_t n, bool flies)
{
	uint32_t head = f->prefix_len - f->prefix_off;

	if (head > n)
		head = n;
	f->prefix_off += head;
	n -= head;
	f->sq_sent += n;
	if (flies)
		*flight(f, f->nr_flights++) = (struct fwd_flight){ f->zero->sent, f->sq_sent };
	else if (f->nr_flights)
		flight(f, f->nr_flights - 1)->end = f->sq_sent;
	else if (n)
		give_back(f, f->sq_sent);
}

/* *flies: the bytes have to stay. */
static ssize_t send_some(struct fwd *f, struct msghdr *msg, bool *flies)
{
	uint32_t before;
	ssize_t r;

	*flies = false;
	if (!f->zero || msg->msg_iov[0].iov_len || f->nr_flights == FWD_FLIGHTS)
		return sendmsg(f->sock, msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	before = f->zero->sent;
	r = zerocopy_send(f->zero, msg->msg_iov[1].iov_base, msg->msg_iov[1].iov_len);
	*flies = f->zero->sent != before;
	return r;
}

/*
 * An error is no reason to stop: the server's last frame (why it refused, or what went wrong) may
 * still be unread. The receiving side meets the same end right behind it.
 */
static int run_out(struct fwd *f)
{
	struct iovec iov[2] = { { .iov_base = f->prefix + f->prefix_off } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	bool flies;
	uint32_t n;
	ssize_t r;
	int err;

	err = sq_pending(f, &n);
	if (err)
		return err;
	if (n > FWD_SEND_MAX)
		n = FWD_SEND_MAX;
	iov[0].iov_len = f->prefix_len - f->prefix_off;
	iov[1].iov_base = f->ring.sq + (f->sq_sent & (f->ring.sq_bytes - 1));
	iov[1].iov_len = n;
	if (f->send_dead || !(iov[0].iov_len + n))
		return 0;

	r = send_some(f, &msg, &flies);
	f->send_stuck = r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
	if (r < 0) {
		f->send_dead = !f->send_stuck && errno != EINTR;
		return errno == EINTR;
	}
	sent(f, r, flies);
	return r > 0;
}

/* The header at in_off; false: not all there yet. */
static bool peek_header(const struct fwd *f, struct vwire_frame *h)
{
	if (f->in_len - f->in_off < sizeof(*h))
		return false;
	memcpy(h, f->in + f->in_off, sizeof(*h));
	h->size = le32toh(h->size);
	h->op = le16toh(h->op);
	return true;
}

static bool size_ok(const struct fwd *f, const struct vwire_frame *h)
{
	return h->size >= sizeof(*h) && h->size <= VWIRE_FRAME_MAX && h->size % 8 == 0 &&
	       h->size <= f->ring.cq_bytes;
}

/* 1: consumed, 0: not all there yet. */
static int take_status(struct fwd *f, uint32_t size)
{
	struct vwire_status st;

	if (size < sizeof(struct vwire_frame) + sizeof(st) || size > STATUS_FRAME_MAX)
		return -EPROTO;
	if (f->in_len - f->in_off < size)
		return 0;
	memcpy(&st, f->in + f->in_off + sizeof(struct vwire_frame), sizeof(st));
	f->in_off += size;
	if (f->ops->status)
		f->ops->status(f->arg, le64toh(st.mem_used));
	return 1;
}

static void frame_received(struct fwd *f, uint32_t n)
{
	f->frame_got += n;
	f->frame_left -= n;
	if (f->frame_left)
		return;
	f->cq_head += f->frame_got;
	f->frame_got = 0;
	publish(f, &f->ring.control->cq_head, f->cq_head, &f->ring.control->cq_tail);
}

/* Begins a frame in the completion ring with what of it has come. 1: begun, 0: no room. */
static int begin_frame(struct fwd *f, uint32_t size)
{
	uint32_t room, have = f->in_len - f->in_off;
	int err = cq_room(f, &room);

	if (err)
		return err;
	f->room_need = room < size ? size : 0;
	if (f->room_need)
		return 0;
	if (have > size)
		have = size;
	memcpy(cq_at(f, f->cq_head), f->in + f->in_off, have);
	f->in_off += have;
	f->frame_got = 0;
	f->frame_left = size;
	frame_received(f, have);
	return 1;
}

/* Frames from the private buffer into the ring: > 0 some, 0 none, -errno. */
static int parse_in(struct fwd *f)
{
	struct vwire_frame h;
	int r, moved = 0;

	while (!f->frame_left && peek_header(f, &h)) {
		if (!size_ok(f, &h))
			return -EPROTO;
		r = h.op == VWIRE_OP_STATUS ? take_status(f, h.size) : begin_frame(f, h.size);
		if (r < 0)
			return r;
		if (!r)
			break;
		moved = 1;
	}
	return moved;
}

/*
 * One recvmsg() gets the rest of a begun frame straight into the ring, where its room is known to
 * be, and what is behind it into the private buffer.
 */
static ssize_t receive(struct fwd *f)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	uint32_t keep = f->in_len - f->in_off, first = f->frame_left;
	ssize_t r;

	memmove(f->in, f->in + f->in_off, keep);
	f->in_off = 0;
	f->in_len = keep;
	iov[0].iov_base = cq_at(f, f->cq_head + f->frame_got);
	iov[0].iov_len = first;
	iov[1].iov_base = f->in + keep;
	iov[1].iov_len = sizeof(f->in) - keep;

	r = recvmsg(f->sock, &msg, MSG_DONTWAIT);
	if (r <= 0)
		return r < 0 ? -errno : -ECONNRESET;
	if (first > (size_t)r)
		first = r;
	if (first)
		frame_received(f, first);
	f->in_len += r - first;
	return r;
}

static int run_in(struct fwd *f)
{
	ssize_t got = 0;
	int r;

	r = parse_in(f);
	if (r < 0 || f->room_need)
		return r;
	got = receive(f);
	if (got == -EAGAIN || got == -EWOULDBLOCK)
		return r;
	if (got == -EINTR)
		return 1;
	if (got < 0)
		return got;
	r = parse_in(f);
	return r < 0 ? r : 1;
}

int fwd_run(struct fwd *f)
{
	int landed, out, in;

	landed = land(f);
	out = run_out(f);
	if (out < 0)
		return out;
	in = run_in(f);
	if (in < 0)
		return in;
	return landed + out + in;
}

bool fwd_want_read(const struct fwd *f)
{
	return !f->room_need;
}

bool fwd_want_write(const struct fwd *f)
{
	return f->send_stuck;
}

/* true when fwd_run() would move something, or would find the ring lying. */
static bool has_work(const struct fwd *f)
{
	uint32_t n;

	if (!f->send_stuck && !f->send_dead) {
		if (f->prefix_len > f->prefix_off || sq_pending(f, &n) || n)
			return true;
	}
	return f->room_need && (cq_room(f, &n) || n >= f->room_need);
}

/*
 * While the socket is what holds the submission ring up, its next frame needs no doorbell: the
 * socket wakes us.
 */
bool fwd_sleep(struct fwd *f)
{
	set_asleep(&f->ring.control->sq_tail, !f->send_stuck);
	set_asleep(&f->ring.control->cq_head, f->room_need);	/* bytes, as vgpu.h says */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!has_work(f))
		return true;
	fwd_wakeup(f);
	return false;
}

void fwd_wakeup(struct fwd *f)
{
	set_asleep(&f->ring.control->sq_tail, 0);
	set_asleep(&f->ring.control->cq_head, 0);
}

int fwd_close(struct fwd *f, uint32_t result, uint32_t reason, const char *text)
{
	struct vwire_frame h = { .op = htole16(VWIRE_OP_CLOSED) };
	struct vwire_refused c = {
		.result = htole32(result),
		.reason = htole32(reason),
		.version = htole16(VWIRE_VERSION),
		.version_min = htole16(VWIRE_VERSION_MIN),
	};
	size_t len = strnlen(text, VWIRE_TEXT_MAX - 1);
	uint32_t size = (sizeof(h) + sizeof(c) + len + 7) & ~7u, room;
	uint8_t *p = cq_at(f, f->cq_head);

	/* A frame that was begun is not published: this one takes its place. */
	f->frame_left = f->frame_got = 0;
	if (cq_room(f, &room) || room < size)
		return -ENOSPC;
	h.size = htole32(size);
	c.text_len = htole32(len);
	memset(p, 0, size);
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), &c, sizeof(c));
	memcpy(p + sizeof(h) + sizeof(c), text, len);
	f->cq_head += size;
	publish(f, &f->ring.control->cq_head, f->cq_head, &f->ring.control->cq_tail);
	return 0;
}
