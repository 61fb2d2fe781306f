/* SPDX-License-Identifier: MIT */
/*
 * lane.h - a bulk connection through vgpud: a descriptor of /dev/vgpuN with rings of its own
 *
 * The rings carry what a bulk connection carries, both ways; one thread sends at a time and one
 * receives.
 */
#ifndef VCUDA_LANE_H
#define VCUDA_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "transport.h"
#include "vgpu_wire.h"

struct vcuda_lane {
	struct vcuda_transport t;
	uint64_t sq_head, cq_tail;
	int stop;	/* eventfd of all lanes: nobody sleeps any more once it is raised */
	int patience;	/* milliseconds to wait for anything to come; -1: for ever */
};

/*
 * Opens the device of of once more, with rings of its own, and asks for a connection with the
 * server's offer. 0 or -errno, with one line in why.
 */
int vcuda_lane_open(struct vcuda_lane *l, const struct vcuda_transport *of, int stop,
		    const struct vwire_bulk *offer, char *why, size_t n);
/* The connection is there. 0 or -errno, likewise. */
int vcuda_lane_connected(struct vcuda_lane *l, char *why, size_t n);
/* All of it, from memory of the program; false: vgpud has gone, its index is wrong, or stop is raised. */
bool vcuda_lane_send(struct vcuda_lane *l, const struct iovec *iov, int nr);
/* n bytes, or false as above. */
bool vcuda_lane_receive(struct vcuda_lane *l, void *p, size_t n);
/* The descriptor and the rings. */
void vcuda_lane_close(struct vcuda_lane *l);

#endif
