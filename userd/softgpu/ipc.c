/* SPDX-License-Identifier: MIT */
/*
 * ipc.c - cuIpc*MemHandle: memory of cuMemAlloc() in other processes
 *
 * Memory is anonymous until its first handle is asked for; then its pages move to a memfd (share.h)
 * at the same address. An importer's mapping lives on when the exporter frees the memory or dies.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "context.h"
#include "init.h"
#include "malloc.h"
#include "memory.h"
#include "print.h"
#include "share.h"
#include "stream.h"

#define PAGE	4096

struct handle {
	struct share_name name;
	uint64_t size;			/* as asked for */
};

_Static_assert(sizeof(struct handle) <= sizeof(CUipcMemHandle), "room");

struct import {
	LIST_ENTRY(import) link;
	struct context *ctx;
	uint64_t addr, id;		/* mem_range.id */
	uint64_t inode;
	unsigned int refs;
};

static LIST_HEAD(, import) imports = LIST_HEAD_INITIALIZER(imports);

/* Untouched pages stay untouched: reading them here costs no memory. */
static bool write_pages(int fd, const struct mem_range *r)
{
	static const char zero[PAGE];
	const char *p = (const char *)(uintptr_t)r->lo;

	for (size_t at = 0; at < r->bytes; at += PAGE)
		if (memcmp(p + at, zero, PAGE) && pwrite(fd, p + at, PAGE, at) != PAGE)
			return false;
	return true;
}

/* Nothing runs that could touch the memory. */
static CUresult share_range(struct mem_range *r)
{
	int fd = share_create(r->bytes, device_number(r->device));

	if (fd < 0)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!write_pages(fd, r) || mmap((void *)(uintptr_t)r->lo, r->bytes, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		close(fd);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	r->shared_fd = fd;
	mem_update(r);
	return CUDA_SUCCESS;
}

/* Afterwards the lock is held and no work, of whichever stream, is running. */
static CUresult quiesce(struct context *ctx)
{
	CUresult r;

	do
		r = context_drain_all(ctx);
	while (r == CUDA_SUCCESS && !context_all_passed(stream_now()));
	return r;
}

static bool can_share(uint64_t addr, struct mem_range *r)
{
	return mem_lookup(addr, r) && r->kind == MEM_DEVICE && !r->dying;
}

/* An address inside an allocation names the allocation. */
CUresult cuIpcGetMemHandle(CUipcMemHandle *out, CUdeviceptr addr)
{
	struct mem_range range;
	struct handle h = { 0 };
	struct context *ctx;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !can_share(addr, &range))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!range.shared_fd) {
		r = quiesce(ctx);
		if (r == CUDA_SUCCESS && !can_share(addr, &range))
			r = CUDA_ERROR_INVALID_VALUE;
		if (r == CUDA_SUCCESS && !range.shared_fd)
			r = share_range(&range);
	}
	if (r == CUDA_SUCCESS) {
		share_name(&h.name, SHARE_MEMORY, range.shared_fd);
		h.size = range.size;
		memset(out, 0, sizeof(*out));
		memcpy(out, &h, sizeof(h));
	}
	return context_leave(r);
}

/* A context that ended took its mappings along. */
static void forget_gone(void)
{
	struct import *i, *next;
	struct mem_range r;

	for (i = LIST_FIRST(&imports); i; i = next) {
		next = LIST_NEXT(i, link);
		if (mem_lookup(i->addr, &r) && r.id == i->id)
			continue;
		LIST_REMOVE(i, link);
		free(i);
	}
}

/*
 * The exporter's device, if the program sees it. The context's kernels reach it as peers do, which is
 * what CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS says.
 */
static void place(struct mem_range *r, const struct context *ctx, int fd)
{
	CUdevice dev = share_device(fd);

	r->device = dev >= 0 ? dev : ctx->device;
	if (r->device != ctx->device)
		r->access = 1u << r->device | 1u << ctx->device;
}

static CUresult map_import(struct context *ctx, int fd, const struct handle *h, struct import *i)
{
	struct mem_range r = {
		.size = h->size, .bytes = share_size(fd), .kind = MEM_IPC, .owner = ctx,
	};
	void *p;

	if (!r.size || r.size > r.bytes || r.bytes % PAGE)
		return CUDA_ERROR_INVALID_HANDLE;
	p = mmap(NULL, r.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return CUDA_ERROR_MAP_FAILED;
	r.lo = (uintptr_t)p;
	place(&r, ctx, fd);
	if (!mem_add(&r)) {
		munmap(p, r.bytes);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	mem_lookup(r.lo, &r);
	i->addr = r.lo;
	i->id = r.id;
	return CUDA_SUCCESS;
}

static CUresult import_memory(struct context *ctx, const struct handle *h, CUdeviceptr *out)
{
	struct import *i;
	CUresult r;
	int fd;

	forget_gone();
	LIST_FOREACH(i, &imports, link) {
		if (i->ctx != ctx || i->inode != h->name.inode)
			continue;
		i->refs++;
		*out = i->addr;
		return CUDA_SUCCESS;
	}
	fd = share_open(&h->name, SHARE_MEMORY);
	if (fd < 0)
		return CUDA_ERROR_INVALID_HANDLE;
	i = calloc(1, sizeof(*i));
	r = i ? map_import(ctx, fd, h, i) : CUDA_ERROR_OUT_OF_MEMORY;
	close(fd);
	if (r != CUDA_SUCCESS) {
		free(i);
		return r;
	}
	i->ctx = ctx;
	i->inode = h->name.inode;
	i->refs = 1;
	LIST_INSERT_HEAD(&imports, i, link);
	*out = i->addr;
	return CUDA_SUCCESS;
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *out, CUipcMemHandle handle, unsigned int flags)
{
	struct context *ctx;
	struct handle h;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	memcpy(&h, &handle, sizeof(h));
	if (!share_is_name(&h.name, SHARE_MEMORY))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	/* What a process exported it has already. */
	if (h.name.pid == getpid())
		return context_leave(CUDA_ERROR_INVALID_CONTEXT);
	return context_leave(import_memory(ctx, &h, out));
}

CUresult cuIpcOpenMemHandle(CUdeviceptr *out, CUipcMemHandle handle, unsigned int flags)
{
	return cuIpcOpenMemHandle_v2(out, handle, flags);
}

CUresult cuIpcCloseMemHandle(CUdeviceptr addr)
{
	struct context *ctx;
	struct import *i;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	forget_gone();
	LIST_FOREACH(i, &imports, link)
		if (i->addr == addr)
			break;
	if (!i)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (--i->refs == 0) {
		LIST_REMOVE(i, link);
		free(i);
		r = malloc_release(ctx, addr, MEM_IPC, CUDA_ERROR_INVALID_VALUE);
	}
	driver_unlock();
	print_flush();
	return r;
}
