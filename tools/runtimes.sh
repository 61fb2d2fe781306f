#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes build/runtimes, CUDA runtimes of other versions than the toolkit's, from PyPI as they come:
#
#	build/runtimes/VERSION/include	their headers
#	build/runtimes/VERSION/lib	libcudart.so; libcudart_static.a, or a library that has it inside: libnvjpeg.so
#
# Needs no root. Where PyPI cannot be reached it fails and leaves the reason in build/runtimes.missing.

set -euo pipefail

# VERSION PACKAGE...; nvJPEG of the same release carries the static runtime, which PyPI has not for CUDA 12.
runtimes=(
	"12.2 nvidia-cuda-runtime-cu12==12.2.140 nvidia-nvjpeg-cu12==12.2.2.4"
	"12.4 nvidia-cuda-runtime-cu12==12.4.127 nvidia-nvjpeg-cu12==12.3.1.117"
	"12.8 nvidia-cuda-runtime-cu12==12.8.90 nvidia-nvjpeg-cu12==12.3.5.92"
	"13.5 nvidia-cuda-runtime==13.5.37"
)

build=$(cd "$(dirname "$0")/.." && pwd)/build
dir=$build/runtimes
missing=$build/runtimes.missing
python=python3

fail()
{
	echo "$*" > "$missing"
	echo "runtimes: $*" >&2
	exit 1
}

pip()
{
	local why

	why=$(PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --no-deps \
		--only-binary :all: --retries 1 --timeout 20 --disable-pip-version-check "$@" 2>&1) ||
		fail "pip: $(grep -m 1 ^ERROR <<<"$why" || tail -n 1 <<<"$why")"
}

# Wheels keep include and lib in nvidia/<part> or, from CUDA 13 on, in nvidia/cu13.
lay_out()	# DIRECTORY
{
	local found

	mkdir "$1/lib"
	found=$(find "$1/site" -name cuda_runtime_api.h -print -quit)
	[ -n "$found" ] || fail "no headers in $1"
	ln -s "$(dirname "${found/#$1\//}")" "$1/include"
	while read -r found; do
		ln -s "../${found/#$1\//}" "$1/lib/"
	done < <(find "$1/site" \( -name 'libcudart*' -o -name 'libnvjpeg.so*' \) -type f)
}

install()
{
	local line version packages

	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	if ! python3 -m pip --version >/dev/null 2>&1; then
		python3 -m venv "$dir.tmp/venv" >/dev/null 2>&1 || fail "python3 has no pip and no venv"
		python=$dir.tmp/venv/bin/python3
	fi
	for line in "${runtimes[@]}"; do
		read -r version packages <<<"$line"
		# shellcheck disable=SC2086
		pip --target "$dir.tmp/$version/site" $packages
		lay_out "$dir.tmp/$version"
	done
	echo "${runtimes[*]}" > "$dir.tmp/packages"
	rm -rf "$dir.tmp/venv"
	mv "$dir.tmp" "$dir"
}

mkdir -p "$build"
exec 9>"$dir.lock"
flock 9
rm -f "$missing"
[ "$(cat "$dir/packages" 2>/dev/null)" = "${runtimes[*]}" ] && exit 0
echo "  PIP     build/runtimes"
install
