// SPDX-License-Identifier: MIT
/*
 * ctxinfo.c - what can be asked of, and set in, a context: flags, preferences, limits, its names
 */
#include <string.h>

#include "vcuda_context.h"

/* value, an expression of the context c, is the answer. */
#define ASK(name, type, value)							\
	CUresult hand_##name(type *out)						\
	{									\
		struct context *c;						\
		CUresult r = context_named(NULL, &c);				\
										\
		if (!r && !out)							\
			r = CUDA_ERROR_INVALID_VALUE;				\
		if (!r)								\
			*out = value;						\
		return r;							\
	}

/* The same of a context that the caller names; gone: what is said of one that was destroyed, or reset. */
#define ASK_OF(name, type, value, gone)						\
	CUresult hand_##name(CUcontext ctx, type *out)				\
	{									\
		struct context *c;						\
		CUresult r = context_named(ctx, &c);				\
										\
		if (r ? vcuda_handle_was_given(CUDA_HANDLE_context, ctx)	\
		      : ctx && c->was_active && !c->active)			\
			r = gone;						\
		if (!r && !out)							\
			r = CUDA_ERROR_INVALID_VALUE;				\
		if (!r)								\
			*out = value;						\
		return r;							\
	}

/* Preferences, of which the device takes note by itself: values up to max are remembered. */
#define SET(name, type, max, member)						\
	CUresult hand_##name(type value)					\
	{									\
		struct context *c;						\
		CUresult r = context_named(NULL, &c);				\
										\
		if (!r && (unsigned int)value > (max))				\
			r = CUDA_ERROR_INVALID_VALUE;				\
		if (!r)								\
			c->member = value;					\
		return r;							\
	}

ASK_OF(cuCtxGetApiVersion, unsigned int, c->api_version, CUDA_ERROR_INVALID_CONTEXT)
ASK_OF(cuCtxGetId, unsigned long long, c->id, CUDA_ERROR_CONTEXT_IS_DESTROYED)
ASK(cuCtxGetCacheConfig, CUfunc_cache, c->cache_config)
SET(cuCtxSetCacheConfig, CUfunc_cache, CU_FUNC_CACHE_PREFER_EQUAL, cache_config)
ASK(cuCtxGetSharedMemConfig, CUsharedconfig,
    c->shared_config ? c->shared_config : CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE)
SET(cuCtxSetSharedMemConfig, CUsharedconfig, CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE,
    shared_config)

/* Also of one that a fault has poisoned. */
CUresult hand_cuCtxGetFlags(unsigned int *flags)
{
	struct context *c;
	CUresult r = context_current(&c);

	if (!r && !flags)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*flags = c->flags;
	return r;
}

CUresult hand_cuCtxSetFlags(unsigned int flags)
{
	struct context *c;
	CUresult r = context_named(NULL, &c);

	if (!r && !context_flags_ok(flags))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		c->flags = flags;
	return r;
}

/* A primary context that is not active has a device, too. */
CUresult hand_cuCtxGetDevice_v2(CUdevice *dev, CUcontext ctx)
{
	CUcontext named = ctx ? ctx : vcuda_current();
	struct context *c = context_get(named);

	if (!dev)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c)
		return !ctx && named ? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_ERROR_INVALID_CONTEXT;
	*dev = c->dev;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxGetDevice(CUdevice *dev)
{
	return hand_cuCtxGetDevice_v2(dev, NULL);
}

CUresult hand_cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
	const struct vcuda_device *d = &vcuda_lease()->devices[vcuda_current_device()];
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (least)
		*least = d->priority_least;
	if (greatest)
		*greatest = d->priority_greatest;
	return CUDA_SUCCESS;
}

/* All of them, as no context is made with fewer. */
CUresult hand_cuCtxGetExecAffinity(CUexecAffinityParam *p, CUexecAffinityType type)
{
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!p || (unsigned int)type >= CU_EXEC_AFFINITY_TYPE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	*p = (CUexecAffinityParam){
		.type = type,
		.param.smCount.val = vcuda_lease()->devices[vcuda_current_device()]
					     .attributes[CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT],
	};
	return CUDA_SUCCESS;
}

/* ---- limits: those of a new context are in the greeting, what it sets is kept here ---- */

void context_limits_reset(struct context *c)
{
	const struct vcuda_device *d = &vcuda_lease()->devices[c->dev];

	memcpy(c->limits, d->limits, sizeof(c->limits));
}

static CUresult check_limit(const struct context *c, CUlimit limit)
{
	if ((unsigned int)limit >= CU_LIMIT_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_lease()->devices[c->dev].has_limit[limit] ? CUDA_SUCCESS
								: CUDA_ERROR_UNSUPPORTED_LIMIT;
}

CUresult hand_cuCtxGetLimit(size_t *value, CUlimit limit)
{
	struct context *c;
	CUresult r = context_named(NULL, &c);

	if (!r && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		r = check_limit(c, limit);
	if (!r)
		*value = c->limits[limit];
	return r;
}

struct most {
	const struct context *except;
	CUlimit limit;
	size_t value;
};

static void most_of(void *handle, struct vcuda_object *o, void *arg)
{
	const struct context *c = o->p;
	struct most *m = arg;

	(void)handle;
	if (c && c != m->except && c->active && c->limits[m->limit] > m->value)
		m->value = c->limits[m->limit];
}

/* The worker's context has the most that any here has, and answers with what that came to. */
CUresult hand_cuCtxSetLimit(CUlimit limit, size_t value)
{
	struct context *c;
	struct most most = { .limit = limit, .value = value };
	struct vcuda_call call;
	size_t now = value;
	CUresult r = context_named(NULL, &c);

	if (!r)
		r = check_limit(c, limit);
	if (r)
		return r;
	most.except = c;
	vcuda_handle_each(CUDA_HANDLE_context, most_of, &most);
	vcuda_begin(&call, CUDA_ID_cuCtxSetLimit);
	vcuda_put_u64(&call, limit);
	vcuda_put_u64(&call, most.value);
	vcuda_want_scalar(&call, &now, sizeof(now), false);
	r = vcuda_sync(&call);
	if (!r)
		c->limits[limit] = most.value == value ? now : value;
	return r;
}

/* ---- orders ---- */

/* The event is of the work of all contexts of the device: never less than was asked for. */
static CUresult with_event(enum cuda_id id, CUcontext ctx, CUevent event)
{
	struct context *named;
	struct vcuda_call c;
	CUresult r = context_named(ctx, &named);

	if (r)
		return r;
	vcuda_begin(&c, id);
	vcuda_put_handle(&c, CUDA_HANDLE_event, event, false);
	return vcuda_async(&c);
}

CUresult hand_cuCtxRecordEvent(CUcontext ctx, CUevent event)
{
	return with_event(CUDA_ID_cuCtxRecordEvent, ctx, event);
}

CUresult hand_cuCtxWaitEvent(CUcontext ctx, CUevent event)
{
	return with_event(CUDA_ID_cuCtxWaitEvent, ctx, event);
}
