/* SPDX-License-Identifier: MIT */
/*
 * context.h - contexts as userd/graph knows them
 *
 * All contexts of a program stand for the lease's one (context.c of the library): one legacy stream
 * does for all, as it is never captured, and a capture cares for nothing else of them.
 */
#ifndef VCUDA_GRAPH_CONTEXT_H
#define VCUDA_GRAPH_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"
#include "handle.h"

struct stream;

struct context {
	struct object obj;
	CUdevice device;
	CUresult error;
	struct stream *legacy;
};

/* Takes the lock and gives the context that all streams are of; context_leave() drops it. */
CUresult context_enter(struct context **ctx);
CUresult context_leave(CUresult r);

#endif
