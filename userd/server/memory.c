/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "run.h"
#include "worker.h"

CUmemAllocationProp memory_prop(const struct memory *m)
{
	return (CUmemAllocationProp){
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE, .id = m->dev },
		.requestedHandleTypes =
			m->shareable ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR : 0,
	};
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* Clients keep addresses for as long as they live, so every server should give the same range. */
static CUresult reserve(struct memory *m, uint64_t total_mem)
{
	uint64_t bytes = round_up(4 * total_mem, 1ull << 30);
	CUdeviceptr base;
	CUresult r;

	if (bytes < MEMORY_RANGE_MIN)
		bytes = MEMORY_RANGE_MIN;
	do {
		r = real.cuMemAddressReserve(&base, bytes, 0, MEMORY_RANGE_BASE, 0);
		if (r == CUDA_SUCCESS)
			break;
		bytes /= 2;
	} while (bytes >= total_mem && bytes >= m->granularity);
	if (r == CUDA_SUCCESS && base != MEMORY_RANGE_BASE)
		log_warn("address range at 0x%llx instead of 0x%llx", (unsigned long long)base,
			 (unsigned long long)MEMORY_RANGE_BASE);
	m->base = base;
	m->bytes = bytes;
	return r;
}

int memory_init(struct memory *m, CUdevice dev, uint64_t total_mem)
{
	CUmemAllocationProp prop;
	size_t granularity;
	int shareable = 0;
	CUresult r;

	pthread_mutex_init(&m->lock, NULL);
	m->dev = dev;
	real.cuDeviceGetAttribute(
		&shareable, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, dev);
	m->shareable = shareable && real.cuMemExportToShareableHandle &&
		       real.cuMemImportFromShareableHandle && real.cuMemRetainAllocationHandle;
	prop = memory_prop(m);
	r = real.cuMemGetAllocationGranularity(&granularity, &prop,
					       CU_MEM_ALLOC_GRANULARITY_MINIMUM);
	if (r == CUDA_SUCCESS) {
		m->granularity = granularity;
		r = reserve(m, total_mem);
	}
	if (r != CUDA_SUCCESS) {
		log_err("cannot reserve device addresses: %s", run_error_name(r));
		return -ENOMEM;
	}
	m->pages = calloc(m->bytes / m->granularity, sizeof(*m->pages));
	return m->pages ? 0 : -ENOMEM;
}

static bool is_inside(const struct memory *m, uint64_t addr, uint64_t size)
{
	return addr >= m->base && size <= m->bytes && addr - m->base <= m->bytes - size;
}

/* A row of whole pages inside the range. */
static bool is_pages(const struct memory *m, uint64_t addr, uint64_t size)
{
	return size && addr % m->granularity == 0 && size % m->granularity == 0 &&
	       is_inside(m, addr, size);
}

static struct mapping **page_of(const struct memory *m, uint64_t addr)
{
	return &m->pages[(addr - m->base) / m->granularity];
}

static CUresult check_free(const struct memory *m, uint64_t addr, uint64_t size)
{
	if (!is_pages(m, addr, size))
		return CUDA_ERROR_INVALID_VALUE;
	for (uint64_t at = addr; at < addr + size; at += m->granularity)
		if (*page_of(m, at))
			return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static CUresult driver_map(struct memory *m, uint64_t addr, uint64_t size,
			   CUmemGenericAllocationHandle handle)
{
	CUmemAccessDesc access = {
		.location = memory_prop(m).location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
	};
	CUresult r = real.cuMemMap(addr, size, 0, handle, 0);

	/* The mapping keeps the memory. */
	real.cuMemRelease(handle);
	if (r != CUDA_SUCCESS)
		return r;
	r = real.cuMemSetAccess(addr, size, &access, 1);
	if (r != CUDA_SUCCESS)
		real.cuMemUnmap(addr, size);
	return r;
}

static void use(struct memory *m, uint64_t size)
{
	m->used += size;
	if (m->used > m->peak)
		m->peak = m->used;
}

static void book(struct memory *m, struct mapping *map)
{
	for (uint64_t at = map->addr; at < map->addr + map->size; at += m->granularity)
		*page_of(m, at) = map;
	map->id = ++m->last_id;
	if (!map->physical)
		use(m, map->size);
}

static bool has_room(const struct memory *m, uint64_t size)
{
	return size <= m->limit && m->used <= m->limit - size;
}

/* fd -1: new memory. */
static CUresult make_handle(struct memory *m, uint64_t size, int fd,
			    CUmemGenericAllocationHandle *handle)
{
	CUmemAllocationProp prop = memory_prop(m);

	if (fd < 0)
		return real.cuMemCreate(handle, size, &prop, 0);
	return real.cuMemImportFromShareableHandle(handle, (void *)(intptr_t)fd,
						   CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
}

CUresult memory_map_fd(struct memory *m, uint64_t addr, uint64_t size, int fd)
{
	CUmemGenericAllocationHandle handle;
	struct mapping *map;
	CUresult r;

	pthread_mutex_lock(&m->lock);
	r = check_free(m, addr, size);
	if (r == CUDA_SUCCESS && !has_room(m, size))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_unlock(&m->lock);
	if (r != CUDA_SUCCESS)
		return r;
	map = malloc(sizeof(*map));
	if (!map)
		return CUDA_ERROR_OUT_OF_MEMORY;
	/* Only this thread maps, so what was free stays free without the lock. */
	r = make_handle(m, size, fd, &handle);
	if (r == CUDA_SUCCESS)
		r = driver_map(m, addr, size, handle);
	if (r != CUDA_SUCCESS) {
		free(map);
		return r;
	}
	*map = (struct mapping){ .addr = addr, .size = size };
	pthread_mutex_lock(&m->lock);
	book(m, map);
	pthread_mutex_unlock(&m->lock);
	return CUDA_SUCCESS;
}

CUresult memory_map(struct memory *m, uint64_t addr, uint64_t size)
{
	return memory_map_fd(m, addr, size, -1);
}

uint64_t memory_mapping_id(struct memory *m, uint64_t addr, uint64_t size)
{
	const struct mapping *map = NULL;
	uint64_t id = 0;

	pthread_mutex_lock(&m->lock);
	if (is_pages(m, addr, size))
		map = *page_of(m, addr);
	if (map && map->addr == addr && map->size == size && !map->physical)
		id = map->id;
	pthread_mutex_unlock(&m->lock);
	return id;
}

/* ---- memory of cuMemCreate() ---- */

CUresult memory_charge(struct memory *m, uint64_t size)
{
	CUresult r = CUDA_SUCCESS;

	pthread_mutex_lock(&m->lock);
	if (!has_room(m, size))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	else
		use(m, size);
	pthread_mutex_unlock(&m->lock);
	return r;
}

void memory_uncharge(struct memory *m, uint64_t size)
{
	pthread_mutex_lock(&m->lock);
	m->used -= size;
	pthread_mutex_unlock(&m->lock);
}

void memory_put_physical(struct memory *m, struct physical *p)
{
	if (--p->refs)
		return;
	memory_uncharge(m, p->size);
	free(p);
}

CUresult memory_map_physical(struct memory *m, uint64_t addr, uint64_t size, struct physical *p)
{
	struct mapping *map = malloc(sizeof(*map));
	CUresult r;

	if (!map)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&m->lock);
	r = size <= p->size ? check_free(m, addr, size) : CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&m->lock);
	if (r == CUDA_SUCCESS)
		r = real.cuMemMap(addr, size, 0, p->real, 0);
	if (r != CUDA_SUCCESS) {
		free(map);
		return r;
	}
	*map = (struct mapping){ .addr = addr, .size = size, .physical = p };
	p->refs++;
	pthread_mutex_lock(&m->lock);
	book(m, map);
	pthread_mutex_unlock(&m->lock);
	return CUDA_SUCCESS;
}

static bool is_row_of_mappings(const struct memory *m, uint64_t addr, uint64_t size, bool physical)
{
	uint64_t at = addr, end = addr + size;

	if (!is_pages(m, addr, size))
		return false;
	while (at < end) {
		const struct mapping *map = *page_of(m, at);

		if (!map || map->addr != at || map->size > end - at || !map->physical == physical)
			return false;
		at += map->size;
	}
	return true;
}

/* The pages stay taken until the driver is done, or the executor could map there too early. */
static CUresult unmap_one(struct memory *m, struct mapping *map)
{
	struct physical *p;
	CUresult r;

	pthread_mutex_unlock(&m->lock);
	r = real.cuMemUnmap(map->addr, map->size);
	pthread_mutex_lock(&m->lock);
	if (r != CUDA_SUCCESS)
		return r;
	for (uint64_t at = map->addr; at < map->addr + map->size; at += m->granularity)
		*page_of(m, at) = NULL;
	if (!map->physical)
		m->used -= map->size;
	p = map->physical;
	free(map);
	if (p) {
		pthread_mutex_unlock(&m->lock);
		memory_put_physical(m, p);
		pthread_mutex_lock(&m->lock);
	}
	return r;
}

static CUresult unmap_row(struct memory *m, uint64_t addr, uint64_t size, bool physical)
{
	CUresult r = CUDA_SUCCESS;
	uint64_t at = addr;

	pthread_mutex_lock(&m->lock);
	if (!is_row_of_mappings(m, addr, size, physical))
		r = CUDA_ERROR_INVALID_VALUE;
	while (r == CUDA_SUCCESS && at < addr + size) {
		struct mapping *map = *page_of(m, at);

		at += map->size;
		r = unmap_one(m, map);
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}

CUresult memory_unmap(struct memory *m, uint64_t addr, uint64_t size)
{
	return unmap_row(m, addr, size, false);
}

CUresult memory_unmap_physical(struct memory *m, uint64_t addr, uint64_t size)
{
	return unmap_row(m, addr, size, true);
}

bool memory_is_physical(struct memory *m, uint64_t addr, uint64_t size)
{
	bool ok;

	pthread_mutex_lock(&m->lock);
	ok = is_row_of_mappings(m, addr, size, true);
	pthread_mutex_unlock(&m->lock);
	return ok;
}

CUresult memory_check(struct memory *m, uint64_t addr, uint64_t size)
{
	unsigned int type = 0, managed = 0;
	CUdeviceptr base;
	size_t bytes;
	CUresult r;

	/* The driver knows what is mapped there. */
	if (is_inside(m, addr, size))
		return CUDA_SUCCESS;
	/* A variable of a module; the memory type of a managed one may be that of the host. */
	r = real.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, addr);
	if (r == CUDA_SUCCESS && type != CU_MEMORYTYPE_DEVICE)
		r = real.cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, addr);
	if (r == CUDA_SUCCESS && (type == CU_MEMORYTYPE_DEVICE || managed))
		r = real.cuMemGetAddressRange_v2(&base, &bytes, addr);
	else
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS && (addr - base > bytes || size > bytes - (addr - base)))
		r = CUDA_ERROR_INVALID_VALUE;
	return r;
}
