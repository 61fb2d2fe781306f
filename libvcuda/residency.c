// SPDX-License-Identifier: MIT
/*
 * residency.c - how many blocks of a kernel a multiprocessor holds, from what it has and they need
 *
 * The rules are those of the toolkit's cuda_occupancy.h. tests/gpu/attributes.c compares them with a
 * driver's answers.
 */
#include "residency.h"

#include <cuda.h>

#define PARTITIONS	4u	/* of a multiprocessor, each with its part of the registers */
#define REGISTERS_UNIT	256u	/* that a warp gets */
#define SHARED_UNIT	128u	/* bytes */
#define BARRIERS	2u	/* for each block that there is room for at most */

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static uint64_t by_registers(const int *d, const int *k, uint64_t warps)
{
	uint64_t of_warp = round_up((uint64_t)k[CU_FUNC_ATTRIBUTE_NUM_REGS] * 32, REGISTERS_UNIT);
	uint64_t all = d[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR];

	if (of_warp * round_up(warps, PARTITIONS) >
	    (uint64_t)d[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK])
		return 0;
	return of_warp ? all / PARTITIONS / of_warp * PARTITIONS / warps : UINT64_MAX;
}

static uint64_t by_shared_memory(const int *d, const int *k, uint64_t dynamic)
{
	uint64_t own = (uint64_t)k[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES] + dynamic;
	uint64_t of_block = round_up(own + d[CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK],
				     SHARED_UNIT);

	if (dynamic > (uint64_t)k[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES])
		return 0;
	return of_block ? d[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR] / of_block
			: UINT64_MAX;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * cuda_occupancy.h gives none where a block has more threads than __launch_bounds__ allows; a driver
 * asks whether there is room, and not that.
 */
int residency_blocks(const int *device, const int *kernel, int barriers, int block_size,
		     uint64_t dynamic)
{
	uint64_t warps = ((uint64_t)block_size + 31) / 32;
	uint64_t max = device[CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR];

	if (dynamic > UINT32_MAX)
		return 0;
	if (barriers > 0)
		max = least(max, max * BARRIERS / barriers);
	max = least(max, device[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR] / 32 / warps);
	max = least(max, by_registers(device, kernel, warps));
	return least(max, by_shared_memory(device, kernel, dynamic));
}
