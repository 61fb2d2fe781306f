/* SPDX-License-Identifier: MIT */
/*
 * softgpu_reuse_test.c - registers that share rows keep their values (ptx_reuse.c)
 *
 * In every body CHURN defines registers of both widths that die at once: they take whatever rows are
 * free, so a register that lost its row too early reads one of theirs.
 */
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
#include "ptx_module.h"

#define CHURN(n) \
	"mov.u32 %t" #n "0, 0xdeadbeef; mov.u32 %t" #n "1, 0xfeedface; mov.u32 %t" #n "2, 0x12345678;\n" \
	"mov.u32 %t" #n "3, 0xcafe; mov.u32 %t" #n "4, 0xf00d; mov.u32 %t" #n "5, 0xbad;\n" \
	"mul.wide.u32 %u" #n "0, %t" #n "0, %t" #n "1; mul.wide.u32 %u" #n "1, %t" #n "2, %t" #n "3;\n" \
	"add.u64 %u" #n "2, %u" #n "0, %u" #n "1; add.u32 %t" #n "6, %t" #n "4, %t" #n "5;\n"

/* %id is the lane; the result goes to %res. Registers to look at are %a (32 bits), %b (64) and %h (16). */
struct body {
	const char *name, *text;
	uint32_t (*want)(uint32_t id);
};

static uint32_t thrice(uint32_t id) { return 3 * (id + 7); }
static uint32_t twice(uint32_t id) { return 2 * id; }
static uint32_t plus_one(uint32_t id) { return id + 1; }
static uint32_t wide(uint32_t id) { return id * 5 + id * 7 + id * 7; }
static uint32_t sum4(uint32_t id) { return 4 * id + 6; }
static uint32_t narrow(uint32_t id) { return (id & 0xff) << 16 | ((0xfff0 + id) & 0xffff); }
static uint32_t called(uint32_t id) { return 3 * (2 * id + 1) + id; }
static uint32_t table(uint32_t id) { return 4 * (id + 9) + 6; }
static uint32_t halves(uint32_t id) { return id < 16 ? id + 5 : id + 6; }
static uint32_t left(uint32_t id) { return id + 3; }
static uint32_t chosen(uint32_t id) { return id & 1 ? 9 : 5; }

static const struct body bodies[] = {
	/* the interval has a second entry, from before the definition */
	{ "defined in the first round, read in all", "mov.u32 %c, 0;\n"
	  "top: setp.ne.u32 %p, %c, 0; @%p bra have; add.u32 %a1, %id, 7;\n"
	  "have: add.u32 %res, %res, %a1;\n" CHURN(1) "add.u32 %c, %c, 1; setp.lt.u32 %p, %c, 3; @%p bra top;\n", thrice },
	{ "guarded definition, read in all rounds", "mov.u32 %c, 0;\n"
	  "top: setp.eq.u32 %p, %c, 0; @%p mov.u32 %a1, %id; add.u32 %res, %res, %a1;\n" CHURN(1)
	  "add.u32 %c, %c, 1; setp.lt.u32 %p, %c, 2; @%p bra top;\n", twice },
	{ "guarded definitions of one name", "and.b32 %c, %id, 1; setp.eq.u32 %p, %c, 0;\n"
	  "@%p mov.u32 %a1, 5; @!%p mov.u32 %a1, 9;\n" CHURN(1) "mov.u32 %res, %a1;\n", chosen },
	{ "before a loop, read in it", "mov.u32 %c, 0; add.u32 %a1, %id, 7;\n"
	  "top: add.u32 %res, %res, %a1;\n" CHURN(1) "add.u32 %c, %c, 1; setp.lt.u32 %p, %c, 3; @%p bra top;\n", thrice },
	{ "carried round a loop", "mov.u32 %c, 0; mov.u32 %a1, 0;\n"
	  "top: add.u32 %a2, %a1, %id;\n" CHURN(1) "add.u32 %a1, %a2, 7;\n" CHURN(2)
	  "add.u32 %c, %c, 1; setp.lt.u32 %p, %c, 3; @%p bra top;\n" CHURN(3) "mov.u32 %res, %a1;\n", thrice },
	{ "across a label", "add.u32 %a1, %id, 1; setp.lt.u32 %p, %id, 9; @%p bra past;\n" CHURN(1)
	  "past:\n" CHURN(2) "mov.u32 %res, %a1;\n", plus_one },
	{ "read after the loop that defines it", "mov.u32 %c, 0;\n"
	  "top: add.u32 %a1, %id, %c; setp.eq.u32 %p, %c, 3; @%p bra past; add.u32 %c, %c, 1;\n" CHURN(1) "bra top;\n"
	  "past:\n" CHURN(2) "mov.u32 %res, %a1;\n", left },
	{ "both halves of 64 bits", "mul.wide.u32 %b1, %id, 5; shl.b64 %b2, %b1, 32; mul.lo.u32 %a1, %id, 7; cvt.u64.u32 %b3, %a1;\n"
	  "or.b64 %b4, %b2, %b3;\n" CHURN(1) "mov.b64 {%a2, %a3}, %b4;\n" CHURN(2)
	  "add.u32 %res, %a2, %a3; add.u32 %res, %res, %a1;\n", wide },
	{ "a vector", "shl.b32 %c, %id, 4; mov.u32 %a1, sh; add.u32 %c, %c, %a1; add.u32 %a2, %id, 1; add.u32 %a3, %id, 2;\n"
	  "add.u32 %a4, %id, 3; st.shared.v4.u32 [%c], {%id, %a2, %a3, %a4};\n" CHURN(1)
	  "ld.shared.v4.u32 {%a5, %a6, %a7, %a8}, [%c];\n" CHURN(2) "add.u32 %a9, %a5, %a6; add.u32 %a10, %a7, %a8;\n" CHURN(3)
	  "add.u32 %res, %a9, %a10;\n", sum4 },
	{ "16 bits where 32 were", CHURN(1) "cvt.u16.u32 %h1, %id; add.u16 %h2, %h1, 0xfff0; and.b16 %h3, %h1, 255;\n" CHURN(2)
	  "mov.b32 %res, {%h2, %h3};\n", narrow },
	{ "a block with the same names", "add.u32 %a1, %id, 1;\n{ .reg .b32 %a<4>; mov.u32 %a1, 77; mov.u32 %a2, %a1;\n" CHURN(1)
	  "}\n{ .reg .b32 %a1; mov.u32 %a1, 78; }\n" CHURN(2) "mov.u32 %res, %a1;\n", plus_one },
	{ "arguments and results", "mov.u32 %a1, 1; shl.b32 %a2, %id, 1;\n" CHURN(1) "call (%a3), f, (%a2, %a1);\n" CHURN(2)
	  "mov.u32 %a4, 0; call (%a5), f, (%a3, %a4);\n" CHURN(3) "add.u32 %a6, %a3, %a3; add.u32 %a7, %a6, %id;\n" CHURN(4)
	  "add.u32 %res, %a5, %a7;\n", called },
	{ "a loop that a branch table closes", "mov.u32 %c, 0; add.u32 %a1, %id, 9;\n"
	  "top: add.u32 %a2, %a1, %c;\n" CHURN(1) "add.u32 %res, %res, %a2; setp.eq.u32 %p, %c, 3; selp.u32 %a3, 1, 0, %p;\n"
	  "add.u32 %c, %c, 1;\nts: .branchtargets top, past;\n brx.idx %a3, ts;\npast:\n", table },
	{ "lanes that wait at a barrier", "setp.ge.u32 %p, %id, 16; @%p bra upper; add.u32 %a1, %id, 5;\n"
	  "bar.warp.sync 0xffffffff; mov.u32 %res, %a1; bra past;\n"
	  "upper: add.u32 %a2, %id, 6;\n" CHURN(1) "bar.warp.sync 0xffffffff;\n" CHURN(2) "mov.u32 %res, %a2;\npast:\n", halves },
};

static const char head[] = ".version 8.2\n.target sm_80\n.address_size 64\n"
	".func (.reg .b32 %r) f(.reg .b32 %x, .reg .b32 %y)\n{\n\tadd.u32 %r, %x, %y;\n\tret;\n}\n"
	".visible .entry k(.param .u64 out)\n{\n"
	"\t.reg .b32 %a<100>, %t<100>; .reg .b64 %b<10>, %u<100>; .reg .b16 %h<10>; .reg .b32 %id, %c, %res;\n"
	"\t.reg .pred %p; .reg .b64 %o; .shared .align 16 .b8 sh[512];\n"
	"\tmov.u32 %id, %tid.x; mov.u32 %res, 0;\n";
static const char tail[] =
	"\tld.param.u64 %o, [out]; mad.wide.u32 %o, %id, 4, %o; st.global.u32 [%o], %res;\n\tret;\n}\n";

static void values_survive(void **state)
{
	uint32_t *o = device(SG_LANES * sizeof(*o));
	char text[8192];

	(void)state;
	for (size_t k = 0; k < sizeof(bodies) / sizeof(bodies[0]); k++) {
		struct sg_module *m;

		snprintf(text, sizeof(text), "%s%s%s", head, bodies[k].text, tail);
		m = load_ok(text);
		launch_ok(m, "k", 1, SG_LANES, &o);
		for (uint32_t i = 0; i < SG_LANES; i++)
			if (o[i] != bodies[k].want(i))
				fail_msg("%s: lane %u has 0x%x, not 0x%x", bodies[k].name, i, o[i], bodies[k].want(i));
		sg_module_destroy(m);
	}
	release(o);
}

/* Bytes of the register file of a body with a thousand names, of which two live at a time. */
static uint32_t frame_bytes(const char *declaration, uint32_t *o)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct sg_module *m;
	uint32_t bytes;

	assert_non_null(f);
	fprintf(f, "%s\t%s\n\tmov.u32 %%v0, %%id;\n", head, declaration);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "\tadd.u32 %%v%d, %%v%d, 1;\n", i + 1, i);
	fprintf(f, "\tmov.u32 %%res, %%v1000;\n%s", tail);
	fclose(f);
	m = load_ok(text);
	bytes = sg_module_find(m, "k")->fn->frame_bytes;
	launch_ok(m, "k", 1, SG_LANES, &o);
	assert_int_equal(o[5], 1005);
	sg_module_destroy(m);
	free(text);
	return bytes;
}

static void rows_are_shared(void **state)
{
	uint32_t *o = device(SG_LANES * sizeof(*o));

	(void)state;
	assert_true(frame_bytes(".reg .b32 %v<1001>;", o) < 8192);
	/* names that two declarations may mean have rows of their own */
	assert_true(frame_bytes(".reg .b32 %v<1001>; { .reg .b32 %v<2>; }", o) > 1000 * SG_LANES * 4);
	release(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_survive),
		cmocka_unit_test(rows_are_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
