/* SPDX-License-Identifier: MIT */
/*
 * ptx_form.c - which opcodes exist, and the executor of each form
 *
 * An instruction is looked up in two steps. ptx_ops says which modifiers of an opcode are only
 * flags and whether a decoder of its own reads the operands. What is left - opcode, choosing
 * modifiers, types - is the name of a row in the tables of the executors ("mul.wide.s32"). A row's
 * ops string gives the operands, destinations before '=':
 *
 *	p predicate   h 16 bits   w 32 bits   l 64 bits   f float   d double   i an integer constant
 *
 * To add an instruction: a row beside its executor in exec_*.c, and a line here if the opcode is
 * new.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ptx_parse.h"

#define FP (M_ROUND | M_FTZ | M_SAT)

/* In order: a binary search looks here. */
static const struct ptx_op ptx_ops[] = {
	{ "abs", M_FTZ, NULL },
	{ "activemask", 0, NULL },
	{ "add", FP, NULL },
	{ "addc", 0, NULL },
	{ "alloca", 0, ptx_decode_alloca },
	{ "and", 0, NULL },
	{ "applypriority", 0, ptx_decode_hint },
	{ "atom", M_NOFTZ, ptx_decode_atom },
	{ "bar", M_ALIGNED, ptx_decode_bar },
	{ "barrier", M_ALIGNED, ptx_decode_bar },
	{ "bfe", 0, NULL },
	{ "bfi", 0, NULL },
	{ "bfind", M_SHIFTAMT, NULL },
	{ "bmsk", 0, NULL },
	{ "bra", M_UNI, ptx_decode_bra },
	{ "brev", 0, NULL },
	{ "brkpt", 0, NULL },
	{ "brx", M_UNI, ptx_decode_brx },
	{ "call", M_UNI, ptx_decode_call },
	{ "clz", 0, NULL },
	{ "cnot", 0, NULL },
	{ "copysign", 0, NULL },
	{ "cos", M_APPROX | M_FTZ, NULL },
	{ "cp", 0, ptx_decode_cp },
	{ "createpolicy", 0, ptx_decode_hint },
	{ "cvt", M_ROUND | M_ROUNDI | M_FTZ | M_SAT | M_RELU, ptx_decode_cvt },
	{ "cvta", 0, ptx_decode_cvta },
	{ "discard", 0, ptx_decode_hint },
	{ "div", FP | M_APPROX | M_FULL, NULL },
	{ "dp2a", 0, NULL },
	{ "dp4a", 0, NULL },
	{ "elect", 0, ptx_decode_elect },
	{ "ex2", M_APPROX | M_FTZ, NULL },
	{ "exit", 0, ptx_decode_ret },
	{ "fence", 0, ptx_decode_fence },
	{ "fma", FP | M_RELU, NULL },
	{ "fns", 0, NULL },
	{ "griddepcontrol", 0, ptx_decode_hint },
	{ "isspacep", 0, ptx_decode_isspacep },
	{ "istypep", 0, ptx_decode_istypep },
	{ "ld", 0, ptx_decode_ld },
	{ "ldmatrix", 0, ptx_decode_ldmatrix },
	{ "ldu", 0, ptx_decode_ld },
	{ "lg2", M_APPROX | M_FTZ, NULL },
	{ "lop3", 0, ptx_decode_lop3 },
	{ "mad", FP, NULL },
	{ "mad24", M_SAT, NULL },
	{ "madc", 0, NULL },
	{ "match", M_SYNC, ptx_decode_sync },
	{ "max", M_FTZ | M_NAN | M_XORSIGN | M_ABS | M_RELU, NULL },
	{ "mbarrier", 0, ptx_decode_mbarrier },
	{ "membar", 0, ptx_decode_fence },
	{ "min", M_FTZ | M_NAN | M_XORSIGN | M_ABS | M_RELU, NULL },
	{ "mma", 0, ptx_decode_mma },
	{ "mov", 0, ptx_decode_mov },
	{ "movmatrix", 0, ptx_decode_movmatrix },
	{ "mul", FP, NULL },
	{ "mul24", 0, NULL },
	{ "nanosleep", 0, ptx_decode_nanosleep },
	{ "neg", M_FTZ, NULL },
	{ "not", 0, NULL },
	{ "or", 0, NULL },
	{ "pmevent", 0, ptx_decode_hint },
	{ "popc", 0, NULL },
	{ "prefetch", 0, ptx_decode_hint },
	{ "prefetchu", 0, ptx_decode_hint },
	{ "prmt", 0, NULL },
	{ "rcp", M_ROUND | M_APPROX | M_FTZ, NULL },
	{ "red", M_NOFTZ, ptx_decode_atom },
	{ "redux", M_SYNC, ptx_decode_sync },
	{ "rem", 0, NULL },
	{ "ret", M_UNI, ptx_decode_ret },
	{ "rsqrt", M_APPROX | M_FTZ, NULL },
	{ "sad", 0, NULL },
	{ "selp", 0, NULL },
	{ "set", M_FTZ | M_BOOL, ptx_decode_setp },
	{ "setp", M_FTZ | M_BOOL, ptx_decode_setp },
	{ "shf", 0, NULL },
	{ "shfl", M_SYNC, ptx_decode_shfl },
	{ "shl", 0, NULL },
	{ "shr", 0, NULL },
	{ "sin", M_APPROX | M_FTZ, NULL },
	{ "slct", M_FTZ, NULL },
	{ "sqrt", M_ROUND | M_APPROX | M_FTZ, NULL },
	{ "st", 0, ptx_decode_st },
	{ "stackrestore", 0, NULL },
	{ "stacksave", 0, NULL },
	{ "stmatrix", 0, ptx_decode_stmatrix },
	{ "sub", FP, NULL },
	{ "subc", 0, NULL },
	{ "suld", 0, ptx_decode_suld },
	{ "suq", 0, ptx_decode_txq },
	{ "sured", 0, ptx_decode_sured },
	{ "sust", 0, ptx_decode_sust },
	{ "szext", 0, NULL },
	{ "tanh", M_APPROX, NULL },
	{ "testp", 0, NULL },
	{ "tex", 0, ptx_decode_tex },
	{ "tld4", 0, ptx_decode_tld4 },
	{ "trap", 0, NULL },
	{ "txq", 0, ptx_decode_txq },
	{ "vabsdiff", 0, ptx_decode_video },
	{ "vabsdiff2", 0, ptx_decode_video },
	{ "vabsdiff4", 0, ptx_decode_video },
	{ "vadd", 0, ptx_decode_video },
	{ "vadd2", 0, ptx_decode_video },
	{ "vadd4", 0, ptx_decode_video },
	{ "vavrg2", 0, ptx_decode_video },
	{ "vavrg4", 0, ptx_decode_video },
	{ "vmad", 0, ptx_decode_video },
	{ "vmax", 0, ptx_decode_video },
	{ "vmax2", 0, ptx_decode_video },
	{ "vmax4", 0, ptx_decode_video },
	{ "vmin", 0, ptx_decode_video },
	{ "vmin2", 0, ptx_decode_video },
	{ "vmin4", 0, ptx_decode_video },
	{ "vote", M_SYNC, ptx_decode_vote },
	{ "vset", 0, ptx_decode_video },
	{ "vset2", 0, ptx_decode_video },
	{ "vset4", 0, ptx_decode_video },
	{ "vshl", 0, ptx_decode_video },
	{ "vshr", 0, ptx_decode_video },
	{ "vsub", 0, ptx_decode_video },
	{ "vsub2", 0, ptx_decode_video },
	{ "vsub4", 0, ptx_decode_video },
	{ "wmma", 0, ptx_decode_wmma },
	{ "xor", 0, NULL },
};

/* Opcodes of PTX that a later stage brings, or that no CPU device will: refused by name. */
static const char *const ptx_refused[] = {
	"clusterlaunchcontrol", "getctarank", "mapa", "multimem",
	"setmaxnreg", "tcgen05", "tensormap", "wgmma",
};

#define FORM_BUCKETS 4096

static const struct sg_form *form_table[FORM_BUCKETS];	/* open addressing */
static const struct sg_isa *isa;
static pthread_once_t once = PTHREAD_ONCE_INIT;

extern const struct sg_isa sg_isa_base;
#ifdef __x86_64__
extern const struct sg_isa sg_isa_v3, sg_isa_v4;
#endif

static uint32_t hash(const char *s, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h ^ h >> 16;
}

/* From the narrowest on. */
static const struct sg_isa *const builds[] = {
	&sg_isa_base,
#ifdef __x86_64__
	&sg_isa_v3, &sg_isa_v4,
#endif
};

#define NR_BUILDS (sizeof(builds) / sizeof(builds[0]))

static bool runs_here(const struct sg_isa *build)
{
#ifdef __x86_64__
	__builtin_cpu_init();
	if (build == &sg_isa_v4)
		return __builtin_cpu_supports("x86-64-v4");
	if (build == &sg_isa_v3)
		return __builtin_cpu_supports("x86-64-v3");
#endif
	return build;
}

static const struct sg_isa *build_named(const char *name)
{
	for (size_t i = 0; i < NR_BUILDS; i++)
		if (!strcmp(builds[i]->name, name) && runs_here(builds[i]))
			return builds[i];
	return NULL;
}

bool sg_isa_runs_here(const char *name)
{
	return build_named(name);
}

/* The widest build that this processor can run, or the one that SOFTGPU_ISA names, for tests. */
static const struct sg_isa *choose(void)
{
	const char *want = getenv("SOFTGPU_ISA");
	const struct sg_isa *build = want ? build_named(want) : NULL;

	for (size_t i = NR_BUILDS; !build; )
		if (runs_here(builds[--i]))
			build = builds[i];
	return build;
}

static void init(void)
{
	isa = choose();
	for (const struct sg_form *const *t = isa->forms; *t; t++) {
		for (const struct sg_form *f = *t; f->name; f++) {
			uint32_t i = hash(f->name, strlen(f->name)) % FORM_BUCKETS;

			while (form_table[i])
				i = (i + 1) % FORM_BUCKETS;
			form_table[i] = f;
		}
	}
}

const struct sg_isa *ptx_isa(void)
{
	pthread_once(&once, init);
	return isa;
}

const struct sg_form *ptx_form_find(const char *name, size_t len)
{
	pthread_once(&once, init);
	for (uint32_t i = hash(name, len) % FORM_BUCKETS; form_table[i]; i = (i + 1) % FORM_BUCKETS)
		if (strlen(form_table[i]->name) == len && !memcmp(form_table[i]->name, name, len))
			return form_table[i];
	return NULL;
}

const struct ptx_op *ptx_op_find(const char *s, size_t len)
{
	size_t lo = 0, hi = sizeof(ptx_ops) / sizeof(ptx_ops[0]);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2, n = strlen(ptx_ops[mid].name);
		int c = memcmp(s, ptx_ops[mid].name, len < n ? len : n);

		if (!c)
			c = len < n ? -1 : len > n;
		if (!c)
			return &ptx_ops[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

bool ptx_op_refused(const char *s, size_t len)
{
	for (size_t i = 0; i < sizeof(ptx_refused) / sizeof(ptx_refused[0]); i++)
		if (strlen(ptx_refused[i]) == len && !memcmp(ptx_refused[i], s, len))
			return true;
	return false;
}
