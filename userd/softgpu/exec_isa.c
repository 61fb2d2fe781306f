/* SPDX-License-Identifier: MIT */
/*
 * exec_isa.c - the tables of one build of the executors
 */
#include "exec.h"

extern const struct sg_form SG_TABLE(sg_forms_int)[], SG_TABLE(sg_forms_float)[],
	SG_TABLE(sg_forms_half)[];
extern const struct sg_form SG_TABLE(sg_forms_cmp)[], SG_TABLE(sg_forms_cvt)[],
	SG_TABLE(sg_forms_mem)[];
extern const struct sg_form SG_TABLE(sg_forms_atom)[], SG_TABLE(sg_forms_warp)[];
extern const struct sg_form SG_TABLE(sg_forms_async)[], SG_TABLE(sg_forms_video)[],
	SG_TABLE(sg_forms_stack)[], SG_TABLE(sg_forms_fp8)[], SG_TABLE(sg_forms_mbarrier)[];
extern const struct sg_form SG_TABLE(sg_forms_mma)[], SG_TABLE(sg_forms_matrix)[];
extern const struct sg_isa SG_TABLE(sg_isa);

static const struct sg_form *const tables[] = {
	SG_TABLE(sg_forms_int), SG_TABLE(sg_forms_float), SG_TABLE(sg_forms_half), SG_TABLE(sg_forms_cmp),
	SG_TABLE(sg_forms_cvt), SG_TABLE(sg_forms_mem), SG_TABLE(sg_forms_atom), SG_TABLE(sg_forms_warp),
	SG_TABLE(sg_forms_stack), SG_TABLE(sg_forms_fp8), SG_TABLE(sg_forms_video), SG_TABLE(sg_forms_async), SG_TABLE(sg_forms_mbarrier),
	SG_TABLE(sg_forms_mma), SG_TABLE(sg_forms_matrix), NULL
};

#define NAME2(x) #x
#define NAME(x) NAME2(x)

const struct sg_isa SG_TABLE(sg_isa) = { NAME(SG_ISA), tables };
