/* SPDX-License-Identifier: MIT */
/*
 * event.h - events
 */
#ifndef SOFTGPU_EVENT_H
#define SOFTGPU_EVENT_H

#include <stdint.h>
#include <sys/queue.h>

#include "context.h"

struct ipc_event;
struct stream;

struct event {
	struct object obj;
	LIST_ENTRY(event) link;
	struct context *ctx;
	unsigned int refs;		/* its handle, and each record still queued */
	unsigned int flags;
	bool recorded;
	/* The latest record; times of older ones are dropped. */
	struct stream *stream;		/* NULL: complete; else a reference */
	uint64_t seq;
	int64_t time;			/* ns */
	struct ipc_event *ipc;		/* CU_EVENT_INTERPROCESS: its records count, ipcevent.h */
};

/* All with the lock held. */
CUresult event_create(struct context *ctx, unsigned int flags, struct event **out);
void event_destroy(struct event *e);
void event_put(struct event *e);

#endif
