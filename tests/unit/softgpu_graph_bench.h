/* SPDX-License-Identifier: MIT */
/*
 * softgpu_graph_bench.h - what the tests of softgpu's graphs and captures share: two streams, words of device
 * memory, kernels whose order shows
 */
#ifndef SOFTGPU_GRAPH_BENCH_H
#define SOFTGPU_GRAPH_BENCH_H

#include "softgpu_calls.h"

static const char ptx[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".extern .func cudaGraphSetConditional(.param .b64 h, .param .b32 v);\n"
	/* *p = *p * 3 + v: the order of two of them shows */
	".visible .entry step(.param .u64 pp, .param .u32 pv)\n"
	"{\n"
	"	.reg .b32 %r<4>; .reg .b64 %rd<2>;\n"
	"	ld.param.u64 %rd1, [pp]; ld.param.u32 %r1, [pv];\n"
	"	ld.global.u32 %r2, [%rd1]; mad.lo.u32 %r3, %r2, 3, %r1;\n"
	"	st.global.u32 [%rd1], %r3;\n"
	"	ret;\n"
	"}\n"
	/* --*p; goes on while it is not zero; counts the rounds in p[1] */
	".visible .entry loop(.param .u64 ph, .param .u64 pp)\n"
	"{\n"
	"	.reg .b32 %r<5>; .reg .b64 %rd<3>;\n"
	"	.param .b64 a0; .param .b32 a1;\n"
	"	ld.param.u64 %rd1, [ph]; ld.param.u64 %rd2, [pp];\n"
	"	ld.global.u32 %r1, [%rd2]; sub.u32 %r2, %r1, 1; st.global.u32 [%rd2], %r2;\n"
	"	ld.global.u32 %r3, [%rd2+4]; add.u32 %r4, %r3, 1; st.global.u32 [%rd2+4], %r4;\n"
	"	st.param.b64 [a0], %rd1; st.param.b32 [a1], %r2;\n"
	"	call.uni cudaGraphSetConditional, (a0, a1);\n"
	"	ret;\n"
	"}\n"
	/* sets the condition to v */
	".visible .entry set(.param .u64 ph, .param .u32 pv)\n"
	"{\n"
	"	.reg .b32 %r<2>; .reg .b64 %rd<2>;\n"
	"	.param .b64 a0; .param .b32 a1;\n"
	"	ld.param.u64 %rd1, [ph]; ld.param.u32 %r1, [pv];\n"
	"	st.param.b64 [a0], %rd1; st.param.b32 [a1], %r1;\n"
	"	call.uni cudaGraphSetConditional, (a0, a1);\n"
	"	ret;\n"
	"}\n"
	".visible .entry nothing()\n{\n	ret;\n}\n"
	".visible .entry wild()\n"
	"{\n"
	"	.reg .b64 %rd<2>; .reg .b32 %r<2>;\n"
	"	mov.u64 %rd1, 64; ld.global.u32 %r1, [%rd1]; st.global.u32 [%rd1], %r1;\n"
	"	ret;\n"
	"}\n";

static CUcontext ctx;
static CUmodule module;
static CUfunction step, loop, set, nothing, wild;
static CUdeviceptr word;		/* 64 of them */
static CUstream s1, s2;

static inline int setup(void **state)
{
	(void)state;
	if (cuInit(0) || cuCtxCreate(&ctx, NULL, 0, 0) || cuModuleLoadData(&module, ptx) ||
	    cuModuleGetFunction(&step, module, "step") ||
	    cuModuleGetFunction(&loop, module, "loop") ||
	    cuModuleGetFunction(&set, module, "set") ||
	    cuModuleGetFunction(&nothing, module, "nothing") ||
	    cuModuleGetFunction(&wild, module, "wild") || cuMemAlloc(&word, 256) ||
	    cuMemsetD8(word, 0, 256) || cuStreamCreate(&s1, CU_STREAM_NON_BLOCKING) ||
	    cuStreamCreate(&s2, CU_STREAM_NON_BLOCKING))
		return -1;
	return cuCtxSynchronize();
}

static inline int teardown(void **state)
{
	(void)state;
	return cuCtxDestroy(ctx);
}

/* The call may return before the memory is set, and no order holds with s1. */
static inline void clear(size_t bytes)
{
	OK(cuMemsetD8(word, 0, bytes));
	OK(cuCtxSynchronize());
}

static inline uint32_t get(size_t i)
{
	uint32_t v;

	OK(cuStreamSynchronize(s1));
	OK(cuMemcpyDtoH(&v, word + 4 * i, 4));
	return v;
}

static inline void put(size_t i, uint32_t v)
{
	OK(cuMemcpyHtoD(word + 4 * i, &v, 4));
}

static inline CUDA_KERNEL_NODE_PARAMS kernel(CUfunction f, void **params)
{
	return (CUDA_KERNEL_NODE_PARAMS){ .func = f, 1, 1, 1, 1, 1, 1, .kernelParams = params };
}

/* A node that does word[i] = word[i] * 3 + v behind another, or none. */
static inline CUgraphNode add_step(CUgraph g, CUgraphNode after, size_t i, uint32_t v)
{
	CUdeviceptr p = word + 4 * i;
	void *params[] = { &p, &v };
	CUDA_KERNEL_NODE_PARAMS k = kernel(step, params);
	CUgraphNode n;

	OK(cuGraphAddKernelNode(&n, g, after ? &after : NULL, after != NULL, &k));
	return n;
}

static inline CUgraphExec instantiate(CUgraph g)
{
	CUgraphExec e;

	OK(cuGraphInstantiate(&e, g, 0));
	return e;
}

static inline void launch(CUgraphExec e)
{
	OK(cuGraphLaunch(e, s1));
	OK(cuStreamSynchronize(s1));
}

static inline void run_once(CUgraph g)
{
	CUgraphExec e = instantiate(g);

	launch(e);
	OK(cuGraphExecDestroy(e));
}

static inline void host_add(void *p)
{
	++*(int *)p;
}

#endif
