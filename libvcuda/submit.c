// SPDX-License-Identifier: MIT
/*
 * submit.c - frames into the submission ring
 *
 * One lock, submit_lock, gives all threads of the process one order. It is held for the copy into
 * the ring and, when the ring is full, until the peer has made room: whoever waits for room also
 * reads what comes in, so that a peer that waits for room itself gets it.
 */
#include <string.h>

#include "hostcall.h"
#include "ring.h"
#include "vcuda.h"

/* Held for some dozens of nanoseconds, mostly: who finds it taken looks again before it sleeps. */
static pthread_mutex_t submit_mutex = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static uint64_t sq_head, last_seq;	/* under submit_mutex */
static uint64_t rung_at;		/* the peer's index when it was last woken */

void vcuda_submit_start(void)
{
	sq_head = last_seq = 0;
	rung_at = UINT64_MAX;
}

void vcuda_submit_lock(void)
{
	pthread_mutex_lock(&submit_mutex);
}

void vcuda_submit_unlock(void)
{
	pthread_mutex_unlock(&submit_mutex);
}

uint64_t vcuda_next_seq(void)
{
	return last_seq + 1;
}

size_t vcuda_chunk(void)
{
	size_t quarter = vcuda_transport()->ring.sq_bytes / 4;

	return quarter < VWIRE_DATA_MAX ? quarter : VWIRE_DATA_MAX;
}

static bool has_room(const struct fwd_ring *r, size_t n)
{
	uint64_t used = sq_head - __atomic_load_n(&r->control->sq_tail.index, __ATOMIC_ACQUIRE);

	if (used > r->sq_bytes) {
		vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE,
				   "the daemon's ring index is wrong");
		return true;
	}
	return n <= r->sq_bytes - used;
}

static void wait_for_room(struct vcuda_transport *t, size_t n)
{
	const struct fwd_ring *r = &t->ring;
	struct vgpu_ring_side *me = &r->control->sq_head;

	while (!has_room(r, n) && !vcuda_session_error()) {
		vcuda_drain();
		/* bytes: wake me when that many are free */
		__atomic_store_n(&me->asleep, n, __ATOMIC_RELAXED);
		vcuda_receive_sleeps(true);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!has_room(r, n) && !vcuda_receive_ready())
			if (vcuda_transport_sleep(t, true, true) < 0)
				vcuda_receive_peer_gone();
		vcuda_receive_sleeps(false);
		__atomic_store_n(&me->asleep, 0, __ATOMIC_RELAXED);
	}
}

/* The frame lies in one piece: the ring is mapped twice in a row. */
static void write_frame(const struct fwd_ring *r, const struct vwire_frame *f,
			const struct vcuda_iov *iov, unsigned int n)
{
	uint8_t *p = r->sq + (sq_head & (r->sq_bytes - 1));
	unsigned int i;

	memcpy(p, f, sizeof(*f));
	p += sizeof(*f);
	for (i = 0; i < n; i++) {
		if (iov[i].n)
			memcpy(p, iov[i].p, iov[i].n);
		memset(p + iov[i].n, 0, vwire_pad(iov[i].n) - iov[i].n);
		p += vwire_pad(iov[i].n);
	}
}

/*
 * A peer that was woken and has not moved its index since has not got a processor yet: when it has,
 * it finds this frame with the one that it was woken for. Should it have moved already and be about
 * to sleep, then of its barrier and ours one shows it this frame, or us its new index. One that has
 * taken all there is needs no bell, and would not move for it.
 */
static void wake_peer(struct vcuda_transport *t, const struct vgpu_ring_side *peer)
{
	uint64_t at = __atomic_load_n(&peer->index, __ATOMIC_ACQUIRE);

	if (at == rung_at || at == sq_head || !vcuda_transport_asleep(peer))
		return;
	rung_at = at;
	vcuda_transport_ring(t);
}

static void publish(struct vcuda_transport *t, size_t n)
{
	struct vgpu_control *c = t->ring.control;

	sq_head += n;
	__atomic_store_n(&c->sq_head.index, sq_head, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wake_peer(t, &c->sq_tail);
	vcuda_stats_bytes(n, 0);
}

CUresult vcuda_submit_locked(uint16_t op, uint16_t flags, const struct vcuda_iov *iov,
			     unsigned int n, struct vcuda_wait *wait, uint64_t *seq)
{
	struct vcuda_transport *t = vcuda_transport();
	struct vwire_frame f = { .op = htole16(op), .flags = htole16(flags) };
	size_t bytes = sizeof(f);
	unsigned int i;
	CUresult r;

	for (i = 0; i < n; i++)
		bytes += vwire_pad(iov[i].n);
	if (bytes > VWIRE_FRAME_MAX || bytes > t->ring.sq_bytes)
		return CUDA_ERROR_INVALID_VALUE;
	wait_for_room(t, bytes);
	r = vcuda_session_error();
	if (r)
		return r;
	f.size = htole32(bytes);
	f.seq = htole64(++last_seq);
	if (seq)
		*seq = last_seq;
	if (wait) {
		wait->seq = last_seq;
		vcuda_receive_add(wait);
	}
	write_frame(&t->ring, &f, iov, n);
	publish(t, bytes);
	return CUDA_SUCCESS;
}

CUresult vcuda_submit(uint16_t op, uint16_t flags, const struct vcuda_iov *iov, unsigned int n,
		      struct vcuda_wait *wait, uint64_t *seq)
{
	CUresult r;

	if (vcuda_hostcalls() && op < VWIRE_OP_CONTROL)
		vcuda_hostcall_throttle(n > 1 ? iov[1].n : 0);
	vcuda_submit_lock();
	r = vcuda_submit_locked(op, flags, iov, n, wait, seq);
	vcuda_submit_unlock();
	return r;
}
