/* SPDX-License-Identifier: MIT */
/*
 * softgpu_engine_test.c - the PTX engine: values of each instruction family, control flow, faults,
 * bad texts
 *
 * Run from the top of the tree: programs are read from tests/unit/ptx.
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

/* In a function, because bits of a float are no constant expression. */
static struct row *make_rows(size_t *nr)
{
	const struct row rows[] = {
		/* 5: integer arithmetic */
		{ "add.s32", "w=ww", { 0x7fffffff, 1 }, 0x80000000 },
		{ "add.sat.s32", "w=ww", { 0x7fffffff, 1 }, 0x7fffffff },
		{ "add.sat.s32", "w=ww", { 0x80000000, NEG(1) }, 0x80000000 },
		{ "add.u16", "h=hh", { 0xffff, 2 }, 1 },
		{ "add.u64", "l=ll", { UINT64_MAX, 2 }, 1 },
		{ "sub.s32", "w=ww", { 3, 5 }, NEG(2) },
		{ "sub.sat.s32", "w=ww", { 0x80000000, 1 }, 0x80000000 },
		{ "sub.s64", "l=ll", { 3, 5 }, S64(-2) },
		{ "mul.lo.s32", "w=ww", { 0x10001, 0x10001 }, 0x20001 },
		{ "mul.hi.s32", "w=ww", { NEG(1), 2 }, NEG(1) },
		{ "mul.hi.u32", "w=ww", { NEG(1), 2 }, 1 },
		{ "mul.hi.u64", "l=ll", { UINT64_MAX, UINT64_MAX }, UINT64_MAX - 1 },
		{ "mul.hi.s64", "l=ll", { UINT64_MAX, 5 }, UINT64_MAX },
		{ "mul.hi.s16", "h=hh", { 0x8000, 0x8000 }, 0x4000 },
		{ "mul.wide.s32", "l=ww", { NEG(3), 4 }, S64(-12) },
		{ "mul.wide.u32", "l=ww", { NEG(1), NEG(1) }, 0xfffffffe00000001 },
		{ "mul.wide.s16", "w=hh", { 0xffff, 3 }, NEG(3) },
		{ "mul.wide.u16", "w=hh", { 0xffff, 0xffff }, 0xfffe0001 },
		{ "mul24.lo.s32", "w=ww", { 0xffffff, 2 }, NEG(2) },
		{ "mad.lo.s32", "w=www", { 7, NEG(2), 20 }, 6 },
		{ "mad.hi.u32", "w=www", { 0x80000000, 4, 5 }, 7 },
		{ "mad.hi.sat.s32", "w=www", { 0x7fffffff, 0x7fffffff, 0x7fffffff }, 0x7fffffff },
		{ "mad.wide.s32", "l=wwl", { NEG(3), 4, 2 }, S64(-10) },
		{ "mad.wide.u16", "w=hhw", { 0xffff, 0xffff, 1 }, 0xfffe0002 },
		{ "mad.lo.u16", "h=hhh", { 0xffff, 0xffff, 5 }, 6 },
		{ "sad.u32", "w=www", { 3, 10, 100 }, 107 },
		{ "sad.s32", "w=www", { NEG(3), 10, 100 }, 113 },
		{ "min.s32", "w=ww", { NEG(3), 4 }, NEG(3) },
		{ "min.u32", "w=ww", { NEG(3), 4 }, 4 },
		{ "max.s64", "l=ll", { S64(-3), 4 }, 4 },
		{ "max.u64", "l=ll", { S64(-3), 4 }, S64(-3) },
		{ "max.s16", "h=hh", { 0x8000, 1 }, 1 },
		{ "abs.s32", "w=w", { NEG(7) }, 7 },
		{ "abs.s32", "w=w", { 0x80000000 }, 0x80000000 },
		{ "abs.s16", "h=h", { 0xfff9 }, 7 },
		{ "neg.s64", "l=l", { 7 }, S64(-7) },
		{ "dp4a.s32.s32", "w=www", { 0xff01ff01, 0x01020304, 10 }, 10 + 4 - 3 + 2 - 1 },
		{ "dp4a.u32.u32", "w=www", { 0xff010101, 0x01020304, 0 }, 4 + 3 + 2 + 255 },
		/* 17, 26: division */
		{ "div.s32", "w=ww", { NEG(7), 2 }, NEG(3) },
		{ "div.s32", "w=ww", { 0x80000000, NEG(1) }, 0x80000000 },
		{ "div.u32", "w=ww", { 7, 0 }, 0xffffffff },
		{ "div.u16", "h=hh", { 100, 7 }, 14 },
		{ "div.s64", "l=ll", { S64(-7), 2 }, S64(-3) },
		{ "div.u64", "l=ll", { UINT64_MAX, 10 }, UINT64_MAX / 10 },
		{ "rem.s32", "w=ww", { NEG(7), 2 }, NEG(1) },
		{ "rem.s32", "w=ww", { 0x80000000, NEG(1) }, 0 },
		{ "rem.u64", "l=ll", { 100, 7 }, 2 },
		{ "rem.s16", "h=hh", { 0xfff9, 2 }, 0xffff },
		/* 10: logic and shifts */
		{ "and.b32", "w=ww", { 0xff00ff00, 0x0ff00ff0 }, 0x0f000f00 },
		{ "or.b64", "l=ll", { 1ull << 63, 1 }, 1ull << 63 | 1 },
		{ "xor.b16", "h=hh", { 0xffff, 0x00ff }, 0xff00 },
		{ "and.pred", "p=pp", { 1, 1 }, 1 },
		{ "xor.pred", "p=pp", { 1, 1 }, 0 },
		{ "not.pred", "p=p", { 0 }, 1 },
		{ "not.b32", "w=w", { 0 }, 0xffffffff },
		{ "cnot.b32", "w=w", { 0 }, 1 },
		{ "shl.b32", "w=ww", { 1, 31 }, 0x80000000 },
		{ "shl.b32", "w=ww", { 1, 32 }, 0 },
		{ "shl.b64", "l=lw", { 1, 40 }, 1ull << 40 },
		{ "shl.b64", "l=lw", { 1, 200 }, 0 },
		{ "shl.b16", "h=hw", { 0xffff, 8 }, 0xff00 },
		{ "shr.s32", "w=ww", { 0x80000000, 40 }, 0xffffffff },
		{ "shr.u32", "w=ww", { 0x80000000, 31 }, 1 },
		{ "shr.u32", "w=ww", { 0x80000000, 32 }, 0 },
		{ "shr.s64", "l=lw", { 1ull << 63, 63 }, UINT64_MAX },
		{ "shr.s16", "h=hw", { 0x8000, 3 }, 0xf000 },
		{ "lop3.b32", "w=wwwi", { 0xf0f0f0f0, 0xcccccccc, 0xaaaaaaaa, 0x96 }, 0x96969696 },
		{ "lop3.b32", "w=wwwi", { 0xf0f0f0f0, 0xcccccccc, 0xaaaaaaaa, 0xe8 }, 0xe8e8e8e8 },
		/* 23: bits */
		{ "shf.l.wrap.b32", "w=www", { 0x89abcdef, 0x01234567, 36 }, 0x12345678 },
		{ "shf.l.clamp.b32", "w=www", { 0x89abcdef, 0x01234567, 36 }, 0x89abcdef },
		{ "shf.r.wrap.b32", "w=www", { 0x89abcdef, 0x01234567, 4 }, 0x789abcde },
		{ "shf.r.clamp.b32", "w=www", { 0x89abcdef, 0x01234567, 40 }, 0x01234567 },
		{ "prmt.b32", "w=www", { 0x33221100, 0x77665544, 0x7531 }, 0x77553311 },
		{ "prmt.b32", "w=www", { 0x80221100, 0x77665544, 0x8bc9 }, 0x00ff0000 },
		{ "prmt.b32.rc16", "w=www", { 0x33221100, 0, 1 }, 0x33223322 },
		{ "prmt.b32.b4e", "w=www", { 0x33221100, 0x77665544, 0 }, 0x55667700 },
		{ "bfe.u32", "w=www", { 0xabcd1234, 8, 12 }, 0xd12 },
		{ "bfe.s32", "w=www", { 0x00000f00, 8, 4 }, 0xffffffff },
		{ "bfe.s32", "w=www", { 0x80000000, 28, 8 }, 0xfffffff8 },
		{ "bfe.u64", "l=lww", { 0x123456789abcdef0, 60, 10 }, 1 },
		{ "bfe.u32", "w=www", { 0xffffffff, 0, 0 }, 0 },
		{ "bfi.b32", "w=wwww", { 0xff, 0x12345678, 8, 4 }, 0x12345f78 },
		{ "bfi.b64", "l=llww", { 0xff, 0, 60, 8 }, 0xf000000000000000 },
		{ "brev.b32", "w=w", { 0x00000001 }, 0x80000000 },
		{ "brev.b64", "l=l", { 3 }, 0xc000000000000000 },
		{ "popc.b64", "w=l", { 0xff00ff }, 16 },
		{ "clz.b32", "w=w", { 0 }, 32 },
		{ "clz.b64", "w=l", { 1 }, 63 },
		{ "bfind.u32", "w=w", { 0x00800000 }, 23 },
		{ "bfind.s32", "w=w", { 0xffffffff }, 0xffffffff },
		{ "bfind.shiftamt.u32", "w=w", { 0x00800000 }, 8 },
		{ "bfind.s64", "w=l", { S64(-256) }, 7 },
		{ "bmsk.clamp.b32", "w=ww", { 4, 8 }, 0xff0 },
		{ "szext.wrap.s32", "w=ww", { 0x8, 4 }, 0xfffffff8 },
		{ "szext.clamp.u32", "w=ww", { 0xffffffff, 40 }, 0xffffffff },
		/* 4: moves */
		{ "mov.b32", "f=w", { F(1.5f) }, F(1.5f) },
		{ "mov.f64", "d=d", { D(-2.5) }, D(-2.5) },
		{ "mov.pred", "p=p", { 1 }, 1 },
		/* 7, 14: comparison and selection */
		{ "setp.lt.s32", "p=ww", { NEG(1), 1 }, 1 },
		{ "setp.lt.u32", "p=ww", { NEG(1), 1 }, 0 },
		{ "setp.lo.u32", "p=ww", { 1, 2 }, 1 },
		{ "setp.hs.u64", "p=ll", { 2, 2 }, 1 },
		{ "setp.ge.s64", "p=ll", { S64(-1), S64(-1) }, 1 },
		{ "setp.gt.s16", "p=hh", { 1, 0xffff }, 1 },
		{ "setp.eq.b16", "p=hh", { 0x1234, 0x1234 }, 1 },
		{ "setp.eq.f32", "p=ff", { NAN32, NAN32 }, 0 },
		{ "setp.equ.f32", "p=ff", { NAN32, F(1) }, 1 },
		{ "setp.ne.f32", "p=ff", { NAN32, F(1) }, 0 },
		{ "setp.neu.f32", "p=ff", { NAN32, F(1) }, 1 },
		{ "setp.ltu.f64", "p=dd", { D(2), D(1) }, 0 },
		{ "setp.ltu.f64", "p=dd", { 0x7ff8000000000000, D(1) }, 1 },
		{ "setp.num.f32", "p=ff", { F(0), INF32 }, 1 },
		{ "setp.nan.f32", "p=ff", { F(0), NAN32 }, 1 },
		{ "setp.eq.f32", "p=ff", { 0x80000000, 0 }, 1 },
		{ "setp.gt.f32", "p=ff", { 1, 0 }, 1 },
		{ "setp.gt.ftz.f32", "p=ff", { 1, 0 }, 0 },
		{ "setp.lt.and.s32", "p=wwp", { 1, 2, 0 }, 0 },
		{ "setp.gt.or.s32", "p=wwp", { 1, 2, 1 }, 1 },
		{ "setp.lt.xor.s32", "p=wwp", { 1, 2, 1 }, 0 },
		{ "set.lt.u32.s32", "w=ww", { 1, 2 }, 0xffffffff },
		{ "set.gt.f32.f32", "f=ff", { F(2), F(1) }, F(1) },
		{ "set.gt.f32.s32", "f=ww", { 1, 2 }, 0 },
		{ "selp.b32", "w=wwp", { 5, 6, 1 }, 5 },
		{ "selp.f64", "d=ddp", { D(5), D(6), 0 }, D(6) },
		{ "slct.f32.s32", "f=ffw", { F(1), F(2), NEG(1) }, F(2) },
		{ "slct.b64.f32", "l=llf", { 1, 2, 0x80000000 }, 1 },
		/* 9: f32 */
		{ "add.f32", "f=ff", { F(1), 0x33800000 }, F(1) },
		{ "add.rp.f32", "f=ff", { F(1), 0x33800000 }, 0x3f800001 },
		{ "add.rz.f32", "f=ff", { F(-1), 0xb3800001 }, 0xbf800000 },
		{ "add.rm.f32", "f=ff", { F(1), 0xb3000000 }, 0x3f7fffff },
		{ "add.f32", "f=ff", { INF32, 0xff800000 }, NAN32 },
		{ "add.f32", "f=ff", { 0x7fc12345, F(1) }, NAN32 },
		{ "add.sat.f32", "f=ff", { F(2), F(3) }, F(1) },
		{ "add.sat.f32", "f=ff", { NAN32, F(3) }, 0 },
		{ "add.ftz.f32", "f=ff", { 1, 0x80000000 }, 0 },
		{ "sub.f32", "f=ff", { F(1), F(1) }, 0 },
		{ "sub.rm.f32", "f=ff", { F(1), F(1) }, 0x80000000 },
		{ "mul.f32", "f=ff", { 0x3f800001, 0x3f800001 }, 0x3f800002 },
		{ "mul.rp.f32", "f=ff", { 0x3f800001, 0x3f800001 }, 0x3f800003 },
		{ "mul.f32", "f=ff", { 0x00800000, F(0.5f) }, 0x00400000 },
		{ "mul.ftz.f32", "f=ff", { 0x80800000, F(0.5f) }, 0x80000000 },
		{ "mul.f32", "f=ff", { 0x7f000000, F(4) }, INF32 },
		{ "mul.rz.f32", "f=ff", { 0x7f000000, F(4) }, 0x7f7fffff },
		{ "fma.rn.f32", "f=fff", { 0x3f800001, 0x3f800001, 0xbf800002 }, 0x28800000 },
		{ "fma.rz.f32", "f=fff", { F(3), F(5), F(1) }, F(16) },
		{ "mad.rn.sat.f32", "f=fff", { F(3), F(5), F(1) }, F(1) },
		{ "min.f32", "f=ff", { NAN32, F(1) }, F(1) },
		{ "min.f32", "f=ff", { NAN32, 0xffc00000 }, NAN32 },
		{ "min.f32", "f=ff", { 0, 0x80000000 }, 0x80000000 },
		{ "max.f32", "f=ff", { 0x80000000, 0 }, 0 },
		{ "max.NaN.f32", "f=ff", { NAN32, F(1) }, NAN32 },
		{ "max.xorsign.abs.f32", "f=ff", { F(-3), F(2) }, F(-3) },
		{ "abs.f32", "f=f", { F(-2) }, F(2) },
		{ "neg.f32", "f=f", { 0 }, 0x80000000 },
		{ "abs.ftz.f32", "f=f", { 0x80000001 }, 0 },
		{ "copysign.f32", "f=ff", { F(-1), F(3) }, F(-3) },
		{ "testp.normal.f32", "p=f", { 1 }, 0 },
		{ "testp.subnormal.f32", "p=f", { 1 }, 1 },
		{ "testp.infinite.f32", "p=f", { 0xff800000 }, 1 },
		{ "testp.notanumber.f64", "p=d", { 0x7ff0000000000001 }, 1 },
		/* 15, 18, 22 */
		{ "div.rn.f32", "f=ff", { F(1), F(3) }, 0x3eaaaaab },
		{ "div.rz.f32", "f=ff", { F(1), F(3) }, 0x3eaaaaaa },
		{ "div.rp.f32", "f=ff", { F(1), F(3) }, 0x3eaaaaab },
		{ "div.rm.f32", "f=ff", { F(-1), F(3) }, 0xbeaaaaab },
		{ "div.full.f32", "f=ff", { F(6), F(3) }, F(2) },
		{ "div.approx.ftz.f32", "f=ff", { F(6), F(0) }, INF32 },
		{ "sqrt.rn.f32", "f=f", { F(2) }, 0x3fb504f3 },
		{ "sqrt.rp.f32", "f=f", { F(2) }, 0x3fb504f4 },
		{ "sqrt.approx.f32", "f=f", { F(-2) }, NAN32 },
		{ "rcp.rn.f32", "f=f", { F(3) }, 0x3eaaaaab },
		{ "rcp.rm.f32", "f=f", { F(3) }, 0x3eaaaaaa },
		{ "rcp.approx.ftz.f32", "f=f", { 0x80000001 }, 0xff800000 },
		{ "rsqrt.approx.f32", "f=f", { F(4) }, F(0.5f) },
		{ "ex2.approx.ftz.f32", "f=f", { F(10) }, F(1024) },
		{ "ex2.approx.f32", "f=f", { 0xff800000 }, 0 },
		{ "lg2.approx.f32", "f=f", { F(8) }, F(3) },
		{ "lg2.approx.ftz.f32", "f=f", { 0 }, 0xff800000 },
		{ "sin.approx.f32", "f=f", { 0x80000000 }, 0x80000000 },
		{ "cos.approx.ftz.f32", "f=f", { 0 }, F(1) },
		{ "tanh.approx.f32", "f=f", { INF32 }, F(1) },
		/* 20, 27, 30: f64 */
		{ "add.f64", "d=dd", { D(1), D(0x1p-53) }, D(1) },
		{ "add.rp.f64", "d=dd", { D(1), D(0x1p-53) }, D(1 + 0x1p-52) },
		{ "mul.rz.f64", "d=dd", { D(1 + 0x1p-52), D(1 + 0x1p-52) }, D(1 + 0x1p-51) },
		{ "fma.rn.f64", "d=ddd", { D(1 + 0x1p-52), D(1 + 0x1p-52), D(-1 - 0x1p-51) }, D(0x1p-104) },
		{ "div.rn.f64", "d=dd", { D(1), D(3) }, 0x3fd5555555555555 },
		{ "div.rp.f64", "d=dd", { D(1), D(3) }, 0x3fd5555555555556 },
		{ "sqrt.rn.f64", "d=d", { D(2) }, 0x3ff6a09e667f3bcd },
		{ "sqrt.rm.f64", "d=d", { D(2) }, 0x3ff6a09e667f3bcc },
		{ "rcp.rn.f64", "d=d", { D(4) }, D(0.25) },
		{ "rcp.approx.ftz.f64", "d=d", { D(3) }, 0x3fd5555500000000 },
		{ "rsqrt.approx.f64", "d=d", { D(16) }, D(0.25) },
		{ "min.f64", "d=dd", { D(-0.0), D(0) }, D(-0.0) },
		{ "max.f64", "d=dd", { 0x7ff8000000000000, D(3) }, D(3) },
		{ "abs.f64", "d=d", { D(-3) }, D(3) },
		{ "copysign.f64", "d=dd", { D(-1), D(3) }, D(-3) },
		/* 11, 44: conversions */
		{ "cvt.rni.s32.f32", "w=f", { F(2.5f) }, 2 },
		{ "cvt.rni.s32.f32", "w=f", { F(3.5f) }, 4 },
		{ "cvt.rzi.s32.f32", "w=f", { F(-2.7f) }, NEG(2) },
		{ "cvt.rmi.s32.f32", "w=f", { F(-2.1f) }, NEG(3) },
		{ "cvt.rpi.s32.f32", "w=f", { F(2.1f) }, 3 },
		{ "cvt.rzi.s32.f32", "w=f", { NAN32 }, 0 },
		{ "cvt.rzi.s32.f32", "w=f", { F(3e9f) }, 0x7fffffff },
		{ "cvt.rzi.u32.f32", "w=f", { F(-1) }, 0 },
		{ "cvt.rzi.u32.f64", "w=d", { D(4294967295.9) }, 0xffffffff },
		{ "cvt.rzi.s64.f64", "l=d", { D(1e30) }, INT64_MAX },
		{ "cvt.rzi.s64.f32", "l=f", { NAN32 }, 1ull << 63 },
		{ "cvt.rzi.u64.f64", "l=d", { D(0x1.fp63) }, 0xf800000000000000 },
		{ "cvt.rzi.s8.f32", "w=f", { F(-200) }, NEG(128) },
		{ "cvt.rzi.u8.f32", "w=f", { F(300) }, 255 },
		{ "cvt.rpi.ftz.s32.f32", "w=f", { 1 }, 0 },
		{ "cvt.rpi.s32.f32", "w=f", { 1 }, 1 },
		{ "cvt.sat.s8.s32", "w=w", { 300 }, 127 },
		{ "cvt.sat.u8.s32", "w=w", { NEG(5) }, 0 },
		{ "cvt.s8.s32", "w=w", { 0x1ff }, 0xffffffff },
		{ "cvt.u8.u32", "w=w", { 300 }, 44 },
		{ "cvt.s32.s8", "w=w", { 0x80 }, 0xffffff80 },
		{ "cvt.s64.s8", "l=w", { 0x80 }, S64(-128) },
		{ "cvt.s16.s64", "l=l", { 0x18000 }, S64(-32768) },
		{ "cvt.u32.u64", "w=l", { 0x1234567890 }, 0x34567890 },
		{ "cvt.sat.s32.u64", "w=l", { 1ull << 40 }, 0x7fffffff },
		{ "cvt.s64.s32", "l=w", { NEG(2) }, S64(-2) },
		{ "cvt.rn.f32.s32", "f=w", { 16777217 }, 0x4b800000 },
		{ "cvt.rp.f32.s32", "f=w", { 16777217 }, 0x4b800001 },
		{ "cvt.rm.f32.s32", "f=w", { NEG(16777217) }, 0xcb800001 },
		{ "cvt.rn.f32.u64", "f=l", { UINT64_MAX }, 0x5f800000 },
		{ "cvt.rz.f32.u64", "f=l", { UINT64_MAX }, 0x5f7fffff },
		/*
		 * 2^63 + 2^39 + 1: a tie but for the last bit, which a detour over f64 would lose
		 */
		{ "cvt.rn.f32.u64", "f=l", { 0x8000008000000001 }, 0x5f000001 },
		{ "cvt.rn.f64.s64", "d=l", { (1ull << 53) + 1 }, 0x4340000000000000 },
		{ "cvt.rp.f64.s64", "d=l", { (1ull << 53) + 1 }, 0x4340000000000001 },
		{ "cvt.rn.f64.s32", "d=w", { NEG(3) }, D(-3) },
		{ "cvt.f64.f32", "d=f", { F(1.5f) }, D(1.5) },
		{ "cvt.rn.f32.f64", "f=d", { D(1 + 0x1p-24) }, F(1) },
		{ "cvt.rp.f32.f64", "f=d", { D(1 + 0x1p-24) }, 0x3f800001 },
		{ "cvt.rz.f32.f64", "f=d", { D(1e300) }, 0x7f7fffff },
		{ "cvt.rni.f32.f32", "f=f", { F(2.5f) }, F(2) },
		{ "cvt.rmi.f64.f64", "d=d", { D(-2.5) }, D(-3) },
		{ "cvt.sat.f32.f32", "f=f", { F(1.5f) }, F(1) },
		{ "cvt.ftz.f32.f32", "f=f", { 0x80000001 }, 0x80000000 },
		{ "cvt.rn.f16.f32", "h=f", { F(1) }, 0x3c00 },
		{ "cvt.rn.f16.f32", "h=f", { F(65520) }, 0x7c00 },
		{ "cvt.rz.f16.f32", "h=f", { F(65520) }, 0x7bff },
		{ "cvt.rn.f16.f32", "h=f", { F(0x1p-25f) }, 0 },
		{ "cvt.rn.f16.f32", "h=f", { F(0x1.8p-25f) }, 1 },
		{ "cvt.rn.f16.f32", "h=f", { NAN32 }, 0x7fff },
		{ "cvt.rn.f16.f64", "h=d", { D(1 + 0x1p-11 + 0x1p-40) }, 0x3c01 },
		{ "cvt.rn.f16.s32", "h=w", { 2049 }, 0x6800 },
		{ "cvt.f32.f16", "f=h", { 1 }, 0x33800000 },
		{ "cvt.rzi.s32.f16", "w=h", { 0xc500 }, NEG(5) },
		{ "cvt.rn.bf16.f32", "h=f", { 0x3f808000 }, 0x3f80 },
		{ "cvt.rn.bf16.f32", "h=f", { 0x3f818000 }, 0x3f82 },
		{ "cvt.f32.bf16", "f=h", { 0x4040 }, F(3) },
		{ "cvt.rn.f16x2.f32", "w=ff", { F(1), F(2) }, 0x3c004000 },
		{ "cvt.rn.relu.bf16x2.f32", "w=ff", { F(-1), F(2) }, 0x4000 },
		/* 43: halves */
		{ "add.f16", "h=hh", { 0x3c00, 0x4000 }, 0x4200 },
		{ "sub.f16", "h=hh", { 0x3c00, 0x4000 }, 0xbc00 },
		{ "mul.sat.f16", "h=hh", { 0x4000, 0x4000 }, 0x3c00 },
		{ "fma.rn.f16", "h=hhh", { 0x3c01, 0x3c01, 0xbc02 }, 0x0010 },
		{ "add.f16x2", "w=ww", { 0x3c003c00, 0x3c004000 }, 0x40004200 },
		{ "fma.rn.f16x2", "w=www", { 0x40004000, 0x40003c00, 0x3c003c00 }, 0x45004200 },
		{ "max.f16", "h=hh", { 0x7e00, 0xbc00 }, 0xbc00 },
		{ "min.NaN.f16", "h=hh", { 0x7e00, 0xbc00 }, 0x7fff },
		{ "neg.f16x2", "w=w", { 0x3c00bc00 }, 0xbc003c00 },
		{ "fma.rn.bf16", "h=hhh", { 0x4000, 0x4040, 0x3f80 }, 0x40e0 },
		{ "mul.bf16x2", "w=ww", { 0x40003f80, 0x40404040 }, 0x40c04040 },
		{ "setp.lt.f16", "p=hh", { 0xbc00, 0x3c00 }, 1 },
		{ "setp.gtu.bf16", "p=hh", { 0x7fff, 0x3c00 }, 1 },
	};
	struct row *copy = malloc(sizeof(rows));

	assert_non_null(copy);
	memcpy(copy, rows, sizeof(rows));
	*nr = sizeof(rows) / sizeof(rows[0]);
	return copy;
}

static void instructions_give_exact_values(void **state)
{
	size_t nr;
	struct row *rows = make_rows(&nr);

	(void)state;
	check_rows(rows, nr);
	free(rows);
}

static void carries_chain(void **state)
{
	uint32_t *o = run_text(KERNEL(
		"add.cc.u32 %r1, 0xffffffff, 1; addc.cc.u32 %r2, 0xffffffff, 0; addc.u32 %r3, 5, 0;\n"
		"st.global.v4.u32 [%d0], {%r1, %r2, %r3, %r0};\n"
		"sub.cc.u32 %r1, 0, 1; subc.cc.u32 %r2, 0, 0; subc.u32 %r3, 5, 0;\n"
		"st.global.v2.u32 [%d0+16], {%r1, %r2}; st.global.u32 [%d0+24], %r3;\n"
		"mad.lo.cc.u32 %r1, 0xffffffff, 0xffffffff, 0xffffffff; madc.hi.u32 %r2, 0xffffffff, 0xffffffff, 1;\n"
		"st.global.u32 [%d0+28], %r1; st.global.u32 [%d0+32], %r2;"), 1, 64);

	(void)state;
	assert_int_equal(o[0], 0);
	assert_int_equal(o[1], 0);
	assert_int_equal(o[2], 6);
	assert_int_equal(o[4], 0xffffffff);
	assert_int_equal(o[5], 0xffffffff);
	assert_int_equal(o[6], 4);
	assert_int_equal(o[7], 0);		/* 1 + 0xffffffff carries */
	assert_int_equal(o[8], 0xfffffffe + 1u + 1u);
	release(o);
}

static void vectors_pack_and_unpack(void **state)
{
	uint64_t *o = run_text(KERNEL(
		"mov.b64 %d1, {0x11111111, 0x22222222}; st.global.u64 [%d0], %d1;\n"
		"mov.b64 {%r1, %r2}, %d1; mov.b64 {_, %r3}, %d1; add.u32 %r1, %r2, %r3; st.global.u32 [%d0+8], %r1;\n"
		"mov.b32 %r1, 0xaaaabbbb; mov.b32 {%h1, %h2}, %r1; mov.b64 %d2, {%h2, %h1, %h2, 0x1234};\n"
		"st.global.u64 [%d0+16], %d2;\n"
		"mov.b32 %r1, {%h2, %h1}; st.global.u32 [%d0+24], %r1;\n"
		"ld.global.v2.u16 {%h3, %h4}, [%d0+16]; ld.global.s8 %d3, [%d0+17]; st.global.u64 [%d0+32], %d3;\n"
		"ld.global.u8 %r4, [%d0+17]; ld.global.s16 %r5, [%d0+16]; st.global.v2.b32 [%d0+40], {%r4, %r5};\n"
		"st.global.v4.u8 [%d0+48], {%r4, %r0, %r4, %r0};"), 1, 64);

	(void)state;
	assert_true(o[0] == 0x2222222211111111);
	assert_true((uint32_t)o[1] == 0x44444444);
	assert_true(o[2] == 0x1234aaaabbbbaaaa);
	assert_true((uint32_t)o[3] == 0xbbbbaaaa);
	assert_true(o[4] == (uint64_t)(int8_t)0xaa);
	assert_true(o[5] == 0xffffaaaa000000aa);
	assert_true((uint32_t)o[6] == 0x00aa00aa);
	release(o);
}

static void spaces_and_generic_addresses(void **state)
{
	uint32_t *o = run_text(HEAD
		".const .u32 table[4] = {10, 20, 30, 40};\n.global .u32 cell = 9;\n"
		".visible .entry k(.param .u64 out) {\n.reg .pred %p<9>; .reg .b32 %r<9>; .reg .b64 %d<9>;\n"
		".shared .u32 s[64]; .local .align 8 .b8 l[64];\n"
		"mov.u32 %r0, %tid.x; ld.param.u64 %d0, [out]; mad.wide.u32 %d0, %r0, 32, %d0;\n"
		"mov.u64 %d1, s; cvta.shared.u64 %d2, %d1; mad.wide.u32 %d2, %r0, 4, %d2; st.u32 [%d2], %r0;\n"
		"mov.u64 %d3, l; cvta.local.u64 %d4, %d3; add.u32 %r1, %r0, 100; st.u32 [%d4+8], %r1;\n"
		"bar.sync 0;\n"
		"xor.b32 %r2, %r0, 33; mov.u32 %r3, s; mad.lo.u32 %r3, %r2, 4, %r3; ld.shared.u32 %r4, [%r3];\n"
		"st.global.u32 [%d0], %r4; ld.local.u32 %r4, [l+8]; st.global.u32 [%d0+4], %r4;\n"
		"and.b32 %r2, %r0, 3; mov.u64 %d5, table; mad.wide.u32 %d5, %r2, 4, %d5; ld.const.u32 %r4, [%d5];\n"
		"st.global.u32 [%d0+8], %r4;\n"
		"isspacep.shared %p0, %d2; isspacep.local %p1, %d4; isspacep.global %p2, %d0; isspacep.shared %p3, %d0;\n"
		"selp.u32 %r4, 1, 0, %p0; selp.u32 %r5, 2, 0, %p1; or.b32 %r4, %r4, %r5; selp.u32 %r5, 4, 0, %p2;\n"
		"or.b32 %r4, %r4, %r5; selp.u32 %r5, 8, 0, %p3; or.b32 %r4, %r4, %r5; st.global.u32 [%d0+12], %r4;\n"
		"cvta.to.shared.u64 %d6, %d2; ld.shared.u32 %r4, [%d6]; st.global.u32 [%d0+16], %r4; bar.sync 0;\n"
		"atom.add.u32 %r4, [%d2], 5; ld.volatile.shared.u32 %r5, [%d6]; sub.u32 %r4, %r5, %r4;\n"
		"st.global.u32 [%d0+20], %r4; ld.global.relaxed.gpu.u32 %r4, [cell]; st.global.u32 [%d0+24], %r4; ret; }\n",
		64, 64 * 32);

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(o[i * 8], i ^ 33);
		assert_int_equal(o[i * 8 + 1], i + 100);
		assert_int_equal(o[i * 8 + 2], 10 * (i % 4 + 1));
		assert_int_equal(o[i * 8 + 3], 7);
		assert_int_equal(o[i * 8 + 4], i);
		assert_int_equal(o[i * 8 + 5], 5);
		assert_int_equal(o[i * 8 + 6], 9);
	}
	release(o);
}

/* One generic address in the local window is another place for each lane. */
static void each_lane_has_its_own_local_memory(void **state)
{
	uint32_t *o = run_text(HEAD
		".func (.param .b32 r) twice(.param .b64 at) {\n.reg .b32 %r<3>; .reg .b64 %d<2>;\n"
		"ld.param.u64 %d0, [at]; ld.u32 %r0, [%d0]; atom.add.u32 %r1, [%d0], %r0; ld.u32 %r2, [%d0];\n"
		"st.param.b32 [r], %r2; ret; }\n"
		".visible .entry k(.param .u64 out) {\n.reg .pred %p<2>; .reg .b32 %r<4>; .reg .b64 %d<4>;\n"
		".local .align 8 .b8 l[16];\n"
		"mov.u32 %r0, %tid.x; ld.param.u64 %d0, [out]; mad.wide.u32 %d0, %r0, 8, %d0;\n"
		"st.local.u32 [l+4], %r0; cvta.local.u64 %d1, l; add.u64 %d1, %d1, 4;\n"
		"{ .param .b64 a; .param .b32 v; st.param.b64 [a], %d1; call.uni (v), twice, (a); ld.param.b32 %r1, [v]; }\n"
		"st.global.u32 [%d0], %r1; and.b32 %r2, %r0, 5; setp.eq.u32 %p0, %r2, 1;\n"
		"@%p0 ld.u32 %r3, [%d1]; @!%p0 ld.local.u32 %r3, [l+4]; st.global.u32 [%d0+4], %r3; ret; }\n", 64, 64 * 8);

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(o[i * 2], i * 2);
		assert_int_equal(o[i * 2 + 1], i * 2);
	}
	release(o);
}

static void atomics_add_up_across_blocks(void **state)
{
	struct sg_module *m = load_ok(KERNEL(
		"red.global.add.u32 [%d0], 1; atom.global.add.u64 %d1, [%d0+8], 3; red.global.add.f32 [%d0+16], 0f3F800000;\n"
		"atom.global.add.f64 %d1, [%d0+24], 0d3FE0000000000000; atom.global.max.s32 %r1, [%d0+32], %r0;\n"
		"neg.s32 %r2, %r0; red.global.min.s32 [%d0+36], %r2; red.global.max.u32 [%d0+40], %r2;\n"
		"atom.inc.u32 %r1, [%d0+44], 9; atom.global.dec.u32 %r1, [%d0+48], 9; red.global.or.b32 [%d0+52], %r0;\n"
		"red.global.xor.b32 [%d0+56], 1; red.global.and.b32 [%d0+60], 0xf0;\n"
		"again: ld.relaxed.sys.global.u32 %r3, [%d0+64]; add.u32 %r4, %r3, 2;\n"
		"atom.acq_rel.gpu.global.cas.b32 %r5, [%d0+64], %r3, %r4; setp.ne.u32 %p0, %r5, %r3; @%p0 bra again;\n"
		"atom.exch.b64 %d2, [%d0+72], 77;"));
	uint32_t *o = device(128), n = 50 * 96;

	(void)state;
	o[15] = 0xff;
	launch_ok(m, "k", 50, 96, &o);
	assert_int_equal(o[0], n);
	assert_true(*(uint64_t *)(o + 2) == 3ull * n);
	assert_true(*(float *)(o + 4) == (float)n);
	assert_true(*(double *)(o + 6) == n * 0.5);
	assert_int_equal(o[8], 95);
	assert_int_equal(o[9], NEG(95));
	assert_int_equal(o[10], 0xffffffff);
	assert_int_equal(o[11], n % 10);
	assert_int_equal(o[12], (10 - n % 10) % 10);
	assert_int_equal(o[13], 127);
	assert_int_equal(o[14], 0);
	assert_int_equal(o[15], 0xf0);
	assert_int_equal(o[16], 2 * n);
	assert_int_equal(o[18], 77);
	release(o);
	sg_module_destroy(m);
}

static void special_registers(void **state)
{
	struct sg_module *m = load_ok(KERNEL(
		"mov.u32 %r1, %ctaid.y; mov.u32 %r2, %nctaid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.x;\n"
		"mov.u32 %r5, %ctaid.x; mad.lo.u32 %r6, %r1, 3, %r5; mov.u32 %r7, %tid.y; mad.lo.u32 %r8, %r3, 2, %r7;\n"
		"mad.lo.u32 %r8, %r8, 20, %r0; mad.lo.u32 %r6, %r6, 120, %r8; mad.wide.u32 %d0, %r6, 16, %d0;\n"
		"mov.u32 %r9, %warpid; mad.lo.u32 %r10, %r9, 32, %laneid; mov.u32 %r11, %dynamic_smem_size;\n"
		"mov.u64 %d1, %clock64; mov.u64 %d2, %clock64; setp.le.u64 %p0, %d1, %d2; selp.u32 %r12, WARP_SZ, 0, %p0;\n"
		"st.global.v4.u32 [%d0], {%r2, %r10, %r11, %r12};"));
	uint32_t *o = device(2 * 3 * 120 * 16);
	struct sg_launch l = { .kernel = sg_module_find(m, "k"), .grid = { 3, 2, 1 }, .block = { 20, 2, 3 },
			       .dynamic_shared = 48, .params = &o };

	(void)state;
	assert_int_equal(sg_launch_run(&l, &fault), SG_OK);
	for (uint32_t i = 0; i < 720; i++) {
		assert_int_equal(o[4 * i], 2);
		assert_int_equal(o[4 * i + 1], i % 120);
		assert_int_equal(o[4 * i + 2], 48);
		assert_int_equal(o[4 * i + 3], 32);
	}
	release(o);
	sg_module_destroy(m);
}

static void matrix_product_is_exact(void **state)
{
	struct sg_module *m = load_file("matmul.ptx");
	enum { N = 64 };
	float *a = device(N * N * 4), *b = device(N * N * 4), *c = device(N * N * 4);
	struct { void *c, *a, *b; uint32_t n; } params = { c, a, b, N };
	struct sg_launch l = { .kernel = sg_module_find(m, "matmul"), .grid = { N / 16, N / 16, 1 }, .block = { 16, 16, 1 },
			       .params = &params };
	const struct sg_kernel_info *info = sg_kernel_info(l.kernel);

	(void)state;
	for (int i = 0; i < N * N; i++) {
		a[i] = (float)(i * 7 % 13 - 6);
		b[i] = (float)(i * 5 % 11 - 5);
	}
	assert_int_equal(info->static_shared, 2048);
	assert_int_equal(info->nr_params, 4);
	assert_int_equal(info->params[3].offset, 24);
	assert_int_equal(info->param_bytes, 28);
	assert_int_equal(info->ptx_version, 64);
	assert_int_equal(info->target, 75);
	assert_true(info->num_regs > 0 && info->num_regs * info->max_threads <= 65536);
	assert_int_equal(sg_launch_run(&l, &fault), SG_OK);
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			float sum = 0;

			for (int k = 0; k < N; k++)
				sum += a[i * N + k] * b[k * N + j];
			assert_true(c[i * N + j] == sum);
		}
	release(a);
	release(b);
	release(c);
	sg_module_destroy(m);
}

static void kmeans_assigns_and_updates(void **state)
{
	struct sg_module *m = load_file("kmeans.ptx");
	enum { N = 5000, DIM = 3, K = 4 };
	float *x = device(N * DIM * 4), *centre = device(K * DIM * 4), *sum = device(K * DIM * 4), want[K * DIM] = { 0 };
	uint32_t *label = device(N * 4), *count = device(K * 4), have[K] = { 0 };
	struct { void *x, *c, *l, *s, *n; uint32_t np, d, k; } assign = { x, centre, label, sum, count, N, DIM, K };
	struct { void *c, *s, *n; uint32_t d, k; } update = { centre, sum, count, DIM, K };

	(void)state;
	for (uint32_t i = 0; i < N * DIM; i++)
		x[i] = (float)((i * 2654435761u >> 24) & 255);
	memcpy(centre, x, K * DIM * 4);
	launch_ok(m, "assign", (N + 127) / 128, 128, &assign);
	for (int i = 0; i < N; i++) {
		uint32_t best = 0;
		float least = INFINITY;

		for (uint32_t k = 0; k < K; k++) {
			float dist = 0;

			for (int d = 0; d < DIM; d++) {
				float t = x[i * DIM + d] - x[k * DIM + (uint32_t)d];

				dist = fmaf(t, t, dist);
			}
			if (dist < least) {
				least = dist;
				best = k;
			}
		}
		assert_int_equal(label[i], best);
		have[best]++;
		for (int d = 0; d < DIM; d++)
			/* integers: any order */
			want[best * DIM + (uint32_t)d] += x[i * DIM + d];
	}
	assert_memory_equal(count, have, sizeof(have));
	assert_memory_equal(sum, want, sizeof(want));
	launch_ok(m, "update", 1, 32, &update);
	for (int i = 0; i < K * DIM; i++)
		assert_true(centre[i] == want[i] / (float)have[i / DIM]);
	release(x);
	release(centre);
	release(sum);
	release(label);
	release(count);
	sg_module_destroy(m);
}

static void warp_operations(void **state)
{
	struct sg_module *m = load_file("warp.ptx");
	uint32_t *o = device(15 * 128), v[32], total = 0;

	(void)state;
	for (uint32_t i = 0; i < 32; i++)
		total += v[i] = 3 * i + 1;
	launch_ok(m, "warp", 1, 32, &o);
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t want[15] = {
			v[i < 2 ? i : i - 2], i >= 2, v[(i & 7) < 4 ? i + 4 : i], (i & 7) < 4, v[i ^ 5],
			(i & 8) == 0 && (i & 7) == 7 ? v[i] : v[(i & ~7u) | 7], 0xaaaaaaaa, 0x55555555, 2,
			0x11111111u << (i & 3), 0, total, 93, i & 1 ? 7 : 0, 0xffffffff,
		};

		for (uint32_t k = 0; k < 15; k++)
			if (o[k * 32 + i] != want[k])
				fail_msg("row %u lane %u: 0x%x, not 0x%x", k, i, o[k * 32 + i], want[k]);
	}
	release(o);
	sg_module_destroy(m);
}

static void parts_of_a_warp_wait_for_their_own_lanes(void **state)
{
	struct sg_module *m = load_file("warp.ptx");
	uint32_t *o = device(128);

	(void)state;
	launch_ok(m, "pairs", 1, 32, &o);
	for (uint32_t i = 0; i < 32; i++)
		assert_int_equal(o[i], i ^ 1);
	release(o);
	sg_module_destroy(m);
}

static void divergent_lanes_come_home(void **state)
{
	struct sg_module *m = load_file("control.ptx");
	uint32_t *o = device(1000 * 4);

	(void)state;
	launch_ok(m, "diverge", 10, 100, &o);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t n = 0;

		for (uint64_t v = i + 1; v != 1; n++)
			v = v & 1 ? 3 * v + 1 : v / 2;
		assert_int_equal(o[i], i % 3 == 0 ? n + 1000 : i % 3 == 1 ? n * 2 : n > 50 ? 50 : n);
	}
	release(o);
	sg_module_destroy(m);
}

static void a_spinning_lane_lets_the_holder_run(void **state)
{
	struct sg_module *m = load_file("control.ptx");
	uint64_t addr;
	size_t size;

	(void)state;
	launch_ok(m, "spin", 4, 64, NULL);
	assert_true(sg_module_find_global(m, "counter", &addr, &size));
	assert_int_equal(size, 4);
	assert_int_equal(*(uint32_t *)(uintptr_t)addr, 256);
	sg_module_destroy(m);
}

static void every_lane_that_others_wait_for_has_a_turn(void **state)
{
	struct sg_module *m = load_file("control.ptx");
	uint64_t addr;
	size_t size;

	(void)state;
	setenv("SOFTGPU_STEP_LIMIT", "20000000", 1);
	launch_ok(m, "relay", 1, 32, NULL);
	launch_ok(m, "plain_relay", 1, 32, NULL);
	unsetenv("SOFTGPU_STEP_LIMIT");
	assert_true(sg_module_find_global(m, "counter", &addr, &size));
	assert_int_equal(*(uint32_t *)(uintptr_t)addr, 2);
	sg_module_destroy(m);
}

static void barriers_reduce_and_count(void **state)
{
	struct sg_module *m = load_file("control.ptx");
	uint32_t *o = device(96 * 16);

	(void)state;
	launch_ok(m, "barriers", 1, 96, &o);
	for (uint32_t i = 0; i < 96; i++) {
		assert_int_equal(o[4 * i], 40);
		assert_int_equal(o[4 * i + 1], 2);
		assert_int_equal(o[4 * i + 2], i < 64 ? 77 : 5);
		assert_int_equal(o[4 * i + 3], i & 1 ? 9 : 0);
	}
	release(o);
	sg_module_destroy(m);
}

static void what_cannot_end_times_out(void **state)
{
	struct sg_module *m = load_file("control.ptx");

	(void)state;
	assert_int_equal(launch(m, "never", 1, 64, NULL), SG_TIMEOUT);
	assert_non_null(strstr(fault.text, "barrier 3 cannot complete: 32 of 64"));
	setenv("SOFTGPU_STEP_LIMIT", "1000000", 1);
	assert_int_equal(launch(m, "forever", 1, 32, NULL), SG_TIMEOUT);
	assert_non_null(strstr(fault.text, "step limit of 1000000"));
	unsetenv("SOFTGPU_STEP_LIMIT");
	sg_module_destroy(m);
}

static void functions_take_and_return(void **state)
{
	struct sg_module *m = load_file("calls.ptx");
	uint8_t *o = device(64 * 64);

	(void)state;
	launch_ok(m, "calls", 1, 64, &o);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t f = 1, w[3];
		double d[2];
		uint16_t c;

		for (uint32_t k = 2; k <= i % 10; k++)
			f *= k;
		memcpy(w, o + i * 64, sizeof(w));
		memcpy(d, o + i * 64 + 16, sizeof(d));
		memcpy(&c, o + i * 64 + 32, sizeof(c));
		assert_int_equal(w[0], f);
		assert_int_equal(w[1], f + 7);
		assert_int_equal(w[2], i & 1 ? i * 5 : i + 3);
		assert_true(d[0] == 1.5 && d[1] == i);
		assert_int_equal(c, 42);
	}
	release(o);
	sg_module_destroy(m);
}

static void printf_malloc_and_assert(void **state)
{
	struct sg_module *m = load_file("calls.ptx");
	uint32_t *o = device(64 * 4), *heap = device(65536);

	(void)state;
	launch_ok(m, "print", 1, 2, NULL);
	assert_string_equal(printed, "hi 0 ok  3.25 %\nhi 1 ok  3.25 %\n");
	kernel_heap = sg_heap_create((uintptr_t)heap, 65536);
	launch_ok(m, "heap", 1, 64, &o);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(o[i], i);
	sg_heap_destroy(kernel_heap);
	kernel_heap = NULL;
	assert_int_equal(launch(m, "heap", 1, 64, &o), SG_ILLEGAL_ADDRESS);	/* it stores to NULL */
	assert_true(sg_kernel_info(sg_module_find(m, "print"))->prints);
	assert_false(sg_kernel_info(sg_module_find(m, "print"))->allocates);
	assert_true(sg_kernel_info(sg_module_find(m, "heap"))->allocates);
	assert_int_equal(launch(m, "assert", 1, 1, NULL), SG_ASSERT);
	assert_string_equal(printed, "ok:12: ok: block: [0,0,0], thread: [0,0,0] Assertion `ok` failed.\n");
	release(heap);
	release(o);
	sg_module_destroy(m);
}

static void bad_calls_are_faults(void **state)
{
	struct sg_module *m = load_file("calls.ptx");

	(void)state;
	assert_int_equal(launch(m, "overflow", 1, 32, NULL), SG_ILLEGAL_ADDRESS);
	assert_non_null(strstr(fault.text, "stack overflow"));
	assert_int_equal(launch(m, "nowhere", 1, 32, NULL), SG_INVALID_PC);
	assert_int_equal(fault.address, 4096);
	sg_module_destroy(m);
}

static void texts_are_linked(void **state)
{
	char *a = read_text("link_a.ptx"), *b = read_text("link_b.ptx");
	const char *both[] = { a, b };
	struct sg_module *m;
	uint32_t *o = device(64);

	(void)state;
	if (load(both, 2, &m))
		fail_msg("%s", log_text);
	launch_ok(m, "linked", 1, 1, &o);
	assert_int_equal(o[0], 84);
	assert_int_equal(o[1], 42);
	assert_int_equal(o[2], 9);
	assert_int_equal(o[3], 5);		/* the strong definition wins over the weak one */
	assert_int_equal(o[4], F(2.25f));
	sg_module_destroy(m);
	assert_int_equal(load(both, 1, &m), SG_UNRESOLVED);
	assert_null(m);
	assert_non_null(strstr(log_text, "unresolved"));
	both[1] = a;
	assert_int_equal(load(both, 2, &m), SG_INVALID_PTX);
	assert_non_null(strstr(log_text, "defined in two texts"));
	release(o);
	free(a);
	free(b);
}

static void a_cooperative_grid_synchronises(void **state)
{
	/* every block adds itself and spins until all have: more blocks than threads */
	struct sg_module *m = load_ok(KERNEL(
		"mov.u32 %r1, %envreg1; mov.u32 %r2, %envreg2; mov.b64 %d1, {%r2, %r1}; setp.ne.u32 %p0, %r0, 0;\n"
		"@%p0 bra wait; atom.global.add.u32 %r3, [%d1], 1;\n"
		"spin: ld.acquire.gpu.global.u32 %r3, [%d1]; mov.u32 %r4, %nctaid.x; setp.lt.u32 %p1, %r3, %r4;\n"
		"@%p1 bra spin;\nwait: bar.sync 0; red.global.add.u32 [%d0], 1;"));
	uint32_t *o = device(4);
	struct sg_launch l = { .kernel = sg_module_find(m, "k"), .grid = { 20, 1, 1 }, .block = { 64, 1, 1 }, .params = &o,
			       .cooperative = true };

	(void)state;
	assert_int_equal(sg_launch_run(&l, &fault), SG_OK);
	assert_int_equal(*o, 20 * 64);
	release(o);
	sg_module_destroy(m);
}

/* One faulting statement; the output buffer has 4096 bytes. */
static const struct {
	const char *text;
	enum sg_result result;
	uint32_t tid;
	const char *says;
} faults[] = {
	{ "st.global.u32 [%d0+4096], %r0;", SG_ILLEGAL_ADDRESS, 0, "illegal global access of 4 bytes" },
	{ "ld.global.u32 %r1, [%d0+-4];", SG_ILLEGAL_ADDRESS, 0, "illegal global" },
	{ "mad.wide.u32 %d1, %r0, 100, %d0; ld.global.u8 %r1, [%d1];", SG_ILLEGAL_ADDRESS, 41, "illegal global" },
	{ "ld.u64 %d1, [%d0+4089];", SG_MISALIGNED, 0, "misaligned generic access of 8 bytes" },
	{ "st.global.v4.f32 [%d0+8], {%f0, %f0, %f0, %f0};", SG_MISALIGNED, 0, "of 16 bytes" },
	{ "mov.u64 %d1, 0; ld.u32 %r1, [%d1];", SG_ILLEGAL_ADDRESS, 0, "at 0x0" },
	{ "ld.global.u64 %d1, [0xfffffffffffffff8];", SG_ILLEGAL_ADDRESS, 0, "illegal global" },
	{ ".shared .u32 s[4]; st.shared.u32 [s+16], 1;", SG_ILLEGAL_ADDRESS, 0, "illegal shared" },
	{ ".shared .u32 s[4]; mov.u64 %d1, s; cvta.shared.u64 %d1, %d1; ld.u32 %r1, [%d1+4096];", SG_ILLEGAL_ADDRESS, 0,
	  "illegal generic" },
	{ ".local .u32 l[4]; ld.local.u32 %r1, [l+1048576];", SG_ILLEGAL_ADDRESS, 0, "illegal local" },
	{ "mov.u32 %r1, 64; cvt.u64.u32 %d1, %r1; ld.param.u32 %r2, [%d1];", SG_ILLEGAL_ADDRESS, 0, "illegal param" },
	{ "atom.global.add.u32 %r1, [%d0+4096], 1;", SG_ILLEGAL_ADDRESS, 0, "illegal" },
	{ "setp.eq.u32 %p0, %r0, 50; @%p0 trap;", SG_TRAP, 50, "trap" },
	{ "bar.sync 16;", SG_ILLEGAL_INSTRUCTION, 0, "barrier 16" },
	{ "bar.sync 1, 33;", SG_ILLEGAL_INSTRUCTION, 0, "33 threads" },
};

static void faults_name_the_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char text[2048];
		struct sg_module *m;
		void *out = device(4096);
		enum sg_result res;

		snprintf(text, sizeof(text), "%s.visible .entry k(.param .u64 out) {\n.reg .pred %%p<8>; .reg .b32 %%r<16>;"
			 ".reg .b64 %%d<16>; .reg .f32 %%f<8>;\nld.param.u64 %%d0, [out]; mov.u32 %%r0, %%tid.x;\n"
			 "mov.f32 %%f0, 0f00000000;\n%s\nret;\n}\n", HEAD, faults[i].text);
		m = load_ok(text);
		res = launch(m, "k", 1, 64, &out);
		if (res != faults[i].result || !strstr(fault.text, faults[i].says) || fault.line != 8 ||
		    fault.tid.x != faults[i].tid)
			fail_msg("%s: result %d, line %u, thread %u: %s", faults[i].text, res, fault.line, fault.tid.x,
				 fault.text);
		assert_int_equal(fault.result, res);
		sg_module_destroy(m);
		release(out);
	}
}

static const struct refusal bad_texts[] = {
	{ "", SG_INVALID_PTX, "line 1, column 1: a PTX text begins with '.version'" },
	{ "\x7f" "ELF", SG_INVALID_PTX, "line 1, column 1" },
	{ ".version 8.0\n.target sm_75\n.address_size 32\n", SG_UNSUPPORTED_PTX, "line 3, column 15: only 64-bit" },
	{ KERNEL("foo.s32 %r1, %r0, 1;"), SG_INVALID_PTX, "line 12, column 1: unknown instruction 'foo.s32'" },
	{ KERNEL("add.s33 %r1, %r0, 1;"), SG_INVALID_PTX, "unknown instruction 'add.s33'" },
	{ KERNEL("  add.rn.s32 %r1, %r0, 1;"), SG_UNSUPPORTED_PTX, "line 12, column 3: a modifier does not fit in 'add.rn.s32'" },
	{ KERNEL("tex.2d.v4.f32.f32 {%f0, %f1, %f2}, [%d0, {%f0, %f1}];"), SG_INVALID_PTX, "line 12" },
	{ KERNEL("tcgen05.wait::ld.sync.aligned;"), SG_UNSUPPORTED_PTX, "unsupported instruction 'tcgen05.wait::ld.sync.aligned'" },
	{ KERNEL("wgmma.fence.sync.aligned;"), SG_UNSUPPORTED_PTX, "'wgmma.fence" },
	{ KERNEL("shfl.up.b32 %r1, %r0, 1, 0;"), SG_UNSUPPORTED_PTX, "'shfl.up.b32'" },
	{ KERNEL("add.s32 %r1, %r99, 1;"), SG_INVALID_PTX, "line 12, column 14: unknown symbol '%r99'" },
	{ KERNEL("add.s32 %r1, %r0;"), SG_INVALID_PTX, "3 operands expected for 'add.s32'" },
	{ KERNEL("add.s32 %d1, %r0, 1;"), SG_INVALID_PTX, "register '%d1' is .b64 where 32 bits are needed" },
	{ KERNEL("add.f32 %f1, %f0, 1;"), SG_INVALID_PTX, "an integer where a floating point number is needed" },
	{ KERNEL("add.s32 5, %r0, 1;"), SG_INVALID_PTX, "a register expected as destination" },
	{ KERNEL("bra nowhere;"), SG_INVALID_PTX, "line 12, column 5: unknown label 'nowhere'" },
	{ KERNEL("@%r0 bra nowhere;"), SG_INVALID_PTX, "'%r0' is not a predicate" },
	{ KERNEL("mov.u32 %r1, 0x1g;"), SG_INVALID_PTX, "bad number '0x1g'" },
	{ KERNEL("mov.f32 %f1, 0f1234;"), SG_INVALID_PTX, "bad number '0f1234'" },
	{ KERNEL("mov.u32 %r1 %r2;"), SG_INVALID_PTX, "';' expected before '%r2'" },
	{ KERNEL("cvt.rni.f32.s32 %f1, %r0;"), SG_INVALID_PTX, "the rounding mode does not fit in 'cvt.rni.f32.s32'" },
	{ KERNEL(".reg .b32 %r1, %r1;"), SG_INVALID_PTX, "'%r1' is declared twice" },
	{ KERNEL("call undeclared, (%r0);"), SG_INVALID_PTX, "a declared function" },
	{ KERNEL("st.param.u64 [out], %d0;"), SG_INVALID_PTX, "kernel parameters cannot be written" },
	{ KERNEL("ld.global.v2.u32 {%r1}, [%d0];"), SG_INVALID_PTX, "a vector of 2 registers expected" },
	{ KERNEL("ld.global.u64 %r1, [%d0];"), SG_INVALID_PTX, "register '%r1' is too narrow" },
	{ KERNEL(".shared .b8 s[300000];"), SG_INVALID_PTX, "larger than its state space" },
	{ HEAD ".visible .entry k() { ret;", SG_INVALID_PTX, "the text ends inside function 'k'" },
	{ HEAD ".entry k() { ret; }\n.entry k() { ret; }", SG_INVALID_PTX, "defined twice" },
	{ HEAD ".global .u32 x[2] = {1, 2, 3};", SG_INVALID_PTX, "more initial values than 'x' has elements" },
	{ HEAD ".global .texref t;", SG_UNSUPPORTED_PTX, "'.texref' is not supported" },
	{ HEAD ".frob 1;", SG_UNSUPPORTED_PTX, "line 4, column 1: directive '.frob' is not supported" },
	{ HEAD ".extern .func f();\n.entry k() { call f; ret; }", SG_UNRESOLVED, "line 5, column 1: unresolved function 'f'" },
};

static void bad_texts_say_where(void **state)
{
	(void)state;
	check_refusals(bad_texts, sizeof(bad_texts) / sizeof(bad_texts[0]));
}

/*
 * Every prefix of each program, and each with one byte changed at many places: an answer, never a
 * crash.
 */
static void damaged_texts_do_no_harm(void **state)
{
	static const char *const files[] = { "control.ptx", "calls.ptx", "warp.ptx", "link_b.ptx" };
	static const char bytes[] = { 0, ';', '{', '}', '(', '[', '.', '%', '9', '<', '"', '/' };

	(void)state;
	for (size_t f = 0; f < 4; f++) {
		char *text = read_text(files[f]);
		size_t len = strlen(text);

		for (size_t i = 0; i < len; i += 3) {
			struct sg_log log = { log_text, sizeof(log_text), 0 };
			struct sg_ptx cut = { text, i }, whole = { text, len };
			struct sg_module *m;
			char old = text[i];

			sg_module_create(&cut, 1, &m, &log);
			sg_module_destroy(m);
			text[i] = bytes[i / 3 % sizeof(bytes)];
			sg_module_create(&whole, 1, &m, &log);
			sg_module_destroy(m);
			text[i] = old;
		}
		free(text);
	}
	assert_int_equal(nr_extents <= 1, true);	/* nothing but the device heap is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_give_exact_values),
		cmocka_unit_test(carries_chain),
		cmocka_unit_test(vectors_pack_and_unpack),
		cmocka_unit_test(spaces_and_generic_addresses),
		cmocka_unit_test(each_lane_has_its_own_local_memory),
		cmocka_unit_test(atomics_add_up_across_blocks),
		cmocka_unit_test(special_registers),
		cmocka_unit_test(matrix_product_is_exact),
		cmocka_unit_test(kmeans_assigns_and_updates),
		cmocka_unit_test(warp_operations),
		cmocka_unit_test(parts_of_a_warp_wait_for_their_own_lanes),
		cmocka_unit_test(divergent_lanes_come_home),
		cmocka_unit_test(a_spinning_lane_lets_the_holder_run),
		cmocka_unit_test(every_lane_that_others_wait_for_has_a_turn),
		cmocka_unit_test(barriers_reduce_and_count),
		cmocka_unit_test(what_cannot_end_times_out),
		cmocka_unit_test(functions_take_and_return),
		cmocka_unit_test(printf_malloc_and_assert),
		cmocka_unit_test(bad_calls_are_faults),
		cmocka_unit_test(texts_are_linked),
		cmocka_unit_test(a_cooperative_grid_synchronises),
		cmocka_unit_test(faults_name_the_place),
		cmocka_unit_test(bad_texts_say_where),
		cmocka_unit_test(damaged_texts_do_no_harm),
	};

	return cmocka_run_group_tests_name("softgpu_engine", tests, NULL, NULL);
}
