/* SPDX-License-Identifier: MIT */
/*
 * ptx_mov.c - decoding of mov, with its packed vectors, and of cvt (PTX ISA 9.7.9.1, 9.7.9.21)
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

static bool vector_shape(struct ptx_parser *p, const struct ptx_operand *vec, enum ptx_type t, char *elem)
{
	uint32_t bits = ptx_types[t].bits;

	if ((bits != 32 && bits != 64) || (vec->nr != 2 && vec->nr != 4)) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported vector in");
		return false;
	}
	*elem = bits / vec->nr == 32 ? 'w' : 'h';
	return true;
}

/* mov.b64 d, {lo, hi} and mov.b64 {lo, hi}, a */
static void decode_vector(struct ptx_parser *p, enum ptx_type t)
{
	struct ptx_stmt *st = &p->st;
	bool pack = st->ops[1].kind == OPK_VEC;
	const struct ptx_operand *vec = &st->ops[pack ? 1 : 0], *whole = &st->ops[pack ? 0 : 1];
	char wide = ptx_types[t].bits == 64 ? 'l' : 'w', elem, key[16];
	uint32_t r[6] = { 0 };
	struct sg_insn *in;

	if (!vector_shape(p, vec, t, &elem))
		return;
	for (uint32_t i = 0; i < vec->nr; i++) {
		const struct ptx_operand *e = &st->elems[vec->first + i];

		if (!(pack ? ptx_src_row(p, e, elem, &r[i]) : ptx_dst_row(p, e, elem, &r[i])))
			return;
	}
	if (!(pack ? ptx_dst_row(p, whole, wide, &r[4]) : ptx_src_row(p, whole, wide, &r[4])))
		return;
	snprintf(key, sizeof(key), "@%s.%c%u", pack ? "pack" : "unpack", wide, vec->nr);
	in = ptx_emit_form(p, key);
	memcpy(in->r, r, sizeof(r));
}

void ptx_decode_mov(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum ptx_type t = ptx_stmt_type(st);
	uint32_t src, dst;
	struct sg_insn *in;
	char letter;

	if (!t || st->nr_ops != 2 || st->nr_mods != 1 || t == PTX_B128 || (t != PTX_PRED && ptx_types[t].bits == 8)) {
		ptx_decode_error(p, t == PTX_B128 ? SG_UNSUPPORTED_PTX : SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (st->ops[0].kind == OPK_VEC || st->ops[1].kind == OPK_VEC) {
		decode_vector(p, t);
		return;
	}
	letter = ptx_letter(t);
	if (st->ops[1].kind == OPK_INT && (letter == 'f' || letter == 'd')) {
		ptx_error_at(&p->l, &st->ops[1].tok, SG_INVALID_PTX,
			     "an integer where a floating point number is needed");
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], letter, &src) || !ptx_dst_row(p, &st->ops[0], letter, &dst))
		return;
	in = ptx_emit_form(p, letter == 'p' ? "mov.pred" : letter == 'l' || letter == 'd' ? "mov.b64" : "mov.b32");
	in->r[0] = dst;
	in->r[1] = src;
}

static const char *mod_flags(const struct ptx_stmt *st, uint32_t *mods)
{
	for (uint32_t i = 0; i < st->nr_mods; i++) {
		bool known = ptx_type_find(st->mods[i].s, st->mods[i].len);

		for (uint32_t k = 0; k < PTX_NR_MODS; k++)
			if (ptx_tok_is(&st->mods[i], ptx_mod_names[k])) {
				*mods |= 1u << k;
				known = true;
			}
		if (!known)
			return "unsupported instruction";
	}
	return NULL;
}

/* Rounding is wanted exactly where it matters (PTX ISA 9.7.9.21). */
static bool rounding_fits(enum ptx_type dt, enum ptx_type t, uint32_t mods)
{
	bool df = ptx_types[dt].cls == 'f', sf = ptx_types[t].cls == 'f';

	if (__builtin_popcount(mods & (M_ROUND | M_ROUNDI)) > 1)
		return false;
	if ((mods & M_ROUNDI) && (!sf || (df && dt != t)))
		return false;
	if ((mods & M_ROUND) && (!df || (sf && ptx_types[dt].bits > ptx_types[t].bits)))
		return false;
	return true;
}

/* cvt.rn.f16x2.f32 d, a, b: a goes to the upper half */
static void decode_cvt_pack(struct ptx_parser *p, const char *key, uint32_t mods)
{
	struct ptx_stmt *st = &p->st;
	uint32_t r[3];
	struct sg_insn *in;

	if (!ptx_form_find(key, strlen(key))) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], 'f', &r[1]) || !ptx_src_row(p, &st->ops[2], 'f', &r[2]) ||
	    !ptx_dst_row(p, &st->ops[0], 'w', &r[0]))
		return;
	in = ptx_emit_form(p, key);
	memcpy(in->r, r, sizeof(r));
	in->mods = mods;
}

/* A source register may be wider than the source type: its low bits count. */
static bool cvt_source(struct ptx_parser *p, enum ptx_type t, uint32_t *row)
{
	struct ptx_operand op = p->st.ops[1];
	uint32_t bits = ptx_types[t].bits;
	char letter = ptx_letter(t);
	struct sg_insn *in;

	if (op.kind == OPK_REG && ptx_types[op.type].bits == 64 && bits < 64) {
		if (!ptx_src_row(p, &op, 'l', row))
			return false;
		in = ptx_emit_form(p, "cvt.u32.u64");
		in->r[1] = *row;
		*row = in->r[0] = ptx_row(p, 4);
		return true;
	}
	if (op.kind == OPK_REG && ptx_types[op.type].bits == 32 && bits < 32)
		letter = 'w';
	return ptx_src_row(p, &op, letter, row);
}

void ptx_decode_cvt(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum ptx_type t = PTX_NONE, dt = PTX_NONE;
	uint32_t mods = 0, src, dst;
	const char *err = mod_flags(st, &mods);
	bool widen = false, sext;
	struct sg_insn *in;
	char key[48];

	if (st->nr_mods >= 2) {
		t = ptx_stmt_type(st);
		dt = ptx_type_find(st->mods[st->nr_mods - 2].s, st->mods[st->nr_mods - 2].len);
	}
	if (err || !t || !dt) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, err ? err : "unsupported instruction");
		return;
	}
	if (!rounding_fits(dt, t, mods)) {
		ptx_decode_error(p, SG_INVALID_PTX, "the rounding mode does not fit in");
		return;
	}
	snprintf(key, sizeof(key), "cvt.%s.%s", ptx_types[dt].name, ptx_types[t].name);
	if (st->nr_ops == 3) {
		decode_cvt_pack(p, key, mods);
		return;
	}
	if (st->nr_ops != 2 || !ptx_form_find(key, strlen(key))) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	if (!cvt_source(p, t, &src))
		return;
	if (st->ops[0].kind == OPK_REG && ptx_types[st->ops[0].type].bits == 64 && ptx_types[dt].bits < 64)
		widen = true;
	if (st->ops[0].kind == OPK_REG && ptx_types[st->ops[0].type].bits < ptx_types[dt].bits) {
		ptx_error_at(&p->l, &st->ops[0].tok, SG_INVALID_PTX, "the destination is too narrow");
		return;
	}
	if (!ptx_dst_row(p, &st->ops[0], widen || ptx_types[dt].bits == 64 ? 'l' :
			 st->ops[0].kind == OPK_REG && ptx_types[st->ops[0].type].bits == 32 ? 'w' : 'h', &dst))
		return;
	in = ptx_emit_form(p, key);
	in->mods = mods;
	in->r[1] = src;
	in->r[0] = dst;
	if (!widen)
		return;
	src = in->r[0] = ptx_row(p, 4);
	sext = ptx_types[dt].cls == 's';
	in = ptx_emit_form(p, sext ? "cvt.s64.s32" : "cvt.u64.u32");
	in->r[0] = dst;
	in->r[1] = src;
}
