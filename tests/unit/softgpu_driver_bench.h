/* SPDX-License-Identifier: MIT */
/*
 * softgpu_driver_bench.h - what the tests of softgpu's public calls share: a context, and a module of small kernels
 */
#ifndef SOFTGPU_DRIVER_BENCH_H
#define SOFTGPU_DRIVER_BENCH_H

#include "softgpu_calls.h"

#include <time.h>

#include "softgpu_gate.h"

static const char ptx[] =
	"\n\n.version 7.0\n.target sm_75\n.address_size 64\n"
	".visible .global .align 4 .u32 counter = 7;\n"
	".const .align 4 .b32 table[4] = {1, 2, 3, 4};\n"
	/* c[i] = a[i] + b[i] */
	".visible .entry add(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u32 pn)\n"
	"{\n"
	"	.reg .pred %p<2>; .reg .f32 %f<4>; .reg .b32 %r<6>; .reg .b64 %rd<10>;\n"
	"	ld.param.u64 %rd1, [pa]; ld.param.u64 %rd2, [pb]; ld.param.u64 %rd3, [pc]; "
	"ld.param.u32 %r1, [pn];\n"
	"	mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;\n"
	"	mad.lo.s32 %r5, %r2, %r3, %r4;\n"
	"	setp.ge.u32 %p1, %r5, %r1;\n"
	"	@%p1 bra DONE;\n"
	"	mul.wide.u32 %rd4, %r5, 4;\n"
	"	add.s64 %rd5, %rd1, %rd4; add.s64 %rd6, %rd2, %rd4; add.s64 %rd7, %rd3, %rd4;\n"
	"	ld.global.f32 %f1, [%rd5]; ld.global.f32 %f2, [%rd6];\n"
	"	add.f32 %f3, %f1, %f2;\n"
	"	st.global.f32 [%rd7], %f3;\n"
	"DONE:	ret;\n"
	"}\n"
	GATE_PTX
	/* counter += v, a global of the module */
	".visible .entry bump(.param .u32 pv)\n"
	".maxntid 64, 1, 1\n"
	"{\n"
	"	.reg .b32 %r<3>; .reg .b64 %rd<2>;\n"
	"	ld.param.u32 %r1, [pv];\n"
	"	mov.u64 %rd1, counter;\n"
	"	atom.global.add.u32 %r2, [%rd1], %r1;\n"
	"	ret;\n"
	"}\n";

struct fixture {
	CUcontext ctx;
	CUmodule mod;
	CUfunction add, bump;
	struct gate gate;
};

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	OK(cuInit(0));
	OK(cuCtxCreate(&f->ctx, NULL, 0, 0));
	OK(cuModuleLoadData(&f->mod, ptx));
	OK(cuModuleGetFunction(&f->add, f->mod, "add"));
	OK(cuModuleGetFunction(&f->bump, f->mod, "bump"));
	gate_init(&f->gate, f->mod);
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	__atomic_store_n(f->gate.flag, 1, __ATOMIC_SEQ_CST);
	OK(cuCtxDestroy(f->ctx));
	free(f);
	return 0;
}

static inline CUresult launch1(CUfunction fn, unsigned int blocks, unsigned int threads, CUstream s,
			void *arg)
{
	void *params[] = { arg };

	return cuLaunchKernel(fn, blocks, 1, 1, threads, 1, 1, 0, s, params, NULL);
}

static inline void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ 0, ms * 1000000l }, NULL);
}

/* Of every main(). */
static inline void set_environment(void)
{
	unsetenv("SOFTGPU_SM");
	unsetenv("SOFTGPU_MEMORY");
	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	alarm(120);		/* a test that hangs is a test that fails */
}

#endif
