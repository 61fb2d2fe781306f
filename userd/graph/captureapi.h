/* SPDX-License-Identifier: MIT */
/*
 * captureapi.h - a capture from its begin to its end
 */
#ifndef SOFTGPU_CAPTUREAPI_H
#define SOFTGPU_CAPTUREAPI_H

#include "capture.h"

struct stream_capture {
	struct capture *capture;	/* a reference */
	struct stream *stream;
	LIST_ENTRY(stream_capture) link;
	struct frontier frontier;
	CUgraphNode *handles;		/* of the frontier, as the program was last told */
	CUgraphEdgeData *data;
};

struct capture {
	unsigned int refs;		/* its streams, and events recorded in them */
	uint64_t id;
	CUstreamCaptureMode mode;
	uint64_t thread;		/* that began it */
	struct graph *graph;		/* NULL: ended */
	bool own_graph;			/* made for this capture */
	bool invalid;
	struct stream *origin;
	LIST_HEAD(, stream_capture) streams;
	LIST_ENTRY(capture) link;
};

struct capture *capture_create(struct graph *g, CUstreamCaptureMode mode);
CUresult capture_join(struct capture *c, struct stream *s, const struct edge *e, size_t nr);
struct graph *capture_end(struct capture *c);
/* s is a legacy stream that a capture would come to depend on. */
CUresult capture_check_legacy(const struct stream *s, bool spoil);
CUresult capture_merge(struct stream_capture *sc, const struct edge *e, size_t nr);
CUresult capture_replace(struct stream_capture *sc, const struct edge *e, size_t nr);
/* cuThreadExchangeStreamCaptureMode() of the calling thread. */
CUstreamCaptureMode capture_thread_mode(void);

#endif
