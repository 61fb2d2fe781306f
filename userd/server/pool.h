/* SPDX-License-Identifier: MIT */
/*
 * pool.h - the workers: started ahead of need, one lease each, reaped
 *
 *	WARMING -> FREE -> LEASED -> (exits) -> reaped, and another is started
 *
 * A worker is told by its control channel (control.h) and its exit by SIGCHLD; the end of the
 * channel before the exit starts the clock of kill-timeout.
 */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control.h"
#include "event.h"

struct server;

enum pool_state { POOL_WARMING, POOL_FREE, POOL_LEASED };

/*
 * What a worker is at; id 0: no lease. end, frames and mem_peak are 0 until the worker has said
 * them.
 */
struct lease {
	uint64_t id, quota, since;
	uint64_t mem_used, mem_peak, frames;
	uint32_t end;
	char tenant[VWIRE_NAME_MAX];
	char client[CONTROL_CLIENT_MAX];
};

/**
 * struct pool_worker - one process
 * @control: its end of the channel; fd -1 once that has ended
 * @timer: it is killed then
 */
struct pool_worker {
	struct server *server;
	struct pool_worker *next;
	pid_t pid;
	enum pool_state state;
	struct event control;
	struct event_timer timer;
	struct lease lease;
};

/**
 * struct pool - all of them
 * @workers: in the order of their start
 * @failures: workers that ended without a lease, since the last one that got one
 * @why: what became of the last of those
 * @retry: the next start after a failure
 */
struct pool {
	struct pool_worker *workers;
	uint32_t nr_alive, nr_warming, nr_free;
	uint32_t failures;
	char why[128];
	char program[4096];
	struct event_timer retry;
};

/* 0, or -errno, logged, when there is no such program. */
int pool_init(struct server *s);
/* Starts what is missing: enough warm ones, and one for everybody who waits for one. */
void pool_refill(struct server *s);
/* Sends the lease and the socket to the free worker that is warm longest; NULL: there is none. */
struct pool_worker *pool_hand_over(struct server *s, const struct control_lease *msg, int fd);
/* Sends the socket to the worker that has the lease; false: there is none, or it does not take it. */
bool pool_hand_bulk(struct server *s, const struct control_bulk *msg, int fd);
/* Several workers in a row came to nothing and none is there. */
bool pool_is_broken(const struct pool *p);
/* After SIGCHLD. */
void pool_reap(struct server *s);
/* Ends the workers that have no lease. */
void pool_drain(struct server *s);
void pool_kill(struct server *s);

#endif /* SERVER_POOL_H */
