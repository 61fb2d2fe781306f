/* SPDX-License-Identifier: MIT */
/*
 * poolapi.c - cuMemPool*, cuMem*Async, the pools of a device
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "device.h"
#include "graph_memory.h"
#include "init.h"
#include "malloc.h"
#include "memory.h"
#include "pool.h"
#include "poolprops.h"
#include "share.h"

#define POINTER_MAGIC	0x7067706f6f6c7470	/* of CUmemPoolPtrExportData */

static CUresult enter(CUmemoryPool handle, struct pool **p)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	*p = pool_find(handle);
	return *p ? CUDA_SUCCESS : context_leave(CUDA_ERROR_INVALID_VALUE);
}

/* Pools that are shared have a memfd from the start, with room for all that the device has. */
static CUresult share_memory(const CUmemPoolProps *props, int *fd)
{
	size_t size = (props->maxSize ? props->maxSize : driver_memory()) & ~(size_t)4095;

	*fd = 0;
	if (props->handleTypes == CU_MEM_HANDLE_TYPE_NONE)
		return CUDA_SUCCESS;
	*fd = size && size < SIZE_MAX / 8 ? share_create(size * 2, device_number(props->location.id)) : -1;
	return *fd < 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props)
{
	struct pool *p;
	int fd;
	CUresult r = driver_ready();

	if (r == CUDA_SUCCESS)
		r = out ? mempool_check(props, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) : CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = share_memory(props, &fd);
	if (r != CUDA_SUCCESS)
		return r;
	driver_lock();
	p = pool_create(props, fd);
	if (!p) {
		if (fd)
			close(fd);
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	*out = HANDLE_OF(p);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemPoolDestroy(CUmemoryPool handle)
{
	struct pool *p;
	CUresult r = enter(handle, &p);

	if (r != CUDA_SUCCESS)
		return r;
	if (p->is_default)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	pool_destroy(p);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemPoolTrimTo(CUmemoryPool handle, size_t keep)
{
	struct pool *p;
	CUresult r = enter(handle, &p);

	if (r != CUDA_SUCCESS)
		return r;
	pool_trim(p, keep);
	return context_leave(CUDA_SUCCESS);
}

/* The high-water marks can only be set to 0, which means: to what is there now. */
static CUresult set_number(struct pool *p, CUmemPool_attribute a, cuuint64_t v)
{
	switch (a) {
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		p->threshold = v;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
		p->reserved_high = p->reserved;
		break;
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		p->used_high = p->used;
		break;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute a, void *value)
{
	struct pool *p;
	cuuint64_t v;
	int *rule;
	CUresult r = enter(handle, &p);

	if (r != CUDA_SUCCESS)
		return r;
	if (!value)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	rule = pool_reuse_rule(&p->reuse, a);
	if (rule) {
		*rule = *(int *)value != 0;
		return context_leave(CUDA_SUCCESS);
	}
	memcpy(&v, value, sizeof(v));
	if (v && a != CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	return context_leave(set_number(p, a, v));
}

CUresult cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute a, void *value)
{
	struct pool *p;
	cuuint64_t v;
	int *rule;
	CUresult r = enter(handle, &p);

	if (r != CUDA_SUCCESS)
		return r;
	rule = pool_reuse_rule(&p->reuse, a);
	if (!value || a < CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES ||
	    a > CU_MEMPOOL_ATTR_USED_MEM_HIGH)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	v = a == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD ? p->threshold
	  : a == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT ? p->reserved
	  : a == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH ? p->reserved_high
	  : a == CU_MEMPOOL_ATTR_USED_MEM_CURRENT ? p->used : p->used_high;
	if (rule)
		memcpy(value, rule, sizeof(*rule));
	else
		memcpy(value, &v, sizeof(v));
	return context_leave(CUDA_SUCCESS);
}

/* The device that a pool is on can always access it. */
static CUresult check_access(const struct pool *p, const CUmemAccessDesc *d)
{
	if (d->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(d->location.id))
		return CUDA_ERROR_INVALID_DEVICE;
	if (d->flags == CU_MEM_ACCESS_FLAGS_PROT_READ)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (d->flags != CU_MEM_ACCESS_FLAGS_PROT_NONE &&
	    d->flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
		return CUDA_ERROR_INVALID_VALUE;
	return d->flags == CU_MEM_ACCESS_FLAGS_PROT_NONE && d->location.id == p->props.location.id
		? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc *map, size_t count)
{
	struct pool *p;
	CUresult r = enter(handle, &p);

	if (r != CUDA_SUCCESS)
		return r;
	if (!map || !count)
		r = CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count && r == CUDA_SUCCESS; i++)
		r = check_access(p, &map[i]);
	for (size_t i = 0; i < count && r == CUDA_SUCCESS; i++) {
		uint32_t bit = 1u << map[i].location.id;

		pool_set_access(p, map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ? p->peers & ~bit
										 : p->peers | bit);
	}
	return context_leave(r);
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool handle, CUmemLocation *location)
{
	struct pool *p;
	CUresult r = enter(handle, &p);

	if (r != CUDA_SUCCESS)
		return r;
	if (flags && location && location->type == CU_MEM_LOCATION_TYPE_HOST) {
		*flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
		return context_leave(CUDA_SUCCESS);
	}
	if (!flags || !location || location->type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    !device_exists(location->id))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*flags = p->peers >> location->id & 1 ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
					      : CU_MEM_ACCESS_FLAGS_PROT_NONE;
	return context_leave(CUDA_SUCCESS);
}

static CUresult enter_device(CUdevice dev, struct pool **def)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!device_exists(dev))	/* as an H100's driver says, though a device is asked for */
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	*def = pool_default(dev);
	return *def ? CUDA_SUCCESS : context_leave(CUDA_ERROR_OUT_OF_MEMORY);
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice dev)
{
	struct pool *def;
	CUresult r = !out ? CUDA_ERROR_INVALID_VALUE :
		     device_exists(dev) ? enter_device(dev, &def) : CUDA_ERROR_INVALID_DEVICE;

	if (r != CUDA_SUCCESS)
		return r;
	*out = HANDLE_OF(def);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuDeviceGetMemPool(CUmemoryPool *out, CUdevice dev)
{
	struct pool *def;
	CUresult r = out ? enter_device(dev, &def) : CUDA_ERROR_INVALID_VALUE;

	if (r != CUDA_SUCCESS)
		return r;
	*out = def->current ? HANDLE_OF(def->current) : HANDLE_OF(def);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool handle)
{
	struct pool *def, *p;
	CUresult r = enter_device(dev, &def);

	if (r != CUDA_SUCCESS)
		return r;
	p = pool_find(handle);
	if (!p || p->imported || p->props.location.id != dev)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	def->current = p == def ? NULL : p;
	return context_leave(CUDA_SUCCESS);
}

/* CUDA 13's names. Only devices have pools here. */
static CUresult device_of(const CUmemLocation *location, CUmemAllocationType type, CUdevice *dev)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!location)
		return CUDA_ERROR_INVALID_VALUE;
	if (type == CU_MEM_ALLOCATION_TYPE_MANAGED ||
	    location->type == CU_MEM_LOCATION_TYPE_HOST ||
	    location->type == CU_MEM_LOCATION_TYPE_HOST_NUMA)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (type != CU_MEM_ALLOCATION_TYPE_PINNED || location->type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	*dev = location->id;
	return CUDA_SUCCESS;
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool *out, CUmemLocation *location,
				CUmemAllocationType type)
{
	CUdevice dev;
	CUresult r = device_of(location, type, &dev);

	return r == CUDA_SUCCESS ? cuDeviceGetDefaultMemPool(out, dev) : r;
}

CUresult cuMemGetMemPool(CUmemoryPool *out, CUmemLocation *location, CUmemAllocationType type)
{
	CUdevice dev;
	CUresult r = device_of(location, type, &dev);

	return r == CUDA_SUCCESS ? cuDeviceGetMemPool(out, dev) : r;
}

CUresult cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool)
{
	CUdevice dev;
	CUresult r = device_of(location, type, &dev);

	return r == CUDA_SUCCESS ? cuDeviceSetMemPool(dev, pool) : r;
}

/* handle NULL and !named: the current pool of the stream's device. */
static CUresult allocate(CUdeviceptr *out, size_t size, CUmemoryPool handle, bool named,
			 CUstream stream)
{
	struct context *ctx;
	struct stream *s;
	struct pool *p;
	bool capturing;
	uint64_t addr;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find_own(ctx, stream, &s);
	if (r == CUDA_SUCCESS)
		r = capture_enter(s, &capturing);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	p = named ? pool_find(handle) : pool_default(ctx->device);
	if (!named && p && p->current)
		p = p->current;
	if (!out || !p)
		return context_leave(named || !out ? CUDA_ERROR_INVALID_VALUE
						   : CUDA_ERROR_OUT_OF_MEMORY);
	/* No bytes are no memory, which is no mistake. */
	if (!size && !capturing) {
		*out = 0;
		return context_leave(CUDA_SUCCESS);
	}
	/* The memory of a graph is of no pool. */
	r = capturing ? capture_add_alloc(s, size, &addr) : pool_alloc(p, s, size, &addr);
	if (r == CUDA_SUCCESS)
		*out = addr;
	return context_leave(r);
}

CUresult cuMemAllocAsync(CUdeviceptr *out, size_t size, CUstream stream)
{
	return allocate(out, size, NULL, false, stream);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t size, CUmemoryPool pool, CUstream stream)
{
	return allocate(out, size, pool, true, stream);
}

CUresult cuMemAllocFromPoolAsync_ptsz(CUdeviceptr *out, size_t size, CUmemoryPool pool,
				      CUstream stream)
{
	return allocate(out, size, pool, true, stream_ptsz(stream));
}

CUresult cuMemFreeAsync(CUdeviceptr addr, CUstream stream)
{
	struct mem_range range;
	bool capturing = false;
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find(ctx, stream, &s);
	if (r == CUDA_SUCCESS)
		r = capture_enter(s, &capturing);
	if (r == CUDA_SUCCESS && capturing)
		return context_leave(capture_add_free(s, addr));
	if (r == CUDA_SUCCESS && !addr)
		return context_leave(r);
	if (r == CUDA_SUCCESS && !mem_lookup(addr, &range))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = range.kind == MEM_POOL ? pool_free(addr, s) :
		    range.kind == MEM_GRAPH ? graph_memory_free_later(addr, s) :
		    malloc_free_later(addr, s);
	return context_leave(r);
}

CUresult cuMemPoolExportToShareableHandle(void *out, CUmemoryPool handle,
					  CUmemAllocationHandleType type, unsigned long long flags)
{
	struct pool *p;
	int fd;
	CUresult r = enter(handle, &p);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || flags || !p->fd || p->imported ||
	    type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	fd = share_dup(p->fd);
	if (fd < 0)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	*(int *)out = fd;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuMemPoolImportFromShareableHandle(CUmemoryPool *out, void *handle,
					    CUmemAllocationHandleType type,
					    unsigned long long flags)
{
	CUmemPoolProps props = {
		.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
		.handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
	struct pool *p;
	int fd;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || flags || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR ||
	    !share_size((intptr_t)handle))
		return CUDA_ERROR_INVALID_VALUE;
	fd = share_dup((intptr_t)handle);
	if (fd < 0)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (share_device(fd) >= 0)
		props.location.id = share_device(fd);
	driver_lock();
	p = pool_create(&props, fd);
	if (!p) {
		close(fd);
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	p->imported = true;
	*out = HANDLE_OF(p);
	return context_leave(CUDA_SUCCESS);
}

struct pointer_data {
	uint64_t magic, inode, offset, bytes, size;
};

_Static_assert(sizeof(struct pointer_data) <= sizeof(CUmemPoolPtrExportData), "room");

CUresult cuMemPoolExportPointer(CUmemPoolPtrExportData *out, CUdeviceptr addr)
{
	struct pointer_data d = { .magic = POINTER_MAGIC };
	struct block *b;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	b = pool_block_at(addr);
	if (!out || !b || b->addr != addr || b->state != BLOCK_LIVE || !b->pool->fd ||
	    b->pool->imported)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	d.inode = share_inode(b->pool->fd);
	d.offset = b->offset;
	d.bytes = b->bytes;
	d.size = b->size;
	memset(out, 0, sizeof(*out));
	memcpy(out, &d, sizeof(d));
	return context_leave(CUDA_SUCCESS);
}

/* The other process may have written anything. */
static bool is_inside(const struct pool *p, const struct pointer_data *d)
{
	return d->magic == POINTER_MAGIC && d->inode == share_inode(p->fd) && d->bytes &&
	       d->offset % 4096 == 0 && d->bytes % 4096 == 0 && d->bytes <= p->fd_size &&
	       d->offset <= p->fd_size - d->bytes && d->size && d->size <= d->bytes;
}

CUresult cuMemPoolImportPointer(CUdeviceptr *out, CUmemoryPool handle, CUmemPoolPtrExportData *data)
{
	struct pointer_data d;
	struct context *ctx;
	struct pool *p;
	uint64_t addr;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	p = pool_find(handle);
	if (!out || !data || !p || !p->imported)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	memcpy(&d, data, sizeof(d));
	if (!is_inside(p, &d))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = pool_map(p, ctx, d.offset, d.bytes, d.size, &addr);
	if (r == CUDA_SUCCESS)
		*out = addr;
	return context_leave(r);
}
