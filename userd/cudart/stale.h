/* SPDX-License-Identifier: MIT */
/*
 * stale.h - what is taken for a context that is no more
 *
 * NVIDIA's driver makes anything current that could be the address of a context, and has the calls
 * that follow tell. What could not is CUDA_ERROR_INVALID_CONTEXT at once.
 */
#ifndef CUDART_STALE_H
#define CUDART_STALE_H

#include <cuda.h>
#include <stdbool.h>
#include <stdint.h>

static inline bool stale_may_be_context(CUcontext ctx)
{
	uintptr_t p = (uintptr_t)ctx;

	return p >= 4096 && p >> 47 == 0 && p % sizeof(void *) == 0;
}

#endif
