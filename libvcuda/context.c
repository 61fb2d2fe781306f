// SPDX-License-Identifier: MIT
/*
 * context.c - contexts, which never leave the process, and the stack of current ones of each thread
 *
 * A lease has one context on its device, made before the function came. The primary context and
 * those that the program creates all stand for it. Each has its own place in the threads' stacks,
 * its own local storage, limits and objects, which go with it, and its own legacy stream: legacy.c.
 * The address space is shared, as it is between contexts of one device, and so is a poisoned end.
 */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "stale.h"
#include "texture.h"
#include "vcuda_context.h"

#define STACK_MAX	64

pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_id;
static unsigned int nr_active;
static struct context *spare;	/* gone: another thread may be looking at one, so they stay, for new ones */
static _Atomic uint64_t nr_begun;

/*
 * Handles, not pointers: natively, too, what is no context any more can be made current, and the
 * calls that follow tell.
 */
static __thread CUcontext stack[STACK_MAX];
static __thread int depth;

struct context *context_get(CUcontext ctx)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_context, ctx);

	return o ? o->p : NULL;
}

static struct context *take_spare(void)
{
	struct context *c = spare;

	if (!c)
		return calloc(1, sizeof(*c));
	spare = c->next_spare;
	memset(c, 0, sizeof(*c));
	return c;
}

/* With the lock. */
static void context_del(struct context *c)
{
	vcuda_handle_del(CUDA_HANDLE_context, c->handle);
	c->next_spare = spare;
	spare = c;
}

struct context *context_new(CUdevice dev, unsigned int flags, bool primary)
{
	struct context *c = take_spare();
	struct vcuda_object *o;

	if (!c)
		return NULL;
	c->handle = (CUcontext)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_context, &o);
	if (!c->handle) {
		context_del(c);
		return NULL;
	}
	c->dev = dev;
	c->flags = flags;
	c->primary = primary;
	c->api_version = 3020;
	c->id = ++last_id;
	context_limits_reset(c);
	o->p = c;
	return c;
}

static void separate(void *handle, struct vcuda_object *o, void *arg)
{
	const struct context *c = o->p;

	(void)arg;
	if (c && c->active)
		vcuda_libraries_separate(handle);
}

CUresult context_begins(struct context *c)
{
	CUresult r = vcuda_sticky_error();

	if (c->active)
		return CUDA_SUCCESS;
	if (r)
		return r;
	if (nr_active == 1)
		vcuda_handle_each(CUDA_HANDLE_context, separate, NULL);
	c->active = c->was_active = true;
	nr_active++;
	nr_begun++;
	return CUDA_SUCCESS;
}

uint64_t vcuda_contexts_begun(void)
{
	return atomic_load(&nr_begun);
}

void context_ends(struct context *c)
{
	bool last;

	pthread_mutex_lock(&context_lock);
	last = atomic_exchange(&c->active, false) && !--nr_active;
	pthread_mutex_unlock(&context_lock);
	if (last)
		vcuda_libraries_restart();
}

/* ---- values by key ---- */

static CUresult cls_context(CUcontext ctx, struct context **c)
{
	if (!ctx)
		ctx = vcuda_current();
	*c = ctx ? context_get(ctx) : NULL;
	return *c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cudart_cls_get(void **value, CUcontext ctx, void *key)
{
	struct context *c;
	CUresult r = cls_context(ctx, &c);

	return r ? r : cls_get(&c->cls, key, value);
}

CUresult cudart_cls_put(CUcontext ctx, void *key, void *value, cls_dtor dtor)
{
	struct context *c;
	CUresult r = cls_context(ctx, &c);

	if (r)
		return r;
	pthread_mutex_lock(&context_lock);
	r = cls_put(&c->cls, key, value, dtor);
	pthread_mutex_unlock(&context_lock);
	return r;
}

CUresult cudart_cls_del(CUcontext ctx, void *key)
{
	struct context *c;
	CUresult r = cls_context(ctx, &c);

	if (r)
		return r;
	pthread_mutex_lock(&context_lock);
	r = cls_del(&c->cls, key);
	pthread_mutex_unlock(&context_lock);
	return r;
}

void context_empty(struct context *c)
{
	cls_destroy(&c->cls, c->handle);
	vcuda_context_destroy_streams(c->handle);
	vcuda_context_destroy_textures(c->handle);
	vcuda_context_destroy_arrays(c->handle);
	vcuda_context_unload(c->handle);
	vcuda_context_free_memory(c->handle);
	vcuda_legacy_forget(c->handle);
	context_limits_reset(c);
}

/* ---- the thread's stack ---- */

CUcontext vcuda_current(void)
{
	return depth ? stack[depth - 1] : NULL;
}

/* Why the thread's current context, if it has one, is of no use. */
static CUresult why_not(const struct context *c)
{
	if (!depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	/* a primary context may be current before the first retain */
	return c && !c->was_active ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult context_current(struct context **c)
{
	*c = depth ? context_get(stack[depth - 1]) : NULL;
	return *c && atomic_load_explicit(&(*c)->active, memory_order_relaxed) ? CUDA_SUCCESS
									       : why_not(*c);
}

CUresult context_named(CUcontext handle, struct context **c)
{
	CUresult r;

	if (handle) {
		*c = context_get(handle);
		return *c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
	}
	r = context_current(c);
	return r ? r : vcuda_sticky_error();
}

CUresult vcuda_need_context(void)
{
	struct context *c;

	return context_named(NULL, &c);
}

CUdevice vcuda_current_device(void)
{
	struct context *c = depth ? context_get(stack[depth - 1]) : NULL;

	return c ? c->dev : 0;
}

bool vcuda_context_ok(CUcontext ctx)
{
	return context_get(ctx) != NULL;
}

uint64_t vcuda_context_id(CUcontext ctx)
{
	struct context *c = context_get(ctx);

	return c ? c->id : 0;
}

/* One that is or was; what else looks like one is natively taken for that, too. */
static bool may_be_context(CUcontext ctx)
{
	return vcuda_handle_was_given(CUDA_HANDLE_context, ctx) || stale_may_be_context(ctx);
}

CUresult hand_cuCtxPushCurrent_v2(CUcontext ctx)
{
	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	if (!may_be_context(ctx))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (depth == STACK_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	stack[depth++] = ctx;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxPushCurrent(CUcontext ctx)
{
	return hand_cuCtxPushCurrent_v2(ctx);
}

CUresult hand_cuCtxPopCurrent_v2(CUcontext *ctx)
{
	if (!depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	depth--;
	if (ctx)
		*ctx = stack[depth];
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxPopCurrent(CUcontext *ctx)
{
	return hand_cuCtxPopCurrent_v2(ctx);
}

/* NULL pops the top; otherwise the top is replaced. */
CUresult hand_cuCtxSetCurrent(CUcontext ctx)
{
	if (ctx && !may_be_context(ctx))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!ctx) {
		if (depth)
			depth--;
		return CUDA_SUCCESS;
	}
	if (!depth)
		depth = 1;
	stack[depth - 1] = ctx;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxGetCurrent(CUcontext *ctx)
{
	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	*ctx = vcuda_current();
	return CUDA_SUCCESS;
}

/* ---- created contexts ---- */

static CUresult create(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	struct context *c;
	CUresult r;

	if (!ctx ||
	    !context_flags_ok(flags & ~(CU_CTX_COREDUMP_ENABLE | CU_CTX_USER_COREDUMP_ENABLE)))
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (depth == STACK_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&context_lock);
	c = context_new(dev, flags, false);
	r = c ? context_begins(c) : CUDA_ERROR_OUT_OF_MEMORY;
	if (!r)
		stack[depth++] = *ctx = c->handle;
	else if (c)
		context_del(c);
	pthread_mutex_unlock(&context_lock);
	return r;
}

CUresult hand_cuCtxCreate(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	return create(ctx, flags, dev);
}

CUresult hand_cuCtxCreate_v2(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	return create(ctx, flags, dev);
}

/* Execution affinity (a share of the multiprocessors) is not kept. */
CUresult hand_cuCtxCreate_v3(CUcontext *ctx, CUexecAffinityParam *params, int nr,
			     unsigned int flags, CUdevice dev)
{
	if (params || nr)
		return vcuda_not_supported(CUDA_ID_cuCtxCreate_v3);
	return create(ctx, flags, dev);
}

CUresult hand_cuCtxCreate_v4(CUcontext *ctx, CUctxCreateParams *params, unsigned int flags,
			     CUdevice dev)
{
	if (params && (params->numExecAffinityParams || params->cigParams))
		return vcuda_not_supported(CUDA_ID_cuCtxCreate_v4);
	return create(ctx, flags, dev);
}

CUresult vcuda_bad_context(CUcontext ctx)
{
	return stale_may_be_context(ctx) && !vcuda_handle_was_given(CUDA_HANDLE_context, ctx)
		       ? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_ERROR_INVALID_CONTEXT;
}

/* Where it is current to other threads it stays so, and their calls tell. */
CUresult hand_cuCtxDestroy_v2(CUcontext ctx)
{
	struct context *c = context_get(ctx);

	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c)
		return vcuda_bad_context(ctx);
	if (c->primary || atomic_exchange(&c->closing, true))
		return CUDA_ERROR_INVALID_CONTEXT;
	vcuda_context_synchronize(ctx);
	context_empty(c);
	context_ends(c);
	if (vcuda_current() == ctx)
		depth--;
	pthread_mutex_lock(&context_lock);
	context_del(c);
	pthread_mutex_unlock(&context_lock);
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxDestroy(CUcontext ctx)
{
	return hand_cuCtxDestroy_v2(ctx);
}

CUresult hand_cuCtxAttach(CUcontext *ctx, unsigned int flags)
{
	struct context *c;
	CUresult r = context_named(NULL, &c);

	if (r)
		return r;
	if (!ctx || flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&context_lock);
	c->attached++;
	pthread_mutex_unlock(&context_lock);
	*ctx = c->handle;
	return CUDA_SUCCESS;
}

/* Of a context that is current; the last one destroys what cuCtxCreate() made. */
CUresult hand_cuCtxDetach(CUcontext ctx)
{
	struct context *c = context_get(ctx);
	bool attached;

	if (!c || ctx != vcuda_current())
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&context_lock);
	attached = c->attached;
	c->attached -= attached;
	pthread_mutex_unlock(&context_lock);
	return attached ? CUDA_SUCCESS : hand_cuCtxDestroy_v2(ctx);
}
