/* SPDX-License-Identifier: MIT */
/*
 * softgpu_gate.h - a kernel that waits for the host, and two that leave traces
 *
 * Included after cuda.h (either of its ABIs), with OK() defined.
 */
#ifndef SOFTGPU_GATE_H
#define SOFTGPU_GATE_H

#define GATE_PTX									\
	/* ++*p by every thread */							\
	".visible .entry count(.param .u64 pp)\n"					\
	"{\n"										\
	"	.reg .b32 %r<2>; .reg .b64 %rd<2>;\n"					\
	"	ld.param.u64 %rd1, [pp];\n"						\
	"	atom.global.add.u32 %r1, [%rd1], 1;\n"					\
	"	ret;\n"									\
	"}\n"										\
	/* *p = v */									\
	".visible .entry put(.param .u64 pp, .param .u32 pv)\n"				\
	"{\n"										\
	"	.reg .b32 %r<2>; .reg .b64 %rd<2>;\n"					\
	"	ld.param.u64 %rd1, [pp]; ld.param.u32 %r1, [pv];\n"			\
	"	st.global.u32 [%rd1], %r1;\n"						\
	"	ret;\n"									\
	"}\n"										\
	/* waits until *flag is not 0 */						\
	".visible .entry wait(.param .u64 pf)\n"					\
	"{\n"										\
	"	.reg .pred %p<2>; .reg .b32 %r<2>; .reg .b64 %rd<2>;\n"			\
	"	ld.param.u64 %rd1, [pf];\n"						\
	"LOOP:	ld.volatile.global.u32 %r1, [%rd1];\n"					\
	"	setp.eq.u32 %p1, %r1, 0;\n"						\
	"	@%p1 bra LOOP;\n"							\
	"	ret;\n"									\
	"}\n"

struct gate {
	CUfunction count, put, wait;
	uint32_t *flag;			/* page-locked */
};

static inline void gate_init(struct gate *g, CUmodule mod)
{
	OK(cuModuleGetFunction(&g->count, mod, "count"));
	OK(cuModuleGetFunction(&g->put, mod, "put"));
	OK(cuModuleGetFunction(&g->wait, mod, "wait"));
	OK(cuMemHostAlloc((void **)&g->flag, 4096, 0));
}

static inline CUresult put(struct gate *g, CUdeviceptr p, uint32_t v, CUstream s)
{
	void *params[] = { &p, &v };

	return cuLaunchKernel(g->put, 1, 1, 1, 1, 1, 1, 0, s, params, NULL);
}

/* Occupies a stream until open_gate(). */
static inline void close_gate(struct gate *g, CUstream s)
{
	void *params[] = { &g->flag };

	__atomic_store_n(g->flag, 0, __ATOMIC_SEQ_CST);
	OK(cuLaunchKernel(g->wait, 1, 1, 1, 1, 1, 1, 0, s, params, NULL));
}

static inline void open_gate(struct gate *g)
{
	__atomic_store_n(g->flag, 1, __ATOMIC_SEQ_CST);
}

static inline uint32_t word_at(CUdeviceptr p)
{
	uint32_t v;

	OK(cuMemcpyDtoH_v2(&v, p, 4));
	return v;
}

#endif
