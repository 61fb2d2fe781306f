/* SPDX-License-Identifier: MIT */
#include "vmm.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "context.h"
#include "device.h"
#include "init.h"
#include "memory.h"
#include "phys.h"

struct mapping {
	LIST_ENTRY(mapping) link;
	uint64_t addr;
	size_t size;
	struct phys *phys;
	uint32_t access;	/* devices that may touch it; any: it is in the set of live memory */
	uint32_t read_only;	/* those of them that may not write */
	bool going;		/* cuMemUnmap() waits for who still uses it */
};

struct reservation {
	LIST_ENTRY(reservation) link;
	uint64_t addr;
	size_t size;
	LIST_HEAD(, mapping) mappings;
};

static LIST_HEAD(, reservation) reservations = LIST_HEAD_INITIALIZER(reservations);

bool vmm_is_reserved(uint64_t addr, size_t n)
{
	const struct reservation *v;

	LIST_FOREACH(v, &reservations, link)
		if (addr < v->addr + v->size && v->addr < addr + n)
			return true;
	return false;
}

static struct reservation *reservation_of(uint64_t addr, size_t n)
{
	struct reservation *v;

	LIST_FOREACH(v, &reservations, link)
		if (addr >= v->addr && addr - v->addr < v->size && n <= v->size - (addr - v->addr))
			return v;
	return NULL;
}

bool vmm_reservation(uint64_t addr, uint64_t *lo, size_t *size)
{
	const struct reservation *v = reservation_of(addr, 1);

	if (v) {
		*lo = v->addr;
		*size = v->size;
	}
	return v != NULL;
}

static struct mapping *mapping_of(uint64_t addr)
{
	struct reservation *v = reservation_of(addr, 1);
	struct mapping *m;

	if (!v)
		return NULL;
	LIST_FOREACH(m, &v->mappings, link)
		if (addr >= m->addr && addr - m->addr < m->size)
			return m;
	return NULL;
}

uint64_t vmm_handle_types(uint64_t addr)
{
	const struct mapping *m = mapping_of(addr);

	return m ? m->phys->prop.requestedHandleTypes : 0;
}

static void *map_none(void *at, size_t size, int flags)
{
	return mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1,
		    0);
}

/* The hint if it is free, else any place that suits. */
static void *reserve(uint64_t hint, size_t size, size_t align)
{
	char *p, *q;

	if (hint && hint % align == 0) {
		p = map_none((void *)(uintptr_t)hint, size, 0);
		if (p == (char *)(uintptr_t)hint)
			return p;
		if (p != MAP_FAILED)
			munmap(p, size);
	}
	p = map_none(NULL, size + align, 0);
	if (p == MAP_FAILED)
		return NULL;
	q = (char *)(((uintptr_t)p + align - 1) & ~(align - 1));
	if (q > p)
		munmap(p, q - p);
	munmap(q + size, p + align - q);
	return q;
}

CUresult cuMemAddressReserve(CUdeviceptr *out, size_t size, size_t align, CUdeviceptr hint,
			     unsigned long long flags)
{
	struct reservation *v;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !phys_is_multiple(size) || size > SIZE_MAX / 4 || align > SIZE_MAX / 4 ||
	    (align & (align - 1)) || flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (align < PHYS_GRANULARITY)
		align = PHYS_GRANULARITY;
	v = calloc(1, sizeof(*v));
	if (!v)
		return CUDA_ERROR_OUT_OF_MEMORY;
	v->size = size;
	v->addr = (uintptr_t)reserve(hint, size, align);
	if (!v->addr) {
		free(v);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	LIST_INIT(&v->mappings);
	*out = v->addr;
	driver_lock();
	LIST_INSERT_HEAD(&reservations, v, link);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemAddressFree(CUdeviceptr addr, size_t size)
{
	struct reservation *v;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	v = reservation_of(addr, size);
	if (!v || v->addr != addr || v->size != size || !LIST_EMPTY(&v->mappings))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	LIST_REMOVE(v, link);
	munmap((void *)(uintptr_t)addr, size);
	free(v);
	return context_leave(CUDA_SUCCESS);
}

static bool overlaps_mapping(const struct reservation *v, uint64_t addr, size_t size)
{
	const struct mapping *m;

	LIST_FOREACH(m, &v->mappings, link)
		if (addr < m->addr + m->size && m->addr < addr + size)
			return true;
	return false;
}

CUresult cuMemMap(CUdeviceptr addr, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
		  unsigned long long flags)
{
	struct reservation *v;
	struct mapping *m;
	struct phys *p;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	v = reservation_of(addr, size);
	p = handle_find(handle, HANDLE_MEMORY);
	if (!v || !p || !size || !phys_is_multiple(addr) || flags)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	/* "offset [...] currently must be zero", and nothing but all of the memory is mapped */
	if (offset || size != p->size)
		return context_leave(CUDA_ERROR_NOT_SUPPORTED);
	if (overlaps_mapping(v, addr, size))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	m = calloc(1, sizeof(*m));
	if (!m)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	if (mmap((void *)(uintptr_t)addr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, p->fd,
		 0) == MAP_FAILED) {
		free(m);
		return context_leave(CUDA_ERROR_MAP_FAILED);
	}
	m->addr = addr;
	m->size = size;
	m->phys = p;
	p->refs++;
	LIST_INSERT_HEAD(&v->mappings, m, link);
	return context_leave(CUDA_SUCCESS);
}

/* True when [addr, addr + size) is exactly a row of whole mappings of v. */
static bool is_row_of_mappings(const struct reservation *v, uint64_t addr, size_t size)
{
	const struct mapping *m;
	size_t covered = 0;

	LIST_FOREACH(m, &v->mappings, link) {
		if (m->addr + m->size <= addr || m->addr >= addr + size)
			continue;
		if (m->addr < addr || m->addr + m->size > addr + size || m->going)
			return false;
		covered += m->size;
	}
	return size && covered == size;
}

/* True when [addr, addr + size) holds whole mappings of v, or none. */
static bool cuts_no_mapping(const struct reservation *v, uint64_t addr, size_t size)
{
	const struct mapping *m;

	LIST_FOREACH(m, &v->mappings, link)
		if (m->addr < addr + size && addr < m->addr + m->size &&
		    (m->addr < addr || m->addr + m->size > addr + size || m->going))
			return false;
	return phys_is_multiple(addr) && phys_is_multiple(size);
}

static bool is_inside(const struct mapping *m, uint64_t addr, size_t size)
{
	return m->addr >= addr && m->addr < addr + size;
}

/*
 * Who may do what is kept in the set of live memory, where kernels and copies ask. The pages stay as
 * cuMemMap() made them: work of other threads that has asked may still be at them.
 */
static CUresult allow(struct reservation *v, struct mapping *m, const CUmemAccessDesc *desc)
{
	struct mem_range r = {
		.lo = m->addr,
		.size = m->size,
		.bytes = m->size,
		.kind = MEM_MAPPED,
		.group = v->addr,
		.device = m->phys->prop.location.id,
		.access = 1u << desc->location.id,
	};

	if (desc->flags == CU_MEM_ACCESS_FLAGS_PROT_READ)
		m->read_only |= r.access;
	else
		m->read_only &= ~r.access;
	r.read_only = m->read_only;
	if (!m->access && !mem_add(&r))
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->access |= r.access;
	mem_set_access(m->addr, m->access, m->read_only);
	return CUDA_SUCCESS;
}

static void forbid(struct mapping *m, uint32_t devices)
{
	m->access &= ~devices;
	m->read_only &= ~devices;
	if (m->access)
		mem_set_access(m->addr, m->access, m->read_only);
	else
		mem_remove(m->addr, MEM_MAPPED);
}

/* Mappings belong to no context: what any stream may still do with them has to end first. */
static void drain_everything(void)
{
	context_drain_all(context_primary(0));
}

static CUresult set_access(struct reservation *v, uint64_t addr, size_t size,
			   const CUmemAccessDesc *desc)
{
	CUresult r = CUDA_SUCCESS;
	struct mapping *m;

	LIST_FOREACH(m, &v->mappings, link) {
		if (!is_inside(m, addr, size))
			continue;
		if (desc->flags == CU_MEM_ACCESS_FLAGS_PROT_NONE)
			forbid(m, 1u << desc->location.id);
		else
			r = allow(v, m, desc);
		if (r != CUDA_SUCCESS)
			break;
	}
	return r;
}

static CUresult check_access(const CUmemAccessDesc *desc)
{
	if (desc->location.type != CU_MEM_LOCATION_TYPE_DEVICE || !device_exists(desc->location.id))
		return CUDA_ERROR_INVALID_VALUE;
	return desc->flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ||
	       desc->flags == CU_MEM_ACCESS_FLAGS_PROT_READ ||
	       desc->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE
		? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemSetAccess(CUdeviceptr addr, size_t size, const CUmemAccessDesc *desc, size_t nr)
{
	struct reservation *v;
	bool less = false;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	if (!desc || !nr)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	for (size_t i = 0; i < nr && r == CUDA_SUCCESS; i++) {
		r = check_access(&desc[i]);
		less |= desc[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	}
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	if (less)
		drain_everything();
	v = reservation_of(addr, size);
	if (!v || !is_row_of_mappings(v, addr, size))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	for (size_t i = 0; i < nr && r == CUDA_SUCCESS; i++)
		r = set_access(v, addr, size, &desc[i]);
	return context_leave(r);
}

CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr addr)
{
	const struct mapping *m;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	m = mapping_of(addr);
	if (!flags || !location || location->type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    !device_exists(location->id) || !m)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*flags = !(m->access >> location->id & 1) ? CU_MEM_ACCESS_FLAGS_PROT_NONE
	       : m->read_only >> location->id & 1 ? CU_MEM_ACCESS_FLAGS_PROT_READ
						  : CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	return context_leave(CUDA_SUCCESS);
}

/* No longer live memory, to new work, but still there. */
static void retire(struct mapping *m)
{
	m->going = true;
	m->access = m->read_only = 0;
	mem_remove(m->addr, MEM_MAPPED);
}

/* The addresses stay reserved. Where nothing is mapped there is nothing to do. */
CUresult cuMemUnmap(CUdeviceptr addr, size_t size)
{
	struct reservation *v;
	struct mapping *m, *next;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	drain_everything();
	v = reservation_of(addr, size);
	if (!v || !cuts_no_mapping(v, addr, size))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	/* Work that other threads have queued since was checked against these. */
	LIST_FOREACH(m, &v->mappings, link)
		if (is_inside(m, addr, size))
			retire(m);
	drain_everything();
	for (m = LIST_FIRST(&v->mappings); m; m = next) {
		next = LIST_NEXT(m, link);
		if (!is_inside(m, addr, size))
			continue;
		map_none((void *)(uintptr_t)m->addr, m->size, MAP_FIXED);
		phys_put(m->phys);
		LIST_REMOVE(m, link);
		free(m);
	}
	return context_leave(r);
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *addr)
{
	struct mapping *m;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	m = mapping_of((uintptr_t)addr);
	if (!out || !m)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	return context_leave(phys_retain(m->phys, out));
}
