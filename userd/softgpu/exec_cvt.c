/* SPDX-License-Identifier: MIT */
/*
 * exec_cvt.c - conversions (PTX ISA 9.7.9.21)
 *
 * Every source is exact in a double but for 64-bit integers, which get a sticky last bit where they
 * are rounded to less; so the target's rounding is done once, from there.
 */
#include "half.h"

typedef __int128 i128;

/* Row element and value type of each type. */
#define R_u8 uint32_t
#define R_s8 uint32_t
#define R_u16 uint32_t
#define R_s16 uint32_t
#define R_u32 uint32_t
#define R_s32 uint32_t
#define R_u64 uint64_t
#define R_s64 uint64_t
#define R_f16 uint32_t
#define R_bf16 uint32_t
#define R_f32 uint32_t
#define R_f64 uint64_t
#define V_u8 uint8_t
#define V_s8 int8_t
#define V_u16 uint16_t
#define V_s16 int16_t
#define V_u32 uint32_t
#define V_s32 int32_t
#define V_u64 uint64_t
#define V_s64 int64_t
#define MIN_u8 0
#define MIN_s8 INT8_MIN
#define MIN_u16 0
#define MIN_s16 INT16_MIN
#define MIN_u32 0
#define MIN_s32 INT32_MIN
#define MIN_u64 0
#define MIN_s64 INT64_MIN
#define MAX_u8 UINT8_MAX
#define MAX_s8 INT8_MAX
#define MAX_u16 UINT16_MAX
#define MAX_s16 INT16_MAX
#define MAX_u32 UINT32_MAX
#define MAX_s32 INT32_MAX
#define MAX_u64 UINT64_MAX
#define MAX_s64 INT64_MAX

#define INTS(X, ...) \
	X(u8, __VA_ARGS__) X(s8, __VA_ARGS__) X(u16, __VA_ARGS__) X(s16, __VA_ARGS__) X(u32, __VA_ARGS__) \
	X(s32, __VA_ARGS__) X(u64, __VA_ARGS__) X(s64, __VA_ARGS__)
#define INTS2(X, ...) \
	X(u8, __VA_ARGS__) X(s8, __VA_ARGS__) X(u16, __VA_ARGS__) X(s16, __VA_ARGS__) X(u32, __VA_ARGS__) \
	X(s32, __VA_ARGS__) X(u64, __VA_ARGS__) X(s64, __VA_ARGS__)
#define FLOATS(X, ...) X(f16, __VA_ARGS__) X(bf16, __VA_ARGS__) X(f32, __VA_ARGS__) X(f64, __VA_ARGS__)
#define FLOATS2(X, ...) X(f16, __VA_ARGS__) X(bf16, __VA_ARGS__) X(f32, __VA_ARGS__) X(f64, __VA_ARGS__)

/* Integer to integer: .sat clamps to the target's range. */
#define CVT_II(d, s) \
	EXEC(cvt_##d##_##s) { \
		const R_##s *a = SG_ROW(R_##s, 1); \
		if (in->mods & M_SAT) \
			MAP(R_##d, ({ i128 v = (V_##s)a[i]; \
				      v = v < (i128)MIN_##d ? (i128)MIN_##d : v > (i128)MAX_##d ? (i128)MAX_##d : v; \
				      (R_##d)(V_##d)v; })); \
		MAP(R_##d, (R_##d)(V_##d)(V_##s)a[i]); \
	}
#define X(s, d) CVT_II(d, s)
#define Y(d, ...) INTS(X, d)
INTS2(Y, )
#undef X
#undef Y

/* Sources as doubles */
#define D_f16(u) ((double)f16_to_f32((u) & 0xffff))
#define D_bf16(u) ((double)bf16_to_f32((u) & 0xffff))
#define D_f32(u) ((double)(in->mods & M_FTZ ? f32_canon(f32_ftz(f32_of(u))) : f32_of(u)))
#define D_f64(u) f64_of(u)

/* NaN becomes 0, or 1 << 63 where f64 or a 64-bit integer takes part. */
#define F_TO_I(name, T, lo, hi, below, above, nan32, nan64) \
	static inline T to_##name(double v, bool wide) \
	{ \
		if (v != v) \
			return (T)(wide ? nan64 : nan32); \
		return v <= (lo) ? (T)(below) : v >= (hi) ? (T)(above) : (T)v; \
	}
F_TO_I(u8, uint8_t, 0, 255, 0, 255, 0, 0x80)
F_TO_I(s8, int8_t, -128, 127, -128, 127, 0, -128)
F_TO_I(u16, uint16_t, 0, 65535, 0, 65535, 0, 0x8000)
F_TO_I(s16, int16_t, -32768, 32767, -32768, 32767, 0, -32768)
F_TO_I(u32, uint32_t, 0, 4294967295.0, 0, UINT32_MAX, 0, 0x80000000)
F_TO_I(s32, int32_t, -2147483648.0, 2147483647.0, INT32_MIN, INT32_MAX, 0, INT32_MIN)
F_TO_I(u64, uint64_t, 0, 0x1p64, 0, UINT64_MAX, 1ull << 63, 1ull << 63)
F_TO_I(s64, int64_t, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX, INT64_MIN, INT64_MIN)

#define CVT_IF(d, s) \
	EXEC(cvt_##d##_##s) { \
		const R_##s *a = SG_ROW(R_##s, 1); \
		bool wide = sizeof(R_##s) == 8; \
		if (in->mods & M_RNI) \
			MAP(R_##d, (R_##d)to_##d(__builtin_rint(D_##s(a[i])), wide)); \
		if (in->mods & M_RMI) \
			MAP(R_##d, (R_##d)to_##d(__builtin_floor(D_##s(a[i])), wide)); \
		if (in->mods & M_RPI) \
			MAP(R_##d, (R_##d)to_##d(__builtin_ceil(D_##s(a[i])), wide)); \
		MAP(R_##d, (R_##d)to_##d(__builtin_trunc(D_##s(a[i])), wide)); \
	}
#define X(s, d) CVT_IF(d, s)
#define Y(d, ...) FLOATS(X, d)
INTS(Y, )
#undef X
#undef Y

/* Rounds a double to f32 in any mode: the nearest is at most one step off. */
static inline float f32_round(double v, uint32_t mods)
{
	float r = (float)v;

	if (!(mods & (M_RZ | M_RM | M_RP)) || v != v || v - v != 0)
		return r;
	if ((mods & M_RM || (mods & M_RZ && v > 0)) && (double)r > v)
		return nextafterf(r, -INFINITY);
	if ((mods & M_RP || (mods & M_RZ && v < 0)) && (double)r < v)
		return nextafterf(r, INFINITY);
	return r;
}

static inline uint32_t out_f32(double v, uint32_t mods)
{
	float f = f32_canon(f32_round(v, mods));

	if (mods & M_FTZ)
		f = f32_ftz(f);
	if (mods & M_SAT)
		f = f32_sat(f);
	if ((mods & M_RELU) && f < 0)
		f = 0;
	return f32_bits(f);
}

static inline uint32_t out_16(double v, uint32_t mods, int eb, int mb)
{
	uint32_t h, inf = ((1u << eb) - 1) << mb;

	if ((mods & M_SAT) || (mods & M_RELU && v <= 0))
		v = mods & M_SAT ? f64_sat(v) : 0;
	h = half_round(v, eb, mb, mods);
	return mods & M_SATFINITE && (h & 0x7fff) == inf ? h - 1 : h;
}

#define OUT_f16(v) (fast && (double)(float)(v) == (v) ? f32_to_f16((float)(v)) : out_16(v, in->mods, 5, 10))
#define OUT_bf16(v) (fast && (double)(float)(v) == (v) ? f32_to_bf16((float)(v)) : out_16(v, in->mods, 8, 7))
#define OUT_f32(v) out_f32(v, in->mods)
#define OUT_f64(v) f64_bits(in->mods & M_SAT ? f64_sat(v) : (v))

enum { T_f16, T_bf16, T_f32, T_f64 };

/* A NaN that comes from f64 keeps its sign and what there is room for. */
static inline uint64_t nan_from_f64(uint64_t u, int to)
{
	switch (to) {
	case T_f16:
		return (u >> 48 & 0x8000) | 0x7e00 | (u >> 42 & 0x1ff);
	case T_bf16:
		return (u >> 48 & 0x8000) | 0x7fc0 | (u >> 45 & 0x3f);
	case T_f32:
		return (u >> 32 & 0x80000000) | 0x7fc00000 | (u >> 29 & 0x3fffff);
	default:
		return u | 1ull << 51;
	}
}

/* These only move bits. */
#define MOVES(d, s) (T_##d == T_f32 && (T_##s == T_f32 || T_##s == T_bf16))

/* Float to float; .rni and its like round to an integral value of the same type. */
static inline double integral(double v, uint32_t mods)
{
	return mods & M_RNI ? __builtin_rint(v) : mods & M_RZI ? __builtin_trunc(v) :
	       mods & M_RMI ? __builtin_floor(v) : mods & M_RPI ? __builtin_ceil(v) : v;
}

#define CVT_FF(d, s) \
	EXEC(cvt_##d##_##s) { \
		const R_##s *a = SG_ROW(R_##s, 1); \
		bool fast = !(in->mods & ~M_RN); \
		(void)fast; \
		bool nans = T_##s == T_f64 && !(in->mods & M_SAT); \
		if (MOVES(d, s) && !in->mods) \
			MAP(R_##d, T_##s == T_f32 ? a[i] : a[i] << 16); \
		if (in->mods & M_ROUNDI) \
			MAP(R_##d, ({ double v = D_##s(a[i]), r = integral(v, in->mods); \
				      nans && v != v ? (R_##d)nan_from_f64(a[i], T_##d) : OUT_##d(r); })); \
		if (T_##d == T_f64) \
			nans = false; \
		MAP(R_##d, ({ double v = D_##s(a[i]); \
			      nans && v != v ? (R_##d)nan_from_f64(a[i], T_##d) : OUT_##d(v); })); \
	}
#define X(s, d) CVT_FF(d, s)
#define Y(d, ...) FLOATS(X, d)
FLOATS2(Y, )
#undef X
#undef Y

/*
 * 64-bit integers keep 52 bits and a sticky one: exact in a double, and rounded to f32 or less as
 * the whole would be.
 */
static inline double sticky_u64(uint64_t v)
{
	return (double)(v >> 53 ? (v & ~0xfffull) | (v & 0xfff ? 0x800 : 0) : v);
}

static inline double sticky_s64(int64_t v)
{
	return v < 0 ? -sticky_u64(0ull - (uint64_t)v) : sticky_u64((uint64_t)v);
}

#define I_u8(x) ((double)(uint8_t)(x))
#define I_s8(x) ((double)(int8_t)(x))
#define I_u16(x) ((double)(uint16_t)(x))
#define I_s16(x) ((double)(int16_t)(x))
#define I_u32(x) ((double)(x))
#define I_s32(x) ((double)(int32_t)(x))
#define I_u64(x) sticky_u64(x)
#define I_s64(x) sticky_s64((int64_t)(x))

#define CVT_FI(d, s) \
	EXEC(cvt_##d##_##s) { \
		const R_##s *a = SG_ROW(R_##s, 1); \
		bool fast = !(in->mods & ~M_RN); \
		(void)fast; \
		MAP(R_##d, ({ double v = I_##s(a[i]); OUT_##d(v); })); \
	}
#define X(s, d) CVT_FI(d, s)
INTS(X, f16)
INTS(X, bf16)
INTS(X, f32)
#undef X

/* To f64 only 64-bit integers round. */
static inline uint64_t f64_from(i128 v, uint32_t mods)
{
	double r = (double)v;

	if ((mods & M_RM || (mods & M_RZ && v > 0)) && (i128)r > v)
		r = nextafter(r, -INFINITY);
	else if ((mods & M_RP || (mods & M_RZ && v < 0)) && (i128)r < v)
		r = nextafter(r, INFINITY);
	return f64_bits(mods & M_SAT ? f64_sat(r) : r);
}

#define X(s, ...) EXEC(cvt_f64_##s) { \
	const R_##s *a = SG_ROW(R_##s, 1); \
	if (in->mods & (M_RZ | M_RM | M_RP | M_SAT)) \
		MAP(uint64_t, f64_from((i128)(V_##s)a[i], in->mods)); \
	MAP(uint64_t, f64_bits((double)(V_##s)a[i])); }
INTS(X, )
#undef X

#define PACK16(fn, d) EXEC(fn) { \
	const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2); \
	bool fast = !(in->mods & ~M_RN); \
	MAP(uint32_t, ({ double hi = D_f32(a[i]), lo = D_f32(b[i]); OUT_##d(hi) << 16 | OUT_##d(lo); })); }
PACK16(cvt_f16x2, f16)
PACK16(cvt_bf16x2, bf16)

#define M_PACK (M_RN | M_RZ | M_RELU | M_SATFINITE)
#define X(s, d) FORM("cvt." #d "." #s, cvt_##d##_##s, ""),
#define Y(d, ...) INTS(X, d) FLOATS(X, d)

const struct sg_form SG_TABLE(sg_forms_cvt)[] = {
	INTS2(Y, ) FLOATS2(Y, )
	{ "cvt.f16x2.f32", cvt_f16x2, NULL, M_PACK, "w=ff" }, { "cvt.bf16x2.f32", cvt_bf16x2, NULL, M_PACK, "w=ff" },
	FORM_END
};
