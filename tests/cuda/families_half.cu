/* SPDX-License-Identifier: MIT */
/* families_half.cu - f16, bf16, tf32 and fp8: arithmetic of pairs, and conversions of every rounding and NaN */
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "families.h"

#define HALVES "{.reg .b16 a, b, c, d; mov.b32 {a, c}, %1; mov.b32 {b, d}, %2; "
#define FLOAT_ROW(want, text) ROW_AS("=f", "f", want, text)

static float number(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return f;
}

static uint32_t bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

/* The two formats: to double, and back correctly rounded, a NaN as the device makes it. */
struct f16 {
	static double value(uint32_t x) { return __half2float(__ushort_as_half((unsigned short)x)); }
	static uint32_t of(double v) { return isnan(v) ? 0x7fff : __half_as_ushort(__double2half(v)); }
};

struct bf16 {
	static double value(uint32_t x) { return number(x << 16); }
	static uint32_t of(double v) { return isnan(v) ? 0x7fff : __bfloat16_as_ushort(__double2bfloat16(v)); }
};

template <class H, class F> static uint32_t pairs(uint32_t x, uint32_t y, uint32_t z, F f)
{
	return H::of(f(H::value(x), H::value(y), H::value(z))) |
	       H::of(f(H::value(x >> 16), H::value(y >> 16), H::value(z >> 16))) << 16;
}

static double plus(double a, double b, double) { return a + b; }
static double minus(double a, double b, double) { return a - b; }
static double times(double a, double b, double) { return a * b; }
static double fused(double a, double b, double c) { return fma(a, b, c); }
static double positive(double a, double b, double c) { double r = fma(a, b, c); return r > 0 ? r : isnan(r) ? r : 0; }
static double clamped(double a, double b, double) { return a + b > 0 ? fmin(a + b, 1) : 0; }
static double least(double a, double b, double) { return isnan(a) ? b : isnan(b) ? a : a == b ? (signbit(a) ? a : b) : fmin(a, b); }
static double nan_or_most(double a, double b, double) { return isnan(a) || isnan(b) ? NAN : a == b ? (signbit(a) ? b : a) : fmax(a, b); }
static double fma_of_constants(double a, double, double) { return fma(a, 1.5, 0.25); }

__host__ __device__ static uint32_t *pairs_of_f16(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	ROW(pairs<f16>(x, y, z, plus), "add.rn.f16x2 %0, %1, %2;");
	ROW(pairs<f16>(x, y, z, minus), "sub.f16x2 %0, %1, %2;");
	ROW(pairs<f16>(x, y, z, times), "mul.f16x2 %0, %1, %2;");
	ROW(pairs<f16>(x, y, z, fused), "fma.rn.f16x2 %0, %1, %2, %3;");
	ROW(pairs<f16>(x, y, z, clamped), "add.sat.f16x2 %0, %1, %2;");
	ROW(pairs<f16>(x, y, z, plus) & 65535, HALVES "add.f16 a, a, b; cvt.u32.u16 %0, a; }");
	ROW(f16::of(fma_of_constants(f16::value(x), 0, 0)), HALVES "mov.b16 b, 0x3e00; mov.b16 c, 0x3400; fma.rn.f16 a, a, b, c; cvt.u32.u16 %0, a; }");
	ROW((x & 0x7bff7bff) ^ 0x80008000, "{.reg .b32 q; and.b32 q, %1, 0x7bff7bff; neg.f16x2 %0, q; }");
	ROW(x & 0x7bff7bff, "{.reg .b32 q; and.b32 q, %1, 0xfbfffbff; abs.f16x2 %0, q; }");
	ROW(f16::value(x) < f16::value(y), HALVES ".reg .pred p; setp.lt.f16 p, a, b; selp.u32 %0, 1, 0, p; }");
	ROW((f16::value(x) >= f16::value(y)) + 2 * (f16::value(x >> 16) >= f16::value(y >> 16)),
	    "{.reg .pred p, q; .reg .b32 i, j; setp.ge.f16x2 p|q, %1, %2; selp.u32 i, 1, 0, p; selp.u32 j, 2, 0, q; add.u32 %0, i, j; }");
	ROW((f16::value(x) != f16::value(y) && !isnan(f16::value(x)) && !isnan(f16::value(y)) ? 0x3c00 : 0),
	    "{.reg .b32 q; set.ne.f16x2.f16x2 q, %1, %2; and.b32 %0, q, 0xffff; }");
	if (PTX_ARCH >= 80) {
		ROW(pairs<f16>(x, y, z, least), "min.f16x2 %0, %1, %2;");
		ROW(pairs<f16>(x, y, z, nan_or_most), "max.NaN.f16x2 %0, %1, %2;");
		ROW(pairs<f16>(x, y, z, positive), "fma.rn.relu.f16x2 %0, %1, %2, %3;");
	} else {
		SKIP_ROW();
		SKIP_ROW();
		SKIP_ROW();
	}
	return out;
}

__host__ __device__ static uint32_t *pairs_of_bf16(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	if (PTX_ARCH >= 80) {
		ROW(pairs<bf16>(x, y, z, fused), "fma.rn.bf16x2 %0, %1, %2, %3;");
		ROW(pairs<bf16>(x, y, z, positive), "fma.rn.relu.bf16x2 %0, %1, %2, %3;");
		ROW(pairs<bf16>(x, y, z, least), "min.bf16x2 %0, %1, %2;");
		ROW(pairs<bf16>(x, y, z, nan_or_most), "max.NaN.bf16x2 %0, %1, %2;");
		ROW((x & 0xbf7fbf7f) ^ 0x80008000, "{.reg .b32 q; and.b32 q, %1, 0xbf7fbf7f; neg.bf16x2 %0, q; }");
		ROW(x & 0x3f7f3f7f, "{.reg .b32 q; and.b32 q, %1, 0xbf7fbf7f; abs.bf16x2 %0, q; }");
	}
	if (PTX_ARCH >= 90) {
		ROW(pairs<bf16>(x, y, z, plus), "add.rn.bf16x2 %0, %1, %2;");
		ROW(pairs<bf16>(x, y, z, minus), "sub.rn.bf16x2 %0, %1, %2;");
		ROW(pairs<bf16>(x, y, z, times), "mul.rn.bf16x2 %0, %1, %2;");
		ROW(bf16::value(x) < bf16::value(y), HALVES ".reg .pred p; setp.lt.bf16 p, a, b; selp.u32 %0, 1, 0, p; }");
	}
	SKIP_ROW();
	return out;
}

/* A conversion of the float in x that leaves 16 or 8 bits. */
#define SHORTER(what) "{.reg .b16 h; cvt." what ".f32 h, %1; cvt.u32.u16 %0, h; }"

static uint32_t f16_of(float v, __half h) { return isnan(v) ? 0x7fff : __half_as_ushort(h); }
static uint32_t fp8_of(float v, __nv_fp8_interpretation_t kind) { return __nv_cvt_float_to_fp8(v, __NV_SATFINITE, kind); }

static uint32_t of_fp8(uint32_t x, __nv_fp8_interpretation_t kind)
{
	uint32_t r = 0;

	for (int i = 0; i < 2; i++) {
		uint32_t h = __nv_cvt_fp8_to_halfraw((unsigned char)(x >> 8 * i), kind).x;

		r |= ((h & 0x7fff) > 0x7c00 ? 0x7fff : h) << 16 * i;
	}
	return r;
}

/* Half away from zero of ten bits of mantissa; which NaN a NaN gives, PTX does not say. */
static uint32_t tf32_of(uint32_t x)
{
	return isnan(number(x)) ? 0 : isinf(number(x)) ? x : (x + 0x1000) & ~0x1fffu;
}

static uint32_t bf16_down(uint32_t x) { return isnan(number(x)) ? 0x7fff : x >> 16; }
static float positive_of(float v) { return v > 0 || isnan(v) ? v : 0; }

__host__ __device__ static uint32_t *shorter(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	ROW(f16_of(number(x), __float2half_rn(number(x))), SHORTER("rn.f16"));
	ROW(f16_of(number(x), __float2half_rz(number(x))), SHORTER("rz.f16"));
	ROW(bits(f16::value(x)) & (isnan(f16::value(x)) ? 0 : ~0u),
	    HALVES ".reg .pred p; cvt.f32.f16 %0, a; testp.notanumber.f32 p, %0; selp.b32 %0, 0, %0, p; }");
	ROW(f16::of((int32_t)x), "{.reg .b16 h; cvt.rn.f16.s32 h, %1; cvt.u32.u16 %0, h; }");
	ROW(isnan(f16::value(x)) ? 0 : (uint32_t)(int32_t)rint(isinf(f16::value(x)) ? copysign(0x7fffffff, f16::value(x)) - signbit(f16::value(x)) : f16::value(x)),
	    HALVES "cvt.rni.s32.f16 %0, a; }");
	ROW(f16::of(rint(f16::value(x))), HALVES "cvt.rni.f16.f16 a, a; cvt.u32.u16 %0, a; }");
	if (PTX_ARCH >= 80) {
		ROW(bf16::of(number(x)), SHORTER("rn.bf16"));
		ROW(bf16_down(x), SHORTER("rz.bf16"));
		ROW(bf16::of(positive_of(number(x))), SHORTER("rn.relu.bf16"));
		ROW(f16::of(number(y)) | f16::of(number(x)) << 16, "cvt.rn.f16x2.f32 %0, %1, %2;");
		ROW(bf16::of(number(y)) | bf16::of(number(x)) << 16, "cvt.rn.bf16x2.f32 %0, %1, %2;");
		ROW(tf32_of(x), "{.reg .pred p; testp.notanumber.f32 p, %1; cvt.rna.tf32.f32 %0, %1; selp.b32 %0, 0, %0, p; }");
	}
	if (PTX_ARCH >= 90) {
		ROW(fp8_of(number(y), __NV_E4M3) | fp8_of(number(x), __NV_E4M3) << 8,
		    "{.reg .b16 h; cvt.rn.satfinite.e4m3x2.f32 h, %1, %2; cvt.u32.u16 %0, h; }");
		ROW(fp8_of(number(y), __NV_E5M2) | fp8_of(number(x), __NV_E5M2) << 8,
		    "{.reg .b16 h; cvt.rn.satfinite.e5m2x2.f32 h, %1, %2; cvt.u32.u16 %0, h; }");
		ROW(of_fp8(x, __NV_E4M3), HALVES "cvt.rn.f16x2.e4m3x2 %0, a; }");
		ROW(of_fp8(x, __NV_E5M2), HALVES "cvt.rn.f16x2.e5m2x2 %0, a; }");
		ROW(bits(bf16::value(x)) & (isnan(bf16::value(x)) ? 0 : ~0u),
		    HALVES ".reg .pred p; cvt.f32.bf16 %0, a; testp.notanumber.f32 p, %0; selp.b32 %0, 0, %0, p; }");
	}
	return out;
}

/* To whole numbers: beyond the ends they stay at the ends, and a NaN is 0. */
static double held(double v, double low, double high) { return isnan(v) ? 0 : fmin(fmax(v, low), high); }

__host__ __device__ static uint32_t *whole_numbers(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	ROW((int32_t)held(rint(number(x)), INT32_MIN, INT32_MAX), "cvt.rni.s32.f32 %0, %1;");
	ROW((int32_t)held(trunc(number(x)), INT32_MIN, INT32_MAX), "cvt.rzi.s32.f32 %0, %1;");
	ROW((uint32_t)held(floor(number(x)), 0, UINT32_MAX), "cvt.rmi.u32.f32 %0, %1;");
	ROW((uint32_t)held(ceil(number(x)), 0, UINT32_MAX), "cvt.rpi.u32.f32 %0, %1;");
	ROW((uint32_t)(int32_t)held(trunc(number(x)), -32768, 32767), "{.reg .s16 h; cvt.rzi.s16.f32 h, %1; cvt.s32.s16 %0, h; }");
	ROW(bits((float)x), "cvt.rn.f32.u32 %0, %1;");
	ROW(bits((float)(int32_t)x), "cvt.rn.f32.s32 %0, %1;");
	ROW((uint32_t)(int8_t)x, "cvt.s32.s8 %0, %1;");
	ROW((uint32_t)held((int32_t)x, 0, 255), "{.reg .u16 h; cvt.sat.u8.s32 h, %1; cvt.u32.u8 %0, h; }");
	ROW((uint32_t)(int32_t)held(x, -32768, 32767), "{.reg .s16 h; cvt.sat.s16.u32 h, %1; cvt.s32.s16 %0, h; }");
	ROW(bits((float)(((uint64_t)y << 32) | x)), "{.reg .b64 q; mov.b64 q, {%1, %2}; cvt.rn.f32.u64 %0, q; }");
	ROW((uint32_t)((int64_t)held(trunc(number(x)), -0x1p63, 0x1.fffffffffffffp62) >> 16),
	    "{.reg .b64 q; .reg .pred p; testp.number.f32 p, %1; cvt.rzi.s64.f32 q, %1; shr.s64 q, q, 16; selp.b64 q, q, 0, p; cvt.u32.u64 %0, q; }");
	ROW((uint32_t)held((double)(int32_t)x * 0.5, 0, UINT32_MAX), "{.reg .f64 d; cvt.rn.f64.s32 d, %1; mul.f64 d, d, 0d3fe0000000000000; cvt.rzi.u32.f64 %0, d; }");
	return out;
}

/* Of x in [-1, 1]; of bfloat16 twice as far as of half. */
__host__ __device__ static float *near_f16(int, float x, float y, float z, const float *, float *out)
{
	float r;

	FLOAT_ROW(tanh(f16::value(f16::of(x))), "{.reg .b16 h; cvt.rn.f16.f32 h, %1; tanh.approx.f16 h, h; cvt.f32.f16 %0, h; }");
	FLOAT_ROW(exp2(f16::value(f16::of(x))), "{.reg .b16 h; cvt.rn.f16.f32 h, %1; ex2.approx.f16 h, h; cvt.f32.f16 %0, h; }");
	FLOAT_ROW(exp2(f16::value(f16::of(x))), "{.reg .b16 h, i; .reg .b32 q; cvt.rn.f16.f32 h, %1; mov.b32 q, {h, h}; ex2.approx.f16x2 q, q; mov.b32 {i, h}, q; cvt.f32.f16 %0, h; }");
	return out;
}

__host__ __device__ static float *near_bf16(int, float x, float y, float z, const float *, float *out)
{
	float r;

	if (PTX_ARCH >= 90) {
		FLOAT_ROW(tanh(bf16::value(bf16::of(x))), "{.reg .b16 h; cvt.rn.bf16.f32 h, %1; tanh.approx.bf16 h, h; cvt.f32.bf16 %0, h; }");
		FLOAT_ROW(exp2(bf16::value(bf16::of(x))), "{.reg .b16 h; cvt.rn.bf16.f32 h, %1; ex2.approx.ftz.bf16 h, h; cvt.f32.bf16 %0, h; }");
	}
	SKIP_ROW();
	return out;
}

int main(void)
{
	static const struct bound f16_bound = { "f32:abs:0.0031", 0, 0.0026 }, bf16_bound = { "f32:abs:0.024", 0, 0.02 };
	static uint32_t words[3 * N];
	static float f[3 * N];

	random_bits(words, 3 * N);
	for (int i = 5; i < 3 * N; i++)		/* halves of every exponent, too */
		words[i] ^= (uint32_t)random_u64();
	check_rows<uint32_t, uint32_t, pairs_of_f16>("f16", words);
	check_rows<uint32_t, uint32_t, pairs_of_bf16>("bf16", words);
	random_bits(words, N);
	check_rows<uint32_t, uint32_t, whole_numbers>("whole numbers", words);
	for (int i = 0; i < 2 * N; i++)		/* numbers that shorter formats have */
		if (i > 5)
			words[i] = bits(ldexpf(1 + random_below(1 << 12) * 0x1p-12f, (int)random_below(40) - 24)) | random_below(2) << 31;
	words[6] = 0x7f800000;
	words[7] = 0xff800000;
	words[8] = 0x7fc12345;
	words[9] = bits(65520);		/* the first that is no half */
	words[10] = bits(0x1p-25f);	/* half of the least */
	words[11] = bits(448 + 16);	/* between the largest e4m3 and the next */
	check_rows<uint32_t, uint32_t, shorter>("shorter floats", words);
	for (int i = 0; i < 3 * N; i++)
		f[i] = random_below(1 << 21) * 0x1p-20f - 1;
	check_rows<float, float, near_f16>("f16 tanh and ex2", f, &f16_bound);
	check_rows<float, float, near_bf16>("bf16 tanh and ex2", f, &bf16_bound);
	return pass();
}
