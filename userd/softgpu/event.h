/* SPDX-License-Identifier: MIT */
/*
 * event.h - events
 */
#ifndef SOFTGPU_EVENT_H
#define SOFTGPU_EVENT_H

#include <stdint.h>
#include <sys/queue.h>

#include "capture.h"
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
	/* Recorded last in a stream that captured: no record at all (capture.h). */
	struct capture *capture;	/* NULL: no; else a reference */
	struct frontier frontier;
};

/* All with the lock held. */
CUresult event_create(struct context *ctx, unsigned int flags, struct event **out);
void event_destroy(struct event *e);
void event_put(struct event *e);
/* With the lock held, and e and s of one context. */
CUresult event_record(struct event *e, struct stream *s);
bool event_is_complete(const struct event *e);
/* What is queued on s from here on waits for the latest record. */
CUresult event_queue_wait(struct event *e, struct stream *s);
/*
 * A record that is part of other work of s, with the number seq: pending from event_expect() on,
 * complete at event_happens() unless another record came between.
 */
void event_expect(struct event *e, struct stream *s, uint64_t seq);
void event_happens(struct event *e, struct stream *s, uint64_t seq);

#endif
