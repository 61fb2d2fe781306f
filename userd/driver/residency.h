/* SPDX-License-Identifier: MIT */
/*
 * residency.h - blocks that a multiprocessor holds at once
 */
#ifndef DRIVER_RESIDENCY_H
#define DRIVER_RESIDENCY_H

#include <stdbool.h>
#include <stdint.h>

/* What a multiprocessor has. */
struct residency_limits {
	uint32_t blocks, threads;
	uint32_t registers, registers_of_block;
	uint32_t shared;		/* bytes, all blocks together */
	uint32_t shared_reserved;	/* bytes the system takes of each block */
	uint32_t shared_unit;		/* bytes that a block's share is a multiple of */
};

/* What a block takes of it. */
struct residency_block {
	uint32_t threads;		/* at least one */
	uint32_t registers;		/* of a thread */
	uint32_t barriers;		/* 0: not known to bound anything */
	uint64_t shared;		/* bytes, all that it declares and is launched with */
};

uint64_t residency_fit(const struct residency_limits *l, const struct residency_block *b);
/* Bytes of shared memory that such a block takes. */
uint64_t residency_shared(const struct residency_limits *l, const struct residency_block *b);

/*
 * Bytes of dynamic shared memory that so many blocks leave each other as a driver says it, up to most:
 * it does not count what the system takes of each. declared: what one has without any.
 */
uint64_t residency_dynamic(const struct residency_limits *l, uint64_t declared, uint32_t blocks,
			   uint64_t most);

/*
 * device: CUdevice_attribute, kernel: CUfunction_attribute 0 to 15; dynamic: bytes of shared memory.
 * barriers: that a block uses; block_size: up to the device's threads of a block. As the driver says it
 * on compute capability 9.0 where no split of the cache is preferred.
 */
int residency_blocks(const int *device, const int *kernel, int barriers, int block_size,
		     uint64_t dynamic);
/* The same of the dynamic shared memory that so many blocks leave each other; false: they do not fit. */
bool residency_available(const int *device, const int *kernel, int barriers, int block_size,
			 int blocks, uint64_t *bytes);

#endif
