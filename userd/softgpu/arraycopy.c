/* SPDX-License-Identifier: MIT */
/*
 * arraycopy.c - cuMemcpy* between one-dimensional arrays and memory
 */
#include <stdbool.h>

#include "array.h"
#include "copy.h"

static struct copy_end array_end(CUarray array, size_t offset)
{
	return (struct copy_end){ .side = SIDE_ARRAY, .array = array, .x = offset };
}

static struct copy_end memory_end(uint64_t addr, enum copy_side side, size_t n)
{
	return (struct copy_end){ .addr = addr, .pitch = n, .side = side };
}

static CUresult copy_line(struct copy_end dst, struct copy_end src, size_t n, CUstream stream,
			  bool async)
{
	struct copy c = { .dst = dst, .src = src, .width = n, .height = 1, .depth = 1 };

	return async ? copy_async(&c, stream) : copy_sync(&c, stream);
}

/* The base name is on the legacy stream, the twin on the thread's own. */
#define BOTH(name, params, dst, src, n, async)						\
	CUresult name params { return copy_line(dst, src, n, CU_STREAM_LEGACY, async); }	\
	CUresult name##_ptds params							\
	{ return copy_line(dst, src, n, CU_STREAM_PER_THREAD, async); }
#define STREAMED(name, params, dst, src, n)						\
	CUresult name params { return copy_line(dst, src, n, stream, true); }		\
	CUresult name##_ptsz params							\
	{ return copy_line(dst, src, n, stream ? stream : CU_STREAM_PER_THREAD, true); }

BOTH(cuMemcpyDtoA_v2, (CUarray dst, size_t offset, CUdeviceptr src, size_t n),
     array_end(dst, offset), memory_end(src, SIDE_DEVICE, n), n, true)
BOTH(cuMemcpyAtoD_v2, (CUdeviceptr dst, CUarray src, size_t offset, size_t n),
     memory_end(dst, SIDE_DEVICE, n), array_end(src, offset), n, true)
BOTH(cuMemcpyHtoA_v2, (CUarray dst, size_t offset, const void *src, size_t n),
     array_end(dst, offset), memory_end((uintptr_t)src, SIDE_HOST, n), n, false)
BOTH(cuMemcpyAtoH_v2, (void *dst, CUarray src, size_t offset, size_t n),
     memory_end((uintptr_t)dst, SIDE_HOST, n), array_end(src, offset), n, false)
BOTH(cuMemcpyAtoA_v2, (CUarray dst, size_t offset, CUarray src, size_t src_offset, size_t n),
     array_end(dst, offset), array_end(src, src_offset), n, true)
STREAMED(cuMemcpyHtoAAsync_v2,
	 (CUarray dst, size_t offset, const void *src, size_t n, CUstream stream),
	 array_end(dst, offset), memory_end((uintptr_t)src, SIDE_HOST, n), n)
STREAMED(cuMemcpyAtoHAsync_v2, (void *dst, CUarray src, size_t offset, size_t n, CUstream stream),
	 memory_end((uintptr_t)dst, SIDE_HOST, n), array_end(src, offset), n)
