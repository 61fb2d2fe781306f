/* SPDX-License-Identifier: MIT */
/*
 * mover.h - moves frames between pairs of rings and their connections, in one loop
 *
 * The daemon's own loop has one, for requests and replies. Those of bulk connections (lane.h) have
 * loops with threads of their own.
 */
#ifndef VGPUD_MOVER_H
#define VGPUD_MOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "event.h"
#include "forward.h"
#include "halt_poll.h"

/**
 * struct mover_look - how long to look for more before sleeping; may change
 * @us: microseconds; 0: not at all
 * @most_us: where more came that late
 */
struct mover_look {
	uint32_t us, most_us;
};

/**
 * struct mover
 * @busy: those that may have something to move; while there are any the loop does not sleep
 */
struct mover {
	struct event_loop *loop;
	TAILQ_HEAD(, pump) busy;
	const struct mover_look *look;
};

/**
 * struct pump - one pair of rings and its connection; a part of what they belong to
 * @busy: in the mover's list; else it sleeps, or does not run
 * @running: connected
 * @abrupt: what has come on a connection that is shut both ways is of no use: the end does not wait for
 *	    room in the ring
 * @ring: the module's descriptor of the session
 * @told: the function has rung, or has submitted something, and it does not run yet
 * @over: it has ended: -EPROTO, an error of the socket, or -ESHUTDOWN where the function has closed.
 *	  pump_stop() is the callee's
 * @poll: how long there was nothing to move, lately
 * @idle_ns: since when there has been nothing; 0: there was just now
 * @look_ns: to look on from then before sleeping
 * @no_spin: times to go to sleep at once, because spinning brought nothing
 */
struct pump {
	struct mover *mover;
	TAILQ_ENTRY(pump) busy_link;
	bool busy, running, abrupt;
	struct event ring, sock;
	struct fwd fwd;
	void (*told)(struct pump *p);
	void (*over)(struct pump *p, int err);
	struct halt_poll poll;
	uint64_t idle_ns, look_ns;
	unsigned int no_spin;
};

void mover_init(struct mover *m, struct event_loop *loop, const struct mover_look *look);
/* Moves what can be moved, for all that are busy. */
void mover_run(struct mover *m);

/* Watches the rings: for their end, and for what is submitted. 0 or -errno. */
int pump_open(struct pump *p, struct mover *m, int ring_fd);
/* Watches the socket, which p->fwd knows, and moves. 0 or -errno. */
int pump_start(struct pump *p, int sock);
/* Watches and moves nothing. */
void pump_stop(struct pump *p);

#endif /* VGPUD_MOVER_H */
