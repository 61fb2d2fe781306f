/* SPDX-License-Identifier: MIT */
/*
 * memory.c - a double of softgpu's memory.c for programs that drive the engine by itself
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define MAX_BYTES (64u << 20)	/* of one allocation */
#define MAX_RANGES 1024

static struct {
	uint64_t lo, hi;
} ranges[MAX_RANGES];
static size_t nr_ranges;
static uint64_t generation = 1;

uint64_t sg_mem_alloc(size_t size, size_t align)
{
	void *p = NULL;

	if (size > MAX_BYTES || nr_ranges == MAX_RANGES || posix_memalign(&p, align < 256 ? 256 : align, size))
		return 0;
	memset(p, 0, size);
	ranges[nr_ranges].lo = (uintptr_t)p;
	ranges[nr_ranges++].hi = (uintptr_t)p + size;
	return (uintptr_t)p;
}

bool sg_mem_free(uint64_t addr)
{
	for (size_t i = 0; i < nr_ranges; i++) {
		if (ranges[i].lo != addr)
			continue;
		free((void *)(uintptr_t)addr);
		ranges[i] = ranges[--nr_ranges];
		generation++;
		return true;
	}
	return false;
}

uint64_t sg_mem_alloc_managed(size_t size, size_t align)
{
	return sg_mem_alloc(size, align);
}

bool sg_mem_is_read_only(uint64_t addr, size_t n)
{
	(void)addr;
	(void)n;
	return false;
}

bool sg_mem_find(uint64_t addr, uint64_t *lo, uint64_t *hi)
{
	for (size_t i = 0; i < nr_ranges; i++) {
		if (addr < ranges[i].lo || addr >= ranges[i].hi)
			continue;
		*lo = ranges[i].lo;
		*hi = ranges[i].hi;
		return true;
	}
	return false;
}

uint64_t sg_mem_generation(void)
{
	return generation;
}
