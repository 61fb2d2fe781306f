// SPDX-License-Identifier: MIT
/*
 * phys.c - cuMemCreate() to cuMemImportFromShareableHandle(): memory without an address
 *
 * It has a number, and counts against the lease's limit until neither a handle nor a mapping is left.
 */
#include "phys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

CUresult vcuda_vmm_send(enum cuda_id id, const void *p, size_t n)
{
	struct vcuda_iov iov = { p, n };

	return vcuda_submit(id, 0, &iov, 1, NULL, NULL);
}

struct phys *vcuda_phys_get(CUmemGenericAllocationHandle handle)
{
	struct vcuda_object *o =
		vcuda_handle_get(CUDA_HANDLE_allocation, (void *)(uintptr_t)handle);

	return o ? o->p : NULL;
}

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
static CUresult phys_new(struct phys **out, uint64_t size, const CUmemAllocationProp *prop)
{
	struct phys *m = calloc(1, sizeof(*m));
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

void vcuda_phys_put(struct phys *m)
{
	if (m->handles || m->mappings)
		return;
	vcuda_arena_uncharge(m->size);
	free(m);
}

static void forget(struct phys *m)
{
	vcuda_handle_del(CUDA_HANDLE_allocation, (void *)(uintptr_t)m->handle);
	m->handles = 0;
	vcuda_phys_put(m);
}

static CUresult create(struct phys **m, size_t size, const CUmemAllocationProp *prop)
{
	struct vwire_allocation a = { .size = htole64(size) };
	CUresult r = vcuda_arena_charge(size);

	if (r)
		return r;
	r = phys_new(m, size, prop);
	if (r) {
		vcuda_arena_uncharge(size);
		return r;
	}
	a.number = htole32((uint32_t)(*m)->handle);
	r = vcuda_vmm_send(CUDA_ID_cuMemCreate, &a, sizeof(a));
	if (r)
		forget(*m);
	return r;
}

CUresult hand_cuMemCreate(CUmemGenericAllocationHandle *out, size_t size,
			  const CUmemAllocationProp *prop, unsigned long long flags)
{
	struct phys *m;
	CUresult r = check_prop(prop);

	if (r)
		return r;
	if (!out || !phys_is_multiple(size) || flags)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	r = create(&m, size, prop);
	vcuda_arena_unlock();
	if (!r)
		*out = m->handle;
	return r;
}

/* Its number goes with its last handle; mappings do without. */
static CUresult release(struct phys *m)
{
	uint64_t number = htole64((uint32_t)m->handle);

	if (--m->handles)
		return CUDA_SUCCESS;
	vcuda_vmm_send(CUDA_ID_cuMemRelease, &number, sizeof(number));
	forget(m);
	return CUDA_SUCCESS;
}

CUresult hand_cuMemRelease(CUmemGenericAllocationHandle handle)
{
	struct phys *m;
	CUresult r;

	vcuda_arena_lock();
	m = vcuda_phys_get(handle);
	r = m ? release(m) : CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_unlock();
	return r;
}

CUresult hand_cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop,
						     CUmemGenericAllocationHandle handle)
{
	struct phys *m;

	if (!prop)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	m = vcuda_phys_get(handle);
	if (m)
		*prop = m->prop;
	vcuda_arena_unlock();
	return m ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- sharing: a descriptor that says under which name the server has the memory ---- */

CUresult hand_cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle,
					   CUmemAllocationHandleType type, unsigned long long flags)
{
	struct vwire_token token;
	struct phys *m;
	CUresult r = CUDA_SUCCESS;
	int fd;

	vcuda_arena_lock();
	m = vcuda_phys_get(handle);
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

static CUresult import(struct phys **m, const struct vwire_token *token)
{
	CUmemAllocationProp prop = {
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
	uint64_t size = le64toh(token->size), number;
	CUresult r;

	vcuda_arena_lock();
	r = phys_is_multiple(size) ? vcuda_arena_charge(size) : CUDA_ERROR_INVALID_VALUE;
	if (!r) {
		r = phys_new(m, size, &prop);
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
	struct phys *m;
	CUresult r;

	if (!out || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
	    pread((int)(intptr_t)os_handle, &token, sizeof(token), 0) != sizeof(token))
		return CUDA_ERROR_INVALID_VALUE;
	r = import(&m, &token);
	if (!r)
		*out = m->handle;
	return r == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : r;
}
