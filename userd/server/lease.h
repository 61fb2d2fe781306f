/* SPDX-License-Identifier: MIT */
/* lease.h - who gets a worker, when, and with how much memory */
#ifndef SERVER_LEASE_H
#define SERVER_LEASE_H

#include "listener.h"
#include "pool.h"

struct server;

/* A connection has sent its LEASE frame: grants, queues or refuses. */
void lease_request(struct conn *c);
/* A connection has sent a BULK frame: it is the worker's that has the lease, or is refused. */
void lease_bulk(struct conn *c);
/* A client that was queued has gone. */
void lease_abandoned(struct conn *c);
/*
 * A worker got warm, a lease ended, somebody left the queue: grants what can be granted, tells the
 * others their place.
 */
void lease_pump(struct server *s);
/* A worker says what memory its device has: sizes the ledger before the first lease. */
void lease_memory(struct server *s, const struct control_ready *ready);
/* The worker of a lease was reaped. how: what became of it, for the log */
void lease_ended(struct server *s, struct pool_worker *w, const char *how);
/* Turns everybody away who waits. */
void lease_refuse_all(struct server *s, uint32_t reason, const char *text);

#endif /* SERVER_LEASE_H */
