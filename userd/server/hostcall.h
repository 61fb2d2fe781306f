/* SPDX-License-Identifier: MIT */
/*
 * hostcall.h - what the client is asked for while a stream waits: functions of the program, and the
 * bytes of its memory
 *
 * The driver calls a function of the worker's on a thread of its own; it asks the client and holds
 * the stream until the answer is there. A client that has gone answers everything at once.
 */
#ifndef SERVER_HOSTCALL_H
#define SERVER_HOSTCALL_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct worker;

/* An answer that is waited for; on the stack of the driver's thread. */
struct call {
	struct call *next;
	uint64_t number;
	uint8_t *data;			/* where the answer's bytes go */
	size_t bytes, have;
	bool done;
};

struct hostcalls {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct call *waiting;
	uint64_t last;
	bool over;			/* nobody is there to answer */
};

void hostcall_init(struct worker *w);
/*
 * Asks and waits, on a thread of the driver's that may not call the driver: what a copy brought to
 * the host before goes to the client first. false: no answer will come.
 */
bool hostcall_ask(struct worker *w, uint32_t token, uint32_t kind, CUresult result, void *data,
		  size_t bytes);
/* Sends and does not wait. */
void hostcall_tell(struct worker *w, uint32_t token, uint32_t kind);
void hostcall_store(struct worker *w, uint32_t token, const void *data, size_t bytes);
/* A VWIRE_OP_FEED frame. false: malformed. */
bool hostcall_feed(struct worker *w, struct request *rq);
/* What a batch writes, or looks at, must be the device's. */
CUresult hostcall_check_ops(struct worker *w, const CUstreamBatchMemOpParams *ops, uint32_t nr);
/* The session is over: who waits goes on. */
void hostcall_end(struct worker *w);

#endif /* SERVER_HOSTCALL_H */
