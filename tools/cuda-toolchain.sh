#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Prints where the CUDA compiler is, as lines that make and the shell both read:
#
#	CUDA_HOME=/usr/local/cuda
#	NVCC=/usr/local/cuda/bin/nvcc
#	CUDA_STUBS=/usr/local/cuda/lib64/stubs
#
# The first toolkit of version 13 or later in $CUDA_HOME, on PATH, in /usr/local/cuda*; else the one
# in build/cuda, which is installed from PyPI's nvidia packages where it is not there yet. Needs no
# root. With --pypi: build/cuda and nothing else; --dir DIR: DIR instead of build/cuda.

set -euo pipefail

# One toolkit, of CUDA 13.0: later packages of one name do not go with earlier ones of another.
packages=(
	nvidia-cuda-nvcc==13.0.88
	nvidia-cuda-crt==13.0.88
	nvidia-nvvm==13.0.88
	nvidia-cuda-runtime==13.0.96
	nvidia-cuda-cccl==13.0.85
	nvidia-cuda-profiler-api==13.0.85
)

build=$(cd "$(dirname "$0")/.." && pwd)/build
own=$build/cuda
pypi_only=

say()
{
	echo "cuda-toolchain: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

version()
{
	"$1/bin/nvcc" --version 2>/dev/null | sed -n 's/.* release \([0-9]*\)\..*/\1/p'
}

# What building needs, not nvcc alone: a distribution may have torn the toolkit apart.
usable()
{
	local major

	[ -x "$1/bin/nvcc" ] && [ -e "$1/include/cuda.h" ] && [ -e "$1/include/cudaProfiler.h" ] &&
		[ -e "$1/lib64/libcudart_static.a" ] || return 1
	major=$(version "$1") || return 1
	[ "${major:-0}" -ge 13 ]
}

candidates()
{
	local nvcc

	[ -z "${CUDA_HOME:-}" ] || echo "$CUDA_HOME"
	if nvcc=$(command -v nvcc); then
		dirname "$(dirname "$nvcc")"
		dirname "$(dirname "$(readlink -f "$nvcc")")"
	fi
	echo /usr/local/cuda
	printf '%s\n' /usr/local/cuda-* | sort -rV
}

find_toolkit()
{
	local dir

	while read -r dir; do
		if usable "$dir"; then
			cd "$dir" && pwd
			return 0
		fi
	done < <([ -n "$pypi_only" ] || candidates; echo "$own")
	return 1
}

# Debian's python3 comes without pip and without the part of venv that brings one along.
install_packages()
{
	local python=python3

	command -v python3 >/dev/null || die "python3 is missing (Debian package python3)"
	if ! python3 -m pip --version >/dev/null 2>&1; then
		python3 -m venv "$1/venv" >/dev/null 2>&1 ||
			die "python3 has neither pip nor venv (Debian package python3-venv)"
		python=$1/venv/bin/python3
	fi
	# With --target nothing of the system's Python is touched, whatever old versions of pip say.
	PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
		"$python" -m pip install --quiet --no-deps --only-binary :all: \
		--target "$1/site" "${packages[@]}" >&2 ||
		die "pip could not install ${packages[*]}"
}

# The packages have no lib64, no targets/ (nvcc.profile looks there), no name to link by.
lay_out()
{
	local target=x86_64-linux lib

	[ "$(uname -m)" != aarch64 ] || target=sbsa-linux
	chmod +x "$1"/bin/* "$1"/nvvm/bin/*
	mkdir -p "$1/targets/$target"
	ln -sfn ../../include "$1/targets/$target/include"
	ln -sfn ../../lib "$1/targets/$target/lib"
	ln -sfn lib "$1/lib64"
	for lib in "$1"/lib/*.so.*; do
		ln -sfn "$(basename "$lib")" "${lib%.so.*}.so"
	done
}

# A library to link with -lcuda where no driver is: every function that cuda.h declares. Called, one
# answers as NVIDIA's stub does, with CUDA_ERROR_STUB_LIBRARY.
make_stub()
{
	local home=$1 dir=$2 tmp

	mkdir -p "$dir"
	tmp=$(mktemp -d "$dir/tmp.XXXXXX")
	echo '#include <cuda.h>' | gcc -E -P -I"$home/include" - |
		grep -o 'CUresult *cu[A-Z][A-Za-z0-9_]* *(' |
		sed 's/CUresult *\(cu[A-Za-z0-9_]*\) *(/int \1(void) { return 34; }/' |
		sort -u > "$tmp/stub.c" || die "$home/include/cuda.h declares no function"
	gcc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$tmp/libcuda.so" "$tmp/stub.c"
	mv "$tmp/libcuda.so" "$dir/libcuda.so"
	rm -r "$tmp"
}

install_toolkit()
{
	tmp=$own.tmp
	say "installing the compiler and headers of CUDA 13.0 from PyPI into $own"
	rm -rf "$tmp"
	trap 'rm -rf "$tmp"' EXIT
	mkdir -p "$tmp"
	install_packages "$tmp"
	[ -f "$tmp/site/nvidia/cu13/bin/nvcc" ] || die "the packages hold no nvcc"
	lay_out "$tmp/site/nvidia/cu13"
	make_stub "$tmp/site/nvidia/cu13" "$tmp/site/nvidia/cu13/lib/stubs"
	rm -rf "$own"
	mv "$tmp/site/nvidia/cu13" "$own"
	usable "$own" || die "the toolkit in $own does not work: its nvcc --version fails"
}

while [ $# -gt 0 ]; do
	case $1 in
	--pypi)
		pypi_only=1
		;;
	--dir)
		[ $# -gt 1 ] || die "--dir needs a directory"
		own=$(realpath -m "$2")
		shift
		;;
	*)
		die "usage: $0 [--pypi] [--dir DIR]"
		;;
	esac
	shift
done

if [ -n "${CUDA_HOME:-}" ] && [ -z "$pypi_only" ] && ! usable "$CUDA_HOME"; then
	say "CUDA_HOME=$CUDA_HOME holds no usable toolkit of version 13 or later; looking elsewhere"
fi

# nvcc and the stub both need a host compiler; nvcc's own message names neither it nor a package.
command -v g++ >/dev/null || die "g++ is missing (Debian package g++)"

if ! home=$(find_toolkit); then
	mkdir -p "$(dirname "$own")"
	exec 9>"$own.lock"
	flock 9			# two makes at once: the second finds what the first installed
	home=$(find_toolkit) || install_toolkit
	home=$(find_toolkit)
fi

stubs=$home/lib64/stubs
if [ ! -e "$stubs/libcuda.so" ]; then
	stubs=$build/cuda-stubs
	[ -e "$stubs/libcuda.so" ] || make_stub "$home" "$stubs"
fi

echo "CUDA_HOME=$home"
echo "NVCC=$home/bin/nvcc"
echo "CUDA_STUBS=$stubs"
