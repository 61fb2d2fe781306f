/* SPDX-License-Identifier: MIT */
/*
 * softgpu_wmma_test.c - wmma, ldmatrix, stmatrix, movmatrix: matrices in memory of every space and
 * layout against plain C
 */
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

#define REGION 4096		/* bytes of each matrix in shared memory */

enum { A, B, C, D };

struct matrix {
	const struct element *t;
	unsigned rows, cols, regs, ld;
	bool row;
	const char *space;		/* "global", "shared" or "" */
	bool stride;			/* given, or left to the default */
	double v[128][128];
};

struct product {
	const char *shape, *extra;
	bool two_types;
	unsigned m, n, k;
	struct matrix x[4];
};

static unsigned minor(const struct matrix *x)
{
	return x->row ? x->cols : x->rows;
}

static size_t bytes(const struct matrix *x)
{
	return (size_t)(x->row ? x->rows : x->cols) * x->ld * x->t->bits / 8;
}

static size_t at(const struct matrix *x, unsigned r, unsigned c)
{
	return x->row ? (size_t)r * x->ld + c : (size_t)c * x->ld + r;
}

/* Lanes copy a byte each in turn. */
static size_t copy_text(char *s, size_t size, char name, bool in, size_t nr)
{
	return (size_t)snprintf(s, size,
		"bar.sync 0; mov.u32 %%i, %%l;\nl%c%d: setp.ge.u32 %%p, %%i, %zu; @%%p bra e%c%d;\n"
		"cvt.u64.u32 %%o, %%i; add.u64 %%g, %%p%c, %%o; mov.u64 %%s, s%c; add.u64 %%s, %%s, %%o;\n"
		"ld.%s.u8 %%x, [%%%c]; st.%s.u8 [%%%c], %%x; add.u32 %%i, %%i, 32; bra l%c%d;\ne%c%d: bar.sync 0;\n",
		name, in, nr, name, in, name, name, in ? "global" : "shared", in ? 'g' : 's', in ? "shared" : "global",
		in ? 's' : 'g', name, in, name, in);
}

static size_t list(char *s, size_t size, const struct matrix *x, char name)
{
	size_t n = (size_t)snprintf(s, size, "{");

	for (unsigned i = 0; i < x->regs; i++)
		n += (size_t)snprintf(s + n, size - n, "%s%%%c%u", i ? ", " : "", name, i);
	return n + (size_t)snprintf(s + n, size - n, "}");
}

static size_t access_text(char *s, size_t size, const struct product *p, int which)
{
	const struct matrix *x = &p->x[which];
	char name = (char)('a' + which), space[16] = "", at_text[16], stride[16] = "";
	size_t n;

	if (x->space[0])
		snprintf(space, sizeof(space), ".%s", x->space);
	if (x->stride)
		snprintf(stride, sizeof(stride), ", %u", x->ld);
	snprintf(at_text, sizeof(at_text), "[%s%c]", strcmp(x->space, "shared") ? "%p" : "s", name);
	n = (size_t)snprintf(s, size, "wmma.%s.%c.sync.aligned.%s.%s%s.%s ", which == D ? "store" : "load", name,
			     x->row ? "row" : "col", p->shape, space, x->t->name);
	if (which == D)
		n += (size_t)snprintf(s + n, size - n, "%s, ", at_text);
	n += list(s + n, size - n, x, name);
	if (which != D)
		n += (size_t)snprintf(s + n, size - n, ", %s", at_text);
	return n + (size_t)snprintf(s + n, size - n, "%s;\n", stride);
}

static void kernel_text(const struct product *p, char *s, size_t size)
{
	size_t n = (size_t)snprintf(s, size, ".version 8.7\n.target sm_90\n.address_size 64\n.visible .entry k("
		".param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d) {\n.reg .b64 %%pa, %%pb, %%pc, %%pd, %%g, %%s, %%o;\n"
		".reg .pred %%p; .reg .b32 %%l, %%i, %%x; mov.u32 %%l, %%laneid;\n");

	for (int i = A; i <= D; i++) {
		const struct matrix *x = &p->x[i];
		char name = (char)('a' + i);

		n += (size_t)snprintf(s + n, size - n, "ld.param.u64 %%p%c, [%c]; .reg .b%u %%%c<%u>;\n", name, name,
				      x->t->bits == 64 ? 64 : 32, name, x->regs);
		if (!strcmp(x->space, "shared"))
			n += (size_t)snprintf(s + n, size - n, ".shared .align 32 .b8 s%c[%u];\n", name, REGION);
		if (!strcmp(x->space, "shared") && i != D)
			n += copy_text(s + n, size - n, name, true, bytes(x));
	}
	for (int i = A; i <= C; i++)
		n += access_text(s + n, size - n, p, i);
	n += (size_t)snprintf(s + n, size - n, "wmma.mma.sync.aligned.%s.%s.%s%s.%s", p->x[A].row ? "row" : "col",
			      p->x[B].row ? "row" : "col", p->shape, p->extra, p->x[D].t->name);
	n += p->two_types ? (size_t)snprintf(s + n, size - n, ".%s ", p->x[C].t->name) :
	     (size_t)snprintf(s + n, size - n, ".%s.%s.%s ", p->x[A].t->name, p->x[B].t->name, p->x[C].t->name);
	n += list(s + n, size - n, &p->x[D], 'd');
	for (int i = A; i <= C; i++) {
		n += (size_t)snprintf(s + n, size - n, ", ");
		n += list(s + n, size - n, &p->x[i], (char)('a' + i));
	}
	n += (size_t)snprintf(s + n, size - n, ";\n");
	n += access_text(s + n, size - n, p, D);
	if (!strcmp(p->x[D].space, "shared"))
		n += copy_text(s + n, size - n, 'd', false, bytes(&p->x[D]));
	n += (size_t)snprintf(s + n, size - n, "ret; }\n");
	assert_true(n < size);
}

static double sum(const struct product *p, unsigned i, unsigned j)
{
	double s = p->x[C].v[i][j];

	for (unsigned k = 0; k < p->k; k++) {
		double a = p->x[A].v[i][k], b = p->x[B].v[k][j];

		s += strstr(p->extra, "xor") ? a != b : strstr(p->extra, "and") ? a != 0 && b != 0 : a * b;
	}
	return s;
}

static void check(struct product *p)
{
	static char text[16384];
	uint8_t *buf[4];
	struct sg_module *m;

	for (int w = A; w <= D; w++) {
		struct matrix *x = &p->x[w];

		/* rows, or columns, some elements apart */
		x->ld = minor(x) + (x->stride ? 128 / x->t->bits : 0);
		buf[w] = device(REGION);
		assert_true(bytes(x) <= REGION);
		memset(buf[w], 0x5a, REGION);
		for (unsigned i = 0; w != D && i < x->rows; i++)
			for (unsigned j = 0; j < x->cols; j++) {
				x->v[i][j] = any(x->t);
				put_element(buf[w], x->t, at(x, i, j), encode(x->t, x->v[i][j]));
			}
	}
	kernel_text(p, text, sizeof(text));
	m = load_ok(text);
	launch_ok(m, "k", 1, 32, buf);
	for (unsigned i = 0; i < p->m; i++)
		for (unsigned j = 0; j < p->n; j++) {
			double have = p->x[D].t->decode(get_element(buf[D], p->x[D].t, at(&p->x[D], i, j)));

			if (have != sum(p, i, j))
				fail_msg("%s%s %s %s, row %u, column %u: %g, not %g\n%s", p->shape, p->extra, p->x[D].t->name,
					 p->x[A].t->name, i, j, have, sum(p, i, j), text);
		}
	if (p->x[D].stride && strcmp(p->x[D].space, "shared"))	/* what lies between was not touched */
		assert_int_equal(buf[D][minor(&p->x[D]) * p->x[D].t->bits / 8], 0x5a);
	sg_module_destroy(m);
	for (int w = A; w <= D; w++)
		release(buf[w]);
}

static void matrix_init(struct matrix *x, const char *type, unsigned rows, unsigned cols, unsigned regs, unsigned turn)
{
	static const char *const spaces[] = { "global", "shared", "" };

	x->t = element(type);
	x->rows = rows;
	x->cols = cols;
	x->regs = regs ? regs : x->t->bits == 64 ? rows * cols / 32 : rows * cols * x->t->bits / 1024;
	x->space = spaces[turn % 3];
	x->stride = turn % 4 != 3;
}

/* Layouts by the bits of turn; the spaces and the strides go round as well. */
static void check_case(const char *shape, const char *types, const char *extra, unsigned turn)
{
	static struct product p;
	char d[8], a[8], c[8];
	bool f16, small;

	assert_int_equal(sscanf(shape, "m%un%uk%u", &p.m, &p.n, &p.k), 3);
	assert_int_equal(sscanf(types, "%7s %7s %7s", d, a, c), 3);
	f16 = !strcmp(a, "f16");
	small = element(a)->bits < 8;
	p.shape = shape;
	p.extra = extra;
	p.two_types = f16;
	matrix_init(&p.x[A], a, p.m, p.k, f16 ? 8 : 0, turn);
	matrix_init(&p.x[B], a, p.k, p.n, f16 ? 8 : 0, turn / 3);
	matrix_init(&p.x[C], c, p.m, p.n, 0, turn / 2);
	matrix_init(&p.x[D], d, p.m, p.n, 0, turn / 5);
	p.x[A].row = small || turn & 1;
	p.x[B].row = !small && turn & 2;
	p.x[C].row = turn & 4;
	p.x[D].row = turn & 8;
	check(&p);
}

static void every_shape_and_type_in_every_layout(void **state)
{
	static const char *const shapes[] = { "m16n16k16", "m32n8k16", "m8n32k16" };
	static const char *const types[][2] = {
		{ "f32 f16 f32", "" }, { "f16 f16 f16", "" }, { "f32 f16 f16", "" }, { "f16 f16 f32", "" },
		{ "f32 bf16 f32", "" }, { "s32 s8 s32", "" }, { "s32 u8 s32", ".satfinite" },
	};

	(void)state;
	for (unsigned turn = 0; turn < 16; turn++) {
		for (int s = 0; s < 3; s++)
			for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
				check_case(shapes[s], types[t][0], types[t][1], turn);
		check_case("m16n16k8", "f32 tf32 f32", "", turn);
		check_case("m8n8k4", "f64 f64 f64", turn & 1 ? "" : ".rm", turn);
		check_case("m8n8k32", "s32 s4 s32", "", turn);
		check_case("m8n8k32", "s32 u4 s32", ".satfinite", turn);
		check_case("m8n8k128", "s32 b1 s32", ".xor.popc", turn);
		check_case("m8n8k128", "s32 b1 s32", ".and.popc", turn);
	}
}

/* A fragment may be changed element by element, and then means the changed matrix. */
static void all_copies_of_an_element_count(void **state)
{
	struct sg_module *m = load_ok(KERNEL(
		".reg .b32 %a<8>; .reg .b32 %c<8>; .reg .b32 %two; mov.u32 %two, 0x40004000; mov.u32 %r9, 0;\n"
		"wmma.load.a.sync.aligned.row.m8n32k16.f16 {%a0,%a1,%a2,%a3,%a4,%a5,%a6,%a7}, [%d0];\n"
		"wmma.load.b.sync.aligned.row.m8n32k16.f16 {%c0,%c1,%c2,%c3,%c4,%c5,%c6,%c7}, [%d0+256];\n"
		"mul.f16x2 %a0, %a0, %two; mul.f16x2 %a1, %a1, %two; mul.f16x2 %a2, %a2, %two; mul.f16x2 %a3, %a3, %two;\n"
		"mul.f16x2 %a4, %a4, %two; mul.f16x2 %a5, %a5, %two; mul.f16x2 %a6, %a6, %two; mul.f16x2 %a7, %a7, %two;\n"
		"wmma.mma.sync.aligned.row.row.m8n32k16.f32.f32 {%f0,%f1,%f2,%f3,%f4,%f5,%f6,%f7},\n"
		"{%a0,%a1,%a2,%a3,%a4,%a5,%a6,%a7}, {%c0,%c1,%c2,%c3,%c4,%c5,%c6,%c7}, {%r9,%r9,%r9,%r9,%r9,%r9,%r9,%r9};\n"
		"wmma.store.d.sync.aligned.row.m8n32k16.f32 [%d0+2048], {%f0,%f1,%f2,%f3,%f4,%f5,%f6,%f7};"));
	uint16_t *io = device(4096);
	const float *d = (const float *)(io + 1024);

	(void)state;
	for (unsigned i = 0; i < 8 * 16; i++)
		io[i] = (uint16_t)encode(element("f16"), i % 11);
	for (unsigned i = 0; i < 16 * 32; i++)
		io[128 + i] = (uint16_t)encode(element("f16"), i % 7);
	launch_ok(m, "k", 1, 32, &io);
	for (unsigned i = 0; i < 8; i++)
		for (unsigned j = 0; j < 32; j++) {
			float s = 0;

			for (unsigned k = 0; k < 16; k++)
				s += 2 * (float)((i * 16 + k) % 11) * (float)((k * 32 + j) % 7);
			assert_true(d[i * 32 + j] == s);
		}
	release(io);
	sg_module_destroy(m);
}

#define COPY_IN ".shared .align 16 .b8 s[512]; .reg .b32 %a<4>; mad.wide.u32 %d1, %r0, 4, %d0; mov.u32 %r1, s;\n" \
	"mad.lo.u32 %r2, %r0, 4, %r1; mov.u32 %r3, 0;\n" \
	"in: ld.global.u32 %r4, [%d1]; st.shared.u32 [%r2], %r4; add.u64 %d1, %d1, 128; add.u32 %r2, %r2, 128;\n" \
	"add.u32 %r3, %r3, 1; setp.lt.u32 %p0, %r3, 4; @%p0 bra in; bar.sync 0;\n" \
	/* rows in an order of their own: lane i has row 5 * i mod 32 of 16 bytes */ \
	"mul.lo.u32 %r5, %r0, 5; and.b32 %r5, %r5, 31; shl.b32 %r5, %r5, 4; add.u32 %r1, %r1, %r5;\n" \
	"cvt.u64.u32 %d2, %r1; cvta.shared.u64 %d2, %d2; mad.wide.u32 %d3, %r0, 16, %d0;\n"
#define PUT "st.global.v4.b32 [%d3+1024], {%a0, %a1, %a2, %a3};\n"

static const uint16_t *row_of(const uint16_t *io, unsigned lane)
{
	return io + lane * 5 % 32 * 8;
}

static void ldmatrix_takes_rows_from_their_lanes(void **state)
{
	static const struct { const char *text; unsigned nr; bool trans; } cases[] = {
		{ KERNEL(COPY_IN "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%a0}, [%r1];\n" PUT), 1, false },
		{ KERNEL(COPY_IN "ldmatrix.sync.aligned.m8n8.x2.shared::cta.b16 {%a0, %a1}, [%r1];\n" PUT), 2, false },
		{ KERNEL(COPY_IN "ldmatrix.sync.aligned.m8n8.x4.b16 {%a0, %a1, %a2, %a3}, [%d2];\n" PUT), 4, false },
		{ KERNEL(COPY_IN "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%a0}, [%r1];\n" PUT), 1, true },
		{ KERNEL(COPY_IN "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%a0, %a1}, [%r1];\n" PUT), 2, true },
		{ KERNEL(COPY_IN "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%a0, %a1, %a2, %a3}, [%r1];\n" PUT), 4, true },
	};
	uint16_t *io = device(2048);

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct sg_module *m = load_ok(cases[c].text);

		for (unsigned i = 0; i < 256; i++)
			io[i] = (uint16_t)dice();
		launch_ok(m, "k", 1, 32, &io);
		for (unsigned lane = 0; lane < 32; lane++)
			for (unsigned x = 0; x < cases[c].nr; x++)
				for (unsigned e = 0; e < 2; e++) {
					unsigned row = lane / 4, col = lane % 4 * 2 + e;
					uint16_t want = cases[c].trans ? row_of(io, 8 * x + col)[row] : row_of(io, 8 * x + row)[col];

					assert_int_equal(io[512 + lane * 8 + x * 2 + e], want);
				}
		sg_module_destroy(m);
	}
	release(io);
}

#define FRAGMENTS COPY_IN "ld.global.v4.b32 {%a0, %a1, %a2, %a3}, [%d3];\n"
#define COPY_OUT "bar.sync 0; mad.lo.u32 %r2, %r0, 16, s; ld.shared.v4.b32 {%a0, %a1, %a2, %a3}, [%r2];\n" PUT

static void stmatrix_puts_rows_where_lanes_say(void **state)
{
	static const struct { const char *text; unsigned nr; bool trans; } cases[] = {
		{ KERNEL(FRAGMENTS "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%a0};\n" COPY_OUT), 1, false },
		{ KERNEL(FRAGMENTS "stmatrix.sync.aligned.m8n8.x2.trans.b16 [%d2], {%a0, %a1};\n" COPY_OUT), 2, true },
		{ KERNEL(FRAGMENTS "stmatrix.sync.aligned.m8n8.x4.shared.b16 [%r1], {%a0, %a1, %a2, %a3};\n" COPY_OUT), 4, false },
		{ KERNEL(FRAGMENTS "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%r1], {%a0, %a1, %a2, %a3};\n" COPY_OUT), 4,
		  true },
	};
	uint16_t *io = device(2048), want[256];

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct sg_module *m = load_ok(cases[c].text);

		for (unsigned i = 0; i < 256; i++)
			io[i] = want[i] = (uint16_t)dice();
		for (unsigned i = 0; i < 32 * 2 * cases[c].nr; i++) {
			unsigned lane = i / 2 % 32, x = i / 64, row = lane / 4, col = lane % 4 * 2 + i % 2;

			((uint16_t *)row_of(want, 8 * x + (cases[c].trans ? col : row)))[cases[c].trans ? row : col] =
				io[lane * 8 + x * 2 + i % 2];
		}
		launch_ok(m, "k", 1, 32, &io);
		assert_memory_equal(io + 512, want, sizeof(want));
		sg_module_destroy(m);
	}
	release(io);
}

static void movmatrix_transposes(void **state)
{
	uint16_t *o = run_text(KERNEL(
		"mul.lo.u32 %r1, %r0, 2; add.u32 %r2, %r1, 1; shl.b32 %r2, %r2, 16; or.b32 %r1, %r1, %r2;\n"
		"movmatrix.sync.aligned.m8n8.trans.b16 %r3, %r1; movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r1;\n"
		"mad.wide.u32 %d0, %r0, 8, %d0; st.global.v2.u32 [%d0], {%r1, %r3};"), 32, 256);

	(void)state;
	for (unsigned lane = 0; lane < 32; lane++)
		for (unsigned e = 0; e < 4; e++)
			assert_int_equal(o[lane * 4 + e], (lane % 4 * 2 + e % 2) * 8 + lane / 4);
	release(o);
}

#define R8 "{%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}"

static void bad_addresses_are_faults(void **state)
{
	static const struct { const char *text; enum sg_result res; const char *why; } cases[] = {
		{ KERNEL(".shared .align 16 .b8 s[512]; mov.u32 %r1, s; mad.lo.u32 %r1, %r0, 8, %r1;\n"
			 "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r2, %r3, %r4, %r5}, [%r1];"),
		  SG_MISALIGNED, "misaligned shared access of 16 bytes" },
		{ KERNEL(".shared .align 16 .b8 s[512]; mov.u32 %r1, s; mad.lo.u32 %r1, %r0, 16, %r1;\n"
			 "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r2, %r3, %r4, %r5}, [%r1+16];"),
		  SG_ILLEGAL_ADDRESS, "illegal shared access of 16 bytes at 0x200" },
		{ KERNEL(".shared .align 16 .b8 s[128]; mov.u32 %r1, s; mad.lo.u32 %r1, %r0, 16, %r1;\n"
			 "stmatrix.sync.aligned.m8n8.x2.shared.b16 [%r1], {%r2, %r3};"),
		  SG_ILLEGAL_ADDRESS, "illegal shared access of 16 bytes at 0x80" },
		{ KERNEL("wmma.load.a.sync.aligned.row.m16n16k16.global.f16 " R8 ", [%d0], 16;"), SG_ILLEGAL_ADDRESS,
		  "illegal global access of 4 bytes" },
		{ KERNEL("wmma.load.a.sync.aligned.row.m16n16k16.f16 " R8 ", [%d0+2], 8;"), SG_MISALIGNED,
		  "misaligned generic access of 4 bytes" },
		{ KERNEL("wmma.store.d.sync.aligned.col.m16n16k16.global.s32 [%d0], " R8 ", 4096;"), SG_ILLEGAL_ADDRESS,
		  "illegal global access of 4 bytes" },
		{ KERNEL(".shared .align 16 .b8 s[512]; mov.u32 %r9, s;\n"
			 "wmma.load.a.sync.aligned.col.m16n16k16.shared.f16 " R8 ", [%r9], 18;"), SG_ILLEGAL_ADDRESS,
		  "illegal shared access of 2 bytes at 0x200" },
	};
	void *out = device(256);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sg_module *m = load_ok(cases[i].text);
		enum sg_result res = launch(m, "k", 1, 32, &out);

		if (res != cases[i].res || !strstr(fault.text, cases[i].why))
			fail_msg("%d, not %d: '%s', not '%s'", res, cases[i].res, fault.text, cases[i].why);
		sg_module_destroy(m);
	}
	release(out);
}

static void read_only_memory_is_loaded_from(void **state)
{
	static float host[256] __attribute__((aligned(256)));
	void *at = host;
	struct sg_module *loads = load_ok(KERNEL("wmma.load.c.sync.aligned.row.m16n16k16.global.f32 " R8 ", [%d0];"));
	struct sg_module *stores = load_ok(KERNEL("wmma.store.d.sync.aligned.row.m16n16k16.global.f32 [%d0], " R8 ";"));

	(void)state;
	read_only = (struct extent){ (uintptr_t)host, (uintptr_t)host + sizeof(host) };
	launch_ok(loads, "k", 1, 32, &at);
	assert_int_equal(launch(stores, "k", 1, 32, &at), SG_ILLEGAL_ADDRESS);
	read_only = (struct extent){ 0, 0 };
	sg_module_destroy(loads);
	sg_module_destroy(stores);
}

static void a_part_of_a_warp_is_a_fault(void **state)
{
	static const char *const texts[] = {
		KERNEL("wmma.load.a.sync.aligned.row.m16n16k16.f16 " R8 ", [%d0];"),
		KERNEL("wmma.store.d.sync.aligned.row.m16n16k16.s32 [%d0], " R8 ";"),
		KERNEL("wmma.mma.sync.aligned.row.col.m16n16k16.s32.s8.s8.s32 " R8 ", {%r1,%r2}, {%r1,%r2}, " R8 ";"),
		KERNEL(".shared .align 16 .b8 s[512]; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [s];"),
		KERNEL(".shared .align 16 .b8 s[512]; stmatrix.sync.aligned.m8n8.x1.shared.b16 [s], {%r1};"),
		KERNEL("movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r2;"),
	};
	void *out = device(2048);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sg_module *m = load_ok(texts[i]);

		assert_int_equal(launch(m, "k", 1, 24, &out), SG_ILLEGAL_INSTRUCTION);
		assert_non_null(strstr(fault.text, "24 of the 32 lanes"));
		sg_module_destroy(m);
	}
	release(out);
}

static void refuses(const char *body, enum sg_result res, const char *why)
{
	char text[1024];
	const char *one = text;
	struct sg_module *m;

	snprintf(text, sizeof(text), ".version 9.0\n.target sm_90\n.address_size 64\n.visible .entry k() {\n"
		 ".reg .b32 %%r<16>; .reg .b64 %%d<9>;\n%s\nret; }\n", body);
	assert_int_equal(load(&one, 1, &m), res);
	if (!strstr(log_text, why))
		fail_msg("'%s' says '%s', not '%s'", body, log_text, why);
}

static void other_forms_are_refused_by_name(void **state)
{
	(void)state;
	refuses("ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8 {%r1, %r2}, [%r0];", SG_UNSUPPORTED_PTX,
		"unsupported instruction 'ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8'");
	refuses("ldmatrix.sync.aligned.m8n16.x1.shared.b8x16.b6x16_p32 {%r1}, [%r0];", SG_UNSUPPORTED_PTX, "m8n16");
	refuses("stmatrix.sync.aligned.m16n8.x1.trans.shared.b8 [%r0], {%r1};", SG_UNSUPPORTED_PTX, "m16n8.x1.trans");
	refuses("ldmatrix.sync.aligned.m8n8.x4.global.b16 {%r1, %r2, %r3, %r4}, [%d0];", SG_INVALID_PTX, "ldmatrix");
	refuses("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2}, [%r0];", SG_INVALID_PTX, "a vector of 4 registers");
	refuses("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2, %r3, %r4}, %r0;", SG_INVALID_PTX, "in brackets");
	refuses("movmatrix.sync.aligned.m8n8.b16 %r1, %r2;", SG_INVALID_PTX, "movmatrix");
	refuses("wmma.load.d.sync.aligned.row.m16n16k16.f32 " R8 ", [%d0];", SG_INVALID_PTX, "wmma.load.d");
	refuses("wmma.load.a.sync.aligned.row.m16n16k16.f32 " R8 ", [%d0];", SG_INVALID_PTX, "no such shape");
	refuses("wmma.load.b.sync.aligned.row.m8n8k32.s4 {%r1}, [%d0];", SG_INVALID_PTX, "no such shape");
	refuses("wmma.load.a.sync.aligned.row.m16n16k16.local.f16 " R8 ", [%d0];", SG_UNSUPPORTED_PTX, "local");
	refuses("wmma.load.a.sync.aligned.row.m16n16k16.f16 " R8 ", [%d0], %d1;", SG_INVALID_PTX, "'%d1'");
	refuses("wmma.mma.sync.aligned.row.col.m16n16k16.s32.s8.u8.s32 " R8 ", {%r1,%r2}, {%r1,%r2}, " R8 ";", SG_INVALID_PTX,
		"no such shape");
	refuses("wmma;", SG_INVALID_PTX, "wmma");
	refuses("wmma.fill.a.sync.aligned.row.m16n16k16.f16 " R8 ";", SG_INVALID_PTX, "wmma.fill");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_and_type_in_every_layout),
		cmocka_unit_test(all_copies_of_an_element_count),
		cmocka_unit_test(ldmatrix_takes_rows_from_their_lanes),
		cmocka_unit_test(stmatrix_puts_rows_where_lanes_say),
		cmocka_unit_test(movmatrix_transposes),
		cmocka_unit_test(bad_addresses_are_faults),
		cmocka_unit_test(read_only_memory_is_loaded_from),
		cmocka_unit_test(a_part_of_a_warp_is_a_fault),
		cmocka_unit_test(other_forms_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
