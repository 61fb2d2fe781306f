/* SPDX-License-Identifier: MIT */
/*
 * graphs.cu - graphs by capture and by node, an update in place, a loop that the device ends,
 * memory of the graph's own
 */
#include <stdio.h>

#include "dump.h"

__global__ void step(int *p, int v)
{
	*p = *p * 3 + v;
}

/* CUDA 12.4 was the first with nodes that a condition is for. */
#if CUDART_VERSION >= 12040
__global__ void loop(cudaGraphConditionalHandle h, int *p)
{
	p[1]++;
	cudaGraphSetConditional(h, --p[0] > 0);
}
#endif

static void expect(const char *what, const int *p, int want)
{
	int got;

	CHECK(cudaMemcpy(&got, p, sizeof(got), cudaMemcpyDeviceToHost));
	if (got != want)
		fail("%s: %d, not %d", what, got, want);
	dump(what, &got, sizeof(got));
}

static cudaGraph_t captured(cudaStream_t s, int *p, int first)
{
	cudaGraph_t g;

	CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
	CHECK(cudaMemsetAsync(p, 0, sizeof(*p), s));
	step<<<1, 1, 0, s>>>(p, first);
	step<<<1, 1, 0, s>>>(p, 2);
	CHECK(cudaStreamEndCapture(s, &g));
	return g;
}

static void capture_and_update(cudaStream_t s, int *p)
{
	cudaGraph_t g = captured(s, p, 1), other = captured(s, p, 7);
	cudaGraphExecUpdateResultInfo info;
	cudaGraphExec_t e;

	CHECK(cudaGraphInstantiate(&e, g, 0));
	CHECK(cudaGraphLaunch(e, s));
	CHECK(cudaStreamSynchronize(s));
	expect("captured", p, 5);
	CHECK(cudaGraphExecUpdate(e, other, &info));
	CHECK(cudaGraphLaunch(e, s));
	CHECK(cudaStreamSynchronize(s));
	expect("updated", p, 23);
	CHECK(cudaGraphExecDestroy(e));
	CHECK(cudaGraphDestroy(g));
	CHECK(cudaGraphDestroy(other));
}

#if CUDART_VERSION >= 12040
/* CUDA 13 gave edges their data. */
static cudaError_t add_node(cudaGraphNode_t *node, cudaGraph_t g, cudaGraphNodeParams *params)
{
#if CUDART_VERSION >= 13000
	return cudaGraphAddNode(node, g, NULL, NULL, 0, params);
#else
	return cudaGraphAddNode(node, g, NULL, 0, params);
#endif
}

static void run_loop(cudaStream_t s, int *p)
{
	int rounds[2] = { 6, 0 };
	cudaGraphConditionalHandle h;
	cudaGraphNodeParams n = {}, k = {};
	void *args[] = { &h, &p };
	cudaGraphNode_t node;
	cudaGraphExec_t e;
	cudaGraph_t g;

	CHECK(cudaMemcpy(p, rounds, sizeof(rounds), cudaMemcpyHostToDevice));
	CHECK(cudaGraphCreate(&g, 0));
	CHECK(cudaGraphConditionalHandleCreate(&h, g, 1, cudaGraphCondAssignDefault));
	n.type = cudaGraphNodeTypeConditional;
	n.conditional.handle = h;
	n.conditional.type = cudaGraphCondTypeWhile;
	n.conditional.size = 1;
	CHECK(add_node(&node, g, &n));
	k.type = cudaGraphNodeTypeKernel;
	k.kernel.func = (void *)loop;
	k.kernel.gridDim = k.kernel.blockDim = dim3(1);
	k.kernel.kernelParams = args;
	CHECK(add_node(&node, n.conditional.phGraph_out[0], &k));
	CHECK(cudaGraphInstantiate(&e, g, 0));
	CHECK(cudaGraphLaunch(e, s));
	CHECK(cudaStreamSynchronize(s));
	expect("rounds", p + 1, 6);
	CHECK(cudaGraphExecDestroy(e));
	CHECK(cudaGraphDestroy(g));
}

#else
static void run_loop(cudaStream_t, int *)
{
}
#endif

/* Memory that a graph allocates, and frees itself or leaves to the program. */
static void memory_nodes(cudaStream_t s, int *p)
{
	cudaGraphExec_t e;
	cudaGraph_t g;
	int *own;

	for (int left = 0; left < 2; left++) {
		CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
		CHECK(cudaMallocAsync(&own, sizeof(*own), s));
		CHECK(cudaMemsetAsync(own, 0, sizeof(*own), s));
		step<<<1, 1, 0, s>>>(own, 4 + left);
		step<<<1, 1, 0, s>>>(own, 1);
		CHECK(cudaMemcpyAsync(p, own, sizeof(*p), cudaMemcpyDeviceToDevice, s));
		if (!left)
			CHECK(cudaFreeAsync(own, s));
		CHECK(cudaStreamEndCapture(s, &g));
		CHECK(cudaGraphInstantiate(&e, g, 0));
		for (int round = 0; round < 2; round++) {
			CHECK(cudaMemsetAsync(p, 0, sizeof(*p), s));
			CHECK(cudaGraphLaunch(e, s));
			CHECK(cudaStreamSynchronize(s));
			expect("made in the graph's memory", p, 13 + 3 * left);
			if (left && cudaGraphLaunch(e, s) == cudaSuccess)
				fail("memory that the program has is allocated again");
			cudaGetLastError();
			if (left)
				CHECK(round ? cudaFree(own) : cudaFreeAsync(own, s));
		}
		CHECK(cudaGraphExecDestroy(e));
		CHECK(cudaGraphDestroy(g));
	}
}

int main()
{
	cudaStream_t s;
	int *p;

	CHECK(cudaStreamCreate(&s));
	CHECK(cudaMalloc(&p, 2 * sizeof(*p)));
	capture_and_update(s, p);
	run_loop(s, p);
	memory_nodes(s, p);
	CHECK(cudaFree(p));
	CHECK(cudaStreamDestroy(s));
	return pass();
}
