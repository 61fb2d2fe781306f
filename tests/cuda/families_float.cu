/* SPDX-License-Identifier: MIT */
/*
 * families_float.cu - f32 and f64: every rounding, .ftz, .sat, NaN; and the approximate instructions
 *
 * Bounds are those of the PTX ISA (9.7.3), in units in the last place of a number whose mantissa is
 * the worst one, and one unit more in a dump, as two devices may err to opposite sides.
 */
#include <fenv.h>
#include <float.h>

#include "families.h"

#define FLOAT_ROW(want, text) ROW_AS("=f", "f", want, text)
#define DOUBLE_ROW(want, text) ROW_AS("=d", "d", want, text)

/* f of volatile numbers, in a rounding mode of <fenv.h>. */
template <class T, class F> static T directed(int mode, T x, T y, T z, F f)
{
	volatile T a = x, b = y, c = z, r;

	fesetround(mode);
	r = f(a, b, c);
	fesetround(FE_TONEAREST);
	return r;
}

#define DIRECTED(mode, T, expression) directed<T>(mode, x, y, z, [](T a, T b, T c) -> T { (void)b; (void)c; return expression; })

static float flushed(float x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }
static float saturated(float x) { return x > 0 ? fminf(x, 1) : 0; }

template <class T> static T least(T x, T y)
{
	return isnan(x) ? y : isnan(y) ? x : x == y ? (signbit(x) ? x : y) : x < y ? x : y;
}

template <class T> static T most(T x, T y) { return -least(-x, -y); }

__host__ __device__ static float *singles(int, float x, float y, float z, const float *, float *out)
{
	float r;

	FLOAT_ROW(x + y, "add.rn.f32 %0, %1, %2;");
	FLOAT_ROW(DIRECTED(FE_TOWARDZERO, float, a + b), "add.rz.f32 %0, %1, %2;");
	FLOAT_ROW(DIRECTED(FE_DOWNWARD, float, a - b), "sub.rm.f32 %0, %1, %2;");
	FLOAT_ROW(DIRECTED(FE_UPWARD, float, a + b), "add.rp.f32 %0, %1, %2;");
	FLOAT_ROW(flushed(flushed(x) + flushed(y)), "add.ftz.f32 %0, %1, %2;");
	FLOAT_ROW(saturated(x + y), "add.sat.f32 %0, %1, %2;");
	FLOAT_ROW(x * y, "mul.rn.f32 %0, %1, %2;");
	FLOAT_ROW(DIRECTED(FE_DOWNWARD, float, a * b), "mul.rm.f32 %0, %1, %2;");
	FLOAT_ROW(saturated(x * y), "mul.sat.f32 %0, %1, %2;");
	FLOAT_ROW(fmaf(x, y, z), "fma.rn.f32 %0, %1, %2, %3;");
	FLOAT_ROW(DIRECTED(FE_TOWARDZERO, float, fmaf(a, b, c)), "fma.rz.f32 %0, %1, %2, %3;");
	FLOAT_ROW(DIRECTED(FE_UPWARD, float, fmaf(a, b, c)), "fma.rp.f32 %0, %1, %2, %3;");
	FLOAT_ROW(saturated(fmaf(x, y, z)), "fma.rn.sat.f32 %0, %1, %2, %3;");
	FLOAT_ROW(fmaf(x, y, z), "mad.rn.f32 %0, %1, %2, %3;");
	FLOAT_ROW(x / y, "div.rn.f32 %0, %1, %2;");
	FLOAT_ROW(DIRECTED(FE_TOWARDZERO, float, a / b), "div.rz.f32 %0, %1, %2;");
	FLOAT_ROW(sqrtf(x), "sqrt.rn.f32 %0, %1;");
	FLOAT_ROW(DIRECTED(FE_DOWNWARD, float, sqrtf(a)), "sqrt.rm.f32 %0, %1;");
	FLOAT_ROW(1 / x, "rcp.rn.f32 %0, %1;");
	FLOAT_ROW(DIRECTED(FE_UPWARD, float, 1 / a), "rcp.rp.f32 %0, %1;");
	FLOAT_ROW(least(x, y), "min.f32 %0, %1, %2;");
	FLOAT_ROW(most(x, y), "max.f32 %0, %1, %2;");
	FLOAT_ROW(most(flushed(x), flushed(y)), "max.ftz.f32 %0, %1, %2;");
	FLOAT_ROW(isnan(x) ? 0 : fabsf(x), "{.reg .pred p; testp.notanumber.f32 p, %1; abs.f32 %0, %1; selp.f32 %0, 0f00000000, %0, p; }");
	FLOAT_ROW(isnan(x) ? 0 : -x, "{.reg .pred p; testp.notanumber.f32 p, %1; neg.f32 %0, %1; selp.f32 %0, 0f00000000, %0, p; }");
	FLOAT_ROW(isnan(y) ? 0 : copysignf(y, x), "{.reg .pred p; testp.notanumber.f32 p, %2; copysign.f32 %0, %1, %2; selp.f32 %0, 0f00000000, %0, p; }");
	FLOAT_ROW(isfinite(x), "{.reg .pred p; testp.finite.f32 p, %1; selp.f32 %0, 0f3f800000, 0f00000000, p; }");
	FLOAT_ROW(!isnan(x) && fpclassify(x) == FP_SUBNORMAL, "{.reg .pred p; testp.subnormal.f32 p, %1; selp.f32 %0, 0f3f800000, 0f00000000, p; }");
	FLOAT_ROW(!(x >= y), "{.reg .pred p; setp.ltu.f32 p, %1, %2; selp.f32 %0, 0f3f800000, 0f00000000, p; }");
	FLOAT_ROW(isnan(x) || isnan(y), "{.reg .pred p; setp.nan.f32 p, %1, %2; selp.f32 %0, 0f3f800000, 0f00000000, p; }");
	FLOAT_ROW(x != y && !isnan(x) && !isnan(y), "set.ne.f32.f32 %0, %1, %2;");
	FLOAT_ROW(rintf(x), "cvt.rni.f32.f32 %0, %1;");
	FLOAT_ROW(truncf(x), "cvt.rzi.f32.f32 %0, %1;");
	FLOAT_ROW(floorf(x), "cvt.rmi.f32.f32 %0, %1;");
	FLOAT_ROW(ceilf(x), "cvt.rpi.f32.f32 %0, %1;");
	FLOAT_ROW(saturated(x), "cvt.sat.f32.f32 %0, %1;");
	FLOAT_ROW((float)((double)x * y), "{.reg .f64 a, b; cvt.f64.f32 a, %1; cvt.f64.f32 b, %2; mul.rn.f64 a, a, b; cvt.rn.f32.f64 %0, a; }");
	if (PTX_ARCH >= 80)
		FLOAT_ROW(isnan(x) || isnan(y) ? NAN : least(x, y), "min.NaN.f32 %0, %1, %2;");
	else
		SKIP_ROW();
	if (PTX_ARCH >= 90)
		FLOAT_ROW(copysignf(least(fabsf(x), fabsf(y)), signbit(x) ^ signbit(y) ? -1 : 1), "min.xorsign.abs.f32 %0, %1, %2;");
	else
		SKIP_ROW();
	return out;
}

__host__ __device__ static double *doubles(int, double x, double y, double z, const double *, double *out)
{
	double r;

	DOUBLE_ROW(x + y, "add.rn.f64 %0, %1, %2;");
	DOUBLE_ROW(DIRECTED(FE_TOWARDZERO, double, a - b), "sub.rz.f64 %0, %1, %2;");
	DOUBLE_ROW(DIRECTED(FE_DOWNWARD, double, a * b), "mul.rm.f64 %0, %1, %2;");
	DOUBLE_ROW(x * y, "mul.rn.f64 %0, %1, %2;");
	DOUBLE_ROW(fma(x, y, z), "fma.rn.f64 %0, %1, %2, %3;");
	DOUBLE_ROW(DIRECTED(FE_UPWARD, double, fma(a, b, c)), "fma.rp.f64 %0, %1, %2, %3;");
	DOUBLE_ROW(x / y, "div.rn.f64 %0, %1, %2;");
	DOUBLE_ROW(DIRECTED(FE_UPWARD, double, a / b), "div.rp.f64 %0, %1, %2;");
	DOUBLE_ROW(sqrt(x), "sqrt.rn.f64 %0, %1;");
	DOUBLE_ROW(1 / x, "rcp.rn.f64 %0, %1;");
	DOUBLE_ROW(least(x, y), "min.f64 %0, %1, %2;");
	DOUBLE_ROW(most(x, y), "max.f64 %0, %1, %2;");
	DOUBLE_ROW(isnan(x) ? 0 : -fabs(x), "{.reg .pred p; testp.notanumber.f64 p, %1; abs.f64 %0, %1; neg.f64 %0, %0; selp.f64 %0, 0d0000000000000000, %0, p; }");
	DOUBLE_ROW(isnan(y) ? 0 : copysign(y, x), "{.reg .pred p; testp.notanumber.f64 p, %2; copysign.f64 %0, %1, %2; selp.f64 %0, 0d0000000000000000, %0, p; }");
	DOUBLE_ROW(x > y, "{.reg .pred p; setp.gt.f64 p, %1, %2; selp.f64 %0, 0d3ff0000000000000, 0d0000000000000000, p; }");
	DOUBLE_ROW(rint(x), "cvt.rni.f64.f64 %0, %1;");
	DOUBLE_ROW(floor(x), "cvt.rmi.f64.f64 %0, %1;");
	DOUBLE_ROW((float)x, "{.reg .f32 f; cvt.rn.f32.f64 f, %1; cvt.f64.f32 %0, f; }");
	DOUBLE_ROW(DIRECTED(FE_TOWARDZERO, double, (float)a), "{.reg .f32 f; cvt.rz.f32.f64 f, %1; cvt.f64.f32 %0, f; }");
	return out;
}

/* Of x and y in [1, 1024). */
__host__ __device__ static float *near_two_units(int, float x, float y, float z, const float *, float *out)
{
	float r;

	FLOAT_ROW(x / y, "div.approx.f32 %0, %1, %2;");
	FLOAT_ROW(x / y, "div.full.f32 %0, %1, %2;");
	FLOAT_ROW(x / y, "div.approx.ftz.f32 %0, %1, %2;");
	FLOAT_ROW(1 / x, "rcp.approx.f32 %0, %1;");
	FLOAT_ROW(1 / x, "rcp.approx.ftz.f32 %0, %1;");
	FLOAT_ROW(sqrtf(x), "sqrt.approx.f32 %0, %1;");
	FLOAT_ROW(sqrtf(x), "sqrt.approx.ftz.f32 %0, %1;");
	return out;
}

__host__ __device__ static float *near_four_units(int, float x, float y, float z, const float *, float *out)
{
	float r;

	FLOAT_ROW(1 / sqrt((double)x), "rsqrt.approx.f32 %0, %1;");
	FLOAT_ROW(1 / sqrt((double)x), "rsqrt.approx.ftz.f32 %0, %1;");
	FLOAT_ROW(exp2((double)(x * 0.0625f)), "{.reg .f32 q; mul.f32 q, %1, 0f3d800000; ex2.approx.f32 %0, q; }");
	FLOAT_ROW(exp2((double)(x * -0.0625f)), "{.reg .f32 q; mul.f32 q, %1, 0fbd800000; ex2.approx.ftz.f32 %0, q; }");
	FLOAT_ROW(log2((double)(x + 2)), "{.reg .f32 q; add.f32 q, %1, 0f40000000; lg2.approx.f32 %0, q; }");
	return out;
}

/* Of x in [-pi, pi], and its logarithm in [0.5, 2]. */
__host__ __device__ static float *near_on_a_line(int, float x, float y, float z, const float *, float *out)
{
	float r;

	FLOAT_ROW(sin((double)x), "sin.approx.f32 %0, %1;");
	FLOAT_ROW(cos((double)x), "cos.approx.f32 %0, %1;");
	FLOAT_ROW(sin((double)x), "sin.approx.ftz.f32 %0, %1;");
	FLOAT_ROW(log2((double)fmaf(x, 0.125f, 1)), "{.reg .f32 q; fma.rn.f32 q, %1, 0f3e000000, 0f3f800000; lg2.approx.ftz.f32 %0, q; }");
	return out;
}

__host__ __device__ static float *hyperbolic(int, float x, float y, float z, const float *, float *out)
{
	float r;

	FLOAT_ROW(tanh((double)x), "tanh.approx.f32 %0, %1;");
	return out;
}

__host__ __device__ static double *rough_doubles(int, double x, double y, double z, const double *, double *out)
{
	double r;

	DOUBLE_ROW(1 / x, "rcp.approx.ftz.f64 %0, %1;");
	DOUBLE_ROW(1 / sqrt(x), "rsqrt.approx.f64 %0, %1;");
	DOUBLE_ROW(1 / sqrt(x), "rsqrt.approx.ftz.f64 %0, %1;");
	return out;
}

/* What CUDA C++ makes of its functions: sequences of many of the above. Maximum errors: Programming Guide 17.1. */
__host__ __device__ static float *library(int, float x, float y, float, const float *, float *out)
{
	const float values[] = {
		expf(x), logf(fabsf(x) + 1), sinf(y * 1000000), cosf(x), powf(fabsf(x) + 0.5f, y), tanhf(x), cbrtf(x), erff(x),
		atan2f(x, y), fmodf(x, 0.75f), tgammaf(fabsf(x) + 1), hypotf(x, y), asinf(x / 4), rintf(x), exp2f(x), log1pf(x * x),
	};

	for (float v : values) {
		*out = v;
		out += N;
	}
	return out;
}

template <class T> static void edges_and_numbers(T *v, T least, T largest, T smallest)
{
	const T edges[] = { 0, (T)-0.0, 1, -1, (T)0.5, (T)INFINITY, -(T)INFINITY, (T)NAN, smallest, -smallest, least, -least, largest, -largest,
			    (T)1.5, (T)2.5, -(T)0.5 };
	const int nr = sizeof(edges) / sizeof(*edges);

	for (int i = 0; i < 3 * N; i++) {
		v[i] = ldexp((double)(int64_t)random_u64(), (int)random_below(40) - 80);
		if (i < nr || random_below(3) == 0)
			v[i] = edges[i < nr ? i : random_below(nr)];
	}
}

template <class T> static void between(T *v, double low, double high)
{
	for (int i = 0; i < 3 * N; i++)
		v[i] = low + (high - low) * (random_u64() >> 12) * 0x1p-52;
}

int main(void)
{
	static const struct bound two = { "f32:3", 2 }, four = { "f32:5", 4 }, line = { "f32:abs:8e-07", 0, 0x1.8p-21 }, rough = { "f32:8193", 8192 },
				  rough_double = { "f64:8589934593", 8589934592 }, of_library = { "f32:16", 16 };
	static float f[3 * N];
	static double d[3 * N];

	edges_and_numbers(f, FLT_MIN, FLT_MAX, 0x1p-149f);
	check_rows<float, float, singles>("f32", f);
	edges_and_numbers(d, DBL_MIN, DBL_MAX, 0x1p-1074);
	check_rows<double, double, doubles>("f64", d);
	between(f, 1, 1024);
	check_rows<float, float, near_two_units>("f32 within two units", f, &two);
	check_rows<float, float, near_four_units>("f32 within four units", f, &four);
	between(f, -M_PI, M_PI);
	check_rows<float, float, near_on_a_line>("f32 sin, cos, lg2", f, &line);
	check_rows<float, float, hyperbolic>("f32 tanh", f, &rough);
	between(f, -2, 2);
	check_rows<float, float, library>("functions of CUDA C++", f, &of_library);
	between(d, 0.001, 1000);
	check_rows<double, double, rough_doubles>("f64 rcp and rsqrt", d, &rough_double);
	return pass();
}
