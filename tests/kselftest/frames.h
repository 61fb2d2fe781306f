/* SPDX-License-Identifier: MIT */
/*
 * frames.h - a message ring with sleep flags, as libvcuda and vgpud run it, on 64-byte frames that
 * carry a number
 *
 * Each end owns one index as producer or consumer and sleeps on the word beside it. The order that
 * loses no wake-up: the sleeper stores asleep, barrier, looks at the peer's index, polls; the peer
 * stores its index, barrier, looks at asleep, rings.
 */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include "session.h"

#define FRAME 64u
#define PATIENCE_MS 20000	/* a wake-up that takes longer is lost */

struct end {
	int fd;
	short events;		/* what to sleep for */
	uint8_t *bytes;
	uint32_t size;
	struct vgpu_ring_side *mine;
	struct vgpu_ring_side *peer;
	uint64_t index;
	uint64_t sleeps;
	uint64_t bells;
};

static inline struct end producer(int fd, uint8_t *ring, uint32_t size, struct vgpu_ring_side *head,
				  struct vgpu_ring_side *tail)
{
	return (struct end){
		.fd = fd, .events = POLLOUT, .bytes = ring, .size = size,
		.mine = head, .peer = tail,
	};
}

static inline struct end consumer(int fd, uint8_t *ring, uint32_t size, struct vgpu_ring_side *head,
				  struct vgpu_ring_side *tail)
{
	return (struct end){
		.fd = fd, .events = POLLIN, .bytes = ring, .size = size,
		.mine = tail, .peer = head,
	};
}

static inline bool may_go_on(struct end *end)
{
	uint64_t peer = load_index(end->peer);

	return end->events == POLLIN ? peer != end->index : end->index - peer < end->size;
}

/* False when the peer has gone. */
static inline bool wait_for(struct end *end)
{
	int events = 0;

	while (!may_go_on(end)) {
		__atomic_store_n(&end->mine->asleep, 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!may_go_on(end)) {
			end->sleeps++;
			events = poll_for(end->fd, end->events, PATIENCE_MS);
			if (!events)
				FAIL("a wake-up was lost: index %llu, peer %llu",
				     (unsigned long long)end->index,
				     (unsigned long long)load_index(end->peer));
		}
		__atomic_store_n(&end->mine->asleep, 0, __ATOMIC_RELAXED);
		if (events & (POLLHUP | POLLERR) && !may_go_on(end))
			return false;
	}
	return true;
}

static inline void advance(struct end *end)
{
	end->index += FRAME;
	store_index(end->mine, end->index);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/*
	 * The word stays the sleeper's: a peer that cleared it as it rings could clear the word of
	 * a later sleep than the one it saw. The kernel, which wakes for that bell, finds nothing
	 * new and sleeps on, the word says awake, and the next frame is never rung for.
	 */
	if (__atomic_load_n(&end->peer->asleep, __ATOMIC_RELAXED)) {
		end->bells++;
		doorbell(end->fd);
	}
}

static inline bool put(struct end *end, uint64_t number)
{
	if (!wait_for(end))
		return false;
	*(uint64_t *)(end->bytes + end->index % end->size) = number;
	*(uint64_t *)(end->bytes + end->index % end->size + FRAME - 8) = ~number;
	advance(end);
	return true;
}

static inline bool take(struct end *end, uint64_t *number)
{
	if (!wait_for(end))
		return false;
	*number = *(uint64_t *)(end->bytes + end->index % end->size);
	if (*(uint64_t *)(end->bytes + end->index % end->size + FRAME - 8) != ~*number)
		FAIL("frame %llu is torn", (unsigned long long)*number);
	advance(end);
	return true;
}

static inline struct end function_sends(struct side *s)
{
	return producer(s->fd, s->sq, s->sq_bytes, &s->control->sq_head, &s->control->sq_tail);
}

static inline struct end function_receives(struct side *s)
{
	return consumer(s->fd, s->cq, s->cq_bytes, &s->control->cq_head, &s->control->cq_tail);
}

static inline struct end daemon_receives(struct side *s)
{
	return consumer(s->fd, s->sq, s->sq_bytes, &s->control->sq_head, &s->control->sq_tail);
}

static inline struct end daemon_sends(struct side *s)
{
	return producer(s->fd, s->cq, s->cq_bytes, &s->control->cq_head, &s->control->cq_tail);
}

/* VGPU_TEST_FRAMES lowers the number of frames where a kernel is slow. */
static inline uint64_t frames(uint64_t most)
{
	const char *text = getenv("VGPU_TEST_FRAMES");
	uint64_t wanted = text ? strtoull(text, NULL, 0) : most;

	return wanted < most ? wanted : most;
}

#endif /* TESTS_FRAMES_H */
