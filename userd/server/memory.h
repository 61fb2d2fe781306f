/* SPDX-License-Identifier: MIT */
/*
 * memory.h - the lease's device memory: one address range, whole mappings in it, a quota
 *
 * The client places, the worker maps. The range is cut into pages of the driver's granularity and
 * each page knows its mapping. The executor maps and waiters unmap, so the lock guards the pages;
 * used may be read without it.
 */
#ifndef SERVER_MEMORY_H
#define SERVER_MEMORY_H

#include <cuda.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

#define MEMORY_RANGE_BASE	0x200000000000ull
#define MEMORY_RANGE_MIN	(64ull << 30)

struct mapping {
	uint64_t addr, size;
};

struct memory {
	pthread_mutex_t lock;
	CUdevice dev;
	uint64_t base, bytes;		/* the range */
	uint64_t granularity;
	uint64_t limit;
	_Atomic uint64_t used;
	uint64_t peak;
	struct mapping **pages;
};

/* Reserves the range. */
int memory_init(struct memory *m, CUdevice dev, uint64_t total_mem);
CUresult memory_map(struct memory *m, uint64_t addr, uint64_t size);
/* Takes away the mappings that make up the span exactly; otherwise none. */
CUresult memory_unmap(struct memory *m, uint64_t addr, uint64_t size);
/* Memory that is mapped at no address of the range, as that of arrays. */
CUresult memory_charge(struct memory *m, uint64_t size);
void memory_uncharge(struct memory *m, uint64_t size);
/* CUDA_SUCCESS when all of the span is device memory: copies must not reach the worker's own. */
CUresult memory_check(struct memory *m, uint64_t addr, uint64_t size);

#endif /* SERVER_MEMORY_H */
