// SPDX-License-Identifier: MIT
/*
 * memset.c - memsets, which the program waits for as little as for copies on the device
 */
#include "variable.h"

/* A module's variables are set in the module's context only; other memory in any. */
CUresult vcuda_check_set(CUdeviceptr p, CUstream stream)
{
	CUcontext of = vcuda_several_contexts() ? vcuda_variable_context(p) : NULL;

	return of && of != vcuda_stream_context(stream) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult set(enum cuda_id id, CUdeviceptr dst, unsigned int value, size_t n,
		    unsigned int width, CUstream stream)
{
	struct vcuda_call c;
	CUresult r = vcuda_need_context();

	if (r || !n)
		return r;
	r = n <= SIZE_MAX / width ? vcuda_check_device(dst, n * width) : CUDA_ERROR_INVALID_VALUE;
	if (r || dst % width || vcuda_check_set(dst, stream))
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_begin(&c, id);
	vcuda_put_u64(&c, dst);
	vcuda_put_u64(&c, value);
	vcuda_put_u64(&c, n);
	vcuda_put_stream(&c, stream);
	r = vcuda_async(&c);
	return r ? r : vcuda_view_settle(dst, n * width, stream);
}

CUresult hand_cuMemsetD8_v2(CUdeviceptr dst, unsigned char v, size_t n, CUstream stream)
{
	return set(CUDA_ID_cuMemsetD8Async, dst, v, n, 1, stream);
}

CUresult hand_cuMemsetD16_v2(CUdeviceptr dst, unsigned short v, size_t n, CUstream stream)
{
	return set(CUDA_ID_cuMemsetD16Async, dst, v, n, 2, stream);
}

CUresult hand_cuMemsetD32_v2(CUdeviceptr dst, unsigned int v, size_t n, CUstream stream)
{
	return set(CUDA_ID_cuMemsetD32Async, dst, v, n, 4, stream);
}

CUresult vcuda_check_rows(CUdeviceptr p, size_t pitch, size_t width, size_t height,
			  unsigned int size)
{
	size_t bytes, span;

	if (__builtin_mul_overflow(width, size, &bytes) ||
	    __builtin_mul_overflow(pitch, height - 1, &span) ||
	    __builtin_add_overflow(span, bytes, &span))
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_check_device(p, span);
}

static CUresult set_2d(enum cuda_id id, CUdeviceptr dst, size_t pitch, unsigned int v, size_t width,
		       size_t height, unsigned int size, CUstream stream)
{
	struct vcuda_call c;
	CUresult r;

	if (!width || !height)
		return vcuda_need_context();
	vcuda_begin(&c, id);
	vcuda_put_u64(&c, dst);
	vcuda_put_u64(&c, pitch);
	vcuda_put_u64(&c, v);
	vcuda_put_u64(&c, width);
	vcuda_put_u64(&c, height);
	vcuda_put_stream(&c, stream);
	r = vcuda_async(&c);
	return r ? r : vcuda_view_settle(dst, pitch * (height - 1) + width * size, stream);
}

CUresult hand_cuMemsetD2D8_v2(CUdeviceptr dst, size_t pitch, unsigned char v, size_t w, size_t h,
			      CUstream stream)
{
	return set_2d(CUDA_ID_cuMemsetD2D8Async, dst, pitch, v, w, h, 1, stream);
}

CUresult hand_cuMemsetD2D16_v2(CUdeviceptr dst, size_t pitch, unsigned short v, size_t w, size_t h,
			       CUstream stream)
{
	return set_2d(CUDA_ID_cuMemsetD2D16Async, dst, pitch, v, w, h, 2, stream);
}

CUresult hand_cuMemsetD2D32_v2(CUdeviceptr dst, size_t pitch, unsigned int v, size_t w, size_t h,
			       CUstream stream)
{
	return set_2d(CUDA_ID_cuMemsetD2D32Async, dst, pitch, v, w, h, 4, stream);
}
