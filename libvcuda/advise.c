// SPDX-License-Identifier: MIT
/*
 * advise.c - advice about managed memory, prefetches, and what was said of a range
 *
 * Both sides have a copy of managed memory here, so advice changes nothing but what is answered
 * about it. A prefetch to the device sends what the program has changed, as the next launch would;
 * one to the host is made by the next touch.
 */
#include "advice.h"
#include "arena.h"
#include "view.h"

/* With the arena's lock. The whole span must be of one managed allocation. */
static CUresult find(uint64_t addr, size_t n, struct vcuda_range *r)
{
	return n && vcuda_memory_lookup(addr, r) && r->kind == ARENA_MANAGED &&
	       n <= r->size - (addr - r->start) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult change(uint64_t addr, size_t n, enum advice_change what, bool set,
		       const CUmemLocation *l)
{
	struct vcuda_range range;
	CUresult r;

	vcuda_arena_lock();
	r = find(addr, n, &range);
	if (!r && !*range.advice)
		*range.advice = advice_map_create(range.start, range.start + range.size);
	if (!r && (!*range.advice || !advice_map_change(*range.advice, addr, n, what, set, l)))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemAdvise_v2(CUdeviceptr addr, size_t n, CUmem_advise advice, CUmemLocation l)
{
	enum advice_change what;
	bool set;
	CUresult r = advice_decode(advice, &l, &what, &set);

	return r ? r : change(addr, n, what, set, &l);
}

CUresult hand_cuMemPrefetchAsync_v2(CUdeviceptr addr, size_t n, CUmemLocation l, unsigned int flags,
				    CUstream stream)
{
	uint32_t number;
	CUresult r = flags ? CUDA_ERROR_INVALID_VALUE : vcuda_stream_number(stream, &number);

	if (!r)
		r = advice_check_location(&l);
	if (!r)
		r = change(addr, n, ADVICE_PREFETCHED, true, &l);
	return !r && l.type == CU_MEM_LOCATION_TYPE_DEVICE ? vcuda_views_flush(stream) : r;
}

CUresult hand_cuMemRangeGetAttributes(void **data, size_t *bytes, CUmem_range_attribute *which,
				      size_t nr, CUdeviceptr addr, size_t n)
{
	struct vcuda_range range;
	struct advice a;
	size_t i;
	CUresult r;

	if (!data || !bytes || !which || !nr)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	r = find(addr, n, &range);
	if (!r)
		advice_map_common(*range.advice, addr, n, &a);
	vcuda_arena_unlock();
	for (i = 0; !r && i < nr; i++)
		r = advice_answer(&a, data[i], bytes[i], which[i]);
	return r;
}

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
