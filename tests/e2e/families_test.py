#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Instruction families (tests/cuda/families_*.cu, texture.cu, wmma.cu) on softgpu as 7.5, 8.0 and 9.0.

FAMILIES has a line for each family that real programs use, most used first: its instructions, each of which nvcc's
PTX of the programs above must have for every architecture from the given one on.
"""
import glob
import os
import re
import subprocess
import unittest

import dgsf

CUDA = os.path.join(dgsf.BUILD, "tests", "cuda")
PROGRAMS = sorted(os.path.basename(f)[:-3] for f in glob.glob(os.path.join(dgsf.ROOT, "tests", "cuda", "families_*.cu")))
FAMILIES = [
    (75, "return", "ret"),
    (75, "parameters", "ld.param st.param"),
    (75, "addresses", "cvta.to.global cvta.to.shared cvta.global cvta.shared cvta.local isspacep.global isspacep.shared isspacep.local"),
    (75, "moves", "mov.b16 mov.b32 mov.b64 mov.pred"),
    (75, "integers", "add.s32 add.s64 add.sat sub.s32 sub.sat mul.lo mul.hi.s32 mul.hi.u64 mul.wide mad.lo mad.wide mul24.lo mul24.hi mad24.lo min.s32 max.u32 "
                     "min.s64 abs.s32 neg.s32 sad.u32 sad.s32"),
    (75, "carries", "add.cc addc addc.cc sub.cc subc subc.cc mad.lo.cc madc.hi madc.hi.cc add.cc.u64 addc.u64 subc.u64"),
    (75, "global memory", "ld.global st.global ld.global.v2 ld.global.v4 st.global.wb.v4 ld.global.nc ldu.global ld.volatile.global ld.acquire.sys ld.relaxed.gpu "
                          "st.release.gpu ld.global.L1::no_allocate prefetch.global.L1 prefetch.global.L2 prefetchu.L1"),
    (75, "predicates", "setp.lt setp.gt.and setp.ltu setp.nan set.lt set.ne slct testp.finite testp.subnormal testp.notanumber"),
    (75, "branches", "bra bra.uni"),
    (75, "f32", "add.rn.f32 add.rz.f32 add.rp.f32 sub.rm.f32 add.ftz.f32 add.sat.f32 mul.rn.f32 mul.rm.f32 mul.sat.f32 fma.rn.f32 fma.rz.f32 fma.rp.f32 "
                "fma.rn.sat.f32 mad.rn.f32 min.f32 max.f32 max.ftz.f32 abs.f32 neg.f32"),
    (75, "logic", "and.b16 and.b32 and.b64 or.b32 xor.b32 not.b32 cnot.b32 and.pred xor.pred shl.b32 shl.b64 shr.s32 shr.u64 lop3.b32"),
    (75, "conversions", "cvt.rn.f32.s32 cvt.rn.f32.u64 cvt.rni.s32 cvt.rzi.s32 cvt.rzi.s64 cvt.rmi.u32 cvt.rpi.u32 cvt.rzi.u32.f64 cvt.rni.f32 cvt.rmi.f64 "
                        "cvt.sat.u8 cvt.sat.s16 cvt.sat.f32 cvt.f64.f32 cvt.rn.f32.f64 cvt.rz.f32.f64 cvt.s32.s8 cvt.u64.u32"),
    (75, "barriers", "bar.sync barrier.sync barrier.sync.aligned"),
    (75, "shared memory", "ld.shared st.shared ld.shared.v4 st.shared.v4"),
    (75, "selection", "selp.b32 selp.b64 selp.f32 selp.f64"),
    (75, "f32 division", "div.rn.f32 div.rz.f32 div.approx.f32 div.approx.ftz.f32 div.full.f32"),
    (75, "textures", "tex.1d tex.2d.v4.f32.f32 tex.2d.v4.u32 tex.3d tex.cube tex.a1d tex.a2d tex.level.2d tex.grad.2d tld4.r.2d"),
    (75, "integer division", "div.u32 div.u64"),
    (75, "f32 roots", "sqrt.rn.f32 sqrt.rm.f32 sqrt.approx.f32 sqrt.approx.ftz.f32 rsqrt.approx.f32 rcp.rn.f32 rcp.rp.f32 rcp.approx.f32 rcp.approx.ftz.f32"),
    (75, "constant memory", "ld.const"),
    (75, "f64", "add.rn.f64 sub.rz.f64 mul.rn.f64 mul.rm.f64 fma.rn.f64 fma.rp.f64 min.f64 max.f64 abs.f64 neg.f64"),
    (75, "atomics", "atom.global.add.u32 atom.shared.add.s32 atom.add.u32 atom.global.min.u64 atom.shared.min.s32 atom.global.max.s64 atom.global.inc atom.shared.dec "
                    "atom.global.and.b32 atom.shared.or.b32 atom.global.xor.b64 atom.global.exch.b64 atom.global.cas.b16 atom.global.cas.b32 atom.global.cas.b64 "
                    "atom.shared.cas.b64 atom.global.add.f32 atom.shared.add.f32 atom.global.add.f64 atom.shared.add.f64 atom.global.add.noftz.f16 "
                    "atom.global.add.noftz.f16x2 atom.relaxed.gpu atom.acquire.cta atom.release.gpu atom.acq_rel.sys red.global.add.u32 red.global.add.f32 red.shared.max"),
    (75, "approximations", "ex2.approx.f32 ex2.approx.ftz.f32 lg2.approx.f32 lg2.approx.ftz.f32 sin.approx.f32 cos.approx.f32 tanh.approx.f32"),
    (75, "bits", "bfe.u32 bfe.s32 bfe.u64 bfi.b32 bfi.b64 brev.b32 brev.b64 popc.b32 popc.b64 clz.b32 clz.b64 bfind.u32 bfind.shiftamt.u32 fns.b32 prmt.b32 "
                 "prmt.b32.f4e shf.l.wrap shf.r.clamp szext.wrap bmsk.clamp"),
    (75, "local memory", "ld.local st.local"),
    (75, "calls", "call call.uni"),
    (75, "remainders", "rem.s32 rem.s64"),
    (75, "f64 roots", "sqrt.rn.f64 rcp.rn.f64 rcp.approx.ftz.f64 rsqrt.approx.f64 rsqrt.approx.ftz.f64"),
    (75, "surfaces", "suld.b.1d suld.b.2d suld.b.a2d suld.b.3d sust.b.1d sust.b.2d sust.b.a2d sust.b.3d"),
    (75, "a warp's barrier", "bar.warp.sync"),
    (75, "f64 division", "div.rn.f64 div.rp.f64"),
    (75, "shuffles", "shfl.sync.up shfl.sync.down shfl.sync.bfly shfl.sync.idx"),
    (75, "generic memory", "ld.u32 st.u32"),
    (75, "votes", "vote.sync.ballot vote.sync.all vote.sync.any vote.sync.uni"),
    (75, "trap", "trap"),
    (75, "fences", "membar.cta membar.gl membar.sys fence.sc.cta fence.sc.sys fence.acq_rel.gpu"),
    (75, "barriers that reduce", "bar.red.and bar.red.or barrier.red.popc"),
    (75, "sleep", "nanosleep"),
    (75, "sign", "copysign.f32 copysign.f64"),
    (75, "wmma", "wmma.load.a wmma.load.b wmma.load.c wmma.store.d wmma.mma"),
    (75, "video", "vadd vsub vabsdiff vmin vmax vshl vshr vmad vset vadd2 vsub2 vavrg2 vabsdiff2 vmin2 vmax2 vset2 vadd4 vsub4 vavrg4 vabsdiff4 vmin4 vmax4 vset4"),
    (75, "match", "match.any.sync.b32 match.any.sync.b64 match.all.sync.b32"),
    (75, "active lanes", "activemask"),
    (75, "f16", "add.f16 add.rn.f16x2 sub.f16x2 mul.f16x2 fma.rn.f16 fma.rn.f16x2 add.sat.f16x2 neg.f16x2 abs.f16x2 setp.lt.f16 setp.ge.f16x2 set.ne.f16x2 "
                "tanh.approx.f16 ex2.approx.f16 ex2.approx.f16x2"),
    (75, "f16 conversions", "cvt.rn.f16.f32 cvt.rz.f16.f32 cvt.f32.f16 cvt.rn.f16.s32 cvt.rni.s32.f16 cvt.rni.f16.f16"),
    (75, "dot products", "dp4a.u32.u32 dp4a.s32.s32 dp2a.lo dp2a.hi"),
    (75, "mma", "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 mma.sync.aligned.m8n8k16.row.col.s32.s8 "
                "mma.sync.aligned.m8n8k32.row.col.s32.s4 mma.sync.aligned.m8n8k128.row.col.s32.b1"),
    (75, "ldmatrix", "ldmatrix.sync.aligned.m8n8.x1.shared ldmatrix.sync.aligned.m8n8.x2.trans ldmatrix.sync.aligned.m8n8.x4 movmatrix"),
    (80, "redux", "redux.sync.add redux.sync.min.u32 redux.sync.max.s32 redux.sync.and redux.sync.or redux.sync.xor"),
    (80, "cp.async", "cp.async.ca.shared.global cp.async.cg.shared.global cp.async.commit_group cp.async.wait_group cp.async.wait_all cp.async.mbarrier.arrive.noinc"),
    (80, "mbarrier", "mbarrier.init mbarrier.arrive mbarrier.arrive.noComplete mbarrier.arrive_drop mbarrier.test_wait mbarrier.test_wait.parity mbarrier.pending_count "
                     "mbarrier.inval"),
    (80, "cache hints", "createpolicy ld.global.L2::cache_hint prefetch.global.L2::evict_last"),
    (80, "bf16 and NaN", "fma.rn.bf16x2 fma.rn.relu.bf16x2 fma.rn.relu.f16x2 min.bf16x2 max.NaN.bf16x2 neg.bf16x2 abs.bf16x2 min.f16x2 max.NaN.f16x2 min.NaN.f32"),
    (80, "bf16 and tf32 conversions", "cvt.rn.bf16.f32 cvt.rz.bf16.f32 cvt.rn.relu.bf16.f32 cvt.rn.bf16x2.f32 cvt.rn.f16x2.f32 cvt.rna.tf32.f32"),
    (80, "mma of 8.0", "mma.sync.aligned.m16n8k16.row.col.f32.f16 mma.sync.aligned.m16n8k16.row.col.f32.bf16 mma.sync.aligned.m16n8k8.row.col.f32.tf32 "
                       "mma.sync.aligned.m8n8k4.row.col.f64 mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8 mma.sync.aligned.m16n8k64.row.col.s32.s4 "
                       "mma.sync.aligned.m16n8k256.row.col.s32.b1"),
    (90, "fp8", "cvt.rn.satfinite.e4m3x2.f32 cvt.rn.satfinite.e5m2x2.f32 cvt.rn.f16x2.e4m3x2 cvt.rn.f16x2.e5m2x2"),
    (90, "bf16 of 9.0", "add.rn.bf16x2 sub.rn.bf16x2 mul.rn.bf16x2 setp.lt.bf16 cvt.f32.bf16 tanh.approx.bf16 ex2.approx.ftz.bf16 min.xorsign.abs.f32"),
    (90, "atomics of 9.0", "atom.global.add.noftz.bf16x2 atom.shared.add.noftz.bf16x2 red.global.add.noftz.bf16 atom.global.exch.b128 atom.global.cas.b128"),
    (90, "integers of 9.0", "add.u16x2 min.s16x2 max.relu.s32"),
    (90, "election", "elect.sync"),
    (90, "mbarrier and bulk copies", "mbarrier.arrive.expect_tx mbarrier.try_wait cp.async.bulk fence.proxy.async"),
    (90, "stmatrix", "stmatrix"),
]
WORDS = ("%globaltimer", "%clock64", "%laneid", "%lanemask_lt", "vprintf", "malloc", "free", "__assertfail", ".extern .shared", ".callprototype", ".const", ".local")


def text_of(sm):
    text = ""
    for name in PROGRAMS + ["texture", "wmma"]:
        with open(os.path.join(CUDA, "ptx", f"{name}.compute_{sm}.ptx"), encoding="ascii") as f:
            text += f.read()
    return text


def opcodes(text):
    """With the modifiers; those of '{ a; b; }' on one line are two."""
    found = (re.match(r"\s*(?:@!?%?\w+\s+)?([a-z]\w*(?:\.[\w:]+)*)(?=\s|$)", s) for s in re.split(r"[;{}\n]", re.sub(r"//[^\n]*", "", text)))
    return {m.group(1) for m in found if m}


class Families(unittest.TestCase):
    def run_on(self, sm, program, *args):
        env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "softgpu"), "SOFTGPU_SM": sm}
        p = subprocess.run([os.path.join(CUDA, program), *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=60, check=False)
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertIn("PASS", p.stdout)
        return p.stdout

    def test_results(self):
        for sm in ("75", "80", "90"):
            for program in PROGRAMS:
                with self.subTest(sm=sm, program=program):
                    self.run_on(sm, program)

    def test_output_and_ends(self):
        for sm in ("75", "80", "90"):
            with self.subTest(sm=sm):
                self.assertIn("printed by thread 0: a text, 2.50, 123456789abc\n", self.run_on(sm, "families_machine"))
                self.assertIn("Assertion `asked != 1 ", self.run_on(sm, "families_machine", "assert"))
                self.run_on(sm, "families_machine", "trap")

    def test_no_family_is_lost(self):
        for sm in (75, 80, 90):
            text = text_of(sm)
            have = opcodes(text)
            missing = [f"{family}: {stem}" for first, family, stems in FAMILIES if sm >= first for stem in stems.split()
                       if not any((o + ".").startswith(stem + ".") for o in have)]
            self.assertEqual(missing + [w for w in WORDS if w not in text], [], f"compute_{sm}")


if __name__ == "__main__":
    dgsf.main()
