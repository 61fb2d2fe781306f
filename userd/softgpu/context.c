/* SPDX-License-Identifier: MIT */
#include "context.h"

#include <stdlib.h>

#include "array.h"
#include "capture.h"
#include "device.h"
#include "driver.h"
#include "event.h"
#include "init.h"
#include "limit.h"
#include "malloc.h"
#include "memory.h"
#include "module.h"
#include "peer.h"
#include "pool.h"
#include "print.h"
#include "settings.h"
#include "stale.h"
#include "stream.h"
#include "texobject.h"

#define API_VERSION	3020

struct context_list context_all = LIST_HEAD_INITIALIZER(context_all);
static uint64_t opened;		/* contexts so far */
static CUresult fault;		/* the first that was not its context's alone */
static struct context primaries[SOFTGPU_DEVICES_MAX];

CUresult context_init(void)
{
	for (CUdevice dev = 0; dev < driver_devices(); dev++) {
		struct context *ctx = &primaries[dev];

		ctx->primary = true;
		ctx->device = dev;
		ctx->version = API_VERSION;
		if (handle_create(&ctx->obj, HANDLE_CONTEXT))
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

struct context *context_primary(CUdevice dev)
{
	return &primaries[dev];
}

struct context *context_by_handle(CUcontext handle)
{
	return HANDLE_FIND(handle, HANDLE_CONTEXT);
}

CUresult context_open(struct context *ctx)
{
	if (fault != CUDA_SUCCESS)
		return fault;
	LIST_INIT(&ctx->streams);
	LIST_INIT(&ctx->events);
	LIST_INIT(&ctx->modules);
	SLIST_INIT(&ctx->zombies);
	SLIST_INIT(&ctx->peers);
	limit_init(ctx);
	ctx->error = CUDA_SUCCESS;
	ctx->closing = false;
	ctx->legacy = stream_create(ctx, 0, 0);
	if (!ctx->legacy)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ctx->active = ctx->was_active = true;
	opened++;
	LIST_INSERT_HEAD(&context_all, ctx, link);
	return CUDA_SUCCESS;
}

/*
 * Streams first: their work may use modules, events and memory. Threads that wait for them leave
 * before ctx goes.
 */
void context_close(struct context *ctx)
{
	struct stream *s, *next;

	ctx->closing = true;
	for (s = LIST_FIRST(&ctx->streams); s; s = next) {
		next = LIST_NEXT(s, link);
		if (!s->closing)
			stream_close(s);
	}
	while (!LIST_EMPTY(&ctx->streams) || ctx->busy)
		driver_wait();
	mem_retire_owner(ctx);
	context_drain_all(ctx);
	mem_hide_owner(ctx);
	texobject_retire_all(ctx);
	array_retire_all(ctx);
	context_drain_all(ctx);		/* those that found an object until now */
	malloc_reap(ctx);
	pool_release_context(ctx);
	ctx->legacy = ctx->behind = ctx->before = NULL;
	while (!LIST_EMPTY(&ctx->events))
		event_destroy(LIST_FIRST(&ctx->events));
	while (!LIST_EMPTY(&ctx->modules))
		module_destroy(LIST_FIRST(&ctx->modules));
	texobject_release_all(ctx);
	array_release_all(ctx);
	mem_release_owner(ctx);
	peer_forget(ctx);
	limit_release(ctx);
	ctx->active = false;
	LIST_REMOVE(ctx, link);
	driver_wake();
}

void context_fault(struct context *ctx, CUresult r)
{
	if (ctx->error == CUDA_SUCCESS)
		ctx->error = r;
	if (driver_faults_stay() || fault != CUDA_SUCCESS)
		return;
	fault = r;
	LIST_FOREACH(ctx, &context_all, link)
		if (ctx->error == CUDA_SUCCESS)
			ctx->error = r;
}

CUresult context_bad(CUcontext handle)
{
	return stale_may_be_context(handle) && !handle_was_given((uintptr_t)handle, HANDLE_CONTEXT)
		       ? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult context_leave(CUresult r)
{
	driver_unlock();
	return r;
}

void context_retire(const struct context *ctx, struct object *obj)
{
	if (ctx->closing)
		handle_orphan(obj, opened);
	else
		handle_retire(obj);
}

CUresult context_bad_handle(const void *handle, enum handle_kind kind)
{
	uint64_t when = handle_orphaned((uintptr_t)handle);
	bool known = handle_was_given((uintptr_t)handle, kind) && !when;

	if (when && when == opened)
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	return !handle || kind == HANDLE_STREAM || known ? CUDA_ERROR_INVALID_HANDLE
							  : CUDA_ERROR_INVALID_CONTEXT;
}

static bool context_passed(const struct context *ctx, uint64_t seq)
{
	const struct stream *s;

	LIST_FOREACH(s, &ctx->streams, link)
		if (!stream_passed(s, seq))
			return false;
	return true;
}

CUresult context_drain(struct context *ctx)
{
	uint64_t seq = stream_now();

	ctx->busy++;
	while (!context_passed(ctx, seq))
		if (!stream_help_any(ctx, seq))
			driver_wait();
	pool_synchronized();
	ctx->busy--;
	driver_wake();
	return ctx->closing ? CUDA_ERROR_CONTEXT_IS_DESTROYED : ctx->error;
}

bool context_all_passed(uint64_t seq)
{
	const struct context *ctx;

	LIST_FOREACH(ctx, &context_all, link)
		if (!context_passed(ctx, seq))
			return false;
	return true;
}

static bool somebody_copies(void)
{
	const struct context *ctx;

	LIST_FOREACH(ctx, &context_all, link)
		if (ctx->copying)
			return true;
	return false;
}

CUresult context_drain_all(struct context *ctx)
{
	uint64_t seq = stream_now();

	ctx->busy++;
	while (!context_all_passed(seq) || somebody_copies())
		driver_wait();
	ctx->busy--;
	driver_wake();
	return ctx->closing ? CUDA_ERROR_CONTEXT_IS_DESTROYED : ctx->error;
}

static CUresult context_create(CUcontext *out, unsigned int flags, CUdevice dev)
{
	struct context *ctx;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !context_flags_ok(flags))
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (!context_has_room())
		return CUDA_ERROR_OUT_OF_MEMORY;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ctx->device = dev;
	ctx->flags = flags;
	ctx->version = API_VERSION;
	driver_lock();
	r = handle_create(&ctx->obj, HANDLE_CONTEXT) ? CUDA_ERROR_OUT_OF_MEMORY : context_open(ctx);
	if (r == CUDA_SUCCESS) {
		*out = HANDLE_OF(ctx);
		context_push(*out);
	} else {
		handle_retire(&ctx->obj);
		free(ctx);
	}
	return context_leave(r);
}

CUresult cuCtxCreate_v2(CUcontext *out, unsigned int flags, CUdevice dev)
{
	return context_create(out, flags, dev);
}

CUresult cuCtxCreate(CUcontext *out, unsigned int flags, CUdevice dev)
{
	return context_create(out, flags, dev);
}

CUresult cuCtxCreate_v3(CUcontext *out, CUexecAffinityParam *affinity, int nr, unsigned int flags,
			CUdevice dev)
{
	if (nr < 0 || (nr && !affinity))
		return CUDA_ERROR_INVALID_VALUE;
	return nr ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : context_create(out, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext *out, CUctxCreateParams *params, unsigned int flags, CUdevice dev)
{
	if (params && params->numExecAffinityParams)
		return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
	if (params && params->cigParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	return context_create(out, flags, dev);
}

void context_forget(struct context *ctx)
{
	CUcontext handle = HANDLE_OF(ctx);

	ctx->busy++;
	driver_unlock();
	cls_destroy(&ctx->cls, handle);
	driver_lock();
	ctx->busy--;
	driver_wake();
}

static CUresult context_destroy(CUcontext handle)
{
	struct context *ctx;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	ctx = context_by_handle(handle);
	if (!ctx)
		return context_leave(context_bad(handle));
	if (ctx->primary)
		return context_leave(CUDA_ERROR_INVALID_CONTEXT);
	context_forget(ctx);
	/* Another thread may have been faster. */
	ctx = context_by_handle(handle);
	if (!ctx)
		return context_leave(CUDA_ERROR_INVALID_CONTEXT);
	context_uncurrent(ctx);
	handle_retire(&ctx->obj);
	context_close(ctx);
	driver_unlock();
	cls_free(&ctx->cls);
	free(ctx);
	print_flush();
	return CUDA_SUCCESS;
}

CUresult cuCtxDestroy_v2(CUcontext ctx)
{
	return context_destroy(ctx);
}

CUresult cuCtxDestroy(CUcontext ctx)
{
	return context_destroy(ctx);
}

CUresult cuCtxAttach(CUcontext *out, unsigned int flags)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || flags)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ctx->attached++;
	*out = HANDLE_OF(ctx);
	return context_leave(CUDA_SUCCESS);
}

/* Of a context that is current; the last one destroys what cuCtxCreate() made. */
CUresult cuCtxDetach(CUcontext handle)
{
	struct context *ctx;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!ctx || handle != (CUcontext)HANDLE_OF(ctx))
		return context_leave(CUDA_ERROR_INVALID_CONTEXT);
	if (ctx->attached) {
		ctx->attached--;
		return context_leave(CUDA_SUCCESS);
	}
	driver_unlock();
	return context_destroy(handle);
}

CUresult cuCtxSetFlags(unsigned int flags)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!context_flags_ok(flags))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ctx->flags = flags;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxSynchronize(void)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r == CUDA_SUCCESS) {
		r = capture_refuse_context(ctx);
		r = context_leave(r == CUDA_SUCCESS ? context_drain(ctx) : r);
	}
	print_flush();
	return r;
}

CUresult cuCtxSynchronize_v2(CUcontext handle)
{
	struct context *ctx;
	CUresult r;

	if (!handle)
		return cuCtxSynchronize();
	r = driver_enter();
	if (r != CUDA_SUCCESS)
		return r;
	ctx = context_by_handle(handle);
	r = ctx && ctx->active && !ctx->closing ? capture_refuse_context(ctx)
						: CUDA_ERROR_INVALID_CONTEXT;
	if (r == CUDA_SUCCESS)
		r = context_drain(ctx);
	driver_unlock();
	print_flush();
	return r;
}
