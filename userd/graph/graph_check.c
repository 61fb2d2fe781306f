/* SPDX-License-Identifier: MIT */
/*
 * graph_check.c - what nodes may be, and become
 */
#include <string.h>

#include "graph_kernel.h"
#include "graph_kind.h"

static bool is_line(const CUDA_MEMCPY3D *c)
{
	return c->Height <= 1 && c->Depth <= 1;
}

/* "Both the instantiated and the new operands must be 1-dimensional" */
CUgraphExecUpdateResult graph_memcpy_update(const struct action *a, const struct action *b)
{
	const CUDA_MEMCPY3D *old = &a->params.memcpy.copyParams;
	const CUDA_MEMCPY3D *new = &b->params.memcpy.copyParams;

	if (!memcmp(old, new, sizeof(*old)))
		return CU_GRAPH_EXEC_UPDATE_SUCCESS;
	if (!is_line(old) || !is_line(new) || old->srcMemoryType != new->srcMemoryType ||
	    old->dstMemoryType != new->dstMemoryType ||
	    a->params.memcpy.copyCtx != b->params.memcpy.copyCtx)
		return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
	return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

CUresult graph_memset_make(struct action *a, CUgraphNodeParams *p)
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

CUgraphExecUpdateResult graph_memset_update(const struct action *a, const struct action *b)
{
	const CUDA_MEMSET_NODE_PARAMS_v2 *old = &a->params.memset, *new = &b->params.memset;

	if (old->ctx != new->ctx || ((old->height > 1 || new->height > 1) &&
				     (old->height != new->height || old->width != new->width ||
				      old->elementSize != new->elementSize)))
		return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
	return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

/* A graph's own attributes; the others say something about a single launch. */
bool graph_kernel_has_attribute(CUlaunchAttributeID id)
{
	switch ((int)id) {
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
	case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
	case CU_LAUNCH_ATTRIBUTE_PRIORITY:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
	case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING:
		return true;
	default:
		return false;
	}
}
