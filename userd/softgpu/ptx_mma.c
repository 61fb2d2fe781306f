/* SPDX-License-Identifier: MIT */
/*
 * ptx_mma.c - decoding of mma, wmma, ldmatrix, stmatrix and movmatrix (PTX ISA 9.7.14)
 *
 * The sparse and block-scaled forms, and the shapes of ldmatrix for 8 bits and less, are refused.
 */
#include <stdio.h>
#include <string.h>

#include "mma.h"
#include "ptx_parse.h"

#define T(id)	(1u << SG_MMA_##id)
#define FP8	(T(E4M3) | T(E5M2))
#define INT8	(T(S8) | T(U8))
#define INT4	(T(S4) | T(U4))

#define TYPE_INFO(id, name, bits, cls) [SG_MMA_##id] = { name, bits, cls },
static const struct { const char *name; uint8_t bits; char cls; } types[SG_MMA_NR_TYPES] = {
	SG_MMA_TYPES(TYPE_INFO)
};

/* Which types A may have in mma and in wmma. */
static const struct shape {
	const char *name;
	uint16_t m, n, k;
	uint32_t mma, wmma;
} shapes[] = {
	{ "m8n8k4", 8, 8, 4, T(F16) | T(F64), T(F64) },
	{ "m8n8k16", 8, 8, 16, INT8, 0 },
	{ "m8n8k32", 8, 8, 32, INT4, INT4 },
	{ "m8n8k128", 8, 8, 128, T(B1), T(B1) },
	{ "m16n8k4", 16, 8, 4, T(TF32) | T(F64), 0 },
	{ "m16n8k8", 16, 8, 8, T(F16) | T(BF16) | T(TF32) | T(F64), 0 },
	{ "m16n8k16", 16, 8, 16, T(F16) | T(BF16) | T(F64) | INT8 | FP8, 0 },
	{ "m16n8k32", 16, 8, 32, INT8 | INT4 | FP8, 0 },
	{ "m16n8k64", 16, 8, 64, INT4, 0 },
	{ "m16n8k128", 16, 8, 128, T(B1), 0 },
	{ "m16n8k256", 16, 8, 256, T(B1), 0 },
	{ "m16n16k8", 16, 16, 8, 0, T(TF32) },
	{ "m16n16k16", 16, 16, 16, 0, T(F16) | T(BF16) | INT8 },
	{ "m32n8k16", 32, 8, 16, 0, T(F16) | T(BF16) | INT8 },
	{ "m8n32k16", 8, 32, 16, 0, T(F16) | T(BF16) | INT8 },
};

/* The modifiers, sorted; their order means nothing but for layouts and types. */
struct form {
	const struct shape *shape;
	enum sg_mma_type type[4];
	bool row[2];
	uint32_t nr_types, nr_layouts, round, nr_matrices;
	bool sync, aligned, sat, popc, and, xor, trans, m8n8, b16;
	enum sg_space space;
};

static enum sg_mma_type type_find(const struct ptx_tok *t)
{
	uint32_t i = SG_MMA_NR_TYPES - 1;

	while (i && !ptx_tok_is(t, types[i].name))
		i--;
	return (enum sg_mma_type)i;
}

static const struct shape *shape_find(const struct ptx_tok *t)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (ptx_tok_is(t, shapes[i].name))
			return &shapes[i];
	return NULL;
}

static uint32_t rounding(const struct ptx_tok *t)
{
	return ptx_tok_is(t, "rn")   ? M_RN
	       : ptx_tok_is(t, "rz") ? M_RZ
	       : ptx_tok_is(t, "rm") ? M_RM
	       : ptx_tok_is(t, "rp") ? M_RP
				     : 0;
}

static bool sort_flag(struct form *f, const struct ptx_tok *t)
{
	const struct { const char *name; bool *flag; } flags[] = {
		{ "sync", &f->sync }, { "aligned", &f->aligned }, { "satfinite", &f->sat }, { "popc", &f->popc },
		{ "and", &f->and }, { "xor", &f->xor }, { "trans", &f->trans }, { "m8n8", &f->m8n8 }, { "b16", &f->b16 },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (ptx_tok_is(t, flags[i].name)) {
			*flags[i].flag = true;
			return true;
		}
	return false;
}

static bool sort_mod(struct form *f, const struct ptx_tok *t)
{
	enum sg_mma_type type = type_find(t);
	const struct shape *shape = shape_find(t);
	enum sg_space space = ptx_space_find(t);
	uint32_t round = rounding(t);

	if (type && f->nr_types < 4) {
		f->type[f->nr_types++] = type;
	} else if (shape && !f->shape) {
		f->shape = shape;
	} else if ((ptx_tok_is(t, "row") || ptx_tok_is(t, "col")) && f->nr_layouts < 2) {
		f->row[f->nr_layouts++] = t->s[0] == 'r';
	} else if (round && !f->round) {
		f->round = round;
	} else if (space == SG_SPACE_GLOBAL || space == SG_SPACE_SHARED) {
		f->space = space;
	} else if (t->len == 2 && t->s[0] == 'x' && strchr("124", t->s[1]) && !f->nr_matrices) {
		f->nr_matrices = (uint32_t)(t->s[1] - '0');
	} else {
		return sort_flag(f, t);
	}
	return true;
}

/* Sorts the modifiers from the first on. The .aligned of wmma came with PTX 6.3. */
static bool sort_mods(struct ptx_parser *p, uint32_t first, struct form *f)
{
	struct ptx_stmt *st = &p->st;

	*f = (struct form){ 0 };
	for (uint32_t i = first; i < st->nr_mods; i++)
		if (!sort_mod(f, &st->mods[i])) {
			ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
			return false;
		}
	if (f->sync && (f->aligned || (ptx_tok_is(&st->op, "wmma") && p->unit->version < 63)))
		return true;
	ptx_decode_error(p, SG_INVALID_PTX, "'.sync.aligned' is missing in");
	return false;
}

static bool unknown(struct ptx_parser *p)
{
	ptx_decode_error(p, SG_INVALID_PTX, "no such shape, layout and types in");
	return false;
}

static void describe(struct sg_fragment *f, enum sg_mma_matrix which, enum sg_mma_type type,
		     const struct shape *s, bool row, bool wmma)
{
	bool factor = which == SG_MMA_A || which == SG_MMA_B;
	uint32_t bits = types[type].bits, wide = bits == 64 ? 64 : 32;

	f->type = (uint8_t)type;
	f->bits = (uint8_t)bits;
	f->outer = (uint8_t)(which == SG_MMA_B ? s->n : s->m);
	f->inner = factor ? s->k : s->n;
	f->major = row == (which != SG_MMA_B);
	f->per = (uint8_t)(factor ? wide / bits : 2);
	f->regs = (uint8_t)(bits * f->per > wide ? 2 : 1);
	if (wmma && factor && type == SG_MMA_F16)
		f->nr = 8;
	else if (!wmma && s->k == 4 && s->m == 8 && types[type].cls == 'f')
		f->nr = factor ? 2 : bits / 4;	/* of four products at once */
	else
		f->nr = (uint8_t)sg_fragment_regs(f);
}

/* The registers of a fragment. */
static bool vector(struct ptx_parser *p, const struct ptx_operand *op, struct sg_fragment *f,
		   bool dst)
{
	const struct ptx_operand *e = &p->st.elems[op->first];
	char letter = f->bits == 64 ? 'l' : 'w';

	if (op->kind != OPK_VEC || op->nr != f->nr) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "a vector of %u registers expected",
			     f->nr);
		return false;
	}
	for (uint32_t i = 0; i < f->nr; i++)
		if (!(dst ? ptx_dst_row(p, &e[i], letter, &f->r[i])
			  : ptx_src_row(p, &e[i], letter, &f->r[i])))
			return false;
	return true;
}

/* All of them wait for the whole warp, as shfl waits for the lanes that its mask names. */
static void emit(struct ptx_parser *p, const char *form, const struct sg_insn *want)
{
	uint32_t all = ptx_imm_row(p, SG_ALL, false);
	struct sg_insn *in = ptx_emit_form(p, form), put = *want;

	put.exec = in->exec;
	put.line = in->line;
	put.guard = in->guard;
	put.guarded = in->guarded;
	put.ctl = SG_CTL_WARPSYNC;
	put.r[5] = all;
	*in = put;
}

/* d, a, b, c in the order of the text. */
static bool check_types(const struct form *f, bool wmma)
{
	enum sg_mma_type d = f->type[0], a = f->type[1], b = f->type[2], c = f->type[3];
	uint32_t allowed = wmma ? f->shape->wmma : f->shape->mma;
	bool f16 = (d == SG_MMA_F16 || d == SG_MMA_F32) && (c == SG_MMA_F16 || c == SG_MMA_F32);

	if (!(allowed >> a & 1) || !(allowed >> b & 1) || types[a].bits != types[b].bits ||
	    types[a].cls != types[b].cls)
		return false;
	if (a != b && (wmma || !((INT8 | INT4 | FP8) >> a & 1)))
		return false;
	switch (a) {
	case SG_MMA_F16:
		return f16 && (wmma || c == d || (f->shape->k == 4 && c == SG_MMA_F16));
	case SG_MMA_E4M3: case SG_MMA_E5M2:
		return f16 && c == d;
	case SG_MMA_BF16: case SG_MMA_TF32:
		return c == SG_MMA_F32 && d == c;
	case SG_MMA_F64:
		return c == SG_MMA_F64 && d == c;
	default:
		return c == SG_MMA_S32 && d == c;
	}
}

static bool check_product(struct ptx_parser *p, struct form *f, bool wmma)
{
	char cls;
	bool quads, free_layout;

	if (wmma && f->nr_types == 2) {		/* .dtype.ctype: A and B are .f16 */
		f->type[3] = f->type[1];
		f->type[1] = f->type[2] = SG_MMA_F16;
	} else if (f->nr_types != 4 || (wmma && f->type[1] == SG_MMA_F16)) {
		return unknown(p);
	}
	if (!f->shape || f->nr_layouts != 2 || f->space || f->trans || f->m8n8 || f->b16 ||
	    f->nr_matrices || !check_types(f, wmma))
		return unknown(p);
	cls = types[f->type[1]].cls;
	quads = !wmma && f->shape->k == 4 && f->type[1] == SG_MMA_F16;
	free_layout = quads || (wmma && types[f->type[1]].bits > 4);
	if ((!free_layout && (!f->row[0] || f->row[1])) || (f->sat && cls != 'i') ||
	    (f->round && cls != 'd') ||
	    (cls == 'b' ? !f->popc || f->and == f->xor : f->popc || f->and || f->xor))
		return unknown(p);
	return true;
}

static const char *executor(const struct form *f, bool wmma)
{
	switch (types[f->type[1]].cls) {
	case 'i':
		return "@mma.int";
	case 'b':
		return "@mma.bit";
	case 'd':
		return "@mma.double";
	default:
		return !wmma && f->shape->k == 4 && f->type[1] == SG_MMA_F16 ? "@mma.quads"
									     : "@mma.float";
	}
}

static void decode_product(struct ptx_parser *p, struct form *f, bool wmma)
{
	static const enum sg_mma_matrix order[] = { SG_MMA_D, SG_MMA_A, SG_MMA_B, SG_MMA_C };
	struct sg_insn want = { 0 };
	struct sg_mma *x;

	if (!check_product(p, f, wmma))
		return;
	if (p->st.nr_ops != 4) {
		ptx_decode_error(p, SG_INVALID_PTX, "four operands expected for");
		return;
	}
	x = ptx_alloc(p, p->arena, sizeof(*x));
	if (!x)
		return;
	x->m = f->shape->m;
	x->n = f->shape->n;
	x->k = f->shape->k;
	x->sat = f->sat;
	x->and = f->and;
	for (uint32_t i = 0; i < 4; i++)
		describe(&x->f[order[i]], order[i], f->type[i], f->shape,
			 i == 1 || i == 2 ? f->row[i - 1] : true, wmma);
	for (uint32_t i = 1; i < 4; i++)
		if (!vector(p, &p->st.ops[i], &x->f[order[i]], false))
			return;
	if (!vector(p, &p->st.ops[0], &x->f[SG_MMA_D], true))
		return;
	want.aux = x;
	want.mods = f->round;
	want.r[0] = x->f[SG_MMA_D].r[0];
	emit(p, executor(f, wmma), &want);
}

void ptx_decode_mma(struct ptx_parser *p)
{
	struct form f;

	if (sort_mods(p, 0, &f))
		decode_product(p, &f, false);
}

/* Which types C and D may have for A of those types. */
static uint32_t accumulators(uint32_t a)
{
	uint32_t c = 0;

	c |= a & T(F16) ? T(F16) | T(F32) : 0;
	c |= a & (T(BF16) | T(TF32)) ? T(F32) : 0;
	c |= a & T(F64) ? T(F64) : 0;
	c |= a & (INT8 | INT4 | T(B1)) ? T(S32) : 0;
	return c;
}

static bool check_access(struct ptx_parser *p, const struct form *f, enum sg_mma_matrix which)
{
	bool factor = which == SG_MMA_A || which == SG_MMA_B;

	if (!f->shape || f->nr_types != 1 || f->nr_layouts != 1 || f->round || f->sat || f->popc ||
	    f->and || f->xor || f->trans || f->m8n8 || f->b16 || f->nr_matrices)
		return unknown(p);
	if (!((factor ? f->shape->wmma : accumulators(f->shape->wmma)) >> f->type[0] & 1))
		return unknown(p);
	if (factor && types[f->type[0]].bits <= 4 && f->row[0] != (which == SG_MMA_A))
		return unknown(p);
	return true;
}

/* wmma.load.x r, [p], stride and wmma.store.d [p], r, stride; the stride may be missing. */
static void decode_access(struct ptx_parser *p, enum sg_mma_matrix which)
{
	struct ptx_stmt *st = &p->st;
	bool load = which != SG_MMA_D;
	struct sg_insn want = { 0 };
	struct sg_fragment *x;
	struct form f;

	if (!sort_mods(p, 2, &f) || !check_access(p, &f, which))
		return;
	if (st->nr_ops < 2 || st->nr_ops > 3) {
		ptx_decode_error(p, SG_INVALID_PTX, "two or three operands expected for");
		return;
	}
	x = ptx_alloc(p, p->arena, sizeof(*x));
	if (!x)
		return;
	describe(x, which, f.type[0], f.shape, f.row[0], true);
	if (!vector(p, &st->ops[load ? 0 : 1], x, load) ||
	    !ptx_address(p, &st->ops[load ? 1 : 0], f.space, &want))
		return;
	if (st->nr_ops == 2)
		want.r[1] = ptx_imm_row(p, x->major ? x->inner : x->outer, false);
	else if (!ptx_src_row(p, &st->ops[2], 'w', &want.r[1]))
		return;
	want.aux = x;
	want.flags = load ? SG_F_LOAD : 0;
	want.r[0] = x->r[0];
	emit(p, load ? "@wmma.load" : "@wmma.store", &want);
}

void ptx_decode_wmma(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	const struct ptx_tok *what = st->mods, *which = st->mods + 1;
	struct form f;

	if (st->nr_mods < 2) {
		unknown(p);
	} else if (ptx_tok_is(what, "mma")) {
		if (sort_mods(p, 1, &f))
			decode_product(p, &f, true);
	} else if (ptx_tok_is(what, "load") && which->len == 1 && strchr("abc", which->s[0])) {
		decode_access(p, (enum sg_mma_matrix)(which->s[0] - 'a'));
	} else if (ptx_tok_is(what, "store") && ptx_tok_is(which, "d")) {
		decode_access(p, SG_MMA_D);
	} else {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
	}
}

/* ldmatrix r, [p] and stmatrix [p], r */
static void decode_rows(struct ptx_parser *p, bool load)
{
	struct ptx_stmt *st = &p->st;
	struct sg_insn want = { 0 };
	struct sg_fragment v = { .bits = 32 };
	struct form f;

	if (!sort_mods(p, 0, &f))
		return;
	if (!f.m8n8 || !f.b16 || !f.nr_matrices || f.space == SG_SPACE_GLOBAL || f.shape ||
	    f.nr_types || f.nr_layouts || f.round || f.sat || f.popc || f.and || f.xor ||
	    st->nr_ops != 2) {
		unknown(p);
		return;
	}
	v.nr = (uint8_t)f.nr_matrices;
	if (!vector(p, &st->ops[load ? 0 : 1], &v, load) ||
	    !ptx_address(p, &st->ops[load ? 1 : 0], f.space, &want))
		return;
	memcpy(want.r, v.r, 4 * sizeof(v.r[0]));
	want.vec = v.nr;
	want.flags = (f.trans ? SG_F_TRANS : 0) | (load ? SG_F_LOAD : 0);
	emit(p, load ? "@ldmatrix" : "@stmatrix", &want);
}

void ptx_decode_ldmatrix(struct ptx_parser *p)
{
	decode_rows(p, true);
}

void ptx_decode_stmatrix(struct ptx_parser *p)
{
	decode_rows(p, false);
}

void ptx_decode_movmatrix(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	struct sg_insn want = { 0 };
	struct form f;

	if (!sort_mods(p, 0, &f))
		return;
	if (!f.m8n8 || !f.b16 || !f.trans || st->nr_mods != 5 || st->nr_ops != 2) {
		unknown(p);
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], 'w', &want.r[1]) ||
	    !ptx_dst_row(p, &st->ops[0], 'w', &want.r[0]))
		return;
	emit(p, "@movmatrix", &want);
}
