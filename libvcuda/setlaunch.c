// SPDX-License-Identifier: MIT
/*
 * setlaunch.c - launches in the manner of CUDA 2: shape and parameters are set in the function, one
 * call each, and a launch takes them as they are
 *
 * "Multiple threads" is what that manner does not know: a lock keeps the bytes whole, no more.
 */
#include <stdlib.h>
#include <string.h>

#include "module.h"

#define PARAM_BYTES	4096u

struct vcuda_frame {
	unsigned int block[3], shared, bytes;
	uint8_t params[PARAM_BYTES] __attribute__((aligned(16)));
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The function's frame, made at its first use; with the lock held. */
static CUresult frame_of(CUfunction fn, struct vcuda_frame **f)
{
	struct vcuda_kernel *k;
	CUresult r = vcuda_kernel_get(fn, &k);

	if (r)
		return r;
	if (!k->frame)
		k->frame = calloc(1, sizeof(*k->frame));
	*f = k->frame;
	return *f ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult set_block(struct vcuda_frame *f, int x, int y, int z)
{
	const int *d = vcuda_lease()->devices[vcuda_current_device()].attributes;

	if (x <= 0 || y <= 0 || z <= 0 ||
	    (int64_t)x * y > d[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK] / z)
		return CUDA_ERROR_INVALID_VALUE;
	f->block[0] = x;
	f->block[1] = y;
	f->block[2] = z;
	return CUDA_SUCCESS;
}

CUresult hand_cuFuncSetBlockShape(CUfunction fn, int x, int y, int z)
{
	struct vcuda_frame *f;
	CUresult r;

	pthread_mutex_lock(&lock);
	r = frame_of(fn, &f);
	if (!r)
		r = set_block(f, x, y, z);
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuFuncSetSharedSize(CUfunction fn, unsigned int bytes)
{
	struct vcuda_frame *f;
	CUresult r;

	pthread_mutex_lock(&lock);
	r = frame_of(fn, &f);
	if (!r)
		f->shared = bytes;
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuParamSetSize(CUfunction fn, unsigned int bytes)
{
	struct vcuda_frame *f;
	CUresult r;

	pthread_mutex_lock(&lock);
	r = frame_of(fn, &f);
	if (!r && bytes > PARAM_BYTES)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		f->bytes = bytes;
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuParamSetv(CUfunction fn, int offset, void *p, unsigned int n)
{
	struct vcuda_frame *f;
	CUresult r;

	pthread_mutex_lock(&lock);
	r = frame_of(fn, &f);
	if (!r && (!p || offset < 0 || n > PARAM_BYTES || (unsigned int)offset > PARAM_BYTES - n))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		memcpy(f->params + offset, p, n);
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuParamSeti(CUfunction fn, int offset, unsigned int value)
{
	return hand_cuParamSetv(fn, offset, &value, sizeof(value));
}

CUresult hand_cuParamSetf(CUfunction fn, int offset, float value)
{
	return hand_cuParamSetv(fn, offset, &value, sizeof(value));
}

/* The reference knows its unit: there is nothing to be set in the function. */
CUresult hand_cuParamSetTexRef(CUfunction fn, int unit, CUtexref ref)
{
	struct vcuda_kernel *k;
	CUresult r = vcuda_kernel_get(fn, &k);

	if (r)
		return r;
	if (!vcuda_handle_get(CUDA_HANDLE_texref, ref))
		return CUDA_ERROR_INVALID_HANDLE;
	return unit == CU_PARAM_TR_DEFAULT ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult launch(CUfunction fn, int width, int height, CUstream stream)
{
	struct vcuda_frame copy, *f;
	struct vcuda_kernel *k;
	size_t bytes;
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, copy.params, CU_LAUNCH_PARAM_BUFFER_SIZE,
			  &bytes, CU_LAUNCH_PARAM_END };
	CUresult r;

	if (width <= 0 || height <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	r = frame_of(fn, &f);
	if (!r)
		copy = *f;
	pthread_mutex_unlock(&lock);
	if (r)
		return r;
	bytes = copy.bytes;
	r = vcuda_kernel_get(fn, &k);
	if (r || bytes < k->param_bytes)
		return r ? r : CUDA_ERROR_INVALID_VALUE;
	return hand_cuLaunchKernel(fn, width, height, 1, copy.block[0], copy.block[1],
				   copy.block[2], copy.shared, stream, NULL, extra);
}

CUresult hand_cuLaunch(CUfunction fn)
{
	return launch(fn, 1, 1, CU_STREAM_LEGACY);
}

CUresult hand_cuLaunchGrid(CUfunction fn, int width, int height)
{
	return launch(fn, width, height, CU_STREAM_LEGACY);
}

CUresult hand_cuLaunchGridAsync(CUfunction fn, int width, int height, CUstream stream)
{
	return launch(fn, width, height, stream);
}

/* ---- one kernel on several devices ---- */

static CUresult device_of(const CUDA_LAUNCH_PARAMS *p, CUdevice *dev)
{
	/* the legacy and the per-thread stream are refused as well */
	if (!vcuda_handle_get(CUDA_HANDLE_stream, p->hStream))
		return CUDA_ERROR_INVALID_HANDLE;
	return hand_cuStreamGetDevice(p->hStream, dev);
}

CUresult hand_cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *p, unsigned int n,
						   unsigned int flags)
{
	const unsigned int known = CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_PRE_LAUNCH_SYNC |
				   CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_POST_LAUNCH_SYNC;
	bool seen[VCUDA_MAX_DEVICES] = { false };
	CUresult r = CUDA_SUCCESS;
	unsigned int i;
	CUdevice dev;

	if (!p || !n || n > (unsigned int)vcuda_lease()->nr_devices || flags & ~known)
		return CUDA_ERROR_INVALID_VALUE;
	for (i = 0; !r && i < n; i++) {
		r = device_of(&p[i], &dev);
		if (!r && seen[dev])
			r = CUDA_ERROR_INVALID_DEVICE;
		if (!r)
			seen[dev] = true;
	}
	for (i = 0; !r && i < n; i++)
		r = hand_cuLaunchCooperativeKernel(p[i].function, p[i].gridDimX, p[i].gridDimY,
						   p[i].gridDimZ, p[i].blockDimX, p[i].blockDimY,
						   p[i].blockDimZ, p[i].sharedMemBytes,
						   p[i].hStream, p[i].kernelParams);
	return r;
}
