/* SPDX-License-Identifier: MIT */
/*
 * graph_memory.c - memory allocation and free nodes
 *
 * The address is reserved when the node is made, and the pages are there from a launch to the free.
 * Launches are told one after the other what they allocate and free, in the order in which they
 * run, so that what the program owns is known at each call; the pages go when the last free that is
 * on its way has run, and when all work that was queued before has passed.
 */
#include "graph_memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "device.h"
#include "graph_kind.h"
#include "init.h"
#include "memory.h"
#include "print.h"

#define PAGE	4096

struct graph_alloc {
	LIST_ENTRY(graph_alloc) link;
	unsigned int refs;		/* actions */
	uint64_t addr;
	size_t size, bytes;		/* asked for, and mapped */
	bool owned;			/* allocated, and no free of it was queued */
	unsigned int frees;		/* on their way, and one more while it is owned */
	uint64_t freed;			/* number of the work that freed it last */
	bool mapped;
	CUdevice dev;
};

static LIST_HEAD(, graph_alloc) allocs = LIST_HEAD_INITIALIZER(allocs);
static unsigned int nr_to_reap;
static cuuint64_t used, used_high;

static struct graph_alloc *find(uint64_t addr)
{
	struct graph_alloc *ga;

	LIST_FOREACH(ga, &allocs, link)
		if (ga->addr == addr)
			return ga;
	return NULL;
}

/* Nobody can name it any more, and nothing is there. */
static void alloc_put(struct graph_alloc *ga)
{
	if (ga->refs || ga->mapped || ga->frees)
		return;
	munmap((void *)(uintptr_t)ga->addr, ga->bytes);
	LIST_REMOVE(ga, link);
	free(ga);
}

/* A context that went away took its memory with it. */
static void notice_loss(struct graph_alloc *ga)
{
	struct mem_range range;

	if (!ga->mapped || (mem_lookup(ga->addr, &range) && range.kind == MEM_GRAPH))
		return;
	if (!ga->frees)
		nr_to_reap--;
	used -= ga->bytes;
	ga->mapped = ga->owned = false;
	ga->frees = 0;
}

static CUresult map(struct graph_alloc *ga, struct context *ctx)
{
	struct mem_range range = { .lo = ga->addr, .size = ga->size, .bytes = ga->bytes,
				   .kind = MEM_GRAPH, .owner = ctx, .device = ga->dev };

	if (!mem_commit(&range))
		return CUDA_ERROR_OUT_OF_MEMORY;
	ga->mapped = true;
	used += ga->bytes;
	if (used > used_high)
		used_high = used;
	return CUDA_SUCCESS;
}

static void unmap(struct graph_alloc *ga)
{
	mem_remove(ga->addr, MEM_GRAPH);
	ga->mapped = false;
	used -= ga->bytes;
	alloc_put(ga);
}

void graph_memory_reap(void)
{
	struct graph_alloc *ga, *next;

	if (!nr_to_reap)
		return;
	for (ga = LIST_FIRST(&allocs); ga; ga = next) {
		next = LIST_NEXT(ga, link);
		if (!ga->mapped || ga->frees || !context_all_passed(ga->freed))
			continue;
		nr_to_reap--;
		unmap(ga);
	}
}

/* A free has run, or never will. */
static void freed(struct graph_alloc *ga, uint64_t seq)
{
	ga->freed = seq;
	if (ga->frees && --ga->frees == 0 && ga->mapped)
		nr_to_reap++;
}

static CUresult take(struct graph_alloc *ga, struct context *ctx)
{
	bool reapable = ga->mapped && !ga->frees;
	CUresult r = ga->mapped ? CUDA_SUCCESS : map(ga, ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (reapable)
		nr_to_reap--;
	ga->frees++;
	ga->owned = true;
	return CUDA_SUCCESS;
}

static CUresult alloc_make(struct action *a, CUgraphNodeParams *p)
{
	const CUmemPoolProps *props = &p->alloc.poolProps;
	size_t bytes = p->alloc.bytesize;
	struct graph_alloc *ga;
	void *at;

	if (!bytes || (p->alloc.accessDescCount && !p->alloc.accessDescs) ||
	    props->allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
	    props->handleTypes != CU_MEM_HANDLE_TYPE_NONE ||
	    props->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
	    !device_exists(props->location.id))
		return CUDA_ERROR_INVALID_VALUE;
	if (bytes > SIZE_MAX / 4)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ga = calloc(1, sizeof(*ga));
	if (!ga)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ga->size = bytes;
	ga->bytes = (bytes + PAGE - 1) / PAGE * PAGE;
	at = mmap(NULL, ga->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		free(ga);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	ga->addr = (uintptr_t)at;
	ga->dev = props->location.id;
	ga->refs = 1;
	LIST_INSERT_HEAD(&allocs, ga, link);
	p->alloc.dptr = a->params.alloc.dptr = ga->addr;
	/* All devices may use it; the list of those is not kept. */
	a->params.alloc.accessDescs = NULL;
	a->params.alloc.accessDescCount = 0;
	a->data = ga;
	return CUDA_SUCCESS;
}

static CUresult free_make(struct action *a, CUgraphNodeParams *p)
{
	struct graph_alloc *ga = find(p->free.dptr);

	if (!ga || !ga->refs)
		return CUDA_ERROR_INVALID_VALUE;
	ga->refs++;
	a->data = ga;
	return CUDA_SUCCESS;
}

static void memory_destroy(struct action *a)
{
	struct graph_alloc *ga = a->data;

	ga->refs--;
	alloc_put(ga);
}

/* Addresses are part of what other nodes were given. */
static CUgraphExecUpdateResult memory_update(const struct action *a, const struct action *b)
{
	return a->data == b->data ? CU_GRAPH_EXEC_UPDATE_SUCCESS
				  : CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED;
}

static CUresult alloc_launch(struct action *a, struct run *run)
{
	struct graph_alloc *ga = a->data;
	CUresult r;

	notice_loss(ga);
	/* Freed and allocated again at the same place. */
	if (ga->owned)
		return run->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH
			       ? CUDA_SUCCESS
			       : CUDA_ERROR_INVALID_VALUE;
	r = actions_add(&run->changes, a);
	if (r != CUDA_SUCCESS)
		return r;
	r = take(ga, run->ctx);
	if (r != CUDA_SUCCESS)
		run->changes.nr--;
	return r;
}

static void alloc_undo(struct action *a)
{
	struct graph_alloc *ga = a->data;

	ga->owned = false;
	freed(ga, ga->freed);
}

static CUresult free_launch(struct action *a, struct run *run)
{
	struct graph_alloc *ga = a->data;
	CUresult r;

	notice_loss(ga);
	r = ga->owned ? actions_add(&run->changes, a) : CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		ga->owned = false;
	return r;
}

static void free_undo(struct action *a)
{
	((struct graph_alloc *)a->data)->owned = true;
}

static CUresult free_run(const struct action *a, struct run *run)
{
	driver_lock();
	freed(a->data, run->work.seq);
	driver_unlock();
	return CUDA_SUCCESS;
}

const struct node_kind node_kind_alloc = {
	.name = "memory allocation",
	.once = true,
	.pinned = true,
	.make = alloc_make,
	.destroy = memory_destroy,
	.update = memory_update,
	.launch = alloc_launch,
	.undo = alloc_undo,
};

const struct node_kind node_kind_free = {
	.name = "memory free",
	.once = true,
	.pinned = true,
	.make = free_make,
	.destroy = memory_destroy,
	.update = memory_update,
	.launch = free_launch,
	.undo = free_undo,
	.run = free_run,
};

CUresult graph_memory_free_now(uint64_t addr, struct context *ctx)
{
	struct graph_alloc *ga = find(addr);
	CUresult r;

	if (!ga || !ga->owned)
		return CUDA_ERROR_INVALID_VALUE;
	ga->owned = false;
	ga->refs++;
	r = context_drain_all(ctx);
	ga->refs--;
	freed(ga, stream_now());
	graph_memory_reap();
	return r;
}

struct free_work {
	struct work work;
	struct graph_alloc *ga;
};

static CUresult later_run(struct work *w, struct context *ctx)
{
	(void)ctx;
	driver_lock();
	freed(((struct free_work *)w)->ga, w->seq);
	driver_unlock();
	return CUDA_SUCCESS;
}

CUresult graph_memory_free_later(uint64_t addr, struct stream *s)
{
	struct graph_alloc *ga = find(addr);
	struct free_work *w;

	if (!ga || !ga->owned)
		return CUDA_ERROR_INVALID_VALUE;
	w = calloc(1, sizeof(*w));
	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ga->owned = false;
	w->ga = ga;
	w->work.run = later_run;
	w->work.always = true;
	return stream_submit(s, &w->work);
}

/* Freed pages go back at once: there is nothing to trim. */
CUresult cuDeviceGraphMemTrim(CUdevice dev)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	return device_exists(dev) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static CUresult enter(CUdevice dev, const void *value)
{
	CUresult r = cuDeviceGraphMemTrim(dev);

	if (r == CUDA_SUCCESS && !value)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		driver_lock();
	return r;
}

CUresult cuDeviceGetGraphMemAttribute(CUdevice dev, CUgraphMem_attribute attr, void *value)
{
	CUresult r = enter(dev, value);

	if (r != CUDA_SUCCESS)
		return r;
	graph_memory_reap();
	switch (attr) {
	case CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT:
	case CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT:
		*(cuuint64_t *)value = used;
		break;
	case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH:
	case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH:
		*(cuuint64_t *)value = used_high;
		break;
	default:
		r = CUDA_ERROR_INVALID_VALUE;
	}
	return context_leave(r);
}

/* A high watermark can only be set back. */
CUresult cuDeviceSetGraphMemAttribute(CUdevice dev, CUgraphMem_attribute attr, void *value)
{
	CUresult r = enter(dev, value);

	if (r != CUDA_SUCCESS)
		return r;
	if ((attr != CU_GRAPH_MEM_ATTR_USED_MEM_HIGH &&
	     attr != CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH) ||
	    *(cuuint64_t *)value)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	used_high = used;
	return context_leave(CUDA_SUCCESS);
}
