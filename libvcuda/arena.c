// SPDX-License-Identifier: MIT
/*
 * arena.c - granules of the lease's address range; what has been freed and is not free yet
 */
#include "arena.h"

#include <stdlib.h>
#include <sys/mman.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct arena_run **map;
static _Atomic uint8_t *kinds;		/* as in map: for those without the lock */
static uint64_t base, granule, nr_granules, limit;
static uint64_t next_granule;		/* where the search for free ones starts */
static bool reserved;			/* the range, in this process too */
static uint64_t used;			/* bytes that the device holds, or is about to give back */
static uint64_t leaving_bytes;		/* those of them that it is about to give back */
static struct arena_pending *pending, **pending_tail = &pending;

/* A run on its way out. */
struct leaving {
	struct arena_pending pending;
	struct arena_run *run;
};

void vcuda_arena_lock(void)
{
	pthread_mutex_lock(&lock);
}

void vcuda_arena_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * Without access, so that no memory of this process can be taken for the device's, and a program
 * that follows a device pointer faults, as it would natively.
 */
static bool reserve(void)
{
	void *want = (void *)(uintptr_t)base;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;

	return mmap(want, nr_granules * granule, PROT_NONE, flags, -1, 0) == want;
}

void vcuda_arena_init(void)
{
	const struct vcuda_lease *l = vcuda_lease();

	base = l->range_base;
	granule = l->granularity;
	nr_granules = l->range_bytes / granule;
	limit = l->mem_limit;
	map = calloc(nr_granules, sizeof(*map));
	kinds = calloc(nr_granules, sizeof(*kinds));
	if (!map || !kinds)
		nr_granules = 0;
	reserved = reserve();
}

uint64_t vcuda_arena_granule(void)
{
	return granule;
}

uint64_t vcuda_arena_granules(uint64_t bytes)
{
	uint64_t n = bytes / granule + (bytes % granule != 0);

	return n <= nr_granules ? n : 0;
}

bool vcuda_arena_is_ours(void)
{
	return reserved;
}

/* What is being freed can be had: whoever asks for it waits until it is. */
uint64_t vcuda_arena_free_bytes(void)
{
	return limit > used - leaving_bytes ? limit - (used - leaving_bytes) : 0;
}

/* ---- addresses ---- */

bool vcuda_arena_holds(uint64_t addr)
{
	return addr >= base && addr - base < nr_granules * granule;
}

enum arena_kind vcuda_arena_kind(uint64_t addr)
{
	return vcuda_arena_holds(addr) ? atomic_load_explicit(&kinds[(addr - base) / granule],
							      memory_order_relaxed)
				       : ARENA_FREE;
}

struct arena_run *vcuda_arena_at(uint64_t addr)
{
	return vcuda_arena_holds(addr) ? map[(addr - base) / granule] : NULL;
}

static void note(struct arena_run *r, enum arena_kind kind)
{
	uint64_t i = (r->addr - base) / granule, k;

	r->kind = kind;
	for (k = 0; k < r->granules; k++) {
		map[i + k] = kind == ARENA_FREE ? NULL : r;
		atomic_store_explicit(&kinds[i + k], kind, memory_order_relaxed);
	}
}

static bool is_free(uint64_t i, uint64_t n)
{
	uint64_t k;

	if (i > nr_granules || n > nr_granules - i)
		return false;
	for (k = 0; k < n; k++)
		if (map[i + k])
			return false;
	return true;
}

/*
 * First granule of n free ones, or nr_granules. Addresses are plenty: go on upwards, from the start
 * again only at the end.
 */
static uint64_t find(uint64_t n, uint64_t align)
{
	uint64_t first = base / granule, i, pass;

	for (pass = 0; pass < 2; pass++) {
		i = pass ? 0 : next_granule;
		while (i + n <= nr_granules) {
			if (map[i])
				i = (map[i]->addr - base) / granule + map[i]->granules;
			else if ((first + i) % align)
				i += align - (first + i) % align;
			else if (is_free(i, n))
				return i;
			else
				i++;
		}
	}
	return nr_granules;
}

CUresult vcuda_arena_take(struct arena_run *r, enum arena_kind kind, uint64_t granules,
			  uint64_t align, uint64_t hint)
{
	uint64_t i = nr_granules;

	if (!granules)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (vcuda_arena_holds(hint) && hint % (granule * align) == 0 &&
	    is_free((hint - base) / granule, granules))
		i = (hint - base) / granule;
	if (i == nr_granules)
		i = find(granules, align);
	if (i == nr_granules)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r->addr = base + i * granule;
	r->granules = granules;
	r->mapped = false;
	note(r, kind);
	next_granule = i + granules < nr_granules ? i + granules : 0;
	return CUDA_SUCCESS;
}

void vcuda_arena_become(struct arena_run *r, enum arena_kind kind)
{
	note(r, kind);
}

void vcuda_arena_drop(struct arena_run *r)
{
	note(r, ARENA_FREE);
}

/* ---- what was freed ---- */

void vcuda_arena_reap(void)
{
	uint64_t done = vcuda_freed();
	struct arena_pending *p;

	while ((p = pending) && p->seq <= done) {
		pending = p->next;
		if (!pending)
			pending_tail = &pending;
		p->done(p);
	}
}

/* The order of the list is that of the requests. */
static CUresult send_free(struct arena_pending *p, uint64_t addr, uint64_t bytes)
{
	struct vwire_free f = {
		.addr = htole64(addr),
		.size = htole64(bytes),
		.flags = htole32(bytes ? VWIRE_FREE_F_UNMAP : 0),
	};
	struct vcuda_iov iov = { &f, sizeof(f) };
	CUresult r = vcuda_submit(CUDA_ID_cuMemFree_v2, 0, &iov, 1, NULL, &p->seq);

	if (r)
		return r;
	p->next = NULL;
	*pending_tail = p;
	pending_tail = &p->next;
	return CUDA_SUCCESS;
}

CUresult vcuda_arena_after(struct arena_pending *p)
{
	return send_free(p, 0, 0);
}

static uint64_t mapped_bytes(const struct arena_run *r)
{
	return r->mapped ? r->granules * granule : 0;
}

static void left(struct arena_pending *p)
{
	struct leaving *l = (struct leaving *)p;

	used -= mapped_bytes(l->run);
	leaving_bytes -= mapped_bytes(l->run);
	note(l->run, ARENA_FREE);
	free(l->run);
	free(l);
}

CUresult vcuda_arena_leave(struct arena_run *r)
{
	struct leaving *l = malloc(sizeof(*l));
	CUresult err;

	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	l->pending.done = left;
	l->run = r;
	note(r, ARENA_LEAVING);
	err = send_free(&l->pending, r->addr, mapped_bytes(r));
	leaving_bytes += err ? 0 : mapped_bytes(r);
	/* without a session it stays as it is: nothing can be had any more */
	if (err)
		free(l);
	return err;
}

/* ---- memory ---- */

/* Whether there is more to wait for, and up to which request. */
static uint64_t last_pending(void)
{
	const struct arena_pending *p;
	uint64_t seq = 0;

	for (p = pending; p; p = p->next)
		seq = p->seq;
	return seq;
}

/* Waits for memory that is being freed, where there is any. */
static CUresult make_room(uint64_t bytes)
{
	uint64_t seq;
	CUresult r;

	for (;;) {
		vcuda_arena_reap();
		if (bytes <= limit && used <= limit - bytes)
			return CUDA_SUCCESS;
		vcuda_chunks_shrink();
		vcuda_pools_shrink();
		seq = last_pending();
		if (!seq)
			return CUDA_ERROR_OUT_OF_MEMORY;
		pthread_mutex_unlock(&lock);
		r = vcuda_wait_freed(seq);
		pthread_mutex_lock(&lock);
		if (r)
			return r;
	}
}

CUresult vcuda_arena_charge(uint64_t bytes)
{
	CUresult r = make_room(bytes);

	if (!r)
		used += bytes;
	return r;
}

void vcuda_arena_uncharge(uint64_t bytes)
{
	used -= bytes;
}

CUresult vcuda_arena_back(struct arena_run *r)
{
	uint64_t bytes = r->granules * granule;
	struct vwire_map m = { .addr = htole64(r->addr), .size = htole64(bytes) };
	struct vcuda_iov iov = { &m, sizeof(m) };
	CUresult err = vcuda_arena_charge(bytes);

	if (err)
		return err;
	err = vcuda_submit(CUDA_ID_cuMemAlloc_v2, 0, &iov, 1, NULL, NULL);
	if (err)
		vcuda_arena_uncharge(bytes);
	r->mapped = !err;
	return err;
}

CUresult vcuda_arena_map(struct arena_run *r, enum arena_kind kind, uint64_t granules)
{
	CUresult err = vcuda_arena_take(r, kind, granules, 1, 0);

	if (err)
		return err;
	err = vcuda_arena_back(r);
	if (err)
		vcuda_arena_drop(r);
	return err;
}
