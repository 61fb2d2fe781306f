// SPDX-License-Identifier: MIT
/*
 * advice.c - advice about managed memory, by page: given, kept, asked for
 *
 * Nothing moves by it. A map has segments, in order, that cover its allocation; neighbours differ.
 */
#include "advice.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define PAGE		((uint64_t)4096)
#define CPU_BIT		63	/* of accessed_by; the others are devices */

struct span {
	TAILQ_ENTRY(span) link;
	uint64_t lo, hi;
	struct advice advice;
};

struct advice_map {
	TAILQ_HEAD(, span) spans;
};

struct advice_map *advice_map_create(uint64_t lo, uint64_t hi)
{
	struct advice_map *m = calloc(1, sizeof(*m));
	struct span *s = calloc(1, sizeof(*s));

	if (!m || !s) {
		free(m);
		free(s);
		return NULL;
	}
	s->lo = lo;
	s->hi = hi;
	TAILQ_INIT(&m->spans);
	TAILQ_INSERT_TAIL(&m->spans, s, link);
	return m;
}

void advice_map_destroy(struct advice_map *m)
{
	struct span *s;

	if (!m)
		return;
	while ((s = TAILQ_FIRST(&m->spans))) {
		TAILQ_REMOVE(&m->spans, s, link);
		free(s);
	}
	free(m);
}

/* Makes at the border of two spans, if it lies in the map. */
static bool split(struct advice_map *m, uint64_t at)
{
	struct span *s, *t;

	TAILQ_FOREACH(s, &m->spans, link)
		if (at < s->hi)
			break;
	if (!s || at <= s->lo)
		return true;
	t = malloc(sizeof(*t));
	if (!t)
		return false;
	*t = *s;
	s->hi = t->lo = at;
	TAILQ_INSERT_AFTER(&m->spans, s, t, link);
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

static void merge(struct advice_map *m)
{
	struct span *s = TAILQ_FIRST(&m->spans), *t;

	while ((t = TAILQ_NEXT(s, link))) {
		if (!same_advice(&s->advice, &t->advice)) {
			s = t;
			continue;
		}
		s->hi = t->hi;
		TAILQ_REMOVE(&m->spans, t, link);
		free(t);
	}
}

static void apply(struct advice *a, enum advice_change what, bool set, const CUmemLocation *l)
{
	static const CUmemLocation none;
	uint64_t bit;

	switch (what) {
	case ADVICE_READ_MOSTLY:
		a->read_mostly = set;
		break;
	case ADVICE_PREFERRED:
		a->preferred = set ? *l : none;
		break;
	case ADVICE_PREFETCHED:
		a->prefetched = *l;
		break;
	case ADVICE_ACCESSED_BY:
		bit = 1ull << (l->type == CU_MEM_LOCATION_TYPE_HOST ? CPU_BIT : l->id);
		a->accessed_by = set ? a->accessed_by | bit : a->accessed_by & ~bit;
		break;
	}
}

bool advice_map_change(struct advice_map *m, uint64_t addr, size_t n, enum advice_change what,
		       bool set, const CUmemLocation *l)
{
	uint64_t lo = addr & ~(PAGE - 1), hi = (addr + n + PAGE - 1) & ~(PAGE - 1);
	struct span *s;

	if (!split(m, lo) || !split(m, hi))
		return false;
	TAILQ_FOREACH(s, &m->spans, link)
		if (s->hi > lo && s->lo < hi)
			apply(&s->advice, what, set, l);
	merge(m);
	return true;
}

void advice_map_common(const struct advice_map *m, uint64_t addr, size_t n, struct advice *out)
{
	static const CUmemLocation none;
	const struct span *s;
	bool first = true;

	memset(out, 0, sizeof(*out));
	if (!m)
		return;
	TAILQ_FOREACH(s, &m->spans, link) {
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

/* ---- advice as the calls name it ---- */

CUresult advice_check_location(const CUmemLocation *l)
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

CUresult advice_decode(CUmem_advise advice, const CUmemLocation *l, enum advice_change *what,
		       bool *set)
{
	CUresult r;

	*set = advice == CU_MEM_ADVISE_SET_READ_MOSTLY ||
	       advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION ||
	       advice == CU_MEM_ADVISE_SET_ACCESSED_BY;
	switch (advice) {
	case CU_MEM_ADVISE_SET_READ_MOSTLY:
	case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
		*what = ADVICE_READ_MOSTLY;
		return CUDA_SUCCESS;
	case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
	case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
		*what = ADVICE_PREFERRED;
		return *set ? advice_check_location(l) : CUDA_SUCCESS;
	case CU_MEM_ADVISE_SET_ACCESSED_BY:
	case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
		*what = ADVICE_ACCESSED_BY;
		r = advice_check_location(l);
		if (r == CUDA_SUCCESS && l->type != CU_MEM_LOCATION_TYPE_DEVICE &&
		    l->type != CU_MEM_LOCATION_TYPE_HOST)
			r = CUDA_ERROR_INVALID_VALUE;
		return r;
	default:
		return CUDA_ERROR_INVALID_VALUE;
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

CUresult advice_answer(const struct advice *a, void *data, size_t size, CUmem_range_attribute what)
{
	int v;

	if (!data || !size || size % sizeof(v) ||
	    (what != CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY && size != sizeof(v)))
		return CUDA_ERROR_INVALID_VALUE;
	switch (what) {
	case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
		v = a->read_mostly;
		break;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
		v = device_of(&a->preferred);
		break;
	case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY:
		list_accessed_by(a->accessed_by, data, size / sizeof(v));
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
