/* SPDX-License-Identifier: MIT */
/*
 * vmm.h - the virtual memory API: reservations, physical memory, mappings
 */
#ifndef SOFTGPU_VMM_H
#define SOFTGPU_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the n bytes at addr touch a reservation, mapped or not. Lock held. */
bool vmm_is_reserved(uint64_t addr, size_t n);
/* The reservation that holds addr. Lock held. */
bool vmm_reservation(uint64_t addr, uint64_t *lo, size_t *size);
/* CUmemAllocationHandleType bits of what is mapped at addr. Lock held. */
uint64_t vmm_handle_types(uint64_t addr);

#endif
