/* SPDX-License-Identifier: MIT */
/*
 * advise.c - cuMemAdvise() and cuMemRangeGetAttribute*(): advice by page of managed memory
 */
#include "advise.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "context.h"
#include "device.h"
#include "init.h"
#include "memory.h"

#define PAGE		((uint64_t)4096)
#define CPU_BIT		63		/* of accessed_by; the others are devices */

struct advice {
	bool read_mostly;
	CUmemLocation preferred, prefetched;	/* type INVALID: none */
	uint64_t accessed_by;
};

struct segment {
	TAILQ_ENTRY(segment) link;
	uint64_t lo, hi;
	struct advice advice;
};

/* An allocation that has advice: segments that cover it, in order. */
struct area {
	LIST_ENTRY(area) link;
	uint64_t addr, id;		/* mem_range.id: a later allocation there is another one */
	TAILQ_HEAD(segments, segment) segments;
};

static LIST_HEAD(, area) areas = LIST_HEAD_INITIALIZER(areas);

bool managed_holds(uint64_t addr, size_t n)
{
	struct mem_range r;

	return n && mem_lookup(addr, &r) && r.managed && mem_holds(addr, n);
}

CUmemLocation managed_location(CUdevice dev)
{
	return (CUmemLocation){
		.type = dev == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST
					     : CU_MEM_LOCATION_TYPE_DEVICE,
		.id = dev,
	};
}

CUresult managed_check_location(const CUmemLocation *l)
{
	switch (l->type) {
	case CU_MEM_LOCATION_TYPE_DEVICE:
		return device_exists(l->id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
	case CU_MEM_LOCATION_TYPE_HOST:
	case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
		return CUDA_SUCCESS;
	case CU_MEM_LOCATION_TYPE_HOST_NUMA:
		return l->id >= 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static void area_destroy(struct area *a)
{
	struct segment *s;

	while ((s = TAILQ_FIRST(&a->segments))) {
		TAILQ_REMOVE(&a->segments, s, link);
		free(s);
	}
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
	struct segment *s = calloc(1, sizeof(*s));

	if (!a || !s) {
		free(a);
		free(s);
		return NULL;
	}
	a->addr = r->lo;
	a->id = r->id;
	TAILQ_INIT(&a->segments);
	s->lo = r->lo;
	s->hi = r->lo + r->bytes;
	TAILQ_INSERT_TAIL(&a->segments, s, link);
	LIST_INSERT_HEAD(&areas, a, link);
	return a;
}

/* Makes at, which lies inside the area, the border of two segments. */
static bool split(struct area *a, uint64_t at)
{
	struct segment *s, *t;

	TAILQ_FOREACH(s, &a->segments, link)
		if (at < s->hi)
			break;
	if (!s || at <= s->lo)
		return true;
	t = malloc(sizeof(*t));
	if (!t)
		return false;
	*t = *s;
	s->hi = t->lo = at;
	TAILQ_INSERT_AFTER(&a->segments, s, t, link);
	return true;
}

static bool same_place(const CUmemLocation *a, const CUmemLocation *b)
{
	bool has_id = a->type == CU_MEM_LOCATION_TYPE_DEVICE ||
		      a->type == CU_MEM_LOCATION_TYPE_HOST_NUMA;

	return a->type == b->type && (!has_id || a->id == b->id);
}

static bool same_advice(const struct advice *a, const struct advice *b)
{
	return a->read_mostly == b->read_mostly && a->accessed_by == b->accessed_by &&
	       same_place(&a->preferred, &b->preferred) &&
	       same_place(&a->prefetched, &b->prefetched);
}

static void merge(struct area *a)
{
	struct segment *s = TAILQ_FIRST(&a->segments), *t;

	while ((t = TAILQ_NEXT(s, link))) {
		if (!same_advice(&s->advice, &t->advice)) {
			s = t;
			continue;
		}
		s->hi = t->hi;
		TAILQ_REMOVE(&a->segments, t, link);
		free(t);
	}
}

enum change {
	CHANGE_READ_MOSTLY,
	CHANGE_PREFERRED,
	CHANGE_PREFETCHED,
	CHANGE_ACCESSED_BY,
};

static void apply(struct advice *a, enum change what, bool set, const CUmemLocation *l)
{
	static const CUmemLocation none;
	uint64_t bit;

	switch (what) {
	case CHANGE_READ_MOSTLY:
		a->read_mostly = set;
		break;
	case CHANGE_PREFERRED:
		a->preferred = set ? *l : none;
		break;
	case CHANGE_PREFETCHED:
		a->prefetched = *l;
		break;
	case CHANGE_ACCESSED_BY:
		bit = 1ull << (l->type == CU_MEM_LOCATION_TYPE_HOST ? CPU_BIT : l->id);
		a->accessed_by = set ? a->accessed_by | bit : a->accessed_by & ~bit;
		break;
	}
}

static CUresult change(uint64_t addr, size_t n, enum change what, bool set, const CUmemLocation *l)
{
	uint64_t lo = addr & ~(PAGE - 1), hi = (addr + n + PAGE - 1) & ~(PAGE - 1);
	struct mem_range r;
	struct segment *s;
	struct area *a;

	if (!managed_holds(addr, n) || !mem_lookup(addr, &r))
		return CUDA_ERROR_INVALID_VALUE;
	forget_freed();
	a = find_area(r.id);
	if (!a)
		a = area_create(&r);
	if (!a || !split(a, lo) || !split(a, hi))
		return CUDA_ERROR_OUT_OF_MEMORY;
	TAILQ_FOREACH(s, &a->segments, link)
		if (s->lo >= lo && s->hi <= hi)
			apply(&s->advice, what, set, l);
	merge(a);
	return CUDA_SUCCESS;
}

CUresult advise_prefetched(uint64_t addr, size_t n, const CUmemLocation *l)
{
	return change(addr, n, CHANGE_PREFETCHED, true, l);
}

static CUresult advise(CUdeviceptr addr, size_t n, CUmem_advise advice, const CUmemLocation *l)
{
	CUresult r = CUDA_SUCCESS;

	switch (advice) {
	case CU_MEM_ADVISE_SET_READ_MOSTLY:
	case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
		return change(addr, n, CHANGE_READ_MOSTLY, advice == CU_MEM_ADVISE_SET_READ_MOSTLY,
			      l);
	case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
		r = managed_check_location(l);
		/* fall through */
	case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
		return r != CUDA_SUCCESS ? r : change(addr, n, CHANGE_PREFERRED,
			advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION, l);
	case CU_MEM_ADVISE_SET_ACCESSED_BY:
	case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
		r = managed_check_location(l);
		if (r == CUDA_SUCCESS && l->type != CU_MEM_LOCATION_TYPE_DEVICE &&
		    l->type != CU_MEM_LOCATION_TYPE_HOST)
			r = CUDA_ERROR_INVALID_VALUE;
		return r != CUDA_SUCCESS ? r : change(addr, n, CHANGE_ACCESSED_BY,
			advice == CU_MEM_ADVISE_SET_ACCESSED_BY, l);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult cuMemAdvise_v2(CUdeviceptr addr, size_t n, CUmem_advise advice, CUmemLocation location)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	return r == CUDA_SUCCESS ? context_leave(advise(addr, n, advice, &location)) : r;
}

CUresult cuMemAdvise(CUdeviceptr addr, size_t n, CUmem_advise advice, CUdevice dev)
{
	return cuMemAdvise_v2(addr, n, advice, managed_location(dev));
}

/* What holds for all pages of a range. */
static void common(uint64_t addr, size_t n, struct advice *out)
{
	static const CUmemLocation none;
	struct mem_range r;
	struct segment *s;
	struct area *a;
	bool first = true;

	memset(out, 0, sizeof(*out));
	forget_freed();
	a = mem_lookup(addr, &r) ? find_area(r.id) : NULL;
	if (!a)
		return;
	TAILQ_FOREACH(s, &a->segments, link) {
		if (s->hi <= addr || s->lo >= addr + n)
			continue;
		if (first)
			*out = s->advice;
		first = false;
		out->read_mostly &= s->advice.read_mostly;
		out->accessed_by &= s->advice.accessed_by;
		if (!same_place(&out->preferred, &s->advice.preferred))
			out->preferred = none;
		if (!same_place(&out->prefetched, &s->advice.prefetched))
			out->prefetched = none;
	}
}

static int device_of(const CUmemLocation *l)
{
	switch (l->type) {
	case CU_MEM_LOCATION_TYPE_DEVICE:
		return l->id;
	case CU_MEM_LOCATION_TYPE_INVALID:
		return CU_DEVICE_INVALID;
	default:
		return CU_DEVICE_CPU;
	}
}

static void list_accessed_by(uint64_t set, int *out, size_t n)
{
	for (unsigned int bit = 0; bit <= CPU_BIT && n; bit++) {
		if (!(set >> bit & 1))
			continue;
		*out++ = bit == CPU_BIT ? CU_DEVICE_CPU : (int)bit;
		n--;
	}
	while (n--)
		*out++ = CU_DEVICE_INVALID;
}

static CUresult answer(const struct advice *a, void *data, size_t size, CUmem_range_attribute what)
{
	int v;

	if (!data || !size || size % 4 || (what != CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY && size != 4))
		return CUDA_ERROR_INVALID_VALUE;
	switch (what) {
	case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
		v = a->read_mostly;
		break;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
		v = device_of(&a->preferred);
		break;
	case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY:
		list_accessed_by(a->accessed_by, data, size / 4);
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
		v = device_of(&a->prefetched);
		break;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
		v = a->preferred.type;
		break;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
		v = a->preferred.id;
		break;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
		v = a->prefetched.type;
		break;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
		v = a->prefetched.id;
		break;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	memcpy(data, &v, sizeof(v));
	return CUDA_SUCCESS;
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
		r = answer(&a, data[i], sizes[i], attributes[i]);
	return context_leave(r);
}

CUresult cuMemRangeGetAttribute(void *data, size_t size, CUmem_range_attribute attribute,
				CUdeviceptr addr, size_t n)
{
	return cuMemRangeGetAttributes(&data, &size, &attribute, 1, addr, n);
}
