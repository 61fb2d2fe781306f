/* SPDX-License-Identifier: MIT */
/*
 * forward.h - moves frames between the two rings of a session and one TCP connection
 *
 * The daemon has one struct fwd for each session, the library in direct mode has one. Nothing here
 * allocates, prints or keeps global state; the caller owns the rings, the socket and the loop:
 *
 *	for (;;) {
 *		while ((r = fwd_run(f)) > 0)
 *			;
 *		if (r < 0)
 *			break;
 *		if (fwd_sleep(f)) {
 *			poll the socket (fwd_want_read, fwd_want_write) and the doorbell;
 *			fwd_wakeup(f);
 *		}
 *	}
 *	fwd_close(f, ...);
 *
 * The other side of the rings and the server are both hostile: an index is read once and checked, a
 * frame's header is decided on in private memory only.
 */
#ifndef COMMON_FORWARD_H
#define COMMON_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linux/vgpu.h"
#include "vgpu_wire.h"
#include "zerocopy.h"

/* Rings as mapped: each shows its pages twice in a row. Sizes are powers of two. */
struct fwd_ring {
	struct vgpu_control *control;
	uint8_t *sq, *cq;
	uint32_t sq_bytes, cq_bytes;
};

/* wake: the function sleeps, ring its doorbell. status: VWIRE_OP_STATUS came; may be NULL. */
struct fwd_ops {
	void (*wake)(void *arg);
	void (*status)(void *arg, uint64_t mem_used);
};

#define FWD_IN_BYTES	(64u << 10)	/* private buffer for what the server sends */
#define FWD_SEND_MAX	(256u << 10)	/* bytes sent before the function is given its room back */
#define FWD_FLIGHTS	64u		/* sends whose bytes the kernel still needs in the ring */

/**
 * struct fwd - one session's forwarding; all members are private to forward.c
 * @sq_sent: what the socket has taken; from @sq_tail on it may still be sent from the ring
 * @zero: NULL: the kernel copies what it takes
 * @flights: sends that it has not copied, from @first_flight on: how many @zero has to be through with,
 *	     and where their bytes end
 * @sq_tail: own index; what the control page shows is a copy that is never read back
 * @cq_head: own index, whole frames only
 * @frame_left: bytes that are missing of the frame being received at @cq_head; 0: none
 * @frame_got: bytes of it that stand in the ring already
 * @room_need: bytes the frame at @in_off needs; 0: the completion ring is not what holds us up
 * @send_stuck: the socket took less than there was
 * @send_dead: it will take no more; what came before the end is still read
 */
struct fwd {
	struct fwd_ring ring;
	const struct fwd_ops *ops;
	void *arg;
	int sock;
	uint64_t sq_tail, sq_sent, cq_head;
	struct zerocopy *zero;
	struct fwd_flight {
		uint32_t sends;
		uint64_t end;
	} flights[FWD_FLIGHTS];
	uint32_t first_flight, nr_flights;
	uint32_t frame_left, frame_got;
	uint32_t room_need;
	bool send_stuck, send_dead;
	uint32_t in_off, in_len;
	uint32_t prefix_off, prefix_len;
	uint8_t prefix[VWIRE_CONTROL_MAX];
	uint8_t in[FWD_IN_BYTES];
};

/*
 * The socket is connected and is made non-blocking; -1: there is none, only fwd_close() will be
 * called, or fwd_init() again while nothing has been moved. -EINVAL for ring sizes that are none,
 * -errno.
 */
int fwd_init(struct fwd *f, const struct fwd_ring *ring, int sock, const struct fwd_ops *ops,
	     void *arg);

/*
 * Bytes (the LEASE frame) that are sent before anything of the ring. -EMSGSIZE above
 * VWIRE_CONTROL_MAX.
 */
int fwd_prefix(struct fwd *f, const void *frame, size_t n);

/*
 * Bytes are sent from the ring where that saves a copy, and their room is given back when the kernel
 * is through with them, which epoll tells as EPOLLERR. The caller's; of the same socket.
 */
void fwd_zerocopy(struct fwd *f, struct zerocopy *z);

/*
 * Copies the first n bytes of what the function has submitted, before anything is moved: 1; 0 where
 * there are fewer, and it is asked to ring when there are more; -EPROTO.
 */
int fwd_peek(struct fwd *f, void *buf, uint32_t n);
/* Bytes that were peeked at are not sent: the function has their room back. */
void fwd_skip(struct fwd *f, uint32_t n);

/*
 * Moves what can be moved, both ways, without blocking, but not without end: > 0 something was
 * moved, call again; 0 nothing to do; < 0 the session is over: -EPROTO for a lying ring or a frame
 * that cannot be, -ECONNRESET and -EPIPE when the server has gone, or another -errno of the socket.
 */
int fwd_run(struct fwd *f);

/*
 * What to wait for on the socket: for reading only while the completion ring has room, for writing
 * when bytes are stuck.
 */
bool fwd_want_read(const struct fwd *f);
bool fwd_want_write(const struct fwd *f);

/*
 * Before poll(2): asks to be woken and looks again. false: there is work after all, do not sleep.
 */
bool fwd_sleep(struct fwd *f);
/* After poll(2), also when it timed out. */
void fwd_wakeup(struct fwd *f);

/*
 * The last frame: VWIRE_OP_CLOSED, where the completion ring has room (-ENOSPC if not); wakes the
 * function.
 */
int fwd_close(struct fwd *f, uint32_t result, uint32_t reason, const char *text);

#endif /* COMMON_FORWARD_H */
