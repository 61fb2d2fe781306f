// SPDX-License-Identifier: MIT
/*
 * primary.c - the devices' primary contexts
 *
 * One's handle exists from the first question for it on; retaining makes it active, the last release
 * or a reset ends all that it holds.
 */
#include "vcuda_context.h"

static struct context *primaries[VCUDA_MAX_DEVICES];

/* With the lock. */
static CUresult primary(CUdevice dev, struct context **c)
{
	if (!primaries[dev])
		primaries[dev] = context_new(dev, 0, true);
	*c = primaries[dev];
	return *c ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult enter(CUdevice dev, struct context **c)
{
	CUresult r;

	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&context_lock);
	r = primary(dev, c);
	if (r)
		pthread_mutex_unlock(&context_lock);
	return r;
}

static CUresult leave(CUresult r)
{
	pthread_mutex_unlock(&context_lock);
	return r;
}

CUresult vcuda_primary(CUcontext *ctx, CUdevice dev)
{
	struct context *c;
	CUresult r = ctx ? enter(dev, &c) : CUDA_ERROR_INVALID_VALUE;

	if (r)
		return r;
	*ctx = c->handle;
	return leave(CUDA_SUCCESS);
}

CUresult hand_cuDevicePrimaryCtxRetain(CUcontext *ctx, CUdevice dev)
{
	struct context *c;
	CUresult r = ctx ? enter(dev, &c) : CUDA_ERROR_INVALID_VALUE;

	if (r)
		return r;
	r = context_begins(c);
	if (!r) {
		c->refs++;
		*ctx = c->handle;
	}
	return leave(r);
}

/* Those who keep values in it are told while it is still good for calls. */
static void deactivate(struct context *c)
{
	context_empty(c);
	context_ends(c);
}

/*
 * libcudart releases it when the program ends, and then nobody waits for anything: what is under way
 * ends by itself, unless it comes to the program's memory.
 */
static void released(struct context *c)
{
	if (vcuda_expects(NULL, SIZE_MAX))
		vcuda_context_synchronize(c->handle);
	deactivate(c);
}

CUresult hand_cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	struct context *c;
	CUresult r = enter(dev, &c);
	bool last;

	if (r)
		return r;
	if (!c->refs)
		return leave(CUDA_ERROR_INVALID_CONTEXT);
	last = !--c->refs && c->active;
	leave(CUDA_SUCCESS);
	if (last)
		released(c);
	return CUDA_SUCCESS;
}

/* Resetting does not release: those who retained it still owe a release. */
CUresult hand_cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	struct context *c;
	CUresult r = enter(dev, &c);

	if (r)
		return r;
	leave(CUDA_SUCCESS);
	if (c->active)
		vcuda_context_synchronize(c->handle);
	deactivate(c);
	return CUDA_SUCCESS;
}

CUresult hand_cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	struct context *c;
	CUresult r = enter(dev, &c);

	if (r)
		return r;
	if (!context_flags_ok(flags))
		return leave(CUDA_ERROR_INVALID_VALUE);
	c->flags = flags;
	return leave(CUDA_SUCCESS);
}

CUresult hand_cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
	struct context *c;
	CUresult r = flags && active ? enter(dev, &c) : CUDA_ERROR_INVALID_VALUE;

	if (r)
		return r;
	*flags = c->flags;
	*active = c->active;
	return leave(CUDA_SUCCESS);
}
