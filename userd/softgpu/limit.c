/* SPDX-License-Identifier: MIT */
/*
 * limit.c - cuCtxGetLimit() and cuCtxSetLimit()
 */
#include "limit.h"

#include <string.h>

#include "engine.h"
#include "init.h"
#include "memory.h"

#define STACK_MAX	(512u << 10)	/* bytes; CUDA programming guide: local memory per thread */
#define STACK_UNIT	16
#define HEAP_UNIT	4096
#define SYNC_DEPTH_MAX	24
#define FETCH_MAX	128

static const size_t defaults[CU_LIMIT_MAX] = {
	[CU_LIMIT_STACK_SIZE] = 1024,
	[CU_LIMIT_PRINTF_FIFO_SIZE] = 1 << 20,
	[CU_LIMIT_MALLOC_HEAP_SIZE] = 8 << 20,
	[CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH] = 2,
	[CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048,
	[CU_LIMIT_MAX_L2_FETCH_GRANULARITY] = 64,
};

void limit_init(struct context *ctx)
{
	memcpy(ctx->limits, defaults, sizeof(ctx->limits));
	ctx->prints = false;
}

size_t limit_get(const struct context *ctx, CUlimit limit)
{
	return __atomic_load_n(&ctx->limits[limit], __ATOMIC_RELAXED);
}

/* The device's memory, and no other device's kernels get at it without being peers. */
CUresult limit_heap(struct context *ctx)
{
	size_t n = ctx->limits[CU_LIMIT_MALLOC_HEAP_SIZE];
	uint64_t addr;

	if (ctx->heap || !n)
		return CUDA_SUCCESS;
	addr = sg_mem_alloc(n, 256);
	if (!addr)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (mem_assign(addr, ctx->device, NULL))
		ctx->heap = sg_heap_create(addr, n);
	if (!ctx->heap) {
		sg_mem_free(addr);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	ctx->heap_addr = addr;
	return CUDA_SUCCESS;
}

void limit_release(struct context *ctx)
{
	if (!ctx->heap)
		return;
	sg_heap_destroy(ctx->heap);
	sg_mem_free(ctx->heap_addr);
	ctx->heap = NULL;
}

/* Depths of device-side synchronisation ended with compute capability 9.0. */
/* A number that is no limit is an invalid value, a limit that the device lacks is told as that. */
static CUresult check(CUlimit limit)
{
	if ((unsigned int)limit > CU_LIMIT_PERSISTING_L2_CACHE_SIZE)
		return CUDA_ERROR_INVALID_VALUE;
	if (limit == CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH && driver_sm() >= 90)
		return CUDA_ERROR_UNSUPPORTED_LIMIT;
	return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t *value, CUlimit limit)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!value)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = check(limit);
	if (r == CUDA_SUCCESS)
		*value = ctx->limits[limit];
	return context_leave(r);
}

/* What becomes of a value: rounded, cut, or refused. */
static CUresult adjust(const struct context *ctx, CUlimit limit, size_t *value)
{
	switch ((int)limit) {
	case CU_LIMIT_STACK_SIZE:
		if (*value > STACK_MAX)
			return CUDA_ERROR_INVALID_VALUE;
		*value = *value ? (*value + STACK_UNIT - 1) / STACK_UNIT * STACK_UNIT : STACK_UNIT;
		break;
	case CU_LIMIT_PRINTF_FIFO_SIZE:
		if (ctx->prints)
			return CUDA_ERROR_INVALID_VALUE;
		break;
	case CU_LIMIT_MALLOC_HEAP_SIZE:
		if (ctx->heap)
			return CUDA_ERROR_INVALID_VALUE;
		if (*value > driver_memory())
			return CUDA_ERROR_OUT_OF_MEMORY;
		*value = *value ? (*value + HEAP_UNIT - 1) / HEAP_UNIT * HEAP_UNIT : HEAP_UNIT;
		break;
	case CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH:
		if (*value > SYNC_DEPTH_MAX)
			return CUDA_ERROR_INVALID_VALUE;
		break;
	case CU_LIMIT_MAX_L2_FETCH_GRANULARITY:
		if (*value > FETCH_MAX)
			return CUDA_ERROR_INVALID_VALUE;
		break;
	case CU_LIMIT_PERSISTING_L2_CACHE_SIZE:
		*value = 0;	/* the device has no L2 of its own to set aside */
		break;
	}
	return CUDA_SUCCESS;
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = check(limit);
	if (r == CUDA_SUCCESS)
		r = adjust(ctx, limit, &value);
	if (r == CUDA_SUCCESS)
		__atomic_store_n(&ctx->limits[limit], value, __ATOMIC_RELAXED);
	return context_leave(r);
}
