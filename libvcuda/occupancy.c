// SPDX-License-Identifier: MIT
/*
 * occupancy.c - cuOccupancy*
 *
 * Computed where the rules were compared with a driver's answers; else the server is asked, once for
 * each question about kernels of the same needs.
 */
#include <stddef.h>
#include <string.h>

#include "module.h"
#include "residency.h"

static const int *device(void)
{
	return vcuda_lease()->devices[vcuda_current_device()].attributes;
}

/* A preference for how the cache is split is the driver's to weigh. */
static bool is_computed(const struct vcuda_kernel *k)
{
	const int *d = device();

	return d[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR] == 9 &&
	       d[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR] == 0 &&
	       k->attribute_mask == (1u << VWIRE_KERNEL_ATTRIBUTES) - 1 && !k->cache_config &&
	       k->barriers >= 0 &&
	       k->attributes[CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT] == -1;
}

CUresult vcuda_memo_kernel(struct vcuda_call *c, const struct vcuda_kernel *k)
{
	struct {
		int needs[VWIRE_KERNEL_ATTRIBUTES];
		int barriers;
		uint32_t own;		/* of a kernel with a preference that the driver weighs, its number */
		uint64_t code;		/* of one whose barriers are not known: which code it is */
		uint8_t args[512];
	} key = { .barriers = k->barriers };
	size_t n = wr_len(&c->wr), number = sizeof(uint32_t);

	if (k->cache_config)
		key.own = k->function;
	if (!k->attribute_mask || k->barriers < 0)
		key.code = vcuda_kernel_code(k);
	if (n < number || n - number > sizeof(key.args))
		return vcuda_memo(c);
	memcpy(key.needs, k->attributes, sizeof(key.needs));
	/* what an image was made from, and its constants, take no room on a multiprocessor */
	key.needs[CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES] = 0;
	key.needs[CU_FUNC_ATTRIBUTE_PTX_VERSION] = 0;
	key.needs[CU_FUNC_ATTRIBUTE_BINARY_VERSION] = 0;
	memcpy(key.args, c->buf + number, n - number);
	return vcuda_memo_as(c, &key, offsetof(typeof(key), args) + n - number);
}

CUresult hand_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction fn,
								   int block_size, size_t shared,
								   unsigned int flags)
{
	struct vcuda_kernel *k;
	struct vcuda_call c;
	CUresult r = vcuda_kernel_get(fn, &k);

	if (r)
		return r;
	if (!blocks || block_size <= 0 || flags & ~CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE)
		return CUDA_ERROR_INVALID_VALUE;
	if (is_computed(k) && block_size <= device()[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK]) {
		*blocks = residency_blocks(device(), k->attributes, k->barriers, block_size,
					   shared);
		return vcuda_sticky_error();
	}
	r = vcuda_kernel_use(fn, &k);
	if (r)
		return r;
	vcuda_begin(&c, CUDA_ID_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags);
	vcuda_put_u64(&c, k->function);
	vcuda_put_u64(&c, block_size);
	vcuda_put_u64(&c, shared);
	vcuda_put_u64(&c, flags);
	vcuda_want_scalar(&c, blocks, sizeof(*blocks), false);
	return vcuda_memo_kernel(&c, k);
}

CUresult hand_cuOccupancyAvailableDynamicSMemPerBlock(size_t *bytes, CUfunction fn, int blocks,
						      int block_size)
{
	struct vcuda_kernel *k;
	struct vcuda_call c;
	uint64_t room;
	CUresult r = vcuda_kernel_get(fn, &k);

	if (r)
		return r;
	if (!bytes || blocks <= 0 || block_size <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (is_computed(k) && block_size <= device()[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK]) {
		if (!residency_available(device(), k->attributes, k->barriers, block_size, blocks,
					 &room))
			return vcuda_sticky_error() ?: CUDA_ERROR_INVALID_VALUE;
		*bytes = room;
		return vcuda_sticky_error();
	}
	r = vcuda_kernel_use(fn, &k);
	if (r)
		return r;
	vcuda_begin(&c, CUDA_ID_cuOccupancyAvailableDynamicSMemPerBlock);
	vcuda_put_u64(&c, k->function);
	vcuda_put_u64(&c, blocks);
	vcuda_put_u64(&c, block_size);
	vcuda_want_scalar(&c, bytes, sizeof(*bytes), false);
	return vcuda_memo_kernel(&c, k);
}
