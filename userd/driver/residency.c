// SPDX-License-Identifier: MIT
/*
 * residency.c - how many blocks of a kernel a multiprocessor holds, from what it has and they need
 *
 * The rules are those of the toolkit's cuda_occupancy.h. tests/gpu/attributes.c compares them with a
 * driver's answers.
 */
#include "residency.h"

#include <cuda.h>

#define WARP		32u	/* threads */
#define PARTITIONS	4u	/* of a multiprocessor, each with its part of the registers */
#define REGISTERS_UNIT	256u	/* that a warp gets */
#define SHARED_UNIT	128u	/* bytes, on compute capability 9.0 */
#define BARRIERS	2u	/* for each block that there is room for at most */

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A warp's registers lie in one of the partitions. */
static uint64_t by_registers(const struct residency_limits *l, const struct residency_block *b,
			     uint64_t warps)
{
	uint64_t of_warp = round_up((uint64_t)b->registers * WARP, REGISTERS_UNIT);

	if (of_warp * round_up(warps, PARTITIONS) > l->registers_of_block)
		return 0;
	return of_warp ? l->registers / PARTITIONS / of_warp * PARTITIONS / warps : UINT64_MAX;
}

uint64_t residency_shared(const struct residency_limits *l, const struct residency_block *b)
{
	return round_up(b->shared + l->shared_reserved, l->shared_unit);
}

uint64_t residency_fit(const struct residency_limits *l, const struct residency_block *b)
{
	uint64_t warps = ((uint64_t)b->threads + WARP - 1) / WARP;
	uint64_t shared = residency_shared(l, b), max = l->blocks;

	if (b->barriers)
		max = least(max, max * BARRIERS / b->barriers);
	max = least(max, l->threads / WARP / warps);
	max = least(max, by_registers(l, b, warps));
	return shared ? least(max, l->shared / shared) : max;
}

uint64_t residency_dynamic(const struct residency_limits *l, uint64_t declared, uint32_t blocks,
			   uint64_t most)
{
	uint64_t room = l->shared / blocks / l->shared_unit * l->shared_unit;

	return least(room - least(room, declared), most);
}

static struct residency_limits limits_of(const int *device)
{
	return (struct residency_limits){
		.blocks = device[CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR],
		.threads = device[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR],
		.registers = device[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR],
		.registers_of_block = device[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK],
		.shared = device[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR],
		.shared_reserved = device[CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK],
		.shared_unit = SHARED_UNIT,
	};
}

/*
 * cuda_occupancy.h gives none where a block has more threads than __launch_bounds__ allows; a driver
 * asks whether there is room, and not that.
 */
int residency_blocks(const int *device, const int *kernel, int barriers, int block_size,
		     uint64_t dynamic)
{
	const struct residency_limits l = limits_of(device);
	const struct residency_block b = {
		.threads = block_size,
		.registers = kernel[CU_FUNC_ATTRIBUTE_NUM_REGS],
		.barriers = barriers > 0 ? barriers : 0,
		.shared = (uint64_t)kernel[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES] + dynamic,
	};

	if (dynamic > UINT32_MAX ||
	    dynamic > (uint64_t)kernel[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES])
		return 0;
	return residency_fit(&l, &b);
}

bool residency_available(const int *device, const int *kernel, int barriers, int block_size,
			 int blocks, uint64_t *bytes)
{
	const struct residency_limits l = limits_of(device);

	if (blocks > residency_blocks(device, kernel, barriers, block_size, 0))
		return false;
	*bytes = residency_dynamic(&l, kernel[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES], blocks,
				   kernel[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES]);
	return true;
}
