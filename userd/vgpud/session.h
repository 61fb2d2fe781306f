/* SPDX-License-Identifier: MIT */
/*
 * session.h - one session of a function: its rings, its connection
 *
 *	announced -> attached -> (undecided) -> (dialing) -> running -> ended
 *
 * One of a process that has another running may be to become a bulk connection of that: its first
 * frame says (lane.h).
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
#include "mover.h"

struct vgpud;

/**
 * struct session
 * @pid: of the process, as the initial PID namespace numbers it
 * @fd: the module's descriptor of the session, whose mappings @pump uses
 */
struct session {
	struct vgpud *vgpud;
	struct device *device;
	TAILQ_ENTRY(session) link;
	uint64_t id, mem_limit, since;
	int32_t pid;
	int fd;
	struct dial dial;
	struct pump pump;
};

/* A session waits in the module. Told twice it is taken once. */
void session_announced(struct vgpud *v, uint64_t id);
/* Ends all, each with the reason. */
void sessions_close(struct vgpud *v, uint32_t reason, const char *text);

#endif /* VGPUD_SESSION_H */
