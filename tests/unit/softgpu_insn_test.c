/* SPDX-License-Identifier: MIT */
/*
 * softgpu_insn_test.c - instructions of the PTX engine whose behaviour takes time or memory, and
 * values that the PTX ISA gives
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

/* Copies of each size, zero fill by src-size and by ignore-src; groups are complete at once. */
static void copies_fill_shared_memory(void **state)
{
	struct sg_module *m = load_ok(KERNEL(
		".shared .align 16 .b8 s[64]; .reg .b64 %pol;\n"
		"st.shared.v4.u32 [s], {-1, -1, -1, -1}; st.shared.v4.u32 [s+32], {-1, -1, -1, -1};\n"
		"mov.u32 %r1, s; createpolicy.fractional.L2::evict_first.b64 %pol, 1.0;\n"
		"cp.async.ca.shared.global [%r1], [%d0], 4; cp.async.ca.shared::cta.global.L2::128B [s+8], [%d0+8], 8;\n"
		"cp.async.cg.shared.global [%r1+16], [%d0+16], 16; mov.u32 %r2, 5; setp.eq.u32 %p1, %r2, 5;\n"
		"cp.async.commit_group; cp.async.wait_group 0;\n"
		"cp.async.cg.shared.global.L2::cache_hint [s+32], [%d0+32], 16, %r2, %pol;\n"
		"cp.async.ca.shared.global [s+48], [0], 8, 0; cp.async.ca.shared.global [s+56], [0], 8, %p1;\n"
		"cp.async.wait_all;\n"
		"ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [s]; st.global.v4.u32 [%d0+64], {%r4, %r5, %r6, %r7};\n"
		"ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [s+16]; st.global.v4.u32 [%d0+80], {%r4, %r5, %r6, %r7};\n"
		"ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [s+32]; st.global.v4.u32 [%d0+96], {%r4, %r5, %r6, %r7};\n"
		"ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [s+48]; st.global.v4.u32 [%d0+112], {%r4, %r5, %r6, %r7};"));
	uint8_t *o = device(128);
	static const uint8_t untouched[4] = { 0xff, 0xff, 0xff, 0xff }, zeros[16];

	(void)state;
	for (int i = 0; i < 64; i++)
		o[i] = (uint8_t)(i + 1);
	launch_ok(m, "k", 1, 1, &o);
	assert_memory_equal(o + 64, o, 4);
	assert_memory_equal(o + 68, untouched, 4);
	assert_memory_equal(o + 72, o + 8, 24);
	assert_memory_equal(o + 96, o + 32, 5);
	assert_memory_equal(o + 101, zeros, 11);
	assert_memory_equal(o + 112, zeros, 16);
	release(o);
	sg_module_destroy(m);
}

/*
 * Four warps; the last produces, the others consume, round after round: a pair of barriers, one for
 * full and one for empty, whose parities turn.
 */
static void a_pipeline_turns_its_phases(void **state)
{
	uint32_t *o = run_text(KERNEL(
		".shared .align 8 .b64 full; .shared .align 8 .b64 empty; .shared .u32 slot;\n"
		"setp.ne.u32 %p0, %r0, 0; mov.u32 %r10, 0; mov.u32 %r11, 0; mov.u32 %r12, 0;\n"
		"@%p0 bra ready; mbarrier.init.shared.b64 [full], 32; mbarrier.init.shared::cta.b64 [empty], 96;\n"
		"ready: bar.sync 0; setp.ge.u32 %p1, %r0, 96; @%p1 bra produce;\n"
		"consume: and.b32 %r1, %r10, 1;\n"
		"c1: mbarrier.try_wait.parity.shared.b64 %p2, [full], %r1; @!%p2 bra c1;\n"
		"ld.shared.u32 %r2, [slot]; add.u32 %r11, %r11, %r2; mbarrier.arrive.shared.b64 %d1, [empty];\n"
		"add.u32 %r10, %r10, 1; setp.lt.u32 %p3, %r10, 20; @%p3 bra consume; bra end;\n"
		"produce: and.b32 %r1, %r10, 1; xor.b32 %r1, %r1, 1; mov.u64 %d2, empty; cvta.shared.u64 %d2, %d2;\n"
		"p1: mbarrier.try_wait.parity.acquire.cta.b64 %p2, [%d2], %r1, 1000; @!%p2 bra p1;\n"
		"mad.lo.u32 %r12, %r10, 3, 1; st.shared.u32 [slot], %r12;\n"
		"mbarrier.arrive.release.cta.shared::cta.b64 _, [full];\n"
		"add.u32 %r10, %r10, 1; setp.lt.u32 %p3, %r10, 20; @%p3 bra produce;\n"
		"end: mad.wide.u32 %d0, %r0, 4, %d0; st.global.u32 [%d0], %r11;"), 128, 512);
	uint32_t want = 0;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		want += 3 * i + 1;
	for (uint32_t i = 0; i < 96; i++)
		assert_int_equal(o[i], want);
	release(o);
}

/* Counts and states of one barrier, by a single thread. */
static void arrivals_and_bytes_complete_a_phase(void **state)
{
	uint32_t *o = run_text(KERNEL(
		".shared .align 8 .b64 b; .reg .b32 %n; .reg .b64 %s<4>; .reg .pred %q;\n"
		"mbarrier.init.shared.b64 [b], 4;\n"
		"mbarrier.arrive.shared.b64 %s0, [b], 2; mbarrier.pending_count.b64 %n, %s0; st.global.u32 [%d0], %n;\n"
		"mbarrier.arrive.noComplete.shared.b64 %s1, [b], 1; mbarrier.pending_count.b64 %n, %s1;\n"
		"st.global.u32 [%d0+4], %n;\n"
		"mbarrier.test_wait.shared.b64 %q, [b], %s1; selp.u32 %n, 1, 0, %q; st.global.u32 [%d0+8], %n;\n"
		/* the last arrival expects 48 bytes, of which 32 come now and 16 later */
		"mbarrier.arrive.expect_tx.shared.b64 %s2, [b], 48; mbarrier.complete_tx.shared.b64 [b], 32;\n"
		"mbarrier.test_wait.shared.b64 %q, [b], %s2; selp.u32 %n, 1, 0, %q; st.global.u32 [%d0+12], %n;\n"
		"mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [b], 16;\n"
		"mbarrier.test_wait.shared.b64 %q, [b], %s2; selp.u32 %n, 1, 0, %q; st.global.u32 [%d0+16], %n;\n"
		"mbarrier.test_wait.parity.shared.b64 %q, [b], 1; selp.u32 %n, 1, 0, %q; st.global.u32 [%d0+20], %n;\n"
		/* one thread leaves: the phase after this one expects three */
		"mbarrier.arrive_drop.shared.b64 %s0, [b]; mbarrier.arrive.shared.b64 %s1, [b], 3;\n"
		"mbarrier.test_wait.parity.shared.b64 %q, [b], 1; selp.u32 %n, 1, 0, %q; st.global.u32 [%d0+24], %n;\n"
		"mbarrier.arrive.shared.b64 %s0, [b]; mbarrier.pending_count.b64 %n, %s0; st.global.u32 [%d0+28], %n;\n"
		/* bytes may come before they are expected */
		"mbarrier.complete_tx.shared.b64 [b], 64; mbarrier.arrive.shared.b64 %s0, [b], 2;\n"
		"mbarrier.test_wait.shared.b64 %q, [b], %s0; selp.u32 %n, 1, 0, %q; st.global.u32 [%d0+32], %n;\n"
		"mbarrier.expect_tx.shared.b64 [b], 64;\n"
		"mbarrier.test_wait.shared.b64 %q, [b], %s0; selp.u32 %n, 1, 0, %q; st.global.u32 [%d0+36], %n;\n"
		/* with .noinc a copy's arrival counts; without, it does not */
		"cp.async.mbarrier.arrive.shared.b64 [b]; cp.async.mbarrier.arrive.noinc.shared.b64 [b];\n"
		"mbarrier.arrive.shared.b64 %s0, [b]; mbarrier.pending_count.b64 %n, %s0; st.global.u32 [%d0+40], %n;\n"
		"mbarrier.inval.shared.b64 [b];"), 1, 64);
	static const uint32_t want[] = { 4, 2, 0, 0, 1, 0, 1, 3, 0, 1, 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (o[i] != want[i])
			fail_msg("step %zu: %u, not %u", i, o[i], want[i]);
	release(o);
}

static void bulk_copies_tell_their_barrier(void **state)
{
	struct sg_module *m = load_ok(KERNEL(
		".shared .align 16 .b8 s[64]; .shared .align 8 .b64 b;\n"
		"setp.ne.u32 %p0, %r0, 0; mov.u32 %r1, b; mov.u32 %r2, s;\n"
		"@!%p0 mbarrier.init.shared.b64 [%r1], 1; fence.mbarrier_init.release.cluster; bar.sync 0; @%p0 bra wait;\n"
		"mbarrier.arrive.expect_tx.shared.b64 _, [%r1], 48;\n"
		"cp.async.bulk.prefetch.L2.global [%d0], 48;\n"
		"cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2], [%d0], 32, [%r1];\n"
		"cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [%r2+32], [%d0+32], 16, [b];\n"
		"wait: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0; @!%p1 bra wait;\n"
		"@%p0 bra end; fence.proxy.async.shared::cta;\n"
		"cp.async.bulk.global.shared::cta.bulk_group [%d0+64], [%r2], 48;\n"
		"cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0; cp.async.bulk.wait_group 0;\nend:"));
	uint8_t *o = device(112);

	(void)state;
	for (int i = 0; i < 48; i++)
		o[i] = (uint8_t)(i * 5);
	launch_ok(m, "k", 1, 64, &o);
	assert_memory_equal(o + 64, o, 48);
	release(o);
	sg_module_destroy(m);
}

/* Each reduction, from shared memory to global and to shared memory, of values that are all known. */
static const struct {
	const char *op;
	uint32_t bytes;
	uint64_t old, operand, result;
	bool shared;
} reductions[] = {
	{ "add.u32", 4, 0xffffffff, 3, 2, true }, { "add.s32", 4, 5, 0xfffffffe, 3, true },
	{ "add.u64", 8, 0xffffffff, 1, 0x100000000, true }, { "min.u32", 4, 0xfffffff0, 7, 7, true },
	{ "min.s32", 4, 0xfffffff0, 7, 0xfffffff0, true }, { "max.u32", 4, 0xfffffff0, 7, 0xfffffff0, true },
	{ "max.s32", 4, 0xfffffff0, 7, 7, true }, { "inc.u32", 4, 9, 9, 0, true }, { "inc.u32", 4, 8, 9, 9, true },
	{ "dec.u32", 4, 0, 9, 9, true }, { "dec.u32", 4, 4, 9, 3, true }, { "and.b32", 4, 0xff0, 0x0ff, 0x0f0, true },
	{ "or.b32", 4, 0xf0, 0x0f, 0xff, true }, { "xor.b32", 4, 0xff, 0x0f, 0xf0, true },
	{ "min.u64", 8, 1ull << 63, 3, 3, false }, { "min.s64", 8, 1ull << 63, 3, 1ull << 63, false },
	{ "max.u64", 8, 1ull << 63, 3, 1ull << 63, false }, { "max.s64", 8, 1ull << 63, 3, 3, false },
	{ "and.b64", 8, 0xff0ull << 32, 0x0ffull << 32, 0x0f0ull << 32, false },
	{ "or.b64", 8, 0xf0ull << 32, 0x0f, 0xf00000000full, false }, { "xor.b64", 8, 1ull << 63, 1ull << 63 | 1, 1, false },
	/* 1.5 + 2.25; the smallest subnormal is flushed */
	{ "add.f32", 4, 0x3fc00000, 0x40100000, 0x40700000, false }, { "add.f32", 4, 0x3f800000, 1, 0x3f800000, false },
	{ "add.f32", 4, 1, 1, 0, false }, { "add.f64", 8, 0x3ff8000000000000, 0x4002000000000000, 0x400e000000000000, false },
	{ "add.noftz.f16", 2, 0x3e00, 0x4080, 0x4380, false }, { "add.noftz.f16", 2, 1, 1, 2, false },
	{ "add.noftz.bf16", 2, 0x3fc0, 0x4010, 0x4070, false }, { "min.f16", 2, 0xbc00, 0x3c00, 0xbc00, false },
	{ "max.f16", 2, 0xbc00, 0x3c00, 0x3c00, false }, { "max.f16", 2, 0x7e00, 0x3c00, 0x3c00, false },
	{ "min.bf16", 2, 0xbf80, 0x3f80, 0xbf80, false }, { "max.bf16", 2, 0xbf80, 0x3f80, 0x3f80, false },
};

#define TO_GLOBAL "cp.reduce.async.bulk.global.shared::cta.bulk_group."
#define TO_SHARED "cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes."

/* o: 64 bytes that are reduced, 64 that reduce them in global memory, and the first 64 once more. */
static void reduce_in_bulk(const char *op, bool shared, uint8_t *o)
{
	static const char begin[] = HEAD
		".visible .entry k(.param .u64 out) {\n.reg .pred %p<2>; .reg .b32 %r<6>; .reg .b64 %d<2>, %pol;\n"
		".shared .align 16 .b8 s[64]; .shared .align 16 .b8 t[64]; .shared .align 8 .b64 b;\n"
		"ld.param.u64 %d0, [out]; mov.u32 %r0, %tid.x; setp.ne.u32 %p0, %r0, 0; @!%p0 mbarrier.init.shared.b64 [b], 1;\n"
		"mad.wide.u32 %d1, %r0, 4, %d0; shl.b32 %r1, %r0, 2; mov.u32 %r2, s; add.u32 %r2, %r2, %r1;\n"
		"ld.global.u32 %r3, [%d1+64]; st.shared.u32 [%r2], %r3;\n"
		"mov.u32 %r4, t; add.u32 %r4, %r4, %r1; ld.global.u32 %r3, [%d1]; st.shared.u32 [%r4], %r3;\n"
		"bar.sync 0; createpolicy.fractional.L2::evict_first.b64 %pol, 1.0;\n"
		"mov.u32 %r2, s; mov.u32 %r3, t; mov.u32 %r5, 48; @%p0 bra wait;\n";
	static const char end[] =
		"wait: mbarrier.try_wait.parity.shared.b64 %p1, [b], 0; @!%p1 bra wait;\n"
		"ld.shared.u32 %r3, [%r4]; st.global.u32 [%d1+128], %r3; ret; }\n";
	struct sg_module *m;
	char text[4096];

	snprintf(text, sizeof(text), "%s%s" TO_GLOBAL "L2::cache_hint.%s [%%d0], [%%r2], %%r5, %%pol;\n"
		 TO_GLOBAL "%s [%%d0+48], [%%r2+48], 16; cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;\n"
		 "%s" TO_SHARED "%s [%%r3], [%%r2], 64, [b];\n%s", begin, shared ? "mbarrier.arrive.expect_tx.shared.b64 _, [b], 64;\n" :
		 "mbarrier.arrive.shared.b64 _, [b];\n", op, op, shared ? "" : "//", shared ? op : "add.u32", end);
	m = load_ok(text);
	launch_ok(m, "k", 1, 16, &o);
	sg_module_destroy(m);
}

static void bulk_reductions(void **state)
{
	uint8_t *o = device(192), want[64], old[64];

	(void)state;
	for (size_t i = 0; i < sizeof(reductions) / sizeof(reductions[0]); i++) {
		uint32_t n = reductions[i].bytes;

		for (uint32_t k = 0; k < 64; k += n) {
			memcpy(old + k, &reductions[i].old, n);
			memcpy(o + 64 + k, &reductions[i].operand, n);
			memcpy(want + k, &reductions[i].result, n);
		}
		memcpy(o, old, 64);
		reduce_in_bulk(reductions[i].op, reductions[i].shared, o);
		if (memcmp(o, want, 64) || memcmp(o + 128, reductions[i].shared ? want : old, 64))
			fail_msg("%s: 0x%llx", reductions[i].op, *(unsigned long long *)o);
	}
	release(o);
}

/* A vector register is its elements, whole or one by one (PTX ISA 5.4.2, 6.4.3). */
static void vector_registers(void **state)
{
	uint32_t *o = run_text(KERNEL(
		".reg .v4 .u32 v, w<3>; .reg .v2 .f32 f; .reg .v2.b16 h; .reg .v2 .b64 q; .reg .v4 .u16 small;\n"
		"mad.wide.u32 %d0, %r0, 96, %d0;\n"
		"mov.v4.u32 v, %ntid; add.u32 v.w, v.x, v.y; mov.v4.b32 w1, v; st.global.v4.u32 [%d0], w1;\n"
		"mov.v4.u32 {%r1, %r2, %r3, _}, %tid; mov.v4.b32 w2, {%r3, %r2, %r1, 9};\n"
		"mov.v4.b32 w2, {w2.a, w2.b, w2.g, w2.r}; st.global.v4.b32 [%d0+16], w2;\n"
		"ld.global.v2.f32 f, [%d0]; mov.f32 f.y, .5; mul.f32 f.y, f.y, -.5; mov.f32 f.x, +.25e+1; mov.b64 %d1, f;\n"
		"st.global.b64 [%d0+32], %d1; mov.b16 h.x, 1; mov.b16 h.y, 2; mov.b32 %r4, h; st.global.b32 [%d0+40], %r4;\n"
		"mov.b64 q.x, 5; mov.b64 q.y, %d1; st.global.v2.b64 [%d0+48], q;\n"
		"mov.v4.u16 small, %nctaid; st.global.v4.u16 [%d0+64], small; mov.b64 f, %d1; st.global.f32 [%d0+72], f.x;\n"
		"isspacep.shared %p0, %r0; isspacep.global %p1, %r0; selp.u32 %r5, 2, 0, %p0; selp.u32 %r6, 1, 0, %p1;\n"
		"or.b32 %r5, %r5, %r6; st.global.u32 [%d0+76], %r5; mov.v4.u32 v, %clusterid; st.global.u32 [%d0+80], v.w;"),
		33, 33 * 96);
	static const uint32_t half[] = { 0x40200000, 0xbe800000 };

	(void)state;
	for (uint32_t i = 0; i < 33; i++) {
		const uint32_t *r = o + i * 24, want[] = { 33, 1, 1, 34, 9, i, 0, 0, half[0], half[1], 0x20001 };

		assert_memory_equal(r, want, sizeof(want));
		assert_int_equal(r[12], 5);
		assert_int_equal(r[13], 0);
		assert_memory_equal(r + 14, half, sizeof(half));
		assert_int_equal(r[16], 0x10001);
		assert_int_equal(r[17], 1);
		assert_int_equal(r[18], half[0]);
		assert_int_equal(r[19], 1);
		assert_int_equal(r[20], 0);
	}
	release(o);
}

/* A warp that polls lets the others work, in its own warp too; sleepers do as well. */
static void polls_give_way(void **state)
{
	uint32_t *o = run_text(KERNEL(
		".shared .align 8 .b64 b; .shared .u32 flag;\n"
		"setp.ne.u32 %p0, %r0, 0; @%p0 bra s1; mbarrier.init.shared.b64 [b], 2; st.shared.u32 [flag], 0;\n"
		"s1: bar.sync 0; setp.eq.u32 %p1, %r0, 31; setp.eq.u32 %p2, %r0, 63; @%p1 bra arrive; @%p2 bra arrive;\n"
		"w1: mbarrier.test_wait.parity.shared.b64 %p3, [b], 0; @!%p3 bra w1;\n"
		"bra s2;\n"
		"arrive: mov.u32 %r1, 1000; a1: sub.u32 %r1, %r1, 1; setp.ne.u32 %p4, %r1, 0; @%p4 bra a1;\n"
		"mbarrier.arrive.shared.b64 %d1, [b];\n"
		"s2: @%p2 st.shared.u32 [flag], 7; \n"
		"n1: nanosleep.u32 100; ld.volatile.shared.u32 %r2, [flag]; setp.ne.u32 %p4, %r2, 7; @%p4 bra n1;\n"
		"mad.wide.u32 %d0, %r0, 4, %d0; st.global.u32 [%d0], %r2;"), 64, 256);

	(void)state;
	for (int i = 0; i < 64; i++)
		assert_int_equal(o[i], 7);
	release(o);
}

static const struct {
	const char *text;
	enum sg_result result;
	const char *says;
} misuses[] = {
	/* 64 arrivals are expected, 32 come */
	{ "@!%p0 mbarrier.init.shared.b64 [b], 64; bar.sync 0; @%p1 mbarrier.arrive.shared.b64 _, [b];\n"
	  "w: mbarrier.try_wait.parity.shared.b64 %p3, [b], 0; @!%p3 bra w;", SG_TIMEOUT,
	  "cannot complete: 32 of 64 arrivals and 0 bytes are missing" },
	/* the bytes never come; the other warp waits at a barrier */
	{ "@!%p0 mbarrier.init.shared.b64 [b], 1; @!%p0 mbarrier.arrive.expect_tx.shared.b64 _, [b], 16; @%p1 bra t;\n"
	  "w: mbarrier.try_wait.parity.shared.b64 %p3, [b], 0; @!%p3 bra w;\nt: bar.sync 0;", SG_TIMEOUT,
	  "cannot complete: 0 of 1 arrivals and 16 bytes are missing" },
	{ "mbarrier.arrive.shared.b64 _, [b];", SG_ILLEGAL_INSTRUCTION, "was not initialised" },
	{ "mbarrier.init.shared.b64 [b], 0;", SG_ILLEGAL_INSTRUCTION, "a count of 0" },
	{ "mbarrier.init.shared.b64 [b], 1; mbarrier.arrive.shared.b64 _, [b], 2;", SG_ILLEGAL_INSTRUCTION,
	  "more arrivals than it expects" },
	{ "mbarrier.init.shared.b64 [b], 1; mbarrier.arrive.noComplete.shared.b64 %d1, [b], 1;", SG_ILLEGAL_INSTRUCTION,
	  "a count of 1" },
	{ "mbarrier.init.shared.b64 [b+4], 1;", SG_MISALIGNED, "misaligned mbarrier" },
	{ "mbarrier.init.b64 [%d0], 1;", SG_ILLEGAL_ADDRESS, "no mbarrier" },
	{ "mbarrier.init.shared.b64 [b+8192], 1;", SG_ILLEGAL_ADDRESS, "no mbarrier" },
	{ "cp.async.ca.shared.global [s], [%d0+4096], 4;", SG_ILLEGAL_ADDRESS, "illegal copy of 4 bytes" },
	{ "cp.async.ca.shared.global [s+4096], [%d0], 4;", SG_ILLEGAL_ADDRESS, "illegal copy" },
	{ "cp.async.cg.shared.global [s], [%d0+8], 16;", SG_MISALIGNED, "misaligned copy of 16 bytes" },
	{ "cp.async.bulk.global.shared::cta.bulk_group [%d0], [s], 24;", SG_MISALIGNED, "no multiple of 16" },
	{ TO_GLOBAL "add.u32 [%d0], [s], 24;", SG_MISALIGNED, "no multiple of 16" },
	{ TO_GLOBAL "add.u32 [%d0+4080], [s], 32;", SG_ILLEGAL_ADDRESS, "illegal copy of 32" },
	{ TO_GLOBAL "add.u32 [%d0], [s+4096], 32;", SG_ILLEGAL_ADDRESS, "illegal copy of 32" },
	{ TO_GLOBAL "add.u32 [%d0+4], [s], 32;", SG_MISALIGNED, "misaligned copy of 32" },
	{ TO_SHARED "add.u32 [s], [s+32], 16, [b];", SG_ILLEGAL_INSTRUCTION, "was not initialised" },
	{ "cp.async.bulk.global.shared::cta.bulk_group [%d0+4080], [s], 32;", SG_ILLEGAL_ADDRESS, "illegal copy of 32" },
};

static void misuse_is_a_fault(void **state)
{
	void *out = device(4096);

	(void)state;
	for (size_t i = 0; i < sizeof(misuses) / sizeof(misuses[0]); i++) {
		char text[2048];
		struct sg_module *m;
		enum sg_result res;

		snprintf(text, sizeof(text), "%s.visible .entry k(.param .u64 out) {\n.reg .pred %%p<8>; .reg .b32 %%r<16>;"
			 ".reg .b64 %%d<16>; .shared .align 16 .b8 s[64]; .shared .align 8 .b64 b;\n"
			 "ld.param.u64 %%d0, [out]; mov.u32 %%r0, %%tid.x; setp.ne.u32 %%p0, %%r0, 0; setp.ge.u32 %%p1, %%r0, 32;\n"
			 "%s\nret;\n}\n", HEAD, misuses[i].text);
		m = load_ok(text);
		res = launch(m, "k", 1, 64, &out);
		if (res != misuses[i].result || !strstr(fault.text, misuses[i].says))
			fail_msg("%s: result %d: %s", misuses[i].text, res, fault.text);
		sg_module_destroy(m);
	}
	release(out);
}

/* a = 0x80ff7f01, b = 0x0102fe40, c = 0x11223344 */
static const struct {
	const char *insn;
	uint32_t want;
} videos[] = {
	{ "vadd.s32.u32.s32 %r4, %r1.b2, %r2.b1;", 253 },
	{ "vsub.u32.u32.u32.sat %r4, %r1.b0, %r2.b0;", 0 },
	{ "vabsdiff.u32.s32.s32.add %r4, %r1.h1, %r2.h0, %r3;", 0x1122b085 },
	{ "vmin.s32.s32.s32 %r4.b2, %r1.b3, %r2.b1, %r3;", 0x11803344 },
	{ "vmax.s32.s32.s32.sat %r4.h1, %r1, %r2, %r3;", 0x7fff3344 },
	{ "vshl.u32.u32.u32.sat.clamp %r4, %r1.h0, %r2.b0;", 0xffffffff },
	{ "vshl.u32.u32.u32.wrap %r4, %r1.b0, %r2.b2;", 4 },
	{ "vshr.s32.s32.u32.clamp.add %r4, %r1.h1, %r2.b2, %r3;", 0x11221383 },
	{ "vmad.u32.u32.u32 %r4, %r1.b1, %r2.b0, %r3;", 0x11225304 },
	{ "vmad.s32.s32.s32 %r4, -%r1.b1, %r2.b0, %r3;", 0x11221384 },
	{ "vmad.u32.u32.u32.po.shr7 %r4, %r1.b1, %r2.b0, %r3;", 0x2244a6 },
	{ "vset.u32.s32.gt.add %r4, %r1.b0, %r2.h0, %r3;", 0x11223345 },
	{ "vadd2.s32.s32.s32.sat %r4, %r1, %r2, %r3;", 0x82017d41 },
	{ "vadd2.u32.u32.u32 %r4.h1, %r1.h00, %r2.h32, %r3;", 0x80033344 },
	{ "vabsdiff4.u32.u32.u32.add %r4, %r1, %r2, %r3;", 0x1122357e },
	{ "vavrg4.s32.s32.s32 %r4, %r1, %r2, %r3;", 0xc0013f21 },
	{ "vsub4.u32.u32.u32.sat %r4.b20, %r1.b3210, %r2.b7654, %r3;", 0x11fd3300 },
	{ "vset4.u32.u32.ge %r4, %r1, %r2, %r3;", 0x01010000 },
	{ "vmin4.s32.s32.s32 %r4, %r1, %r2, %r3;", 0x80fffe01 },
};

#define NR_VIDEOS (sizeof(videos) / sizeof(videos[0]))

static void video_instructions(void **state)
{
	char body[4096] = "", text[8192];
	size_t n = 0;
	uint32_t *o;

	(void)state;
	for (size_t i = 0; i < NR_VIDEOS; i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n, "%s st.global.u32 [%%d0+%zu], %%r4;\n",
				      videos[i].insn, 4 * i);
	snprintf(text, sizeof(text), "%s.visible .entry k(.param .u64 out) {\n.reg .b32 %%r<8>; .reg .b64 %%d0;\n"
		 "ld.param.u64 %%d0, [out]; mov.u32 %%r1, 0x80ff7f01; mov.u32 %%r2, 0x0102fe40; mov.u32 %%r3, 0x11223344;\n"
		 "%s ret; }\n", HEAD, body);
	o = run_text(text, 1, 4 * NR_VIDEOS);
	for (size_t i = 0; i < NR_VIDEOS; i++)
		if (o[i] != videos[i].want)
			fail_msg("%s: 0x%x, not 0x%x", videos[i].insn, o[i], videos[i].want);
	release(o);
}

static void small_floats(void **state)
{
	const struct row rows[] = {
		{ "cvt.rn.satfinite.e4m3x2.f32", "h=ff", { F(1), F(448) }, 0x387e },
		{ "cvt.rn.satfinite.e4m3x2.f32", "h=ff", { F(-500), F(0x1p-10f) }, 0xfe00 },
		{ "cvt.rn.satfinite.e4m3x2.f32", "h=ff", { NAN32, F(0x1.8p-9f) }, 0x7f02 },
		{ "cvt.rn.satfinite.relu.e4m3x2.f32", "h=ff", { F(-1), 0xffc00000 }, 0x007f },
		{ "cvt.rn.satfinite.e5m2x2.f32", "h=ff", { F(1.125f), F(1e9f) }, 0x3c7b },
		{ "cvt.rn.satfinite.e5m2x2.f32", "h=ff", { F(1.375f), 0xff800000 }, 0x3efb },
		{ "cvt.rn.satfinite.e5m2x2.f32", "h=ff", { F(0x1p-17f), F(0x1.8p-17f) }, 0x0001 },
		{ "cvt.rn.satfinite.e4m3x2.f16x2", "h=w", { 0x3c00fc00 }, 0x38fe },
		{ "cvt.rn.satfinite.e5m2x2.f16x2", "h=w", { 0x7e007bff }, 0x7f7b },
		{ "cvt.rn.f16x2.e4m3x2", "w=h", { 0x7f38 }, 0x7fff3c00 },
		{ "cvt.rn.f16x2.e4m3x2", "w=h", { 0x01fe }, 0x1800df00 },
		{ "cvt.rn.relu.f16x2.e4m3x2", "w=h", { 0x80b8 }, 0 },
		{ "cvt.rn.f16x2.e5m2x2", "w=h", { 0x7cfc }, 0x7c00fc00 },
		{ "cvt.rn.f16x2.e5m2x2", "w=h", { 0xff01 }, 0x7fff0100 },
		{ "cvt.rna.tf32.f32", "w=f", { 0x3f801000 }, 0x3f802000 },
		{ "cvt.rn.tf32.f32", "w=f", { 0x3f801000 }, 0x3f800000 },
		{ "cvt.rz.tf32.f32", "w=f", { 0xbf803fff }, 0xbf802000 },
		{ "cvt.rna.satfinite.tf32.f32", "w=f", { 0x7f7fffff }, 0x7f7fe000 },
		{ "cvt.rna.tf32.f32", "w=f", { 0x7f7fffff }, INF32 },
		{ "cvt.rn.satfinite.f16.f32", "h=f", { F(-1e6f) }, 0xfbff },
		{ "cvt.rn.relu.satfinite.bf16x2.f32", "w=ff", { INF32, F(-3) }, 0x7f7f0000 },
		{ "cvt.rz.bf16.f32", "h=f", { 0x3f80ffff }, 0x3f80 },
		{ "cvt.pack.sat.u8.s32.b32", "w=www", { 300, NEG(5), 0x12345678 }, 0x5678ff00 },
		{ "cvt.pack.sat.s4.s32.b32", "w=www", { NEG(100), 7, 0x12345678 }, 0x34567887 },
		{ "cvt.pack.sat.u16.s32", "w=ww", { 70000, NEG(5) }, 0xffff0000 },
		{ "cvt.pack.sat.s16.s32", "w=ww", { NEG(70000), 5 }, 0x80000005 },
		{ "max.xorsign.abs.f16", "h=hh", { 0xc200, 0x4000 }, 0xc200 },
		{ "min.NaN.xorsign.abs.bf16x2", "w=ww", { 0x7fffc040, 0x40003f80 }, 0x7fffbf80 },
		{ "fma.rn.relu.f16", "h=hhh", { 0x3c00, 0x3c00, 0xc000 }, 0 },
		{ "add.rn.bf16x2", "w=ww", { 0x3f803f80, 0x3f804000 }, 0x40004040 },
		{ "ex2.approx.ftz.bf16", "h=h", { 0x4040 }, 0x4100 },
		{ "set.lt.u32.f16x2", "w=ww", { 0x3c004000, 0x40003c00 }, 0xffff0000 },
		{ "set.lt.f16x2.f16x2", "w=ww", { 0x3c004000, 0x40003c00 }, 0x3c000000 },
		{ "set.ge.bf16x2.bf16x2", "w=ww", { 0x3f804000, 0x40003f80 }, 0x00003f80 },
		{ "set.eq.f16.s32", "h=ww", { 5, 5 }, 0x3c00 },
		{ "set.eq.u16.f16", "h=hh", { 0x3c00, 0x3c00 }, 0xffff },
		{ "set.ne.bf16.f32", "h=ff", { F(1), F(2) }, 0x3f80 },
	};

	(void)state;
	check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

/* Vectors and halves; the old values and what is left. */
static void atoms_of_halves_and_vectors(void **state)
{
	static const uint16_t from[8] = { 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x7e00 };
	struct sg_module *m = load_ok(KERNEL(
		"mov.f32 %f0, 0f3F800000; mov.f32 %f1, 0f40000000; mov.f32 %f2, %f0; mov.f32 %f3, %f1;\n"
		/* the destinations are the other way round than the sources */
		"atom.global.v2.f32.add {%f1, %f0}, [%d0], {%f0, %f1}; st.global.v2.f32 [%d0+128], {%f1, %f0};\n"
		"red.global.add.v4.f32 [%d0+16], {%f2, %f3, %f2, %f3};\n"
		"mov.b16 %h0, 0x3c00; mov.b16 %h1, 0x4500;\n"
		"red.global.add.noftz.v8.f16 [%d0+32], {%h0, %h0, %h0, %h0, %h0, %h0, %h0, %h0};\n"
		"mov.b32 %r1, 0x45004500; red.global.max.noftz.v2.f16x2 [%d0+48], {%r1, %r1};\n"
		"mov.b16 %h3, 0xbc00; red.global.min.noftz.v4.f16 [%d0+160], {%h3, %h0, %h3, %h0};\n"
		"red.global.max.noftz.v2.bf16x2 [%d0+168], {%r1, %r1}; mov.b16 %h4, 0x3f80;\n"
		"red.global.min.noftz.v2.bf16 [%d0+176], {%h4, %h4}; red.global.max.noftz.v2.f16 [%d0+180], {%h0, %h3};\n"
		"atom.global.add.noftz.bf16 %h2, [%d0+64], 0x3f80; st.global.b16 [%d0+144], %h2;\n"
		"atom.global.add.noftz.bf16x2 %r2, [%d0+68], 0x3f804000; st.global.b32 [%d0+148], %r2;\n"
		"atom.add.noftz.f16 %h2, [%d0+72], %h1;"));
	uint8_t *o = device(256);
	float *f = (float *)o;
	uint16_t *h = (uint16_t *)o;

	(void)state;
	f[0] = 10;
	f[1] = 20;
	memcpy(o + 32, from, 16);
	memcpy(o + 48, from, 8);
	h[32] = 0x4000;
	h[88] = 0x7fff;		/* a number wins over a NaN */
	h[89] = 0xbf80;
	*(uint32_t *)(o + 68) = 0x3f803f80;
	launch_ok(m, "k", 1, 1, &o);
	assert_true(f[0] == 11 && f[1] == 22 && f[32] == 10 && f[33] == 20);
	assert_true(f[4] == 1 && f[5] == 2 && f[6] == 1 && f[7] == 2);
	assert_int_equal(h[16], 0x4000);
	assert_int_equal(h[22], 0x4800);
	assert_int_equal(h[23], 0x7fff);
	assert_int_equal(h[24], 0x4500);
	assert_int_equal(h[27], 0x4500);
	assert_int_equal(h[32], 0x4040);
	assert_int_equal(h[80], 0xbc00);
	assert_int_equal(h[81], 0);
	assert_int_equal(h[84], 0x4500);
	assert_int_equal(h[88], 0x3f80);
	assert_int_equal(h[89], 0xbf80);
	assert_int_equal(h[90], 0x3c00);
	assert_int_equal(h[91], 0);
	assert_int_equal(h[72], 0x4000);
	assert_int_equal(*(uint32_t *)(o + 68), 0x40004040);
	assert_int_equal(*(uint32_t *)(o + 148), 0x3f803f80);
	assert_int_equal(h[36], 0x4500);
	sg_module_destroy(m);
	release(o);
}

/* All threads of several blocks add to 128 bits with cas: nothing is lost. */
static void registers_of_128_bits(void **state)
{
	struct sg_module *m = load_ok(KERNEL(
		".reg .b128 %q<4>; ld.global.b128 %q0, [%d0];\n"
		"again: mov.b128 {%d1, %d2}, %q0; add.cc.u64 %d1, %d1, 0x8000000000000000; addc.u64 %d2, %d2, 1;\n"
		"mov.b128 %q1, {%d1, %d2}; mov.b128 %q2, %q0; atom.global.cas.b128 %q0, [%d0], %q2, %q1;\n"
		"mov.b128 {%d3, %d4}, %q2; mov.b128 {%d5, %d6}, %q0; setp.ne.u64 %p0, %d3, %d5; setp.ne.or.u64 %p0, %d4, %d6, %p0;\n"
		"@%p0 bra again;\n"
		"atom.global.exch.b128 _, [%d0+16], %q1; mov.b128 {_, %d7}, %q1;\n"
		"st.global.b128 [%d0+32], %q1; mov.v2.b32 {%r1, %r0}, {%r0, %r1};"));
	uint64_t *o = device(64);

	(void)state;
	launch_ok(m, "k", 16, 64, &o);
	assert_true(o[0] == 0 && o[1] == 1024 + 512);
	assert_true(o[3] > 0 && o[3] <= 1024 + 512 && (o[2] & INT64_MAX) == 0 && o[5] > 0);
	sg_module_destroy(m);
	release(o);
}

/* Two pieces, a call above them, and the stack restored in a loop that would else overflow it. */
static void alloca_grows_a_frame(void **state)
{
	uint32_t *o = run_text(HEAD
		".func (.reg .b32 r) deep(.reg .b32 a) { .local .b32 l[4]; st.local.b32 [l+12], a; ld.local.b32 r, [l+12]; ret; }\n"
		".visible .entry k(.param .u64 out) { .reg .b32 %r<8>; .reg .b64 %d<8>; .reg .pred %p;\n"
		".local .align 16 .b32 own[4]; ld.param.u64 %d0, [out]; mov.u32 %r0, %tid.x; mad.wide.u32 %d0, %r0, 16, %d0;\n"
		"st.local.b32 [own], 77; mov.u32 %r1, 0;\n"
		"again: stacksave.u64 %d1; add.u32 %r2, %r0, 1; mul.wide.u32 %d2, %r2, 4;\n"
		"alloca.u64 %d3, %d2; alloca.u64 %d4, 64, 32; st.local.b32 [%d3], %r0; st.local.b32 [%d4+60], %r1;\n"
		"call (%r3), deep, (5); ld.local.b32 %r4, [%d3]; ld.local.b32 %r5, [%d4+60];\n"
		"stackrestore.u64 %d1; add.u32 %r1, %r1, 1; setp.lt.u32 %p, %r1, 5000; @%p bra again;\n"
		"ld.local.b32 %r6, [own]; and.b64 %d5, %d4, 31; cvt.u32.u64 %r2, %d5; add.u32 %r6, %r6, %r2;\n"
		"st.global.v4.b32 [%d0], {%r3, %r4, %r5, %r6}; ret; }\n", 40, 40 * 16);
	struct sg_module *m = load_ok(KERNEL(
		"again: alloca.u64 %d1, 1024; st.local.u32 [%d1], %r0; bra again;"));
	void *out = device(64);

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(o[4 * i], 5);
		assert_int_equal(o[4 * i + 1], i);
		assert_int_equal(o[4 * i + 2], 4999);
		assert_int_equal(o[4 * i + 3], 77);
	}
	assert_int_equal(launch(m, "k", 1, 32, &out), SG_ILLEGAL_ADDRESS);
	assert_non_null(strstr(fault.text, "stack overflow"));
	sg_module_destroy(m);
	release(out);
	release(o);
}

static void constant_expressions(void **state)
{
	uint32_t *o = run_text(KERNEL(
		"mov.u32 %r1, (1<<3)+2*5; st.global.u32 [%d0], %r1; mov.u32 %r1, 3 > 2 ? 5 : 6; st.global.u32 [%d0+1*4], %r1;\n"
		"mov.u32 %r1, (3 == 3) && !0; st.global.u32 [%d0+8], %r1; mov.u32 %r1, 1 | 6 & 3 ^ 8; st.global.u32 [%d0+12], %r1;\n"
		"mov.u32 %r1, -16 >> 2; st.global.u32 [%d0+16], %r1; mov.u32 %r1, 7 - 2 - 1; st.global.u32 [%d0+20], %r1;\n"
		"mov.u32 %r1, 0 ? 1 : 2 <= 2 ? 3 : 4; st.global.u32 [%d0+24], %r1;"), 1, 64);
	static const uint32_t want[] = { 18, 5, 1, 11, (uint32_t)-4, 4, 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(o[i], want[i]);
	release(o);
}

/* The line of the innermost .loc before the instruction, whose file may be named later. */
static void faults_name_the_source(void **state)
{
	struct sg_module *m = load_ok(HEAD
		".visible .entry k(.param .u64 out) .minnctapersm 2 .pragma \"nounroll\"; {\n.reg .b64 %d<4>; .reg .b32 %r<4>;\n"
		".loc 1 10 3\nld.param.u64 %d0, [out];\n.loc 1 11 3\n.loc 2 40 1, function_name $L__info_string0, inlined_at 1 11 3\n"
		"mov.u32 %r1, 5;\n"
		"st.global.u32 [%d0+4096], %r1;\n.loc 1 12 1\nst.global.u32 [%d0], %r1; ret;\n}\n"
		".file 1 \"/src/kernel.cu\", 1700000000, 123\n.file 2 \"inline.cuh\"\n"
		".section .debug_str\n{\n$L__info_string0:\n.b8 95,90,49,103,105,0\n}\n@@DWARF .byte 1\n");
	void *out = device(64);

	(void)state;
	assert_int_equal(launch(m, "k", 1, 1, &out), SG_ILLEGAL_ADDRESS);
	assert_string_equal(fault.source, "inline.cuh:40");
	sg_module_destroy(m);
	m = load_ok(KERNEL("st.global.u32 [%d0+4096], %r0;"));
	assert_int_equal(launch(m, "k", 1, 1, &out), SG_ILLEGAL_ADDRESS);
	assert_string_equal(fault.source, "");
	sg_module_destroy(m);
	release(out);
}

static void aliases_and_attributes(void **state)
{
	uint32_t *o = run_text(HEAD
		".global .attribute(.unified(19, 95)) .u32 g; .global .attribute(.managed) .u32 h = 4;\n"
		".func .attribute(.unified(1, 2)) (.reg .b32 r) times(.reg .b32 a) { mul.lo.u32 r, a, 7; ret; }\n"
		".visible .func (.reg .b32 r) other(.reg .b32 a);\n.alias other, times;\n"
		".visible .entry k(.param .u64 out) .reqnctapercluster 1, 1, 1 .maxclusterrank 8 .explicitcluster\n"
		"{ .reg .b32 %r<3>; .reg .b64 %d0; ld.param.u64 %d0, [out]; ld.global.u32 %r1, [h];\n"
		"call (%r2), other, (%r1); st.global.u32 [%d0], %r2; ret; }\n", 1, 64);

	(void)state;
	assert_int_equal(o[0], 28);
	release(o);
}

static const struct refusal refusals[] = {
	{ HEAD ".entry k() .reqnctapercluster 2, 1, 1 { ret; }", SG_UNSUPPORTED_PTX,
	  "line 4, column 12: directive '.reqnctapercluster' is not supported: a cluster has one block here" },
	{ HEAD ".func f();\n.alias f, f;", SG_INVALID_PTX, "line 5, column 8: an alias is a declared name" },
	{ HEAD ".alias f, g;", SG_INVALID_PTX, "a declared function expected" },
	{ HEAD ".file 1 name\n", SG_INVALID_PTX, "the name of a file expected" },
	{ KERNEL(".loc 1\nret;"), SG_INVALID_PTX, "line 13, column 1: a number expected" },
	{ KERNEL("barrier.cluster.arrive;"), SG_UNSUPPORTED_PTX, "'barrier.cluster.arrive'" },
	{ KERNEL("mapa.u64 %d1, %d0, %r0;"), SG_UNSUPPORTED_PTX, "'mapa.u64'" },
	{ KERNEL("cp.async.bulk.tensor.1d.shared::cluster.global.mbarrier::complete_tx::bytes.tile [%r0], [%d0, {%r1}], [%r2];"),
	  SG_UNSUPPORTED_PTX, "'cp.async.bulk.tensor.1d" },
	{ KERNEL("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.u32 [%r0], %r1, [%r2];"), SG_UNSUPPORTED_PTX,
	  "'st.async.weak" },
	{ KERNEL("red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32 [%r0], %r1, [%r2];"),
	  SG_UNSUPPORTED_PTX, "'red.async" },
	{ KERNEL("multimem.ld_reduce.relaxed.sys.global.add.u32 %r0, [%d0];"), SG_UNSUPPORTED_PTX, "'multimem.ld_reduce" },
	{ KERNEL("getctarank.u64 %r1, %d0;"), SG_UNSUPPORTED_PTX, "line 12, column 1: unsupported instruction 'getctarank.u64'" },
	{ KERNEL("setmaxnreg.inc.sync.aligned.u32 64;"), SG_UNSUPPORTED_PTX, "'setmaxnreg.inc.sync.aligned.u32'" },
	{ KERNEL("tensormap.replace.tile.rank.global.b1024.b32 [%d0], 3;"), SG_UNSUPPORTED_PTX, "'tensormap.replace" },
	{ KERNEL("clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128 [%r0], [%r1];"),
	  SG_UNSUPPORTED_PTX, "'clusterlaunchcontrol.try_cancel" },
	{ KERNEL("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%r0], 64;"), SG_UNSUPPORTED_PTX,
	  "unsupported instruction 'tcgen05.alloc.cta_group::1" },
	{ KERNEL("tcgen05.mma.cta_group::1.kind::f16 [%r0], %d1, %d2, %r3, %p1;"), SG_UNSUPPORTED_PTX, "'tcgen05.mma" },
	{ KERNEL("wgmma.fence.sync.aligned;"), SG_UNSUPPORTED_PTX, "'wgmma.fence.sync.aligned'" },
	{ KERNEL("cp.reduce.async.bulk.tensor.1d.global.shared::cta.add.tile.bulk_group [%d0, {%r1}], [%r2];"),
	  SG_UNSUPPORTED_PTX, "'cp.reduce.async.bulk.tensor.1d" },
	{ KERNEL(TO_SHARED "add.f32 [%r0], [%r1], 16, [%r2];"), SG_INVALID_PTX, "unknown instruction 'cp.reduce" },
	{ KERNEL(TO_GLOBAL "add.s64 [%d0], [%r1], 16;"), SG_INVALID_PTX, "unknown instruction 'cp.reduce" },
	{ KERNEL(TO_GLOBAL "add.f16 [%d0], [%r1], 16;"), SG_INVALID_PTX, "unknown instruction 'cp.reduce" },
	{ KERNEL(TO_GLOBAL "add.u32 [%d0], [%r1], 16, [%r2];"), SG_INVALID_PTX, "wrong operands for 'cp.reduce" },
	{ KERNEL(".reg .v4 .f64 v;"), SG_INVALID_PTX, "line 12, column 6: a vector register has up to 128 bits" },
	{ KERNEL(".reg .v2 .pred v;"), SG_INVALID_PTX, "a vector register has up to 128 bits, and no predicates" },
	{ KERNEL(".reg .v2 .u32 v; mov.u32 %r1, v.z;"), SG_INVALID_PTX, "'v' has 2 elements" },
	{ KERNEL(".reg .v2 .u32 v; add.u32 %r1, v, 1;"), SG_INVALID_PTX, "this operand does not fit here" },
	{ KERNEL(".reg .v2 .u32 v; mov.b64 %d1, {v, v};"), SG_INVALID_PTX, "vector register 'v' where one register" },
	{ KERNEL(".reg .v2 .u32 v; ld.global.u32 %r1, [v];"), SG_INVALID_PTX, "vector register 'v' where one register" },
	{ KERNEL(".reg .v2 .u32 v; mov.v2.u32 v, %tid;"), SG_INVALID_PTX, "wrong operands for 'mov.v2.u32'" },
	{ KERNEL("mov.u32 %r1, %tid;"), SG_INVALID_PTX, "special register '%tid' is a vector" },
	{ KERNEL("mov.b64 %d1, {%tid, 1};"), SG_INVALID_PTX, "special register '%tid' is a vector" },
	{ KERNEL("mov.f32 %f1, .5f;"), SG_INVALID_PTX, "column 16: ';' expected before 'f'" },
	{ KERNEL("mov.f32 %f1, .5e;"), SG_INVALID_PTX, "bad number '.5e'" },
	{ KERNEL("mov.f32 %f1, -.2d;"), SG_INVALID_PTX, "';' expected before 'd'" },
	{ KERNEL("wgmma.mma_async.sync.aligned.m64n8k16.f16.f16.f16 {%r1, %r2}, %d1, %d2, 1, 1, 1, 0, 0;"), SG_UNSUPPORTED_PTX,
	  "'wgmma.mma_async" },
	{ KERNEL("fma.rn.oob.f16 %h0, %h1, %h2, %h3;"), SG_UNSUPPORTED_PTX, "'fma.rn.oob.f16'" },
	{ KERNEL("redux.sync.min.f32 %f0, %f1, %r1;"), SG_UNSUPPORTED_PTX, "'redux.sync.min.f32'" },
	{ KERNEL("fence.proxy.tensormap::generic.acquire.gpu [%d0], 128;"), SG_UNSUPPORTED_PTX, "'fence.proxy.tensormap" },
	{ HEAD ".extern .func (.param .b32 r) cudaLaunchDevice(.param .b64 a, .param .b64 b, .param .align 4 .b8 c[12], "
	  ".param .align 4 .b8 d[12], .param .b32 e, .param .b64 f);\n"
	  ".entry k() { .reg .b64 %d; .reg .b32 %r; .param .align 4 .b8 x[12];\n"
	  "call (%r), cudaLaunchDevice, (%d, %d, x, x, %r, %d); ret; }", SG_UNSUPPORTED_PTX, "cudaLaunchDevice" },
	{ HEAD ".extern .func (.param .b64 r) cudaGetParameterBufferV2(.param .b64 a);\n"
	  ".entry k() { .reg .b64 %d; call (%d), cudaGetParameterBufferV2, (%d); ret; }", SG_UNSUPPORTED_PTX,
	  "line 5, column 28: 'cudaGetParameterBufferV2' launches from the device, which is not supported" },
};

static void what_no_block_alone_can_do_is_refused(void **state)
{
	(void)state;
	check_refusals(refusals, sizeof(refusals) / sizeof(refusals[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_fill_shared_memory),
		cmocka_unit_test(a_pipeline_turns_its_phases),
		cmocka_unit_test(arrivals_and_bytes_complete_a_phase),
		cmocka_unit_test(bulk_copies_tell_their_barrier),
		cmocka_unit_test(bulk_reductions),
		cmocka_unit_test(vector_registers),
		cmocka_unit_test(polls_give_way),
		cmocka_unit_test(misuse_is_a_fault),
		cmocka_unit_test(video_instructions),
		cmocka_unit_test(small_floats),
		cmocka_unit_test(atoms_of_halves_and_vectors),
		cmocka_unit_test(registers_of_128_bits),
		cmocka_unit_test(alloca_grows_a_frame),
		cmocka_unit_test(constant_expressions),
		cmocka_unit_test(faults_name_the_source),
		cmocka_unit_test(aliases_and_attributes),
		cmocka_unit_test(what_no_block_alone_can_do_is_refused),
	};

	return cmocka_run_group_tests_name("softgpu_insn", tests, NULL, NULL);
}
