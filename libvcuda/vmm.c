// SPDX-License-Identifier: MIT
/*
 * vmm.c - the virtual memory calls: addresses, and which memory is where
 *
 * A reservation is a run of the lease's range. What is where is known here; the worker only carries
 * it out, so that no call costs a round trip.
 */
#include "vmm.h"

#include <stdlib.h>

#include "phys.h"

struct mapping {
	struct mapping *next;		/* by address */
	uint64_t addr, size;
	struct phys *memory;
	CUmemAccess_flags access;
};

struct reservation {
	struct arena_run run;
	struct mapping *first;
	CUcontext ctx;
};

/* ---- looking up; under the arena's lock ---- */

static uint64_t bytes_of(const struct reservation *v)
{
	return v->run.granules * vcuda_arena_granule();
}

/* The reservation that holds all of [addr, addr + size). */
static struct reservation *reservation_of(uint64_t addr, uint64_t size)
{
	struct arena_run *r = vcuda_arena_at(addr);

	return r && r->kind == ARENA_RESERVED &&
	       size <= bytes_of((struct reservation *)r) - (addr - r->addr)
		       ? (struct reservation *)r : NULL;
}

static struct mapping *mapping_of(const struct reservation *v, uint64_t addr)
{
	struct mapping *m;

	for (m = v->first; m && addr - m->addr >= m->size; m = m->next)
		;
	return m;
}

/* First of the mappings that make up [addr, addr + size) exactly; NULL: none do. */
static struct mapping *row(const struct reservation *v, uint64_t addr, uint64_t size)
{
	struct mapping *m, *first = NULL;
	uint64_t at = addr;

	for (m = v->first; m && at < addr + size; m = m->next) {
		if (m->addr < at)
			continue;
		if (m->addr != at || m->size > addr + size - at)
			return NULL;
		if (!first)
			first = m;
		at += m->size;
	}
	return size && at == addr + size ? first : NULL;
}

bool vcuda_vmm_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out)
{
	struct reservation *v = (struct reservation *)r;
	struct mapping *m;

	out->size = 0;
	for (m = v->first; m; m = m->next) {
		if (!m->access)
			continue;
		if (m->addr != out->start + out->size) {
			if (out->size && addr < out->start + out->size)
				break;
			out->start = m->addr;
			out->size = 0;
		}
		out->size += m->size;
		if (addr - m->addr < m->size)
			out->id = m->memory->id;
	}
	out->ctx = v->ctx;
	return out->size && addr - out->start < out->size;
}

/* ---- addresses ---- */

CUresult hand_cuMemAddressReserve(CUdeviceptr *out, size_t size, size_t align, CUdeviceptr hint,
				  unsigned long long flags)
{
	uint64_t granule = vcuda_arena_granule();
	struct reservation *v;
	CUresult r;

	if (!out || !phys_is_multiple(size) || (align & (align - 1)) || flags)
		return CUDA_ERROR_INVALID_VALUE;
	v = calloc(1, sizeof(*v));
	if (!v)
		return CUDA_ERROR_OUT_OF_MEMORY;
	v->ctx = vcuda_current();
	vcuda_arena_lock();
	vcuda_arena_reap();
	r = vcuda_arena_take(&v->run, ARENA_RESERVED, vcuda_arena_granules(size),
			     align > granule ? align / granule : 1, hint);
	vcuda_arena_unlock();
	if (r)
		free(v);
	else
		*out = v->run.addr;
	return r;
}

CUresult hand_cuMemAddressFree(CUdeviceptr addr, size_t size)
{
	struct reservation *v;
	CUresult r = CUDA_ERROR_INVALID_VALUE;

	vcuda_arena_lock();
	v = reservation_of(addr, size);
	if (v && v->run.addr == addr && bytes_of(v) == size && !v->first) {
		/* what used to be mapped there may still be in use: not for others before that ends */
		r = vcuda_arena_leave(&v->run);
	}
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *addr)
{
	uint64_t at = (uintptr_t)addr;
	struct reservation *v;
	struct mapping *m = NULL;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	v = reservation_of(at, 0);
	if (v)
		m = mapping_of(v, at);
	/* without a handle the worker has forgotten the number */
	if (m && m->memory->handles) {
		m->memory->handles++;
		*out = m->memory->handle;
	} else {
		m = NULL;
	}
	vcuda_arena_unlock();
	return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- mappings ---- */

static CUresult map_at(struct reservation *v, uint64_t addr, uint64_t size, struct phys *memory)
{
	struct mapping *m = malloc(sizeof(*m)), **at;
	struct vwire_mem_map w = {
		.addr = htole64(addr), .size = htole64(size),
		.number = htole32((uint32_t)memory->handle),
	};
	CUresult r;

	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcuda_vmm_send(CUDA_ID_cuMemMap, &w, sizeof(w));
	if (r) {
		free(m);
		return r;
	}
	for (at = &v->first; *at && (*at)->addr < addr; at = &(*at)->next)
		;
	*m = (struct mapping){ *at, addr, size, memory, CU_MEM_ACCESS_FLAGS_PROT_NONE };
	*at = m;
	memory->mappings++;
	return CUDA_SUCCESS;
}

static bool overlaps(const struct reservation *v, uint64_t addr, uint64_t size)
{
	const struct mapping *m;

	for (m = v->first; m; m = m->next)
		if (addr < m->addr + m->size && m->addr < addr + size)
			return true;
	return false;
}

CUresult hand_cuMemMap(CUdeviceptr addr, size_t size, size_t offset,
		       CUmemGenericAllocationHandle handle, unsigned long long flags)
{
	struct reservation *v;
	struct phys *memory;
	CUresult r = CUDA_ERROR_INVALID_VALUE;

	vcuda_arena_lock();
	v = reservation_of(addr, size);
	memory = vcuda_phys_get(handle);
	if (v && memory && size && phys_is_multiple(addr) && !flags) {
		/* "offset [...] currently must be zero"; nothing but all of the memory is mapped */
		if (offset || size != memory->size)
			r = CUDA_ERROR_NOT_SUPPORTED;
		else if (!overlaps(v, addr, size))
			r = map_at(v, addr, size, memory);
	}
	vcuda_arena_unlock();
	return r;
}

static void unlink_mapping(struct reservation *v, struct mapping *m)
{
	struct mapping **at;

	for (at = &v->first; *at != m; at = &(*at)->next)
		;
	*at = m->next;
	m->memory->mappings--;
	vcuda_phys_put(m->memory);
	free(m);
}

static CUresult send_span(enum cuda_id id, uint64_t addr, uint64_t size)
{
	struct vwire_map m = { .addr = htole64(addr), .size = htole64(size) };

	return vcuda_vmm_send(id, &m, sizeof(m));
}

/* What is mapped there goes; where nothing is there is nothing to do. */
static CUresult unmap(struct reservation *v, uint64_t addr, uint64_t size)
{
	struct mapping *m, *next;
	CUresult r = CUDA_SUCCESS;

	if (!phys_is_multiple(addr) || !phys_is_multiple(size))
		return CUDA_ERROR_INVALID_VALUE;
	for (m = v->first; m; m = m->next)
		if (m->addr < addr + size && addr < m->addr + m->size &&
		    (m->addr < addr || m->addr + m->size > addr + size))
			return CUDA_ERROR_INVALID_VALUE;
	for (m = v->first; !r && m && m->addr < addr + size; m = next) {
		next = m->next;
		if (m->addr < addr)
			continue;
		r = send_span(CUDA_ID_cuMemUnmap, m->addr, m->size);
		if (!r)
			unlink_mapping(v, m);
	}
	return r;
}

CUresult hand_cuMemUnmap(CUdeviceptr addr, size_t size)
{
	struct reservation *v;
	CUresult r;

	vcuda_arena_lock();
	v = reservation_of(addr, size);
	r = v ? unmap(v, addr, size) : CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_unlock();
	return r;
}

static CUresult check_access(const CUmemAccessDesc *d)
{
	if (d->location.type == CU_MEM_LOCATION_TYPE_HOST ||
	    d->location.type == CU_MEM_LOCATION_TYPE_HOST_NUMA)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (d->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(d->location.id))
		return CUDA_ERROR_INVALID_DEVICE;
	return d->flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ||
	       d->flags == CU_MEM_ACCESS_FLAGS_PROT_READ ||
	       d->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE
		       ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuMemSetAccess(CUdeviceptr addr, size_t size, const CUmemAccessDesc *desc,
			     size_t count)
{
	struct vwire_mem_access w = { .addr = htole64(addr), .size = htole64(size) };
	struct reservation *v;
	struct mapping *m = NULL;
	CUresult r = desc && count ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	size_t i;

	for (i = 0; !r && i < count; i++)
		r = check_access(&desc[i]);
	if (r)
		return r;
	vcuda_arena_lock();
	v = reservation_of(addr, size);
	if (v)
		m = row(v, addr, size);
	if (!m)
		r = CUDA_ERROR_INVALID_VALUE;
	/* there is one device: the last word counts */
	w.flags = htole32(desc[count - 1].flags);
	if (!r)
		r = vcuda_vmm_send(CUDA_ID_cuMemSetAccess, &w, sizeof(w));
	for (; !r && m && m->addr < addr + size; m = m->next)
		m->access = desc[count - 1].flags;
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemGetAccess(unsigned long long *flags, const CUmemLocation *l, CUdeviceptr addr)
{
	CUmemAccessDesc d = { .flags = CU_MEM_ACCESS_FLAGS_PROT_NONE };
	struct reservation *v;
	struct mapping *m = NULL;
	CUresult r;

	if (!flags || !l)
		return CUDA_ERROR_INVALID_VALUE;
	d.location = *l;
	r = check_access(&d);
	if (r)
		return r;
	vcuda_arena_lock();
	v = reservation_of(addr, 0);
	if (v)
		m = mapping_of(v, addr);
	if (m)
		*flags = m->access;
	vcuda_arena_unlock();
	return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
