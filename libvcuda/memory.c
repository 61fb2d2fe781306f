// SPDX-License-Identifier: MIT
/*
 * memory.c - cuMemAlloc(): addresses are chosen here, the worker maps memory under them as the
 * request comes by
 *
 * An allocation of more than half a granule takes whole ones (arena.h). Smaller ones share a chunk,
 * one granule, in units of 512 bytes, so that most of them cost no frame at all. What counts
 * against the lease's limit is granules.
 *
 * Memory that was freed is not handed out again before the work that used it has finished. Where
 * nothing has been submitted since the device was last known to be idle that is at once; else the
 * worker says so. A granule that is unmapped always waits, for the worker to have unmapped it.
 */
#include <stdlib.h>
#include <string.h>

#include "managed.h"
#include "vcuda_graph.h"
#include "view.h"
#include "vmm.h"

#define UNIT		512u
#define CHUNK_UNITS	4096u		/* a granule is at most 2 MiB worth of units here */
#define MAX_GLOBALS	1024

struct chunk {
	struct arena_run run;
	struct chunk *next;
	unsigned int free_units, nr_units;
	uint64_t used[CHUNK_UNITS / 64];
	uint16_t units[CHUNK_UNITS];	/* of the allocation that starts here; 0: none does */
	uint32_t size[CHUNK_UNITS];	/* bytes of it, as asked for; 0: freed, and still in use */
	uint64_t id[CHUNK_UNITS];
	CUcontext ctx[CHUNK_UNITS];
	bool sync_memops[CHUNK_UNITS];
};

struct large {
	struct arena_run run;
	uint64_t size, id;
	CUcontext ctx;
	bool sync_memops;
};

/* A freed allocation inside a chunk. */
struct freed {
	struct arena_pending pending;
	struct chunk *chunk;
	unsigned int unit;
};

static struct chunk *chunks;
static struct { uint64_t addr, size; CUcontext ctx; } globals[MAX_GLOBALS];
static _Atomic unsigned int nr_globals;
static _Atomic uint64_t last_id;

void vcuda_memory_init(void)
{
	vcuda_arena_init();
}

uint64_t vcuda_memory_id(void)
{
	return ++last_id;
}

/* ---- chunks; all under the arena's lock ---- */

static bool unit_used(const struct chunk *c, unsigned int i)
{
	return c->used[i / 64] >> i % 64 & 1;
}

static void mark_units(struct chunk *c, unsigned int i, unsigned int n, bool on)
{
	c->free_units += on ? -n : n;
	for (; n--; i++)
		c->used[i / 64] = (c->used[i / 64] & ~(1ull << i % 64)) | (uint64_t)on << i % 64;
}

/* First unit of n free ones, or nr_units. */
static unsigned int find_units(const struct chunk *c, unsigned int n)
{
	unsigned int i, run = 0;

	for (i = 0; i < c->nr_units; i++) {
		if (i % 64 == 0 && c->used[i / 64] == ~0ull) {
			run = 0;
			i += 63;
			continue;
		}
		run = unit_used(c, i) ? 0 : run + 1;
		if (run == n)
			return i + 1 - n;
	}
	return c->nr_units;
}

static uint64_t take_units(struct chunk *c, size_t size)
{
	unsigned int n = (size + UNIT - 1) / UNIT;
	unsigned int i = c->free_units >= n ? find_units(c, n) : c->nr_units;

	if (i == c->nr_units)
		return 0;
	mark_units(c, i, n, true);
	c->units[i] = n;
	c->size[i] = size;
	c->id[i] = vcuda_memory_id();
	c->ctx[i] = vcuda_current();
	c->sync_memops[i] = false;
	return c->run.addr + (uint64_t)i * UNIT;
}

static void release_units(struct chunk *c, unsigned int i)
{
	mark_units(c, i, c->units[i], false);
	c->units[i] = 0;
}

/* Chunks that hold nothing go when memory is short. */
void vcuda_memory_shrink(void)
{
	struct chunk **p = &chunks, *c;

	while ((c = *p)) {
		if (c->free_units < c->nr_units) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		vcuda_arena_leave(&c->run);
	}
}

/* ---- allocation ---- */

static CUresult alloc_large(CUdeviceptr *out, size_t size)
{
	struct large *l = calloc(1, sizeof(*l));
	CUresult r;

	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcuda_arena_map(&l->run, ARENA_DEVICE, vcuda_arena_granules(size));
	if (r) {
		free(l);
		return r;
	}
	l->size = size;
	l->id = vcuda_memory_id();
	l->ctx = vcuda_current();
	*out = l->run.addr;
	return CUDA_SUCCESS;
}

static CUresult new_chunk(void)
{
	struct chunk *c = calloc(1, sizeof(*c));
	CUresult r;

	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcuda_arena_map(&c->run, ARENA_CHUNK, 1);
	if (r) {
		free(c);
		return r;
	}
	c->nr_units = vcuda_arena_granule() / UNIT;
	if (c->nr_units > CHUNK_UNITS)
		c->nr_units = CHUNK_UNITS;
	c->free_units = c->nr_units;
	c->next = chunks;
	chunks = c;
	return CUDA_SUCCESS;
}

static CUresult alloc_small(CUdeviceptr *out, size_t size)
{
	struct chunk *c;
	CUresult r;

	vcuda_arena_reap();
	for (c = chunks; c; c = c->next) {
		*out = take_units(c, size);
		if (*out)
			return CUDA_SUCCESS;
	}
	r = new_chunk();
	if (!r)
		*out = take_units(chunks, size);
	return r;
}

CUresult hand_cuMemAlloc_v2(CUdeviceptr *ptr, size_t size)
{
	CUresult r = vcuda_need_context();
	CUdeviceptr at = 0;

	if (r)
		return r;
	if (!ptr || !size)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_sticky_error();
	if (r)
		return r;
	vcuda_arena_lock();
	r = size <= vcuda_arena_granule() / 2 && size <= CHUNK_UNITS * UNIT / 2
		? alloc_small(&at, size) : alloc_large(&at, size);
	vcuda_arena_unlock();
	if (!r)
		*ptr = at;
	return r;
}

CUresult hand_cuMemAllocPitch_v2(CUdeviceptr *ptr, size_t *pitch, size_t width, size_t height,
				 unsigned int element)
{
	size_t row;

	if (!pitch || !width || !height || (element != 4 && element != 8 && element != 16))
		return CUDA_ERROR_INVALID_VALUE;
	row = (width + UNIT - 1) / UNIT * UNIT;
	if (row < width || row > SIZE_MAX / height)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pitch = row;
	return hand_cuMemAlloc_v2(ptr, row * height);
}

/* ---- looking up; under the lock ---- */

/* The unit where the allocation around addr starts; nr_units: there is none. */
static unsigned int unit_of(const struct chunk *c, uint64_t addr)
{
	unsigned int at = (addr - c->run.addr) / UNIT, u = at;

	if (at >= c->nr_units)
		return c->nr_units;
	while (u && !c->units[u])
		u--;
	return c->units[u] && at - u < c->units[u] ? u : c->nr_units;
}

static bool find_in_chunk(struct chunk *c, uint64_t addr, struct vcuda_range *out)
{
	unsigned int u = unit_of(c, addr);

	if (u == c->nr_units || !c->size[u])
		return false;
	out->start = c->run.addr + (uint64_t)u * UNIT;
	out->size = c->size[u];
	out->id = c->id[u];
	out->ctx = c->ctx[u];
	out->sync_memops = &c->sync_memops[u];
	return addr - out->start < out->size;
}

static bool find_large(struct large *l, uint64_t addr, struct vcuda_range *out)
{
	out->start = l->run.addr;
	out->size = l->size;
	out->id = l->id;
	out->ctx = l->ctx;
	out->sync_memops = &l->sync_memops;
	return addr - out->start < out->size;
}

bool vcuda_memory_lookup(uint64_t addr, struct vcuda_range *out)
{
	struct arena_run *r = vcuda_arena_at(addr);

	memset(out, 0, sizeof(*out));
	if (!r)
		return false;
	out->kind = r->kind;
	switch (r->kind) {
	case ARENA_DEVICE:
		return find_large((struct large *)r, addr, out);
	case ARENA_CHUNK:
		return find_in_chunk((struct chunk *)r, addr, out);
	case ARENA_POOL:
		return vcuda_pool_find(r, addr, out);
	case ARENA_MANAGED:
		return vcuda_managed_find(r, addr, out);
	case ARENA_HOST:
	case ARENA_SHADOW:
		return vcuda_host_find(r, addr, out);
	case ARENA_RESERVED:
		return vcuda_vmm_find(r, addr, out);
	case ARENA_IMPORT:
		return vcuda_ipc_find(r, addr, out);
	default:
		return false;
	}
}

/* ---- freeing ---- */

static void units_free(struct arena_pending *p)
{
	struct freed *f = (struct freed *)p;

	release_units(f->chunk, f->unit);
	free(f);
}

static CUresult free_small(struct chunk *c, uint64_t addr)
{
	unsigned int u = (addr - c->run.addr) / UNIT;
	struct freed *f;
	CUresult r;

	c->size[u] = 0;			/* no longer an allocation; its units stay used */
	if (vcuda_device_idle()) {
		release_units(c, u);
		return CUDA_SUCCESS;
	}
	f = malloc(sizeof(*f));
	if (!f)
		return CUDA_ERROR_OUT_OF_MEMORY;
	f->pending.done = units_free;
	f->chunk = c;
	f->unit = u;
	r = vcuda_arena_after(&f->pending);
	if (r)
		free(f);
	return r;
}

static CUresult free_at(uint64_t addr)
{
	struct vcuda_range range;
	struct arena_run *r;

	if (!vcuda_memory_lookup(addr, &range) || range.start != addr)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_arena_at(addr);
	switch (range.kind) {
	case ARENA_DEVICE:
		return vcuda_arena_leave(r);
	case ARENA_CHUNK:
		return free_small((struct chunk *)r, addr);
	case ARENA_POOL:
		return vcuda_pool_free(r, addr);
	case ARENA_MANAGED:
		return vcuda_managed_free(r, addr);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult vcuda_mem_free(CUdeviceptr ptr)
{
	CUresult r;

	vcuda_arena_lock();
	r = free_at(ptr);
	vcuda_arena_reap();
	vcuda_arena_unlock();
	return r ? r : vcuda_sticky_error();
}

CUresult hand_cuMemFree_v2(CUdeviceptr ptr)
{
	struct vcuda_range range;
	CUresult r = vcuda_need_context();

	/* which needs no context, but tells what is wrong with the one there is */
	if (!ptr)
		return !r ? vcuda_sticky_error() : r == CUDA_ERROR_INVALID_CONTEXT ? CUDA_SUCCESS : r;
	if (r)
		return r == CUDA_ERROR_INVALID_CONTEXT && !vcuda_mem_find(ptr, &range)
			       ? CUDA_ERROR_INVALID_VALUE
			       : r;
	if (vcuda_graph_allocs && vcuda_graph_free(ptr, &r))
		return r;
	return vcuda_mem_free(ptr);
}

static void free_chunk_of(struct chunk *c, CUcontext ctx)
{
	unsigned int u;

	for (u = 0; u < c->nr_units; u += c->units[u] ? c->units[u] : 1)
		if (c->units[u] && c->size[u] && c->ctx[u] == ctx)
			free_small(c, c->run.addr + (uint64_t)u * UNIT);
}

static void forget_globals(CUcontext ctx)
{
	int i;

	for (i = atomic_load(&nr_globals) - 1; i >= 0; i--)
		if (globals[i].ctx == ctx)
			globals[i].size = 0;
}

void vcuda_context_free_memory(CUcontext ctx)
{
	const struct vcuda_lease *l = vcuda_lease();
	uint64_t at = l->range_base, end = at + l->range_bytes, n;
	struct arena_run *r;
	struct chunk *c;

	vcuda_arena_lock();
	forget_globals(ctx);
	for (c = chunks; c; c = c->next)
		free_chunk_of(c, ctx);
	for (; at < end; at += n) {
		r = vcuda_arena_at(at);
		n = (r ? r->granules : 1) * vcuda_arena_granule();
		if (r && r->kind == ARENA_DEVICE && ((struct large *)r)->ctx == ctx)
			vcuda_arena_leave(r);
		else if (r && r->kind == ARENA_MANAGED)
			vcuda_managed_context(r, ctx);
	}
	vcuda_pools_context(ctx);
	vcuda_ipc_context(ctx);
	vcuda_arena_unlock();
}

/* ---- questions ---- */

CUresult hand_cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	CUresult r = vcuda_need_context();
	size_t all, left;

	if (!r)
		r = vcuda_sticky_error();
	if (r)
		return r;
	vcuda_arena_lock();
	vcuda_arena_reap();
	left = vcuda_arena_free_bytes();
	vcuda_arena_unlock();
	all = vcuda_lease()->devices[vcuda_current_device()].total_mem;
	if (total)
		*total = all;
	if (free_bytes)
		*free_bytes = left < all ? left : all;
	return CUDA_SUCCESS;
}

void vcuda_mem_note_global(uint64_t addr, uint64_t size, CUcontext ctx)
{
	unsigned int i, n;

	vcuda_arena_lock();
	n = atomic_load(&nr_globals);
	for (i = 0; i < n && globals[i].addr != addr; i++)
		;
	if (i < MAX_GLOBALS) {
		globals[i].addr = addr;
		globals[i].size = size;
		globals[i].ctx = ctx;
		if (i == n)
			atomic_store(&nr_globals, n + 1);
	}
	vcuda_arena_unlock();
}

static int find_global(uint64_t addr)
{
	int i;

	for (i = atomic_load(&nr_globals) - 1; i >= 0; i--)
		if (addr - globals[i].addr < globals[i].size)
			return i;
	return -1;
}

CUcontext vcuda_mem_global_context(uint64_t addr)
{
	CUcontext ctx;
	int i;

	if (vcuda_arena_holds(addr))
		return NULL;
	vcuda_arena_lock();
	i = find_global(addr);
	ctx = i < 0 ? NULL : globals[i].ctx;
	vcuda_arena_unlock();
	return ctx;
}

bool vcuda_is_device(uint64_t addr)
{
	enum arena_kind kind = vcuda_arena_kind(addr);

	if (vcuda_arena_holds(addr))
		return kind != ARENA_HOST && kind != ARENA_PINNED;
	return find_global(addr) >= 0;
}

static bool lookup(uint64_t addr, struct vcuda_range *out)
{
	int i;

	if (vcuda_memory_lookup(addr, out))
		return true;
	i = find_global(addr);
	if (i < 0)
		return false;
	*out = (struct vcuda_range){
		.kind = ARENA_DEVICE, .start = globals[i].addr, .size = globals[i].size,
		.id = globals[i].addr, .ctx = globals[i].ctx ?: vcuda_current(),
	};
	return true;
}

bool vcuda_mem_find(uint64_t addr, struct vcuda_range *out)
{
	bool ok;

	vcuda_arena_lock();
	ok = lookup(addr, out);
	if (ok && out->sync_memops)
		out->is_sync_memops = *out->sync_memops;
	vcuda_arena_unlock();
	return ok;
}

bool vcuda_mem_range(uint64_t addr, uint64_t *start, uint64_t *size, CUcontext *ctx)
{
	struct vcuda_range r;

	if (!vcuda_mem_find(addr, &r))
		return false;
	*start = r.start;
	*size = r.size;
	*ctx = r.ctx;
	return true;
}

CUresult vcuda_mem_set_sync_memops(uint64_t addr, bool on)
{
	struct vcuda_range r;
	bool ok;

	vcuda_arena_lock();
	ok = vcuda_memory_lookup(addr, &r) && r.sync_memops;
	if (ok)
		*r.sync_memops = on;
	vcuda_arena_unlock();
	return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuMemGetAddressRange_v2(CUdeviceptr *start, size_t *size, CUdeviceptr ptr)
{
	uint64_t b, n;
	CUcontext ctx;

	if (!vcuda_mem_range(ptr, &b, &n, &ctx))
		return CUDA_ERROR_NOT_FOUND;
	if (start)
		*start = b;
	if (size)
		*size = n;
	return vcuda_sticky_error();
}
