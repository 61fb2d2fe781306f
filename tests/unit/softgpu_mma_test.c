/* SPDX-License-Identifier: MIT */
/*
 * softgpu_mma_test.c - mma.sync: every shape and type against a plain matrix product, and how it
 * rounds
 *
 * The layouts of fragments are written here as the PTX ISA describes them, case by case.
 */
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_bench.h"
#include "matrix_bench.h"

#define LANES 32

struct place {
	unsigned row, col;
};

/* One product per warp, or four of m8n8k4 .f16. */
struct product {
	const char *shape;
	unsigned m, n, k;
	bool a_row, b_row;
	const struct element *d, *a, *b, *c;
	const char *extra;		/* modifiers after the layouts */
	double am[4][16][256], bm[4][256][8], cm[4][16][8], dm[4][16][8];
};

static bool quads(const struct product *p)
{
	return p->k == 4 && p->a->bits == 16;
}

static struct place a_place(const struct product *p, unsigned lane, unsigned i)
{
	unsigned gid = lane >> 2, tid = lane % 4, low = lane % 4 + (lane < 16 ? 0 : 4);

	if (quads(p))
		return p->a_row ? (struct place){ low, i } : (struct place){ i % 4 + (lane < 16 ? 0 : 4), lane % 4 };
	if (p->m == 8)
		return (struct place){ gid, tid * (p->k / 4) + i };
	switch (p->a->bits) {
	case 64:
		if (p->k == 16)
			return (struct place){ i % 2 ? gid + 8 : gid, i % 2 ? i * 2 - 2 + tid : i * 2 + tid };
		/* fall through */
	case 32:
		return (struct place){ i == 0 || i == 2 ? gid : gid + 8, i < 2 ? tid : tid + 4 };
	case 16:
		return (struct place){ i < 2 || (4 <= i && i < 6) ? gid : gid + 8, tid * 2 + (i & 1) + (i < 4 ? 0 : 8) };
	case 8:
		return (struct place){ i < 4 || (8 <= i && i < 12) ? gid : gid + 8, tid * 4 + (i & 3) + (i < 8 ? 0 : 16) };
	case 4:
		return (struct place){ i < 8 || (16 <= i && i < 24) ? gid : gid + 8, tid * 8 + (i & 7) + (i < 16 ? 0 : 32) };
	default:
		return (struct place){ i < 32 || (64 <= i && i < 96) ? gid : gid + 8,
				       tid * 32 + (i & 31) + (i < 64 ? 0 : 128) };
	}
}

static struct place b_place(const struct product *p, unsigned lane, unsigned i)
{
	unsigned gid = lane >> 2, tid = lane % 4;

	if (quads(p))
		return p->b_row ? (struct place){ lane % 4, lane < 16 ? i : i + 4 } :
				  (struct place){ i, lane % 4 + (lane < 16 ? 0 : 4) };
	switch (p->b->bits) {
	case 64: case 32:
		return (struct place){ tid + i * 4, gid };
	case 16:
		return (struct place){ i < 2 ? tid * 2 + i : tid * 2 + i - 2 + 8, gid };
	case 8:
		return (struct place){ i < 4 ? tid * 4 + i : tid * 4 + i - 4 + 16, gid };
	case 4:
		return (struct place){ i < 8 ? tid * 8 + i : tid * 8 + i - 8 + 32, gid };
	default:
		return (struct place){ i < 32 ? tid * 32 + i : tid * 32 + i - 32 + 128, gid };
	}
}

static struct place c_place(const struct product *p, const struct element *t, unsigned lane, unsigned i)
{
	unsigned gid = lane >> 2, tid = lane % 4, half = lane < 16 ? 0 : 4;

	if (quads(p) && t->bits == 16)
		return (struct place){ lane % 4 + half, i };
	if (quads(p))
		return (struct place){ (lane & 1) + (i & 2) + half, (i & 4) + (lane & 2) + (i & 1) };
	return (struct place){ i < 2 ? gid : gid + 8, tid * 2 + (i & 1) };
}

/* Elements of a lane. */
static unsigned count(const struct product *p, unsigned rows, unsigned cols)
{
	return quads(p) ? rows * cols / 8 : rows * cols / LANES;
}

static unsigned registers(const struct element *t, unsigned elements)
{
	return t->bits == 64 ? elements : elements * t->bits / 32;
}

static size_t load_registers(char *s, size_t size, char name, const struct element *t, unsigned nr)
{
	unsigned w = t->bits == 64 ? 64 : 32;
	size_t n = (size_t)snprintf(s, size, ".reg .b%u %%%c<%u>;\n", w, name, nr);

	for (unsigned i = 0; i < nr; i++)
		n += (size_t)snprintf(s + n, size - n, "ld.global.b%u %%%c%u, [%%p%c+%u];\n", w, name, i, name, i * w / 8);
	return n;
}

static size_t list(char *s, size_t size, char name, unsigned nr)
{
	size_t n = (size_t)snprintf(s, size, "{");

	for (unsigned i = 0; i < nr; i++)
		n += (size_t)snprintf(s + n, size - n, "%s%%%c%u", i ? ", " : "", name, i);
	return n + (size_t)snprintf(s + n, size - n, "}");
}

/* Each lane's registers lie together: lane, register. */
static void kernel_text(const struct product *p, char *s, size_t size)
{
	const struct element *t[] = { p->a, p->b, p->c, p->d };
	const unsigned nr[] = { registers(p->a, count(p, p->m, p->k)), registers(p->b, count(p, p->k, p->n)),
				registers(p->c, count(p, p->m, p->n)), registers(p->d, count(p, p->m, p->n)) };
	size_t n = (size_t)snprintf(s, size, ".version 8.7\n.target sm_90\n.address_size 64\n.visible .entry k("
		".param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d) {\n.reg .b64 %%pa, %%pb, %%pc, %%pd;\n"
		".reg .b32 %%l; mov.u32 %%l, %%laneid;\n");

	for (int i = 0; i < 4; i++)
		n += (size_t)snprintf(s + n, size - n, "ld.param.u64 %%p%c, [%c]; mad.wide.u32 %%p%c, %%l, %u, %%p%c;\n",
				      'a' + i, 'a' + i, 'a' + i, nr[i] * (t[i]->bits == 64 ? 8 : 4), 'a' + i);
	for (int i = 0; i < 4; i++)
		n += load_registers(s + n, size - n, (char)('a' + i), t[i], nr[i]);
	n += (size_t)snprintf(s + n, size - n, "mma.sync.aligned.%s.%s.%s%s.%s.%s.%s.%s ", p->shape,
			      p->a_row ? "row" : "col", p->b_row ? "row" : "col", p->extra, p->d->name, p->a->name, p->b->name,
			      p->c->name);
	n += list(s + n, size - n, 'd', nr[3]);
	for (int i = 0; i < 3; i++) {
		n += (size_t)snprintf(s + n, size - n, ", ");
		n += list(s + n, size - n, (char)('a' + i), nr[i]);
	}
	n += (size_t)snprintf(s + n, size - n, ";\n");
	for (unsigned i = 0; i < nr[3]; i++)
		n += (size_t)snprintf(s + n, size - n, "st.global.b%u [%%pd+%u], %%d%u;\n", p->d->bits == 64 ? 64 : 32,
				      i * (p->d->bits == 64 ? 8 : 4), i);
	n += (size_t)snprintf(s + n, size - n, "ret; }\n");
	assert_true(n < size);
}

static unsigned quad(const struct product *p, unsigned lane)
{
	return quads(p) ? lane / 4 % 4 : 0;
}

static void fill(struct product *p)
{
	for (unsigned q = 0; q < 4; q++) {
		for (unsigned i = 0; i < p->m; i++)
			for (unsigned k = 0; k < p->k; k++)
				p->am[q][i][k] = any(p->a);
		for (unsigned k = 0; k < p->k; k++)
			for (unsigned j = 0; j < p->n; j++)
				p->bm[q][k][j] = any(p->b);
		for (unsigned i = 0; i < p->m; i++)
			for (unsigned j = 0; j < p->n; j++)
				p->cm[q][i][j] = any(p->c);
	}
}

static void multiply(struct product *p)
{
	bool and = strstr(p->extra, "and"), xor = strstr(p->extra, "xor");

	for (unsigned q = 0; q < 4; q++)
		for (unsigned i = 0; i < p->m; i++)
			for (unsigned j = 0; j < p->n; j++) {
				double sum = p->cm[q][i][j];

				for (unsigned k = 0; k < p->k; k++) {
					double a = p->am[q][i][k], b = p->bm[q][k][j];

					sum += xor ? a != b : and ? a != 0 && b != 0 : a * b;
				}
				p->dm[q][i][j] = sum;
			}
}

/* The registers of D, which the caller releases. */
static void *run(const struct product *p)
{
	static char text[16384];
	uint8_t *buf[4];
	struct sg_module *m;

	for (int i = 0; i < 4; i++)
		buf[i] = device(LANES * 64);
	for (unsigned lane = 0; lane < LANES; lane++) {
		unsigned na = count(p, p->m, p->k), nb = count(p, p->k, p->n), nc = count(p, p->m, p->n), q = quad(p, lane);

		for (unsigned i = 0; i < na; i++) {
			struct place at = a_place(p, lane, i);

			put_element(buf[0], p->a, lane * na + i, encode(p->a, p->am[q][at.row][at.col]));
		}
		for (unsigned i = 0; i < nb; i++) {
			struct place at = b_place(p, lane, i);

			put_element(buf[1], p->b, lane * nb + i, encode(p->b, p->bm[q][at.row][at.col]));
		}
		for (unsigned i = 0; i < nc; i++) {
			struct place at = c_place(p, p->c, lane, i);

			put_element(buf[2], p->c, lane * nc + i, encode(p->c, p->cm[q][at.row][at.col]));
		}
	}
	kernel_text(p, text, sizeof(text));
	m = load_ok(text);
	launch_ok(m, "k", 1, LANES, buf);
	sg_module_destroy(m);
	for (int i = 0; i < 3; i++)
		release(buf[i]);
	return buf[3];
}

static void check(struct product *p)
{
	unsigned nc = count(p, p->m, p->n);
	void *d;

	fill(p);
	multiply(p);
	d = run(p);
	for (unsigned lane = 0; lane < LANES; lane++)
		for (unsigned i = 0; i < nc; i++) {
			struct place at = c_place(p, p->d, lane, i);
			double want = p->dm[quad(p, lane)][at.row][at.col], have = p->d->decode(get_element(d, p->d, lane * nc + i));

			if (have != want)
				fail_msg("%s%s %s %s %s %s, lane %u, element %u: %g, not %g", p->shape, p->extra, p->d->name,
					 p->a->name, p->b->name, p->c->name, lane, i, have, want);
		}
	release(d);
}

static struct product *product(const char *shape, const char *types, const char *extra)
{
	static struct product p;
	char d[8], a[8], b[8], c[8];

	assert_int_equal(sscanf(shape, "m%un%uk%u", &p.m, &p.n, &p.k), 3);
	assert_int_equal(sscanf(types, "%7s %7s %7s %7s", d, a, b, c), 4);
	p.shape = shape;
	p.a_row = true;
	p.b_row = false;
	p.d = element(d);
	p.a = element(a);
	p.b = element(b);
	p.c = element(c);
	p.extra = extra;
	return &p;
}

static void every_shape_and_type_multiplies(void **state)
{
	static const struct { const char *shape, *types, *extra; } cases[] = {
		{ "m16n8k8", "f16 f16 f16 f16", "" }, { "m16n8k8", "f32 f16 f16 f32", "" },
		{ "m16n8k16", "f16 f16 f16 f16", "" }, { "m16n8k16", "f32 f16 f16 f32", "" },
		{ "m16n8k8", "f32 bf16 bf16 f32", "" }, { "m16n8k16", "f32 bf16 bf16 f32", "" },
		{ "m16n8k4", "f32 tf32 tf32 f32", "" }, { "m16n8k8", "f32 tf32 tf32 f32", "" },
		{ "m16n8k16", "f32 e4m3 e4m3 f32", "" }, { "m16n8k32", "f32 e4m3 e5m2 f32", "" },
		{ "m16n8k32", "f32 e5m2 e4m3 f32", "" }, { "m16n8k32", "f16 e5m2 e5m2 f16", "" },
		{ "m16n8k16", "f16 e4m3 e5m2 f16", "" }, { "m8n8k4", "f64 f64 f64 f64", "" },
		{ "m16n8k4", "f64 f64 f64 f64", ".rn" }, { "m16n8k8", "f64 f64 f64 f64", ".rz" },
		{ "m16n8k16", "f64 f64 f64 f64", ".rp" }, { "m8n8k16", "s32 s8 s8 s32", "" },
		{ "m8n8k16", "s32 u8 s8 s32", ".satfinite" }, { "m16n8k16", "s32 s8 u8 s32", "" },
		{ "m16n8k16", "s32 u8 u8 s32", "" }, { "m16n8k32", "s32 s8 s8 s32", ".satfinite" },
		{ "m16n8k32", "s32 u8 s8 s32", "" }, { "m8n8k32", "s32 s4 s4 s32", "" }, { "m8n8k32", "s32 u4 s4 s32", "" },
		{ "m16n8k32", "s32 s4 u4 s32", ".satfinite" }, { "m16n8k64", "s32 u4 u4 s32", "" },
		{ "m16n8k64", "s32 s4 s4 s32", "" }, { "m8n8k128", "s32 b1 b1 s32", ".xor.popc" },
		{ "m8n8k128", "s32 b1 b1 s32", ".and.popc" }, { "m16n8k128", "s32 b1 b1 s32", ".xor.popc" },
		{ "m16n8k256", "s32 b1 b1 s32", ".and.popc" }, { "m16n8k256", "s32 b1 b1 s32", ".xor.popc" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int round = 0; round < 3; round++)
			check(product(cases[i].shape, cases[i].types, cases[i].extra));
}

static void four_products_of_m8n8k4_in_every_layout(void **state)
{
	static const char *const types[] = { "f16 f16 f16 f16", "f32 f16 f16 f32", "f32 f16 f16 f16" };

	(void)state;
	for (int i = 0; i < 12; i++) {
		struct product *p = product("m8n8k4", types[i / 4], "");

		p->a_row = i & 1;
		p->b_row = i & 2;
		check(p);
	}
}

/*
 * D[0][0] of A[0] * B[0] + c, as bits: everything else is zero. Numbers are given as doubles that
 * the types have.
 */
static uint64_t first(const char *shape, const char *types, const char *extra, const double *a, const double *b,
		      double c)
{
	struct product *p = product(shape, types, extra);
	uint64_t bits;
	void *d;

	memset(p->am, 0, sizeof(p->am));
	memset(p->bm, 0, sizeof(p->bm));
	memset(p->cm, 0, sizeof(p->cm));
	for (unsigned k = 0; k < p->k; k++) {
		p->am[0][0][k] = a[k];
		p->bm[0][k][0] = b[k];
	}
	p->cm[0][0][0] = c;
	d = run(p);
	bits = get_element(d, p->d, 0);
	release(d);
	return bits;
}

#define VALUES(...) ((const double[64]){ __VA_ARGS__ })

static void integers_wrap_or_saturate(void **state)
{
	const double *top = VALUES(127, 127), *low = VALUES(-128, -128);

	(void)state;
	assert_int_equal(first("m16n8k16", "s32 s8 s8 s32", "", top, top, 0x7fffffff), 0x7fffffffu + 2 * 127 * 127);
	assert_int_equal(first("m16n8k16", "s32 s8 s8 s32", ".satfinite", top, top, 0x7fffffff), 0x7fffffff);
	assert_int_equal(first("m16n8k32", "s32 s8 s8 s32", "", low, top, -0x80000000ll), 0x80000000u - 2 * 127 * 128);
	assert_int_equal(first("m16n8k32", "s32 s8 s8 s32", ".satfinite", low, top, -0x80000000ll), 0x80000000);
	/* the sum is what counts, not its parts */
	assert_int_equal(first("m8n8k16", "s32 s8 s8 s32", ".satfinite", VALUES(127, -128), VALUES(1, 1), 0x7fffffff),
			 0x7ffffffe);
	assert_int_equal(first("m16n8k64", "s32 u4 u4 s32", ".satfinite", VALUES(15), VALUES(15), 0x7ffffff0), 0x7fffffff);
}

static void sums_are_cut_off_as_by_an_h100(void **state)
{
	static const double ones[64] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	double tiny[64] = { 0 };

	(void)state;
	/* 25 bits below the largest exponent count: four times 2^-25 reach the last bit of an f32 */
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", VALUES(0x1p-25, 0x1p-25, 0x1p-25, 0x1p-25), ones, 1),
			 0x3f800001);
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", VALUES(0x1p-25, 0x1p-25, 0x1p-25), ones, 1),
			 0x3f800000);
	/* the 26th does not, however often it comes */
	for (int i = 0; i < 16; i++)
		tiny[i] = 0x1p-26;
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", tiny, ones, 1), 0x3f800000);
	/* towards zero, on both sides */
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", VALUES(-0x1p-26), ones, 1), 0x3f800000);
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", VALUES(-0x1p-25), ones, 1), 0x3f7fffff);
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", VALUES(-0x1p-24, -0x1p-25), ones, -1), 0xbf800000);
	/* large ones that cancel leave nothing of what was cut off */
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", VALUES(0x1p30, 1, -0x1p30), ones, 0), 0);
	assert_int_equal(first("m16n8k16", "f32 bf16 bf16 f32", "", VALUES(0x1p25, 1, -0x1p25), ones, 0), F(1));
	/* products are not normalised: 1.5 * 1.5 has the exponent 0, so 2^-25 counts */
	assert_int_equal(first("m16n8k8", "f32 tf32 tf32 f32", "", VALUES(1.5, -2, -0.25, 0x1p-25), VALUES(1.5, 1, 1, 1), 0),
			 0);
	assert_int_equal(first("m16n8k8", "f32 tf32 tf32 f32", "", VALUES(1.5, -1.75, -0.5, 0x1p-25), VALUES(1.5, 1, 1, 1), 0),
			 F(0x1p-25));
	/* f16 is rounded to nearest even, once */
	assert_int_equal(first("m16n8k16", "f16 f16 f16 f16", "", VALUES(0x1p-11), ones, 1), 0x3c00);
	assert_int_equal(first("m16n8k16", "f16 f16 f16 f16", "", VALUES(0x1p-11, 0x1p-24), ones, 1), 0x3c01);
	assert_int_equal(first("m16n8k16", "f16 f16 f16 f16", "", VALUES(0x1p-10, 0x1p-11), ones, 1), 0x3c02);
}

static void small_large_and_special_numbers(void **state)
{
	static const double ones[64] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	const char *f16 = "f32 f16 f16 f32", *h16 = "f16 f16 f16 f16", *bf16 = "f32 bf16 bf16 f32";

	(void)state;
	/* subnormals of every type are numbers like others */
	assert_int_equal(first("m16n8k16", f16, "", VALUES(0x1p-24), ones, 0), F(0x1p-24));
	assert_int_equal(first("m16n8k16", f16, "", VALUES(0x1p-24, -0x1p-24), VALUES(3 * 0x1p-24, 0x1p-24), 0), F(0x1p-47));
	assert_int_equal(first("m16n8k16", h16, "", VALUES(0x1p-24), VALUES(3), 0x1p-24), 4);
	assert_int_equal(first("m16n8k16", bf16, "", VALUES(0x1p-133), ones, 0), 0x00010000);
	assert_int_equal(first("m16n8k16", bf16, "", VALUES(0x1p-133), ones, 0x1p-149), 0x00010001);
	assert_int_equal(first("m16n8k16", bf16, "", VALUES(-0x1p-75), VALUES(0x1p-75), 0x1p-148), 1);
	assert_int_equal(first("m16n8k16", "f32 e4m3 e5m2 f32", "", VALUES(0x1p-9), VALUES(0x1p-16), 0), F(0x1p-25));
	/* too large */
	assert_int_equal(first("m16n8k16", h16, "", VALUES(65504), ones, 15), 0x7bff);
	assert_int_equal(first("m16n8k16", h16, "", VALUES(65504), ones, 16), 0x7c00);
	assert_int_equal(first("m16n8k16", bf16, "", VALUES(0x1p127, 0x1p127), ones, 0), INF32);
	assert_int_equal(first("m16n8k16", bf16, "", VALUES(-0x1p100), VALUES(0x1p100), 0), 0xff800000);
	assert_int_equal(first("m16n8k16", bf16, "", VALUES(0x1p127, 0x1p127, -0x1p127), ones, 0), F(0x1p127));
	/* Inf and NaN */
	assert_int_equal(first("m16n8k16", f16, "", VALUES(-INFINITY), VALUES(2), 1), 0xff800000);
	assert_int_equal(first("m16n8k16", f16, "", VALUES(INFINITY, 1), VALUES(1, -INFINITY), 0), NAN32);
	assert_int_equal(first("m16n8k16", f16, "", VALUES(INFINITY), VALUES(0), 0), NAN32);
	assert_int_equal(first("m16n8k16", h16, "", VALUES(INFINITY), VALUES(1), -INFINITY), 0x7fff);
	assert_int_equal(first("m16n8k16", h16, "", VALUES(1), VALUES(1), -INFINITY), 0xfc00);
	assert_int_equal(first("m16n8k32", "f32 e5m2 e4m3 f32", "", VALUES(INFINITY), VALUES(-2), 0), 0xff800000);
	assert_int_equal(first("m16n8k16", f16, "", VALUES(0), VALUES(0), -0.0) << 1, 0);
}

static void doubles_are_chains_of_fma(void **state)
{
	const double a[64] = { 0x1p-60, 1, 0x1.8p-53, -0x1p-54 }, b[64] = { 1, 1, 1, 1 };
	static const struct { const char *name; int mode; } modes[] = {
		{ "", FE_TONEAREST }, { ".rn", FE_TONEAREST }, { ".rz", FE_TOWARDZERO }, { ".rm", FE_DOWNWARD },
		{ ".rp", FE_UPWARD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		volatile double want = 0x1p-200;

		fesetround(modes[i].mode);
		for (int k = 0; k < 4; k++) {
			volatile double x = a[k], y = b[k];

			want = fma(x, y, want);
		}
		fesetround(FE_TONEAREST);
		assert_true(first("m16n8k4", "f64 f64 f64 f64", modes[i].name, a, b, 0x1p-200) == D(want));
		assert_true(first("m8n8k4", "f64 f64 f64 f64", modes[i].name, a, b, 0x1p-200) == D(want));
	}
	assert_true(isnan(of_f64(first("m8n8k4", "f64 f64 f64 f64", "", VALUES(INFINITY), VALUES(0), 0))));
}

static void refuses(const char *insn, enum sg_result res, const char *why)
{
	char text[1024];
	const char *one = text;
	struct sg_module *m;

	snprintf(text, sizeof(text), ".version 9.0\n.target sm_90\n.address_size 64\n.visible .entry k() {\n"
		 ".reg .b32 %%r<64>; .reg .f32 %%f<64>; .reg .f64 %%d<64>; .reg .b64 %%l<9>;\n%s\nret; }\n", insn);
	assert_int_equal(load(&one, 1, &m), res);
	if (!strstr(log_text, why))
		fail_msg("'%s' says '%s', not '%s'", insn, log_text, why);
}

#define F4 "{%f0, %f1, %f2, %f3}"
#define R4 "{%r0, %r1, %r2, %r3}"
#define R2 "{%r4, %r5}"

static void other_forms_are_refused_by_name(void **state)
{
	(void)state;
	refuses("mma.sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 " F4 ", " R2 ", " R2 ", " F4 ", %r9, 0;",
		SG_UNSUPPORTED_PTX, "unsupported instruction 'mma.sp.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32'");
	refuses("mma.sync.aligned.kind::f8f6f4.m16n8k32.row.col.f32.e3m2.e2m1.f32 " F4 ", " R4 ", " R2 ", " F4 ";",
		SG_UNSUPPORTED_PTX, "mma.sync.aligned.kind::f8f6f4");
	refuses("wgmma.fence.sync.aligned;", SG_UNSUPPORTED_PTX, "wgmma.fence");
	refuses("tcgen05.wait::ld.sync.aligned;", SG_UNSUPPORTED_PTX, "tcgen05.wait");
	refuses("mma.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 " F4 ", " R4 ", " R2 ", " F4 ";", SG_INVALID_PTX,
		"no such shape, layout and types in 'mma.sync.aligned.m16n8k32");
	refuses("mma.sync.aligned.m16n8k16.row.row.f32.f16.f16.f32 " F4 ", " R4 ", " R2 ", " F4 ";", SG_INVALID_PTX,
		"no such shape");
	refuses("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f32 " R2 ", " R4 ", " R2 ", " F4 ";", SG_INVALID_PTX,
		"no such shape");
	refuses("mma.sync.aligned.m16n8k16.row.col.satfinite.f32.f16.f16.f32 " F4 ", " R4 ", " R2 ", " F4 ";",
		SG_INVALID_PTX, "no such shape");
	refuses("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and " R4 ", " R4 ", " R2 ", " R4 ";", SG_INVALID_PTX,
		"no such shape");
	refuses("mma.sync.m16n8k16.row.col.f32.f16.f16.f32 " F4 ", " R4 ", " R2 ", " F4 ";", SG_INVALID_PTX,
		"'.sync.aligned' is missing");
	refuses("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 " F4 ", " R2 ", " R2 ", " F4 ";", SG_INVALID_PTX,
		"a vector of 4 registers expected");
	refuses("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 " F4 ", {%r0, %r1, %r2, %l0}, " R2 ", " F4 ";",
		SG_INVALID_PTX, "'%l0'");
	refuses("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 " F4 ", " R4 ", " R2 ";", SG_INVALID_PTX,
		"four operands");
}

#define SOME_MMA "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2, %r3, %r4}, " \
	"{%r5, %r6}, {%f1, %f2, %f3, %f4};"

/* Fewer lanes than a warp: what is left of it, or what a guard lets through. */
static void a_part_of_a_warp_is_a_fault(void **state)
{
	static const char *const texts[] = { KERNEL(SOME_MMA), KERNEL("setp.lt.u32 %p1, %r0, 16;\n@%p1 " SOME_MMA) };
	uint64_t none = 0;

	(void)state;
	for (int guard = 0; guard < 2; guard++) {
		struct sg_module *m = load_ok(texts[guard]);

		assert_int_equal(launch(m, "k", 1, guard ? 32 : 48, &none), SG_ILLEGAL_INSTRUCTION);
		assert_non_null(strstr(fault.text, "16 of the 32 lanes"));
		assert_int_equal(fault.tid.x, guard ? 0 : 32);
		sg_module_destroy(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_and_type_multiplies),
		cmocka_unit_test(four_products_of_m8n8k4_in_every_layout),
		cmocka_unit_test(integers_wrap_or_saturate),
		cmocka_unit_test(sums_are_cut_off_as_by_an_h100),
		cmocka_unit_test(small_large_and_special_numbers),
		cmocka_unit_test(doubles_are_chains_of_fma),
		cmocka_unit_test(other_forms_are_refused_by_name),
		cmocka_unit_test(a_part_of_a_warp_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
