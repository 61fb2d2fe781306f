/* SPDX-License-Identifier: MIT */
/*
 * residency.h - blocks that a multiprocessor holds at once
 */
#ifndef VCUDA_RESIDENCY_H
#define VCUDA_RESIDENCY_H

#include <stdint.h>

/*
 * device: CUdevice_attribute, kernel: CUfunction_attribute 0 to 15; dynamic: bytes of shared memory.
 * barriers: that a block uses; block_size: up to the device's threads of a block. As the driver says it
 * on compute capability 9.0 where no split of the cache is preferred.
 */
int residency_blocks(const int *device, const int *kernel, int barriers, int block_size,
		     uint64_t dynamic);

#endif /* VCUDA_RESIDENCY_H */
