/* SPDX-License-Identifier: MIT */
/*
 * session.h - one session of a function: its rings, its connection
 *
 *	announced -> attached -> (dialing) -> running -> ended
 *
 * It ends when the function's descriptor is closed, when the connection ends, or when either side
 * breaks the rules. The function reads why in a VWIRE_OP_CLOSED frame and then finds its descriptor
 * hung up.
 */
#ifndef VGPUD_SESSION_H
#define VGPUD_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "device.h"
#include "dial.h"
#include "event.h"
#include "forward.h"

struct vgpud;

/**
 * struct session
 * @busy: in the daemon's list of those that may have something to move; else it sleeps or dials
 * @fd: the module's descriptor of the session, whose mappings @fwd uses
 * @running: connected
 * @idle_us: since when there has been nothing to move; 0: there was just now
 * @no_spin: times to go to sleep at once, because spinning brought nothing
 */
struct session {
	struct vgpud *vgpud;
	struct device *device;
	TAILQ_ENTRY(session) link, busy_link;
	bool busy, running;
	uint64_t id, mem_limit;
	int fd;
	struct event ring, sock;
	struct dial dial;
	uint64_t idle_us, since;
	unsigned int no_spin;
	struct fwd fwd;
};

/* A session waits in the module. Told twice it is taken once. */
void session_announced(struct vgpud *v, uint64_t id);
/* Moves what can be moved, for all that are busy. */
void sessions_run(struct vgpud *v);
/* Ends all, each with the reason. */
void sessions_close(struct vgpud *v, uint32_t reason, const char *text);

#endif /* VGPUD_SESSION_H */
