#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every form of rows.tsv on the GPU of this machine and writes tests/data/ptx-rows.tsv. Needs
# python3, NVIDIA's libcuda.so.1 (PTX 8.4, compute capability 9.0) and build/tests/ptx/run, which
# "make build/tests/ptx/run" builds on any machine.
#
#	tests/ptx/make-expected.sh [OUTPUT]
set -e
cd "$(dirname "$0")/../.."
out=${1:-tests/data/ptx-rows.tsv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
plan=$(python3 tests/ptx/rows.py plan "$work")
build/tests/ptx/run "$plan" > "$work/results"
{
	echo "# Results of the forms of tests/ptx/rows.tsv: tests/ptx/make-expected.sh on a GPU. Read with unpack() of rows.py."
	cat "$work/results"
} | python3 tests/ptx/rows.py pack > "$work/packed"
if grep '^!' "$work/packed" >&2; then
	echo "make-expected: the GPU's driver refused the forms above" >&2
fi
cp "$work/packed" "$out"
grep -c '^[^#!]' "$out" | sed "s|\$| forms in $out|"
