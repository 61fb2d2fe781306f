/* SPDX-License-Identifier: MIT */
/*
 * occupancy.c - cuOccupancy*
 *
 * The rules are the documented ones (CUDA programming guide, "Compute capabilities"; CUDA occupancy
 * calculator): a block takes whole warps, registers in units of 256 a warp, shared memory in units.
 */
#include "occupancy.h"

#include "device.h"
#include "init.h"

#define WARP			32
#define REGISTER_UNIT		256
#define OCCUPANCY_FLAGS		CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE

static unsigned int round_up(unsigned int n, unsigned int to)
{
	return (n + to - 1) / to * to;
}

static unsigned int at_most(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* A warp's registers lie in one of the partitions. */
static unsigned int blocks_for_registers(const struct sg_kernel_info *info, unsigned int warps)
{
	const struct device_limits *l = device_limits();
	unsigned int of_warp = round_up(info->num_regs * WARP, REGISTER_UNIT);

	if (!of_warp)
		return l->blocks;
	return l->registers / DEVICE_REGISTER_PARTITIONS / of_warp * DEVICE_REGISTER_PARTITIONS /
	       warps;
}

/* The smallest part of the cache, in bytes, that is shared memory and holds n bytes. */
static unsigned int split_for(unsigned int n)
{
	const struct device_limits *l = device_limits();
	const unsigned short *s = l->splits;

	while (*s * 1024u < n && *s * 1024u < l->shared)
		s++;
	return *s * 1024u;
}

/*
 * Shared memory of a multiprocessor that runs f: all that there can be, or what the program asked
 * for in per cent of that, as long as one block fits.
 */
static unsigned int shared_of(const struct function *f, unsigned int block)
{
	unsigned int most = device_limits()->shared, preferred;
	int percent = function_carveout(f);

	if (percent < 0)
		return most;
	preferred = split_for((unsigned int)((uint64_t)most * percent / 100));
	return preferred >= block ? preferred : split_for(block);
}

static unsigned int blocks_for_shared(const struct function *f, size_t dynamic)
{
	const struct sg_kernel_info *info = sg_kernel_info(f->code);
	const struct device_limits *l = device_limits();
	unsigned int n;

	if (dynamic > l->shared_optin || info->static_shared > l->shared_optin - dynamic)
		return 0;
	n = round_up(info->static_shared + dynamic + l->shared_reserved, l->shared_unit);
	return n ? shared_of(f, n) / n : l->blocks;
}

unsigned int occupancy_blocks(const struct function *f, unsigned int threads, size_t dynamic)
{
	const struct sg_kernel_info *info = sg_kernel_info(f->code);
	const struct device_limits *l = device_limits();
	unsigned int warps = (threads + WARP - 1) / WARP, n;

	n = at_most(l->blocks, l->threads / WARP / warps);
	n = at_most(n, blocks_for_registers(info, warps));
	return at_most(n, blocks_for_shared(f, dynamic));
}

static CUresult enter(CUfunction handle, struct function **f)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = function_find(ctx, handle, f);
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction handle,
							      int threads, size_t dynamic,
							      unsigned int flags)
{
	struct function *f;
	CUresult r = enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	if (!blocks || threads <= 0 || (flags & ~OCCUPANCY_FLAGS))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*blocks = occupancy_blocks(f, threads, dynamic);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction handle, int threads,
						     size_t dynamic)
{
	return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, handle, threads,
								    dynamic, 0);
}

struct best {
	int threads;
	unsigned int blocks;
};

/*
 * The largest block among those with which most threads are resident. The program's function runs
 * without the lock.
 */
static CUresult search(CUfunction handle, CUoccupancyB2DSize shared_of, size_t dynamic, int limit,
		       struct best *best)
{
	unsigned int most = 0;
	int threads, n;

	for (threads = round_up(limit, WARP); threads > 0; threads -= WARP) {
		int t = threads < limit ? threads : limit;
		CUresult r;

		r = cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
			&n, handle, t, shared_of ? shared_of(t) : dynamic, 0);
		if (r != CUDA_SUCCESS)
			return r;
		if ((unsigned int)n * t > most) {
			most = n * t;
			*best = (struct best){ t, n };
		}
	}
	return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *min_grid, int *block, CUfunction handle,
						   CUoccupancyB2DSize shared_of, size_t dynamic,
						   int limit, unsigned int flags)
{
	struct best best = { 0, 0 };
	struct function *f;
	CUresult r = enter(handle, &f);
	int max;

	if (r != CUDA_SUCCESS)
		return r;
	max = sg_kernel_info(f->code)->max_threads;
	driver_unlock();
	if (!min_grid || !block || limit < 0 || (flags & ~OCCUPANCY_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	if (limit && limit < max)
		max = limit;
	r = search(handle, shared_of, dynamic, max, &best);
	if (r != CUDA_SUCCESS)
		return r;
	*block = best.threads;
	*min_grid = best.blocks * device_multiprocessors();
	return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int *min_grid, int *block, CUfunction handle,
					  CUoccupancyB2DSize shared_of, size_t dynamic, int limit)
{
	return cuOccupancyMaxPotentialBlockSizeWithFlags(min_grid, block, handle, shared_of,
							 dynamic, limit, 0);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamic, CUfunction handle, int blocks,
						 int threads)
{
	const struct device_limits *l = device_limits();
	const struct sg_kernel_info *info;
	unsigned int room;
	struct function *f;
	CUresult r = enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	info = sg_kernel_info(f->code);
	if (!dynamic || blocks <= 0 || threads <= 0 || threads > DEVICE_THREADS_PER_BLOCK ||
	    (unsigned int)blocks > occupancy_blocks(f, threads, 0))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	room = l->shared / blocks / l->shared_unit * l->shared_unit;
	room -= at_most(room, l->shared_reserved);
	room = at_most(room, l->shared_optin);
	*dynamic = room - at_most(room, info->static_shared);
	return context_leave(CUDA_SUCCESS);
}

/* The blocks of a cluster that a launch asks for; 0: it does not say, or not with three sizes. */
static uint64_t cluster_of(const CUlaunchConfig *c)
{
	for (unsigned int i = 0; i < c->numAttrs; i++) {
		const CUlaunchAttributeValue *v = &c->attrs[i].value;

		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
			return v->clusterDim.x && v->clusterDim.y && v->clusterDim.z &&
			       v->clusterDim.x <= 1024 && v->clusterDim.y <= 1024 ?
			       (uint64_t)v->clusterDim.x * v->clusterDim.y * v->clusterDim.z : 0;
	}
	return 0;
}

/* Checks what both calls take; *blocks of that shape fit on a multiprocessor. */
static CUresult config_blocks(CUfunction handle, const CUlaunchConfig *c, const int *out,
			      unsigned int *blocks)
{
	struct function *f;
	uint64_t threads;
	CUresult r = enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !c || (c->numAttrs && !c->attrs) || c->blockDimX > DEVICE_THREADS_PER_BLOCK ||
	    c->blockDimY > DEVICE_THREADS_PER_BLOCK || c->blockDimZ > DEVICE_THREADS_PER_BLOCK)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	threads = (uint64_t)c->blockDimX * c->blockDimY * c->blockDimZ;
	if (!threads || threads > DEVICE_THREADS_PER_BLOCK)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*blocks = occupancy_blocks(f, threads, c->sharedMemBytes);
	return context_leave(CUDA_SUCCESS);
}

/* A cluster is one block here. */
CUresult cuOccupancyMaxPotentialClusterSize(int *size, CUfunction f, const CUlaunchConfig *c)
{
	unsigned int blocks;
	CUresult r = config_blocks(f, c, size, &blocks);

	if (r == CUDA_SUCCESS)
		*size = blocks ? 1 : 0;
	return r;
}

CUresult cuOccupancyMaxActiveClusters(int *clusters, CUfunction f, const CUlaunchConfig *c)
{
	unsigned int blocks;
	CUresult r = config_blocks(f, c, clusters, &blocks);

	if (r == CUDA_SUCCESS && cluster_of(c) != 1)
		r = cluster_of(c) ? CUDA_ERROR_INVALID_CLUSTER_SIZE : CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		*clusters = blocks * device_multiprocessors();
	return r;
}
