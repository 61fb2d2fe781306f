/* SPDX-License-Identifier: MIT */
/*
 * ptx_mem.c - decoding of what touches memory: ld, st, atom, red, fence, cvta, isspacep (PTX ISA
 * 9.7.9, 9.7.13)
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

struct access {
	enum sg_space space;
	enum ptx_type type;
	uint32_t vec;
	uint16_t flags;
	char rest[48];		/* modifiers that are left: the operation of an atom */
};

static bool ignored(const struct ptx_tok *t)
{
	static const char *const names[] = {
		"weak", "cta", "cluster", "gpu", "sys", "nc", "ca", "cg", "cs", "lu", "cv",
		"wb", "wt", "unified", "noftz",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ptx_tok_is(t, names[i]))
			return true;
	return t->len > 4 && t->s[0] == 'L' && t->s[2] == ':';	/* L1::evict_last and its kin */
}

/* Sorts the modifiers; those of an access that change nothing on a CPU are dropped. */
static bool sort_mods(struct ptx_parser *p, struct access *a)
{
	struct ptx_stmt *st = &p->st;
	size_t n = 0;

	*a = (struct access){ .vec = 1 };
	for (uint32_t i = 0; i < st->nr_mods; i++) {
		const struct ptx_tok *t = &st->mods[i];
		enum sg_space space = ptx_space_find(t);
		enum ptx_type type = ptx_type_find(t->s, t->len);

		if (space != SG_SPACE_GENERIC) {
			a->space = space;
		} else if (type) {
			a->type = type;
		} else if (ptx_tok_is(t, "v2") || ptx_tok_is(t, "v4") || ptx_tok_is(t, "v8")) {
			a->vec = (uint32_t)(t->s[1] - '0');
		} else if (ptx_tok_is(t, "acquire")) {
			a->flags |= SG_F_STRONG | SG_F_ACQUIRE | SG_F_LOOKS;
		} else if (ptx_tok_is(t, "release")) {
			a->flags |= SG_F_STRONG | SG_F_RELEASE;
		} else if (ptx_tok_is(t, "acq_rel")) {
			a->flags |= SG_F_STRONG | SG_F_ACQUIRE | SG_F_RELEASE;
		} else if (ptx_tok_is(t, "volatile")) {
			a->flags |= SG_F_STRONG | SG_F_VOLATILE_ACCESS | SG_F_LOOKS;
		} else if (ptx_tok_is(t, "relaxed") || ptx_tok_is(t, "mmio")) {
			a->flags |= SG_F_STRONG | SG_F_LOOKS;
		} else if (!ignored(t)) {
			n += (size_t)snprintf(a->rest + n, sizeof(a->rest) - n, "%s%.*s",
					      n ? "." : "", (int)(t->len > 20 ? 20 : t->len), t->s);
			if (n >= sizeof(a->rest))
				n = sizeof(a->rest) - 1;
		}
	}
	if (a->type && a->type != PTX_PRED && (a->vec == 1 || a->type != PTX_B128))
		return true;
	ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
	return false;
}

/* ld.param reads the parameter block in a kernel; elsewhere parameters are local memory. */
static enum sg_space param_space(struct ptx_parser *p, const struct ptx_operand *base)
{
	if (base && base->kind == OPK_VAR)
		return base->sym->var->space;
	return p->fn->entry ? SG_SPACE_PARAM : SG_SPACE_LOCAL;
}

static bool address(struct ptx_parser *p, const struct ptx_operand *op, struct access *a,
		    struct sg_insn *out)
{
	const struct ptx_operand *base = op->nr ? &p->st.elems[op->first] : NULL;
	uint32_t row = 0;

	if (op->kind != OPK_ADDR) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "an address in brackets expected");
		return false;
	}
	if (a->space == SG_SPACE_PARAM)
		a->space = param_space(p, base);
	if (a->space == SG_SPACE_CONST)
		a->space = SG_SPACE_GLOBAL;
	if (a->space == SG_SPACE_REG) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return false;
	}
	out->a32 = 0;
	out->imm = (int64_t)op->imm;
	if (!base) {
		row = ptx_imm_row(p, 0, true);
	} else if (base->kind == OPK_REG && ptx_types[base->type].bits == 32) {
		out->a32 = 1;
		if (!ptx_src_row(p, base, ptx_types[base->type].cls == 'f' ? 'f' : 'w', &row))
			return false;
	} else if (!ptx_src_row(p, base, 'l', &row)) {
		return false;
	}
	if (base && base->kind == OPK_VAR && a->space == SG_SPACE_GENERIC) {
		/* a symbol names its own space, whatever the instruction leaves out */
		enum sg_space own = base->sym->var->space;

		a->space = own == SG_SPACE_CONST ? SG_SPACE_GLOBAL : own;
	}
	out->r[4] = row;
	out->space = (uint8_t)a->space;
	out->vec = (uint8_t)a->vec;
	out->bytes = (uint8_t)ptx_type_bytes(a->type);
	out->flags = a->flags;
	return true;
}

bool ptx_address(struct ptx_parser *p, const struct ptx_operand *op, enum sg_space space,
		 struct sg_insn *out)
{
	struct access a = { .space = space, .type = PTX_B8, .vec = 1 };

	return address(p, op, &a, out);
}

/* Registers of an access may be wider than what is moved (PTX ISA 9.4.1). */
static bool data_rows(struct ptx_parser *p, const struct ptx_operand *op, struct access *a,
		      bool load, uint32_t *r, bool *wide)
{
	const struct ptx_operand *e = op;
	uint32_t bits = ptx_types[a->type].bits;

	if (a->type == PTX_B128) {	/* two halves that follow one another */
		*wide = true;
		a->type = PTX_B64;
		a->vec = 2;
		if (!ptx_dst_row(p, op, 'q', &r[0]))
			return false;
		r[1] = r[0] + SG_WIDE_HALF;
		return true;
	}
	if (a->vec > 4) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return false;
	}
	if (a->vec > 1) {
		if (op->kind != OPK_VEC || op->nr != a->vec) {
			ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
				     "a vector of %u registers expected", a->vec);
			return false;
		}
		e = &p->st.elems[op->first];
	} else if (op->kind == OPK_VEC && op->nr == 1) {
		e = &p->st.elems[op->first];
	}
	*wide = bits == 64;
	for (uint32_t i = 0; i < a->vec; i++)
		if (e[i].kind == OPK_REG && ptx_types[e[i].type].bits == 64)
			*wide = true;
	for (uint32_t i = 0; i < a->vec; i++) {
		struct ptx_operand o = e[i];
		char letter = *wide ? 'l' : 'w';
		bool ok;

		if (o.kind == OPK_F32 || o.kind == OPK_F64)
			letter = *wide ? 'd' : 'f';
		if (o.kind == OPK_REG && (ptx_types[o.type].bits < bits || o.type == PTX_PRED)) {
			ptx_error_at(&p->l, &o.tok, SG_INVALID_PTX, "register '%.*s' is too narrow",
				     (int)o.tok.len, o.tok.s);
			return false;
		}
		if (o.kind == OPK_REG && !*wide)
			o.type = PTX_B32;	/* every narrower register has a row of this size */
		ok = load ? ptx_dst_row(p, &o, letter, &r[i]) : ptx_src_row(p, &o, letter, &r[i]);
		if (!ok)
			return false;
	}
	return true;
}

void ptx_decode_ld(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	struct sg_insn want = { 0 }, *in;
	struct access a;
	char key[32];
	bool wide, is_signed;

	if (!sort_mods(p, &a))
		return;
	if (st->nr_ops < 2 || a.rest[0]) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (!data_rows(p, &st->ops[0], &a, true, want.r, &wide) ||
	    !address(p, &st->ops[1], &a, &want))
		return;
	want.flags |= SG_F_LOAD;
	is_signed = ptx_types[a.type].cls == 's' && ptx_types[a.type].bits < (wide ? 64 : 32);
	snprintf(key, sizeof(key), "@ld.%c.%c%u", wide ? 'l' : 'w', is_signed ? 's' : 'u',
		 ptx_types[a.type].bits);
	in = ptx_emit_form(p, key);
	want.exec = in->exec;
	want.line = in->line;
	want.guard = in->guard;
	want.guarded = in->guarded;
	*in = want;
}

void ptx_decode_st(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	struct sg_insn want = { 0 }, *in;
	struct access a;
	char key[32];
	bool wide;

	if (!sort_mods(p, &a))
		return;
	if (st->nr_ops < 2 || a.rest[0]) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (!data_rows(p, &st->ops[1], &a, false, want.r, &wide) ||
	    !address(p, &st->ops[0], &a, &want))
		return;
	if (a.space == SG_SPACE_PARAM) {
		ptx_decode_error(p, SG_INVALID_PTX, "kernel parameters cannot be written by");
		return;
	}
	want.flags |= SG_F_STORE | (wide ? SG_F_WIDE : 0);
	snprintf(key, sizeof(key), "@st.%c.u%u", wide ? 'l' : 'w', ptx_types[a.type].bits);
	in = ptx_emit_form(p, key);
	want.exec = in->exec;
	want.line = in->line;
	want.guard = in->guard;
	want.guarded = in->guarded;
	*in = want;
}

/* An element of a vector, or the whole operand. */
static const struct ptx_operand *element(const struct ptx_parser *p, const struct ptx_operand *op,
					 uint32_t vec, uint32_t k)
{
	if (vec == 1)
		return op;
	return op->kind == OPK_VEC && op->nr == vec ? &p->st.elems[op->first + k] : NULL;
}

static bool is_half(enum ptx_type t)
{
	return t == PTX_F16 || t == PTX_F16X2 || t == PTX_BF16 || t == PTX_BF16X2;
}

/* What the table of forms does not say: vectors have halves and f32, in global memory. */
static bool atom_fits(const struct ptx_stmt *st, const struct access *a)
{
	bool half = is_half(a->type);

	if (half != ptx_has_mod(st, "noftz"))
		return false;
	if (a->vec == 1)
		return !half || !strcmp(a->rest, "add");
	return (half || a->type == PTX_F32) && a->vec * ptx_type_bytes(a->type) <= 16 &&
	       a->space == SG_SPACE_GLOBAL;
}

/* Emits want with the executor of a form, and what else the statement says. */
static void emit_want(struct ptx_parser *p, const char *form, const struct sg_insn *want)
{
	struct sg_insn *in = ptx_emit_form(p, form), all = *want;

	all.exec = in->exec;
	all.line = in->line;
	all.guard = in->guard;
	all.guarded = in->guarded;
	*in = all;
}

/*
 * One instruction for each element, each atomic by itself. The old values come to temporary rows
 * first: the vectors may share registers.
 */
static void emit_atoms(struct ptx_parser *p, const char *key, const struct access *a,
		       struct sg_insn *want, bool red)
{
	struct ptx_stmt *st = &p->st;
	char letter = a->type == PTX_B128 ? 'q' : ptx_letter(a->type);
	uint32_t at = red ? 0 : 1, nr_src = !strcmp(a->rest, "cas") ? 2 : 1, dst[8], tmp[8];
	const struct ptx_operand *e;

	for (uint32_t k = 0; k < a->vec; k++) {
		for (uint32_t i = 0; i < nr_src; i++) {
			e = element(p, &st->ops[at + 1 + i], a->vec, k);
			if (e && (letter == 'q' ? ptx_dst_row(p, e, letter, &want->r[1 + i]) :
						  ptx_src_row(p, e, letter, &want->r[1 + i])))
				continue;
			ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
			return;
		}
		e = red ? &(struct ptx_operand){ .kind = OPK_SINK }
			: element(p, &st->ops[0], a->vec, k);
		if (!e || !ptx_dst_row(p, e, letter, &dst[k])) {
			ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
			return;
		}
		tmp[k] = want->r[0] = red || a->vec == 1 ? dst[k] : ptx_row(p, 4);
		emit_want(p, key, want);
		want->imm += ptx_type_bytes(a->type);
	}
	for (uint32_t k = 0; k < a->vec; k++) {
		struct sg_insn move = { .r = { dst[k], tmp[k] } };

		if (tmp[k] != dst[k])
			emit_want(p, "mov.b32", &move);
	}
}

/*
 * atom.op.type d, [a], b{, c} and red.op.type [a], b: one executor, red throws the old value away.
 */
void ptx_decode_atom(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	bool red = st->op.len == 3;
	uint32_t at = red ? 0 : 1, nr_src;
	struct sg_insn want = { 0 };
	struct access a;
	char key[80];

	if (!sort_mods(p, &a))
		return;
	snprintf(key, sizeof(key), "atom.%s.%s", a.rest, ptx_types[a.type].name);
	if (!ptx_form_find(key, strlen(key)) || !atom_fits(st, &a)) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	a.flags |= SG_F_STRONG | SG_F_ATOMIC;
	nr_src = !strcmp(a.rest, "cas") ? 2 : 1;
	if (st->nr_ops < at + 1 + nr_src || !address(p, &st->ops[at], &a, &want)) {
		ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
		return;
	}
	if (a.space == SG_SPACE_PARAM || a.space == SG_SPACE_LOCAL) {
		ptx_decode_error(p, SG_INVALID_PTX, "no atomic operation on this state space:");
		return;
	}
	want.vec = 1;
	if (!red)
		want.flags |= SG_F_LOOKS;
	emit_atoms(p, key, &a, &want, red);
}

/* fence and membar of every scope: CTAs run on several threads, and a full fence serves all. */
void ptx_decode_fence(struct ptx_parser *p)
{
	static const char *const known[] = { "cta",
					     "gl",
					     "sys",
					     "gpu",
					     "cluster",
					     "sc",
					     "acq_rel",
					     "acquire",
					     "release",
					     "proxy",
					     "alias",
					     "async",
					     "async::generic",
					     "global",
					     "shared::cta",
					     "shared::cluster",
					     "mbarrier_init",
					     "sync_restrict::shared::cta",
					     "sync_restrict::shared::cluster" };
	struct ptx_stmt *st = &p->st;

	for (uint32_t i = 0; i < st->nr_mods; i++) {
		bool found = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			found |= ptx_tok_is(&st->mods[i], known[k]);
		if (!found) {
			ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
			return;
		}
	}
	ptx_emit_form(p, "@fence");
}

static uint64_t window(enum sg_space s)
{
	switch (s) {
	case SG_SPACE_SHARED:
		return SG_WINDOW_SHARED;
	case SG_SPACE_LOCAL:
		return SG_WINDOW_LOCAL;
	case SG_SPACE_PARAM:
		return SG_WINDOW_PARAM;
	default:
		return 0;
	}
}

static enum sg_space named_space(struct ptx_parser *p)
{
	for (uint32_t i = 0; i < p->st.nr_mods; i++) {
		enum sg_space s = ptx_space_find(&p->st.mods[i]);

		if (s == SG_SPACE_PARAM && !p->fn->entry)
			return SG_SPACE_LOCAL;
		if (s != SG_SPACE_GENERIC)
			return s;
	}
	return SG_SPACE_GENERIC;
}

void ptx_decode_cvta(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum sg_space s = named_space(p);
	uint64_t w = window(s);
	uint32_t src, dst;
	struct sg_insn *in;

	if (s == SG_SPACE_GENERIC || s == SG_SPACE_REG || ptx_stmt_type(st) != PTX_U64 ||
	    st->nr_ops != 2) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], 'l', &src) || !ptx_dst_row(p, &st->ops[0], 'l', &dst))
		return;
	in = ptx_emit_form(p, w ? ptx_has_mod(st, "to") ? "@cvta.to" : "@cvta" : "mov.b64");
	in->r[0] = dst;
	in->r[1] = src;
	in->imm = (int64_t)w;
}

void ptx_decode_isspacep(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum sg_space s = named_space(p);
	uint32_t src, dst;
	struct sg_insn *in;
	bool narrow;

	if (ptx_has_mod(st, "shared::cluster"))
		s = SG_SPACE_SHARED;
	if (s == SG_SPACE_GENERIC || s == SG_SPACE_REG || st->nr_ops != 2) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	narrow = st->ops[1].kind == OPK_REG && ptx_types[st->ops[1].type].bits == 32;
	if (!ptx_src_row(p, &st->ops[1], narrow ? 'w' : 'l', &src) ||
	    !ptx_dst_row(p, &st->ops[0], 'p', &dst))
		return;
	if (narrow) {		/* as much of a generic address as such a register holds */
		in = ptx_emit_form(p, "cvt.u64.u32");
		in->r[1] = src;
		in->r[0] = src = ptx_row(p, 8);
	}
	in = ptx_emit_form(p, "@isspacep");
	in->r[0] = dst;
	in->r[1] = src;
	in->imm = (int64_t)window(s);
}
