/* SPDX-License-Identifier: MIT */
/*
 * exec_fp8.c - conversions to and from e4m3, e5m2 and tf32, and cvt.pack (PTX ISA 9.7.9.21,
 * 9.7.9.22)
 *
 * e4m3 has no infinity: its largest number is 448, and one code beyond is NaN. Both formats are
 * always clamped to their largest number.
 */
#include "half.h"

#define E4M3_MAX 0x7e
#define E5M2_MAX 0x7b
#define FP8_NAN 0x7f
#define TF32_MAX 0x7f7fe000u

/* The nearest number of mb mantissa bits; the value is exact in a double. */
static inline uint32_t fp8_round(double v, int bias, int mb, uint32_t max, uint32_t mods)
{
	uint64_t u = f64_bits(v);
	uint32_t sign = (uint32_t)(u >> 63) << 7, bits;
	int e = (int)(u >> 52 & 0x7ff) - 1023;

	if (v != v)
		return FP8_NAN;
	if (mods & M_RELU && sign)
		return 0;
	if (e > 16)
		return sign | max;
	if (e < 1 - bias)
		e = 1 - bias;
	/* a subnormal is a normal number without its hidden bit */
	bits = ((uint32_t)(e + bias - 1) << mb) + (uint32_t)__builtin_rint(ldexp(fabs(v), mb - e));
	return sign | (bits < max ? bits : max);
}

#define TO_E4M3(v) fp8_round(v, 7, 3, E4M3_MAX, in->mods)
#define TO_E5M2(v) fp8_round(v, 15, 2, E5M2_MAX, in->mods)

static inline uint32_t relu16(uint32_t h, uint32_t mods)
{
	return mods & M_RELU && h & 0x8000 ? 0 : h;
}

static inline uint32_t e5m2_to_f16(uint32_t b, uint32_t mods)
{
	return (b & 0x7f) > 0x7c ? HALF_NAN : relu16((b & 0xff) << 8, mods);
}

static inline uint32_t e4m3_to_f16(uint32_t b, uint32_t mods)
{
	uint32_t e = b >> 3 & 15, m = b & 7, sign = (b & 0x80) << 8;

	if ((b & 0x7f) == FP8_NAN)
		return HALF_NAN;
	return relu16(sign | (e ? (e + 8) << 10 | m << 7 : f32_to_f16((float)m * 0x1p-9f)), mods);
}

#define FP8(t, T) \
	BIN(t##x2_f32, uint32_t, float, float, TO_##T(a) << 8 | TO_##T(b)) \
	UN(t##x2_f16x2, uint32_t, uint32_t, TO_##T(f16_to_f32(a >> 16)) << 8 | TO_##T(f16_to_f32(a & 0xffff))) \
	UN(f16x2_##t##x2, uint32_t, uint32_t, t##_to_f16(a >> 8, in->mods) << 16 | t##_to_f16(a, in->mods))
FP8(e4m3, E4M3)
FP8(e5m2, E5M2)

/* tf32 is an f32 of which 10 mantissa bits count. */
static inline uint32_t to_tf32(uint32_t u, uint32_t mods)
{
	uint32_t add = mods & M_RNA ? 0x1000 : mods & M_RN ? 0xfff + (u >> 13 & 1) : 0, r;

	if ((u & 0x7fffffff) > 0x7f800000)	/* .rna only cuts it off */
		return (mods & M_RNA ? u : F32_NAN) & ~0x1fffu;
	if (mods & M_RELU && u >> 31)
		return 0;
	r = (u & 0x7fffffff) == 0x7f800000 ? u : (u + add) & ~0x1fffu;
	if (mods & M_SATFINITE && (r & 0x7fffffff) == 0x7f800000)
		r = (u & 0x80000000) | TF32_MAX;
	return r;
}

UN(tf32_f32, uint32_t, uint32_t, to_tf32(a, in->mods))

static inline uint32_t clamp(int32_t v, int32_t lo, int32_t hi, uint32_t bits)
{
	return (uint32_t)(v < lo ? lo : v > hi ? hi : v) & ((1u << bits) - 1);
}

/* a above b, above that as much of c as there is room for */
#define PACK_C(t, lo, hi, bits) \
	TER(pack_##t, uint32_t, int32_t, int32_t, uint32_t, \
	    c << 2 * bits | clamp(a, lo, hi, bits) << bits | clamp(b, lo, hi, bits))
PACK_C(u8, 0, 255, 8)
PACK_C(s8, -128, 127, 8)
PACK_C(u4, 0, 15, 4)
PACK_C(s4, -8, 7, 4)
PACK_C(u2, 0, 3, 2)
PACK_C(s2, -2, 1, 2)
BIN(pack_u16, uint32_t, int32_t, int32_t, clamp(a, 0, 65535, 16) << 16 | clamp(b, 0, 65535, 16))
BIN(pack_s16, uint32_t, int32_t, int32_t, clamp(a, -32768, 32767, 16) << 16 | clamp(b, -32768, 32767, 16))

#define M_FP8 (M_RN | M_RELU | M_SATFINITE)
#define FP8_ROWS(t) \
	{ "cvt." #t "x2.f32", t##x2_f32, NULL, M_FP8, "h=ff" }, { "cvt." #t "x2.f16x2", t##x2_f16x2, NULL, M_FP8, "h=w" }, \
	{ "cvt.f16x2." #t "x2", f16x2_##t##x2, NULL, M_RN | M_RELU, "w=h" }
#define PACK_ROW(t) { "cvt.pack." #t ".s32.b32", pack_##t, NULL, M_SAT, "w=www" }

const struct sg_form SG_TABLE(sg_forms_fp8)[] = {
	FP8_ROWS(e4m3), FP8_ROWS(e5m2),
	{ "cvt.tf32.f32", tf32_f32, NULL, M_RN | M_RZ | M_RNA | M_RELU | M_SATFINITE, "w=f" },
	PACK_ROW(u8), PACK_ROW(s8), PACK_ROW(u4), PACK_ROW(s4), PACK_ROW(u2), PACK_ROW(s2),
	{ "cvt.pack.u16.s32", pack_u16, NULL, M_SAT, "w=ww" }, { "cvt.pack.s16.s32", pack_s16, NULL, M_SAT, "w=ww" },
	FORM_END
};
