/* SPDX-License-Identifier: MIT */
/*
 * softgpu_graph_test.c - graphs of softgpu through its public calls
 */
#include "softgpu_graph_bench.h"

#include <pthread.h>

static void dependencies_order_nodes(void **state)
{
	CUgraphNode a, b, c, nodes[4], from[4], to[4];
	CUgraphNodeType type;
	size_t nr;
	CUgraph g;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	/* Made backwards: b does not wait because it is the younger one. */
	b = add_step(g, NULL, 0, 2);
	a = add_step(g, NULL, 0, 1);
	OK(cuGraphAddDependencies(g, &a, &b, NULL, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(g, &a, &b, NULL, 1));
	c = add_step(g, b, 0, 4);
	put(0, 1);
	run_once(g);
	assert_int_equal(get(0), ((1 * 3 + 1) * 3 + 2) * 3 + 4);

	OK(cuGraphGetNodes(g, NULL, &nr));
	assert_int_equal(nr, 3);
	nr = 4;
	OK(cuGraphGetNodes(g, nodes, &nr));
	assert_int_equal(nr, 3);
	assert_ptr_equal(nodes[0], b);
	assert_null(nodes[3]);
	OK(cuGraphGetRootNodes(g, nodes, &nr));
	assert_int_equal(nr, 1);
	assert_ptr_equal(nodes[0], a);
	OK(cuGraphGetEdges(g, NULL, NULL, NULL, &nr));
	assert_int_equal(nr, 2);
	OK(cuGraphGetEdges(g, from, to, NULL, &nr));
	OK(cuGraphNodeGetDependencies(c, nodes, NULL, &nr));
	assert_int_equal(nr, 1);
	assert_ptr_equal(nodes[0], b);
	nr = 4;
	OK(cuGraphNodeGetDependentNodes(a, nodes, NULL, &nr));
	assert_int_equal(nr, 1);
	assert_ptr_equal(nodes[0], b);
	OK(cuGraphNodeGetType(a, &type));
	assert_int_equal(type, CU_GRAPH_NODE_TYPE_KERNEL);

	OK(cuGraphRemoveDependencies(g, &b, &c, NULL, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphRemoveDependencies(g, &b, &c, NULL, 1));
	OK(cuGraphDestroyNode(b));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphNodeGetType(b, &type));
	OK(cuGraphGetEdges(g, NULL, NULL, NULL, &nr));
	assert_int_equal(nr, 0);
	OK(cuGraphDestroy(g));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(g));
}

static void cycles_are_found(void **state)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS p = { 0 };
	CUgraphNode a, b;
	CUgraphExec e;
	CUgraph g;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	a = add_step(g, NULL, 0, 1);
	b = add_step(g, a, 0, 2);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(g, &a, &a, NULL, 1));
	OK(cuGraphAddDependencies(g, &b, &a, NULL, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithParams(&e, g, &p));
	assert_int_equal(p.result_out, CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE);
	assert_true(p.hErrNode_out == a || p.hErrNode_out == b);
	OK(cuGraphDestroy(g));
}

static CUgraphNodeParams device_copy(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
	return (CUgraphNodeParams){
		.type = CU_GRAPH_NODE_TYPE_MEMCPY,
		.memcpy.copyParams = { .srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = src,
				       .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = dst,
				       .WidthInBytes = n, .Height = 1, .Depth = 1 },
	};
}

/* memset, memcpy, host function, nothing, child graph: one behind the other */
static void each_kind_does_its_work(void **state)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_MEMSET,
				.memset = { .dst = word, .value = 5, .elementSize = 4, .width = 8,
					    .height = 1 } };
	CUgraphNode n, before;
	CUgraph g, child;
	int calls = 0;

	(void)state;
	OK(cuGraphCreate(&child, 0));
	add_step(child, NULL, 9, 7);
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddNode(&before, g, NULL, NULL, 0, &p));
	p = device_copy(word + 32, word, 8);
	OK(cuGraphAddNode(&n, g, &before, NULL, 1, &p));
	before = n;
	p = (CUgraphNodeParams){ .type = CU_GRAPH_NODE_TYPE_HOST, .host = { host_add, &calls } };
	OK(cuGraphAddNode(&n, g, &before, NULL, 1, &p));
	before = n;
	p = (CUgraphNodeParams){ .type = CU_GRAPH_NODE_TYPE_EMPTY };
	OK(cuGraphAddNode(&n, g, &before, NULL, 1, &p));
	before = n;
	p = (CUgraphNodeParams){ .type = CU_GRAPH_NODE_TYPE_GRAPH, .graph.graph = child };
	OK(cuGraphAddNode(&n, g, &before, NULL, 1, &p));
	add_step(child, NULL, 10, 1);	/* too late for the copy in g */
	put(10, 0);
	run_once(g);
	assert_int_equal(get(0), 5);
	assert_int_equal(get(8), 5);
	assert_int_equal(get(9), 5 * 3 + 7);
	assert_int_equal(get(10), 0);
	assert_int_equal(calls, 1);
	p.type = 99;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddNode(&n, g, NULL, NULL, 0, &p));
	p = (CUgraphNodeParams){ .type = CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT };
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphAddNode(&n, g, NULL, NULL, 0, &p));
	OK(cuGraphDestroy(child));
	OK(cuGraphDestroy(g));
}

static void rectangles_and_boxes_are_copied(void **state)
{
	uint32_t host[4][6] = { { 0 } }, back[24];
	CUDA_MEMCPY3D copy = {
		.srcMemoryType = CU_MEMORYTYPE_HOST,
		.srcHost = host,
		.srcPitch = 24,
		.srcHeight = 2,
		.srcXInBytes = 4,
		.dstMemoryType = CU_MEMORYTYPE_DEVICE,
		.dstDevice = word,
		.dstPitch = 16,
		.dstHeight = 1,
		.WidthInBytes = 8,
		.Height = 1,
		.Depth = 2,
	};
	CUgraphNode n;
	CUgraph g;

	(void)state;
	for (int i = 0; i < 24; i++)
		host[i / 6][i % 6] = i + 1;
	clear(96);
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddMemcpyNode(&n, g, NULL, 0, &copy, ctx));
	run_once(g);
	OK(cuMemcpyDtoH(back, word, 96));
	assert_int_equal(back[0], host[0][1]);
	assert_int_equal(back[1], host[0][2]);
	assert_int_equal(back[4], host[2][1]);
	assert_int_equal(back[5], host[2][2]);
	assert_int_equal(back[2], 0);
	copy.srcXInBytes = 20;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddMemcpyNode(&n, g, NULL, 0, &copy, ctx));
	OK(cuGraphDestroy(g));
}

static void parameters_can_be_read_and_set(void **state)
{
	uint32_t v = 5;
	CUdeviceptr p = word;
	void *params[] = { &p, &v };
	CUDA_KERNEL_NODE_PARAMS k = kernel(step, params), got;
	CUDA_HOST_NODE_PARAMS h;
	CUgraphNode n;
	CUgraph g;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	n = add_step(g, NULL, 0, 2);
	OK(cuGraphKernelNodeGetParams(n, &got));
	assert_ptr_equal(got.func, step);
	assert_int_equal(*(uint32_t *)got.kernelParams[1], 2);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphHostNodeGetParams(n, &h));
	OK(cuGraphKernelNodeSetParams(n, &k));
	v = 77;		/* the node has its own copy */
	put(0, 0);
	run_once(g);
	assert_int_equal(get(0), 5);
	k.blockDimX = 2000;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphKernelNodeSetParams(n, &k));
	k.blockDimX = 1;
	k.func = (CUfunction)(uintptr_t)12345;
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuGraphKernelNodeSetParams(n, &k));
	run_once(g);
	assert_int_equal(get(0), 20);
	OK(cuGraphDestroy(g));
}

static void executable_nodes_change_alone(void **state)
{
	uint32_t v = 6;
	CUdeviceptr p = word;
	void *params[] = { &p, &v };
	CUDA_KERNEL_NODE_PARAMS k = kernel(step, params);
	CUDA_MEMSET_NODE_PARAMS m = { .dst = word + 4, .value = 3, .elementSize = 4, .width = 1,
				      .height = 1 };
	unsigned int enabled;
	CUgraphNode a, b, host;
	CUgraphExec e;
	CUDA_HOST_NODE_PARAMS h = { host_add, &enabled };
	CUgraph g;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	a = add_step(g, NULL, 0, 2);
	OK(cuGraphAddMemsetNode(&b, g, NULL, 0, &m, ctx));
	OK(cuGraphAddHostNode(&host, g, NULL, 0, &h));
	e = instantiate(g);
	put(0, 0);
	OK(cuGraphExecKernelNodeSetParams(e, a, &k));
	m.value = 9;
	OK(cuGraphExecMemsetNodeSetParams(e, b, &m, ctx));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphExecMemsetNodeSetParams(e, a, &m, ctx));
	launch(e);
	assert_int_equal(get(0), 6);
	assert_int_equal(get(1), 9);
	put(1, 0);
	OK(cuGraphNodeSetEnabled(e, b, 0));
	OK(cuGraphNodeGetEnabled(e, b, &enabled));
	assert_int_equal(enabled, 0);
	launch(e);
	assert_int_equal(get(0), 24);
	assert_int_equal(get(1), 0);
	OK(cuGraphNodeSetEnabled(e, b, 1));
	launch(e);
	assert_int_equal(get(1), 9);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphNodeSetEnabled(e, host, 0));
	OK(cuGraphExecDestroy(e));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(e, s1));
	put(0, 0);
	run_once(g);	/* as it was made */
	assert_int_equal(get(0), 2);
	OK(cuGraphDestroy(g));
}

static void a_graph_updates_an_executable_one(void **state)
{
	CUgraphExecUpdateResultInfo info;
	CUgraph g, other, more, kinds;
	CUgraphNode n;
	CUgraphExec e;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	add_step(g, add_step(g, NULL, 0, 1), 0, 2);
	e = instantiate(g);
	OK(cuGraphCreate(&other, 0));
	add_step(other, add_step(other, NULL, 0, 5), 0, 7);
	OK(cuGraphExecUpdate(e, other, &info));
	assert_int_equal(info.result, CU_GRAPH_EXEC_UPDATE_SUCCESS);
	put(0, 0);
	launch(e);
	assert_int_equal(get(0), 22);

	OK(cuGraphCreate(&more, 0));
	add_step(more, NULL, 0, 1);
	n = add_step(more, NULL, 0, 2);		/* no edge */
	FAILS(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate(e, more, &info));
	assert_int_equal(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
	assert_ptr_equal(info.errorNode, n);
	OK(cuGraphCreate(&kinds, 0));
	OK(cuGraphAddEmptyNode(&n, kinds, NULL, 0));
	add_step(kinds, n, 0, 2);
	FAILS(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate(e, kinds, &info));
	assert_int_equal(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED);
	assert_ptr_equal(info.errorNode, n);
	put(0, 0);
	launch(e);	/* a failed update changes nothing */
	assert_int_equal(get(0), 22);
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
	OK(cuGraphDestroy(other));
	OK(cuGraphDestroy(more));
	OK(cuGraphDestroy(kinds));
}

static void clones_are_apart(void **state)
{
	CUgraphNode a, b, found;
	CUgraph g, clone;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	a = add_step(g, NULL, 0, 1);
	b = add_step(g, a, 0, 2);
	OK(cuGraphClone(&clone, g));
	OK(cuGraphNodeFindInClone(&found, a, clone));
	assert_ptr_not_equal(found, a);
	OK(cuGraphDestroyNode(b));
	put(0, 0);
	run_once(clone);
	assert_int_equal(get(0), 5);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphNodeFindInClone(&found, found, clone));
	OK(cuGraphDestroy(g));
	put(0, 0);
	run_once(clone);
	assert_int_equal(get(0), 5);
	OK(cuGraphDestroy(clone));
}

/* Adds a conditional node and gives its bodies. */
static CUgraph *add_conditional(CUgraph g, CUgraphNode after, CUgraphConditionalHandle h,
				CUgraphConditionalNodeType type, unsigned int size, CUgraphNode *n)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_CONDITIONAL,
				.conditional = { .handle = h, .type = type, .size = size,
						 .ctx = ctx } };

	OK(cuGraphAddNode(n, g, after ? &after : NULL, NULL, after != NULL, &p));
	return p.conditional.phGraph_out;
}

static void a_kernel_decides_how_often_a_body_runs(void **state)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS ip = { 0 };
	CUgraphConditionalHandle h;
	CUdeviceptr p = word;
	void *params[] = { &h, &p };
	CUDA_KERNEL_NODE_PARAMS k = kernel(loop, params);
	CUgraphNode n;
	CUgraphExec e;
	CUgraph g, clone, *body;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphConditionalHandleCreate(&h, g, ctx, 1, CU_GRAPH_COND_ASSIGN_DEFAULT));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithParams(&e, g, &ip));
	assert_int_equal(ip.result_out, CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED);
	body = add_conditional(g, NULL, h, CU_GRAPH_COND_TYPE_WHILE, 1, &n);
	OK(cuGraphAddKernelNode(&n, body[0], NULL, 0, &k));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphClone(&clone, g));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(body[0]));
	e = instantiate(g);
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphInstantiateWithParams(&e, g, &ip));
	for (unsigned int rounds = 1; rounds < 8; rounds += 3) {
		put(0, rounds);
		put(1, 0);
		launch(e);
		assert_int_equal(get(0), 0);
		assert_int_equal(get(1), rounds);
	}
	OK(cuGraphDestroy(g));	/* the executable graph is whole without it */
	put(0, 4);
	put(1, 0);
	launch(e);
	assert_int_equal(get(1), 4);
	OK(cuGraphExecDestroy(e));
}

static void if_and_switch_choose_a_body(void **state)
{
	CUgraphConditionalHandle h[2];
	CUDA_KERNEL_NODE_PARAMS k;
	uint32_t v;
	void *params[] = { NULL, &v };
	CUgraphNode setter[2], n;
	CUgraph g, *body;
	CUgraphExec e;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	for (int i = 0; i < 2; i++) {
		OK(cuGraphConditionalHandleCreate(&h[i], g, ctx, 0, 0));
		params[0] = &h[i];
		v = 0;
		k = kernel(set, params);
		OK(cuGraphAddKernelNode(&setter[i], g, NULL, 0, &k));
		body = add_conditional(g, setter[i], h[i],
				       i ? CU_GRAPH_COND_TYPE_SWITCH : CU_GRAPH_COND_TYPE_IF,
				       i ? 3 : 2, &n);
		for (int b = 0; b < (i ? 3 : 2); b++)
			add_step(body[b], NULL, i * 8 + b, 1);
	}
	e = instantiate(g);
	for (v = 0; v < 4; v++) {
		clear(64);
		for (int i = 0; i < 2; i++) {
			params[0] = &h[i];
			k = kernel(set, params);
			OK(cuGraphExecKernelNodeSetParams(e, setter[i], &k));
		}
		launch(e);
		assert_int_equal(get(0), v != 0);
		assert_int_equal(get(1), v == 0);
		for (uint32_t b = 0; b < 3; b++)
			assert_int_equal(get(8 + b), v == b);
	}
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
}

static CUDA_MEM_ALLOC_NODE_PARAMS memory(size_t n)
{
	return (CUDA_MEM_ALLOC_NODE_PARAMS){
		.poolProps = { .allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
			       .location = { CU_MEM_LOCATION_TYPE_DEVICE, 0 } },
		.bytesize = n,
	};
}

static void graphs_allocate_and_free(void **state)
{
	CUDA_MEM_ALLOC_NODE_PARAMS p = memory(1 << 20);
	CUDA_MEMSET_NODE_PARAMS m = { .value = 7, .elementSize = 4, .width = 4, .height = 1 };
	CUgraphNode alloc, fill, copy, n;
	CUgraphNodeParams c;
	cuuint64_t used, high, zero = 0;
	CUgraph g, clone;
	CUgraphExec e;

	(void)state;
	OK(cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &zero));
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddMemAllocNode(&alloc, g, NULL, 0, &p));
	assert_true(p.dptr);
	m.dst = p.dptr;
	OK(cuGraphAddMemsetNode(&fill, g, &alloc, 1, &m, ctx));
	c = device_copy(word, p.dptr, 16);
	OK(cuGraphAddNode(&copy, g, &fill, NULL, 1, &c));
	OK(cuGraphAddMemFreeNode(&n, g, &copy, 1, p.dptr));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphDestroyNode(n));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphClone(&clone, g));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddMemFreeNode(&n, g, NULL, 0, word));
	e = instantiate(g);
	for (int i = 0; i < 3; i++) {
		put(3, 0);
		OK(cuGraphLaunch(e, s1));
		launch(e);
		assert_int_equal(get(3), 7);
	}
	OK(cuCtxSynchronize());
	OK(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used));
	OK(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &high));
	assert_int_equal(used, 0);
	assert_int_equal(high, 1 << 20);
	OK(cuDeviceGraphMemTrim(0));
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
}

static void memory_outlives_its_graph(void **state)
{
	CUDA_MEM_ALLOC_NODE_PARAMS p = memory(4096);
	uint32_t v = 0;
	CUgraphNode n;
	CUgraphExec e;
	CUgraph g;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddMemAllocNode(&n, g, NULL, 0, &p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree(p.dptr));	/* not yet there */
	e = instantiate(g);
	launch(e);
	OK(cuMemsetD32(p.dptr, 5, 1));
	OK(cuMemcpyDtoH(&v, p.dptr, 4));
	assert_int_equal(v, 5);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(e, s1));	/* the program has it */
	OK(cuMemFreeAsync(p.dptr, s1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(p.dptr, s1));
	launch(e);
	OK(cuMemFree(p.dptr));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree(p.dptr));
	OK(cuGraphExecDestroy(e));
	OK(cuGraphInstantiate(&e, g, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH));
	launch(e);
	launch(e);
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
	OK(cuMemsetD32(p.dptr, 6, 1));
	OK(cuMemFree(p.dptr));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD32(p.dptr, 6, 1));
}

static void events_are_recorded_and_waited_for(void **state)
{
	CUevent start, end, e;
	CUgraphNode a, b, n;
	CUgraphExec exec;
	CUgraph g;
	float ms;

	(void)state;
	OK(cuEventCreate(&start, 0));
	OK(cuEventCreate(&end, 0));
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddEventRecordNode(&a, g, NULL, 0, start));
	b = add_step(g, a, 0, 1);
	OK(cuGraphAddEventRecordNode(&n, g, &b, 1, end));
	OK(cuGraphEventRecordNodeGetEvent(n, &e));
	assert_ptr_equal(e, end);
	OK(cuGraphAddEventWaitNode(&n, g, NULL, 0, end));
	exec = instantiate(g);
	put(0, 0);
	OK(cuGraphLaunch(exec, s1));
	OK(cuGraphLaunch(exec, s1));
	/* Another stream sees the record of the later launch. */
	OK(cuStreamWaitEvent(s2, end, 0));
	OK(cuStreamSynchronize(s2));
	OK(cuEventSynchronize(end));
	OK(cuEventElapsedTime(&ms, start, end));
	assert_true(ms >= 0);
	assert_int_equal(get(0), 4);
	OK(cuEventDestroy(start));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuGraphLaunch(exec, s1));
	OK(cuGraphExecEventRecordNodeSetEvent(exec, a, end));
	launch(exec);
	OK(cuGraphExecDestroy(exec));
	OK(cuGraphDestroy(g));
	OK(cuEventDestroy(end));
}

static void words_are_waited_for_and_written(void **state)
{
	CUstreamBatchMemOpParams ops[2] = {
		{ .waitValue = { CU_STREAM_MEM_OP_WAIT_VALUE_32, word, { 3 },
				 CU_STREAM_WAIT_VALUE_EQ, 0 } },
		{ .writeValue = { CU_STREAM_MEM_OP_WRITE_VALUE_64, word + 8, { .value64 = 1 }, 0,
				  0 } },
	};
	CUDA_BATCH_MEM_OP_NODE_PARAMS p = { .ctx = ctx, .count = 2, .paramArray = ops };
	CUgraphNode n;
	CUgraphExec e;
	CUgraph g;

	(void)state;
	clear(64);
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddBatchMemOpNode(&n, g, NULL, 0, &p));
	e = instantiate(g);
	OK(cuGraphLaunch(e, s1));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(s1));
	OK(cuStreamWriteValue32(s2, word, 3, 0));
	assert_int_equal(get(2), 1);
	OK(cuStreamWaitValue32(s1, word + 16, 9, CU_STREAM_WAIT_VALUE_GEQ));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(s1));
	OK(cuStreamWriteValue64(s2, word + 16, 10, 0));
	OK(cuStreamSynchronize(s1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamWriteValue32(s2, word + 2, 3, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamWaitValue32(s2, 64, 3, 0));
	ops[0].operation = 77;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamBatchMemOp(s1, 2, ops, 0));
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
}

static void kernel_nodes_have_attributes(void **state)
{
	CUkernelNodeAttrValue v = { .priority = -3 }, got;
	CUgraphNode a, b;
	CUgraphExec e;
	CUgraph g;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	a = add_step(g, NULL, 0, 1);
	b = add_step(g, NULL, 0, 2);
	OK(cuGraphKernelNodeSetAttribute(a, CU_KERNEL_NODE_ATTRIBUTE_PRIORITY, &v));
	OK(cuGraphKernelNodeCopyAttributes(b, a));
	OK(cuGraphKernelNodeGetAttribute(b, CU_KERNEL_NODE_ATTRIBUTE_PRIORITY, &got));
	assert_int_equal(got.priority, -3);
	v.priority = 0;
	OK(cuGraphKernelNodeSetAttribute(a, CU_KERNEL_NODE_ATTRIBUTE_PRIORITY, &v));
	v = (CUkernelNodeAttrValue){ .clusterDim = { 2, 1, 1 } };
	FAILS(CUDA_ERROR_NOT_SUPPORTED,
	      cuGraphKernelNodeSetAttribute(a, CU_KERNEL_NODE_ATTRIBUTE_CLUSTER_DIMENSION, &v));
	/* With node priorities the more urgent one of the two goes first. */
	put(0, 0);
	OK(cuGraphInstantiate(&e, g, CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY));
	launch(e);
	assert_int_equal(get(0), 2 * 3 + 1);
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
}

static void user_objects_live_as_long_as_somebody_has_them(void **state)
{
	CUuserObject u;
	int gone = 0;
	CUgraph g, clone;
	CUgraphExec e;

	(void)state;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuUserObjectCreate(&u, &gone, host_add, 1, 0));
	OK(cuUserObjectCreate(&u, &gone, host_add, 2, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
	OK(cuGraphCreate(&g, 0));
	add_step(g, NULL, 0, 1);
	OK(cuGraphRetainUserObject(g, u, 1, CU_GRAPH_USER_OBJECT_MOVE));
	OK(cuUserObjectRetain(u, 1));
	OK(cuUserObjectRelease(u, 2));
	assert_int_equal(gone, 0);
	OK(cuGraphClone(&clone, g));
	e = instantiate(g);
	OK(cuGraphReleaseUserObject(g, u, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphReleaseUserObject(g, u, 1));
	OK(cuGraphDestroy(g));
	OK(cuGraphDestroy(clone));
	assert_int_equal(gone, 0);
	/* A launch that waits keeps it after the executable graph is destroyed. */
	put(16, 0);
	OK(cuStreamWaitValue32(s1, word + 64, 1, CU_STREAM_WAIT_VALUE_EQ));
	OK(cuGraphLaunch(e, s1));
	OK(cuGraphExecDestroy(e));
	assert_int_equal(__atomic_load_n(&gone, __ATOMIC_ACQUIRE), 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuUserObjectRetain(u, UINT32_MAX));
	OK(cuStreamWriteValue32(s2, word + 64, 1, 0));
	OK(cuStreamSynchronize(s1));
	while (!__atomic_load_n(&gone, __ATOMIC_ACQUIRE))
		usleep(1000);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuUserObjectRetain(u, 1));
}

static void a_graph_is_drawn(void **state)
{
	char path[] = "/tmp/softgpu_graph_XXXXXX", text[2000] = "";
	int fd = mkstemp(path);
	CUgraph g;
	FILE *f;

	(void)state;
	assert_true(fd >= 0);
	OK(cuGraphCreate(&g, 0));
	add_step(g, add_step(g, NULL, 0, 1), 0, 2);
	OK(cuGraphDebugDotPrint(g, path, CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE));
	f = fdopen(fd, "r");
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	unlink(path);
	assert_non_null(strstr(text, "digraph"));
	assert_non_null(strstr(text, "step"));
	assert_non_null(strstr(text, "->"));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphDebugDotPrint(g, NULL, 0));
	FAILS(CUDA_ERROR_OPERATING_SYSTEM, cuGraphDebugDotPrint(g, "/nowhere/at/all", 0));
	OK(cuGraphDestroy(g));
}

static void launches_of_one_graph_do_not_overlap(void **state)
{
	CUgraphExec e;
	CUgraph g;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	add_step(g, NULL, 0, 1);
	e = instantiate(g);
	put(0, 0);
	for (int i = 0; i < 8; i++)
		OK(cuGraphLaunch(e, i % 2 ? s1 : s2));
	OK(cuGraphUpload(e, s1));
	OK(cuCtxSynchronize());
	assert_int_equal(get(0), (6561 - 1) / 2);	/* 1 + 3 + ... + 3^7 */
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
}

/* Last of all: they leave their context in error. */
static void a_fault_in_a_graph_is_sticky(void **state)
{
	CUDA_KERNEL_NODE_PARAMS k = kernel(wild, NULL);
	CUcontext own;
	CUmodule m;
	CUgraphNode n;
	CUgraphExec e;
	CUstream s;
	CUgraph g;
	int calls = 0;
	CUDA_HOST_NODE_PARAMS h = { host_add, &calls };

	(void)state;
	OK(cuCtxCreate(&own, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&k.func, m, "wild"));
	OK(cuStreamCreate(&s, 0));
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddKernelNode(&n, g, NULL, 0, &k));
	OK(cuGraphAddHostNode(&n, g, &n, 1, &h));
	OK(cuGraphInstantiate(&e, g, 0));
	OK(cuGraphLaunch(e, s));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuGraphLaunch(e, s));
	assert_int_equal(calls, 0);
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
	OK(cuCtxDestroy(own));
}

static void a_module_that_is_gone_is_noticed(void **state)
{
	CUDA_KERNEL_NODE_PARAMS k = kernel(NULL, NULL);
	CUgraphNode n;
	CUgraphExec e;
	CUmodule m;
	CUgraph g;

	(void)state;
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&k.func, m, "nothing"));
	OK(cuGraphCreate(&g, 0));
	OK(cuGraphAddKernelNode(&n, g, NULL, 0, &k));
	e = instantiate(g);
	launch(e);
	OK(cuModuleUnload(m));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuGraphLaunch(e, s1));
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(g));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dependencies_order_nodes),
		cmocka_unit_test(cycles_are_found),
		cmocka_unit_test(each_kind_does_its_work),
		cmocka_unit_test(rectangles_and_boxes_are_copied),
		cmocka_unit_test(parameters_can_be_read_and_set),
		cmocka_unit_test(executable_nodes_change_alone),
		cmocka_unit_test(a_graph_updates_an_executable_one),
		cmocka_unit_test(clones_are_apart),
		cmocka_unit_test(a_kernel_decides_how_often_a_body_runs),
		cmocka_unit_test(if_and_switch_choose_a_body),
		cmocka_unit_test(graphs_allocate_and_free),
		cmocka_unit_test(memory_outlives_its_graph),
		cmocka_unit_test(events_are_recorded_and_waited_for),
		cmocka_unit_test(words_are_waited_for_and_written),
		cmocka_unit_test(kernel_nodes_have_attributes),
		cmocka_unit_test(user_objects_live_as_long_as_somebody_has_them),
		cmocka_unit_test(a_graph_is_drawn),
		cmocka_unit_test(launches_of_one_graph_do_not_overlap),
		cmocka_unit_test(a_module_that_is_gone_is_noticed),
		cmocka_unit_test(a_fault_in_a_graph_is_sticky),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
