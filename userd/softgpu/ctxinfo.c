/* SPDX-License-Identifier: MIT */
/*
 * ctxinfo.c - what can be asked of, and set in, a context: flags, cache preferences, its names
 */
#include "context.h"
#include "init.h"
#include "stream.h"

/*
 * Reads the handle's context, or the current one when it is NULL. The lock is held on success only.
 */
static CUresult enter_named(CUcontext handle, struct context **ctx, CUresult gone)
{
	CUresult r;

	if (!handle)
		return context_enter(ctx);
	r = driver_enter();
	if (r != CUDA_SUCCESS)
		return r;
	*ctx = context_by_handle(handle);
	if (*ctx && (*ctx)->was_active && !(*ctx)->active)
		return context_leave(gone);
	if (*ctx)
		return CUDA_SUCCESS;
	return context_leave(handle_was_given((uintptr_t)handle, HANDLE_CONTEXT)
				     ? gone : CUDA_ERROR_INVALID_CONTEXT);
}

/* value, an expression of the context ctx, is the answer. */
#define ASK(name, type, value)							\
	CUresult name(type *out)						\
	{									\
		struct context *ctx;						\
		CUresult r = context_enter(&ctx);				\
										\
		if (r != CUDA_SUCCESS)						\
			return r;						\
		if (!out)							\
			return context_leave(CUDA_ERROR_INVALID_VALUE);		\
		*out = value;							\
		return context_leave(CUDA_SUCCESS);				\
	}

/* The same of a context that the caller names; gone: what is said of one that was destroyed, or reset. */
#define ASK_OF(name, type, value, gone)						\
	CUresult name(CUcontext handle, type *out)				\
	{									\
		struct context *ctx;						\
		CUresult r = enter_named(handle, &ctx, gone);			\
										\
		if (r != CUDA_SUCCESS)						\
			return r;						\
		if (!out)							\
			return context_leave(CUDA_ERROR_INVALID_VALUE);		\
		*out = value;							\
		return context_leave(CUDA_SUCCESS);				\
	}

/* Hints: values up to max are remembered. */
#define SET(name, type, max, member)						\
	CUresult name(type value)						\
	{									\
		struct context *ctx;						\
		CUresult r = context_enter(&ctx);				\
										\
		if (r != CUDA_SUCCESS)						\
			return r;						\
		if (value > max)						\
			return context_leave(CUDA_ERROR_INVALID_VALUE);		\
		member = value;							\
		return context_leave(CUDA_SUCCESS);				\
	}

ASK_OF(cuCtxGetApiVersion, unsigned int, ctx->version, CUDA_ERROR_INVALID_CONTEXT)
ASK_OF(cuCtxGetId, unsigned long long, ctx->obj.handle, CUDA_ERROR_CONTEXT_IS_DESTROYED)
ASK(cuCtxGetCacheConfig, CUfunc_cache, ctx->cache_config)
SET(cuCtxSetCacheConfig, CUfunc_cache, CU_FUNC_CACHE_PREFER_EQUAL, ctx->cache_config)
ASK(cuCtxGetSharedMemConfig, CUsharedconfig,
    ctx->shared_config ? ctx->shared_config : CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE)
SET(cuCtxSetSharedMemConfig, CUsharedconfig, CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE,
    ctx->shared_config)

/* Also of one that a fault has poisoned. */
CUresult cuCtxGetFlags(unsigned int *flags)
{
	struct context *ctx;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!ctx)
		return context_leave(context_missing());
	if (!flags)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*flags = ctx->flags;
	return context_leave(CUDA_SUCCESS);
}

/* Grids are not limited to some of the multiprocessors. */
CUresult cuCtxGetExecAffinity(CUexecAffinityParam *out, CUexecAffinityType type)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(out && type == CU_EXEC_AFFINITY_TYPE_SM_COUNT ?
			     CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : CUDA_ERROR_INVALID_VALUE);
}

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

CUresult cuCtxResetPersistingL2Cache(void)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	return r == CUDA_SUCCESS ? context_leave(r) : r;
}
