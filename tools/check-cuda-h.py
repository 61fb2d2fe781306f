#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check-cuda-h.py [TABLE.def] CUDA_H... - every function of cuda.h has a row, as KTAP

Reads the declarations of each cuda.h, and of a cudaProfiler.h beside it, as the compiler sees them
in all three modes: plain, with the per-thread default stream, and with the older variants. A
cudaTypedefs.h beside it says since which version of CUDA a variant exists: a row that says another
is wrong.
"""
import collections
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(TOP, "uapi", "cuda.def")

DECL = re.compile(r"\bCUresult\s+CUDAAPI\s+(cu[A-Z]\w*)\s*\(([^()]*)\)\s*;")
RENAME = re.compile(r"^\s*#\s*define\s+(cu[A-Z]\w*)\s+"
                    r"(?:__CUDA_API_(PTSZ|PTDS)\((\w+)\)|(cu\w+))\s*$", re.M)
PFN = re.compile(r"\*PFN_(cu[A-Z]\w*?)_v(\d+)(_ptsz|_ptds)?\)\s*\(")
SUFFIX = re.compile(r"^(\w+?)(?:_v(\d+))?(_ptsz|_ptds)?$")
ROW = re.compile(r"^(?:CU|TWIN)\(\s*0x\w+\s*,\s*(\d+)\s*,\s*(?:[A-Z]+\s*,\s*)?(cu\w+)", re.M)
OLDER = re.compile(r"^#if defined\(__CUDA_API_VERSION_INTERNAL\)\s*$(?=\s*#undef)", re.M)


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def declarations(text):
    """Yields (exported name, parameters) of one header; a name may come more than once."""
    text = without_comments(text)
    rename = {m[1]: (m[3] or m[4], m[2]) for m in RENAME.finditer(text)}
    internal = OLDER.search(text)
    section = text.find("\n#e", internal.start()) if internal else len(text)
    for m in DECL.finditer(text):
        name, params = m[1], " ".join(m[2].split())
        if internal and internal.start() < m.start() < section:
            yield name, params
            continue
        to, twin = rename.get(name, (name, None))
        yield to, params
        if twin:
            yield to + "_" + twin.lower(), params


def since(names, texts):
    """Versions of the names: those of a base name's PFN types, ascending, aligned at the end."""
    versions, variants, found = collections.defaultdict(set), collections.defaultdict(list), {}
    for text in texts:
        for base, version, twin in PFN.findall(without_comments(text)):
            versions[base, twin].add(int(version))
    for name in names:
        base, number, twin = SUFFIX.match(name).groups()
        variants[base, twin or ""].append((int(number or 1), name))
    for key, have in variants.items():
        ages = sorted(versions[key])
        if len(ages) >= len(have):
            found.update(zip((n for _, n in sorted(have)), ages[-len(have):]))
    return found


def read(directory, *names):
    """The texts of those headers that are there."""
    paths = [os.path.join(directory, name) for name in names]
    return [open(path, encoding="utf-8").read() for path in paths if os.path.exists(path)]


def check(rows, path):
    """What is wrong with the rows for one cuda.h, one line each."""
    directory, name = os.path.split(path)
    texts = read(directory, name, "cudaProfiler.h")
    names = {name for text in texts for name, _ in declarations(text)}
    types = read(directory, "cudaTypedefs.h", "cudaProfilerTypedefs.h")
    ages = since(names, types)
    wrong = [f"no row for {name}" for name in sorted(names - rows.keys())]
    wrong += [f"{name} exists since {age}, the row says {rows[name]}"
              for name, age in sorted(ages.items()) if rows.get(name, age) != age]
    if types:
        wrong += [f"cudaTypedefs.h does not know {name}" for name in sorted(names - ages.keys())]
    return wrong if names else ["it declares no function of the driver"]


def main(*paths):
    tables = [path for path in paths if path.endswith(".def")] or [TABLE]
    headers = [path for path in paths if not path.endswith(".def")]
    text = "".join(open(path, encoding="utf-8").read() for path in tables)
    rows = {m[2]: int(m[1]) for m in ROW.finditer(text)}
    failed = False
    print(f"KTAP version 1\n1..{len(headers)}")
    for n, path in enumerate(headers, 1):
        wrong = check(rows, path)
        failed |= bool(wrong)
        for line in wrong:
            print(f"# {line}")
        print(f"{'not ' if wrong else ''}ok {n} every function of {path} has a row")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
