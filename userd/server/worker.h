/* SPDX-License-Identifier: MIT */
/*
 * worker.h - the process that serves one lease
 *
 * Threads: the executor (the process's first) reads frames and starts their work in the order of
 * the connection; waiters (wait.h) wait for the GPU and answer; the writer (reply.h) sends what the
 * socket did not take at once; the control thread takes bulk connections, each of which has a
 * receiver and a sender (bulk.h), and ends the process when vgpu-server is gone. All of it dies with
 * the process: nothing is unwound one by one, the driver takes the context back.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <cuda.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "bulk.h"
#include "control.h"
#include "copy.h"
#include "device.h"
#include "function.h"
#include "halt_poll.h"
#include "handles.h"
#include "hostcall.h"
#include "imagecache.h"
#include "preload.h"
#include "memory.h"
#include "module.h"
#include "realcuda.gen.h"
#include "reply.h"
#include "text.h"
#include "wait.h"

/* CLOCK_MONOTONIC */
static inline uint64_t worker_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

struct worker {
	const char *cuda_path;
	int device_number;
	int control;		/* to vgpu-server */
	int fd;			/* to the client */
	CUcontext ctx;
	struct control_lease lease;
	uint64_t features;	/* agreed */
	_Atomic uint32_t reply_max;	/* bytes of the largest frame the client takes; 0: not greeted */
	uint64_t last_seq, nr_frames;
	size_t input_left;	/* bytes that have come and were not looked at */
	uint64_t freed_untold;	/* context's queue: the last cuMemFree done and not told yet */
	/* no further frame is taken; the second, once the client has been told */
	_Atomic bool closing_begun, closing;
	uint32_t end;		/* enum control_end, once closing */
	_Atomic uint32_t lost;	/* the CUresult that lost the context; 0: it lives */

	struct device device;
	struct handles handles;
	struct memory memory;
	struct copy copy;
	struct bulk bulk;
	struct wait wait;
	struct output out;
	struct modules modules;
	struct functions functions;
	struct imagecache cache;
	struct preload preload;
	bool takes_no_cubin;
	struct hostcalls calls;
	struct text text;
};

extern struct realcuda real;

/*
 * Takes a client's frames until it goes or is closed: HELLO, then requests. Returns why, as enum
 * control_end.
 */
uint32_t worker_serve(struct worker *w);
/* How long a thread asks for what it waits for before it sleeps. */
struct halt_poll *worker_poll(void);
/* More of the client is there, or its end. Executor only. */
bool worker_has_input(struct worker *w);
/* Closes the session: text names the row. On the executor, or bulk.c's threads, which wake it. */
void worker_close(struct worker *w, CUresult r, uint32_t reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif /* SERVER_WORKER_H */
