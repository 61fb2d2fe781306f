/* SPDX-License-Identifier: MIT */
/* announce.h - generic netlink family "vgpu": hears of sessions, asks for those that wait */
#ifndef VGPUD_ANNOUNCE_H
#define VGPUD_ANNOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

struct nl_sock;

/**
 * struct announce - the socket
 * @fn: called for each session that is announced or listed as waiting; one may be told twice
 * @again: messages were lost, or a dump was cut: ask for another when the present one has ended
 */
struct announce {
	struct event_loop *loop;
	struct event event;
	struct nl_sock *sock;
	int family;
	bool dumping, again;
	void (*fn)(struct announce *a, uint64_t session);
};

/* Joins the group and asks for what waits. 0 or -errno, logged. */
int announce_open(struct announce *a, struct event_loop *loop,
		  void (*fn)(struct announce *a, uint64_t session));
void announce_close(struct announce *a);

#endif /* VGPUD_ANNOUNCE_H */
