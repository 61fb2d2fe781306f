/* SPDX-License-Identifier: MIT */
/*
 * occupancy.h - how many blocks of a function fit on a multiprocessor
 */
#ifndef SOFTGPU_OCCUPANCY_H
#define SOFTGPU_OCCUPANCY_H

#include <stddef.h>

#include "module.h"

/* With this many threads and bytes of dynamic shared memory a block. */
unsigned int occupancy_blocks(const struct function *f, unsigned int threads, size_t dynamic);

#endif
