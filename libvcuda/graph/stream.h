/* SPDX-License-Identifier: MIT */
/*
 * stream.h - streams as a capture knows them: made when a stream first has to do with one
 */
#ifndef VCUDA_GRAPH_STREAM_H
#define VCUDA_GRAPH_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "context.h"

struct work {
	int unused;			/* softgpu's streams have some */
};

struct stream {
	struct object obj;
	struct context *ctx;
	unsigned int flags;
	int priority;
	struct stream_capture *capture;	/* NULL: does not capture */
};

/* The calling thread's number, from 1 on; never used twice. */
uint64_t stream_thread_number(void);
CUresult stream_find(struct context *ctx, CUstream handle, struct stream **out);

#endif
