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

/* Where worker and program both have room. ThreadSanitizer's shadow lies there; it leaves the first 512 GiB. */
#ifdef __SANITIZE_THREAD__
#define MEMORY_RANGE_BASE	0x1000000000ull
#else
#define MEMORY_RANGE_BASE	0x200000000000ull
#endif
#define MEMORY_RANGE_MIN	(64ull << 30)

/* Memory of cuMemCreate(): counts from then until neither its number nor a mapping is left. */
struct physical {
	CUmemGenericAllocationHandle real;
	uint64_t size;
	unsigned int refs;
};

struct mapping {
	uint64_t addr, size;
	uint64_t id;			/* never used twice */
	struct physical *physical;	/* NULL: memory of its own */
};

struct memory {
	pthread_mutex_t lock;
	CUdevice dev;
	uint64_t base, bytes;		/* the range */
	uint64_t granularity;
	uint64_t limit;
	_Atomic uint64_t used;
	uint64_t peak;
	uint64_t last_id;
	bool shareable;			/* other processes can be given what is mapped */
	struct mapping **pages;
};

/* Reserves the range. */
int memory_init(struct memory *m, CUdevice dev, uint64_t total_mem);
CUresult memory_map(struct memory *m, uint64_t addr, uint64_t size);
/* Takes away the mappings that make up the span exactly; otherwise none. */
CUresult memory_unmap(struct memory *m, uint64_t addr, uint64_t size);
/* Maps what another process's descriptor stands for. */
CUresult memory_map_fd(struct memory *m, uint64_t addr, uint64_t size, int fd);
/* The id of the mapping that is the span exactly; 0: there is none, or it is of cuMemCreate(). */
uint64_t memory_mapping_id(struct memory *m, uint64_t addr, uint64_t size);

/* Memory that memory_map() does not map, as that of arrays and of cuMemCreate(). */
CUresult memory_charge(struct memory *m, uint64_t size);
void memory_uncharge(struct memory *m, uint64_t size);
CUmemAllocationProp memory_prop(const struct memory *m);
CUresult memory_map_physical(struct memory *m, uint64_t addr, uint64_t size, struct physical *p);
CUresult memory_unmap_physical(struct memory *m, uint64_t addr, uint64_t size);
/* True when mappings of cuMemCreate() make up the span exactly. */
bool memory_is_physical(struct memory *m, uint64_t addr, uint64_t size);
void memory_put_physical(struct memory *m, struct physical *p);

/* CUDA_SUCCESS when all of the span is device memory: copies must not reach the worker's own. */
CUresult memory_check(struct memory *m, uint64_t addr, uint64_t size);

#endif /* SERVER_MEMORY_H */
