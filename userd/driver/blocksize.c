// SPDX-License-Identifier: MIT
/*
 * blocksize.c - cuOccupancyMaxPotentialBlockSize*(): from how many blocks of each size fit
 */
#include "driver.h"

#define WARP			32
#define BLOCK_THREADS_MAX	4096	/* more than any device takes */

/*
 * The block size, a multiple of the warp or the limit, that keeps most threads of a multiprocessor
 * busy; of equal ones the largest.
 */
CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *min_grid, int *block, CUfunction fn,
						   CUoccupancyB2DSize shared_of, size_t shared,
						   int limit, unsigned int flags)
{
	unsigned int best = 0, resident, multiprocessors;
	int max, n;
	CUresult r = cuFuncGetAttribute(&max, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, fn);

	if (r != CUDA_SUCCESS)
		return r;
	if (!min_grid || !block || limit < 0 || (flags & ~CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE))
		return CUDA_ERROR_INVALID_VALUE;
	if (max > BLOCK_THREADS_MAX)
		max = BLOCK_THREADS_MAX;
	if (limit && limit < max)
		max = limit;
	resident = device_attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
	multiprocessors = device_attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
	*block = *min_grid = 0;
	for (int size = (max + WARP - 1) / WARP * WARP; size > 0 && best < resident; size -= WARP) {
		int threads = size < max ? size : max;

		r = cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
			&n, fn, threads, shared_of ? shared_of(threads) : shared, flags);
		if (r != CUDA_SUCCESS)
			return r;
		if ((unsigned int)n * threads <= best)
			continue;
		best = (unsigned int)n * threads;
		*block = threads;
		*min_grid = (unsigned int)n * multiprocessors;
	}
	return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int *min_grid, int *block, CUfunction fn,
					  CUoccupancyB2DSize shared_of, size_t shared, int limit)
{
	return cuOccupancyMaxPotentialBlockSizeWithFlags(min_grid, block, fn, shared_of, shared,
							 limit, CU_OCCUPANCY_DEFAULT);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction fn, int threads,
						     size_t shared)
{
	return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, fn, threads, shared,
								    CU_OCCUPANCY_DEFAULT);
}
