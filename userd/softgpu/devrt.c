/* SPDX-License-Identifier: MIT */
/*
 * devrt.c - the device runtime of cooperative groups, which NVIDIA has in libcudadevrt.a as machine
 * code: PTX that is linked to a module whose own texts declare these functions and lack them
 *
 * The barrier of a grid is the second word of the workspace whose address a cooperative launch
 * leaves in %envreg1 and 2, and is used as cooperative_groups/details/sync.h does, so that both may
 * meet in one kernel: each block adds one, the first so much that bit 31 flips when all have come.
 * Results are cudaError_t: 0, or 1, cudaErrorInvalidValue, for a handle that is none.
 */
#include <string.h>

#include "ptx_module.h"

#define HEAD ".version 7.0\n.target sm_70\n.address_size 64\n"

#define DECLARE_SYNCHRONIZE(name) ".weak .func (.param .b32 error) " name "(.param .b64 handle, .param .b32 flags)"

/* Scope 1 is the grid; a launch that is not cooperative has no workspace, and so the handle 0. */
#define GET_INTRINSIC_HANDLE \
	".weak .func (.param .b64 handle) cudaCGGetIntrinsicHandle(.param .b32 scope) {\n" \
	".reg .pred grid; .reg .b32 s, lo, hi; .reg .b64 h;\n" \
	"ld.param.b32 s, [scope]; setp.eq.s32 grid, s, 1;\n" \
	"mov.u32 hi, %envreg1; mov.u32 lo, %envreg2; mov.b64 h, {lo, hi}; selp.b64 h, h, 0, grid;\n" \
	"st.param.b64 [handle], h; ret; }\n"

#define SYNCHRONIZE \
	DECLARE_SYNCHRONIZE("cudaCGSynchronize") " {\n" \
	".reg .pred p; .reg .b32 a, b, add, old, now, result; .reg .b64 h;\n" \
	"ld.param.b64 h, [handle]; mov.u32 result, 1; setp.eq.b64 p, h, 0; @p bra.uni done;\n" \
	"bar.sync 0;\n" \
	"mov.u32 a, %tid.x; mov.u32 b, %tid.y; or.b32 a, a, b; mov.u32 b, %tid.z; or.b32 a, a, b;\n" \
	"setp.ne.u32 p, a, 0; @p bra met;\n" \
	"mov.u32 a, %nctaid.x; mov.u32 b, %nctaid.y; mul.lo.u32 a, a, b; mov.u32 b, %nctaid.z; mul.lo.u32 a, a, b;\n" \
	"sub.u32 add, 0x80000001, a;\n" \
	"mov.u32 a, %ctaid.x; mov.u32 b, %ctaid.y; or.b32 a, a, b; mov.u32 b, %ctaid.z; or.b32 a, a, b;\n" \
	"setp.eq.u32 p, a, 0; selp.b32 add, add, 1, p;\n" \
	"fence.acq_rel.gpu; atom.add.acq_rel.gpu.u32 old, [h+4], add;\n" \
	"wait: ld.acquire.gpu.u32 now, [h+4]; xor.b32 now, now, old; setp.ge.s32 p, now, 0; @p bra wait;\n" \
	"met: bar.sync 0; mov.u32 result, 0;\n" \
	"done: st.param.b32 [error], result; ret; }\n" \
	DECLARE_SYNCHRONIZE("cudaCGSynchronizeGrid") ";\n" \
	".alias cudaCGSynchronizeGrid, cudaCGSynchronize;\n"

/* Stores two numbers where the caller wants them. */
#define PUT_TWO(first, second) \
	"ld.param.b64 a, [" first "]; setp.ne.b64 p, a, 0; @p st.u32 [a], n;\n" \
	"ld.param.b64 a, [" second "]; setp.ne.b64 p, a, 0; mov.u32 n, m; @p st.u32 [a], n;\n"

#define DIMENSIONS(name) "mov.u32 x, %" name ".x; mov.u32 y, %" name ".y; mov.u32 z, %" name ".z;\n"

/* There is one grid: that of several devices is gone since CUDA 13. */
#define GET_SIZE \
	".weak .func (.param .b32 error) cudaCGGetSize(.param .b64 threads, .param .b64 grids, .param .b64 handle) {\n" \
	".reg .pred p; .reg .b32 x, y, z, n, m, result; .reg .b64 a;\n" \
	"ld.param.b64 a, [handle]; mov.u32 result, 1; setp.eq.b64 p, a, 0; @p bra done;\n" \
	DIMENSIONS("ntid") "mul.lo.u32 n, x, y; mul.lo.u32 n, n, z;\n" \
	DIMENSIONS("nctaid") "mul.lo.u32 n, n, x; mul.lo.u32 n, n, y; mul.lo.u32 n, n, z; mov.u32 m, 1;\n" \
	PUT_TWO("threads", "grids") "mov.u32 result, 0;\n" \
	"done: st.param.b32 [error], result; ret; }\n"

#define GET_RANK \
	".weak .func (.param .b32 error) cudaCGGetRank(.param .b64 thread, .param .b64 grid, .param .b64 handle) {\n" \
	".reg .pred p; .reg .b32 x, y, z, n, m, result; .reg .b64 a;\n" \
	"ld.param.b64 a, [handle]; mov.u32 result, 1; setp.eq.b64 p, a, 0; @p bra done;\n" \
	DIMENSIONS("ctaid") "mov.u32 n, %nctaid.y; mad.lo.u32 n, n, z, y; mov.u32 m, %nctaid.x; mad.lo.u32 n, n, m, x;\n" \
	"mov.u32 m, %ntid.z; mul.lo.u32 n, n, m;\n" \
	DIMENSIONS("tid") "add.u32 n, n, z; mov.u32 m, %ntid.y; mad.lo.u32 n, n, m, y;\n" \
	"mov.u32 m, %ntid.x; mad.lo.u32 n, n, m, x; mov.u32 m, 0;\n" \
	PUT_TWO("thread", "grid") "mov.u32 result, 0;\n" \
	"done: st.param.b32 [error], result; ret; }\n"

static const char text[] = HEAD GET_INTRINSIC_HANDLE SYNCHRONIZE GET_SIZE GET_RANK;

const struct sg_ptx sg_devrt = { text, sizeof(text) - 1 };

static bool here(const char *name)
{
	static const char *const names[] = { "cudaCGGetIntrinsicHandle", "cudaCGSynchronize",
					     "cudaCGSynchronizeGrid", "cudaCGGetSize",
					     "cudaCGGetRank" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

bool sg_devrt_wanted(const struct sg_module *m)
{
	for (const struct ptx_unit *u = m->units; u; u = u->next)
		for (const struct ptx_func *f = u->funcs; f; f = f->next)
			if (!f->defined && !f->alias && here(f->name))
				return true;
	return false;
}
