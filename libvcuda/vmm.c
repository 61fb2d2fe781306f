// SPDX-License-Identifier: MIT
/*
 * vmm.c - the virtual memory calls: addresses, memory, and which is where
 *
 * A reservation is a run of the lease's range. Memory has a number and counts against the lease's
 * limit from cuMemCreate() until neither a handle nor a mapping is left. What is where is known
 * here; the worker only carries it out, so that no call but sharing costs a round trip.
 */
#include "vmm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory {
	CUmemGenericAllocationHandle handle;
	uint64_t size, id;
	unsigned int handles, mappings;
	CUmemAllocationProp prop;
};

struct mapping {
	struct mapping *next;		/* by address */
	uint64_t addr, size;
	struct memory *memory;
	CUmemAccess_flags access;
};

struct reservation {
	struct arena_run run;
	struct mapping *first;
	CUcontext ctx;
};

/* ---- frames ---- */

static CUresult send(enum cuda_id id, const void *p, size_t n)
{
	struct vcuda_iov iov = { p, n };

	return vcuda_submit(id, 0, &iov, 1, NULL, NULL);
}

static CUresult send_number(enum cuda_id id, uint64_t number)
{
	uint64_t wire = htole64(number);

	return send(id, &wire, sizeof(wire));
}

static CUresult send_span(enum cuda_id id, uint64_t addr, uint64_t size)
{
	struct vwire_map m = { .addr = htole64(addr), .size = htole64(size) };

	return send(id, &m, sizeof(m));
}

/* ---- looking up; under the arena's lock ---- */

static bool is_multiple(uint64_t n)
{
	return n && n % vcuda_arena_granule() == 0;
}

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

static struct memory *memory_get(CUmemGenericAllocationHandle handle)
{
	struct vcuda_object *o =
		vcuda_handle_get(CUDA_HANDLE_allocation, (void *)(uintptr_t)handle);

	return o ? o->p : NULL;
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

	if (!out || !is_multiple(size) || (align & (align - 1)) || flags)
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

/* ---- memory ---- */

static CUresult check_prop(const CUmemAllocationProp *prop)
{
	if (!prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	if (prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    (prop->requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) ||
	    prop->allocFlags.gpuDirectRDMACapable || prop->allocFlags.usage)
		return CUDA_ERROR_NOT_SUPPORTED;
	return device_exists(prop->location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuMemGetAllocationGranularity(size_t *out, const CUmemAllocationProp *prop,
					    CUmemAllocationGranularity_flags option)
{
	/* the driver asks for no device where there is nothing but zeros */
	CUresult r = prop && !prop->type && !prop->location.type ? CUDA_SUCCESS : check_prop(prop);

	if (r)
		return r;
	if (!out || (unsigned int)option > CU_MEM_ALLOC_GRANULARITY_RECOMMENDED)
		return CUDA_ERROR_INVALID_VALUE;
	*out = vcuda_arena_granule();
	return CUDA_SUCCESS;
}

/* Charged already. */
static CUresult memory_new(struct memory **out, uint64_t size, const CUmemAllocationProp *prop)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct vcuda_object *o;

	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->handle = vcuda_handle_new(CUDA_HANDLE_allocation, &o);
	if (!m->handle) {
		free(m);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	o->p = m;
	m->size = size;
	m->id = vcuda_memory_id();
	m->handles = 1;
	m->prop = *prop;
	/* compression is a wish, which is not granted */
	m->prop.allocFlags.compressionType = CU_MEM_ALLOCATION_COMP_NONE;
	*out = m;
	return CUDA_SUCCESS;
}

static void memory_put(struct memory *m)
{
	if (m->handles || m->mappings)
		return;
	vcuda_arena_uncharge(m->size);
	free(m);
}

static void forget(struct memory *m)
{
	vcuda_handle_del(CUDA_HANDLE_allocation, (void *)(uintptr_t)m->handle);
	m->handles = 0;
	memory_put(m);
}

static CUresult create(struct memory **m, size_t size, const CUmemAllocationProp *prop)
{
	struct vwire_allocation a = { .size = htole64(size) };
	CUresult r = vcuda_arena_charge(size);

	if (r)
		return r;
	r = memory_new(m, size, prop);
	if (r) {
		vcuda_arena_uncharge(size);
		return r;
	}
	a.number = htole32((uint32_t)(*m)->handle);
	r = send(CUDA_ID_cuMemCreate, &a, sizeof(a));
	if (r)
		forget(*m);
	return r;
}

CUresult hand_cuMemCreate(CUmemGenericAllocationHandle *out, size_t size,
			  const CUmemAllocationProp *prop, unsigned long long flags)
{
	struct memory *m;
	CUresult r = check_prop(prop);

	if (r)
		return r;
	if (!out || !is_multiple(size) || flags)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	r = create(&m, size, prop);
	vcuda_arena_unlock();
	if (!r)
		*out = m->handle;
	return r;
}

/* Its number goes with its last handle; mappings do without. */
static CUresult release(struct memory *m)
{
	if (--m->handles)
		return CUDA_SUCCESS;
	send_number(CUDA_ID_cuMemRelease, (uint32_t)m->handle);
	forget(m);
	return CUDA_SUCCESS;
}

CUresult hand_cuMemRelease(CUmemGenericAllocationHandle handle)
{
	struct memory *m;
	CUresult r;

	vcuda_arena_lock();
	m = memory_get(handle);
	r = m ? release(m) : CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop,
						     CUmemGenericAllocationHandle handle)
{
	struct memory *m;

	if (!prop)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	m = memory_get(handle);
	if (m)
		*prop = m->prop;
	vcuda_arena_unlock();
	return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
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

static CUresult map_at(struct reservation *v, uint64_t addr, uint64_t size, struct memory *memory)
{
	struct mapping *m = malloc(sizeof(*m)), **at;
	struct vwire_mem_map w = {
		.addr = htole64(addr), .size = htole64(size),
		.number = htole32((uint32_t)memory->handle),
	};
	CUresult r;

	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = send(CUDA_ID_cuMemMap, &w, sizeof(w));
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
	struct memory *memory;
	CUresult r = CUDA_ERROR_INVALID_VALUE;

	vcuda_arena_lock();
	v = reservation_of(addr, size);
	memory = memory_get(handle);
	if (v && memory && size && is_multiple(addr) && !flags) {
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
	memory_put(m->memory);
	free(m);
}

/* What is mapped there goes; where nothing is there is nothing to do. */
static CUresult unmap(struct reservation *v, uint64_t addr, uint64_t size)
{
	struct mapping *m, *next;
	CUresult r = CUDA_SUCCESS;

	if (!is_multiple(addr) || !is_multiple(size))
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
		r = send(CUDA_ID_cuMemSetAccess, &w, sizeof(w));
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

/* ---- sharing: a descriptor that says under which name the server has the memory ---- */

CUresult hand_cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle,
					   CUmemAllocationHandleType type, unsigned long long flags)
{
	struct vwire_token token;
	struct memory *m;
	CUresult r = CUDA_SUCCESS;
	int fd;

	vcuda_arena_lock();
	m = memory_get(handle);
	if (!out || flags || !m || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
	    !(m->prop.requestedHandleTypes & type))
		r = CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_unlock();
	if (!r)
		r = vcuda_share(CUDA_ID_cuMemExportToShareableHandle,
				(uint64_t[]){ (uint32_t)handle }, 1, &token);
	if (r)
		return r;
	fd = memfd_create("dgsf-memory", MFD_CLOEXEC);
	if (fd < 0 || write(fd, &token, sizeof(token)) != sizeof(token)) {
		if (fd >= 0)
			close(fd);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*(int *)out = fd;
	return CUDA_SUCCESS;
}

static CUresult import(struct memory **m, const struct vwire_token *token)
{
	CUmemAllocationProp prop = {
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
	uint64_t size = le64toh(token->size), number;
	CUresult r;

	vcuda_arena_lock();
	r = is_multiple(size) ? vcuda_arena_charge(size) : CUDA_ERROR_INVALID_VALUE;
	if (!r) {
		r = memory_new(m, size, &prop);
		if (r)
			vcuda_arena_uncharge(size);
	}
	vcuda_arena_unlock();
	if (r)
		return r;
	number = (uint32_t)(*m)->handle;
	r = vcuda_open_shared(CUDA_ID_cuMemImportFromShareableHandle, token, &number, 1);
	if (!r)
		return r;
	vcuda_arena_lock();
	forget(*m);
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out, void *os_handle,
					     CUmemAllocationHandleType type)
{
	struct vwire_token token;
	struct memory *m;
	CUresult r;

	if (!out || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
	    pread((int)(intptr_t)os_handle, &token, sizeof(token), 0) != sizeof(token))
		return CUDA_ERROR_INVALID_VALUE;
	r = import(&m, &token);
	if (!r)
		*out = m->handle;
	return r == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : r;
}

void vcuda_vmm_reset(void)
{
	vcuda_handle_reset(CUDA_HANDLE_allocation);
}
