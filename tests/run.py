#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Runs test programs that speak TAP or KTAP, shows what failed, and ends with "N passed, N failed".

    tests/run.py PROGRAM[:ARGUMENT...] ...

A program passes with each "ok" line and fails with each "not ok" line, when it exits non-zero without one, when it says nothing, or when it takes
longer than the limit. "# SKIP why" counts as skipped and is shown.

DGSF_REPORTS: where sanitizers write to, a file each. A program fails with each, also where nobody looks at how a process of it ended.
"""
import glob
import os
import re
import subprocess
import sys
import time

LIMIT_S = int(os.environ.get("DGSF_TEST_LIMIT", "240"))
REPORTS = os.environ.get("DGSF_REPORTS", "")
LINE = re.compile(r"^\s*(not ok|ok)\b(.*)")


def run(argv):
    command = [sys.executable] + argv if argv[0].endswith(".py") else argv
    if not os.path.dirname(command[0]):
        command[0] = "./" + command[0]
    env = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"}
    if argv[0].endswith(".py") and "DGSF_PRELOAD" in env:   # Python itself frees little before it ends
        env.update(LD_PRELOAD=env["DGSF_PRELOAD"], ASAN_OPTIONS=env.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=LIMIT_S, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        return 124, (e.stdout or b"").decode(errors="replace") + f"\nnot ok stopped after {LIMIT_S} s\n"


def reports():
    """What sanitizers have written since the last time."""
    texts = []
    for path in sorted(glob.glob(glob.escape(REPORTS) + ".*")) if REPORTS else []:
        with open(path, errors="replace") as f:
            texts.append(f.read())
        os.unlink(path)
    return texts


def count(code, output):
    passed, failed, skipped = 0, [], []
    for line in output.splitlines():
        m = LINE.match(line)
        if not m:
            continue
        text = m.group(2).strip()
        if m.group(1) == "not ok":
            failed.append(text)
        elif re.search(r"#\s*skip", text, re.I):
            skipped.append(text)
        else:
            passed += 1
    if code and not failed:
        failed.append(f"exit status {code}")
    if not passed and not failed and not skipped:
        failed.append("said nothing")
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    reports()
    for word in sys.argv[1:]:
        start = time.monotonic()
        code, output = run(word.split(":"))
        passed, failed, skipped = count(code, output)
        for text in reports():
            failed.append("a sanitizer's report")
            output += "\n" + text
        name = os.path.basename(word.split(":")[0])
        print(f"{'FAIL' if failed else 'ok':4} {name:32} {passed:5} passed {len(failed):3} failed "
              f"{time.monotonic() - start:6.1f} s", flush=True)
        for text in skipped:
            print(f"     skipped: {text}")
        if failed:
            for text in failed:
                print(f"     not ok {text}")
            print("\n".join("     | " + line for line in output.splitlines()[-60:]), flush=True)
        total = [total[0] + passed, total[1] + len(failed), total[2] + len(skipped)]
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
