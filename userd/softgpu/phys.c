// SPDX-License-Identifier: MIT
/*
 * phys.c - cuMemCreate() to cuMemImportFromShareableHandle(): memory without an address
 */
#include "phys.h"

#include <stdlib.h>
#include <unistd.h>

#include "context.h"
#include "device.h"
#include "init.h"
#include "memory.h"
#include "share.h"

static CUresult check_prop(const CUmemAllocationProp *prop)
{
	if (!prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	if (prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    (prop->requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR))
		return CUDA_ERROR_NOT_SUPPORTED;
	return device_exists(prop->location.id) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuMemGetAllocationGranularity(size_t *out, const CUmemAllocationProp *prop,
				       CUmemAllocationGranularity_flags f)
{
	CUresult r = driver_ready();

	/* a device is not asked for, as an H100's driver has it, where there is nothing but zeros */
	if (r == CUDA_SUCCESS && (!prop || prop->type || prop->location.type))
		r = check_prop(prop);
	if (r != CUDA_SUCCESS)
		return r;
	if (!out || f > CU_MEM_ALLOC_GRANULARITY_RECOMMENDED)
		return CUDA_ERROR_INVALID_VALUE;
	*out = PHYS_GRANULARITY;
	return CUDA_SUCCESS;
}

void phys_put(struct phys *p)
{
	if (--p->refs)
		return;
	close(p->fd);
	if (!p->imported)
		mem_uncharge(p->prop.location.id, p->size);
	free(p);
}

static struct phys *phys_create(size_t size, const CUmemAllocationProp *prop)
{
	struct phys *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->refs = p->handles = 1;
	p->size = size;
	p->prop = *prop;
	p->fd = share_create(size, device_number(prop->location.id));
	if (p->fd < 0)
		goto free_phys;
	if (!mem_charge(prop->location.id, size))
		goto close_fd;
	return p;

close_fd:
	close(p->fd);
free_phys:
	free(p);
	return NULL;
}

CUresult phys_retain(struct phys *p, CUmemGenericAllocationHandle *out)
{
	if (!p->handles) {
		if (handle_create(&p->obj, HANDLE_MEMORY))
			return CUDA_ERROR_OUT_OF_MEMORY;
		p->refs++;
	}
	p->handles++;
	*out = p->obj.handle;
	return CUDA_SUCCESS;
}

/* The first handle of p; NULL: there is no memory. */
static CUresult hand_out(struct phys *p, CUmemGenericAllocationHandle *out)
{
	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	driver_lock();
	if (handle_create(&p->obj, HANDLE_MEMORY)) {
		phys_put(p);
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	*out = p->obj.handle;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *out, size_t size,
		     const CUmemAllocationProp *prop, unsigned long long flags)
{
	CUresult r = driver_ready();

	if (r == CUDA_SUCCESS)
		r = check_prop(prop);
	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !phys_is_multiple(size) || size > SIZE_MAX / 4 || flags)
		return CUDA_ERROR_INVALID_VALUE;
	return hand_out(phys_create(size, prop), out);
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle)
{
	struct phys *p;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	p = handle_find(handle, HANDLE_MEMORY);
	if (!p)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (--p->handles == 0) {
		handle_retire(&p->obj);
		phys_put(p);
	}
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop,
						CUmemGenericAllocationHandle handle)
{
	struct phys *p;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	p = handle_find(handle, HANDLE_MEMORY);
	if (!p || !prop)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*prop = p->prop;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle,
				      CUmemAllocationHandleType type, unsigned long long flags)
{
	struct phys *p;
	CUresult r = driver_enter();
	int fd;

	if (r != CUDA_SUCCESS)
		return r;
	p = handle_find(handle, HANDLE_MEMORY);
	if (!out || flags || !p || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
	    !(p->prop.requestedHandleTypes & type))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	fd = share_dup(p->fd);
	if (fd < 0)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	*(int *)out = fd;
	return context_leave(CUDA_SUCCESS);
}

static struct phys *phys_import(int fd)
{
	struct phys *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->refs = p->handles = 1;
	p->imported = true;
	p->size = share_size(fd);
	p->prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
	p->prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
	p->prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
	p->prop.location.id = share_device(fd) >= 0 ? share_device(fd) : 0;
	p->fd = share_dup(fd);
	if (p->fd >= 0)
		return p;
	free(p);
	return NULL;
}

/* Any sealed memfd of a proper size will do: who made it is not asked. */
CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out, void *os_handle,
					CUmemAllocationHandleType type)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
	    !phys_is_multiple(share_size((intptr_t)os_handle)))
		return CUDA_ERROR_INVALID_VALUE;
	return hand_out(phys_import((intptr_t)os_handle), out);
}
