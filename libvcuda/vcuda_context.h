/* SPDX-License-Identifier: MIT */
/*
 * vcuda_context.h - what is known of a context, for the files that answer questions about it
 */
#ifndef VCUDA_CONTEXT_H
#define VCUDA_CONTEXT_H

#include "cudart.h"
#include "vcuda.h"

struct context {
	CUcontext handle;
	CUdevice dev;
	bool primary;
	/* a primary context that nobody has retained is not */
	_Atomic bool active;
	bool was_active;
	_Atomic bool closing;		/* a created one is being destroyed */
	unsigned int flags, refs;	/* refs: of a primary context */
	unsigned int attached;		/* cuCtxAttach() without cuCtxDetach() */
	unsigned int api_version;
	uint64_t id;
	CUfunc_cache cache_config;
	CUsharedconfig shared_config;
	size_t limits[CU_LIMIT_MAX];
	/* its legacy stream: VWIRE_STREAM_LEGACY or a stream of its own, once it has one of them */
	_Atomic bool placed;
	_Atomic uint32_t legacy;
	struct cls_list cls;
	struct context *next_spare;
};

/* Creation, reference counts, values by key. */
extern pthread_mutex_t context_lock;

/* The live context, a primary one that is not active included; NULL: no such handle. */
struct context *context_get(CUcontext handle);
/* The calling thread's current one, poisoned or not. */
CUresult context_current(struct context **c);
/* handle, or for NULL the current one, which must not be poisoned. */
CUresult context_named(CUcontext handle, struct context **c);
/* With the lock. */
struct context *context_new(CUdevice dev, unsigned int flags, bool primary);
/* userd/driver: of cuCtxCreate() and cuDevicePrimaryCtxSetFlags(). */
bool context_flags_ok(unsigned int flags);
/*
 * With the lock. It can be used from here on, until context_ends(); none can after a fault, which ends what a process
 * can do. Libraries are of no context, but their variables natively are: where no context is left, the
 * next one has new ones.
 */
CUresult context_begins(struct context *c);
void context_ends(struct context *c);
/* What lived in a context goes with it, each when the work on it is done. */
void context_empty(struct context *c);
/* The context's limits are as a new one's. */
void context_limits_reset(struct context *c);

#endif
