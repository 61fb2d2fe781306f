/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context.h"
#include "engine.h"
#include "init.h"

/*
 * The engine sees each allocation as a multiple of this. Programs that read a little past an odd
 * size, as vectorised loads do, work on real devices, which hand out memory in larger units.
 */
#define GRANULE		512

/*
 * Held for reading by the engine's lookups, for writing by changes; the innermost lock of the
 * driver.
 */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct mem_range *ranges;	/* by address, disjoint */
static size_t nr_ranges, max_ranges;
static uint64_t last_id;
static uint64_t generation;
static size_t used[SOFTGPU_DEVICES_MAX];

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

uint64_t sg_mem_generation(void)
{
	return __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
}

bool mem_charge(int device, size_t bytes)
{
	size_t old;

	if (device == MEM_NO_DEVICE)
		return true;
	old = mem_used(device);
	do {
		if (bytes > driver_memory() - old)
			return false;
	} while (!__atomic_compare_exchange_n(&used[device], &old, old + bytes, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

void mem_uncharge(int device, size_t bytes)
{
	if (device != MEM_NO_DEVICE)
		__atomic_sub_fetch(&used[device], bytes, __ATOMIC_RELAXED);
}

size_t mem_used(int device)
{
	return __atomic_load_n(&used[device], __ATOMIC_RELAXED);
}

/* Index of the first range that ends behind addr. */
static size_t first_after(uint64_t addr)
{
	size_t lo = 0, hi = nr_ranges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ranges[mid].lo + ranges[mid].bytes <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct mem_range *range_at(uint64_t addr)
{
	size_t i = first_after(addr);

	return i < nr_ranges && ranges[i].lo <= addr ? &ranges[i] : NULL;
}

static bool insert(const struct mem_range *r)
{
	size_t i = first_after(r->lo);
	struct mem_range *p;

	if (i < nr_ranges && ranges[i].lo < r->lo + r->bytes)
		return false;
	if (nr_ranges == max_ranges) {
		size_t n = max_ranges ? max_ranges * 2 : 64;

		p = realloc(ranges, n * sizeof(*p));
		if (!p)
			return false;
		ranges = p;
		max_ranges = n;
	}
	memmove(&ranges[i + 1], &ranges[i], (nr_ranges - i) * sizeof(*ranges));
	nr_ranges++;
	ranges[i] = *r;
	ranges[i].id = ++last_id;
	return true;
}

static void erase(struct mem_range *r)
{
	size_t i = r - ranges;

	nr_ranges--;
	memmove(r, r + 1, (nr_ranges - i) * sizeof(*ranges));
	__atomic_add_fetch(&generation, 1, __ATOMIC_ACQ_REL);
}

bool mem_add(const struct mem_range *r)
{
	bool ok;

	pthread_rwlock_wrlock(&lock);
	ok = insert(r);
	pthread_rwlock_unlock(&lock);
	return ok;
}

static bool is_device(enum mem_kind kind)
{
	return kind == MEM_DEVICE || kind == MEM_MODULE || kind == MEM_MANAGED ||
	       kind == MEM_GRAPH;
}

/* Not the host's, which every device may touch. */
static bool is_device_memory(enum mem_kind kind)
{
	return is_device(kind) || kind == MEM_MAPPED || kind == MEM_POOL || kind == MEM_IPC;
}

/* Anonymous pages at a multiple of align; what the rounding takes too much goes back at once. */
static void *map_aligned(size_t bytes, size_t align)
{
	size_t extra = align > page_size() ? align - page_size() : 0;
	char *p = mmap(NULL, bytes + extra, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *q;

	if (p == MAP_FAILED)
		return NULL;
	q = (char *)round_up((uintptr_t)p, align);
	if (q > p)
		munmap(p, q - p);
	if (p + extra > q)
		munmap(q + bytes, p + extra - q);
	return q;
}

uint64_t mem_alloc(size_t size, size_t align, enum mem_kind kind, unsigned int flags, void *owner)
{
	struct mem_range r = { .size = size, .kind = kind, .flags = flags, .owner = owner };
	void *p;

	if (!size || size > SIZE_MAX / 4 || align > SIZE_MAX / 8)
		return 0;
	if (align < page_size())
		align = page_size();
	r.managed = kind == MEM_MANAGED;
	r.bytes = round_up(size, page_size());
	r.device = is_device(kind) && owner ? ((struct context *)owner)->device : MEM_NO_DEVICE;
	if (!mem_charge(r.device, r.bytes))
		return 0;
	p = map_aligned(r.bytes, align);
	r.lo = (uintptr_t)p;
	if (p && mem_add(&r))
		return r.lo;
	if (p)
		munmap(p, r.bytes);
	mem_uncharge(r.device, r.bytes);
	return 0;
}

/* Pages at an address that is reserved, or back to only that. */
static bool map_fixed(const struct mem_range *r, int prot)
{
	return mmap((void *)(uintptr_t)r->lo, r->bytes, prot,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

bool mem_commit(const struct mem_range *r)
{
	if (!mem_charge(r->device, r->bytes))
		return false;
	if (map_fixed(r, PROT_READ | PROT_WRITE)) {
		if (mem_add(r))
			return true;
		map_fixed(r, PROT_NONE);
	}
	mem_uncharge(r->device, r->bytes);
	return false;
}

uint64_t sg_mem_alloc(size_t size, size_t align)
{
	return mem_alloc(size ? size : 1, align, MEM_MODULE, 0, NULL);
}

uint64_t sg_mem_alloc_managed(size_t size, size_t align)
{
	uint64_t addr = sg_mem_alloc(size, align);
	struct mem_range *p;

	pthread_rwlock_wrlock(&lock);
	p = addr ? range_at(addr) : NULL;
	if (p)
		p->managed = true;
	pthread_rwlock_unlock(&lock);
	return addr;
}

/* Gives the memory behind a range that is no longer in the set back to where it came from. */
static void give_back(const struct mem_range *r)
{
	if (r->shared_fd)
		close(r->shared_fd);
	if (r->kind == MEM_REGISTERED || r->kind == MEM_MAPPED || r->kind == MEM_POOL)
		return;
	if (r->kind == MEM_GRAPH)
		map_fixed(r, PROT_NONE);
	else
		munmap((void *)(uintptr_t)r->lo, r->bytes);
	if (is_device(r->kind))
		mem_uncharge(r->device, r->bytes);
}

bool mem_remove(uint64_t addr, enum mem_kind kind)
{
	struct mem_range *p, r;

	pthread_rwlock_wrlock(&lock);
	p = range_at(addr);
	if (!p || p->lo != addr || p->kind != kind) {
		pthread_rwlock_unlock(&lock);
		return false;
	}
	r = *p;
	erase(p);
	pthread_rwlock_unlock(&lock);
	give_back(&r);
	return true;
}

void mem_set_access(uint64_t addr, uint32_t devices, uint32_t read_only)
{
	struct mem_range *p;

	pthread_rwlock_wrlock(&lock);
	p = range_at(addr);
	if (p) {
		p->access = devices;
		p->read_only = read_only;
	}
	/* What the engine remembers may no longer hold. */
	__atomic_add_fetch(&generation, 1, __ATOMIC_ACQ_REL);
	pthread_rwlock_unlock(&lock);
}

bool mem_assign(uint64_t addr, int device, void *owner)
{
	struct mem_range *p;
	bool ok;

	pthread_rwlock_wrlock(&lock);
	p = range_at(addr);
	ok = p && p->lo == addr && p->kind == MEM_MODULE && mem_charge(device, p->bytes);
	if (ok) {
		mem_uncharge(p->device, p->bytes);
		p->device = device;
		p->owner = owner;
	}
	pthread_rwlock_unlock(&lock);
	return ok;
}

bool sg_mem_free(uint64_t addr)
{
	return mem_remove(addr, MEM_MODULE);
}

bool mem_retire(uint64_t addr, enum mem_kind kind)
{
	struct mem_range *p;
	bool ok;

	pthread_rwlock_wrlock(&lock);
	p = range_at(addr);
	ok = p && p->lo == addr && p->kind == kind && !p->dying;
	if (ok)
		p->dying = true;
	pthread_rwlock_unlock(&lock);
	return ok;
}

void mem_hide(uint64_t addr, enum mem_kind kind)
{
	struct mem_range *p;

	pthread_rwlock_wrlock(&lock);
	p = range_at(addr);
	if (p && p->lo == addr && p->kind == kind) {
		p->hidden = true;
		__atomic_add_fetch(&generation, 1, __ATOMIC_ACQ_REL);
	}
	pthread_rwlock_unlock(&lock);
}

void mem_revive(uint64_t addr, enum mem_kind kind)
{
	struct mem_range *p;

	pthread_rwlock_wrlock(&lock);
	p = range_at(addr);
	if (p && p->lo == addr && p->kind == kind) {
		p->dying = false;
		p->id = ++last_id;
	}
	pthread_rwlock_unlock(&lock);
}

bool mem_update(const struct mem_range *r)
{
	struct mem_range *p;
	bool ok;

	pthread_rwlock_wrlock(&lock);
	p = range_at(r->lo);
	ok = p && p->id == r->id;
	if (ok) {
		p->sync_memops = r->sync_memops;
		p->shared_fd = r->shared_fd;
	}
	pthread_rwlock_unlock(&lock);
	return ok;
}

void mem_retire_owner(void *owner)
{
	pthread_rwlock_wrlock(&lock);
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == owner)
			ranges[i].dying = true;
	pthread_rwlock_unlock(&lock);
}

void mem_hide_owner(void *owner)
{
	pthread_rwlock_wrlock(&lock);
	for (size_t i = 0; i < nr_ranges; i++)
		if (ranges[i].owner == owner)
			ranges[i].hidden = true;
	__atomic_add_fetch(&generation, 1, __ATOMIC_ACQ_REL);
	pthread_rwlock_unlock(&lock);
}

static bool next_of(void *owner, struct mem_range *r)
{
	bool found = false;

	pthread_rwlock_rdlock(&lock);
	for (size_t i = nr_ranges; i-- > 0 && !found; ) {
		found = ranges[i].owner == owner;
		if (found)
			*r = ranges[i];
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

void mem_release_owner(void *owner)
{
	struct mem_range r;

	while (next_of(owner, &r))
		mem_remove(r.lo, r.kind);
}

bool mem_lookup(uint64_t addr, struct mem_range *r)
{
	struct mem_range *p;

	pthread_rwlock_rdlock(&lock);
	p = range_at(addr);
	if (p)
		*r = *p;
	pthread_rwlock_unlock(&lock);
	return p != NULL;
}

static bool joined(const struct mem_range *a, const struct mem_range *b)
{
	return a->group && a->group == b->group && a->lo + a->bytes == b->lo &&
	       a->read_only == b->read_only;
}

/* What the engine may touch. The program's own memory ends where the program said. */
static uint64_t visible_end(const struct mem_range *r)
{
	return r->lo + (r->kind == MEM_REGISTERED ? r->size : round_up(r->size, GRANULE));
}

static bool is_visible(const struct mem_range *r)
{
	if (r->hidden)
		return false;
	if (!sg_reach.own || r->device == MEM_NO_DEVICE || r->managed ||
	    !is_device_memory(r->kind))
		return true;
	if (r->access)
		return r->access & sg_reach.own;
	return sg_reach.peers >> r->device & 1;
}

/* For the device that asks, or for any that may. */
static bool is_read_only(const struct mem_range *r)
{
	return sg_reach.own ? r->read_only & sg_reach.own
			    : r->read_only && !(r->access & ~r->read_only);
}

bool sg_mem_find(uint64_t addr, uint64_t *lo, uint64_t *hi)
{
	size_t i, first, last;
	bool found;

	pthread_rwlock_rdlock(&lock);
	i = first_after(addr);
	found = i < nr_ranges && ranges[i].lo <= addr && addr < visible_end(&ranges[i]) &&
		is_visible(&ranges[i]) && !is_read_only(&ranges[i]);
	if (found) {
		for (first = i; first && joined(&ranges[first - 1], &ranges[first]); first--)
			if (!is_visible(&ranges[first - 1]))
				break;
		for (last = i; last + 1 < nr_ranges && joined(&ranges[last], &ranges[last + 1]);
		     last++)
			if (!is_visible(&ranges[last + 1]))
				break;
		*lo = ranges[first].lo;
		*hi = visible_end(&ranges[last]);
	}
	pthread_rwlock_unlock(&lock);
	return found;
}

/* The range that holds addr, when it and those joined to it hold n bytes. Lock held. */
static const struct mem_range *holder(uint64_t addr, size_t n)
{
	const struct mem_range *first = range_at(addr), *r = first;
	size_t room;

	if (!r || addr - r->lo > r->size)
		return NULL;
	room = r->size - (addr - r->lo);
	while (room < n && r + 1 < ranges + nr_ranges && joined(r, r + 1))
		room += (++r)->size;
	return n <= room ? first : NULL;
}

static bool holds(uint64_t addr, size_t n, bool write)
{
	const struct mem_range *r;
	bool ok;

	pthread_rwlock_rdlock(&lock);
	r = holder(addr, n);
	ok = r && !r->dying && !(write && is_read_only(r));
	pthread_rwlock_unlock(&lock);
	return ok;
}

bool mem_holds(uint64_t addr, size_t n)
{
	return holds(addr, n, false);
}

bool mem_holds_writable(uint64_t addr, size_t n)
{
	return holds(addr, n, true);
}

bool sg_mem_is_read_only(uint64_t addr, size_t n)
{
	const struct mem_range *r;
	bool ok;

	pthread_rwlock_rdlock(&lock);
	r = holder(addr, n);
	ok = r && is_visible(r) && is_read_only(r);
	pthread_rwlock_unlock(&lock);
	return ok;
}

bool mem_touches(uint64_t addr, size_t n)
{
	bool hit = false;
	size_t i;

	pthread_rwlock_rdlock(&lock);
	i = first_after(addr);
	if (i < nr_ranges)
		hit = ranges[i].lo <= addr || ranges[i].lo - addr < n;
	pthread_rwlock_unlock(&lock);
	return hit;
}
