// SPDX-License-Identifier: MIT
/*
 * host.c - host memory that the program calls pinned, the device's view of it, and what pointers are
 *
 * Nothing needs pinning here: copies go through the rings. What CUDA promises of such memory is
 * kept: alignment, attributes, errors. Memory that is to be mapped lies in the lease's range, so
 * that the device sees it at the same address; other memory is mapped when the device's pointer is
 * asked for. The device's copy counts against the lease's limit; view.c keeps both alike.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"
#include "view.h"

struct host {
	struct host *next;
	uint64_t addr, size;
	unsigned int flags;
	bool registered;	/* the program's own memory */
	CUcontext ctx;
	uint64_t id;
	struct shadow *shadow;	/* NULL: the device does not see it */
};

/* The device's memory for the program's. */
struct shadow {
	struct arena_run run;	/* ARENA_HOST: at the same address, ARENA_SHADOW: elsewhere */
	struct vcuda_view *view;
	uint64_t id;
	CUcontext ctx;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct host *hosts;

/*
 * In a forked child, whose host memory is its copy of the parent's. What lay in the lease's range
 * it has not got.
 */
void vcuda_host_fork(void)
{
	struct host **p = &hosts, *h;

	pthread_mutex_init(&lock, NULL);
	while ((h = *p)) {
		if (h->shadow && h->shadow->run.kind == ARENA_HOST) {
			*p = h->next;
			free(h);
			continue;
		}
		h->shadow = NULL;
		p = &h->next;
	}
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

static CUresult add(void *p, size_t size, unsigned int flags, bool registered,
		    struct shadow *shadow)
{
	struct host *h = malloc(sizeof(*h));

	if (!h)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	*h = (struct host){
		.next = hosts,
		.addr = (uintptr_t)p,
		.size = size,
		.flags = flags,
		.registered = registered,
		.ctx = vcuda_current(),
		.id = shadow ? shadow->id : vcuda_memory_id(),
		.shadow = shadow,
	};
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

/* ---- the device's view ---- */

static void *make_none(uint64_t addr, size_t n)
{
	return mmap((void *)(uintptr_t)addr, n, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

/* addr 0: memory of the run's own. */
static struct shadow *shadow_new(uint64_t addr, size_t size, CUresult *r)
{
	uint64_t offset = addr % 4096, granules = vcuda_arena_granules(offset + size);
	struct shadow *s = calloc(1, sizeof(*s));
	struct vcuda_view *v = calloc(1, sizeof(*v));

	*r = s && v && size <= SIZE_MAX - 4096 ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	if (!*r) {
		vcuda_arena_lock();
		*r = vcuda_arena_map(&s->run, addr ? ARENA_SHADOW : ARENA_HOST, granules);
		vcuda_arena_unlock();
	}
	if (*r) {
		free(s);
		free(v);
		return NULL;
	}
	s->id = vcuda_memory_id();
	s->ctx = vcuda_current();
	v->dev = s->run.addr + offset;
	v->host = (uint8_t *)(uintptr_t)(addr ? addr : v->dev);
	v->bytes = size;
	if (!addr && mprotect(v->host, page_round(size), PROT_READ | PROT_WRITE))
		*r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!*r)
		*r = vcuda_view_add(v, false);
	vcuda_arena_lock();
	if (*r)
		vcuda_arena_leave(&s->run);
	else
		s->view = v;
	vcuda_arena_unlock();
	if (!*r)
		return s;
	free(v);
	return NULL;
}

static void shadow_free(struct shadow *s)
{
	struct vcuda_view *v = s->view;

	vcuda_view_del(v);
	if (s->run.kind == ARENA_HOST)
		make_none(v->dev, page_round(v->bytes));
	vcuda_arena_lock();
	s->view = NULL;
	vcuda_arena_leave(&s->run);
	vcuda_arena_unlock();
	free(v);
}

/* With the arena's lock. */
bool vcuda_host_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out)
{
	const struct shadow *s = (struct shadow *)r;

	if (!s->view || addr - s->view->dev >= s->view->bytes)
		return false;
	out->start = s->view->dev;
	out->size = s->view->bytes;
	out->id = s->id;
	out->ctx = s->ctx;
	return true;
}

CUresult hand_cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *p, unsigned int flags)
{
	uint64_t addr = (uintptr_t)p;
	struct shadow *made = NULL;
	struct host *h, copy;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!out || flags || !copy_of(addr, &copy))
		return CUDA_ERROR_INVALID_VALUE;
	if (!copy.shadow)
		made = shadow_new(copy.addr, copy.size, &r);
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	h = *find(addr);
	if (h && made && !h->shadow) {
		h->shadow = made;
		made = NULL;
	}
	if (h && h->shadow)
		*out = h->shadow->view->dev + (addr - h->addr);
	else
		r = CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&lock);
	if (made)
		shadow_free(made);	/* another thread was quicker */
	return r;
}

/* ---- allocation and registration ---- */

/* Where the device's memory does not suffice the program gets what it can have: memory of its own. */
static void *alloc(size_t size, unsigned int flags, struct shadow **shadow)
{
	CUresult r;

	*shadow = NULL;
	if ((flags & CU_MEMHOSTALLOC_DEVICEMAP) && vcuda_arena_is_ours())
		*shadow = shadow_new(0, size, &r);
	if (*shadow)
		return (*shadow)->view->host;
	return mmap(NULL, page_round(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
}

static void free_alloc(void *p, size_t size, struct shadow *shadow)
{
	bool own = !shadow || shadow->run.kind != ARENA_HOST;

	if (shadow)
		shadow_free(shadow);
	if (own)
		munmap(p, page_round(size));
}

CUresult hand_cuMemHostAlloc(void **pp, size_t size, unsigned int flags)
{
	CUresult r = vcuda_need_context();
	struct shadow *shadow;
	void *p;

	if (r)
		return r;
	if (!pp || !size ||
	    flags & ~(CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP |
		      CU_MEMHOSTALLOC_WRITECOMBINED))
		return CUDA_ERROR_INVALID_VALUE;
	if (page_round(size) < size)
		return CUDA_ERROR_OUT_OF_MEMORY;
	p = alloc(size, flags, &shadow);
	if (p == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = add(p, size, flags, false, shadow);
	if (r)
		free_alloc(p, size, shadow);
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
	if ((h->shadow || vcuda_expects(p, h->size)) && !vcuda_need_context())
		hand_cuCtxSynchronize();
	free_alloc(p, h->size, h->shadow);
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
	if (vcuda_is_device((uintptr_t)p))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	for (h = hosts; h && !overlaps; h = h->next)
		overlaps = h->addr < (uintptr_t)p + size && (uintptr_t)p < h->addr + h->size;
	pthread_mutex_unlock(&lock);
	return overlaps ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED
			: add(p, size, flags, true, NULL);
}

CUresult hand_cuMemHostRegister(void *p, size_t size, unsigned int flags)
{
	return hand_cuMemHostRegister_v2(p, size, flags);
}

CUresult hand_cuMemHostUnregister(void *p)
{
	struct host *h = take(p, true);

	if (!h)
		return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	/* what the device still changes comes in before */
	if (h->shadow && !vcuda_need_context())
		hand_cuCtxSynchronize();
	if (h->shadow)
		shadow_free(h->shadow);
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
	bool device, host, managed;
	uint64_t start, size, id;
	uint64_t host_addr, device_addr;	/* 0: none */
	CUcontext ctx;
	struct vcuda_range range;	/* of device memory */
};

static void identify(uint64_t addr, struct pointer *p)
{
	struct vcuda_view v;
	struct host h;

	memset(p, 0, sizeof(*p));
	/* the device's address of the program's memory stands for that memory */
	if (vcuda_arena_kind(addr) == ARENA_SHADOW && vcuda_view_find(addr, true, &v))
		addr = (uintptr_t)v.host + (addr - v.dev);
	if (copy_of(addr, &h)) {
		p->host = true;
		p->start = h.addr;
		p->size = h.size;
		p->ctx = h.ctx;
		p->id = h.id;
		p->host_addr = addr;
		if (vcuda_view_find(addr, false, &v))
			p->device_addr = v.dev + (addr - (uintptr_t)v.host);
		return;
	}
	p->device = vcuda_mem_find(addr, &p->range);
	if (!p->device)
		return;
	p->start = p->range.start;
	p->size = p->range.size;
	p->ctx = p->range.ctx;
	p->id = p->range.id;
	p->device_addr = addr;
	p->managed = vcuda_view_find(addr, false, &v) && v.managed;
	p->host_addr = p->managed ? addr : 0;
}

static CUdevice device_of(const struct pointer *p)
{
	CUdevice dev = 0;

	return hand_cuCtxGetDevice_v2(&dev, p->ctx) ? 0 : dev;
}

/* The attribute of a pointer that CUDA knows. */
static CUresult attribute(void *data, CUpointer_attribute which, const struct pointer *p)
{
	switch (which) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		*(CUcontext *)data = p->ctx;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(unsigned int *)data = p->device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		*(CUdeviceptr *)data = p->device_addr;
		return p->device_addr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		*(void **)data = (void *)(uintptr_t)p->host_addr;
		return p->host_addr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(unsigned int *)data = p->range.is_sync_memops;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
		*(unsigned int *)data = p->managed;
		return CUDA_SUCCESS;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
		*(unsigned int *)data = p->device && (p->range.kind == ARENA_DEVICE ||
						      p->range.kind == ARENA_CHUNK);
		return CUDA_SUCCESS;
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
		*(unsigned int *)data = p->device || p->device_addr;
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
	return attribute(data, which, &p);
}

CUresult hand_cuPointerSetAttribute(const void *value, CUpointer_attribute which, CUdeviceptr ptr)
{
	if (!value || which != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS)
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_mem_set_sync_memops(ptr, *(const unsigned int *)value != 0);
}

/*
 * Where memory is: all of a span is in one place here, so that neither granularity matters but for
 * the number of answers. Managed memory is on both sides; what was said last counts.
 */
CUresult hand_cuMemGetLocationInfo(CUdeviceptr ptr, size_t size, size_t summary, size_t sampling,
				   CUmemLocation *out)
{
	struct pointer p;
	size_t i, n;

	if (!out || !size || !summary || summary > size || sampling > summary)
		return CUDA_ERROR_INVALID_VALUE;
	identify(ptr, &p);
	if ((!p.device && !p.host) || size > p.size - (ptr - p.start))
		return CUDA_ERROR_INVALID_VALUE;
	n = size / summary + (size % summary != 0);
	for (i = 0; i < n; i++)
		out[i] = (CUmemLocation){
			.type = p.host ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE,
			.id = p.host ? 0 : device_of(&p),
		};
	return CUDA_SUCCESS;
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
			if (attribute(data[i], which[i], &p) &&
			    (unsigned int)which[i] > CU_POINTER_ATTRIBUTE_HOST_POINTER)
				return CUDA_ERROR_INVALID_VALUE;
			continue;
		}
		if (which[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
			*(int *)data[i] = CU_DEVICE_INVALID;
		else if (attribute(data[i], which[i], &p) &&
			 (unsigned int)which[i] > CU_POINTER_ATTRIBUTE_HOST_POINTER)
			return CUDA_ERROR_INVALID_VALUE;
		else if (which[i] == CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
			*(unsigned int *)data[i] = 0;
	}
	return CUDA_SUCCESS;
}
