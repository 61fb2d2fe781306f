// SPDX-License-Identifier: MIT
/*
 * memory.c - memory allocation and free nodes
 *
 * The address is known when the node is made, and the memory is there from then on, for as long as
 * a graph can name it or the program owns it: the server sees an empty node. Who owns it is told
 * from launch to launch, in the order of the calls.
 */
#include <stdlib.h>

#include "capture.h"
#include "graph_alloc.h"
#include "init.h"
#include "stream.h"
#include "vcuda_graph.h"
#include "wire.h"

static cuuint64_t used, used_high;	/* bytes */
_Atomic unsigned int vcuda_graph_allocs;

void graph_alloc_put(struct graph_alloc *a)
{
	if (a->refs || a->owned)
		return;
	LIST_REMOVE(a, link);
	vcuda_graph_allocs--;
	used -= a->size;
	vcuda_mem_free(a->addr);
	free(a);
}

static CUresult alloc_make(struct action *action, CUgraphNodeParams *p)
{
	struct graph_alloc *a;
	CUdeviceptr addr;
	CUresult r = graph_alloc_check(&p->alloc);

	if (r)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = hand_cuMemAlloc_v2(&addr, p->alloc.bytesize);
	if (r) {
		free(a);
		return r;
	}
	graph_alloc_made(a, addr, action, p);
	vcuda_graph_allocs++;
	used += a->size;
	if (used > used_high)
		used_high = used;
	return CUDA_SUCCESS;
}

const struct node_kind node_kind_alloc = {
	.name = "memory allocation",
	.once = true,
	.pinned = true,
	.make = alloc_make,
	.destroy = graph_alloc_destroy,
	.update = graph_alloc_update,
};

const struct node_kind node_kind_free = {
	.name = "memory free",
	.once = true,
	.pinned = true,
	.make = graph_free_make,
	.destroy = graph_alloc_destroy,
	.update = graph_alloc_update,
};

/* ---- who owns it ---- */

/* check: as it would be, without doing it. Nodes that change it twice are checked one by one. */
static CUresult step(const struct plan *p, bool auto_free, bool check)
{
	CUresult r = CUDA_SUCCESS;
	size_t i, k;

	for (i = 0; i < p->nr && !r; i++) {
		const struct plan_node *n = &p->nodes[p->order[i]];
		struct graph_alloc *a = n->action->data;

		if (n->action->kind == &node_kind_alloc) {
			if (check && a->owned && !auto_free)
				r = CUDA_ERROR_INVALID_VALUE;
			a->owned = check ? a->owned : true;
		} else if (n->action->kind == &node_kind_free && !check) {
			a->owned = false;
		}
		for (k = 0; k < n->nr_bodies && !r; k++)
			r = step(n->bodies[k], auto_free, check);
	}
	return r;
}

CUresult vcuda_graph_memory(const struct graph_exec *e)
{
	bool auto_free = e->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
	CUresult r = vcuda_graph_allocs ? step(e->plan, auto_free, true) : CUDA_SUCCESS;

	if (!r && vcuda_graph_allocs)
		step(e->plan, auto_free, false);
	return r;
}

/* The program frees what a launch has allocated. */
bool vcuda_graph_free(CUdeviceptr addr, CUresult *r)
{
	struct graph_alloc *a;

	driver_lock();
	a = graph_alloc_find(addr);
	if (a) {
		*r = a->owned ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
		a->owned = false;
		graph_alloc_put(a);
	}
	driver_unlock();
	return a != NULL;
}

/* ---- in streams that capture ---- */

static CUresult enter(CUstream handle, struct stream **s, bool *capturing)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	*capturing = true;
	if (r)
		return r;
	r = stream_find(ctx, handle, s);
	if (!r)
		r = capture_enter(*s, capturing);
	if (r)
		*capturing = true;
	return r || !*capturing ? context_leave(r) : r;
}

CUresult vcuda_capture_alloc(CUstream handle, size_t size, CUdeviceptr *out, bool *capturing)
{
	struct stream *s;
	CUresult r;

	*capturing = false;
	if (!vcuda_capturing())
		return CUDA_SUCCESS;
	r = enter(handle, &s, capturing);
	if (r || !*capturing)
		return r;
	return context_leave(out && size ? capture_add_alloc(s, size, (uint64_t *)out)
					 : CUDA_ERROR_INVALID_VALUE);
}

CUresult vcuda_capture_free(CUstream handle, CUdeviceptr addr, bool *capturing)
{
	struct stream *s;
	CUresult r;

	*capturing = false;
	if (!vcuda_capturing())
		return CUDA_SUCCESS;
	r = enter(handle, &s, capturing);
	return r || !*capturing ? r : context_leave(capture_add_free(s, addr));
}

/* ---- figures ---- */

/* What no graph can name has gone already. */
CUresult cuDeviceGraphMemTrim(CUdevice dev)
{
	return device_exists(dev) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetGraphMemAttribute(CUdevice dev, CUgraphMem_attribute attr, void *value)
{
	bool high = attr == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH ||
		    attr == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH;

	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (!value || attr > CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	*(cuuint64_t *)value = high ? used_high : used;
	return context_leave(CUDA_SUCCESS);
}

/* Only high-water marks can be set, and only to 0. */
CUresult cuDeviceSetGraphMemAttribute(CUdevice dev, CUgraphMem_attribute attr, void *value)
{
	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (!value || *(cuuint64_t *)value ||
	    (attr != CU_GRAPH_MEM_ATTR_USED_MEM_HIGH &&
	     attr != CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH))
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	used_high = used;
	return context_leave(CUDA_SUCCESS);
}
