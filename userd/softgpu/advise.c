/* SPDX-License-Identifier: MIT */
/*
 * advise.c - cuMemAdvise() and cuMemRangeGetAttribute*(): advice by page of managed memory
 */
#include "advise.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "advice.h"
#include "context.h"
#include "init.h"
#include "memory.h"

/* An allocation that has advice. */
struct area {
	LIST_ENTRY(area) link;
	uint64_t addr, id;		/* mem_range.id: a later allocation there is another one */
	struct advice_map *map;
};

static LIST_HEAD(, area) areas = LIST_HEAD_INITIALIZER(areas);

/* True when all n bytes are managed memory of one allocation. */
static bool managed_holds(uint64_t addr, size_t n)
{
	struct mem_range r;

	return n && mem_lookup(addr, &r) && r.managed && mem_holds(addr, n);
}

static void area_destroy(struct area *a)
{
	advice_map_destroy(a->map);
	LIST_REMOVE(a, link);
	free(a);
}

/* Freed memory takes its advice along, at the next time that somebody gives or asks for any. */
static void forget_freed(void)
{
	struct area *a, *next;
	struct mem_range r;

	for (a = LIST_FIRST(&areas); a; a = next) {
		next = LIST_NEXT(a, link);
		if (!mem_lookup(a->addr, &r) || r.id != a->id)
			area_destroy(a);
	}
}

static struct area *find_area(uint64_t id)
{
	struct area *a;

	LIST_FOREACH(a, &areas, link)
		if (a->id == id)
			return a;
	return NULL;
}

static struct area *area_create(const struct mem_range *r)
{
	struct area *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->map = advice_map_create(r->lo, r->lo + r->bytes);
	if (!a->map) {
		free(a);
		return NULL;
	}
	a->addr = r->lo;
	a->id = r->id;
	LIST_INSERT_HEAD(&areas, a, link);
	return a;
}

static CUresult change(uint64_t addr, size_t n, enum advice_change what, bool set,
		       const CUmemLocation *l)
{
	struct mem_range r;
	struct area *a;

	if (!managed_holds(addr, n) || !mem_lookup(addr, &r))
		return CUDA_ERROR_INVALID_VALUE;
	forget_freed();
	a = find_area(r.id);
	if (!a)
		a = area_create(&r);
	return a && advice_map_change(a->map, addr, n, what, set, l) ? CUDA_SUCCESS
								     : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult advise_prefetched(uint64_t addr, size_t n, const CUmemLocation *l)
{
	return change(addr, n, ADVICE_PREFETCHED, true, l);
}

CUresult cuMemAdvise_v2(CUdeviceptr addr, size_t n, CUmem_advise advice, CUmemLocation location)
{
	enum advice_change what;
	struct context *ctx;
	bool set;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = advice_decode(advice, &location, &what, &set);
	return context_leave(r ? r : change(addr, n, what, set, &location));
}

/* What holds for all pages of a range. */
static void common(uint64_t addr, size_t n, struct advice *out)
{
	struct mem_range r;
	struct area *a;

	forget_freed();
	a = mem_lookup(addr, &r) ? find_area(r.id) : NULL;
	advice_map_common(a ? a->map : NULL, addr, n, out);
}

CUresult cuMemRangeGetAttributes(void **data, size_t *sizes, CUmem_range_attribute *attributes,
				 size_t nr, CUdeviceptr addr, size_t n)
{
	struct context *ctx;
	struct advice a;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!data || !sizes || !attributes || !nr || !managed_holds(addr, n))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	common(addr, n, &a);
	for (size_t i = 0; i < nr && r == CUDA_SUCCESS; i++)
		r = advice_answer(&a, data[i], sizes[i], attributes[i]);
	return context_leave(r);
}
