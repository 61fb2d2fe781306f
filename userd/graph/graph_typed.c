/* SPDX-License-Identifier: MIT */
/*
 * graph_typed.c - the calls that name the kind of node: cuGraphAddKernelNode() and so on
 *
 * Each fills in CUgraphNodeParams and goes the way of cuGraphAddNode().
 */
#include <string.h>

#include "graph_update.h"

#define PARAMS(t, ...)	((CUgraphNodeParams){ .type = CU_GRAPH_NODE_TYPE_##t, __VA_ARGS__ })
#define NODE_ARGS	CUgraphNode *out, CUgraph graph, const CUgraphNode *deps, size_t nr
#define ADD(p)		node_add(out, graph, deps, NULL, nr, p)

/*
 * The four calls of a kind whose parameters are one structure, which is the beginning of the one in
 * CUgraphNodeParams: cuGraphAdd<N>Node, cuGraph<N>NodeGetParams, cuGraph<N>NodeSetParams,
 * cuGraphExec<N>NodeSetParams.
 */
#define FILL(p, member, from)	memcpy(&(p).member, from, sizeof(*(from)))
#define TYPED(add, get, set, exec, t, member, type)					\
	CUresult add(NODE_ARGS, const type *params)					\
	{										\
		CUgraphNodeParams p = PARAMS(t);					\
											\
		if (!params)								\
			return CUDA_ERROR_INVALID_VALUE;				\
		FILL(p, member, params);						\
		return ADD(&p);								\
	}										\
	CUresult get(CUgraphNode node, type *params)					\
	{										\
		CUgraphNodeParams p;							\
		CUresult r = params ? node_get_params(node, CU_GRAPH_NODE_TYPE_##t, &p)	\
				    : CUDA_ERROR_INVALID_VALUE;				\
											\
		if (r == CUDA_SUCCESS)							\
			memcpy(params, &p.member, sizeof(*params));			\
		return r;								\
	}										\
	CUresult set(CUgraphNode node, const type *params)				\
	{										\
		CUgraphNodeParams p = PARAMS(t);					\
											\
		if (!params)								\
			return CUDA_ERROR_INVALID_VALUE;				\
		FILL(p, member, params);						\
		return node_set_params(node, &p);					\
	}										\
	CUresult exec(CUgraphExec graph, CUgraphNode node, const type *params)		\
	{										\
		CUgraphNodeParams p = PARAMS(t);					\
											\
		if (!params)								\
			return CUDA_ERROR_INVALID_VALUE;				\
		FILL(p, member, params);						\
		return exec_set_params(graph, node, &p);				\
	}

TYPED(cuGraphAddKernelNode, cuGraphKernelNodeGetParams, cuGraphKernelNodeSetParams,
      cuGraphExecKernelNodeSetParams, KERNEL, kernel, CUDA_KERNEL_NODE_PARAMS_v1)
TYPED(cuGraphAddKernelNode_v2, cuGraphKernelNodeGetParams_v2, cuGraphKernelNodeSetParams_v2,
      cuGraphExecKernelNodeSetParams_v2, KERNEL, kernel, CUDA_KERNEL_NODE_PARAMS_v2)
TYPED(cuGraphAddHostNode, cuGraphHostNodeGetParams, cuGraphHostNodeSetParams,
      cuGraphExecHostNodeSetParams, HOST, host, CUDA_HOST_NODE_PARAMS_v1)
TYPED(cuGraphAddBatchMemOpNode, cuGraphBatchMemOpNodeGetParams, cuGraphBatchMemOpNodeSetParams,
      cuGraphExecBatchMemOpNodeSetParams, BATCH_MEM_OP, memOp, CUDA_BATCH_MEM_OP_NODE_PARAMS_v1)
TYPED(cuGraphAddExternalSemaphoresSignalNode, cuGraphExternalSemaphoresSignalNodeGetParams,
      cuGraphExternalSemaphoresSignalNodeSetParams,
      cuGraphExecExternalSemaphoresSignalNodeSetParams, EXT_SEMAS_SIGNAL, extSemSignal,
      CUDA_EXT_SEM_SIGNAL_NODE_PARAMS_v1)
TYPED(cuGraphAddExternalSemaphoresWaitNode, cuGraphExternalSemaphoresWaitNodeGetParams,
      cuGraphExternalSemaphoresWaitNodeSetParams, cuGraphExecExternalSemaphoresWaitNodeSetParams,
      EXT_SEMAS_WAIT, extSemWait, CUDA_EXT_SEM_WAIT_NODE_PARAMS_v1)

static CUgraphNodeParams memcpy_params(const CUDA_MEMCPY3D *copy, CUcontext ctx)
{
	return PARAMS(MEMCPY, .memcpy = { .copyCtx = ctx, .copyParams = *copy });
}

CUresult cuGraphAddMemcpyNode(NODE_ARGS, const CUDA_MEMCPY3D *copy, CUcontext ctx)
{
	CUgraphNodeParams p;

	if (!copy)
		return CUDA_ERROR_INVALID_VALUE;
	p = memcpy_params(copy, ctx);
	return ADD(&p);
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode node, CUDA_MEMCPY3D *copy)
{
	CUgraphNodeParams p;
	CUresult r = copy ? node_get_params(node, CU_GRAPH_NODE_TYPE_MEMCPY, &p)
			  : CUDA_ERROR_INVALID_VALUE;

	if (r == CUDA_SUCCESS)
		*copy = p.memcpy.copyParams;
	return r;
}

/* The context stays. */
CUresult cuGraphMemcpyNodeSetParams(CUgraphNode node, const CUDA_MEMCPY3D *copy)
{
	CUgraphNodeParams p;
	CUresult r = copy ? node_get_params(node, CU_GRAPH_NODE_TYPE_MEMCPY, &p)
			  : CUDA_ERROR_INVALID_VALUE;

	if (r != CUDA_SUCCESS)
		return r;
	p.memcpy.copyParams = *copy;
	return node_set_params(node, &p);
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node,
					const CUDA_MEMCPY3D *copy, CUcontext ctx)
{
	CUgraphNodeParams p;

	if (!copy)
		return CUDA_ERROR_INVALID_VALUE;
	p = memcpy_params(copy, ctx);
	return exec_set_params(exec, node, &p);
}

static CUgraphNodeParams memset_params(const CUDA_MEMSET_NODE_PARAMS *m, CUcontext ctx)
{
	return PARAMS(MEMSET, .memset = { m->dst, m->pitch, m->value, m->elementSize, m->width,
					  m->height, ctx });
}

CUresult cuGraphAddMemsetNode(NODE_ARGS, const CUDA_MEMSET_NODE_PARAMS *m, CUcontext ctx)
{
	CUgraphNodeParams p;

	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	p = memset_params(m, ctx);
	return ADD(&p);
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode node, CUDA_MEMSET_NODE_PARAMS *m)
{
	CUgraphNodeParams p;
	CUresult r = m ? node_get_params(node, CU_GRAPH_NODE_TYPE_MEMSET, &p)
		       : CUDA_ERROR_INVALID_VALUE;

	if (r == CUDA_SUCCESS)
		memcpy(m, &p.memset, sizeof(*m));
	return r;
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS *m)
{
	CUgraphNodeParams p;
	CUresult r = m ? node_get_params(node, CU_GRAPH_NODE_TYPE_MEMSET, &p)
		       : CUDA_ERROR_INVALID_VALUE;

	if (r != CUDA_SUCCESS)
		return r;
	p = memset_params(m, p.memset.ctx);
	return node_set_params(node, &p);
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node,
					const CUDA_MEMSET_NODE_PARAMS *m, CUcontext ctx)
{
	CUgraphNodeParams p;

	if (!m)
		return CUDA_ERROR_INVALID_VALUE;
	p = memset_params(m, ctx);
	return exec_set_params(exec, node, &p);
}

CUresult cuGraphAddEmptyNode(NODE_ARGS)
{
	CUgraphNodeParams p = PARAMS(EMPTY);

	return ADD(&p);
}

CUresult cuGraphAddChildGraphNode(NODE_ARGS, CUgraph child)
{
	CUgraphNodeParams p = PARAMS(GRAPH, .graph.graph = child);

	return ADD(&p);
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph *out)
{
	CUgraphNodeParams p;
	CUresult r = out ? node_get_params(node, CU_GRAPH_NODE_TYPE_GRAPH, &p)
			 : CUDA_ERROR_INVALID_VALUE;

	if (r == CUDA_SUCCESS)
		*out = p.graph.graph;
	return r;
}

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child)
{
	return exec_set_child(exec, node, child);
}

#define EVENT(add, get, set, exec, t, member)						\
	CUresult add(NODE_ARGS, CUevent event)						\
	{										\
		CUgraphNodeParams p = PARAMS(t, .member.event = event);			\
											\
		return event ? ADD(&p) : CUDA_ERROR_INVALID_VALUE;			\
	}										\
	CUresult get(CUgraphNode node, CUevent *event)					\
	{										\
		CUgraphNodeParams p;							\
		CUresult r = event ? node_get_params(node, CU_GRAPH_NODE_TYPE_##t, &p)	\
				   : CUDA_ERROR_INVALID_VALUE;				\
											\
		if (r == CUDA_SUCCESS)							\
			*event = p.member.event;					\
		return r;								\
	}										\
	CUresult set(CUgraphNode node, CUevent event)					\
	{										\
		CUgraphNodeParams p = PARAMS(t, .member.event = event);			\
											\
		return node_set_params(node, &p);					\
	}										\
	CUresult exec(CUgraphExec graph, CUgraphNode node, CUevent event)		\
	{										\
		CUgraphNodeParams p = PARAMS(t, .member.event = event);			\
											\
		return exec_set_params(graph, node, &p);				\
	}

EVENT(cuGraphAddEventRecordNode, cuGraphEventRecordNodeGetEvent, cuGraphEventRecordNodeSetEvent,
      cuGraphExecEventRecordNodeSetEvent, EVENT_RECORD, eventRecord)
EVENT(cuGraphAddEventWaitNode, cuGraphEventWaitNodeGetEvent, cuGraphEventWaitNodeSetEvent,
      cuGraphExecEventWaitNodeSetEvent, WAIT_EVENT, eventWait)

CUresult cuGraphAddMemAllocNode(NODE_ARGS, CUDA_MEM_ALLOC_NODE_PARAMS *params)
{
	CUgraphNodeParams p = PARAMS(MEM_ALLOC);
	CUresult r;

	if (!params)
		return CUDA_ERROR_INVALID_VALUE;
	FILL(p, alloc, params);
	r = ADD(&p);
	if (r == CUDA_SUCCESS)
		params->dptr = p.alloc.dptr;
	return r;
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS *params)
{
	CUgraphNodeParams p;
	CUresult r = params ? node_get_params(node, CU_GRAPH_NODE_TYPE_MEM_ALLOC, &p)
			    : CUDA_ERROR_INVALID_VALUE;

	if (r == CUDA_SUCCESS)
		memcpy(params, &p.alloc, sizeof(*params));
	return r;
}

CUresult cuGraphAddMemFreeNode(NODE_ARGS, CUdeviceptr addr)
{
	CUgraphNodeParams p = PARAMS(MEM_FREE, .free.dptr = addr);

	return ADD(&p);
}

CUresult cuGraphMemFreeNodeGetParams(CUgraphNode node, CUdeviceptr *addr)
{
	CUgraphNodeParams p;
	CUresult r = addr ? node_get_params(node, CU_GRAPH_NODE_TYPE_MEM_FREE, &p)
			  : CUDA_ERROR_INVALID_VALUE;

	if (r == CUDA_SUCCESS)
		*addr = p.free.dptr;
	return r;
}
