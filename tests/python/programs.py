#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
programs.py - runs the programs of one file, each in turn, and says in TAP how each went

    programs.py FILE [--may-lack PROGRAM]... [--broken PROGRAM]... [PROGRAM...]

Its libcuda.so.1 is the one that the environment names, and so is the Python with the packages. A program that --may-lack names is skipped if the
driver says that something is not supported; it must do right otherwise. One that --broken names is known to fail: it is skipped, and once it does
right that is a failure, so that the list stays true.
"""
import argparse
import importlib.util
import re
import sys
import traceback

UNSUPPORTED = re.compile(r"NOT_SUPPORTED|NotSupported|NotSupportedError|mapped host memory")


def load(path):
    spec = importlib.util.spec_from_file_location("programs_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name[len("program_"):]: value for name, value in vars(module).items() if name.startswith("program_")}


def run(name, program, may_lack, broken):
    """The line, and whether it is a failure."""
    try:
        program()
    except Exception as e:      # whatever a library may throw is a failure of that program
        if broken:
            return f"ok %d {name} # SKIP known to fail: {' '.join(str(e).split())[:120]}", False
        if may_lack and UNSUPPORTED.search(str(e)):
            return f"ok %d {name} # SKIP {' '.join(str(e).split())[:120]}", False
        for line in traceback.format_exc().splitlines():
            print("# " + line)
        return f"not ok %d {name}", True
    if broken:
        return f"not ok %d {name} works now: take it off the list", True
    return f"ok %d {name}", False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--may-lack", action="append", default=[])
    parser.add_argument("--broken", action="append", default=[])
    parser.add_argument("programs", nargs="*")
    o = parser.parse_args()
    programs = load(o.file)
    chosen = o.programs or list(programs)
    failed = False
    for n, name in enumerate(chosen, 1):
        line, bad = run(name, programs[name], name in o.may_lack, name in o.broken)
        print(line.replace("%d", str(n), 1), flush=True)
        failed |= bad
    print(f"1..{len(chosen)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
