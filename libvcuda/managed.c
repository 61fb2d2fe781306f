// SPDX-License-Identifier: MIT
/*
 * managed.c - managed memory: the program's pages and the device's copy at the same address
 *
 * As on devices without concurrentManagedAccess, the program may use it while no kernel runs; what
 * keeps both sides alike is view.c's. An allocation of more than VIEW_COMPARED bytes has granules
 * of its own, smaller ones share some.
 */
#include "advice.h"
#include "managed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "view.h"

#define UNIT	512u

struct segment;

struct managed {
	struct arena_pending pending;	/* once it is freed */
	struct managed *next;		/* in the segment, by address */
	struct segment *segment;
	struct vcuda_view view;
	uint64_t size, id;
	CUcontext ctx;
	bool dying, sync_memops;
	struct advice_map *advice;
};

struct segment {
	struct arena_run run;
	struct segment *next;
	bool shared;
	struct managed *first;
};

static struct segment *segments;	/* shared ones; under the arena's lock */

/* ---- segments; under the arena's lock ---- */

static void *host(const struct segment *s)
{
	return (void *)(uintptr_t)s->run.addr;
}

static uint64_t bytes_of(const struct segment *s)
{
	return s->run.granules * vcuda_arena_granule();
}

static CUresult segment_new(struct segment **out, uint64_t bytes, bool shared)
{
	struct segment *s = calloc(1, sizeof(*s));
	CUresult r;

	if (!s)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcuda_arena_map(&s->run, ARENA_MANAGED, vcuda_arena_granules(bytes));
	if (r) {
		free(s);
		return r;
	}
	s->shared = shared;
	*out = s;
	if (!shared)
		return CUDA_SUCCESS;
	if (mprotect(host(s), bytes_of(s), PROT_READ | PROT_WRITE)) {
		vcuda_arena_leave(&s->run);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	s->next = segments;
	segments = s;
	return CUDA_SUCCESS;
}

static void segment_leave(struct segment *s)
{
	struct segment **p;

	for (p = &segments; *p && *p != s; p = &(*p)->next)
		;
	if (*p)
		*p = s->next;
	mmap(host(s), bytes_of(s), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
	     -1, 0);
	vcuda_arena_leave(&s->run);
}

/* Room for bytes in a shared segment: what m is to follow, and the address. */
static struct managed **find_gap(struct segment *s, uint64_t bytes, uint64_t *addr)
{
	struct managed **at = &s->first;

	*addr = s->run.addr;
	for (; *at; at = &(*at)->next) {
		if ((*at)->view.dev - *addr >= bytes)
			return at;
		*addr = (*at)->view.dev + ((*at)->size + UNIT - 1) / UNIT * UNIT;
	}
	return bytes_of(s) - (*addr - s->run.addr) >= bytes ? at : NULL;
}

static CUresult place_small(struct managed *m)
{
	uint64_t bytes = (m->size + UNIT - 1) / UNIT * UNIT, addr;
	struct managed **at = NULL;
	struct segment *s;
	CUresult r;

	for (s = segments; s; s = s->next) {
		at = find_gap(s, bytes, &addr);
		if (at)
			break;
	}
	if (!s) {
		r = segment_new(&s, bytes, true);
		if (r)
			return r;
		at = find_gap(s, bytes, &addr);
	}
	m->segment = s;
	m->view.dev = addr;
	m->next = *at;
	*at = m;
	return CUDA_SUCCESS;
}

static CUresult place_large(struct managed *m)
{
	CUresult r = segment_new(&m->segment, m->size, false);

	if (r)
		return r;
	m->view.dev = m->segment->run.addr;
	m->segment->first = m;
	return CUDA_SUCCESS;
}

static void unlink_from(struct segment *s, struct managed *m)
{
	struct managed **p;

	for (p = &s->first; *p && *p != m; p = &(*p)->next)
		;
	if (*p)
		*p = m->next;
}

static void remove_now(struct managed *m)
{
	struct segment *s = m->segment;

	unlink_from(s, m);
	if (!s->first)
		segment_leave(s);
	free(m);
}

static void removed(struct arena_pending *p)
{
	remove_now((struct managed *)p);
}

/* ---- allocation ---- */

/* With the arena's lock. */
static CUresult place(struct managed *m)
{
	CUresult r = m->size > VIEW_COMPARED ? place_large(m) : place_small(m);

	if (r)
		return r;
	m->view.host = (uint8_t *)(uintptr_t)m->view.dev;
	r = m->segment->shared ? vcuda_view_add(&m->view, false) : vcuda_view_watch(&m->view);
	if (!r)
		return r;
	unlink_from(m->segment, m);
	if (!m->segment->first)
		segment_leave(m->segment);
	return r;
}

CUresult hand_cuMemAllocManaged(CUdeviceptr *out, size_t size, unsigned int flags)
{
	CUresult r = vcuda_need_context();
	struct managed *m;

	if (r)
		return r;
	if (!out || !size || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcuda_arena_is_ours())
		return CUDA_ERROR_NOT_SUPPORTED;
	r = vcuda_sticky_error();
	if (r)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->size = size;
	m->view.bytes = size > VIEW_COMPARED ? (size + 4095) & ~4095ull : size;
	m->view.managed = true;
	m->id = vcuda_memory_id();
	m->ctx = vcuda_current();
	vcuda_arena_lock();
	r = m->view.bytes >= size ? place(m) : CUDA_ERROR_OUT_OF_MEMORY;
	vcuda_arena_unlock();
	if (r)
		free(m);
	else
		*out = m->view.dev;
	return r;
}

static struct managed *managed_at(struct arena_run *r, uint64_t addr)
{
	struct managed *m;

	for (m = ((struct segment *)r)->first; m && addr - m->view.dev >= m->size; m = m->next)
		;
	return m && !m->dying ? m : NULL;
}

bool vcuda_managed_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out)
{
	struct managed *m = managed_at(r, addr);

	if (!m)
		return false;
	out->start = m->view.dev;
	out->size = m->size;
	out->id = m->id;
	out->ctx = m->ctx;
	out->sync_memops = &m->sync_memops;
	out->advice = &m->advice;
	return true;
}

static CUresult free_managed(struct managed *m)
{
	vcuda_view_del(&m->view);
	advice_map_destroy(m->advice);
	m->advice = NULL;
	m->dying = true;
	if (!m->segment->shared || vcuda_device_idle()) {
		remove_now(m);
		return CUDA_SUCCESS;
	}
	m->pending.done = removed;
	return vcuda_arena_after(&m->pending);
}

CUresult vcuda_managed_free(struct arena_run *r, uint64_t addr)
{
	return free_managed(managed_at(r, addr));
}

/* The run itself may go. */
void vcuda_managed_context(struct arena_run *r, CUcontext ctx)
{
	struct managed *m, *next;

	for (m = ((struct segment *)r)->first; m; m = next) {
		next = m->next;
		if (m->ctx == ctx && !m->dying)
			free_managed(m);
	}
}

/* ---- __managed__ variables ---- */

#define PAGE	4096ull

/* Whole pages made for variables, which may share the first and the last. */
struct pages {
	struct pages *next;
	uint64_t addr, end;
};

static struct pages *pages;	/* under the arena's lock */

/* Where what holds at begins or ends: ours up to there, or else not ours. */
static uint64_t pages_until(uint64_t at, uint64_t end, bool *ours)
{
	const struct pages *p;

	*ours = false;
	for (p = pages; p; p = p->next) {
		if (p->addr <= at && at < p->end) {
			*ours = true;
			return p->end;
		}
		if (p->addr > at && p->addr < end)
			end = p->addr;
	}
	return end;
}

static CUresult pages_make(uint64_t addr, uint64_t end)
{
	void *want = (void *)(uintptr_t)addr, *got;
	struct pages *p = malloc(sizeof(*p));

	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	got = mmap(want, end - addr, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (got != want) {
		if (got != MAP_FAILED)
			munmap(got, end - addr);
		free(p);
		vcuda_say("a managed variable is at %#llx, where this process has other memory",
			  (unsigned long long)addr);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	*p = (struct pages){ .next = pages, .addr = addr, .end = end };
	pages = p;
	return CUDA_SUCCESS;
}

static CUresult pages_cover(uint64_t at, uint64_t end)
{
	CUresult r = CUDA_SUCCESS;
	uint64_t until;
	bool ours;

	for (; !r && at < end; at = until) {
		until = pages_until(at, end, &ours);
		if (!ours)
			r = pages_make(at, until);
	}
	return r;
}

/*
 * The server's driver has chosen the address. Such memory lives as long as the process: libcudart
 * keeps the address.
 */
CUresult vcuda_managed_variable(uint64_t addr, uint64_t size)
{
	struct vcuda_view *v, found;
	CUresult r;

	if (!size || size > vcuda_lease()->range_bytes || size > UINT64_MAX - addr - PAGE)
		return CUDA_ERROR_INVALID_VALUE;
	if (vcuda_view_find(addr, false, &found))
		return CUDA_SUCCESS;
	v = calloc(1, sizeof(*v));
	if (!v)
		return CUDA_ERROR_OUT_OF_MEMORY;
	v->host = (uint8_t *)(uintptr_t)addr;
	v->dev = addr;
	v->bytes = size;
	v->managed = true;
	vcuda_arena_lock();
	r = pages_cover(addr & ~(PAGE - 1), (addr + size + PAGE - 1) & ~(PAGE - 1));
	vcuda_arena_unlock();
	if (!r)
		r = vcuda_view_add(v, true);
	if (r)
		free(v);
	return r;
}
