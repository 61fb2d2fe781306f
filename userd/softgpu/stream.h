/* SPDX-License-Identifier: MIT */
/*
 * stream.h - streams: a queue and, from the first piece of work on, a thread each
 *
 * Every piece of work gets a number from one counter when it is queued, whatever its stream. All
 * ordering is said in these numbers: a stream has passed number n when the oldest work it still has
 * is younger. Work waits only for smaller numbers, so waiting cannot go round in a circle.
 */
#ifndef SOFTGPU_STREAM_H
#define SOFTGPU_STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "context.h"

#define STREAM_IDLE	UINT64_MAX

struct work {
	STAILQ_ENTRY(work) link;
	uint64_t seq;
	bool always;			/* runs in a poisoned context, too */
	bool anywhere;			/* also on a thread of the program that waits for it */
	struct stream *after;		/* NULL, or not before this stream (a reference) ... */
	uint64_t after_seq;		/* ... has passed this number */
	/* Without the lock, on the stream's thread unless anywhere is set. An error poisons the context. */
	CUresult (*run)(struct work *w, struct context *ctx);
	void (*destroy)(struct work *w);	/* NULL: free() */
};

struct stream {
	struct object obj;		/* no handle: the legacy and the per-thread ones */
	LIST_ENTRY(stream) link;	/* ctx->streams, until its thread has ended */
	struct context *ctx;		/* valid while linked */
	unsigned int refs;
	unsigned int flags;
	int priority;
	uint64_t id;
	uint64_t owner;			/* thread number of a per-thread stream, else 0 */
	bool started;
	bool running;			/* somebody is at the queue's head */
	bool closing;			/* no new work; goes away when the queue is empty */
	uint64_t oldest;		/* number of the oldest unfinished work, or STREAM_IDLE */
	STAILQ_HEAD(, work) queue;
	pthread_cond_t more;
	struct stream_capture *capture;	/* NULL: does not capture (capture.c) */
	CUlaunchAttributeValue policy;	/* access policy window, a hint */
	CUsynchronizationPolicy sync_policy;
	CUlaunchMemSyncDomainMap domain_map;
	CUlaunchMemSyncDomain domain;
};

static inline bool stream_passed(const struct stream *s, uint64_t seq)
{
	return s->oldest > seq;
}

/* Priorities go from 0 down to this, the most urgent. */
#define STREAM_PRIORITY_GREATEST	-5

static inline int stream_clamp_priority(int priority)
{
	return priority > 0 ? 0 :
	       priority < STREAM_PRIORITY_GREATEST ? STREAM_PRIORITY_GREATEST : priority;
}

/* All of the following with the lock held. */

/* The calling thread's number, from 1 on; never used twice. */
uint64_t stream_thread_number(void);
struct stream *stream_create(struct context *ctx, unsigned int flags, int priority);
void stream_close(struct stream *s);
void stream_get(struct stream *s);
void stream_put(struct stream *s);

/*
 * The stream that the handle names in ctx; CU_STREAM_LEGACY and CU_STREAM_PER_THREAD included. Others
 * need no context: ctx may be NULL.
 */
CUresult stream_find(struct context *ctx, CUstream handle, struct stream **out);
/*
 * Starts a call on a stream, as context_enter(): its own context counts, and must be healthy; which is
 * current does not matter.
 */
CUresult stream_enter(CUstream handle, struct stream **s);
/* Like stream_find(), but only streams of ctx itself, for work that touches ctx. */
CUresult stream_find_own(struct context *ctx, CUstream handle, struct stream **out);

/* In the calls whose names end in _ptsz, 0 is the thread's own stream. */
static inline CUstream stream_ptsz(CUstream s)
{
	return s ? s : CU_STREAM_PER_THREAD;
}

/* The number of the youngest work there is. */
uint64_t stream_now(void);
/* True when work queued on s now would start at once. */
bool stream_is_idle(const struct stream *s);
/* Queues w, which the stream owns from here on, error or not. */
CUresult stream_submit(struct stream *s, struct work *w);
/* What is queued on s from here on waits until other has passed seq. */
CUresult stream_queue_wait(struct stream *s, struct stream *other, uint64_t seq);
/* Runs the next work of a stream of ctx, up to seq, on this thread; false: there is none for it. */
bool stream_help_any(struct context *ctx, uint64_t seq);
/* Waits for all that work queued on s now would wait for; gives the sticky error of its context. */
CUresult stream_drain(struct stream *s);
/*
 * Waits for the work of s alone, if it is not the legacy stream. stream_is_done(): would not wait.
 */
CUresult stream_sync(struct stream *s);
bool stream_is_done(const struct stream *s);
/* Waits until s has passed seq. */
void stream_wait(struct stream *s, uint64_t seq);

#endif
