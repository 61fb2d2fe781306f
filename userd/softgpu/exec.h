/* SPDX-License-Identifier: MIT */
/*
 * exec.h - how executors are written
 *
 * An executor computes 32 lanes and keeps the old value where the mask has no bit; the loops are
 * written so that gcc makes vectors of them. Each exec_*.c is built once per instruction set
 * (SG_ISA: base, v3, v4) and ends with its table of forms.
 */
#ifndef SOFTGPU_EXEC_H
#define SOFTGPU_EXEC_H

#include <string.h>

#include "warp.h"

#define SG_CAT2(a, b) a##_##b
#define SG_CAT(a, b) SG_CAT2(a, b)
#define SG_TABLE(name) SG_CAT(name, SG_ISA)

#define EXEC(fn) static enum sg_result fn(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
#define LANES _Pragma("GCC ivdep") for (uint32_t i = 0; i < SG_LANES; i++)

/*
 * d[i] = expr for the lanes in mask; expr may be computed for the others too, so it must not trap.
 */
#define MAP(DT, expr) do { \
	DT *d = SG_ROW(DT, 0); \
	if (mask == SG_ALL) { \
		LANES d[i] = (DT)(expr); \
	} else { \
		LANES { DT r_ = (DT)(expr); d[i] = mask >> i & 1 ? r_ : d[i]; } \
	} \
	return SG_OK; \
} while (0)

/*
 * One, two or three operands named a, b, c of the types in the rows; the body is an expression of
 * them.
 */
#define UN(fn, DT, AT, expr) EXEC(fn) { \
	const AT *pa = SG_ROW(const AT, 1); \
	MAP(DT, ({ AT a = pa[i]; (void)a; expr; })); }
#define BIN(fn, DT, AT, BT, expr) EXEC(fn) { \
	const AT *pa = SG_ROW(const AT, 1); const BT *pb = SG_ROW(const BT, 2); \
	MAP(DT, ({ AT a = pa[i]; BT b = pb[i]; expr; })); }
#define TER(fn, DT, AT, BT, CT, expr) EXEC(fn) { \
	const AT *pa = SG_ROW(const AT, 1); const BT *pb = SG_ROW(const BT, 2); const CT *pc = SG_ROW(const CT, 3); \
	MAP(DT, ({ AT a = pa[i]; BT b = pb[i]; CT c = pc[i]; expr; })); }

static inline void sg_set_pred(uint32_t *p, uint32_t mask, uint32_t bits)
{
	*p = (*p & ~mask) | (bits & mask);
}

#define FORM(name, exec, ops) { name, exec, NULL, 0, ops }
#define FORM_END { NULL, NULL, NULL, 0, NULL }

static inline uint32_t f32_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static inline float f32_of(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static inline uint64_t f64_bits(double f)
{
	uint64_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static inline double f64_of(uint64_t u)
{
	double f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/* Subnormal numbers become zeros of their sign. */
static inline float f32_ftz(float f)
{
	uint32_t u = f32_bits(f);

	return f32_of(u & 0x7f800000 ? u : u & 0x80000000);
}

/* every NaN that a 32-bit operation makes (PTX ISA 9.7.3) */
#define F32_NAN 0x7fffffffu

static inline float f32_canon(float f)
{
	return f == f ? f : f32_of(F32_NAN);
}

/* what an invalid operation on f64 numbers gives */
#define F64_NAN 0xfff8000000000000ull

static inline double f64_quiet(double nan)
{
	return f64_of(f64_bits(nan) | 1ull << 51);
}

/*
 * A NaN that r is: made quiet, the first of the operands x, y, z that is one. The processor would
 * take any, by the order in which the compiler placed them; a GPU has its own (tests/data/ptx-rows.tsv).
 */
static inline double f64_out(double r, double x, double y, double z)
{
	double nan = x != x ? x : y != y ? y : z;

	return r == r ? r : nan != nan ? f64_quiet(nan) : f64_of(F64_NAN);
}

/* [0, 1]; NaN becomes +0 */
static inline float f32_sat(float f)
{
	return f > 0.0f ? f < 1.0f ? f : 1.0f : 0.0f;
}

static inline double f64_sat(double f)
{
	return f > 0.0 ? f < 1.0 ? f : 1.0 : 0.0;
}

#endif
