/* SPDX-License-Identifier: MIT */
/*
 * exec_video.c - video instructions, scalar and SIMD (PTX ISA 9.7.18)
 *
 * Values of up to 33 bits are computed in 64; only the products of vmad and the shifts need more.
 */
#include "exec.h"
#include "video.h"

typedef __int128 i128;

static inline int64_t part(uint64_t v, struct sg_part p, bool is_signed)
{
	v = v >> p.shift << (64 - p.bits);
	return is_signed ? (int64_t)v >> (64 - p.bits) : (int64_t)(v >> (64 - p.bits));
}

static inline int64_t saturate(i128 v, uint32_t bits, bool is_signed)
{
	int64_t lo = is_signed ? -(1ll << (bits - 1)) : 0,
		hi = is_signed ? (1ll << (bits - 1)) - 1 : (1ll << bits) - 1;

	return v < lo ? lo : v > hi ? hi : (int64_t)v;
}

static inline bool compare(int64_t a, int64_t b, uint32_t cmp)
{
	switch (cmp) {
	case VIDEO_EQ:
		return a == b;
	case VIDEO_NE:
		return a != b;
	case VIDEO_LT:
		return a < b;
	case VIDEO_LE:
		return a <= b;
	case VIDEO_GT:
		return a > b;
	default:
		return a >= b;
	}
}

static inline i128 operate(const struct sg_video *v, int64_t a, int64_t b)
{
	switch (v->op) {
	case VIDEO_ADD:
		return a + b;
	case VIDEO_SUB:
		return a - b;
	case VIDEO_ABSDIFF:
		return a < b ? b - a : a - b;
	case VIDEO_MIN:
		return a < b ? a : b;
	case VIDEO_MAX:
		return a > b ? a : b;
	case VIDEO_AVRG:
		return (a + b + (a + b >= 0)) >> 1;
	case VIDEO_SHL: case VIDEO_SHR:
		b = v->wrap ? b & 31 : b > 32 ? 32 : b;
		return v->op == VIDEO_SHL ? (i128)a * ((i128)1 << b) : (i128)(a >> b);
	default:
		return compare(a, b, v->cmp);
	}
}

static inline uint32_t scalar(const struct sg_video *v, uint32_t a, uint32_t b, uint32_t c)
{
	i128 t = operate(v, part(a, v->a, v->a_signed), part(b, v->b, v->b_signed));
	int64_t wide_c = v->d_signed ? (int32_t)c : (int64_t)c,
		r = v->sat ? saturate(t, v->d.bits, v->d_signed) : (int64_t)t;
	uint32_t field;

	if (v->merge) {
		field = v->d.bits == 32 ? UINT32_MAX : ((1u << v->d.bits) - 1) << v->d.shift;
		return ((uint32_t)r << v->d.shift & field) | (c & ~field);
	}
	switch (v->second) {
	case VIDEO_THEN_ADD:
		return (uint32_t)(r + wide_c);
	case VIDEO_THEN_MIN:
		return (uint32_t)(r < wide_c ? r : wide_c);
	case VIDEO_THEN_MAX:
		return (uint32_t)(r > wide_c ? r : wide_c);
	default:
		return (uint32_t)r;
	}
}

/* PTX ISA 9.7.18.1: a negated product or c is its complement, and one more. */
static inline uint32_t multiply_add(const struct sg_video *v, uint32_t a, uint32_t b, uint32_t c)
{
	bool is_signed = v->a_signed || v->b_signed || v->minus_product || v->minus_c;
	i128 t = (i128)part(a, v->a, v->a_signed) * part(b, v->b, v->b_signed);

	if (v->minus_product)
		t = ~t;
	else if (v->minus_c)
		c = ~c;
	t += (is_signed ? (i128)(int32_t)c : (i128)c) +
	     (v->minus_product || v->minus_c || v->plus_one);
	t >>= v->shift;
	return (uint32_t)(v->sat ? saturate(t, 32, is_signed) : (int64_t)t);
}

static inline uint32_t simd(const struct sg_video *v, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t bits = 32u / v->lanes, field = (1u << bits) - 1, r = v->second ? c : 0;
	uint64_t both = (uint64_t)b << 32 | a;

	for (uint32_t i = 0; i < v->lanes; i++) {
		struct sg_part pa = { (uint8_t)(v->a_sel[i] * bits), (uint8_t)bits };
		struct sg_part pb = { (uint8_t)(v->b_sel[i] * bits), (uint8_t)bits };
		int64_t t = (int64_t)operate(v, part(both, pa, v->a_signed),
					     part(both, pb, v->b_signed));

		if (v->sat)
			t = saturate(t, bits, v->d_signed);
		if (v->second)
			r += v->mask >> i & 1 ? (uint32_t)t : 0;
		else
			r |= v->mask >> i & 1 ? ((uint32_t)t & field) << i * bits
					      : c & field << i * bits;
	}
	return r;
}

#define VIDEO(fn, eval) EXEC(fn) { \
	const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2), *c = SG_ROW(uint32_t, 3); \
	uint32_t *d = SG_ROW(uint32_t, 0); \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m); \
		d[i] = eval(in->aux, a[i], b[i], c[i]); \
	} \
	return SG_OK; }
VIDEO(do_scalar, scalar)
VIDEO(do_mad, multiply_add)
VIDEO(do_simd, simd)

const struct sg_form SG_TABLE(sg_forms_video)[] = {
	FORM("@video", do_scalar, ""), FORM("@video.mad", do_mad, ""), FORM("@video.simd", do_simd, ""),
	FORM_END
};
