#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Prints where nvml.h is, and NVIDIA's Python module for it, which the test asks with:
#
#	NVML_INCLUDE=/.../build/nvml/nvidia/cu13/include
#	NVML_PYTHON=/.../build/nvml
#
# Both are installed from PyPI into build/nvml; where that cannot be reached nvml.h is the CUDA
# toolkit's, of version 13 or later, whose directory of headers the argument is. What is nowhere stays
# empty, and stderr says so: libnvidia-ml.so.1 is then not built, or not tested with that module.

set -euo pipefail

packages=(nvidia-nvml-dev==13.5.37 nvidia-ml-py==13.615.71)

build=$(cd "$(dirname "$0")/.." && pwd)/build
dir=$build/nvml

install()
{
	local python=python3

	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	if ! python3 -m pip --version >/dev/null 2>&1; then
		python3 -m venv "$dir.tmp/venv" >/dev/null 2>&1 || return
		python=$dir.tmp/venv/bin/python3
	fi
	PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
		"$python" -m pip install --quiet --no-deps --only-binary :all: --retries 1 --timeout 10 \
		--target "$dir.tmp/site" "${packages[@]}" >/dev/null 2>&1 || return
	echo "${packages[*]}" > "$dir.tmp/site/packages"
	mv "$dir.tmp/site" "$dir"
	rm -rf "$dir.tmp"
}

include()
{
	local header

	for header in "$dir"/nvidia/*/include/nvml.h "$1/nvml.h"; do
		if grep -Eqs 'define NVML_API_VERSION +(1[3-9]|[2-9][0-9])' "$header"; then
			dirname "$header"
			return
		fi
	done
	echo "nvml-packages: no nvml.h of version 13, from PyPI or in $1: no libnvidia-ml.so.1" >&2
}

[ $# -eq 1 ] || { echo "usage: $0 INCLUDE-DIRECTORY" >&2; exit 1; }
mkdir -p "$build"
exec 9>"$dir.lock"
flock 9
[ "$(cat "$dir/packages" 2>/dev/null)" = "${packages[*]}" ] || install ||
	echo "nvml-packages: pip could not install ${packages[*]}" >&2
echo "NVML_INCLUDE=$(include "$1")"
echo "NVML_PYTHON=$([ ! -e "$dir/pynvml.py" ] || echo "$dir")"
