/* SPDX-License-Identifier: MIT */
/*
 * dial.h - connects to a server without holding up the loop: each address in turn, with a time
 * limit for each
 */
#ifndef VGPUD_DIAL_H
#define VGPUD_DIAL_H

#include <stdint.h>

#include "event.h"
#include "net.h"

#define DIAL_ADDRS	4

/**
 * struct dial - one attempt
 * @done: called once: the connected socket, which is the callee's, or -errno of the last address.
 *   Never called from dial_start() itself
 */
struct dial {
	struct event_loop *loop;
	struct event event;
	struct event_timer timer;
	struct net_addr addrs[DIAL_ADDRS];
	int nr_addrs, next;
	uint32_t timeout_ms;
	int result;
	void (*done)(struct dial *d, int fd);
};

void dial_start(struct dial *d, struct event_loop *loop, const struct net_addr *addrs, int nr_addrs,
		uint32_t timeout_ms, void (*done)(struct dial *d, int fd));
/* done will not be called. Harmless when it was, or nothing was started. */
void dial_cancel(struct dial *d);

#endif /* VGPUD_DIAL_H */
