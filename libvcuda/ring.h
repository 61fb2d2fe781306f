/* SPDX-License-Identifier: MIT */
/*
 * ring.h - between session.c, submit.c and receive.c
 */
#ifndef VCUDA_RING_H
#define VCUDA_RING_H

#include "transport.h"
#include "vcuda.h"

struct vcuda_transport *vcuda_transport(void);

/* A new pair of rings: numbers start at 0. */
void vcuda_submit_start(void);
void vcuda_receive_start(void);

/* Registers a wait; before its request is visible to the peer. */
void vcuda_receive_add(struct vcuda_wait *w);
bool vcuda_receive_ready(void);
/* The flag that asks the peer to ring; counts its users, as two threads may sleep at once. */
void vcuda_receive_sleeps(bool yes);
/*
 * The other side of the rings has gone: what it left in the completion ring is still read, then the
 * session is lost.
 */
void vcuda_receive_peer_gone(void);

/* Reads frames, or sleeps while another thread does, until over() or the session is lost. */
void vcuda_receive_until(bool (*over)(void));
/* Data has come beside the ring: a wait that has its reply may be over. */
void vcuda_receive_again(void);
/* What over() looks at has changed. */
void vcuda_receive_wake(void);

/* ---- queued.c ---- */

/* A session begins; the server says that it has this place in its queue, 0: none; time goes by. */
void vcuda_queued_start(void);
void vcuda_queued_at(uint32_t place);
void vcuda_queued_look(void);

/* ---- receive.c ---- */

/* The session is lost: whoever waits for a reply looks again. */
void vcuda_receive_lost(void);

#endif
