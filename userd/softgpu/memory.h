/* SPDX-License-Identifier: MIT */
/*
 * memory.h - softgpu's device memory: live allocations by address
 *
 * One sorted set of live intervals serves allocation, the virtual memory API and the engine's check
 * of every access of a kernel.
 */
#ifndef SOFTGPU_MEMORY_H
#define SOFTGPU_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Takes size bytes, aligned to align (a power of two, at least 256 is given), zero-filled; of no
 * device until mem_assign(). 0: no memory.
 */
uint64_t sg_mem_alloc(size_t size, size_t align);
/* The same for a variable that the host may use, too (.attribute(.managed)). */
uint64_t sg_mem_alloc_managed(size_t size, size_t align);
/* Gives back what sg_mem_alloc() gave. false: no live allocation starts there. */
bool sg_mem_free(uint64_t addr);

/*
 * The live interval [*lo, *hi) that holds addr; false when none does that the calling thread's
 * sg_reach (engine.h) lets it touch. Adjacent mappings of one
 * reservation are one interval. The engine keeps the answer as long as sg_mem_generation() does not
 * change: it grows with each free or unmap.
 */
bool sg_mem_find(uint64_t addr, uint64_t *lo, uint64_t *hi);
/* Only loads may touch these n bytes: sg_mem_find() does not know them. */
bool sg_mem_is_read_only(uint64_t addr, size_t n);
uint64_t sg_mem_generation(void);

/* The rest is the driver side's. */

enum mem_kind {
	MEM_DEVICE,		/* cuMemAlloc() */
	MEM_MODULE,		/* sg_mem_alloc(): variables of modules */
	MEM_HOST,		/* cuMemHostAlloc() */
	MEM_REGISTERED,		/* cuMemHostRegister(): the program's own */
	MEM_MAPPED,		/* cuMemMap() with access */
	MEM_MANAGED,		/* cuMemAllocManaged() */
	MEM_POOL,		/* cuMemAllocAsync(): pages and accounting are the pool's */
	MEM_IPC,		/* cuIpcOpenMemHandle(): another process pays */
	MEM_GRAPH,		/* of an allocation node: the address stays reserved */
};

/* Of the host, or the engine's own: open to all devices and not counted. */
#define MEM_NO_DEVICE	(-1)

struct mem_range {
	uint64_t lo;
	size_t size;		/* as asked for */
	size_t bytes;		/* mapped, and counted for device memory */
	enum mem_kind kind;
	bool dying;		/* only work that is queued already may still use it */
	bool hidden;		/* no work at all that looks for it from now on */
	bool managed;		/* MEM_MANAGED, and variables declared so */
	bool sync_memops;	/* CU_POINTER_ATTRIBUTE_SYNC_MEMOPS */
	unsigned int flags;
	void *owner;		/* context, or NULL */
	int device;		/* whose memory it is, or MEM_NO_DEVICE */
	uint32_t access;	/* 0, or the devices that may touch it, a bit each, peers or not */
	uint32_t read_only;	/* devices that may load, but not store */
	uint64_t group;		/* reservation of a MEM_MAPPED range, else 0 */
	int shared_fd;		/* behind it, for other processes; closed with it; 0: none */
	uint64_t id;		/* never used twice */
};

/* Like sg_mem_alloc(), for an owner: device memory is its device's; or host memory. */
uint64_t mem_alloc(size_t size, size_t align, enum mem_kind kind, unsigned int flags, void *owner);
/*
 * Makes an address range that the caller has reserved memory, counted, until mem_remove() leaves it
 * reserved. r->bytes is a multiple of the page size.
 */
bool mem_commit(const struct mem_range *r);
/* Adds memory that somebody else mapped; false when it overlaps something or there is no memory. */
bool mem_add(const struct mem_range *r);
/*
 * Removes the range that starts at addr; unmaps it if it was mapped here. False: there is none of
 * that kind.
 */
bool mem_remove(uint64_t addr, enum mem_kind kind);
/*
 * Marks the range that starts at addr as dying. False: there is none of that kind, or somebody else
 * is at it.
 */
bool mem_retire(uint64_t addr, enum mem_kind kind);
/*
 * Of a range that was retired, once the work that was queued before has run: what another thread has
 * queued since finds it no more. What has found it may still be at it.
 */
void mem_hide(uint64_t addr, enum mem_kind kind);
/* Takes mem_retire() back. */
void mem_revive(uint64_t addr, enum mem_kind kind);
/* Changes what the rest of the driver may change: sync_memops, shared_fd. False: no such range. */
bool mem_update(const struct mem_range *r);
/* The same for all that owner has, and the end of it. */
void mem_retire_owner(void *owner);
void mem_hide_owner(void *owner);
void mem_release_owner(void *owner);

/* The range that holds addr. */
bool mem_lookup(uint64_t addr, struct mem_range *r);
/*
 * True when the n bytes at addr lie in live memory that is not dying, across adjacent mappings of
 * one reservation if need be.
 */
bool mem_holds(uint64_t addr, size_t n);
/* The same, and all of it may be written. */
bool mem_holds_writable(uint64_t addr, size_t n);
/* True when any of the n bytes at addr lies in live memory. */
bool mem_touches(uint64_t addr, size_t n);

/* Which devices may touch a MEM_MAPPED or MEM_POOL range, and which of them only to read. */
void mem_set_access(uint64_t addr, uint32_t devices, uint32_t read_only);
/*
 * Gives what sg_mem_alloc() gave to a device, which pays for it, and to a context or NULL. False:
 * the device has no room.
 */
bool mem_assign(uint64_t addr, int device, void *owner);

/* Accounting; mem_charge() is false when SOFTGPU_MEMORY would be exceeded. */
bool mem_charge(int device, size_t bytes);
void mem_uncharge(int device, size_t bytes);
size_t mem_used(int device);

#endif
