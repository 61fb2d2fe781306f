/* SPDX-License-Identifier: MIT */
/*
 * worker_driver.c - see worker_driver.h
 *
 * Nobody changes the memory that a stream waits for: a wait that is right writes instead what it
 * waits for. Loops run once, and large launches are refused behind the decoder. Texture references,
 * which softgpu has not, are made here, so that the rows that take one find it.
 */
#include "worker_driver.h"

#include <string.h>

#include "worker.h"

#define THREADS_MAX    65536u
#define OPS_MAX	       256u
#define WAIT_FLAGS_MAX 3u /* CU_STREAM_WAIT_VALUE_GEQ ... NOR */

static struct realcuda driver;

/* ---- waits ---- */

static CUresult wait_32(CUstream s, CUdeviceptr at, cuuint32_t value, unsigned int flags)
{
	return flags > WAIT_FLAGS_MAX ? driver.cuStreamWaitValue32(s, at, value, flags)
				      : driver.cuStreamWriteValue32(s, at, value, 0);
}

static CUresult wait_32_v2(CUstream s, CUdeviceptr at, cuuint32_t value, unsigned int flags)
{
	return flags > WAIT_FLAGS_MAX ? driver.cuStreamWaitValue32_v2(s, at, value, flags)
				      : driver.cuStreamWriteValue32_v2(s, at, value, 0);
}

static CUresult wait_64(CUstream s, CUdeviceptr at, cuuint64_t value, unsigned int flags)
{
	return flags > WAIT_FLAGS_MAX ? driver.cuStreamWaitValue64(s, at, value, flags)
				      : driver.cuStreamWriteValue64(s, at, value, 0);
}

static CUresult wait_64_v2(CUstream s, CUdeviceptr at, cuuint64_t value, unsigned int flags)
{
	return flags > WAIT_FLAGS_MAX ? driver.cuStreamWaitValue64_v2(s, at, value, flags)
				      : driver.cuStreamWriteValue64_v2(s, at, value, 0);
}

/* The same operations, none of which waits; more than there may be are the driver's to refuse. */
static const CUstreamBatchMemOpParams *without_waits(const CUstreamBatchMemOpParams *ops,
						     unsigned int nr)
{
	static CUstreamBatchMemOpParams to[OPS_MAX];

	if (nr > OPS_MAX)
		return ops;
	memcpy(to, ops, nr * sizeof(*ops));
	for (unsigned int i = 0; i < nr; i++) {
		if (to[i].waitValue.flags > WAIT_FLAGS_MAX)
			continue;
		if (to[i].operation == CU_STREAM_MEM_OP_WAIT_VALUE_32)
			to[i].operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
		else if (to[i].operation == CU_STREAM_MEM_OP_WAIT_VALUE_64)
			to[i].operation = CU_STREAM_MEM_OP_WRITE_VALUE_64;
		else
			continue;
		to[i].writeValue.flags = 0;
	}
	return to;
}

static CUresult batch(CUstream s, unsigned int nr, CUstreamBatchMemOpParams *ops,
		      unsigned int flags)
{
	return driver.cuStreamBatchMemOp_v2(
		s, nr, (CUstreamBatchMemOpParams *)without_waits(ops, nr), flags);
}

static CUresult add_batch(CUgraphNode *node, CUgraph g, const CUgraphNode *before, size_t nr,
			  const CUDA_BATCH_MEM_OP_NODE_PARAMS *p)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS to = *p;

	to.paramArray = (CUstreamBatchMemOpParams *)without_waits(p->paramArray, p->count);
	return driver.cuGraphAddBatchMemOpNode(node, g, before, nr, &to);
}

static CUresult set_batch(CUgraphExec exec, CUgraphNode node,
			  const CUDA_BATCH_MEM_OP_NODE_PARAMS *p)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS to = *p;

	to.paramArray = (CUstreamBatchMemOpParams *)without_waits(p->paramArray, p->count);
	return driver.cuGraphExecBatchMemOpNodeSetParams(exec, node, &to);
}

static CUresult add_conditional(CUgraphNode *node, CUgraph g, const CUgraphNode *before,
				const CUgraphEdgeData *edges, size_t nr, CUgraphNodeParams *p)
{
	if (p->type == CU_GRAPH_NODE_TYPE_CONDITIONAL &&
	    p->conditional.type == CU_GRAPH_COND_TYPE_WHILE)
		p->conditional.type = CU_GRAPH_COND_TYPE_IF;
	return driver.cuGraphAddNode_v2(node, g, before, edges, nr, p);
}

/* ---- launches ---- */

/* Of one launch; more is no error, but takes long. */
static bool is_small(const unsigned int *n)
{
	uint64_t all = 1;

	for (int i = 0; i < 6; i++)
		if (n[i] > THREADS_MAX || (all *= n[i]) > THREADS_MAX)
			return false;
	return true;
}

static CUresult launch(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
		       unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
		       CUstream s, void **params, void **extra)
{
	const unsigned int n[] = { gx, gy, gz, bx, by, bz };

	return is_small(n)
		       ? driver.cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, s, params, extra)
		       : CUDA_ERROR_INVALID_VALUE;
}

static CUresult launch_cooperative(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
				   unsigned int bx, unsigned int by, unsigned int bz,
				   unsigned int shared, CUstream s, void **params)
{
	const unsigned int n[] = { gx, gy, gz, bx, by, bz };

	return is_small(n) ? driver.cuLaunchCooperativeKernel(f, gx, gy, gz, bx, by, bz, shared, s,
							      params)
			   : CUDA_ERROR_INVALID_VALUE;
}

static CUresult launch_ex(const CUlaunchConfig *c, CUfunction f, void **params, void **extra)
{
	return is_small(&c->gridDimX) ? driver.cuLaunchKernelEx(c, f, params, extra)
				      : CUDA_ERROR_INVALID_VALUE;
}

static CUresult add_node(CUgraphNode *node, CUgraph g, const CUgraphNode *before, size_t nr,
			 const CUDA_KERNEL_NODE_PARAMS *p)
{
	return is_small(&p->gridDimX) ? driver.cuGraphAddKernelNode_v2(node, g, before, nr, p)
				      : CUDA_ERROR_INVALID_VALUE;
}

static CUresult set_node(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *p)
{
	return is_small(&p->gridDimX) ? driver.cuGraphExecKernelNodeSetParams_v2(exec, node, p)
				      : CUDA_ERROR_INVALID_VALUE;
}

/* ---- texture references ---- */

static CUresult make_ref(CUtexref *out)
{
	static uint8_t one;

	*out = (CUtexref)(void *)&one;
	return CUDA_SUCCESS;
}

static CUresult end_ref(CUtexref ref)
{
	(void)ref;
	return CUDA_SUCCESS;
}

static CUresult find_ref(CUtexref *out, CUmodule m, const char *name)
{
	(void)m, (void)name;
	return make_ref(out);
}

static CUresult find_surface(CUsurfref *out, CUmodule m, const char *name)
{
	return find_ref((CUtexref *)(void *)out, m, name);
}

void worker_driver(void)
{
	driver = real;
	real.cuStreamWaitValue32 = wait_32;
	real.cuStreamWaitValue32_v2 = wait_32_v2;
	real.cuStreamWaitValue64 = wait_64;
	real.cuStreamWaitValue64_v2 = wait_64_v2;
	real.cuStreamBatchMemOp_v2 = batch;
	real.cuGraphAddBatchMemOpNode = add_batch;
	real.cuGraphExecBatchMemOpNodeSetParams = set_batch;
	real.cuGraphAddNode_v2 = add_conditional;
	real.cuLaunchKernel = launch;
	real.cuLaunchCooperativeKernel = launch_cooperative;
	real.cuLaunchKernelEx = launch_ex;
	real.cuGraphAddKernelNode_v2 = add_node;
	real.cuGraphExecKernelNodeSetParams_v2 = set_node;
	real.cuTexRefCreate = make_ref;
	real.cuTexRefDestroy = end_ref;
	real.cuModuleGetTexRef = find_ref;
	real.cuModuleGetSurfRef = find_surface;
}
