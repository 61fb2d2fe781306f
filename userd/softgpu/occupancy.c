/* SPDX-License-Identifier: MIT */
/*
 * occupancy.c - cuOccupancy*
 *
 * What a multiprocessor holds is computed in userd/driver/residency.c; how much of its cache is
 * shared memory is decided here.
 */
#include "occupancy.h"

#include "device.h"
#include "init.h"
#include "residency.h"

#define OCCUPANCY_FLAGS		CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE

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

unsigned int occupancy_blocks(const struct function *f, unsigned int threads, size_t dynamic)
{
	const struct sg_kernel_info *info = sg_kernel_info(f->code);
	const struct device_limits *d = device_limits();
	struct residency_limits l = {
		.blocks = d->blocks,
		.threads = d->threads,
		.registers = d->registers,
		.registers_of_block = device_attribute(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK),
		.shared_reserved = d->shared_reserved,
		.shared_unit = d->shared_unit,
	};
	struct residency_block b = {
		.threads = threads,
		.registers = info->num_regs,
		.shared = info->static_shared + dynamic,
	};

	if (dynamic > d->shared_optin || info->static_shared > d->shared_optin - dynamic)
		return 0;
	l.shared = shared_of(f, residency_shared(&l, &b));
	return residency_fit(&l, &b);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction handle,
							      int threads, size_t dynamic,
							      unsigned int flags)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	if (!blocks || threads <= 0 || (flags & ~OCCUPANCY_FLAGS))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*blocks = occupancy_blocks(f, threads, dynamic);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamic, CUfunction handle, int blocks,
						 int threads)
{
	const struct device_limits *l = device_limits();
	const struct sg_kernel_info *info;
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	info = sg_kernel_info(f->code);
	if (!dynamic || blocks <= 0 || threads <= 0 || threads > DEVICE_THREADS_PER_BLOCK ||
	    (unsigned int)blocks > occupancy_blocks(f, threads, 0))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*dynamic = residency_dynamic(&(struct residency_limits){ .shared = l->shared,
								 .shared_unit = l->shared_unit },
				     info->static_shared, blocks, function_max_dynamic_shared(f));
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
	CUresult r = function_enter(handle, &f);

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
