/* SPDX-License-Identifier: MIT */
/*
 * exec_float.c - f32 and f64 arithmetic (PTX ISA 9.7.3)
 *
 * Each operation has a fast executor for round-to-nearest without modifiers and one for the rest.
 * Directed rounding sets the processor's mode around a loop over volatile values, which the
 * compiler may not move. The .approx operations are libm's or the exact ones: inside the bounds
 * that PTX gives, though not the bits of a GPU.
 */
#include <fenv.h>
#include <math.h>

#include "exec.h"

#define DIRECTED (M_RZ | M_RM | M_RP)

static int round_begin(uint32_t mods)
{
	int old = fegetround();

	fesetround(mods & M_RZ ? FE_TOWARDZERO : mods & M_RM ? FE_DOWNWARD : FE_UPWARD);
	return old;
}

static inline float in32(float a, bool ftz)
{
	return ftz ? f32_ftz(a) : a;
}

static inline float out32(float r, bool ftz, bool sat)
{
	r = f32_canon(r);
	if (ftz)
		r = f32_ftz(r);
	return sat ? f32_sat(r) : r;
}

/* The directed loop: x, y, z are the volatile operands of expr. */
#define DIRECTED_LOOP(T, pa, pb, pc, IN, OUT, expr) do { \
	T *d = SG_ROW(T, 0); \
	int old = round_begin(in->mods); \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m); \
		volatile T a = IN((pa)[i]), b = IN((pb)[i]), c = IN((pc)[i]), r; \
		(void)a, (void)b, (void)c; \
		r = (expr); \
		d[i] = OUT(r); \
	} \
	fesetround(old); \
	return SG_OK; \
} while (0)

static inline double f64_ftz(double f)
{
	uint64_t u = f64_bits(f);

	return f64_of(u & 0x7ffull << 52 ? u : u & 1ull << 63);
}


#define FTZ_IN(x) in32(x, ftz)
#define FTZ_OUT(r) out32(r, ftz, sat)
#define SAME(x) (x)
#define OUT64_1(r) f64_out(r, a, a, a)
#define OUT64_2(r) f64_out(r, b, a, a)
#define OUT64_3(r) f64_out(r, b, c, a)
#define OUT64_DIV(r) f64_out(r, a, b, b)	/* which is no instruction but a function */

/*
 * .ftz looks at what a product is before it is rounded: where rounding lifts one to the smallest
 * normal number, that is flushed too. Here the exact a * b + c is compared with r; the difference
 * has the right sign even where it is rounded.
 */
static inline float tiny32(float r, float a, float b, float c)
{
	bool lifted = fabsf(r) == 0x1p-126f && ((double)a * b + ((double)c - r)) * r < 0;

	return lifted ? f32_of(f32_bits(r) & 0x80000000) : r;
}
#define AS_IT_IS(r) (r)
#define PRODUCT(r) (ftz ? tiny32(r, a, b, 0) : (r))
#define PRODUCT_SUM(r) (ftz ? tiny32(r, a, b, c) : (r))

#define OP_F32(op, N, EXACT, expr) \
	N(op##_f32, float, float, expr, f32_canon) \
	EXEC(op##_f32_m) { \
		const float *pa = SG_ROW(const float, 1), *pb = SG_ROW(const float, 2), *pc = SG_ROW(const float, 3); \
		bool ftz = in->mods & M_FTZ, sat = in->mods & M_SAT; \
		if (in->mods & DIRECTED) \
			DIRECTED_LOOP(float, pa, pb, pc, FTZ_IN, FTZ_OUT, EXACT(expr)); \
		MAP(float, ({ float a = FTZ_IN(pa[i]), b = FTZ_IN(pb[i]), c = FTZ_IN(pc[i]); \
			      (void)a, (void)b, (void)c; FTZ_OUT(EXACT(expr)); })); \
	}
#define OP_F64(op, n, OUT, expr) \
	N##n(op##_f64, double, double, expr, OUT) \
	EXEC(op##_f64_m) { \
		const double *pa = SG_ROW(const double, 1), *pb = SG_ROW(const double, 2); \
		const double *pc = SG_ROW(const double, 3); \
		if (in->mods & DIRECTED) \
			DIRECTED_LOOP(double, pa, pb, pc, SAME, OUT, expr); \
		MAP(double, ({ double a = pa[i], b = pb[i], c = pc[i]; (void)a, (void)b, (void)c; OUT(expr); })); \
	}
#define N1(fn, DT, AT, expr, OUT) UN(fn, DT, AT, OUT(expr))
#define N2(fn, DT, AT, expr, OUT) BIN(fn, DT, AT, AT, OUT(expr))
#define N3(fn, DT, AT, expr, OUT) TER(fn, DT, AT, AT, AT, OUT(expr))

OP_F32(add, N2, AS_IT_IS, a + b)
OP_F32(sub, N2, AS_IT_IS, a - b)
OP_F32(mul, N2, PRODUCT, a * b)
OP_F32(div, N2, AS_IT_IS, a / b)
OP_F32(fma, N3, PRODUCT_SUM, __builtin_fmaf(a, b, c))
OP_F32(sqrt, N1, AS_IT_IS, __builtin_sqrtf(a))
OP_F32(rcp, N1, AS_IT_IS, 1.0f / a)
OP_F64(add, 2, OUT64_2, a + b)
OP_F64(sub, 2, OUT64_2, a - b)
OP_F64(mul, 2, OUT64_2, a * b)
OP_F64(div, 2, OUT64_DIV, a / b)
OP_F64(fma, 3, OUT64_3, __builtin_fma(a, b, c))
OP_F64(sqrt, 1, OUT64_1, __builtin_sqrt(a))
OP_F64(rcp_rnd, 1, OUT64_1, 1.0 / a)

/* .approx.ftz.f64 knows only the upper half of the operand, and of the result. */
static inline double upper64(double v)
{
	return f64_of(f64_bits(f64_ftz(v)) & ~0xffffffffull);
}

UN(rcp_approx_f64, double, double, ({ double x = upper64(a); upper64(f64_out(1.0 / x, x, x, x)); }))

EXEC(rcp_f64_m)
{
	return in->mods & M_FTZ ? rcp_approx_f64(w, in, mask) : rcp_rnd_f64_m(w, in, mask);
}

UN(rsqrt_f64, double, double, OUT64_1(1.0 / sqrt(a)))
UN(rsqrt_ftz_f64, double, double, ({ double x = upper64(a); upper64(f64_out(1.0 / sqrt(x), x, x, x)); }))

#define APPROX(op, expr) \
	UN(op##_f32, float, float, f32_canon(expr)) \
	EXEC(op##_f32_m) { \
		const float *pa = SG_ROW(const float, 1); \
		MAP(float, ({ float a = f32_ftz(pa[i]); out32(expr, true, false); })); \
	}
APPROX(rsqrt, 1.0f / __builtin_sqrtf(a))
APPROX(ex2, exp2f(a))
APPROX(lg2, log2f(a))
APPROX(sin, sinf(a))
APPROX(cos, cosf(a))
UN(tanh_f32, float, float, f32_canon(tanhf(a)))

static inline float min32(float a, float b)
{
	/* -0 is below +0; a NaN gives way to a number */
	float m = a < b ? a : b < a ? b : f32_of(f32_bits(a) | f32_bits(b));

	return a != a ? (b != b ? f32_of(F32_NAN) : b) : b != b ? a : m;
}

static inline float max32(float a, float b)
{
	float m = a > b ? a : b > a ? b : f32_of(f32_bits(a) & f32_bits(b));

	return a != a ? (b != b ? f32_of(F32_NAN) : b) : b != b ? a : m;
}

static inline double min64(double a, double b)
{
	double m = a < b ? a : b < a ? b : f64_of(f64_bits(a) | f64_bits(b));

	return a != a ? (b != b ? f64_quiet(b) : b) : b != b ? a : m;
}

static inline double max64(double a, double b)
{
	double m = a > b ? a : b > a ? b : f64_of(f64_bits(a) & f64_bits(b));

	return a != a ? (b != b ? f64_quiet(b) : b) : b != b ? a : m;
}

/* .ftz .NaN .xorsign.abs */
static inline float extreme(float a, float b, uint32_t mods, bool max)
{
	uint32_t sign = (f32_bits(a) ^ f32_bits(b)) & 0x80000000;
	float r;

	if (mods & M_FTZ) {
		a = f32_ftz(a);
		b = f32_ftz(b);
	}
	if (mods & M_XORSIGN) {
		a = f32_of(f32_bits(a) & 0x7fffffff);
		b = f32_of(f32_bits(b) & 0x7fffffff);
	}
	if ((mods & M_NAN) && (a != a || b != b))
		return f32_of(F32_NAN);
	r = max ? max32(a, b) : min32(a, b);
	return mods & M_XORSIGN && r == r ? f32_of(f32_bits(r) | sign) : r;
}

BIN(min_f32, float, float, float, min32(a, b))
BIN(max_f32, float, float, float, max32(a, b))
BIN(min_f32_m, float, float, float, extreme(a, b, in->mods, false))
BIN(max_f32_m, float, float, float, extreme(a, b, in->mods, true))
BIN(min_f64, double, double, double, min64(a, b))
BIN(max_f64, double, double, double, max64(a, b))

/* Of a NaN they make the one that arithmetic makes, in f64 itself with its sign. */
UN(abs_f32, float, float, f32_canon(fabsf(a)))
UN(neg_f32, float, float, f32_canon(-a))
UN(abs_f32_m, float, float, f32_canon(fabsf(f32_ftz(a))))
UN(neg_f32_m, float, float, f32_canon(-f32_ftz(a)))
UN(abs_f64, double, double, a == a ? fabs(a) : f64_quiet(a))
UN(neg_f64, double, double, a == a ? -a : f64_quiet(a))
BIN(copysign_f32, uint32_t, uint32_t, uint32_t, (a & 0x80000000) | (b & 0x7fffffff))
BIN(copysign_f64, uint64_t, uint64_t, uint64_t, (a & 1ull << 63) | (b & ~(1ull << 63)))

#define TESTP(fn, T, EXP, MAN, cond) EXEC(fn) { \
	const T *pa = SG_ROW(const T, 1); \
	uint32_t bits = 0; \
	for (uint32_t i = 0; i < SG_LANES; i++) { \
		T e = pa[i] & (EXP), m = pa[i] & (MAN); \
		(void)m; \
		bits |= (uint32_t)(cond) << i; \
	} \
	sg_set_pred(SG_ROW(uint32_t, 0), mask, bits); \
	return SG_OK; }
#define TESTPS(name, cond32, cond64) \
	TESTP(testp_##name##_f32, uint32_t, 0x7f800000u, 0x7fffffu, cond32) \
	TESTP(testp_##name##_f64, uint64_t, 0x7ffull << 52, (1ull << 52) - 1, cond64)
#define E32 0x7f800000u
#define E64 (0x7ffull << 52)
TESTPS(finite, e != E32, e != E64)
TESTPS(infinite, e == E32 && !m, e == E64 && !m)
TESTPS(number, !(e == E32 && m), !(e == E64 && m))
TESTPS(notanumber, e == E32 && m, e == E64 && m)
TESTPS(normal, (e && e != E32) || !(e | m), (e && e != E64) || !(e | m))	/* zero too */
TESTPS(subnormal, !e && m, !e && m)

#define FMODS (M_ROUND | M_FTZ | M_SAT)
#define BOTH_TESTP(name) \
	FORM("testp." #name ".f32", testp_##name##_f32, "p=f"), FORM("testp." #name ".f64", testp_##name##_f64, "p=d")
#define APPROX_FORM(op) { #op ".f32", op##_f32, op##_f32_m, M_APPROX | M_FTZ, "f=f" }

const struct sg_form SG_TABLE(sg_forms_float)[] = {
	{ "add.f32", add_f32, add_f32_m, FMODS, "f=ff" }, { "sub.f32", sub_f32, sub_f32_m, FMODS, "f=ff" },
	{ "mul.f32", mul_f32, mul_f32_m, FMODS, "f=ff" }, { "fma.f32", fma_f32, fma_f32_m, FMODS, "f=fff" },
	{ "mad.f32", fma_f32, fma_f32_m, FMODS, "f=fff" },
	{ "div.f32", div_f32, div_f32_m, M_ROUND | M_FTZ | M_APPROX | M_FULL, "f=ff" },
	{ "sqrt.f32", sqrt_f32, sqrt_f32_m, M_ROUND | M_FTZ | M_APPROX, "f=f" },
	{ "rcp.f32", rcp_f32, rcp_f32_m, M_ROUND | M_FTZ | M_APPROX, "f=f" },
	{ "add.f64", add_f64, add_f64_m, M_ROUND, "d=dd" }, { "sub.f64", sub_f64, sub_f64_m, M_ROUND, "d=dd" },
	{ "mul.f64", mul_f64, mul_f64_m, M_ROUND, "d=dd" }, { "fma.f64", fma_f64, fma_f64_m, M_ROUND, "d=ddd" },
	{ "mad.f64", fma_f64, fma_f64_m, M_ROUND, "d=ddd" }, { "div.f64", div_f64, div_f64_m, M_ROUND, "d=dd" },
	{ "sqrt.f64", sqrt_f64, sqrt_f64_m, M_ROUND, "d=d" },
	{ "rcp.f64", rcp_rnd_f64, rcp_f64_m, M_ROUND | M_APPROX | M_FTZ, "d=d" },
	{ "rsqrt.f64", rsqrt_f64, rsqrt_ftz_f64, M_APPROX | M_FTZ, "d=d" },
	APPROX_FORM(rsqrt), APPROX_FORM(ex2), APPROX_FORM(lg2), APPROX_FORM(sin), APPROX_FORM(cos),
	{ "tanh.f32", tanh_f32, NULL, M_APPROX, "f=f" },
	{ "min.f32", min_f32, min_f32_m, M_FTZ | M_NAN | M_XORSIGN | M_ABS, "f=ff" },
	{ "max.f32", max_f32, max_f32_m, M_FTZ | M_NAN | M_XORSIGN | M_ABS, "f=ff" },
	FORM("min.f64", min_f64, "d=dd"), FORM("max.f64", max_f64, "d=dd"),
	{ "abs.f32", abs_f32, abs_f32_m, M_FTZ, "f=f" }, { "neg.f32", neg_f32, neg_f32_m, M_FTZ, "f=f" },
	FORM("abs.f64", abs_f64, "d=d"), FORM("neg.f64", neg_f64, "d=d"),
	FORM("copysign.f32", copysign_f32, "f=ff"), FORM("copysign.f64", copysign_f64, "d=dd"),
	BOTH_TESTP(finite), BOTH_TESTP(infinite), BOTH_TESTP(number), BOTH_TESTP(notanumber), BOTH_TESTP(normal),
	BOTH_TESTP(subnormal),
	FORM_END
};
