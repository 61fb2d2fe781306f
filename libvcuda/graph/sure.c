// SPDX-License-Identifier: MIT
/*
 * sure.c - graphs of which is known here what the server's driver will say of them
 *
 * Their order has been checked as they are, and what their nodes do is of kinds whose parameters can
 * be judged here. All that may still go wrong is a lack of memory, which the next wait tells.
 */
#include "graph_kind.h"
#include "vcuda.h"
#include "wire.h"

#define DEPTH_MAX	8		/* the server takes no more than 32 */
#define HOST_BYTES_MAX	(64u << 20)	/* of a copy; the server makes room for them */

static bool is_ours(CUdeviceptr p, unsigned __int128 n)
{
	uint64_t start, size;
	CUcontext ctx;

	return vcuda_is_device(p) && vcuda_mem_range(p, &start, &size, &ctx) && n <= size - (p - start);
}

static bool memset_is_sure(const CUDA_MEMSET_NODE_PARAMS_v2 *m)
{
	unsigned __int128 bytes = (unsigned __int128)m->width * m->elementSize;

	if (!m->width || !m->height)
		return false;
	return is_ours(m->dst, bytes + (unsigned __int128)m->pitch * (m->height - 1));
}

/* Up to the end of its last row. */
static bool side_is_sure(const CUDA_MEMCPY3D *c, CUmemorytype type, CUdeviceptr p, size_t pitch,
			 size_t height, size_t x, size_t y, size_t z)
{
	unsigned __int128 rows;

	/* its bytes are known to be less than 2^64 */
	if (type == CU_MEMORYTYPE_HOST)
		return c->WidthInBytes * c->Height * c->Depth <= HOST_BYTES_MAX;
	rows = ((unsigned __int128)z + c->Depth - 1) * height + y + c->Height - 1;
	if (type != CU_MEMORYTYPE_DEVICE || rows > UINT32_MAX)
		return false;
	return is_ours(p, rows * pitch + x + c->WidthInBytes);
}

static bool memcpy_is_sure(const CUDA_MEMCPY3D *c)
{
	return side_is_sure(c, c->srcMemoryType, c->srcDevice, c->srcPitch, c->srcHeight,
			    c->srcXInBytes, c->srcY, c->srcZ) &&
	       side_is_sure(c, c->dstMemoryType, c->dstDevice, c->dstPitch, c->dstHeight,
			    c->dstXInBytes, c->dstY, c->dstZ);
}

static bool does_a_sure_thing(const struct action *a)
{
	switch (a->params.type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		return kernel_is_sure(a);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		return memset_is_sure((const CUDA_MEMSET_NODE_PARAMS_v2 *)&a->params.memset);
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		return memcpy_is_sure(a->data);
	case CU_GRAPH_NODE_TYPE_EMPTY:
	case CU_GRAPH_NODE_TYPE_GRAPH:
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
	case CU_GRAPH_NODE_TYPE_MEM_FREE:
		return true;
	default:
		return false;
	}
}

/* Edges whose kind a device may not know. */
static bool is_plain(const CUgraphEdgeData *d)
{
	return !d->from_port && !d->to_port && !d->type;
}

static bool is_sure(const struct graph *g, unsigned int depth)
{
	const struct graph_node *n;
	size_t i;

	if (depth > DEPTH_MAX)
		return false;
	TAILQ_FOREACH(n, &g->nodes, link) {
		if (!does_a_sure_thing(n->action))
			return false;
		for (i = 0; i < n->in.nr; i++)
			if (!is_plain(&n->in.e[i].data))
				return false;
		for (i = 0; i < n->nr_bodies; i++)
			if (!is_sure(n->bodies[i], depth + 1))
				return false;
	}
	return true;
}

bool graph_is_sure(const struct graph *g)
{
	return !g->remote && !vcuda_several_contexts() && is_sure(g, 0);
}

bool graph_keeps_kernels(const struct plan *p, const struct graph *g)
{
	const struct graph_node *n;
	size_t i;

	TAILQ_FOREACH(n, &g->nodes, link) {
		const struct plan_node *pn = &p->nodes[n->index];

		if (n->action->params.type == CU_GRAPH_NODE_TYPE_KERNEL &&
		    !kernel_is_same(pn->action, n->action))
			return false;
		for (i = 0; i < n->nr_bodies; i++)
			if (!graph_keeps_kernels(pn->bodies[i], n->bodies[i]))
				return false;
	}
	return true;
}
