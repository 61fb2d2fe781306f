/* SPDX-License-Identifier: MIT */
/*
 * primary.c - the devices' primary contexts
 *
 * Its handle exists from cuInit() on; retaining makes it active, the last release or a reset tears
 * down what it holds.
 */
#include "context.h"
#include "device.h"
#include "driver.h"
#include "init.h"
#include "print.h"

static CUresult enter_device(CUdevice dev, struct context **ctx)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	driver_lock();
	*ctx = context_primary(dev);
	/* Another thread may be tearing it down with the lock dropped. */
	while ((*ctx)->closing && (*ctx)->active)
		driver_wait();
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *out, CUdevice dev)
{
	struct context *ctx;
	CUresult r;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	r = enter_device(dev, &ctx);
	if (r != CUDA_SUCCESS)
		return r;
	if (!ctx->active)
		r = context_open(ctx);
	if (r == CUDA_SUCCESS) {
		ctx->retained++;
		*out = HANDLE_OF(ctx);
	}
	return context_leave(r);
}

static void deactivate(struct context *ctx)
{
	if (ctx->active && !ctx->closing)
		context_close(ctx);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	struct context *ctx;
	CUresult r = enter_device(dev, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!ctx->retained)
		return context_leave(CUDA_ERROR_INVALID_CONTEXT);
	if (--ctx->retained == 0) {
		context_forget(ctx);
		/* Somebody may have retained it meanwhile. */
		if (!ctx->retained)
			deactivate(ctx);
	}
	driver_unlock();
	print_flush();
	return CUDA_SUCCESS;
}

/* Resetting does not release: those who retained it still owe a release. */
CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	struct context *ctx;
	CUresult r = enter_device(dev, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	context_forget(ctx);
	deactivate(ctx);
	driver_unlock();
	print_flush();
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
	struct context *ctx;
	CUresult r;

	if (!flags || !active)
		return CUDA_ERROR_INVALID_VALUE;
	r = enter_device(dev, &ctx);
	if (r != CUDA_SUCCESS)
		return r;
	*flags = ctx->flags;
	*active = ctx->active;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	struct context *ctx;
	CUresult r = enter_device(dev, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!context_flags_ok(flags))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ctx->flags = flags;
	return context_leave(CUDA_SUCCESS);
}
