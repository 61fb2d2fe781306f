/* SPDX-License-Identifier: MIT */
/*
 * transport.h - a pair of rings and a way to sleep: through /dev/vgpuN, or to a server directly
 */
#ifndef VCUDA_TRANSPORT_H
#define VCUDA_TRANSPORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "forward.h"
#include "halt_poll.h"

#define VCUDA_PATH_MAX	256

struct vcuda_transport {
	struct fwd_ring ring;
	/* /dev/vgpuN; direct: eventfd that the forwarding thread rings */
	int fd;
	char path[VCUDA_PATH_MAX];	/* of /dev/vgpuN; empty: too long */
	int nudge;			/* eventfd, with /dev/vgpuN: who reads looks again */
	struct halt_poll poll;		/* how long a side looks for more before it sleeps */
	_Atomic unsigned int nr_waiting;	/* threads that wait for the server */
	uint64_t mem_limit;		/* bytes, of the virtual GPU; 0: none */
	/* Direct mode only. */
	bool direct;
	int sock;
	int kick;			/* eventfd: the forwarding thread has work */
	/* eventfd of the thread that waits for room: it and the one that reads take no ring from each other */
	int room;
	int stop;			/* set before the last kick */
	_Atomic int gone;
	pthread_t thread;
	struct fwd fwd;
};

/*
 * Opens what the environment names: VGPU_SERVER=host:port goes to the server directly, else
 * VGPU_DEVICE=/dev/vgpuN, else the first /dev/vgpuN there is. 0, or -errno and one line in why:
 * -ENODEV when nothing is named and there is no device.
 */
int vcuda_transport_open(struct vcuda_transport *t, char *why, size_t why_len);
/* Opens the device of of once more, for rings of these sizes. 0, or as above. */
int vcuda_transport_again(struct vcuda_transport *t, const struct vcuda_transport *of,
			  uint32_t sq_bytes, uint32_t cq_bytes, char *why, size_t why_len);
/*
 * Not 0: the peer sleeps, or is about to; ask after a full barrier behind the store of one's own
 * index. A producer that waits for room says for how many bytes.
 */
uint32_t vcuda_transport_asleep(const struct vgpu_ring_side *peer);
/* Wakes the peer: a system call. */
void vcuda_transport_ring(struct vcuda_transport *t);
/*
 * Sleeps until the completion ring has something (want_data) or the submission ring has room
 * (want_room). The asleep flags are set and the rings looked at again by the caller. -EPIPE: the
 * peer has gone.
 */
int vcuda_transport_sleep(struct vcuda_transport *t, bool want_data, bool want_room);
/* vgpud has gone; what it left in the ring may be unread. Not of direct mode, where a frame says why. */
bool vcuda_transport_hung_up(const struct vcuda_transport *t);
/* Whoever reads and sleeps looks again. */
void vcuda_transport_wake(struct vcuda_transport *t);
/* Ends the session; stop leaves what threads that are in the library may wait for, and the rings. */
void vcuda_transport_stop(struct vcuda_transport *t);
void vcuda_transport_close(struct vcuda_transport *t);
/* In a forked child: gives up the parent's descriptors without a word to the peer. */
void vcuda_transport_abandon(struct vcuda_transport *t);

#endif
