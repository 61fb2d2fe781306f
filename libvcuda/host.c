// SPDX-License-Identifier: MIT
/*
 * host.c - pinned host memory, and the device's view of it
 *
 * Nothing needs pinning here: copies go through the rings. What CUDA promises of such memory is
 * kept: alignment, attributes, errors. It lies in the lease's range, so that the device can see it
 * at the same address; it does once the program says so, asks for the device's pointer or gives a
 * pointer to a kernel. Memory of the program's own has another address there. The device's copy
 * counts against the lease's limit; view.c keeps both alike.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"
#include "view.h"

#define HUGE_PAGE (2u << 20)

struct host {
	struct host *next;
	uint64_t addr, size;
	unsigned int flags;
	bool registered;	/* the program's own memory */
	CUcontext ctx;
	uint64_t id;
	struct shadow *shadow;	/* NULL: has no place on the device */
};

/* The device's memory for the program's. */
struct shadow {
	/* ARENA_PINNED and ARENA_HOST: at the same address; ARENA_SHADOW: elsewhere */
	struct arena_run run;
	struct vcuda_view *view;	/* NULL: the device does not see it yet */
	uint64_t id;
	CUcontext ctx;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct host *hosts;
static pthread_mutex_t mapping = PTHREAD_MUTEX_INITIALIZER;	/* one is mapped at a time */
static _Atomic uint64_t pinned;		/* granules of ARENA_PINNED and ARENA_HOST */

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

bool vcuda_host_range(uint64_t addr, struct vcuda_range *out)
{
	struct host h;

	if (!copy_of(addr, &h))
		return false;
	*out = (struct vcuda_range){ .start = h.addr, .size = h.size, .id = h.id, .ctx = h.ctx };
	return true;
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

/*
 * Addresses at most a quarter of the range's: the rest is for the device. NULL: memory has to come
 * from elsewhere.
 */
static struct shadow *pinned_new(size_t size)
{
	uint64_t granules = vcuda_arena_granules(size);
	struct shadow *s;

	if (!vcuda_arena_is_ours() || !granules ||
	    (pinned + granules) * vcuda_arena_granule() > vcuda_lease()->range_bytes / 4)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	vcuda_arena_lock();
	if (vcuda_arena_take(&s->run, ARENA_PINNED, granules, 1, 0)) {
		free(s);
		s = NULL;
	}
	vcuda_arena_unlock();
	if (!s)
		return NULL;
	if (mprotect((void *)(uintptr_t)s->run.addr, page_round(size), PROT_READ | PROT_WRITE)) {
		vcuda_arena_lock();
		vcuda_arena_drop(&s->run);
		vcuda_arena_unlock();
		free(s);
		return NULL;
	}
	/* a kernel that copies out of it or into it has fewer pages to find */
	if (size >= HUGE_PAGE)
		madvise((void *)(uintptr_t)s->run.addr, page_round(size), MADV_HUGEPAGE);
	pinned += granules;
	s->id = vcuda_memory_id();
	s->ctx = vcuda_current();
	return s;
}

/* Of memory that lies elsewhere. */
static struct shadow *shadow_new(uint64_t addr, size_t size)
{
	struct shadow *s = size <= SIZE_MAX - 4096 ? calloc(1, sizeof(*s)) : NULL;
	CUresult r;

	if (!s)
		return NULL;
	s->id = vcuda_memory_id();
	s->ctx = vcuda_current();
	vcuda_arena_lock();
	r = vcuda_arena_take(&s->run, ARENA_SHADOW, vcuda_arena_granules(addr % 4096 + size), 1, 0);
	vcuda_arena_unlock();
	if (!r)
		return s;
	free(s);
	return NULL;
}

/* With the lock mapping. Memory that was found and no use of stays for the next time. */
static CUresult shadow_map(struct shadow *s, uint64_t addr, size_t size)
{
	struct vcuda_view *v;
	CUresult r = CUDA_SUCCESS;

	if (s->view)
		return CUDA_SUCCESS;
	v = calloc(1, sizeof(*v));
	if (!v)
		return CUDA_ERROR_OUT_OF_MEMORY;
	v->host = (uint8_t *)(uintptr_t)addr;
	v->dev = s->run.kind == ARENA_SHADOW ? s->run.addr + addr % 4096 : addr;
	v->bytes = size;
	vcuda_arena_lock();
	if (!s->run.mapped)
		r = vcuda_arena_back(&s->run);
	vcuda_arena_unlock();
	if (!r)
		r = vcuda_view_add(v, false);
	if (r) {
		free(v);
		return r;
	}
	vcuda_arena_lock();
	s->view = v;
	if (s->run.kind == ARENA_PINNED)
		vcuda_arena_become(&s->run, ARENA_HOST);
	vcuda_arena_unlock();
	return CUDA_SUCCESS;
}

static void shadow_free(struct shadow *s, size_t size)
{
	struct vcuda_view *v = s->view;

	if (v)
		vcuda_view_del(v);
	if (s->run.kind != ARENA_SHADOW) {
		make_none(s->run.addr, page_round(size));
		pinned -= s->run.granules;
	}
	vcuda_arena_lock();
	s->view = NULL;
	if (s->run.mapped) {
		vcuda_arena_leave(&s->run);
	} else {
		vcuda_arena_drop(&s->run);
		free(s);
	}
	vcuda_arena_unlock();
	free(v);
}

/* Makes the device see the pinned memory around addr. */
static CUresult map_at(uint64_t addr)
{
	struct host copy;
	CUresult r = CUDA_ERROR_INVALID_VALUE;

	pthread_mutex_lock(&mapping);
	if (copy_of(addr, &copy) && copy.shadow)
		r = shadow_map(copy.shadow, copy.addr, copy.size);
	pthread_mutex_unlock(&mapping);
	return r;
}

CUresult vcuda_host_map_params(const void *params, size_t bytes)
{
	uint64_t word;
	size_t at;
	CUresult r = CUDA_SUCCESS;

	if (!atomic_load_explicit(&pinned, memory_order_relaxed))
		return CUDA_SUCCESS;
	for (at = 0; !r && at + sizeof(word) <= bytes; at += sizeof(word)) {
		memcpy(&word, (const uint8_t *)params + at, sizeof(word));
		if (vcuda_arena_kind(word) == ARENA_PINNED && copy_of(word, &(struct host){ 0 }))
			r = map_at(word);
	}
	return r;
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

/* What was not allocated here has no place on the device before it is asked for. */
static CUresult place_at(uint64_t addr)
{
	struct shadow *made;
	struct host copy, *h;

	if (!copy_of(addr, &copy))
		return CUDA_ERROR_INVALID_VALUE;
	if (copy.shadow)
		return CUDA_SUCCESS;
	made = shadow_new(copy.addr, copy.size);
	if (!made)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	h = *find(addr);
	if (h && !h->shadow) {
		h->shadow = made;
		made = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (made)
		shadow_free(made, copy.size);	/* another thread was quicker */
	return CUDA_SUCCESS;
}

CUresult hand_cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *p, unsigned int flags)
{
	uint64_t addr = (uintptr_t)p;
	struct vcuda_view v;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!out || flags)
		return CUDA_ERROR_INVALID_VALUE;
	r = place_at(addr);
	if (!r)
		r = map_at(addr);
	if (!r && !vcuda_view_find(addr, false, &v))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*out = v.dev + (addr - (uintptr_t)v.host);
	return r;
}

/* ---- allocation and registration ---- */

/*
 * Where the device's memory does not suffice the program gets what it can have: memory of its own.
 */
static void *alloc(size_t size, unsigned int flags, struct shadow **shadow)
{
	struct shadow *s = pinned_new(size);

	*shadow = s;
	if (!s)
		return mmap(NULL, page_round(size), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (flags & CU_MEMHOSTALLOC_DEVICEMAP) {
		pthread_mutex_lock(&mapping);
		shadow_map(s, s->run.addr, size);
		pthread_mutex_unlock(&mapping);
	}
	return (void *)(uintptr_t)s->run.addr;
}

static void free_alloc(void *p, size_t size, struct shadow *shadow)
{
	bool elsewhere = !shadow || shadow->run.kind == ARENA_SHADOW;

	if (shadow)
		shadow_free(shadow, size);
	if (elsewhere)
		munmap(p, page_round(size));
}

CUresult hand_cuMemHostAlloc(void **pp, size_t size, unsigned int flags)
{
	CUresult r = vcuda_need_context();
	struct shadow *shadow;
	void *p;

	if (r)
		return r;
	if (!pp ||
	    flags & ~(CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP |
		      CU_MEMHOSTALLOC_WRITECOMBINED))
		return CUDA_ERROR_INVALID_VALUE;
	if (page_round(size) < size)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!size) {
		*pp = NULL;
		return CUDA_SUCCESS;
	}
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
	if (((h->shadow && h->shadow->view) || vcuda_expects(p, h->size)) && !vcuda_need_context())
		vcuda_context_wait(NULL);
	free_alloc(p, h->size, h->shadow);
	free(h);
	return vcuda_sticky_error();
}

CUresult hand_cuMemHostRegister_v2(void *p, size_t size, unsigned int flags)
{
	struct host *h;
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
	for (h = hosts; h && !r; h = h->next)
		if (h->addr < (uintptr_t)p + size && (uintptr_t)p < h->addr + h->size)
			r = h->registered ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED
					  : CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&lock);
	return r ? r : add(p, size, flags, true, NULL);
}

CUresult hand_cuMemHostRegister(void *p, size_t size, unsigned int flags)
{
	return hand_cuMemHostRegister_v2(p, size, flags);
}

CUresult hand_cuMemHostUnregister(void *p)
{
	struct host *h = take(p, true), other;

	/* what lies within a registration is not said to be none */
	if (!h)
		return !p || (copy_of((uintptr_t)p, &other) && other.registered)
			       ? CUDA_ERROR_INVALID_VALUE
			       : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	/* what the device still changes comes in before */
	if (h->shadow && !vcuda_need_context())
		vcuda_context_wait(NULL);
	if (h->shadow)
		shadow_free(h->shadow, h->size);
	free(h);
	return CUDA_SUCCESS;
}

CUresult hand_cuMemHostGetFlags(unsigned int *flags, void *p)
{
	struct host h;

	if (!flags || !copy_of((uintptr_t)p, &h))
		return CUDA_ERROR_INVALID_VALUE;
	*flags = h.flags;
	return vcuda_sticky_error();
}
