#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What tools/gpubench.py makes of measured values, which needs no GPU: goals, table, picture, documentation"""
import argparse
import io
import json
import os
import shutil
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from contextlib import redirect_stdout
from unittest import mock

import dgsf

sys.path.insert(0, os.path.join(dgsf.ROOT, "tools"))
import gpubench     # pylint: disable=wrong-import-position

WHERES = ["native", "loopback", "+200 us", "+1000 us"]


def result(**steps):
    values = {"%s step, ms" % p: {w: [v] for w, v in zip(WHERES, by)} for p, by in steps.items()}
    values["torch.cuda.init, ms"] = {w: [v] for w, v in zip(WHERES, (200, 50, 90, 100))}
    values["PyTorch round trips"] = {w: [7] for w in WHERES[1:]}
    return {"gpu": "a GPU", "date": "2026-11-24", "cores": 2, "pairs": 1, "wheres": WHERES, "values": values}


class Bench(unittest.TestCase):
    def folder(self):
        d = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, d)
        return d

    def test_a_step_may_wait_for_the_network_where_the_program_waits(self):
        self.assertEqual(gpubench.goal("gpt2 step, ms", "loopback", 100)[1], 100)
        self.assertAlmostEqual(gpubench.goal("gpt2 step, ms", "+200 us", 100)[1], 103 + 71 * 0.2)
        self.assertAlmostEqual(gpubench.goal("train step, ms", "+1000 us", 10)[1], 10.3 + 3)
        self.assertIsNone(gpubench.goal("train step, ms", "native", 10)[1])
        self.assertIsNone(gpubench.goal("train load, ms", "loopback", 10)[1])

    def test_the_table_says_of_each_goal_whether_it_is_met(self):
        r = result(bert=(10, 9, 10.7, 13))
        lines = gpubench.table(r["values"], WHERES).splitlines()
        self.assertRegex([x for x in lines if x.startswith("bert")][0], r"1\.00 x native; native \+ 2 x delay \+ 3 % +yes, yes, no$")
        self.assertRegex([x for x in lines if x.startswith("torch")][0], r"0\.3 x native +yes$")

    def test_the_documentation_takes_table_picture_and_values(self):
        d, r = self.folder(), result(bert=(10, 9, 10.7, 40), resnet50=(5, 6, 7, 8))
        shutil.copy(os.path.join(gpubench.DOCUMENTATION, "benchmarks.rst"), d)
        gpubench.write_results(r, d)
        for _ in range(2):
            gpubench.document(os.path.join(d, "gpubench.json"), d)
        with open(os.path.join(d, "benchmarks.rst")) as f:
            page = f.read()
        self.assertEqual(page.count("2026-11-24, a GPU; natively and through DGSF"), 1)
        self.assertIn("\nbert step, ms ", page)
        words = " ".join(xml.etree.ElementTree.parse(os.path.join(d, "gpubench.svg")).getroot().itertext())
        self.assertIn("40 ms, 4.00 \u2717", words)
        self.assertIn("9 ms, 0.90 \u2713", words)
        with open(os.path.join(d, "gpubench.json")) as f:
            self.assertEqual(json.load(f), r)

    def test_no_pair_is_begun_that_there_is_no_time_for(self):
        r, d = {**result(), "pairs": 0}, self.folder()
        o = argparse.Namespace(pairs=5, seconds=25, steps=1, out=d)
        with mock.patch.object(gpubench, "measure_pair") as pair, mock.patch.object(gpubench.time, "monotonic") as now:
            now.side_effect = range(0, 1000, 5)         # each look at the clock takes 5 s
            with redirect_stdout(io.StringIO()) as out:
                gpubench.run_pairs(r, [], None, o)
        self.assertEqual((pair.call_count, r["pairs"]), (2, 2))
        self.assertIn("no time for pair 3", out.getvalue())
        self.assertTrue(os.path.exists(os.path.join(d, "gpubench.json")))


if __name__ == "__main__":
    dgsf.main()
