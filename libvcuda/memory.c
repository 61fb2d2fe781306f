// SPDX-License-Identifier: MIT
/*
 * memory.c - device memory: addresses are chosen here, the worker maps memory under them as the
 * request comes by
 *
 * The lease's range is cut into granules (2 MiB on hardware). An allocation of more than half a
 * granule takes whole ones. Smaller ones share a chunk, one granule, in units of 512 bytes, so that
 * most of them cost no frame at all. What counts against the lease's limit is granules.
 *
 * Memory that was freed is not handed out again before the work that used it has finished. Where
 * nothing has been submitted since the device was last known to be idle that is at once; else the
 * worker says so (VWIRE_OP_FREED), and until then the addresses wait on a list. A granule that is
 * unmapped always waits, for the worker to have unmapped it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vcuda.h"

#define UNIT		512u
#define CHUNK_UNITS	4096u		/* a granule is at most 2 MiB worth of units here */
#define MAX_GLOBALS	1024

struct chunk {
	struct chunk *next;
	uint64_t addr;
	unsigned int free_units, nr_units;
	uint64_t used[CHUNK_UNITS / 64];
	uint16_t run[CHUNK_UNITS];	/* units of the allocation that starts here; 0: none does */
	uint32_t size[CHUNK_UNITS];	/* bytes of it, as asked for */
	CUcontext ctx[CHUNK_UNITS];
};

enum { FREE, HEAD, BODY, SHARED, LEAVING };

struct granule {
	uint8_t kind;
	uint32_t run;			/* HEAD: granules; BODY: distance to the head */
	union {
		struct { uint64_t size; CUcontext ctx; };	/* HEAD */
		struct chunk *chunk;				/* SHARED */
	};
};

/* Freed, and not yet to be used again. */
struct pending {
	struct pending *next;
	uint64_t seq, addr, granules;	/* granules 0: an allocation inside a chunk */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct granule *map;
static uint64_t base, granule, nr_granules, limit;
static uint64_t next_granule;		/* where the search for free ones starts */
static bool reserved;			/* the range, in this process too */
static uint64_t used;			/* bytes mapped, or about to be unmapped */
static struct chunk *chunks;
static struct pending *pending, **pending_tail = &pending;
static struct { uint64_t addr, size; } globals[MAX_GLOBALS];
static _Atomic unsigned int nr_globals;

void vcuda_memory_init(void)
{
	const struct vcuda_lease *l = vcuda_lease();

	base = l->range_base;
	granule = l->granularity;
	nr_granules = l->range_bytes / granule;
	limit = l->mem_limit;
	map = calloc(nr_granules, sizeof(*map));
	if (!map)
		nr_granules = 0;
	/*
	 * No memory of this process can then be taken for the device's, and a program that follows
	 * a device pointer faults, as it would natively.
	 */
	reserved = mmap((void *)(uintptr_t)base, nr_granules * granule, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			0) == (void *)(uintptr_t)base;
}

/* In a forked child: the parent's allocations are not this process's. */
void vcuda_memory_reset(void)
{
	struct pending *p;
	struct chunk *c;

	pthread_mutex_init(&lock, NULL);
	while ((c = chunks)) {
		chunks = c->next;
		free(c);
	}
	while ((p = pending)) {
		pending = p->next;
		free(p);
	}
	pending_tail = &pending;
	if (reserved)
		munmap((void *)(uintptr_t)base, nr_granules * granule);
	reserved = false;
	free(map);
	map = NULL;
	nr_granules = used = next_granule = 0;
	atomic_store(&nr_globals, 0);
}

/* ---- granules; all under lock ---- */

static uint64_t granule_addr(uint64_t i)
{
	return base + i * granule;
}

static bool run_is_free(uint64_t i, uint64_t n)
{
	uint64_t k;

	for (k = 0; k < n; k++)
		if (map[i + k].kind != FREE)
			return false;
	return true;
}

/*
 * First granule of n free ones, or nr_granules. Addresses are plenty: go on upwards, from the start
 * again only at the end.
 */
static uint64_t find_run(uint64_t n)
{
	uint64_t i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = pass ? 0 : next_granule; i + n <= nr_granules; i++) {
			if (map[i].kind == HEAD)
				i += map[i].run - 1;
			else if (run_is_free(i, n))
				return i;
		}
	}
	return nr_granules;
}

static void take_run(uint64_t i, uint64_t n)
{
	uint64_t k;

	for (k = 1; k < n; k++)
		map[i + k] = (struct granule){ .kind = BODY, .run = k };
	next_granule = i + n < nr_granules ? i + n : 0;
	used += n * granule;
}

static void release_run(uint64_t i, uint64_t n)
{
	memset(&map[i], 0, n * sizeof(*map));
	used -= n * granule;
}

/* ---- chunks; all under lock ---- */

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
	c->run[i] = n;
	c->size[i] = size;
	c->ctx[i] = vcuda_current();
	return c->addr + (uint64_t)i * UNIT;
}

static void release_units(uint64_t addr)
{
	struct chunk *c = map[(addr - base) / granule].chunk;
	unsigned int i = (addr - c->addr) / UNIT;

	mark_units(c, i, c->run[i], false);
	c->run[i] = 0;
}

/* ---- what was freed ---- */

static void reap(void)
{
	uint64_t done = vcuda_freed();
	struct pending *p;

	while ((p = pending) && p->seq <= done) {
		pending = p->next;
		if (!pending)
			pending_tail = &pending;
		if (p->granules)
			release_run((p->addr - base) / granule, p->granules);
		else
			release_units(p->addr);
		free(p);
	}
}

/*
 * Sends the request and puts its addresses on the list; the order of the list is that of the
 * requests.
 */
static CUresult send_free(uint64_t addr, uint64_t granules, struct pending *p)
{
	struct vwire_free f = {
		.addr = htole64(addr),
		.size = htole64(granules * granule),
		.flags = htole32(granules ? VWIRE_FREE_F_UNMAP : 0),
	};
	struct vcuda_iov iov = { &f, sizeof(f) };
	CUresult r;

	r = vcuda_submit(CUDA_ID_cuMemFree_v2, 0, &iov, 1, NULL, &p->seq);
	if (r) {
		free(p);
		return r;
	}
	p->addr = addr;
	p->granules = granules;
	p->next = NULL;
	*pending_tail = p;
	pending_tail = &p->next;
	return CUDA_SUCCESS;
}

static uint64_t last_pending(void)
{
	const struct pending *p;
	uint64_t seq = 0;

	for (p = pending; p; p = p->next)
		seq = p->seq;
	return seq;
}

/* Chunks that hold nothing go when memory is short. */
static void drop_empty_chunks(void)
{
	struct chunk **p = &chunks, *c;
	struct pending *f;

	while ((c = *p)) {
		if (c->free_units < c->nr_units || !(f = malloc(sizeof(*f)))) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		map[(c->addr - base) / granule].kind = LEAVING;
		send_free(c->addr, 1, f);
		free(c);
	}
}

/*
 * Room for n more granules in the limit: waits for memory that is being freed, where there is any.
 * Takes and leaves the lock; what was found before may be gone.
 */
static CUresult make_room(uint64_t n)
{
	uint64_t seq;
	CUresult r;

	for (;;) {
		reap();
		if (n * granule <= limit && used <= limit - n * granule)
			return CUDA_SUCCESS;
		drop_empty_chunks();
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

/* ---- allocation ---- */

static CUresult send_map(uint64_t addr, uint64_t bytes)
{
	struct vwire_map m = { .addr = htole64(addr), .size = htole64(bytes) };
	struct vcuda_iov iov = { &m, sizeof(m) };

	return vcuda_submit(CUDA_ID_cuMemAlloc_v2, 0, &iov, 1, NULL, NULL);
}

static CUresult map_run(uint64_t n, uint64_t *i)
{
	CUresult r = n <= nr_granules ? make_room(n) : CUDA_ERROR_OUT_OF_MEMORY;

	if (r)
		return r;
	*i = find_run(n);
	if (*i == nr_granules)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = send_map(granule_addr(*i), n * granule);
	if (!r)
		take_run(*i, n);
	return r;
}

static CUresult alloc_large(CUdeviceptr *out, size_t size)
{
	uint64_t n = size / granule + (size % granule != 0), i;
	CUresult r = map_run(n, &i);

	if (r)
		return r;
	map[i].kind = HEAD;
	map[i].run = n;
	map[i].size = size;
	map[i].ctx = vcuda_current();
	*out = granule_addr(i);
	return CUDA_SUCCESS;
}

static CUresult new_chunk(void)
{
	struct chunk *c = calloc(1, sizeof(*c));
	uint64_t i;
	CUresult r;

	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = map_run(1, &i);
	if (r) {
		free(c);
		return r;
	}
	c->addr = granule_addr(i);
	c->nr_units = c->free_units = granule / UNIT < CHUNK_UNITS ? granule / UNIT : CHUNK_UNITS;
	c->next = chunks;
	chunks = c;
	map[i].kind = SHARED;
	map[i].chunk = c;
	return CUDA_SUCCESS;
}

static CUresult alloc_small(CUdeviceptr *out, size_t size)
{
	struct chunk *c;
	CUresult r;

	reap();
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

	if (r)
		return r;
	if (!ptr || !size)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_sticky_error();
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	r = size <= granule / 2 && size <= CHUNK_UNITS * UNIT / 2 ? alloc_small(ptr, size)
								  : alloc_large(ptr, size);
	pthread_mutex_unlock(&lock);
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

/*
 * Stream-ordered allocation: memory that every stream may use at once is more than the program
 * asked for, never less.
 */
CUresult hand_cuMemAllocAsync(CUdeviceptr *ptr, size_t size, CUstream stream)
{
	uint32_t number;
	CUresult r = vcuda_stream_number(stream, &number);

	return r ? r : hand_cuMemAlloc_v2(ptr, size);
}

/* ---- looking up; under lock ---- */

static bool find(uint64_t addr, uint64_t *start, uint64_t *size, CUcontext *ctx)
{
	uint64_t i = (addr - base) / granule;
	struct granule *g;
	unsigned int u;

	if (addr < base || i >= nr_granules)
		return false;
	g = &map[i];
	if (g->kind == SHARED) {
		for (u = (addr - g->chunk->addr) / UNIT; u && !g->chunk->run[u]; u--)
			;
		*start = g->chunk->addr + (uint64_t)u * UNIT;
		*size = g->chunk->size[u];
		*ctx = g->chunk->ctx[u];
		return g->chunk->run[u] && *size && addr - *start < *size;
	}
	if (g->kind == BODY)
		g -= g->run;
	if (g->kind != HEAD)
		return false;
	*start = granule_addr(g - map);
	*size = g->size;
	*ctx = g->ctx;
	return addr - *start < *size;
}

/* ---- freeing ---- */

static CUresult free_small(uint64_t addr)
{
	struct chunk *c = map[(addr - base) / granule].chunk;
	struct pending *p;

	c->size[(addr - c->addr) / UNIT] = 0;	/* no longer an allocation; its units stay used */
	if (vcuda_device_idle()) {
		release_units(addr);
		return CUDA_SUCCESS;
	}
	p = malloc(sizeof(*p));
	return p ? send_free(addr, 0, p) : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult free_large(uint64_t addr)
{
	struct granule *g = &map[(addr - base) / granule];
	struct pending *p = malloc(sizeof(*p));
	uint64_t n = g->run, k;

	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (k = 0; k < n; k++)
		g[k].kind = LEAVING;
	return send_free(addr, n, p);
}

static CUresult free_at(uint64_t addr)
{
	uint64_t start, size;
	CUcontext ctx;

	if (!find(addr, &start, &size, &ctx) || start != addr)
		return CUDA_ERROR_INVALID_VALUE;
	return map[(addr - base) / granule].kind == SHARED ? free_small(addr) : free_large(addr);
}

CUresult hand_cuMemFree_v2(CUdeviceptr ptr)
{
	CUresult r;

	if (!ptr)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	r = free_at(ptr);
	reap();
	pthread_mutex_unlock(&lock);
	return r ? r : vcuda_sticky_error();
}

CUresult hand_cuMemFreeAsync(CUdeviceptr ptr, CUstream stream)
{
	uint32_t number;
	CUresult r = vcuda_stream_number(stream, &number);

	return r ? r : hand_cuMemFree_v2(ptr);
}

void vcuda_context_free_memory(CUcontext ctx)
{
	uint64_t i, start, size;
	unsigned int u;
	CUcontext of;

	pthread_mutex_lock(&lock);
	for (i = 0; i < nr_granules; i++) {
		if (map[i].kind == HEAD && map[i].ctx == ctx)
			free_at(granule_addr(i));
		for (u = 0; map[i].kind == SHARED && u < map[i].chunk->nr_units; u++)
			if (map[i].chunk->run[u] &&
			    find(map[i].chunk->addr + (uint64_t)u * UNIT, &start, &size, &of) &&
			    of == ctx)
				free_at(start);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- questions ---- */

CUresult hand_cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!free_bytes || !total)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	reap();
	*total = vcuda_lease()->devices[vcuda_current_device()].total_mem;
	*free_bytes = limit > used ? limit - used : 0;
	if (*free_bytes > *total)
		*free_bytes = *total;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

void vcuda_mem_note_global(uint64_t addr, uint64_t size)
{
	unsigned int i, n;

	pthread_mutex_lock(&lock);
	n = atomic_load(&nr_globals);
	for (i = 0; i < n && globals[i].addr != addr; i++)
		;
	if (i < MAX_GLOBALS) {
		globals[i].addr = addr;
		globals[i].size = size;
		if (i == n)
			atomic_store(&nr_globals, n + 1);
	}
	pthread_mutex_unlock(&lock);
}

static int find_global(uint64_t addr)
{
	int i;

	for (i = atomic_load(&nr_globals) - 1; i >= 0; i--)
		if (addr - globals[i].addr < globals[i].size)
			return i;
	return -1;
}

bool vcuda_is_device(uint64_t addr)
{
	return (addr >= base && addr - base < nr_granules * granule) || find_global(addr) >= 0;
}

bool vcuda_mem_range(uint64_t addr, uint64_t *start, uint64_t *size, CUcontext *ctx)
{
	bool ok;
	int i;

	pthread_mutex_lock(&lock);
	ok = find(addr, start, size, ctx);
	i = ok ? -1 : find_global(addr);
	if (i >= 0) {
		*start = globals[i].addr;
		*size = globals[i].size;
		*ctx = vcuda_current();
		ok = true;
	}
	pthread_mutex_unlock(&lock);
	return ok;
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
	return CUDA_SUCCESS;
}
