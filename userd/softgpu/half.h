/* SPDX-License-Identifier: MIT */
/*
 * half.h - 16-bit floating point numbers, exactly rounded
 */
#ifndef SOFTGPU_HALF_H
#define SOFTGPU_HALF_H

#include <math.h>

#include "exec.h"

#define HALF_NAN 0x7fff		/* the canonical NaN of f16 and bf16 */

/* Rounds a double to a format of eb exponent and mb mantissa bits, once. */
static inline uint32_t half_round(double v, int eb, int mb, uint32_t mods)
{
	uint64_t u = f64_bits(v);
	uint32_t sign = (uint32_t)(u >> 63) << 15, inf = ((1u << eb) - 1) << mb, bits, n;
	int e = (int)(u >> 52 & 0x7ff) - 1023, bias = (1 << (eb - 1)) - 1, q;
	bool up;
	double x, rem;

	if (v != v)
		return HALF_NAN;
	if (e == 1024)
		return sign | inf;
	if (e > bias + 1)
		e = bias + 1;		/* overflows whatever the rest is */
	q = (e < 1 - bias ? 1 - bias : e) - mb;
	x = ldexp(fabs(v), -q);
	if (x >= (double)(2u << mb))
		x = (double)(2u << mb) - 0.5;
	n = (uint32_t)x;
	rem = x - n;
	if (mods & M_RZ)
		up = false;
	else if (mods & M_RM)
		up = sign && rem > 0;
	else if (mods & M_RP)
		up = !sign && rem > 0;
	else
		up = rem > 0.5 || (rem == 0.5 && (n & 1));
	n += up;
	bits = e < 1 - bias ? n : ((uint32_t)(e + bias) << mb) + n - (1u << mb);
	if (bits >= inf) {
		bool away = (mods & M_RZ)   ? false
			    : (mods & M_RM) ? sign != 0
			    : (mods & M_RP) ? !sign
					    : true;

		bits = away ? inf : inf - 1;
	}
	return sign | bits;
}

static inline float f16_to_f32(uint32_t h)
{
	uint32_t sign = (h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;

	if (e == 31)
		return f32_of(sign | 0x7f800000 | m << 13);
	if (!e)		/* subnormal: m * 2^-24, exact */
		return f32_of(sign | f32_bits((float)m * 0x1p-24f));
	return f32_of(sign | (e + 112) << 23 | m << 13);
}

static inline float bf16_to_f32(uint32_t h)
{
	return f32_of(h << 16);
}

static inline uint32_t f32_to_f16(float f)
{
#ifdef __clang__	/* which has no _Float16 on x86 in the version that fuzzes */
	return half_round(f, 5, 10, 0);
#else
	_Float16 h = (_Float16)f;
	uint16_t u;

	memcpy(&u, &h, sizeof(u));
	return f == f ? u : HALF_NAN;
#endif
}

static inline uint32_t f32_to_bf16(float f)
{
	uint32_t u = f32_bits(f);

	return f == f ? (u + 0x7fff + (u >> 16 & 1)) >> 16 : HALF_NAN;
}

/*
 * a * b + c as a double whose last bit is sticky, so that one more rounding is right. The product
 * of halves is exact.
 */
static inline double fma_odd(float a, float b, float c)
{
	double p = (double)a * b, s = p + c, t = s - p, err = (p - (s - t)) + (c - t);
	uint64_t u = f64_bits(s);

	if (err != 0 && !(u & 1) && s - s == 0)
		s = f64_of((err > 0) == (s > 0) ? u | 1 : u - 1);
	return s;
}

#endif
