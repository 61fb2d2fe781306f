/* SPDX-License-Identifier: MIT */
/*
 * heap.h - what malloc() and free() of kernels take and give back
 */
#ifndef SOFTGPU_HEAP_H
#define SOFTGPU_HEAP_H

#include <stdbool.h>

#include "engine.h"

/* 0: no room, or no heap. Any thread. */
uint64_t heap_alloc(struct sg_heap *h, uint64_t size);
/* False: heap_alloc() did not give addr. */
bool heap_free(struct sg_heap *h, uint64_t addr);

#endif
