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
#include "graph_alloc.h"
#include "init.h"
#include "memory.h"
#include "print.h"

#define PAGE	4096

struct graph_memory {
	struct graph_alloc a;
	size_t bytes;			/* mapped */
	unsigned int frees;		/* on their way, and one more while it is owned */
	uint64_t freed;			/* number of the work that freed it last */
	bool mapped;
	CUdevice dev;
};

static unsigned int nr_to_reap;
static cuuint64_t used, used_high;

static struct graph_memory *find(uint64_t addr)
{
	return (struct graph_memory *)graph_alloc_find(addr);
}

/* Nobody can name it any more, and nothing is there. */
void graph_alloc_put(struct graph_alloc *a)
{
	struct graph_memory *m = (struct graph_memory *)a;

	if (m->a.refs || m->mapped || m->frees)
		return;
	munmap((void *)(uintptr_t)m->a.addr, m->bytes);
	LIST_REMOVE(a, link);
	free(m);
}

/* A context that went away took its memory with it. */
static void notice_loss(struct graph_memory *m)
{
	struct mem_range range;

	if (!m->mapped || (mem_lookup(m->a.addr, &range) && range.kind == MEM_GRAPH))
		return;
	if (!m->frees)
		nr_to_reap--;
	used -= m->bytes;
	m->mapped = m->a.owned = false;
	m->frees = 0;
}

static CUresult map(struct graph_memory *m, struct context *ctx)
{
	struct mem_range range = { .lo = m->a.addr, .size = m->a.size, .bytes = m->bytes,
				   .kind = MEM_GRAPH, .owner = ctx, .device = m->dev };

	if (!mem_commit(&range))
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->mapped = true;
	used += m->bytes;
	if (used > used_high)
		used_high = used;
	return CUDA_SUCCESS;
}

static void unmap(struct graph_memory *m)
{
	mem_remove(m->a.addr, MEM_GRAPH);
	m->mapped = false;
	used -= m->bytes;
	graph_alloc_put(&m->a);
}

void graph_memory_reap(void)
{
	struct graph_alloc *a, *next;
	struct graph_memory *m;

	if (!nr_to_reap)
		return;
	for (a = LIST_FIRST(&graph_allocs); a; a = next) {
		next = LIST_NEXT(a, link);
		m = (struct graph_memory *)a;
		if (!m->mapped || m->frees || !context_all_passed(m->freed))
			continue;
		nr_to_reap--;
		unmap(m);
	}
}

/* A free has run, or never will. */
static void freed(struct graph_memory *m, uint64_t seq)
{
	m->freed = seq;
	if (m->frees && --m->frees == 0 && m->mapped)
		nr_to_reap++;
}

static CUresult take(struct graph_memory *m, struct context *ctx)
{
	bool reapable = m->mapped && !m->frees;
	CUresult r = m->mapped ? CUDA_SUCCESS : map(m, ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (reapable)
		nr_to_reap--;
	m->frees++;
	m->a.owned = true;
	return CUDA_SUCCESS;
}

static CUresult alloc_make(struct action *a, CUgraphNodeParams *p)
{
	struct graph_memory *m;
	void *at;
	CUresult r = graph_alloc_check(&p->alloc);

	if (r != CUDA_SUCCESS)
		return r;
	if (p->alloc.bytesize > SIZE_MAX / 4)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m = calloc(1, sizeof(*m));
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->bytes = (p->alloc.bytesize + PAGE - 1) / PAGE * PAGE;
	at = mmap(NULL, m->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		free(m);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	m->dev = p->alloc.poolProps.location.id;
	graph_alloc_made(&m->a, (uintptr_t)at, a, p);
	return CUDA_SUCCESS;
}

static CUresult alloc_launch(struct action *a, struct run *run)
{
	struct graph_memory *m = a->data;
	CUresult r;

	notice_loss(m);
	/* Freed and allocated again at the same place. */
	if (m->a.owned)
		return run->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH
			       ? CUDA_SUCCESS
			       : CUDA_ERROR_INVALID_VALUE;
	r = actions_add(&run->changes, a);
	if (r != CUDA_SUCCESS)
		return r;
	r = take(m, run->ctx);
	if (r != CUDA_SUCCESS)
		run->changes.nr--;
	return r;
}

static void alloc_undo(struct action *a)
{
	struct graph_memory *m = a->data;

	m->a.owned = false;
	freed(m, m->freed);
}

static CUresult free_launch(struct action *a, struct run *run)
{
	struct graph_memory *m = a->data;
	CUresult r;

	notice_loss(m);
	r = m->a.owned ? actions_add(&run->changes, a) : CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		m->a.owned = false;
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
	.destroy = graph_alloc_destroy,
	.update = graph_alloc_update,
	.launch = alloc_launch,
	.undo = alloc_undo,
};

const struct node_kind node_kind_free = {
	.name = "memory free",
	.once = true,
	.pinned = true,
	.make = graph_free_make,
	.destroy = graph_alloc_destroy,
	.update = graph_alloc_update,
	.launch = free_launch,
	.undo = free_undo,
	.run = free_run,
};

CUresult graph_memory_free_now(uint64_t addr, struct context *ctx)
{
	struct graph_memory *m = find(addr);
	CUresult r;

	if (!m || !m->a.owned)
		return CUDA_ERROR_INVALID_VALUE;
	m->a.owned = false;
	m->a.refs++;
	r = context_drain_all(ctx);
	m->a.refs--;
	freed(m, stream_now());
	graph_memory_reap();
	return r;
}

struct free_work {
	struct work work;
	struct graph_memory *m;
};

static CUresult later_run(struct work *w, struct context *ctx)
{
	(void)ctx;
	driver_lock();
	freed(((struct free_work *)w)->m, w->seq);
	driver_unlock();
	return CUDA_SUCCESS;
}

CUresult graph_memory_free_later(uint64_t addr, struct stream *s)
{
	struct graph_memory *m = find(addr);
	struct free_work *w;

	if (!m || !m->a.owned)
		return CUDA_ERROR_INVALID_VALUE;
	w = calloc(1, sizeof(*w));
	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->a.owned = false;
	w->m = m;
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
