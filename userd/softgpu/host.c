/* SPDX-License-Identifier: MIT */
/*
 * host.c - page-locked host memory: kernels see it at the address the program sees
 */
#include <inttypes.h>
#include <stdio.h>

#include "context.h"
#include "init.h"
#include "malloc.h"
#include "print.h"
#include "vmm.h"

#define ALLOC_FLAGS	(CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | \
			 CU_MEMHOSTALLOC_WRITECOMBINED)
#define REGISTER_FLAGS	(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | \
			 CU_MEMHOSTREGISTER_READ_ONLY)

static bool is_host(const struct mem_range *r)
{
	return r->kind == MEM_HOST || r->kind == MEM_REGISTERED;
}

CUresult cuMemHostAlloc(void **out, size_t size, unsigned int flags)
{
	struct context *ctx;
	uint64_t addr;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || (flags & ~ALLOC_FLAGS))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!size) {
		*out = NULL;
		return context_leave(CUDA_SUCCESS);
	}
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
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = malloc_release(ctx, (uintptr_t)p, kind, not_there);
	driver_unlock();
	print_flush();
	return r;
}

CUresult cuMemFreeHost(void *p)
{
	return release(p, MEM_HOST, p ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS);
}

/*
 * True when the program itself could use all of these bytes: what a kernel gets must not make the
 * process crash. /proc/self/maps is sorted by address.
 */
static bool is_mapped(uint64_t addr, size_t size, bool write)
{
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t at = addr, lo, hi;
	char line[4096], prot[5];

	while (f && at < addr + size && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &lo, &hi, prot) != 3 || hi <= at)
			continue;
		if (lo > at || prot[0] != 'r' || (write && prot[1] != 'w'))
			break;
		at = hi;
	}
	if (f)
		fclose(f);
	return at >= addr + size;
}

static CUresult check_range(const struct mem_range *r)
{
	struct mem_range other;

	if (!r->lo || !r->size || r->lo + r->size < r->lo || (r->flags & ~REGISTER_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	if (mem_touches(r->lo, r->size))
		return mem_lookup(r->lo, &other) && other.kind != MEM_REGISTERED
			? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	return vmm_is_reserved(r->lo, r->size) || !is_mapped(r->lo, r->size, !r->read_only)
		? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuMemHostRegister_v2(void *p, size_t size, unsigned int flags)
{
	struct mem_range range = {
		.lo = (uintptr_t)p, .size = size, .bytes = size, .kind = MEM_REGISTERED,
		.device = MEM_NO_DEVICE, .flags = flags,
		.read_only = flags & CU_MEMHOSTREGISTER_READ_ONLY ? ~0u : 0,
	};
	struct context *ctx;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (flags & CU_MEMHOSTREGISTER_IOMEMORY)
		return context_leave(CUDA_ERROR_NOT_SUPPORTED);
	r = check_range(&range);
	range.owner = ctx;
	if (r == CUDA_SUCCESS && !mem_add(&range))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	return context_leave(r);
}

CUresult cuMemHostRegister(void *p, size_t size, unsigned int flags)
{
	return cuMemHostRegister_v2(p, size, flags);
}

/* What lies within a registration is not unregistered, and not said to be none. */
CUresult cuMemHostUnregister(void *p)
{
	struct mem_range range;
	struct context *ctx;
	bool inside;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	inside = mem_lookup((uintptr_t)p, &range) && range.kind == MEM_REGISTERED;
	driver_unlock();
	return release(p, MEM_REGISTERED, !p || inside ? CUDA_ERROR_INVALID_VALUE
						       : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
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
