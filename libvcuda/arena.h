/* SPDX-License-Identifier: MIT */
/*
 * arena.h - the lease's address range, and what memory the lease may still have
 *
 * The range is cut into granules (2 MiB on hardware). Who needs memory takes a run of them and says
 * what it is for; what lies inside the run is the taker's business. A run that goes keeps its
 * addresses until the worker has finished the work that came before and says so
 * (VWIRE_OP_FREED).
 *
 * All functions want the lock, but for those that say otherwise.
 */
#ifndef VCUDA_ARENA_H
#define VCUDA_ARENA_H

#include "vcuda.h"

enum arena_kind {
	ARENA_FREE,
	ARENA_DEVICE,		/* one large allocation: memory.c */
	ARENA_CHUNK,		/* small ones: chunk.c */
	ARENA_POOL,		/* a pool's segment: mempool.c */
	ARENA_MANAGED,		/* managed.c */
	ARENA_PINNED,		/* the program's memory, which the device could see here: host.c */
	ARENA_HOST,		/* and does */
	ARENA_SHADOW,		/* the device's view of memory that lies elsewhere: view.c */
	ARENA_RESERVED,		/* addresses that the program maps memory at: vmm.c */
	ARENA_IMPORT,		/* another process's memory: ipc.c */
	ARENA_LEAVING,
};

/* Part of the taker's own struct. */
struct arena_run {
	enum arena_kind kind;
	bool mapped;		/* the device has memory there, which counts */
	uint64_t addr, granules;
};

/* What becomes free once the work before it is done. */
struct arena_pending {
	struct arena_pending *next;
	uint64_t seq;
	void (*done)(struct arena_pending *p);
};

void vcuda_arena_init(void);
void vcuda_arena_lock(void);
void vcuda_arena_unlock(void);
/* In bytes. */
uint64_t vcuda_arena_granule(void);
/* Rounded up; 0: more than there can be. */
uint64_t vcuda_arena_granules(uint64_t bytes);
/* The range is this process's too, so that memory of the program can lie there. */
bool vcuda_arena_is_ours(void);

/* Addresses for a run. align: in granules; hint: where, if it is free there. No frame is sent. */
CUresult vcuda_arena_take(struct arena_run *r, enum arena_kind kind, uint64_t granules,
			  uint64_t align, uint64_t hint);
/* The same, and memory of the device's. May drop the lock: what was found before may be gone. */
CUresult vcuda_arena_map(struct arena_run *r, enum arena_kind kind, uint64_t granules);
/* Memory for a run that was taken without. */
CUresult vcuda_arena_back(struct arena_run *r);
/* The run is for something else from now on. */
void vcuda_arena_become(struct arena_run *r, enum arena_kind kind);
/* Addresses that have no memory any more, or never had: free at once. */
void vcuda_arena_drop(struct arena_run *r);
/* Gives memory and addresses back; r is freed when that is done. */
CUresult vcuda_arena_leave(struct arena_run *r);
/* Calls done() when all work before it is done; p is the caller's. */
CUresult vcuda_arena_after(struct arena_pending *p);
/* Handles what the worker has said. */
void vcuda_arena_reap(void);
/* NULL: free, or not in the range. */
struct arena_run *vcuda_arena_at(uint64_t addr);
/* Without the lock. */
bool vcuda_arena_holds(uint64_t addr);
enum arena_kind vcuda_arena_kind(uint64_t addr);

/* Room in the limit for memory at no address of the range. May drop the lock. */
CUresult vcuda_arena_charge(uint64_t bytes);
void vcuda_arena_uncharge(uint64_t bytes);
uint64_t vcuda_arena_free_bytes(void);

/* Memory is short: whoever keeps some that is not in use lets it leave. */
void vcuda_chunks_shrink(void);
void vcuda_pools_shrink(void);

/* What an address belongs to. */
struct advice_map;

struct vcuda_range {
	enum arena_kind kind;
	uint64_t start, size, id;
	CUcontext ctx;
	CUmemoryPool pool;
	bool *sync_memops;		/* NULL: cannot be set; good while the lock is held */
	bool is_sync_memops;
	struct advice_map **advice;	/* of managed memory; likewise */
};

/* Of the range's memory; with the lock. */
bool vcuda_memory_lookup(uint64_t addr, struct vcuda_range *out);
/* Takes the lock itself, as vcuda_mem_range() does. */
bool vcuda_mem_find(uint64_t addr, struct vcuda_range *out);
CUresult vcuda_mem_set_sync_memops(uint64_t addr, bool on);

uint64_t vcuda_memory_id(void);		/* of a new allocation: never used twice */
bool vcuda_pool_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out);
bool vcuda_host_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out);
/* Of pinned or registered memory of the program; takes a lock itself. */
bool vcuda_host_range(uint64_t addr, struct vcuda_range *out);
bool vcuda_ipc_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out);
void vcuda_ipc_context(CUcontext ctx);
/* The server's name for something of this process, and something by such a name. */
CUresult vcuda_share(enum cuda_id id, const uint64_t *args, unsigned int n,
		     struct vwire_token *token);
CUresult vcuda_open_shared(enum cuda_id id, const struct vwire_token *token, const uint64_t *args,
			   unsigned int n);
/* cuMemFree() of a pool's memory. */
CUresult vcuda_pool_free(struct arena_run *r, uint64_t addr);
void vcuda_pools_context(CUcontext ctx);

#endif
