#!/bin/bash
# SPDX-License-Identifier: MIT
#
# check.sh NAME SECONDS: make fuzz-NAME for as long, over its seeds first, as one test in TAP
#
# Skipped where clang cannot link a fuzzer. What libFuzzer says goes to build/fuzz/NAME.log.
set -u
cd "$(dirname "$0")/../.." || exit 1

name=$1 seconds=$2
log=build/fuzz/$name.log

echo 1..1
if ! echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return p && n > 1 && *p; }' |
	"${fuzz_CC:-clang}" -x c - -fsanitize=fuzzer,address,undefined -o /dev/null 2>/dev/null; then
	echo "ok 1 - $name # SKIP needs clang and its libclang-rt-dev"
	exit 0
fi

mkdir -p build/fuzz
if make "fuzz-$name" FUZZ_SECONDS="$seconds" >"$log" 2>&1; then
	echo "ok 1 - $name: $(grep -oE 'stat::number_of_executed_units: *[0-9]+' "$log" | grep -oE '[0-9]+$') inputs"
else
	tail -n 50 "$log" | sed 's/^/# /'
	echo "not ok 1 - $name"
	exit 1
fi
