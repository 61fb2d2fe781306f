/* SPDX-License-Identifier: MIT */
/*
 * softgpu_capture_test.c - streams of softgpu while they are captured, and their attributes
 */
#include "softgpu_graph_bench.h"

#include <pthread.h>

static void launch_step(CUstream s, size_t i, uint32_t v)
{
	CUdeviceptr p = word + 4 * i;
	void *params[] = { &p, &v };

	OK(cuLaunchKernel(step, 1, 1, 1, 1, 1, 1, 0, s, params, NULL));
}

static CUstreamCaptureStatus status_of(CUstream s)
{
	CUstreamCaptureStatus status;

	OK(cuStreamIsCapturing(s, &status));
	return status;
}

/* Launch, copy, fill, host function, across two streams and back; nothing runs meanwhile. */
static void calls_become_nodes(void **state)
{
	CUevent fork, join;
	uint32_t host = 11;
	int calls = 0;
	size_t nr;
	CUgraph g;

	(void)state;
	OK(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
	OK(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING));
	clear(64);
	OK(cuStreamBeginCapture(s1, CU_STREAM_CAPTURE_MODE_GLOBAL));
	assert_int_equal(status_of(s1), CU_STREAM_CAPTURE_STATUS_ACTIVE);
	OK(cuMemcpyHtoDAsync(word, &host, 4, s1));
	OK(cuEventRecord(fork, s1));
	launch_step(s1, 0, 1);
	OK(cuStreamWaitEvent(s2, fork, 0));
	assert_int_equal(status_of(s2), CU_STREAM_CAPTURE_STATUS_ACTIVE);
	OK(cuMemsetD32Async(word + 4, 4, 1, s2));
	OK(cuMemcpyDtoDAsync(word + 8, word + 4, 4, s2));
	OK(cuEventRecord(join, s2));
	OK(cuStreamWaitEvent(s1, join, 0));
	OK(cuLaunchHostFunc(s1, host_add, &calls));
	OK(cuStreamEndCapture(s1, &g));
	assert_int_equal(status_of(s1), CU_STREAM_CAPTURE_STATUS_NONE);
	assert_int_equal(status_of(s2), CU_STREAM_CAPTURE_STATUS_NONE);
	assert_int_equal(calls, 0);
	assert_int_equal(get(1), 0);
	OK(cuGraphGetNodes(g, NULL, &nr));
	assert_int_equal(nr, 5);
	OK(cuGraphGetEdges(g, NULL, NULL, NULL, &nr));
	assert_int_equal(nr, 5);
	host = 12;	/* read when the graph runs */
	run_once(g);
	assert_int_equal(get(0), 37);
	assert_int_equal(get(2), 4);
	assert_int_equal(calls, 1);
	OK(cuGraphDestroy(g));
	OK(cuEventDestroy(fork));
	OK(cuEventDestroy(join));
}

static void memory_and_graphs_are_captured_too(void **state)
{
	CUgraph inner, g;
	CUdeviceptr p;
	CUgraphExec e;
	size_t nr;

	(void)state;
	OK(cuGraphCreate(&inner, 0));
	add_step(inner, NULL, 0, 3);
	e = instantiate(inner);
	OK(cuStreamBeginCapture(s1, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	OK(cuMemAllocAsync(&p, 4096, s1));
	OK(cuMemsetD32Async(p, 8, 4, s1));
	OK(cuMemcpyDtoDAsync(word, p, 4, s1));
	OK(cuMemFreeAsync(p, s1));
	OK(cuGraphLaunch(e, s1));
	OK(cuStreamEndCapture(s1, &g));
	OK(cuGraphGetNodes(g, NULL, &nr));
	assert_int_equal(nr, 5);
	OK(cuGraphExecDestroy(e));
	OK(cuGraphDestroy(inner));
	run_once(g);
	assert_int_equal(get(0), 8 * 3 + 3);
	OK(cuGraphDestroy(g));
}

static void a_capture_can_go_on_in_a_graph(void **state)
{
	const CUgraphNode *deps;
	CUstreamCaptureStatus status;
	CUgraphNode a, b;
	cuuint64_t id = 0;
	CUgraph g, other;
	size_t nr;

	(void)state;
	OK(cuGraphCreate(&g, 0));
	a = add_step(g, NULL, 0, 1);
	OK(cuStreamBeginCaptureToGraph(s1, g, &a, NULL, 1, CU_STREAM_CAPTURE_MODE_RELAXED));
	launch_step(s1, 0, 2);
	OK(cuStreamGetCaptureInfo(s1, &status, &id, &other, &deps, NULL, &nr));
	assert_int_equal(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
	assert_ptr_equal(other, g);
	assert_int_equal(nr, 1);
	assert_true(id);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(g));
	/* A node by hand, and the capture behind it. */
	b = add_step(g, deps[0], 0, 3);
	OK(cuStreamUpdateCaptureDependencies(s1, &b, NULL, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
	launch_step(s1, 0, 4);
	OK(cuStreamEndCapture(s1, &other));
	assert_ptr_equal(other, g);
	put(0, 0);
	run_once(g);
	assert_int_equal(get(0), ((1 * 3 + 2) * 3 + 3) * 3 + 4);
	OK(cuGraphDestroy(g));
}

/* Ends a capture that something made invalid. */
static void end_invalid(CUstream s)
{
	CUgraph g = (CUgraph)1;

	assert_int_equal(status_of(s), CU_STREAM_CAPTURE_STATUS_INVALIDATED);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
	      cuLaunchHostFunc(s, host_add, NULL));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(s, &g));
	assert_null(g);
}

static void begin(CUstream s, CUstreamCaptureMode mode)
{
	OK(cuStreamBeginCapture(s, mode));
}

static void CUDA_CB called_back(CUstream s, CUresult r, void *arg)
{
	(void)s;
	(void)r;
	(void)arg;
}

static void waits_spoil_a_capture(void **state)
{
	CUdeviceptr p;
	CUevent e;
	float ms;

	(void)state;
	OK(cuEventCreate(&e, 0));
	begin(s1, CU_STREAM_CAPTURE_MODE_GLOBAL);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(s1));
	end_invalid(s1);
	begin(s1, CU_STREAM_CAPTURE_MODE_GLOBAL);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamQuery(s1));
	end_invalid(s1);
	begin(s1, CU_STREAM_CAPTURE_MODE_RELAXED);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuCtxSynchronize());
	end_invalid(s1);
	begin(s1, CU_STREAM_CAPTURE_MODE_GLOBAL);
	OK(cuEventRecord(e, s1));
	FAILS(CUDA_ERROR_CAPTURED_EVENT, cuEventQuery(e));
	end_invalid(s1);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuEventElapsedTime(&ms, e, e));
	FAILS(CUDA_ERROR_CAPTURED_EVENT, cuStreamWaitEvent(s2, e, 0));
	OK(cuEventRecord(e, s1));
	OK(cuEventSynchronize(e));
	begin(s1, CU_STREAM_CAPTURE_MODE_GLOBAL);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc(&p, 4096));
	end_invalid(s1);
	begin(s1, CU_STREAM_CAPTURE_MODE_RELAXED);
	OK(cuMemAlloc(&p, 4096));
	OK(cuMemFree(p));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamAddCallback(s1, called_back, NULL, 0));
	end_invalid(s1);
	OK(cuEventDestroy(e));
}

static void other_threads_and_modes(void **state)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUdeviceptr p;
	CUgraph g;

	(void)state;
	begin(s1, CU_STREAM_CAPTURE_MODE_GLOBAL);
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	assert_int_equal(mode, CU_STREAM_CAPTURE_MODE_GLOBAL);
	OK(cuMemAlloc(&p, 4096));
	OK(cuMemFree(p));
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	/* no mode is as strict as the strictest, and is given back */
	mode = 7;
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	assert_int_equal(mode, 7);
	OK(cuStreamEndCapture(s1, &g));
	OK(cuGraphDestroy(g));
}

struct other {
	CUresult alloc, end;
};

static void *in_another_thread(void *arg)
{
	struct other *o = arg;
	CUdeviceptr p;
	CUgraph g;

	OK(cuCtxSetCurrent(ctx));
	o->alloc = cuMemAlloc(&p, 4096);
	if (o->alloc == CUDA_SUCCESS)
		OK(cuMemFree(p));
	o->end = cuStreamEndCapture(s1, &g);
	return NULL;
}

static struct other ask_another_thread(void)
{
	struct other o;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, in_another_thread, &o), 0);
	pthread_join(t, NULL);
	return o;
}

static void a_capture_belongs_to_its_thread(void **state)
{
	struct other o;
	CUgraph g;

	(void)state;
	begin(s1, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
	o = ask_another_thread();
	assert_int_equal(o.alloc, CUDA_SUCCESS);
	/* which has ended it, as on an H100 */
	assert_int_equal(o.end, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
	FAILS(CUDA_ERROR_ILLEGAL_STATE, cuStreamEndCapture(s1, &g));
	begin(s1, CU_STREAM_CAPTURE_MODE_GLOBAL);
	o = ask_another_thread();
	assert_int_equal(o.alloc, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
	assert_int_equal(status_of(s1), CU_STREAM_CAPTURE_STATUS_NONE);
}

static void streams_join_and_leave_by_the_rules(void **state)
{
	CUstream blocking;
	CUevent e, f;
	CUgraph g;

	(void)state;
	OK(cuEventCreate(&e, CU_EVENT_DISABLE_TIMING));
	OK(cuEventCreate(&f, CU_EVENT_DISABLE_TIMING));
	FAILS(CUDA_ERROR_ILLEGAL_STATE, cuStreamEndCapture(s1, &g));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
	      cuStreamBeginCapture(NULL, CU_STREAM_CAPTURE_MODE_RELAXED));
	begin(s1, CU_STREAM_CAPTURE_MODE_RELAXED);
	FAILS(CUDA_ERROR_ILLEGAL_STATE, cuStreamBeginCapture(s1, CU_STREAM_CAPTURE_MODE_RELAXED));
	/* not joined */
	OK(cuEventRecord(e, s1));
	OK(cuStreamWaitEvent(s2, e, 0));
	launch_step(s2, 0, 1);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(s1, &g));
	/* ended in the wrong place */
	begin(s1, CU_STREAM_CAPTURE_MODE_RELAXED);
	OK(cuEventRecord(e, s1));
	OK(cuStreamWaitEvent(s2, e, 0));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, cuStreamEndCapture(s2, &g));
	end_invalid(s1);
	/* two captures meet */
	begin(s1, CU_STREAM_CAPTURE_MODE_RELAXED);
	begin(s2, CU_STREAM_CAPTURE_MODE_RELAXED);
	OK(cuEventRecord(e, s1));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_MERGE, cuStreamWaitEvent(s2, e, 0));
	end_invalid(s1);
	end_invalid(s2);
	/* an event from outside */
	OK(cuEventRecord(f, s2));
	begin(s1, CU_STREAM_CAPTURE_MODE_RELAXED);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, cuStreamWaitEvent(s1, f, 0));
	end_invalid(s1);
	/* the legacy stream */
	OK(cuStreamCreate(&blocking, 0));
	begin(blocking, CU_STREAM_CAPTURE_MODE_RELAXED);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemsetD8Async(word, 0, 4, NULL));
	end_invalid(blocking);
	begin(blocking, CU_STREAM_CAPTURE_MODE_RELAXED);
	FAILS(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemcpyDtoH(&g, word, 4));
	end_invalid(blocking);
	/* a stream that goes away takes its capture along */
	begin(blocking, CU_STREAM_CAPTURE_MODE_RELAXED);
	launch_step(blocking, 0, 1);
	OK(cuEventRecord(e, blocking));
	OK(cuStreamWaitEvent(s1, e, 0));
	OK(cuStreamDestroy(blocking));
	assert_int_equal(status_of(s1), CU_STREAM_CAPTURE_STATUS_NONE);
	OK(cuEventDestroy(e));
	OK(cuEventDestroy(f));
}

static void external_events_are_nodes(void **state)
{
	CUgraphNodeType type;
	CUgraphNode nodes[2];
	size_t nr = 2;
	CUevent e;
	CUgraph g;

	(void)state;
	OK(cuEventCreate(&e, CU_EVENT_DISABLE_TIMING));
	FAILS(CUDA_ERROR_ILLEGAL_STATE, cuEventRecordWithFlags(e, s1, CU_EVENT_RECORD_EXTERNAL));
	begin(s1, CU_STREAM_CAPTURE_MODE_RELAXED);
	OK(cuEventRecordWithFlags(e, s1, CU_EVENT_RECORD_EXTERNAL));
	OK(cuStreamWaitEvent(s1, e, CU_EVENT_WAIT_EXTERNAL));
	OK(cuStreamEndCapture(s1, &g));
	OK(cuGraphGetNodes(g, nodes, &nr));
	assert_int_equal(nr, 2);
	OK(cuGraphNodeGetType(nodes[0], &type));
	assert_int_equal(type, CU_GRAPH_NODE_TYPE_EVENT_RECORD);
	OK(cuGraphNodeGetType(nodes[1], &type));
	assert_int_equal(type, CU_GRAPH_NODE_TYPE_WAIT_EVENT);
	run_once(g);
	OK(cuEventQuery(e));
	OK(cuGraphDestroy(g));
	OK(cuEventDestroy(e));
}

static void streams_have_attributes(void **state)
{
	CUstreamAttrValue v = { .syncPolicy = CU_SYNC_POLICY_SPIN }, got;
	int least, greatest, priority;
	CUstream s;

	(void)state;
	OK(cuCtxGetStreamPriorityRange(&least, &greatest));
	assert_int_equal(least, 0);
	assert_true(greatest < 0);
	OK(cuStreamCreateWithPriority(&s, CU_STREAM_NON_BLOCKING, -1000));
	OK(cuStreamGetPriority(s, &priority));
	assert_int_equal(priority, greatest);
	OK(cuStreamSetAttribute(s, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &v));
	OK(cuStreamCopyAttributes(s1, s));
	OK(cuStreamGetAttribute(s1, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &got));
	assert_int_equal(got.syncPolicy, CU_SYNC_POLICY_SPIN);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamSetAttribute(s, 99, &v));
	v.priority = 0;
	OK(cuStreamSetAttribute(s1, CU_STREAM_ATTRIBUTE_PRIORITY, &v));
	OK(cuStreamDestroy(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_become_nodes),
		cmocka_unit_test(memory_and_graphs_are_captured_too),
		cmocka_unit_test(a_capture_can_go_on_in_a_graph),
		cmocka_unit_test(waits_spoil_a_capture),
		cmocka_unit_test(other_threads_and_modes),
		cmocka_unit_test(a_capture_belongs_to_its_thread),
		cmocka_unit_test(streams_join_and_leave_by_the_rules),
		cmocka_unit_test(external_events_are_nodes),
		cmocka_unit_test(streams_have_attributes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
