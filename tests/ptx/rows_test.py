#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Every form of rows.tsv on every build of softgpu's executors, against what a GPU gave and against eval.c.

Speaks TAP: a test for each line of the table and build, one for the rows of the executors that no line reaches.
ROWS_ISA names one build only; ROWS_VERBOSE shows every difference.
"""
import fnmatch
import os
import subprocess
import sys
import tempfile

import approx
import rows

ROOT = os.path.join(rows.HERE, "..", "..")
BUILD = os.path.join(ROOT, "build")
EXPECTED = os.path.join(ROOT, "tests", "data", "ptx-rows.tsv")
ELSEWHERE = os.path.join(rows.HERE, "elsewhere.tsv")
ISAS = {"base": set(), "v3": {"avx2", "bmi2", "fma", "movbe"}, "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}}


def isas():
    with open("/proc/cpuinfo") as f:
        flags = next((set(x.split(":")[1].split()) for x in f if x.startswith("flags")), set())
    only = os.environ.get("ROWS_ISA")
    return [x for x in ISAS if ISAS[x] <= flags and only in (None, x)]


def run(plan, isa):
    env = {**os.environ, "SOFTGPU_ISA": isa, "SOFTGPU_SM": "90", "LD_LIBRARY_PATH": os.path.join(BUILD, "softgpu")}
    done = subprocess.run([os.path.join(BUILD, "tests", "ptx", "run"), plan], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode:
        lines.append("!died\t" + (lines[-1] if lines else "said nothing"))
    refused = dict(x[1:].split("\t", 1) for x in lines if x.startswith("!"))
    return rows.unpack(lines), refused


def operands(form, i):
    return [rows.value(x, i, j, len(form.src)) for j, x in enumerate(form.src)]


def approx_differences(form, got, expected):
    """Each number within its bound of the truth; and NaN, infinity and zero where the GPU has them."""
    op, flushed, letter = form.text.split(".")[0], ".ftz" in form.text, form.dst[0]
    for i, word in enumerate(got.split()):
        args = zip(*[approx.lanes(x, v) for x, v in zip(form.src, operands(form, i))])
        ours = approx.lanes(letter, int(word, 16))
        theirs = approx.lanes(letter, int(expected.split()[i], 16)) if expected else ours
        for a, value, gpu in zip(args, ours, theirs):
            why = approx.wrong(op, flushed, letter, list(a), value)
            if not why and (value != value) != (gpu != gpu):
                why = "%r where the GPU gives %r" % (value, gpu)
            if why:
                yield "%s%r: %s" % (form.text, tuple(a), why)


def evaluated(plan):
    out = subprocess.run([os.path.join(BUILD, "tests", "ptx", "eval_rows"), plan], stdout=subprocess.PIPE, text=True, check=True)
    return rows.unpack(out.stdout.splitlines())


def unlike_eval(form, got, wanted):
    a, b = got.split(" !")[0].replace("|", " ").split(), wanted.replace("|", " ").split()
    for k, (x, y) in enumerate(zip(a, b)):
        if x != y:
            yield "%s: operands %s: %s, eval.c has %s" % (form.label, " ".join("%x" % v for v in operands(form, k % rows.N)), x, y)


def differences(form, got, expected):
    if "!guard" in got:
        yield "%s:%s" % (form.label, got[got.index("!guard") + 6:])
    if "approx" in form.flags:
        yield from approx_differences(form, got.split(" !")[0], expected)
    elif expected and got != expected and "isa" not in form.flags:
        a, b = got.replace("|", " ").split(), expected.replace("|", " ").split()
        for k, (x, y) in enumerate(zip(a, b)):
            if x != y:
                i = k % rows.N
                yield "%s: operands %s: %s, not %s" % (form.label, " ".join("%x" % v for v in operands(form, i)), x, y)


def test_line(group, got, refused, expected, wanted):
    """Reasons to fail; None where softgpu may and does refuse the line."""
    optional, bad, seen = "~" in group[0].flags, [], 0
    for form in group:
        if form.label in refused:
            bad += [] if optional else ["%s: refused: %s" % (form.label, refused[form.label])]
        elif form.label not in got:
            bad.append("%s: did not run" % form.label)
        else:
            seen += 1
            bad += differences(form, got[form.label], expected.get(form.label))
            if form.label in wanted and "approx" not in form.flags:
                bad += unlike_eval(form, got[form.label], wanted[form.label])
    return bad if seen or bad else None


def covered_elsewhere():
    with open(ELSEWHERE) as f:
        return [x.split("\t")[0] for x in f.read().splitlines() if x and not x.startswith("#")]


def uncovered(where):
    texts = [os.path.join(where, x) for x in os.listdir(where) if x.endswith(".ptx")]
    out = subprocess.run([os.path.join(BUILD, "tests", "ptx", "cover"), *texts], stdout=subprocess.PIPE, text=True, check=True)
    names = [x.split("\t")[0] for x in out.stdout.splitlines() if x.endswith("\t0")]
    patterns = covered_elsewhere()
    return ["no test reaches %s: add a line to rows.tsv" % x for x in names
            if not any(fnmatch.fnmatchcase(x, p) for p in patterns)]


def report(number, name, bad):
    if bad is None:
        print("ok %d %s # SKIP not in softgpu" % (number, name))
        return
    print("%s %d %s" % ("not ok" if bad else "ok", number, name))
    for text in bad if os.environ.get("ROWS_VERBOSE") else bad[:3]:
        print("# " + text)


def main():
    lines, expected, number = rows.read_table(), {}, 0
    if os.path.exists(EXPECTED):
        with open(EXPECTED) as f:
            expected = rows.unpack(f.read().splitlines())
    with tempfile.TemporaryDirectory() as where:
        plan = rows.write_plan(lines, where)
        builds = {isa: run(plan, isa) for isa in isas()}
        wanted = evaluated(plan)
        missing = uncovered(where)
    for isa, (got, refused) in builds.items():
        for group in lines:
            number += 1
            bad = test_line(group, got, refused, expected, wanted)
            if bad is None and isa != list(builds)[0]:
                number -= 1     # said once
                continue
            report(number, "%s line %d: %s" % (isa, group[0].line, group[0].label), bad)
    number += 1
    report(number, "every row of the executors is reached", missing)
    print("1..%d" % number)


if __name__ == "__main__":
    sys.exit(main())
