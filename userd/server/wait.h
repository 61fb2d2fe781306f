/* SPDX-License-Identifier: MIT */
/*
 * wait.h - what has to wait for the GPU, and the threads that do
 *
 * The executor never waits for the GPU. It records an event at the place of a request in its
 * stream's order, puts a job into the stream's queue and goes on. A queue's jobs run one after the
 * other, queues run beside each other, each on a thread of its own, so a wait for one stream never
 * delays another. What waits for everything (cuCtxSynchronize, cuMemFree) has a queue of its own
 * and a mark on each stream that had work.
 *
 * Data before replies: a job that ends a wait first lets every earlier job with data for the host
 * finish whose own event has come. If the wait covered that copy, by whatever chain of events and
 * streams, then its event has come; if its event has not come, the wait did not cover it.
 *
 * Locking: struct wait's lock guards queues, the list of data jobs, marks to reuse and counters.
 * Fields marked "executor" need none.
 */
#ifndef SERVER_WAIT_H
#define SERVER_WAIT_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct module;
struct worker;
struct request;
struct job;

/* that wait for the GPU; those that wait for another's data come on top */
#define WAIT_THREADS	64
#define WAIT_JOBS_MAX	65536	/* more unfinished ones make the executor wait */

/* An event of the worker's own, recorded at a place in a stream. */
struct mark {
	struct mark *next;
	CUevent event;
};

struct queue {
	CUstream stream;
	struct queue *next_stream, **prev_stream;	/* executor */
	bool busy;		/* executor: has work that no fence covers */
	bool busy_context;	/* the same of its context's fences */
	/* executor: context.h. `ahead`: has work that the legacy stream was not told to wait for */
	struct queue *legacy;
	bool blocking, ahead;
	uint64_t epoch;		/* of a legacy stream: its work; else: as far as this one is behind it */
	CUevent order;
	struct queue *fences;	/* of a legacy stream: waits for its context; NULL: none yet */
	struct mark *orphans;	/* the same, of streams that were destroyed before such a wait */
	bool active;		/* ready, or a thread has it */
	unsigned int refs;	/* the stream, and active */
	struct job *head, **tail;
	struct queue *next_ready;
};

struct job {
	struct job *next;			/* in its queue */
	struct job *next_data, **prev_data;	/* data jobs, oldest first; prev_data NULL: none */
	uint64_t order;
	struct mark *marks;
	CUevent event;		/* the client's: waited for as well */
	CUresult err;		/* a mark could not be made: the context is lost */
	bool is_data, is_wait;
	/* takes a while even with nothing to wait for: never on the executor */
	bool is_slow;
	bool waits;		/* run waits itself, with wait_events(), and is told err alone */
	uint16_t op;
	uint64_t seq;		/* of the request; answered when is_wait */
	/*
	 * Ends the job: r is what the wait came to. On a waiter thread, or on the executor when
	 * nothing was left to wait for.
	 */
	void (*run)(struct worker *w, struct job *job, CUresult r);
	union {
		struct {
			void *slot;
			uint64_t offset;
			uint32_t bytes;
		} copy;
		struct {
			uint64_t addr, size;
			bool unmap;
		} free;
		struct module *module;
		struct fetch *fetch;
		struct { uint64_t number; uint32_t token, kind; CUresult result; } call;
		struct { struct host_node *hosts; struct executable *exec; uint32_t token; } graph;
		struct {
			void *real;
			uint64_t booked;	/* bytes of the lease's limit */
			bool mipmapped;
		} array;
	};
};

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t ready;	/* a queue has become ready */
	pthread_cond_t ended;	/* a job has ended, and nr_ended_waiters wants to know */
	struct queue *ready_head, **ready_tail;
	unsigned int nr_threads, nr_idle, nr_covering, nr_ended_waiters;
	_Atomic unsigned int nr_jobs;	/* changed with the lock */
	uint64_t last_order;
	struct job *data_head, **data_tail;
	struct mark *marks;		/* to reuse */
	struct queue legacy, context;
	struct queue *streams;		/* executor: all but those two */
	bool several;			/* executor: there was more than one context */
	/* executor: on streams destroyed before a fence covered them */
	struct mark *orphans;
};

/* Set on waiter threads. */
extern __thread bool wait_is_waiter;

int wait_init(struct worker *w);
/* The queue of a new stream; NULL: no memory. */
struct queue *wait_queue_new(struct worker *w, CUstream stream);
/* Before the stream is destroyed, and when it has been. */
void wait_queue_leave(struct worker *w, struct queue *q);
void wait_queue_put(struct worker *w, struct queue *q);

/*
 * A job for the request; is_wait: it is answered with run's result by wait_answer(). NULL: no
 * memory.
 */
struct job *wait_job(struct request *rq, void (*run)(struct worker *, struct job *, CUresult));
/* Marks where the stream is now; an error is kept in the job. */
void wait_mark(struct worker *w, struct job *job, struct queue *q);
/*
 * Marks every stream with work since the last fence. For jobs of the context's queue, whose order
 * covers the earlier fences.
 */
void wait_fence(struct worker *w, struct job *job);
/* The same of the streams of one context; for jobs of legacy->fences. */
void wait_fence_context(struct worker *w, struct job *job, struct queue *legacy);
struct queue *wait_queue_fences(void);
/* Until the events of a job have come: what they say, or that the context is lost. On a waiter thread. */
CUresult wait_events(struct worker *w, const struct job *job);
/* Takes the job over. q NULL: a queue of its own. */
void wait_submit(struct worker *w, struct queue *q, struct job *job);
/*
 * For run functions of the context's queue: the next job there runs the same function and waits for
 * nothing more. On the executor there is no next one.
 */
bool wait_next_is_over(struct worker *w, const struct job *job);
/* The run function of plain waits: replies with r. */
void wait_answer(struct worker *w, struct job *job, CUresult r);

#endif /* SERVER_WAIT_H */
