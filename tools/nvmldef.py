# SPDX-License-Identifier: MIT
"""nvmldef.py - reads uapi/nvml.def"""
import re
import sys

ROW = re.compile(r"NVML\((nvml\w+), (HAND|DEVICE|NONE)\)")


def read_table(path):
    """[(name, mode)]; what is no row, or a second one, is refused with file and line."""
    text = open(path, encoding="utf-8").read()
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), text, flags=re.S)
    rows = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        m = ROW.fullmatch(line)
        if not m or m[1] in rows:
            sys.exit(f"{path}:{number}: {'a second row' if m else 'no row'}: {line}")
        rows[m[1]] = m[2]
    return list(rows.items())
