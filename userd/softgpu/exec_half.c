/* SPDX-License-Identifier: MIT */
/*
 * exec_half.c - f16, bf16 and their pairs (PTX ISA 9.7.4)
 *
 * Sums, differences and products are computed in f32, which has bits enough that the second
 * rounding does no harm. fma takes the exact way only where the f32 result could mislead: on a tie
 * or below the normal range.
 */
#include "half.h"

typedef uint32_t (*half_op)(uint32_t a, uint32_t b, uint32_t c, uint32_t mods);

static inline uint32_t finish16(uint32_t h, uint32_t mods, uint32_t inf, uint32_t one)
{
	uint32_t mag = h & 0x7fff;

	if ((mods & M_FTZ) && inf == 0x7c00 && mag < 0x400) {
		h &= 0x8000;
		mag = 0;
	}
	if (mods & M_SAT)
		return mag > inf || h & 0x8000 ? 0 : mag > one ? one : h;
	if ((mods & M_RELU) && mag <= inf && h & 0x8000)
		return 0;
	return h;
}

static inline uint32_t flush16(uint32_t h, uint32_t mods)
{
	return (mods & M_FTZ) && (h & 0x7fff) < 0x400 ? h & 0x8000 : h;
}

#define F16_IN(h) f16_to_f32(flush16((h) & 0xffff, mods))
#define BF16_IN(h) bf16_to_f32((h) & 0xffff)
#define F16_OUT(f) finish16(f32_to_f16(f), mods, 0x7c00, 0x3c00)
#define BF16_OUT(f) finish16(f32_to_bf16(f), mods, 0x7f80, 0x3f80)

static inline uint32_t f16_fma(uint32_t ha, uint32_t hb, uint32_t hc, uint32_t mods)
{
	float a = F16_IN(ha), b = F16_IN(hb), c = F16_IN(hc), r = __builtin_fmaf(a, b, c);
	uint32_t u = f32_bits(r), h;

	if ((u & 0x1fff) == 0x1000 || (u & 0x7fffffff) < 0x38800000)
		h = half_round(fma_odd(a, b, c), 5, 10, 0);
	else
		h = f32_to_f16(r);
	return finish16(h, mods, 0x7c00, 0x3c00);
}

static inline uint32_t bf16_fma(uint32_t ha, uint32_t hb, uint32_t hc, uint32_t mods)
{
	float a = BF16_IN(ha), b = BF16_IN(hb), c = BF16_IN(hc), r = __builtin_fmaf(a, b, c);
	uint32_t u = f32_bits(r), h;

	if ((u & 0xffff) == 0x8000 || (u & 0x7fffffff) < 0x00800000)
		h = half_round(fma_odd(a, b, c), 8, 7, 0);
	else
		h = f32_to_bf16(r);
	return finish16(h, mods, 0x7f80, 0x3f80);
}

static inline uint32_t extreme16(uint32_t a, uint32_t b, uint32_t mods, uint32_t inf, bool max)
{
	uint32_t sign = mods & M_XORSIGN ? (a ^ b) & 0x8000 : 0;
	bool na, nb;
	int32_t x, y;

	a &= mods & M_XORSIGN ? 0x7fff : 0xffff;
	b &= mods & M_XORSIGN ? 0x7fff : 0xffff;
	if (inf == 0x7c00) {
		a = flush16(a, mods);
		b = flush16(b, mods);
	}
	na = (a & 0x7fff) > inf;
	nb = (b & 0x7fff) > inf;
	/* signed magnitude as an order in which -0 is below +0 */
	x = a & 0x8000 ? -(int32_t)(a & 0x7fff) - 1 : (int32_t)a;
	y = b & 0x8000 ? -(int32_t)(b & 0x7fff) - 1 : (int32_t)b;
	if ((na && nb) || (mods & M_NAN && (na || nb)))
		return HALF_NAN;
	if (na || nb)
		return (na ? b : a) | sign;
	return ((max ? x > y : x < y) ? a : b) | sign;
}

#define OP16(op, t, T, expr) \
	static inline uint32_t t##_##op(uint32_t ha, uint32_t hb, uint32_t hc, uint32_t mods) \
	{ float a = T##_IN(ha), b = T##_IN(hb); (void)hc, (void)b; return T##_OUT(expr); }
#define OPS16(t, T, inf, min_normal) \
	OP16(add, t, T, a + b) OP16(sub, t, T, a - b) OP16(mul, t, T, a * b) \
	OP16(ex2, t, T, exp2f(a)) OP16(tanh, t, T, tanhf(a)) \
	static inline uint32_t t##_min(uint32_t a, uint32_t b, uint32_t c, uint32_t mods) \
	{ (void)c; return extreme16(a, b, mods, inf, false); } \
	static inline uint32_t t##_max(uint32_t a, uint32_t b, uint32_t c, uint32_t mods) \
	{ (void)c; return extreme16(a, b, mods, inf, true); } \
	static inline uint32_t t##_neg(uint32_t a, uint32_t b, uint32_t c, uint32_t mods) \
	{ (void)b, (void)c; \
	  return (a & 0x7fff) > inf ? HALF_NAN : flush16(a & 0xffff, inf == 0x7c00 ? mods : 0) ^ 0x8000; } \
	static inline uint32_t t##_abs(uint32_t a, uint32_t b, uint32_t c, uint32_t mods) \
	{ (void)b, (void)c; \
	  return (a & 0x7fff) > inf ? HALF_NAN : flush16(a & 0xffff, inf == 0x7c00 ? mods : 0) & 0x7fff; }
OPS16(f16, F16, 0x7c00, 0x400)
OPS16(bf16, BF16, 0x7f80, 0x80)

/* One executor for a number and one for a pair. */
#define EXEC16(t, op) \
	EXEC(do_##t##_##op) { \
		const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2), *c = SG_ROW(uint32_t, 3); \
		uint32_t mods = in->mods; \
		MAP(uint32_t, t##_##op(a[i], b[i], c[i], mods)); \
	} \
	EXEC(do_##t##x2_##op) { \
		const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2), *c = SG_ROW(uint32_t, 3); \
		uint32_t mods = in->mods; \
		MAP(uint32_t, t##_##op(a[i], b[i], c[i], mods) | \
			      t##_##op(a[i] >> 16, b[i] >> 16, c[i] >> 16, mods) << 16); \
	}
#define ALL16(X, ...) \
	X(add, __VA_ARGS__) X(sub, __VA_ARGS__) X(mul, __VA_ARGS__) X(fma, __VA_ARGS__) X(min, __VA_ARGS__) \
	X(max, __VA_ARGS__) X(neg, __VA_ARGS__) X(abs, __VA_ARGS__) X(ex2, __VA_ARGS__) X(tanh, __VA_ARGS__)
#define X(op, t) EXEC16(t, op)
ALL16(X, f16)
ALL16(X, bf16)
#undef X

static enum sg_result set_preds(struct sg_warp *w, const struct sg_insn *in, uint32_t mask, uint32_t lo, uint32_t hi,
				bool pair)
{
	uint32_t c = in->mods & M_BOOL ? *SG_ROW(uint32_t, 3) : 0;

	if (!pair)
		hi = ~lo;
	if (in->mods & M_BOOL) {
		lo = in->mods & M_AND ? lo & c : in->mods & M_OR ? lo | c : lo ^ c;
		hi = in->mods & M_AND ? hi & c : in->mods & M_OR ? hi | c : hi ^ c;
	}
	sg_set_pred(SG_ROW(uint32_t, 0), mask, lo);
	sg_set_pred(SG_ROW(uint32_t, 4), mask, hi);
	return SG_OK;
}

#define SETP16(t, T, cmp, cond) \
	static inline bool t##_##cmp(uint32_t ha, uint32_t hb, uint32_t mods) \
	{ float a = T##_IN(ha), b = T##_IN(hb); (void)mods; return cond; } \
	EXEC(setp_##cmp##_##t) { \
		const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2); \
		uint32_t lo = 0; \
		for (uint32_t i = 0; i < SG_LANES; i++) \
			lo |= (uint32_t)t##_##cmp(a[i], b[i], in->mods) << i; \
		return set_preds(w, in, mask, lo, 0, false); \
	} \
	EXEC(setp_##cmp##_##t##x2) { \
		const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2); \
		uint32_t lo = 0, hi = 0; \
		for (uint32_t i = 0; i < SG_LANES; i++) { \
			lo |= (uint32_t)t##_##cmp(a[i], b[i], in->mods) << i; \
			hi |= (uint32_t)t##_##cmp(a[i] >> 16, b[i] >> 16, in->mods) << i; \
		} \
		return set_preds(w, in, mask, lo, hi, true); \
	}
#define CMPS16(X, ...) \
	X(__VA_ARGS__, eq, a == b) X(__VA_ARGS__, ne, a < b || a > b) X(__VA_ARGS__, lt, a < b) \
	X(__VA_ARGS__, le, a <= b) X(__VA_ARGS__, gt, a > b) X(__VA_ARGS__, ge, a >= b) \
	X(__VA_ARGS__, equ, !(a < b || a > b)) X(__VA_ARGS__, neu, a != b) X(__VA_ARGS__, ltu, !(a >= b)) \
	X(__VA_ARGS__, leu, !(a > b)) X(__VA_ARGS__, gtu, !(a <= b)) X(__VA_ARGS__, geu, !(a < b)) \
	X(__VA_ARGS__, num, a == a && b == b) X(__VA_ARGS__, nan, a != a || b != b)
CMPS16(SETP16, f16, F16)
CMPS16(SETP16, bf16, BF16)

/* Modifiers of f16, and of bf16, which has neither .ftz nor .sat. */
#define ROWS16(op, f16_mods, bf16_mods, h, hx2) \
	{ #op ".f16", do_f16_##op, NULL, f16_mods, h }, { #op ".bf16", do_bf16_##op, NULL, bf16_mods, h }, \
	{ #op ".f16x2", do_f16x2_##op, NULL, f16_mods, hx2 }, { #op ".bf16x2", do_bf16x2_##op, NULL, bf16_mods, hx2 }
#define M_SUM (M_RN | M_FTZ | M_SAT)
#define M_EXTREME (M_NAN | M_XORSIGN | M_ABS)
#define CMP_ROW(t, T, cmp, cond) \
	FORM("setp." #cmp "." #t, setp_##cmp##_##t, ""), FORM("setp." #cmp "." #t "x2", setp_##cmp##_##t##x2, ""),

const struct sg_form SG_TABLE(sg_forms_half)[] = {
	ROWS16(add, M_SUM, M_RN, "h=hh", "w=ww"), ROWS16(sub, M_SUM, M_RN, "h=hh", "w=ww"),
	ROWS16(mul, M_SUM, M_RN, "h=hh", "w=ww"), ROWS16(fma, M_SUM | M_RELU, M_RN | M_RELU, "h=hhh", "w=www"),
	ROWS16(min, M_FTZ | M_EXTREME, M_EXTREME, "h=hh", "w=ww"),
	ROWS16(max, M_FTZ | M_EXTREME, M_EXTREME, "h=hh", "w=ww"),
	ROWS16(neg, M_FTZ, 0, "h=h", "w=w"), ROWS16(abs, M_FTZ, 0, "h=h", "w=w"),
	ROWS16(ex2, M_APPROX, M_APPROX | M_FTZ, "h=h", "w=w"), ROWS16(tanh, M_APPROX, M_APPROX, "h=h", "w=w"),
	CMPS16(CMP_ROW, f16, F16)
	CMPS16(CMP_ROW, bf16, BF16)
	FORM_END
};
