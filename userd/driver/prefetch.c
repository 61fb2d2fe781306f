// SPDX-License-Identifier: MIT
/*
 * prefetch.c - managed memory: the older and the batched forms of advice and prefetches
 */
#include "advice.h"

/* CUDA 11's way of naming a place: a device, or CU_DEVICE_CPU. */
static CUmemLocation location_of(CUdevice dev)
{
	return dev == CU_DEVICE_CPU
		       ? (CUmemLocation){ .type = CU_MEM_LOCATION_TYPE_HOST }
		       : (CUmemLocation){ .type = CU_MEM_LOCATION_TYPE_DEVICE, .id = dev };
}

CUresult cuMemAdvise(CUdeviceptr addr, size_t n, CUmem_advise advice, CUdevice dev)
{
	return cuMemAdvise_v2(addr, n, advice, location_of(dev));
}

CUresult cuMemPrefetchAsync(CUdeviceptr addr, size_t n, CUdevice dev, CUstream stream)
{
	return cuMemPrefetchAsync_v2(addr, n, location_of(dev), 0, stream);
}

CUresult cuMemRangeGetAttribute(void *data, size_t size, CUmem_range_attribute attribute,
				CUdeviceptr addr, size_t n)
{
	return cuMemRangeGetAttributes(&data, &size, &attribute, 1, addr, n);
}

/* ---- batches ---- */

struct batch {
	CUdeviceptr *addrs;
	size_t *sizes, count;
	CUmemLocation *locations;
	size_t *first, nr_locations;	/* first: operation of each location */
};

static CUresult check_locations(const struct batch *b)
{
	CUresult r = CUDA_SUCCESS;

	if (!b->locations || !b->first || !b->nr_locations || b->nr_locations > b->count ||
	    b->first[0])
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < b->nr_locations && r == CUDA_SUCCESS; i++) {
		if (b->first[i] >= b->count || (i && b->first[i] <= b->first[i - 1]))
			return CUDA_ERROR_INVALID_VALUE;
		r = advice_check_location(&b->locations[i]);
	}
	return r;
}

/* What would fail fails before anything is done. Only managed memory has attributes of ranges. */
static CUresult check_batch(const struct batch *b, bool prefetch, unsigned long long flags,
			    CUstream stream)
{
	unsigned int any;
	CUresult r;

	if (!b->addrs || !b->sizes || !b->count || flags || !stream || stream == CU_STREAM_LEGACY)
		return CUDA_ERROR_INVALID_VALUE;
	r = cuStreamGetFlags(stream, &any);
	if (r == CUDA_SUCCESS && prefetch)
		r = check_locations(b);
	for (size_t i = 0; i < b->count && r == CUDA_SUCCESS; i++)
		r = cuMemRangeGetAttribute(&any, sizeof(any), CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY,
					   b->addrs[i], b->sizes[i]);
	return r;
}

CUresult cuMemPrefetchBatchAsync(CUdeviceptr *addrs, size_t *sizes, size_t count,
				 CUmemLocation *locations, size_t *first, size_t nr,
				 unsigned long long flags, CUstream stream)
{
	struct batch b = { addrs, sizes, count, locations, first, nr };
	CUresult r = check_batch(&b, true, flags, stream);

	for (size_t i = 0, l = 0; i < count && r == CUDA_SUCCESS; i++) {
		if (l + 1 < nr && first[l + 1] == i)
			l++;
		r = cuMemPrefetchAsync_v2(addrs[i], sizes[i], locations[l], 0, stream);
	}
	return r;
}

/* Discarded memory may keep its contents: they are "indeterminate". */
CUresult cuMemDiscardBatchAsync(CUdeviceptr *addrs, size_t *sizes, size_t count,
				unsigned long long flags, CUstream stream)
{
	struct batch b = { .addrs = addrs, .sizes = sizes, .count = count };

	return check_batch(&b, false, flags, stream);
}

CUresult cuMemDiscardAndPrefetchBatchAsync(CUdeviceptr *addrs, size_t *sizes, size_t count,
					   CUmemLocation *locations, size_t *first, size_t nr,
					   unsigned long long flags, CUstream stream)
{
	return cuMemPrefetchBatchAsync(addrs, sizes, count, locations, first, nr, flags, stream);
}
