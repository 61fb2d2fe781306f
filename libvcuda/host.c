// SPDX-License-Identifier: MIT
/*
 * host.c - host memory that the program calls pinned, and what pointers are
 *
 * Nothing needs pinning here: copies go through the rings. What CUDA promises of such memory is
 * kept: alignment, attributes, errors. Device code cannot reach it, so
 * CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY is 0 and cuMemHostGetDevicePointer() is refused.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

struct host {
	struct host *next;
	uint64_t addr, size;
	unsigned int flags;
	bool registered;	/* the program's own memory */
	CUcontext ctx;
	uint64_t id;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct host *hosts;

/* In a forked child, whose host memory is its copy of the parent's. */
void vcuda_host_fork(void)
{
	pthread_mutex_init(&lock, NULL);
}

static struct host **find(uint64_t addr)
{
	struct host **p;

	for (p = &hosts; *p && addr - (*p)->addr >= (*p)->size; p = &(*p)->next)
		;
	return p;
}

static struct host *copy_of(uint64_t addr, struct host *h)
{
	struct host *found;

	pthread_mutex_lock(&lock);
	found = *find(addr);
	if (found)
		*h = *found;
	pthread_mutex_unlock(&lock);
	return found ? h : NULL;
}

bool vcuda_is_pinned(const void *p, size_t n)
{
	uint64_t addr = (uintptr_t)p;
	struct host h;

	return copy_of(addr, &h) && n <= h.size - (addr - h.addr);
}

static CUresult add(void *p, size_t size, unsigned int flags, bool registered)
{
	struct host *h = malloc(sizeof(*h));

	if (!h)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	*h =
		(struct host){ hosts,	   (uintptr_t)p,    size,     flags,
			       registered, vcuda_current(), vcuda_memory_id() };
	hosts = h;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

static struct host *take(void *p, bool registered)
{
	struct host **at, *h;

	pthread_mutex_lock(&lock);
	at = find((uintptr_t)p);
	h = *at;
	if (h && (h->addr != (uintptr_t)p || h->registered != registered))
		h = NULL;
	if (h)
		*at = h->next;
	pthread_mutex_unlock(&lock);
	return h;
}

static size_t page_round(size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (n + page - 1) & ~(page - 1);
}

CUresult hand_cuMemHostAlloc(void **pp, size_t size, unsigned int flags)
{
	CUresult r = vcuda_need_context();
	void *p;

	if (r)
		return r;
	if (!pp || !size ||
	    flags & ~(CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP |
		      CU_MEMHOSTALLOC_WRITECOMBINED))
		return CUDA_ERROR_INVALID_VALUE;
	if (page_round(size) < size)
		return CUDA_ERROR_OUT_OF_MEMORY;
	p = mmap(NULL, page_round(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (p == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = add(p, size, flags, false);
	if (r)
		munmap(p, page_round(size));
	else
		*pp = p;
	return r;
}

CUresult hand_cuMemAllocHost_v2(void **pp, size_t size)
{
	return hand_cuMemHostAlloc(pp, size, 0);
}

CUresult hand_cuMemAllocHost(void **pp, unsigned int size)
{
	return hand_cuMemHostAlloc(pp, size, 0);
}

CUresult hand_cuMemFreeHost(void *p)
{
	struct host *h;

	if (!p)
		return CUDA_SUCCESS;
	h = take(p, false);
	if (!h)
		return CUDA_ERROR_INVALID_VALUE;
	/* A copy to this memory may be under way: natively, too, freeing waits for it. */
	if (vcuda_expects(p, h->size) && !vcuda_need_context())
		hand_cuCtxSynchronize();
	munmap(p, page_round(h->size));
	free(h);
	return CUDA_SUCCESS;
}

CUresult hand_cuMemHostRegister_v2(void *p, size_t size, unsigned int flags)
{
	struct host *h;
	bool overlaps = false;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!p || !size || (uintptr_t)p + size < (uintptr_t)p ||
	    flags & ~(unsigned int)(CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP |
				    CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY))
		return CUDA_ERROR_INVALID_VALUE;
	if (flags & CU_MEMHOSTREGISTER_IOMEMORY)
		return CUDA_ERROR_NOT_SUPPORTED;
	pthread_mutex_lock(&lock);
	for (h = hosts; h && !overlaps; h = h->next)
		overlaps = h->addr < (uintptr_t)p + size && (uintptr_t)p < h->addr + h->size;
	pthread_mutex_unlock(&lock);
	return overlaps ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : add(p, size, flags, true);
}

CUresult hand_cuMemHostUnregister(void *p)
{
	struct host *h = take(p, true);

	if (!h)
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	free(h);
	return CUDA_SUCCESS;
}

CUresult hand_cuMemHostGetFlags(unsigned int *flags, void *p)
{
	struct host h;

	if (!flags || !copy_of((uintptr_t)p, &h))
		return CUDA_ERROR_INVALID_VALUE;
	*flags = h.flags;
	return CUDA_SUCCESS;
}

/* ---- cuPointerGetAttribute ---- */

struct pointer {
	bool device, host;
	uint64_t start, size, id;
	CUcontext ctx;
	struct vcuda_range range;	/* of device memory */
};

static void identify(uint64_t addr, struct pointer *p)
{
	struct host h;

	memset(p, 0, sizeof(*p));
	p->device = vcuda_mem_find(addr, &p->range);
	if (p->device) {
		p->start = p->range.start;
		p->size = p->range.size;
		p->ctx = p->range.ctx;
		p->id = p->range.id;
	} else if (copy_of(addr, &h)) {
		p->host = true;
		p->start = h.addr;
		p->size = h.size;
		p->ctx = h.ctx;
		p->id = h.id;
	}
}

static CUdevice device_of(const struct pointer *p)
{
	CUdevice dev = 0;

	return hand_cuCtxGetDevice_v2(&dev, p->ctx) ? 0 : dev;
}

/* The attribute of a pointer that CUDA knows. */
static CUresult attribute(void *data, CUpointer_attribute which, const struct pointer *p,
			  uint64_t addr)
{
	switch (which) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		*(CUcontext *)data = p->ctx;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(unsigned int *)data = p->device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		*(CUdeviceptr *)data = p->device ? addr : 0;
		return p->device ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		*(void **)data = p->host ? (void *)(uintptr_t)addr : NULL;
		return p->host ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(unsigned int *)data = p->range.is_sync_memops;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
		*(unsigned int *)data = 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
		*(unsigned long long *)data = p->id;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		*(int *)data = device_of(p);
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
		*(void **)data = (void *)(uintptr_t)p->start;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
		*(size_t *)data = p->size;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MAPPED:
		*(unsigned int *)data = p->device;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		*(unsigned long long *)data = 0;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		*(int *)data = CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
		*(CUmemoryPool *)data = p->range.pool;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult hand_cuPointerGetAttribute(void *data, CUpointer_attribute which, CUdeviceptr ptr)
{
	struct pointer p;

	if (!data)
		return CUDA_ERROR_INVALID_VALUE;
	identify(ptr, &p);
	if (!p.device && !p.host)
		return CUDA_ERROR_INVALID_VALUE;
	return attribute(data, which, &p, ptr);
}

/*
 * The plural form does not fail for a pointer that CUDA does not know, nor for what a pointer has
 * not: it gives zeros.
 */
CUresult hand_cuPointerGetAttributes(unsigned int n, CUpointer_attribute *which, void **data,
				     CUdeviceptr ptr)
{
	struct pointer p;
	unsigned int i;

	if (!n || !which || !data)
		return CUDA_ERROR_INVALID_VALUE;
	identify(ptr, &p);
	for (i = 0; i < n; i++) {
		if (!data[i])
			return CUDA_ERROR_INVALID_VALUE;
		if (p.device || p.host) {
			if (attribute(data[i], which[i], &p, ptr) &&
			    (unsigned int)which[i] > CU_POINTER_ATTRIBUTE_HOST_POINTER)
				return CUDA_ERROR_INVALID_VALUE;
			continue;
		}
		if (which[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
			*(int *)data[i] = CU_DEVICE_INVALID;
		else if (attribute(data[i], which[i], &p, ptr) &&
			 (unsigned int)which[i] > CU_POINTER_ATTRIBUTE_HOST_POINTER)
			return CUDA_ERROR_INVALID_VALUE;
		else if (which[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
			*(unsigned int *)data[i] = 0;
	}
	return CUDA_SUCCESS;
}
