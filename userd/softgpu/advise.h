/* SPDX-License-Identifier: MIT */
/*
 * advise.h - what the program said about ranges of managed memory
 *
 * Nothing moves here: host and device are the same. The advice is kept for those who ask.
 */
#ifndef SOFTGPU_ADVISE_H
#define SOFTGPU_ADVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"

/* All with the lock held. */

/* True when all n bytes are managed memory of one allocation. */
bool managed_holds(uint64_t addr, size_t n);
/* 0, or the error, for a place that data can be moved to. */
CUresult managed_check_location(const CUmemLocation *l);
/* CUDA 11's way of naming it: a device, or CU_DEVICE_CPU. */
CUmemLocation managed_location(CUdevice dev);
CUresult advise_prefetched(uint64_t addr, size_t n, const CUmemLocation *l);

#endif
