/* SPDX-License-Identifier: MIT */
/*
 * capture.h - streams that collect nodes instead of work
 *
 * A call that queues work asks capture_enter() first, and hands its work to capture_node() if the
 * stream captures. All with the lock held.
 */
#ifndef SOFTGPU_CAPTURE_H
#define SOFTGPU_CAPTURE_H

#include <stdbool.h>

#include "graph.h"

struct event;
struct stream;

/* A set of nodes that the next one depends on. */
struct frontier {
	struct edge *e;
	size_t nr;
};

struct capture;

/* How many there are, and whether there ever was one; for a look without the lock. */
extern _Atomic unsigned int capture_count;
extern _Atomic bool capture_ever;

/*
 * Before work is put on s. *capturing: it becomes a node. An error: the capture is invalid, or the
 * work would depend on a capture through the legacy stream, which invalidates that one.
 */
CUresult capture_enter(struct stream *s, bool *capturing);
/* The same for calls that cannot be a node: waits, queries. */
CUresult capture_refuse(struct stream *s);
/* A call that might wait for, or disturb, what some stream captures (CUstreamCaptureMode). */
CUresult capture_unsafe(void);
/* A call that waits for all of the context. */
CUresult capture_refuse_context(struct context *ctx);

/* Adds a node behind what s has captured so far. */
CUresult capture_node(struct stream *s, CUgraphNodeParams *p);
CUresult capture_kernel(struct stream *s, CUgraphNodeParams *p, const CUlaunchAttribute *attrs,
			unsigned int nr);
/* cuMemAllocAsync() and cuMemFreeAsync() on a stream that captures. */
CUresult capture_add_alloc(struct stream *s, size_t bytes, uint64_t *out);
CUresult capture_add_free(struct stream *s, uint64_t addr);
void capture_invalidate(struct capture *c);

/* cuEventRecord() and cuStreamWaitEvent(), of an event that was recorded in a capture. */
CUresult capture_record(struct stream *s, struct event *e);
CUresult capture_wait(struct stream *s, struct event *e);
/* What cuEventQuery() and its like say of an event that was recorded in a capture. */
CUresult capture_ask_event(struct event *e);
/* Forgets what e was recorded in. */
void capture_forget_event(struct event *e);
/* s goes away. */
void capture_forget_stream(struct stream *s);

#endif
