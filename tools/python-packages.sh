#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes build/python, a Python with numba-cuda and CuPy from PyPI as they come, for tests/python:
#
#	build/python/bin/python3	has the packages
#	build/python/cuda		a CUDA_HOME of links into the toolkit's NVVM, NVRTC, libcudart and headers
#
# That CUDA_HOME is without nvJitLink, so that numba links with the driver: softgpu runs PTX, and
# nvJitLink would make machine code of it (softgpu(7)). Needs no root. Where PyPI cannot be reached,
# or has no such packages for this Python, it fails and leaves the reason in build/python.missing.

set -euo pipefail

packages=(
	numba-cuda==0.30.4 numba==0.68.1 llvmlite==0.50.0
	cupy-cuda13x==14.2.0
	cuda-bindings==13.5.0 cuda-core==1.2.2 cuda-pathfinder==1.9.0
	numpy==2.4.6 packaging==26.3
)
# Of one CUDA with the toolkit that tools/cuda-toolchain.sh installs; used where the toolkit lacks them.
nvrtc=nvidia-cuda-nvrtc==13.0.88
nvvm=nvidia-nvvm==13.0.88
cudart=nvidia-cuda-runtime==13.0.96

build=$(cd "$(dirname "$0")/.." && pwd)/build
dir=$build/python
missing=$build/python.missing
wanted="${packages[*]} $nvrtc $nvvm $cudart"

fail()
{
	echo "$*" > "$missing"
	echo "python-packages: $*" >&2
	exit 1
}

pip()
{
	local why

	why=$("$dir.tmp/bin/python3" -m pip install --quiet --no-deps --only-binary :all: --retries 1 --timeout 20 \
		--disable-pip-version-check "$@" 2>&1) ||
		fail "pip: $(grep -m 1 ^ERROR <<<"$why" || tail -n 1 <<<"$why")"
}

# A link to a library of the toolkit, wherever that keeps it; else of the package, which is installed.
# Links name the place where it all will be.
library()	# NAME-PATTERN PACKAGE DIRECTORY
{
	local found

	found=$(find -L "$home" -maxdepth 4 -name "$1" -print -quit 2>/dev/null)
	if [ -z "$found" ]; then
		[ -d "$dir.tmp/nvidia/${2%%=*}" ] || pip --target "$dir.tmp/nvidia/${2%%=*}" "$2"
		found=$(find "$dir.tmp/nvidia" -name "$1" -print -quit)
		[ -n "$found" ] || fail "$2 has no $1"
	fi
	ln -s "${found/#$dir.tmp/$dir}" "$dir.tmp/cuda/$3/"
}

lay_out()
{
	mkdir -p "$dir.tmp/cuda/lib64" "$dir.tmp/cuda/nvvm/libdevice"
	ln -s lib64 "$dir.tmp/cuda/lib"
	ln -s "$home/include" "$dir.tmp/cuda/include"
	library libnvvm.so.4 "$nvvm" lib64
	library libdevice.10.bc "$nvvm" nvvm/libdevice
	library libnvrtc.so.13 "$nvrtc" lib64
	library 'libnvrtc-builtins.so.13.*' "$nvrtc" lib64
	library libcudart.so.13 "$cudart" lib64
	ln -s "$home/lib64/libcudadevrt.a" "$dir.tmp/cuda/lib64/"
}

install()
{
	rm -rf "$dir" "$dir.tmp"
	python3 -m venv "$dir.tmp" >/dev/null 2>&1 || fail "python3 has no venv (Debian package python3-venv)"
	pip "${packages[@]}"
	lay_out
	echo "$wanted $home" > "$dir.tmp/packages"
	# scripts name the old place, the interpreter does not care
	mv "$dir.tmp" "$dir"
}

home=$("$(dirname "$0")/cuda-toolchain.sh" | sed -n 's/^CUDA_HOME=//p')
mkdir -p "$build"
exec 9>"$dir.lock"
flock 9
rm -f "$missing"
[ "$(cat "$dir/packages" 2>/dev/null)" = "$wanted $home" ] && [ -x "$dir/bin/python3" ] && exit 0
echo "  PIP     build/python"
install
