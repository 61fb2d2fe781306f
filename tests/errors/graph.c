// SPDX-License-Identifier: MIT
/* Graphs by node. */
#include "errors.h"
#include "kernels.h"

static void graphs(void)
{
	CUgraph graph, clone;
	CUgraphNode a, b, c;
	CUgraphExec exec;
	CUgraphNodeType type;
	CUDA_MEMSET_NODE_PARAMS set = { 0 };
	CUDA_KERNEL_NODE_PARAMS kernel = { 0 };
	size_t n = 1;

	start();
	BAD(cuGraphCreate(NULL, 0));
	BAD(cuGraphCreate(&graph, 99));
	NEED(cuGraphCreate(&graph, 0));
	BAD(cuGraphAddEmptyNode(NULL, graph, NULL, 0));
	BAD(cuGraphAddEmptyNode(&a, NULL, NULL, 0));
	BAD(cuGraphAddEmptyNode(&a, graph, NULL, 1));
	NEED(cuGraphAddEmptyNode(&a, graph, NULL, 0));
	NEED(cuGraphAddEmptyNode(&b, graph, &a, 1));
	BAD(cuGraphAddDependencies(graph, &b, &a, NULL, 1));
	BAD(cuGraphAddDependencies(graph, &a, &a, NULL, 1));
	BAD(cuGraphAddDependencies(graph, NULL, NULL, NULL, 1));
	BAD(cuGraphAddDependencies(graph, &a, &b, NULL, 1));
	BAD(cuGraphRemoveDependencies(graph, &b, &a, NULL, 1));
	BAD(cuGraphAddKernelNode(&c, graph, NULL, 0, NULL));
	BAD(cuGraphAddKernelNode(&c, graph, NULL, 0, &kernel));
	BAD(cuGraphAddMemsetNode(&c, graph, NULL, 0, NULL, NULL));
	BAD(cuGraphAddMemsetNode(&c, graph, NULL, 0, &set, NULL));
	BAD(cuGraphAddMemcpyNode(&c, graph, NULL, 0, NULL, NULL));
	BAD(cuGraphAddHostNode(&c, graph, NULL, 0, NULL));
	BAD(cuGraphAddEventRecordNode(&c, graph, NULL, 0, NULL));
	BAD(cuGraphAddEventWaitNode(&c, graph, NULL, 0, NULL));
	BAD(cuGraphAddChildGraphNode(&c, graph, NULL, 0, NULL));
	BAD(cuGraphAddNode(&c, graph, NULL, NULL, 0, NULL));
	BAD(cuGraphNodeGetType(a, NULL));
	BAD(cuGraphNodeGetType(NULL, &type));
	BAD(cuGraphKernelNodeGetParams(a, &kernel));
	BAD(cuGraphMemsetNodeGetParams(a, &set));
	BAD(cuGraphKernelNodeSetParams(a, &kernel));
	BAD(cuGraphGetNodes(NULL, NULL, &n));
	BAD(cuGraphGetNodes(graph, NULL, NULL));
	BAD(cuGraphGetEdges(graph, NULL, NULL, NULL, NULL));
	BAD(cuGraphClone(NULL, graph));
	BAD(cuGraphClone(&clone, NULL));
	BAD(cuGraphInstantiate(NULL, graph, 0));
	BAD(cuGraphInstantiate(&exec, NULL, 0));
	BAD(cuGraphInstantiate(&exec, graph, 0xff00));
	NEED(cuGraphInstantiate(&exec, graph, 0));
	BAD(cuGraphLaunch(NULL, NULL));
	BAD(cuGraphUpload(NULL, NULL));
	BAD(cuGraphExecKernelNodeSetParams(exec, a, &kernel));
	BAD(cuGraphExecGetFlags(exec, NULL));
	BAD(cuGraphNodeFindInClone(&c, a, graph));
	BAD(cuGraphDestroyNode(NULL));
	NEED(cuGraphDestroyNode(b));
	BAD(cuGraphDestroyNode(b));
	BAD(cuGraphNodeGetType(b, &type));
	BAD(cuGraphExecDestroy(NULL));
	NEED(cuGraphExecDestroy(exec));
	BAD(cuGraphExecDestroy(exec));
	BAD(cuGraphLaunch(exec, NULL));
	BAD(cuGraphDestroy(NULL));
	NEED(cuGraphDestroy(graph));
	BAD(cuGraphDestroy(graph));
	BAD(cuGraphAddEmptyNode(&a, graph, NULL, 0));
	BAD(cuGraphDestroy(JUNK(CUgraph)));
	BAD(cuGraphLaunch(JUNK(CUgraphExec), NULL));
	BAD(cuGraphNodeGetType(JUNK(CUgraphNode), &type));
	BAD(cuGraphDebugDotPrint(JUNK(CUgraph), "/dev/null", 0));
	BAD(cuUserObjectCreate(NULL, NULL, NULL, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
	BAD(cuUserObjectRelease(NULL, 1));
}

PARTS({ "graphs", graphs })
