/* SPDX-License-Identifier: MIT */
/*
 * graph_copy.c - memcpy and memset nodes
 *
 * What they touch is looked up when they run: memory can come and go between the making of a node
 * and its run, and even in the graph itself. Memory that is not there is an illegal address.
 */
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "graph_kind.h"
#include "memset.h"

static CUresult memcpy_make(struct action *a, CUgraphNodeParams *p)
{
	struct context *ctx;
	struct copy *c = malloc(sizeof(*c));
	CUresult r = c ? context_of(p->memcpy.copyCtx, &ctx) : CUDA_ERROR_OUT_OF_MEMORY;

	if (r == CUDA_SUCCESS)
		r = p->memcpy.flags || p->memcpy.reserved ? CUDA_ERROR_INVALID_VALUE
							    : copy_of_3d(&p->memcpy.copyParams, c);
	if (r != CUDA_SUCCESS) {
		free(c);
		return r;
	}
	a->data = c;
	a->params.memcpy.copyCtx = HANDLE_OF(ctx);
	return CUDA_SUCCESS;
}

static void data_destroy(struct action *a)
{
	free(a->data);
}

static bool is_line(const struct copy *b)
{
	return b->height == 1 && b->depth == 1;
}

/* "Both the instantiated and the new operands must be 1-dimensional" */
static CUgraphExecUpdateResult memcpy_update(const struct action *a, const struct action *b)
{
	const CUDA_MEMCPY3D *old = &a->params.memcpy.copyParams;
	const CUDA_MEMCPY3D *new = &b->params.memcpy.copyParams;

	if (!memcmp(old, new, sizeof(*old)))
		return CU_GRAPH_EXEC_UPDATE_SUCCESS;
	if (!is_line(a->data) || !is_line(b->data) || old->srcMemoryType != new->srcMemoryType ||
	    old->dstMemoryType != new->dstMemoryType ||
	    a->params.memcpy.copyCtx != b->params.memcpy.copyCtx)
		return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
	return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

static CUresult memcpy_run(const struct action *a, struct run *run)
{
	(void)run;
	return copy_now(a->data) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
}

const struct node_kind node_kind_memcpy = {
	.name = "memcpy",
	.can_disable = true,
	.in_body = true,
	.make = memcpy_make,
	.destroy = data_destroy,
	.update = memcpy_update,
	.run = memcpy_run,
};

static struct fill fill_of(const struct action *a)
{
	const CUDA_MEMSET_NODE_PARAMS_v2 *p = &a->params.memset;

	return (struct fill){ p->dst, p->pitch, p->width, p->height, p->value, p->elementSize };
}

static CUresult memset_make(struct action *a, CUgraphNodeParams *p)
{
	const CUDA_MEMSET_NODE_PARAMS_v2 *m = &p->memset;
	struct context *ctx;
	CUresult r = context_of(m->ctx, &ctx);
	size_t bytes;

	if (r != CUDA_SUCCESS)
		return r;
	if ((m->elementSize != 1 && m->elementSize != 2 && m->elementSize != 4) || !m->dst ||
	    m->dst % m->elementSize || __builtin_mul_overflow(m->width, m->elementSize, &bytes) ||
	    (m->height > 1 && (m->pitch < bytes || m->pitch % m->elementSize)))
		return CUDA_ERROR_INVALID_VALUE;
	a->params.memset.ctx = HANDLE_OF(ctx);
	return CUDA_SUCCESS;
}

static CUgraphExecUpdateResult memset_update(const struct action *a, const struct action *b)
{
	const CUDA_MEMSET_NODE_PARAMS_v2 *old = &a->params.memset, *new = &b->params.memset;

	if (old->ctx != new->ctx || ((old->height > 1 || new->height > 1) &&
				     (old->height != new->height || old->width != new->width ||
				      old->elementSize != new->elementSize)))
		return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
	return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

static CUresult memset_run(const struct action *a, struct run *run)
{
	struct fill f = fill_of(a);
	struct copy_end e = { .addr = f.addr, .pitch = f.pitch, .side = SIDE_DEVICE };

	(void)run;
	if (!f.width || !f.height)
		return CUDA_SUCCESS;
	if (!copy_end_is_live(&e, f.width * f.size, f.height))
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	fill_memory(&f);
	return CUDA_SUCCESS;
}

const struct node_kind node_kind_memset = {
	.name = "memset",
	.can_disable = true,
	.in_body = true,
	.make = memset_make,
	.update = memset_update,
	.run = memset_run,
};
