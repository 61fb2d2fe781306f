/* SPDX-License-Identifier: MIT */
/*
 * matrix_bench.h - element types of matrix instructions, as the tests see them
 *
 * After engine_bench.h. Matrices of small whole numbers are exact in every type and so is their
 * product, whatever the order of the sum.
 */
#ifndef MATRIX_BENCH_H
#define MATRIX_BENCH_H

#include <math.h>

struct element {
	const char *name;
	unsigned bits;
	char cls;			/* f, d, i */
	int lo, hi;			/* of the random values */
	double (*decode)(uint64_t bits);
};

static double of_f16(uint64_t u)
{
	int e = u >> 10 & 31;
	double m = u & 1023, v = e == 31 ? m ? NAN : INFINITY : e ? ldexp(m + 1024, e - 25) : ldexp(m, -24);

	return u >> 15 & 1 ? -v : v;
}

static double of_f32(uint64_t u)
{
	uint32_t b = (uint32_t)u;
	float f;

	memcpy(&f, &b, 4);
	return f;
}

static double of_bf16(uint64_t u)
{
	return of_f32(u << 16);
}

static double of_f64(uint64_t u)
{
	double d;

	memcpy(&d, &u, 8);
	return d;
}

static double of_e5m2(uint64_t u)
{
	return of_f16(u << 8);
}

static double of_e4m3(uint64_t u)
{
	int e = u >> 3 & 15, m = u & 7;
	double v = e == 15 && m == 7 ? NAN : e ? ldexp(m + 8, e - 10) : ldexp(m, -9);

	return u >> 7 & 1 ? -v : v;
}

static double of_s8(uint64_t u) { return (int8_t)u; }
static double of_u8(uint64_t u) { return (uint8_t)u; }
static double of_s4(uint64_t u) { return (int)(u & 15) - (u & 8 ? 16 : 0); }
static double of_u4(uint64_t u) { return (double)(u & 15); }
static double of_b1(uint64_t u) { return (double)(u & 1); }
static double of_s32(uint64_t u) { return (int32_t)u; }

static const struct element elements[] = {
	{ "f16", 16, 'f', -8, 8, of_f16 }, { "bf16", 16, 'f', -8, 8, of_bf16 }, { "tf32", 32, 'f', -8, 8, of_f32 },
	{ "e4m3", 8, 'f', -8, 8, of_e4m3 }, { "e5m2", 8, 'f', -4, 4, of_e5m2 }, { "f32", 32, 'f', -99, 99, of_f32 },
	{ "f64", 64, 'd', -99, 99, of_f64 }, { "s8", 8, 'i', -128, 127, of_s8 }, { "u8", 8, 'i', 0, 255, of_u8 },
	{ "s4", 4, 'i', -8, 7, of_s4 }, { "u4", 4, 'i', 0, 15, of_u4 }, { "b1", 1, 'i', 0, 1, of_b1 },
	{ "s32", 32, 'i', -9999, 9999, of_s32 },
};

static const struct element *element(const char *name)
{
	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (!strcmp(elements[i].name, name))
			return &elements[i];
	fail_msg("no type %s", name);
	return NULL;
}

/* The bits of a number that the type has. */
static uint64_t encode(const struct element *t, double v)
{
	float f = (float)v;
	_Float16 h = (_Float16)v;
	uint64_t u = 0;

	if (t->bits == 64)
		memcpy(&u, &v, 8);
	else if (t->cls == 'i')
		u = (uint64_t)(int64_t)v & ((1ull << t->bits) - 1);
	else if (t->bits == 32)
		memcpy(&u, &f, 4);
	else if (t->decode == of_f16)
		memcpy(&u, &h, 2);
	else if (t->decode == of_bf16)
		memcpy(&u, (uint8_t *)&f + 2, 2);
	else
		while (t->decode(u) != v && u < 1u << t->bits)
			u++;
	assert_true(t->decode(u) == v);
	return u;
}

static uint32_t seed = 1;

static uint32_t dice(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static double any(const struct element *t)
{
	return t->lo + (double)(dice() % (uint32_t)(t->hi - t->lo + 1));
}

/* Element i of packed ones in memory. */
static uint64_t get_element(const void *p, const struct element *t, size_t i)
{
	const uint8_t *b = p;
	uint64_t u = 0;

	if (t->bits < 8)
		return b[i * t->bits / 8] >> i * t->bits % 8 & ((1u << t->bits) - 1);
	memcpy(&u, b + i * t->bits / 8, t->bits / 8);
	return u;
}

static void put_element(void *p, const struct element *t, size_t i, uint64_t u)
{
	uint8_t *b = p;

	if (t->bits < 8) {
		unsigned shift = i * t->bits % 8, mask = (1u << t->bits) - 1;

		b += i * t->bits / 8;
		*b = (uint8_t)((*b & ~(mask << shift)) | u << shift);
	} else {
		memcpy(b + i * t->bits / 8, &u, t->bits / 8);
	}
}

#endif
