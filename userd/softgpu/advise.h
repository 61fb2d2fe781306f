/* SPDX-License-Identifier: MIT */
/*
 * advise.h - what the program said about ranges of managed memory
 *
 * Nothing moves here: host and device are the same. The advice is kept for those who ask.
 */
#ifndef SOFTGPU_ADVISE_H
#define SOFTGPU_ADVISE_H

#include <stddef.h>
#include <stdint.h>

#include "api.h"

/* With the lock held. */
CUresult advise_prefetched(uint64_t addr, size_t n, const CUmemLocation *l);

#endif
