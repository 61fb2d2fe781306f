/* SPDX-License-Identifier: MIT */
/*
 * current.c - each thread's stack of current contexts, and how a call begins with the one on top
 */
#include "context.h"

#include "capture.h"
#include "init.h"
#include "stale.h"

#define STACK_MAX	64

/*
 * Handles, not pointers: a context destroyed by another thread stays on this stack and is found out
 * at its next use.
 */
static __thread CUcontext stack[STACK_MAX];
static __thread unsigned int depth;

CUresult context_enter_any(struct context **ctx)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	*ctx = depth ? context_by_handle(stack[depth - 1]) : NULL;
	if (*ctx && (!(*ctx)->active || (*ctx)->closing))
		*ctx = NULL;
	return CUDA_SUCCESS;
}

CUresult context_missing(void)
{
	struct context *ctx;

	if (!depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	ctx = context_by_handle(stack[depth - 1]);
	/* A primary context may be current before the first retain. */
	return ctx && !ctx->was_active ? CUDA_ERROR_INVALID_CONTEXT
				       : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult context_enter(struct context **ctx)
{
	CUresult r = context_enter_any(ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = *ctx ? (*ctx)->error : context_missing();
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUresult context_enter_unsafe(struct context **ctx)
{
	CUresult r = context_enter(ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = capture_unsafe();
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUcontext context_current(void)
{
	return depth ? stack[depth - 1] : NULL;
}

bool context_has_room(void)
{
	return depth < STACK_MAX;
}

void context_push(CUcontext handle)
{
	stack[depth++] = handle;
}

void context_uncurrent(struct context *ctx)
{
	if (depth && stack[depth - 1] == (CUcontext)HANDLE_OF(ctx))
		depth--;
}

CUresult cuCtxGetCurrent(CUcontext *out)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = context_current();
	return CUDA_SUCCESS;
}

/* A context that is or was: the calls that follow tell. */
static CUresult check_handle(CUcontext handle)
{
	CUresult r = driver_ready();
	bool ok;

	if (r != CUDA_SUCCESS)
		return r;
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	ok = handle_was_given((uintptr_t)handle, HANDLE_CONTEXT) || stale_may_be_context(handle);
	return context_leave(ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT);
}

CUresult cuCtxSetCurrent(CUcontext handle)
{
	CUresult r = handle ? check_handle(handle) : driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (depth)
		depth--;
	if (handle)
		context_push(handle);
	return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext handle)
{
	CUresult r = check_handle(handle);

	if (r != CUDA_SUCCESS)
		return r;
	if (!context_has_room())
		return CUDA_ERROR_OUT_OF_MEMORY;
	context_push(handle);
	return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext handle)
{
	return cuCtxPushCurrent_v2(handle);
}

CUresult cuCtxPopCurrent_v2(CUcontext *out)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	depth--;
	if (out)
		*out = stack[depth];
	return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext *out)
{
	return cuCtxPopCurrent_v2(out);
}

CUresult cuCtxGetDevice(CUdevice *dev)
{
	return cuCtxGetDevice_v2(dev, NULL);
}

/*
 * NULL: the thread's current context. A primary context that is not active yet has a device, too.
 */
CUresult cuCtxGetDevice_v2(CUdevice *dev, CUcontext handle)
{
	struct context *ctx;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!dev)
		return CUDA_ERROR_INVALID_VALUE;
	if (!handle && !depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	driver_lock();
	ctx = context_by_handle(handle ? handle : stack[depth - 1]);
	if (!ctx)
		return context_leave(handle ? CUDA_ERROR_INVALID_CONTEXT
					    : CUDA_ERROR_CONTEXT_IS_DESTROYED);
	*dev = ctx->device;
	return context_leave(CUDA_SUCCESS);
}
