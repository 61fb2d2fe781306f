// SPDX-License-Identifier: MIT
/*
 * chunk.c - small allocations: a granule each, in units of 512 bytes, so that most of them cost no
 * frame at all
 */
#include "chunk.h"

#include <stdlib.h>

#define UNIT		512u
#define CHUNK_UNITS	4096u		/* a granule is at most 2 MiB worth of units here */

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

/* A freed allocation inside a chunk. */
struct freed {
	struct arena_pending pending;
	struct chunk *chunk;
	unsigned int unit;
};

static struct chunk *chunks;

/* ---- units ---- */

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

/* ---- allocation ---- */

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

bool vcuda_chunk_takes(size_t size)
{
	return size <= vcuda_arena_granule() / 2 && size <= CHUNK_UNITS * UNIT / 2;
}

CUresult vcuda_chunk_alloc(CUdeviceptr *out, size_t size)
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

void vcuda_chunks_shrink(void)
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

/* ---- looking up ---- */

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

bool vcuda_chunk_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out)
{
	struct chunk *c = (struct chunk *)r;
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

/* ---- freeing ---- */

static void units_free(struct arena_pending *p)
{
	struct freed *f = (struct freed *)p;

	release_units(f->chunk, f->unit);
	free(f);
}

static CUresult free_unit(struct chunk *c, unsigned int u)
{
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

CUresult vcuda_chunk_free(struct arena_run *r, uint64_t addr)
{
	struct chunk *c = (struct chunk *)r;

	return free_unit(c, (addr - c->run.addr) / UNIT);
}

static void free_chunk_of(struct chunk *c, CUcontext ctx)
{
	unsigned int u;

	for (u = 0; u < c->nr_units; u += c->units[u] ? c->units[u] : 1)
		if (c->units[u] && c->size[u] && c->ctx[u] == ctx)
			free_unit(c, u);
}

void vcuda_chunks_context(CUcontext ctx)
{
	struct chunk *c;

	for (c = chunks; c; c = c->next)
		free_chunk_of(c, ctx);
}
