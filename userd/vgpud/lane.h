/* SPDX-License-Identifier: MIT */
/*
 * lane.h - the bulk connections of sessions
 *
 * A function that wants one opens its device once more and submits a VWIRE_OP_BULK frame, where a
 * session would begin with VWIRE_OP_HELLO. The frame goes to the server that the process's session
 * is connected to, and from then on the two rings and that connection belong to one of a few threads
 * (carriers). They know no more than the loop does of what they move, and keep none of it: what has
 * not been sent stays in the ring, whose function waits for room; what does not fit in the ring
 * stays in the connection. A lane ends when either side closes it, and with its session.
 */
#ifndef VGPUD_LANE_H
#define VGPUD_LANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "control.h"
#include "dial.h"
#include "event.h"
#include "mover.h"

#define LANE_CARRIERS_MAX	16u
#define LANES_MAX		8u	/* of a session; no server takes more */

struct lane;
struct session;
struct vgpud;

/**
 * struct carrier - a thread that moves lanes
 * @wake: eventfd; there are lanes in @coming, or @stop
 * @lock: @coming, @stop
 * @nr_lanes: of the main thread
 */
struct carrier {
	struct lanes *lanes;
	pthread_t thread;
	struct event_loop loop;
	struct mover mover;
	struct event wake;
	pthread_mutex_t lock;
	TAILQ_HEAD(, lane) coming;
	bool stop;
	uint32_t nr_lanes;
};

/**
 * struct lanes - of a vgpud
 * @all: of the main thread, as is all but @over
 * @over: those that their carrier has done with
 * @lock: @over
 * @look: of the carriers, from when they were started
 * @told: eventfd; there are some in @over
 */
struct lanes {
	struct vgpud *vgpud;
	TAILQ_HEAD(, lane) all, over;
	pthread_mutex_t lock;
	struct event told;
	struct carrier carriers[LANE_CARRIERS_MAX];
	uint32_t nr_carriers;
	struct mover_look look;
};

/* 0 or -errno. The loop is there. */
int lanes_init(struct lanes *l, struct vgpud *v);
/* All end, and the threads. */
void lanes_fini(struct lanes *l);
/*
 * The rings of a become a lane of the session of, which has copied the frame from them. 0, or -errno:
 * -EUSERS where the session has as many as it may have; a's descriptor and rings stay the caller's.
 */
int lane_create(struct lanes *l, const struct session *of, const struct session *a,
		const void *frame, uint32_t n);
/* The session ends, and its lanes with it. */
void lanes_end(struct lanes *l, const struct session *of);

#endif /* VGPUD_LANE_H */
