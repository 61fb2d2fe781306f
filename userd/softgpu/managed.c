/* SPDX-License-Identifier: MIT */
/*
 * managed.c - managed memory: allocation, prefetching, attachment to streams
 *
 * Host and kernels see the same pages at the same address, so nothing is ever moved, and both may
 * use them at once (concurrentManagedAccess). Prefetching checks its arguments as CUDA does and is
 * otherwise only remembered.
 */
#include "advice.h"
#include "advise.h"
#include "context.h"
#include "init.h"
#include "memory.h"
#include "stream.h"

CUresult cuMemAllocManaged(CUdeviceptr *out, size_t size, unsigned int flags)
{
	struct context *ctx;
	uint64_t addr;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !size || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	addr = mem_alloc(size, 512, MEM_MANAGED, flags, ctx);
	if (!addr)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	*out = addr;
	return context_leave(CUDA_SUCCESS);
}

static bool is_attach_flag(unsigned int flags)
{
	return flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST ||
	       flags == CU_MEM_ATTACH_SINGLE;
}

/* Only all of an allocation can be attached; length 0 says the same. */
CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr addr, size_t length,
				unsigned int flags)
{
	struct mem_range range;
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find_own(ctx, stream, &s);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	if (!is_attach_flag(flags) || !mem_lookup(addr, &range) || !range.managed || range.dying ||
	    range.lo != addr || (length && length != range.size) ||
	    (flags == CU_MEM_ATTACH_SINGLE && s == ctx->legacy))
		r = CUDA_ERROR_INVALID_VALUE;
	return context_leave(r);
}

CUresult cuStreamAttachMemAsync_ptsz(CUstream stream, CUdeviceptr addr, size_t length,
				     unsigned int flags)
{
	return cuStreamAttachMemAsync(stream_ptsz(stream), addr, length, flags);
}

CUresult cuMemPrefetchAsync_v2(CUdeviceptr addr, size_t n, CUmemLocation location,
			       unsigned int flags, CUstream stream)
{
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = flags ? CUDA_ERROR_INVALID_VALUE : stream_find(ctx, stream, &s);
	if (r == CUDA_SUCCESS)
		r = advice_check_location(&location);
	if (r == CUDA_SUCCESS)
		r = advise_prefetched(addr, n, &location);
	return context_leave(r);
}

CUresult cuMemPrefetchAsync_v2_ptsz(CUdeviceptr addr, size_t n, CUmemLocation location,
				    unsigned int flags, CUstream stream)
{
	return cuMemPrefetchAsync_v2(addr, n, location, flags, stream_ptsz(stream));
}

CUresult cuMemPrefetchAsync_ptsz(CUdeviceptr addr, size_t n, CUdevice dev, CUstream stream)
{
	return cuMemPrefetchAsync(addr, n, dev, stream_ptsz(stream));
}

CUresult cuMemPrefetchBatchAsync_ptsz(CUdeviceptr *addrs, size_t *sizes, size_t count,
				      CUmemLocation *locations, size_t *first, size_t nr,
				      unsigned long long flags, CUstream stream)
{
	return cuMemPrefetchBatchAsync(addrs, sizes, count, locations, first, nr, flags,
				       stream_ptsz(stream));
}

CUresult cuMemDiscardBatchAsync_ptsz(CUdeviceptr *addrs, size_t *sizes, size_t count,
				     unsigned long long flags, CUstream stream)
{
	return cuMemDiscardBatchAsync(addrs, sizes, count, flags, stream_ptsz(stream));
}

CUresult cuMemDiscardAndPrefetchBatchAsync_ptsz(CUdeviceptr *addrs, size_t *sizes, size_t count,
						CUmemLocation *locations, size_t *first, size_t nr,
						unsigned long long flags, CUstream stream)
{
	return cuMemPrefetchBatchAsync(addrs, sizes, count, locations, first, nr, flags,
				       stream_ptsz(stream));
}
