/* SPDX-License-Identifier: MIT */
/*
 * ctxinfo.c - what can be asked of, and set in, a context: limits, flags, cache preferences
 */
#include "context.h"
#include "init.h"
#include "stream.h"

static bool limit_is_settable(CUlimit limit)
{
	return limit >= CU_LIMIT_STACK_SIZE && limit <= CU_LIMIT_PERSISTING_L2_CACHE_SIZE;
}

CUresult cuCtxGetLimit(size_t *value, CUlimit limit)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!value)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!limit_is_settable(limit))
		return context_leave(CUDA_ERROR_UNSUPPORTED_LIMIT);
	*value = ctx->limits[limit];
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!limit_is_settable(limit))
		return context_leave(CUDA_ERROR_UNSUPPORTED_LIMIT);
	/* The device has no L2 of its own to set aside. */
	if (limit == CU_LIMIT_PERSISTING_L2_CACHE_SIZE)
		value = 0;
	if (limit == CU_LIMIT_MAX_L2_FETCH_GRANULARITY && value > 128)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ctx->limits[limit] = value;
	return context_leave(CUDA_SUCCESS);
}

/*
 * Reads the handle's context, or the current one when it is NULL. The lock is held on success only.
 */
static CUresult enter_named(CUcontext handle, struct context **ctx)
{
	CUresult r;

	if (!handle)
		return context_enter(ctx);
	r = driver_ready();
	if (r != CUDA_SUCCESS)
		return r;
	driver_lock();
	*ctx = context_by_handle(handle);
	return *ctx ? CUDA_SUCCESS : context_leave(CUDA_ERROR_INVALID_CONTEXT);
}

CUresult cuCtxGetApiVersion(CUcontext handle, unsigned int *version)
{
	struct context *ctx;
	CUresult r = enter_named(handle, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!version)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*version = ctx->version;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxGetId(CUcontext handle, unsigned long long *id)
{
	struct context *ctx;
	CUresult r = enter_named(handle, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!id)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*id = ctx->obj.handle;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxGetFlags(unsigned int *flags)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!flags)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*flags = ctx->flags;
	return context_leave(CUDA_SUCCESS);
}

/* Priorities are not honoured, and the documented answer for such a device is 0, 0. */
CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (least)
		*least = 0;
	if (greatest)
		*greatest = STREAM_PRIORITY_GREATEST;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxGetCacheConfig(CUfunc_cache *config)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!config)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*config = ctx->cache_config;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (config > CU_FUNC_CACHE_PREFER_EQUAL)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ctx->cache_config = config;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig *config)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!config)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*config = ctx->shared_config ? ctx->shared_config
				     : CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ctx->shared_config = config;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuCtxResetPersistingL2Cache(void)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	return r == CUDA_SUCCESS ? context_leave(r) : r;
}
