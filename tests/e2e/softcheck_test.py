#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tools/softcheck.py without a GPU: softgpu beside itself, and dumps with planted differences."""
import os
import struct
import sys
import unittest

import dgsf

sys.path.insert(0, os.path.join(dgsf.ROOT, "tools"))
import softcheck    # noqa: E402  (found by the line above)


def record(name, data, bound="exact"):
    return f"{name} {len(data)} {bound}\n".encode() + data


def floats(*v):
    return struct.pack(f"<{len(v)}f", *v)


class Compare(unittest.TestCase):
    def test_equal_dumps(self):
        data = record("a", b"12\n3") + record("b", floats(1, 2), "f32:2")
        self.assertEqual(softcheck.compare(data, data), (2, 12, {"ulp": 0, "abs": 0}, []))

    def test_one_byte_is_found(self):
        wrong = softcheck.compare(record("a", b"1234"), record("a", b"1244"))[3]
        self.assertEqual(wrong, ["a: byte 2 of 4 is 0x33 on softgpu, 0x34 on the GPU"])

    def test_a_bound_is_kept_and_the_next_is_too_far(self):
        one, near, far = 1.0, 1 + 2 * 2**-23, 1 + 3 * 2**-23
        self.assertEqual(softcheck.compare(record("a", floats(one), "f32:2"), record("a", floats(near), "f32:2")), (1, 4, {"ulp": 2, "abs": 0}, []))
        self.assertTrue(softcheck.compare(record("a", floats(one), "f32:2"), record("a", floats(far), "f32:2"))[3])

    def test_an_absolute_bound(self):
        a, b = record("a", floats(0.25, -1e-9), "f32:abs:1e-06"), record("a", floats(0.25, 5e-7), "f32:abs:1e-06")
        count, size, worst, wrong = softcheck.compare(a, b)
        self.assertEqual((count, size, worst["ulp"], wrong), (1, 8, 0, []))
        self.assertAlmostEqual(worst["abs"], 5.01e-7, delta=1e-12)
        self.assertTrue(softcheck.compare(a, record("a", floats(0.25, 2e-6), "f32:abs:1e-06"))[3])
        for x, y in ((float("nan"), 0.0), (float("inf"), -float("inf")), (float("inf"), 1.0)):
            self.assertEqual(softcheck.far("f32", floats(x), floats(y)), float("inf"))
        self.assertEqual(softcheck.far("f32", floats(float("nan"), float("inf")), floats(float("nan"), float("inf"))), 0)

    def test_across_zero_and_not_a_number(self):
        tiny, nan = 2.0**-149, float("nan")
        self.assertEqual(softcheck.apart("f32", floats(tiny), floats(-tiny)), 2)
        self.assertEqual(softcheck.apart("f32", floats(0.0), floats(-0.0)), 0)
        self.assertEqual(softcheck.apart("f32", floats(nan), floats(nan)), 0)
        self.assertEqual(softcheck.apart("f32", floats(nan), floats(1)), float("inf"))

    def test_other_outputs_and_damaged_dumps(self):
        self.assertTrue(softcheck.compare(record("a", b"1"), record("b", b"1"))[3])
        self.assertTrue(softcheck.compare(record("a", b"1"), record("a", b"12"))[3])
        with self.assertRaises(ValueError):
            softcheck.compare(record("a", b"1234")[:-1], b"")


class Check(unittest.TestCase):
    def test_what_dumps_is_compared(self):
        """A source may be more than one program: cub.cu is cub_sort, cub_scan and cub_pick."""
        sources = os.path.join(dgsf.ROOT, "tests", "cuda")
        named = {x.split()[0] for x in softcheck.PROGRAMS}
        for name in os.listdir(sources):
            with open(os.path.join(sources, name), encoding="utf-8") as f:
                dumps = name.endswith((".c", ".cu")) and '#include "dump.h"' in f.read()
            stem = name.split(".")[0]
            if dumps:
                self.assertTrue(stem in named or any(x.startswith(stem + "_") for x in named), name)

    def test_softgpu_beside_itself(self):
        env = {**os.environ, "LD_LIBRARY_PATH": os.path.join(dgsf.BUILD, "softgpu")}
        rows, bad = softcheck.check(["vecadd", "reduce", "cgroups", "printf", "kmeans --csv @digits.csv.gz"], {**env, "SOFTGPU_SM": "75"}, {**env, "SOFTGPU_SM": "90"})
        self.assertEqual(bad, [])
        self.assertEqual([r[-1] for r in rows], ["equal"] * 5)


if __name__ == "__main__":
    dgsf.main()
