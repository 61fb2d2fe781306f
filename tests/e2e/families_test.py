#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Instruction families (tests/cuda/families.cu) on softgpu as 7.5, 8.0 and 9.0; the PTX of the program has all that it is there for."""
import os
import re
import subprocess
import unittest

import dgsf

CUDA = os.path.join(dgsf.BUILD, "tests", "cuda")
EVERYWHERE = ("add.cc addc sub.cc subc mad.lo.cc madc.hi brev popc clz prmt shf.l bfe bfi bfind lop3 vabsdiff4 dp4a vadd sad call bar.red rem div cvt "
              "ld.shared st.shared ld.global st.global setp selp copysign fma.rn.f16 membar nanosleep").split()
FROM_80 = "redux.sync cp.async cp.async.commit_group cp.async.wait_group mbarrier.init mbarrier.arrive mbarrier.test_wait".split()
FP8 = "cvt.rn.satfinite.e4m3x2 cvt.rn.f16x2.e5m2x2".split()
TEXT = ("%globaltimer", "%clock64", "vprintf", "malloc", "free", ".extern .shared", ".callprototype")


class Families(unittest.TestCase):
    def test_results(self):
        for sm in ("75", "80", "90"):
            with self.subTest(sm=sm):
                env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "softgpu"), "SOFTGPU_SM": sm}
                p = subprocess.run([os.path.join(CUDA, "families")], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, timeout=60, check=False)
                self.assertEqual(p.returncode, 0, p.stdout)
                self.assertIn("printed by thread 0\n", p.stdout)
                self.assertIn("PASS", p.stdout)

    def test_no_family_is_lost(self):
        for sm, words in (("75", EVERYWHERE), ("80", EVERYWHERE + FROM_80), ("90", EVERYWHERE + FROM_80 + FP8)):
            with open(os.path.join(CUDA, "ptx", f"families.compute_{sm}.ptx"), encoding="ascii") as f:
                text = f.read()
            opcodes = set(re.findall(r"^\s*(?:\{\s*)?(?:@!?%\w+\s+)?([a-z]\w*(?:\.[\w:]+)*)", text, re.M))
            missing = [w for w in words if not any((o + ".").startswith(w + ".") for o in opcodes)] + [w for w in TEXT if w not in text]
            self.assertEqual(missing, [], f"compute_{sm}")


if __name__ == "__main__":
    dgsf.main()
