#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check-nvml-h.py NVML_H... - every function of nvml.h has a row of uapi/nvml.def, as KTAP

A row says DEVICE where the first parameter is a device's handle, and a function with a body in
libnvml/ is a HAND row.
"""
import glob
import os
import re
import sys

from nvmldef import read_table

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE = os.path.join(TOP, "uapi", "nvml.def")
DECL = re.compile(r"\bDECLDIR\s+(?:char\s*\*\s*)?(nvml\w+)\s*\(\s*(\w+)")
BODY = re.compile(r"^(?:EXPORT [\w ]*\*?|NOBODY\()(nvml\w+)[(,]", re.M)


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def check(rows, path):
    text = without_comments(open(path, encoding="utf-8").read())
    first = dict(DECL.findall(text))
    wrong = [f"no row for {name}" for name in sorted(first.keys() - rows.keys())]
    for name, kind in sorted(first.items()):
        device = kind == "nvmlDevice_t"
        if rows.get(name, "HAND") != "HAND" and device != (rows[name] == "DEVICE"):
            wrong.append(f"{name}: the first parameter is {kind}, the row says {rows[name]}")
    return wrong if len(first) > 300 else ["it declares too few functions"]


def check_bodies(rows):
    texts = [open(path, encoding="utf-8").read() for path in glob.glob(f"{TOP}/libnvml/*.c")]
    bodies = {name for text in texts for name in BODY.findall(text)}
    hand = {name for name, mode in rows.items() if mode == "HAND"}
    return [f"{name} is no HAND row" for name in sorted(bodies - hand)] + \
        [f"{name} has no body in libnvml/" for name in sorted(hand - bodies)]


def main(*headers):
    rows = dict(read_table(TABLE))
    checks = [(f"every function of {path} has a row", check(rows, path)) for path in headers]
    checks.append(("what is written by hand is a HAND row", check_bodies(rows)))
    print(f"KTAP version 1\n1..{len(checks)}")
    for n, (title, wrong) in enumerate(checks, 1):
        for line in wrong:
            print(f"# {line}")
        print(f"{'not ' if wrong else ''}ok {n} {title}")
    return 1 if any(wrong for _, wrong in checks) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
