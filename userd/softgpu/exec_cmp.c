/* SPDX-License-Identifier: MIT */
/*
 * exec_cmp.c - comparison, selection and predicates (PTX ISA 9.7.6)
 *
 * A predicate is one 32-bit word, bit i for lane i: combining predicates is one operation.
 */
#include "exec.h"

static enum sg_result combine(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
			      uint32_t bits)
{
	uint32_t p = bits, q = ~bits, c;

	if (in->mods & M_BOOL) {
		c = *SG_ROW(uint32_t, 3);
		p = in->mods & M_AND ? bits & c : in->mods & M_OR ? bits | c : bits ^ c;
		q = in->mods & M_AND ? ~bits & c : in->mods & M_OR ? ~bits | c : ~bits ^ c;
	}
	sg_set_pred(SG_ROW(uint32_t, 0), mask, p);
	sg_set_pred(SG_ROW(uint32_t, 4), mask, q);
	return SG_OK;
}

#define SETP(fn, ROW_T, CONV, cond) EXEC(fn) { \
	const ROW_T *pa = SG_ROW(const ROW_T, 1), *pb = SG_ROW(const ROW_T, 2); \
	uint32_t bits = 0; \
	for (uint32_t i = 0; i < SG_LANES; i++) { \
		__typeof__(CONV(pa[0])) a = CONV(pa[i]), b = CONV(pb[i]); \
		bits |= (uint32_t)(cond) << i; \
	} \
	return combine(w, in, mask, bits); }

#define C_U16(x) ((uint32_t)(uint16_t)(x))
#define C_S16(x) ((int32_t)(int16_t)(x))
#define C_U32(x) (x)
#define C_S32(x) ((int32_t)(x))
#define C_U64(x) (x)
#define C_S64(x) ((int64_t)(x))
#define C_F32(x) (in->mods & M_FTZ ? f32_ftz(x) : (x))
#define C_F64(x) (x)

#define INT_CMPS(t, T, C) \
	SETP(setp_eq_##t, T, C, a == b) SETP(setp_ne_##t, T, C, a != b) SETP(setp_lt_##t, T, C, a < b) \
	SETP(setp_le_##t, T, C, a <= b) SETP(setp_gt_##t, T, C, a > b) SETP(setp_ge_##t, T, C, a >= b)
/* ordered comparisons are false with a NaN, those ending in u are true */
#define FLOAT_CMPS(t, T, C) \
	SETP(setp_eq_##t, T, C, a == b) SETP(setp_ne_##t, T, C, a < b || a > b) SETP(setp_lt_##t, T, C, a < b) \
	SETP(setp_le_##t, T, C, a <= b) SETP(setp_gt_##t, T, C, a > b) SETP(setp_ge_##t, T, C, a >= b) \
	SETP(setp_equ_##t, T, C, !(a < b || a > b)) SETP(setp_neu_##t, T, C, a != b) SETP(setp_ltu_##t, T, C, !(a >= b)) \
	SETP(setp_leu_##t, T, C, !(a > b)) SETP(setp_gtu_##t, T, C, !(a <= b)) SETP(setp_geu_##t, T, C, !(a < b)) \
	SETP(setp_num_##t, T, C, a == a && b == b) SETP(setp_nan_##t, T, C, a != a || b != b)

INT_CMPS(u16, uint32_t, C_U16)
INT_CMPS(s16, uint32_t, C_S16)
INT_CMPS(u32, uint32_t, C_U32)
INT_CMPS(s32, uint32_t, C_S32)
INT_CMPS(u64, uint64_t, C_U64)
INT_CMPS(s64, uint64_t, C_S64)
FLOAT_CMPS(f32, float, C_F32)
FLOAT_CMPS(f64, double, C_F64)

EXEC(selp_w)
{
	const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2);
	uint32_t p = *SG_ROW(uint32_t, 3);

	MAP(uint32_t, p >> i & 1 ? a[i] : b[i]);
}

EXEC(selp_l)
{
	const uint64_t *a = SG_ROW(uint64_t, 1), *b = SG_ROW(uint64_t, 2);
	uint32_t p = *SG_ROW(uint32_t, 3);

	MAP(uint64_t, p >> i & 1 ? a[i] : b[i]);
}

EXEC(selp_p)
{
	uint32_t a = *SG_ROW(uint32_t, 1), b = *SG_ROW(uint32_t, 2), p = *SG_ROW(uint32_t, 3);

	sg_set_pred(SG_ROW(uint32_t, 0), mask, (a & p) | (b & ~p));
	return SG_OK;
}

TER(slct_w_s32, uint32_t, uint32_t, uint32_t, uint32_t, (int32_t)c >= 0 ? a : b)
TER(slct_l_s32, uint64_t, uint64_t, uint64_t, uint32_t, (int32_t)c >= 0 ? a : b)
TER(slct_w_f32, uint32_t, uint32_t, uint32_t, float, (in->mods & M_FTZ ? f32_ftz(c) : c) >= 0.0f ? a : b)
TER(slct_l_f32, uint64_t, uint64_t, uint64_t, float, (in->mods & M_FTZ ? f32_ftz(c) : c) >= 0.0f ? a : b)

#define PRED(fn, expr) EXEC(fn) { \
	uint32_t a = *SG_ROW(uint32_t, 1), b = *SG_ROW(uint32_t, 2); \
	(void)b; \
	sg_set_pred(SG_ROW(uint32_t, 0), mask, expr); \
	return SG_OK; }
PRED(mov_p, a)
PRED(not_p, ~a)
PRED(and_p, a & b)
PRED(or_p, a | b)
PRED(xor_p, a ^ b)

#define S(cmp, name, fn, mods, ops) { "setp." cmp "." name, setp_##fn, NULL, mods, ops }
#define SETP_EQ(name, fn, ops) S("eq", name, eq_##fn, M_BOOL, ops), S("ne", name, ne_##fn, M_BOOL, ops)
#define SETP_INT(name, fn, ops) \
	SETP_EQ(name, fn, ops), S("lt", name, lt_##fn, M_BOOL, ops), S("le", name, le_##fn, M_BOOL, ops), \
	S("gt", name, gt_##fn, M_BOOL, ops), S("ge", name, ge_##fn, M_BOOL, ops)
#define SETP_FLOAT(name, fn, ops) \
	SETP_INT(name, fn, ops), S("equ", name, equ_##fn, 0, ops), S("neu", name, neu_##fn, 0, ops), \
	S("ltu", name, ltu_##fn, 0, ops), S("leu", name, leu_##fn, 0, ops), S("gtu", name, gtu_##fn, 0, ops), \
	S("geu", name, geu_##fn, 0, ops), S("num", name, num_##fn, 0, ops), S("nan", name, nan_##fn, 0, ops)
#define SLCT(t, fn, ops) \
	{ "slct." t ".s32", slct_##fn##_s32, NULL, 0, ops "w" }, \
	{ "slct." t ".f32", slct_##fn##_f32, NULL, M_FTZ, ops "f" }

const struct sg_form SG_TABLE(sg_forms_cmp)[] = {
	SETP_EQ("b16", u16, ""), SETP_EQ("b32", u32, ""), SETP_EQ("b64", u64, ""),
	SETP_INT("u16", u16, ""), SETP_INT("u32", u32, ""), SETP_INT("u64", u64, ""),
	SETP_INT("s16", s16, ""), SETP_INT("s32", s32, ""), SETP_INT("s64", s64, ""),
	SETP_FLOAT("f32", f32, ""), SETP_FLOAT("f64", f64, ""),
	FORM("selp.b16", selp_w, "h=hhp"), FORM("selp.u16", selp_w, "h=hhp"), FORM("selp.s16", selp_w, "h=hhp"),
	FORM("selp.f16", selp_w, "h=hhp"), FORM("selp.bf16", selp_w, "h=hhp"),
	FORM("selp.b32", selp_w, "w=wwp"), FORM("selp.u32", selp_w, "w=wwp"), FORM("selp.s32", selp_w, "w=wwp"),
	FORM("selp.f32", selp_w, "f=ffp"), FORM("selp.b64", selp_l, "l=llp"), FORM("selp.u64", selp_l, "l=llp"),
	FORM("selp.s64", selp_l, "l=llp"), FORM("selp.f64", selp_l, "d=ddp"), FORM("selp.pred", selp_p, "p=ppp"),
	SLCT("b16", w, "h=hh"), SLCT("u16", w, "h=hh"), SLCT("s16", w, "h=hh"), SLCT("b32", w, "w=ww"),
	SLCT("u32", w, "w=ww"), SLCT("s32", w, "w=ww"), SLCT("f32", w, "f=ff"), SLCT("b64", l, "l=ll"),
	SLCT("u64", l, "l=ll"), SLCT("s64", l, "l=ll"), SLCT("f64", l, "d=dd"),
	FORM("mov.pred", mov_p, "p=p"), FORM("not.pred", not_p, "p=p"), FORM("and.pred", and_p, "p=pp"),
	FORM("or.pred", or_p, "p=pp"), FORM("xor.pred", xor_p, "p=pp"),
	FORM_END
};
