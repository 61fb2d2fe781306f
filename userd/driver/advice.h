/* SPDX-License-Identifier: MIT */
/*
 * advice.h - what a program said of ranges of managed memory
 */
#ifndef DRIVER_ADVICE_H
#define DRIVER_ADVICE_H

#include <stddef.h>
#include <stdint.h>

#include "driver.h"

struct advice {
	bool read_mostly;
	CUmemLocation preferred, prefetched;	/* type INVALID: none */
	uint64_t accessed_by;			/* a bit for each device, and one for the CPU */
};

enum advice_change {
	ADVICE_READ_MOSTLY,
	ADVICE_PREFERRED,
	ADVICE_PREFETCHED,
	ADVICE_ACCESSED_BY,
};

/* Of all pages of an allocation, addresses lo to hi; its owner has the lock over it. NULL: no memory. */
struct advice_map *advice_map_create(uint64_t lo, uint64_t hi);
/* NULL is no map. */
void advice_map_destroy(struct advice_map *m);
/* Of the pages that n bytes at addr touch. False: no memory. */
bool advice_map_change(struct advice_map *m, uint64_t addr, size_t n, enum advice_change what,
		       bool set, const CUmemLocation *l);
/* What holds for all of n bytes; of no map, nothing. */
void advice_map_common(const struct advice_map *m, uint64_t addr, size_t n, struct advice *out);

/* 0, or the error, for a place that data can be moved to. */
CUresult advice_check_location(const CUmemLocation *l);
/* What cuMemAdvise() is to change; 0, or its error. */
CUresult advice_decode(CUmem_advise advice, const CUmemLocation *l, enum advice_change *what,
		       bool *set);
/* cuMemRangeGetAttribute() of a range of which a holds. */
CUresult advice_answer(const struct advice *a, void *data, size_t size, CUmem_range_attribute what);

#endif
