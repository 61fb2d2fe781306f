// SPDX-License-Identifier: MIT
/*
 * advise.c - advice about managed memory, prefetches, and what was said of a range
 *
 * Both sides have a copy of managed memory here, so advice changes nothing but what is answered
 * about it. A prefetch to the device sends what the program has changed, as the next launch would;
 * one to the host is made by the next touch. Advice is kept by page.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "view.h"

#define PAGE		4096ull
#define CPU_BIT		63	/* of accessed_by; the others are devices */

struct vcuda_advice {
	bool read_mostly;
	CUmemLocation preferred, prefetched;	/* type INVALID: none */
	uint64_t accessed_by;
};

enum change { READ_MOSTLY, PREFERRED, PREFETCHED, ACCESSED_BY };

/* Pages of managed memory, under the arena's lock. */
struct pages {
	struct vcuda_advice *first;
	uint64_t nr;
};

static CUmemLocation location_of(CUdevice dev)
{
	return (CUmemLocation){
		.type = dev == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST
					     : CU_MEM_LOCATION_TYPE_DEVICE,
		.id = dev == CU_DEVICE_CPU ? 0 : dev,
	};
}

static CUresult check_location(const CUmemLocation *l)
{
	switch (l->type) {
	case CU_MEM_LOCATION_TYPE_DEVICE:
		return l->id >= 0 && l->id < vcuda_lease()->nr_devices ? CUDA_SUCCESS
									: CUDA_ERROR_INVALID_DEVICE;
	case CU_MEM_LOCATION_TYPE_HOST:
	case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
		return CUDA_SUCCESS;
	case CU_MEM_LOCATION_TYPE_HOST_NUMA:
		return l->id >= 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static bool same_place(const CUmemLocation *a, const CUmemLocation *b)
{
	bool has_id = a->type == CU_MEM_LOCATION_TYPE_DEVICE ||
		      a->type == CU_MEM_LOCATION_TYPE_HOST_NUMA;

	return a->type == b->type && (!has_id || a->id == b->id);
}

/* With the arena's lock. The whole span must be of one managed allocation. */
static CUresult pages_of(uint64_t addr, size_t n, bool make, struct pages *p)
{
	struct vcuda_range r;
	uint64_t first, last;

	if (!n || !vcuda_memory_lookup(addr, &r) || r.kind != ARENA_MANAGED ||
	    n > r.size - (addr - r.start))
		return CUDA_ERROR_INVALID_VALUE;
	first = (addr - r.start) / PAGE;
	last = (addr - r.start + n - 1) / PAGE;
	if (!*r.advice && make)
		*r.advice = calloc((r.size + PAGE - 1) / PAGE, sizeof(**r.advice));
	if (!*r.advice && make)
		return CUDA_ERROR_OUT_OF_MEMORY;
	p->first = *r.advice ? *r.advice + first : NULL;
	p->nr = last - first + 1;
	return CUDA_SUCCESS;
}

static void apply(struct vcuda_advice *a, enum change what, bool on, const CUmemLocation *l)
{
	static const CUmemLocation none;
	uint64_t bit;

	switch (what) {
	case READ_MOSTLY:
		a->read_mostly = on;
		break;
	case PREFERRED:
		a->preferred = on ? *l : none;
		break;
	case PREFETCHED:
		a->prefetched = *l;
		break;
	case ACCESSED_BY:
		bit = 1ull << (l->type == CU_MEM_LOCATION_TYPE_DEVICE ? l->id : CPU_BIT);
		a->accessed_by = on ? a->accessed_by | bit : a->accessed_by & ~bit;
		break;
	}
}

static CUresult change(uint64_t addr, size_t n, enum change what, bool on, const CUmemLocation *l)
{
	struct pages p;
	uint64_t i;
	CUresult r;

	vcuda_arena_lock();
	r = pages_of(addr, n, true, &p);
	for (i = 0; !r && i < p.nr; i++)
		apply(&p.first[i], what, on, l);
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemAdvise_v2(CUdeviceptr addr, size_t n, CUmem_advise advice, CUmemLocation l)
{
	bool has_place = advice != CU_MEM_ADVISE_SET_READ_MOSTLY &&
			 advice != CU_MEM_ADVISE_UNSET_READ_MOSTLY &&
			 advice != CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION;
	CUresult r = has_place ? check_location(&l) : CUDA_SUCCESS;

	if (r)
		return r;
	switch (advice) {
	case CU_MEM_ADVISE_SET_READ_MOSTLY:
	case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
		return change(addr, n, READ_MOSTLY, advice == CU_MEM_ADVISE_SET_READ_MOSTLY, &l);
	case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
	case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
		return change(addr, n, PREFERRED, advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION,
			      &l);
	case CU_MEM_ADVISE_SET_ACCESSED_BY:
	case CU_MEM_ADVISE_UNSET_ACCESSED_BY:
		if (l.type == CU_MEM_LOCATION_TYPE_HOST_NUMA ||
		    l.type == CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT)
			return CUDA_ERROR_INVALID_VALUE;
		return change(addr, n, ACCESSED_BY, advice == CU_MEM_ADVISE_SET_ACCESSED_BY, &l);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult hand_cuMemAdvise(CUdeviceptr addr, size_t n, CUmem_advise advice, CUdevice dev)
{
	return hand_cuMemAdvise_v2(addr, n, advice, location_of(dev));
}

/* ---- prefetches ---- */

CUresult hand_cuMemPrefetchAsync_v2(CUdeviceptr addr, size_t n, CUmemLocation l, unsigned int flags,
				    CUstream stream)
{
	uint32_t number;
	CUresult r = flags ? CUDA_ERROR_INVALID_VALUE : vcuda_stream_number(stream, &number);

	if (!r)
		r = check_location(&l);
	if (!r)
		r = change(addr, n, PREFETCHED, true, &l);
	return !r && l.type == CU_MEM_LOCATION_TYPE_DEVICE ? vcuda_views_flush(stream) : r;
}

CUresult hand_cuMemPrefetchAsync(CUdeviceptr addr, size_t n, CUdevice dev, CUstream stream)
{
	return hand_cuMemPrefetchAsync_v2(addr, n, location_of(dev), 0, stream);
}

struct batch {
	CUdeviceptr *addrs;
	size_t *sizes, count;
	CUmemLocation *locations;	/* NULL: discarded only */
	size_t *first, nr;		/* first: operation of each location */
};

static CUresult check_batch(const struct batch *b, bool prefetch, unsigned long long flags,
			    CUstream stream)
{
	struct pages p;
	uint32_t number;
	size_t i;
	CUresult r;

	if (!b->addrs || !b->sizes || !b->count || flags || !stream || stream == CU_STREAM_LEGACY)
		return CUDA_ERROR_INVALID_VALUE;
	if (prefetch &&
	    (!b->locations || !b->first || !b->nr || b->nr > b->count || b->first[0]))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_stream_number(stream, &number);
	for (i = 0; !r && prefetch && i < b->nr; i++)
		r = b->first[i] >= b->count || (i && b->first[i] <= b->first[i - 1])
			    ? CUDA_ERROR_INVALID_VALUE : check_location(&b->locations[i]);
	vcuda_arena_lock();
	for (i = 0; !r && i < b->count; i++)
		r = pages_of(b->addrs[i], b->sizes[i], false, &p);
	vcuda_arena_unlock();
	return r;
}

/* Discarded memory may keep its contents: they are "indeterminate". */
static CUresult run_batch(const struct batch *b, bool prefetch, unsigned long long flags,
			  CUstream stream)
{
	CUresult r = check_batch(b, prefetch, flags, stream);
	size_t i, l = 0;

	for (i = 0; !r && prefetch && i < b->count; i++) {
		if (l + 1 < b->nr && b->first[l + 1] == i)
			l++;
		r = hand_cuMemPrefetchAsync_v2(b->addrs[i], b->sizes[i], b->locations[l], 0,
					       stream);
	}
	return r;
}

CUresult hand_cuMemPrefetchBatchAsync(CUdeviceptr *addrs, size_t *sizes, size_t count,
				      CUmemLocation *locations, size_t *first, size_t nr,
				      unsigned long long flags, CUstream stream)
{
	struct batch b = { addrs, sizes, count, locations, first, nr };

	return run_batch(&b, true, flags, stream);
}

CUresult hand_cuMemDiscardBatchAsync(CUdeviceptr *addrs, size_t *sizes, size_t count,
				     unsigned long long flags, CUstream stream)
{
	struct batch b = { .addrs = addrs, .sizes = sizes, .count = count };

	return run_batch(&b, false, flags, stream);
}

CUresult hand_cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr *addrs, size_t *sizes, size_t count,
						CUmemLocation *locations, size_t *first, size_t nr,
						unsigned long long flags, CUstream stream)
{
	return hand_cuMemPrefetchBatchAsync(addrs, sizes, count, locations, first, nr, flags,
					    stream);
}

/* ---- questions ---- */

/* The location that all pages have. */
static CUmemLocation common(const struct pages *p, bool preferred)
{
	const CUmemLocation none = { .type = CU_MEM_LOCATION_TYPE_INVALID };
	const CUmemLocation *first, *l;
	uint64_t i;

	if (!p->first)
		return none;
	first = preferred ? &p->first[0].preferred : &p->first[0].prefetched;
	for (i = 1; i < p->nr; i++) {
		l = preferred ? &p->first[i].preferred : &p->first[i].prefetched;
		if (!same_place(first, l))
			return none;
	}
	return *first;
}

static int device_number(CUmemLocation l)
{
	return l.type == CU_MEM_LOCATION_TYPE_INVALID ? CU_DEVICE_INVALID
	       : l.type == CU_MEM_LOCATION_TYPE_DEVICE ? l.id : CU_DEVICE_CPU;
}

static bool all_read_mostly(const struct pages *p)
{
	uint64_t i;

	for (i = 0; p->first && i < p->nr && p->first[i].read_mostly; i++)
		;
	return p->first && i == p->nr;
}

static CUresult put_accessed_by(int *out, size_t bytes, const struct pages *p)
{
	uint64_t all = p->first ? UINT64_MAX : 0, i;
	size_t n = bytes / sizeof(*out), at = 0;
	int dev;

	if (!n || bytes % sizeof(*out))
		return CUDA_ERROR_INVALID_VALUE;
	for (i = 0; p->first && i < p->nr; i++)
		all &= p->first[i].accessed_by;
	for (dev = 0; dev < CPU_BIT && at < n; dev++)
		if (all >> dev & 1)
			out[at++] = dev;
	if (all >> CPU_BIT && at < n)
		out[at++] = CU_DEVICE_CPU;
	while (at < n)
		out[at++] = CU_DEVICE_INVALID;
	return CUDA_SUCCESS;
}

static CUresult put(void *data, size_t bytes, CUmem_range_attribute which, const struct pages *p)
{
	int *out = data;

	if (!data)
		return CUDA_ERROR_INVALID_VALUE;
	if (which == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY)
		return put_accessed_by(out, bytes, p);
	if (bytes != sizeof(int))
		return CUDA_ERROR_INVALID_VALUE;
	switch (which) {
	case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
		*out = all_read_mostly(p);
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
		*out = device_number(common(p, which == CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION));
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
		*out = common(p, true).type;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
		*out = common(p, true).id;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
		*out = common(p, false).type;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
		*out = common(p, false).id;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult hand_cuMemRangeGetAttributes(void **data, size_t *bytes, CUmem_range_attribute *which,
				      size_t nr, CUdeviceptr addr, size_t n)
{
	struct pages p;
	size_t i;
	CUresult r;

	if (!data || !bytes || !which || !nr)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	r = pages_of(addr, n, false, &p);
	for (i = 0; !r && i < nr; i++)
		r = put(data[i], bytes[i], which[i], &p);
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemRangeGetAttribute(void *data, size_t bytes, CUmem_range_attribute which,
				     CUdeviceptr addr, size_t n)
{
	return hand_cuMemRangeGetAttributes(&data, &bytes, &which, 1, addr, n);
}

/* ---- streams ---- */

/*
 * Only all of an allocation can be attached; length 0 says the same. What the attachment would
 * permit, the program's use of the memory while other streams work, is permitted here anyway.
 */
CUresult hand_cuStreamAttachMemAsync(CUstream stream, CUdeviceptr addr, size_t length,
				     unsigned int flags)
{
	struct vcuda_range range;
	uint32_t number;
	CUresult r = vcuda_stream_number(stream, &number);

	if (r)
		return r;
	if ((flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST &&
	     flags != CU_MEM_ATTACH_SINGLE) ||
	    (flags == CU_MEM_ATTACH_SINGLE && (!stream || stream == CU_STREAM_LEGACY)) ||
	    !vcuda_mem_find(addr, &range) || range.kind != ARENA_MANAGED || range.start != addr ||
	    (length && length != range.size))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}
