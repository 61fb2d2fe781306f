/* SPDX-License-Identifier: MIT */
/*
 * host.c - page-locked host memory: kernels see it at the address the program sees
 */
#include "context.h"
#include "init.h"
#include "malloc.h"
#include "print.h"

#define ALLOC_FLAGS	(CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | \
			 CU_MEMHOSTALLOC_WRITECOMBINED)
#define REGISTER_FLAGS	(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | \
			 CU_MEMHOSTREGISTER_READ_ONLY)

CUresult cuMemHostAlloc(void **out, size_t size, unsigned int flags)
{
	struct context *ctx;
	uint64_t addr;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !size || (flags & ~ALLOC_FLAGS))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	addr = mem_alloc(size, 1, MEM_HOST, flags, ctx);
	if (!addr)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	*out = (void *)(uintptr_t)addr;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemAllocHost_v2(void **out, size_t size)
{
	return cuMemHostAlloc(out, size, 0);
}

/* Waits for what may still copy from or to it, as cuMemFree() does. */
static CUresult release(void *p, enum mem_kind kind, CUresult not_there)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = malloc_release(ctx, (uintptr_t)p, kind, not_there);
	driver_unlock();
	print_flush();
	return r;
}

CUresult cuMemFreeHost(void *p)
{
	return release(p, MEM_HOST, CUDA_ERROR_INVALID_VALUE);
}

CUresult cuMemHostRegister_v2(void *p, size_t size, unsigned int flags)
{
	struct mem_range range = {
		.lo = (uintptr_t)p, .size = size, .bytes = size, .kind = MEM_REGISTERED,
		.device = MEM_NO_DEVICE,
	};
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (flags & CU_MEMHOSTREGISTER_IOMEMORY)
		return context_leave(CUDA_ERROR_NOT_SUPPORTED);
	if (!p || !size || range.lo + size < range.lo || (flags & ~REGISTER_FLAGS))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (mem_touches(range.lo, size))
		return context_leave(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
	range.flags = flags;
	range.owner = ctx;
	return context_leave(mem_add(&range) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY);
}

CUresult cuMemHostUnregister(void *p)
{
	return release(p, MEM_REGISTERED, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}

static bool is_host(const struct mem_range *r)
{
	return r->kind == MEM_HOST || r->kind == MEM_REGISTERED;
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *p, unsigned int flags)
{
	struct mem_range range;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || flags || !mem_lookup((uintptr_t)p, &range) || !is_host(&range))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*out = (uintptr_t)p;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemHostGetFlags(unsigned int *flags, void *p)
{
	struct mem_range range;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!flags || !mem_lookup((uintptr_t)p, &range) || range.kind != MEM_HOST)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*flags = range.flags | CU_MEMHOSTALLOC_DEVICEMAP;
	return context_leave(CUDA_SUCCESS);
}
