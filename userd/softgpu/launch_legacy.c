/* SPDX-License-Identifier: MIT */
/*
 * launch_legacy.c - launches of CUDA 1 to 3: block shape, shared size and parameters are state of
 * the function
 */
#include "launch_legacy.h"

#include <stdlib.h>
#include <string.h>

#include "init.h"

#define PARAMETERS_MAX	32764	/* bytes; PTX ISA 8.1, "Kernel Function Parameters" */

struct legacy {
	unsigned int block[3];
	unsigned int shared;
	unsigned int size;
	size_t wanted;			/* bytes of parameters that the function has */
	unsigned char params[PARAMETERS_MAX];
};

void launch_legacy_forget(struct function *f)
{
	free(f->legacy);
	f->legacy = NULL;
}

/* Up to the end of the last one. */
static size_t parameters_of(const struct function *f)
{
	const struct sg_kernel_info *info = sg_kernel_info(f->code);
	const struct sg_param *last = info->nr_params ? &info->params[info->nr_params - 1] : NULL;

	return last ? last->offset + last->size : 0;
}

/* The state of a function, made now if need be; the lock is held on success. */
static CUresult enter(CUfunction handle, struct legacy **out)
{
	struct context *ctx;
	struct function *f;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = function_find(ctx, handle, &f);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	if (!f->legacy)
		f->legacy = calloc(1, sizeof(*f->legacy));
	*out = f->legacy;
	if (!*out)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	(*out)->wanted = parameters_of(f);
	return CUDA_SUCCESS;
}

CUresult cuFuncSetBlockShape(CUfunction f, int x, int y, int z)
{
	struct legacy *l;
	CUresult r = enter(f, &l);

	if (r != CUDA_SUCCESS)
		return r;
	if (x <= 0 || y <= 0 || z <= 0)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	l->block[0] = x;
	l->block[1] = y;
	l->block[2] = z;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuFuncSetSharedSize(CUfunction f, unsigned int bytes)
{
	struct legacy *l;
	CUresult r = enter(f, &l);

	if (r != CUDA_SUCCESS)
		return r;
	l->shared = bytes;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuParamSetSize(CUfunction f, unsigned int bytes)
{
	struct legacy *l;
	CUresult r = enter(f, &l);

	if (r != CUDA_SUCCESS)
		return r;
	if (bytes > PARAMETERS_MAX)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	l->size = bytes;
	return context_leave(CUDA_SUCCESS);
}

static CUresult set(CUfunction f, int offset, const void *value, unsigned int bytes)
{
	struct legacy *l;
	CUresult r = enter(f, &l);

	if (r != CUDA_SUCCESS)
		return r;
	if (offset < 0 || offset > PARAMETERS_MAX ||
	    bytes > PARAMETERS_MAX - (unsigned int)offset || (bytes && !value))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (bytes)
		memcpy(l->params + offset, value, bytes);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuParamSeti(CUfunction f, int offset, unsigned int value)
{
	return set(f, offset, &value, sizeof(value));
}

CUresult cuParamSetf(CUfunction f, int offset, float value)
{
	return set(f, offset, &value, sizeof(value));
}

CUresult cuParamSetv(CUfunction f, int offset, void *value, unsigned int bytes)
{
	return set(f, offset, value, bytes);
}

CUresult cuLaunchGridAsync(CUfunction f, int width, int height, CUstream stream)
{
	struct legacy *l, *now;
	size_t size;
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, NULL, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			  CU_LAUNCH_PARAM_END };
	CUresult r = enter(f, &l);

	if (r != CUDA_SUCCESS)
		return r;
	if (width <= 0 || height <= 0 || l->size < l->wanted)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	/* A copy: another thread may set values while this one launches. */
	now = malloc(sizeof(*now));
	if (!now)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	*now = *l;
	driver_unlock();
	size = now->size;
	extra[1] = now->params;
	r = cuLaunchKernel(f, width, height, 1, now->block[0], now->block[1], now->block[2],
			   now->shared, stream, NULL, extra);
	free(now);
	return r;
}

CUresult cuLaunchGrid(CUfunction f, int width, int height)
{
	return cuLaunchGridAsync(f, width, height, NULL);
}

CUresult cuLaunch(CUfunction f)
{
	return cuLaunchGrid(f, 1, 1);
}
