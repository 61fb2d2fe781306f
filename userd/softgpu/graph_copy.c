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
	.update = graph_memcpy_update,
	.run = memcpy_run,
};

static struct fill fill_of(const struct action *a)
{
	const CUDA_MEMSET_NODE_PARAMS_v2 *p = &a->params.memset;

	return (struct fill){ p->dst, p->pitch, p->width, p->height, p->value, p->elementSize };
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
	.make = graph_memset_make,
	.update = graph_memset_update,
	.run = memset_run,
};
