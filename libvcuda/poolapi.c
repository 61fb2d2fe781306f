// SPDX-License-Identifier: MIT
/*
 * poolapi.c - cuMemPool*: pools as objects, their attributes, the pools of a device
 */
#include <string.h>

#include "poolprops.h"
#include "mempool.h"

/* CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES */
#define MEM_HANDLE_TYPES	CU_MEM_HANDLE_TYPE_NONE

/* ---- pools as objects ---- */

CUresult hand_cuMemPoolCreate(CUmemoryPool *out, const CUmemPoolProps *props)
{
	CUresult r = out ? mempool_check(props, MEM_HANDLE_TYPES) : CUDA_ERROR_INVALID_VALUE;
	struct pool *p;

	if (r)
		return r;
	vcuda_arena_lock();
	p = vcuda_pool_new(props->location.id);
	if (p) {
		p->max_size = props->maxSize;
		*out = p->handle;
	}
	vcuda_arena_unlock();
	return p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* Runs fn on the pool, with the lock. */
static CUresult with_pool(CUmemoryPool handle, CUresult (*fn)(struct pool *p, void *arg), void *arg)
{
	struct pool *p;
	CUresult r;

	vcuda_arena_lock();
	p = vcuda_pool_of(handle);
	r = p ? fn(p, arg) : CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_unlock();
	return r;
}

/* What it has given out lives on. */
static CUresult destroy(struct pool *p, void *arg)
{
	(void)arg;
	if (p->is_default)
		return CUDA_ERROR_INVALID_VALUE;
	if (vcuda_pool_current[p->dev] == p)
		vcuda_pool_current[p->dev] = NULL;
	vcuda_handle_del(CUDA_HANDLE_mempool, p->handle);
	p->destroyed = true;
	vcuda_pool_settle(p);
	return CUDA_SUCCESS;
}

CUresult hand_cuMemPoolDestroy(CUmemoryPool handle)
{
	return with_pool(handle, destroy, NULL);
}

static CUresult trim_to(struct pool *p, void *keep)
{
	vcuda_arena_reap();
	vcuda_pool_trim(p, *(size_t *)keep);
	return CUDA_SUCCESS;
}

CUresult hand_cuMemPoolTrimTo(CUmemoryPool handle, size_t keep)
{
	return with_pool(handle, trim_to, &keep);
}

struct attribute {
	CUmemPool_attribute which;
	void *value;
};

/* The high-water marks can only be set to 0, which means: to what is there now. */
static CUresult set_attribute(struct pool *p, void *arg)
{
	const struct attribute *a = arg;
	int *rule = pool_reuse_rule(&p->reuse, a->which);
	cuuint64_t v;

	if (rule) {
		*rule = *(int *)a->value != 0;
		return CUDA_SUCCESS;
	}
	memcpy(&v, a->value, sizeof(v));
	if (a->which == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
		p->threshold = v;
		return CUDA_SUCCESS;
	}
	if (v)
		return CUDA_ERROR_INVALID_VALUE;
	if (a->which == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH)
		p->reserved_high = p->reserved;
	else if (a->which == CU_MEMPOOL_ATTR_USED_MEM_HIGH)
		p->used_high = p->used;
	else
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

CUresult hand_cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute which, void *value)
{
	struct attribute a = { which, value };

	return value ? with_pool(handle, set_attribute, &a) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult get_attribute(struct pool *p, void *arg)
{
	const struct attribute *a = arg;
	int *rule = pool_reuse_rule(&p->reuse, a->which);
	cuuint64_t v;

	if (rule) {
		memcpy(a->value, rule, sizeof(*rule));
		return CUDA_SUCCESS;
	}
	switch (a->which) {
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		v = p->threshold;
		break;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
		v = p->reserved;
		break;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
		v = p->reserved_high;
		break;
	case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
		v = p->used;
		break;
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		v = p->used_high;
		break;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	memcpy(a->value, &v, sizeof(v));
	return CUDA_SUCCESS;
}

CUresult hand_cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute which, void *value)
{
	struct attribute a = { which, value };

	return value ? with_pool(handle, get_attribute, &a) : CUDA_ERROR_INVALID_VALUE;
}

/* ---- access: the pool's own device, which always has it ---- */

struct access {
	const CUmemAccessDesc *map;
	size_t count;
	int dev;
};

static CUresult set_access(struct pool *p, void *arg)
{
	const struct access *a = arg;
	size_t i;

	for (i = 0; i < a->count; i++) {
		if (a->map[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE)
			return CUDA_ERROR_INVALID_VALUE;
		if (!device_exists(a->map[i].location.id))
			return CUDA_ERROR_INVALID_DEVICE;
		if (a->map[i].location.id != p->dev)
			return CUDA_ERROR_NOT_SUPPORTED;
		if (a->map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READ)
			return CUDA_ERROR_NOT_SUPPORTED;
		if (a->map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
			return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult hand_cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc *map, size_t count)
{
	struct access a = { .map = map, .count = count };

	return map && count ? with_pool(handle, set_access, &a) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult own_device(struct pool *p, void *dev)
{
	*(int *)dev = p->dev;
	return CUDA_SUCCESS;
}

CUresult hand_cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool handle,
				 CUmemLocation *location)
{
	CUresult r;
	int dev;

	bool host = location && location->type == CU_MEM_LOCATION_TYPE_HOST;

	if (!flags || !location || (!host && (location->type != CU_MEM_LOCATION_TYPE_DEVICE ||
					      !device_exists(location->id))))
		return CUDA_ERROR_INVALID_VALUE;
	r = with_pool(handle, own_device, &dev);
	if (!r)
		*flags = !host && dev == location->id ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
					     : CU_MEM_ACCESS_FLAGS_PROT_NONE;
	return r;
}

/* ---- the pools of a device ---- */

static CUresult pool_of(CUmemoryPool *out, CUdevice dev, bool is_current)
{
	struct pool *p;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(dev))	/* as NVIDIA's driver says */
		return is_current ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_DEVICE;
	vcuda_arena_lock();
	p = is_current && vcuda_pool_current[dev] ? vcuda_pool_current[dev] : vcuda_pool_default(dev);
	vcuda_arena_unlock();
	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*out = p->handle;
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceGetDefaultMemPool(CUmemoryPool *out, CUdevice dev)
{
	return pool_of(out, dev, false);
}

CUresult hand_cuDeviceGetMemPool(CUmemoryPool *out, CUdevice dev)
{
	return pool_of(out, dev, true);
}

static CUresult make_current(struct pool *p, void *dev)
{
	if (p->dev != *(CUdevice *)dev)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_pool_current[p->dev] = p;
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceSetMemPool(CUdevice dev, CUmemoryPool handle)
{
	return device_exists(dev) ? with_pool(handle, make_current, &dev)
				  : CUDA_ERROR_INVALID_VALUE;
}

/* CUDA 13's names. Only devices have pools here. */
static CUresult device_of(const CUmemLocation *l, CUmemAllocationType type, CUdevice *dev)
{
	if (!l)
		return CUDA_ERROR_INVALID_VALUE;
	if (type == CU_MEM_ALLOCATION_TYPE_MANAGED || l->type == CU_MEM_LOCATION_TYPE_HOST ||
	    l->type == CU_MEM_LOCATION_TYPE_HOST_NUMA)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (type != CU_MEM_ALLOCATION_TYPE_PINNED || l->type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_INVALID_VALUE;
	*dev = l->id;
	return CUDA_SUCCESS;
}

CUresult hand_cuMemGetDefaultMemPool(CUmemoryPool *out, CUmemLocation *l, CUmemAllocationType type)
{
	CUdevice dev;
	CUresult r = device_of(l, type, &dev);

	return r ? r : pool_of(out, dev, false);
}

CUresult hand_cuMemGetMemPool(CUmemoryPool *out, CUmemLocation *l, CUmemAllocationType type)
{
	CUdevice dev;
	CUresult r = device_of(l, type, &dev);

	return r ? r : pool_of(out, dev, true);
}

CUresult hand_cuMemSetMemPool(CUmemLocation *l, CUmemAllocationType type, CUmemoryPool pool)
{
	CUdevice dev;
	CUresult r = device_of(l, type, &dev);

	return r ? r : hand_cuDeviceSetMemPool(dev, pool);
}

/*
 * Pools of other processes: no pool can be made that could be shared
 * (CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES is 0), so none is.
 */
CUresult hand_cuMemPoolExportToShareableHandle(void *out, CUmemoryPool pool,
					       CUmemAllocationHandleType type,
					       unsigned long long flags)
{
	(void)type;
	return out && !flags && vcuda_handle_get(CUDA_HANDLE_mempool, pool)
		? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuMemPoolImportFromShareableHandle(CUmemoryPool *out, void *handle,
						 CUmemAllocationHandleType type,
						 unsigned long long flags)
{
	(void)handle;
	(void)type;
	return out && !flags ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuMemPoolExportPointer(CUmemPoolPtrExportData *out, CUdeviceptr ptr)
{
	struct vcuda_range r;

	return out && vcuda_mem_find(ptr, &r) && r.pool ? CUDA_ERROR_NOT_SUPPORTED
							 : CUDA_ERROR_INVALID_VALUE;
}

/* No pool is one that was imported. */
CUresult hand_cuMemPoolImportPointer(CUdeviceptr *out, CUmemoryPool pool,
				     CUmemPoolPtrExportData *data)
{
	(void)out;
	(void)pool;
	(void)data;
	return CUDA_ERROR_INVALID_VALUE;
}
