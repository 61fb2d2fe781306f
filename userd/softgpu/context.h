/* SPDX-License-Identifier: MIT */
/*
 * context.h - contexts and the stack of current ones of each thread
 */
#ifndef SOFTGPU_CONTEXT_H
#define SOFTGPU_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api.h"
#include "cudart.h"
#include "handle.h"

struct stream;
struct event;
struct module;
struct mipmapped;
struct texobject;
struct zombie;
struct peer;
struct sg_heap;

struct context {
	struct object obj;
	LIST_ENTRY(context) link;
	CUdevice device;
	bool primary;
	bool active;		/* a primary context that nobody retained is not */
	bool was_active;
	_Atomic bool closing;	/* being torn down: no new work, no new objects */
	unsigned int retained;
	unsigned int flags;
	unsigned int version;	/* of the API it was made with */
	_Atomic CUresult error;	/* sticky: the first fault of a kernel */
	size_t limits[CU_LIMIT_MAX];	/* limit.h */
	bool prints;		/* a kernel that can print was launched */
	struct sg_heap *heap;	/* of kernels; NULL: none was launched that needs it */
	uint64_t heap_addr;	/* its memory */
	CUfunc_cache cache_config;
	CUsharedconfig shared_config;
	unsigned int busy; /* threads that hold ctx with the lock dropped: it cannot be freed */
	unsigned int copying;	/* those of them that copy from or to device memory */
	struct cls_list cls;
	struct stream *legacy;
	struct stream *behind, *before;	/* ctxorder.c; NULL: not needed yet */
	unsigned int attached;		/* cuCtxAttach() without cuCtxDetach() */
	LIST_HEAD(, stream) streams;
	LIST_HEAD(, event) events;
	LIST_HEAD(, module) modules;
	LIST_HEAD(, mipmapped) arrays;
	LIST_HEAD(, texobject) texobjects;	/* and surfaces */
	SLIST_HEAD(, zombie) zombies;	/* malloc.h */
	SLIST_HEAD(, peer) peers;	/* peer.h */
};

/* Makes the (inactive) primary contexts. */
CUresult context_init(void);

LIST_HEAD(context_list, context);
extern struct context_list context_all;

/*
 * Gives a context its streams and defaults, or the fault that another had; drains and frees all that
 * it holds.
 */
CUresult context_open(struct context *ctx);
void context_close(struct context *ctx);
/* Work of ctx failed. As a driver's process, this one cannot use the devices any more. */
void context_fault(struct context *ctx, CUresult r);
struct context *context_primary(CUdevice dev);
/* NULL: no such live context. */
struct context *context_by_handle(CUcontext handle);
/* The calling thread's current context, live or not; NULL: none. */
CUcontext context_current(void);
/*
 * Tells those who keep values in ctx that it ends; the lock is dropped meanwhile. ctx itself stays
 * there.
 */
void context_forget(struct context *ctx);
/* The handle of what lives in ctx is stale from here on: by itself, or because ctx is closing. */
void context_retire(const struct context *ctx, struct object *obj);
/*
 * What is wrong with a stream, array or event that is not there: its context was destroyed, or
 * INVALID_HANDLE, and of what never was one INVALID_CONTEXT, since the driver looks for its context
 * first. Natively another context takes the memory of one that was destroyed, and what lived in that
 * one is garbage from then on.
 */
CUresult context_bad_handle(const void *handle, enum handle_kind kind);
/*
 * What is said of a context that is not there: one that is destroyed of what never was one, and no
 * valid one of what was: natively so.
 */
CUresult context_bad(CUcontext handle);
/* A new stream of ctx waits for what cuCtxWaitEvent() said. */
CUresult context_order(struct stream *s);
/* Onto the calling thread's stack, where there is room. */
bool context_has_room(void);
void context_push(CUcontext handle);
/* Takes ctx from the calling thread's stack if it is on top. */
void context_uncurrent(struct context *ctx);

/*
 * Starts a driver call: takes the lock and gives the thread's current context. On any error, a
 * sticky one included, the lock is not held and the call is over. context_leave() ends the call.
 */
CUresult context_enter(struct context **ctx);
CUresult context_leave(CUresult r);
/* The same for a call that some captures do not allow (capture_unsafe()). */
CUresult context_enter_unsafe(struct context **ctx);
/*
 * The same without asking for a healthy context: *ctx may be NULL, and the sticky error is the
 * caller's business.
 */
CUresult context_enter_any(struct context **ctx);
/* What is said of a thread without a current context, or with one that has gone. */
CUresult context_missing(void);

/*
 * Waits for everything that was queued in ctx before the call; then gives its sticky error. Lock
 * held, dropped meanwhile.
 */
CUresult context_drain(struct context *ctx);
/*
 * Waits for everything that was queued, and for copies that run now, in all contexts: memory of one
 * can be used by another. ctx does not go away meanwhile. Gives the sticky error of ctx, which need
 * not keep the caller from freeing.
 */
CUresult context_drain_all(struct context *ctx);
/* True when all streams of all contexts have passed seq. */
bool context_all_passed(uint64_t seq);

#endif
