/* SPDX-License-Identifier: MIT */
/*
 * ptx_cvt.c - decoding of cvt (PTX ISA 9.7.9.21)
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

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
	/* clamps to the largest number, and to zero, are for halves from f32 */
	if (mods & (M_SATFINITE | M_RELU))
		return t == PTX_F32 && (dt == PTX_F16 || dt == PTX_BF16) &&
		       (mods & (M_RN | M_RZ)) && !(mods & M_SAT);
	return !(mods & ~(M_ROUND | M_ROUNDI | M_FTZ | M_SAT));
}

/* Packed and tf32 forms have operands of their own; what they are and may have is in their rows. */
static bool decode_special(struct ptx_parser *p)
{
	const struct ptx_stmt *st = &p->st;
	static const char *const names[] = { "f16x2", "bf16x2", "tf32", "e4m3x2", "e5m2x2", "pack" };

	for (uint32_t i = 0; i < st->nr_mods; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (ptx_tok_is(&st->mods[i], names[k])) {
				ptx_decode_form(p, M_ROUND | M_RNA | M_SAT | M_SATFINITE | M_RELU);
				return true;
			}
	return false;
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

	if (decode_special(p))
		return;
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
	if (st->nr_ops != 2 || !ptx_form_find(key, strlen(key))) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	if (!cvt_source(p, t, &src))
		return;
	if (st->ops[0].kind == OPK_REG && ptx_types[st->ops[0].type].bits == 64 &&
	    ptx_types[dt].bits < 64)
		widen = true;
	if (st->ops[0].kind == OPK_REG && ptx_types[st->ops[0].type].bits < ptx_types[dt].bits) {
		ptx_error_at(&p->l, &st->ops[0].tok, SG_INVALID_PTX,
			     "the destination is too narrow");
		return;
	}
	if (!ptx_dst_row(p, &st->ops[0],
			 widen || ptx_types[dt].bits == 64 ? 'l'
			 : st->ops[0].kind == OPK_REG && ptx_types[st->ops[0].type].bits == 32
				 ? 'w'
				 : 'h',
			 &dst))
		return;
	in = ptx_emit_form(p, key);
	in->mods = dt == PTX_F16 ? mods & ~M_FTZ : mods;	/* an f16 has no use for it, and its roundings do not see it */
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
