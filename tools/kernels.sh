#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernels.sh - puts kernels that QEMU boots, and the headers to build vgpu.ko for them, under
# build/kernels/
#
#   tools/kernels.sh [6.1] [6.12] [mini] [dbg] [kcsan]        default: 6.1 6.12 mini dbg
#
# 6.1 and 6.12 are Debian's cloud kernels, unpacked without being installed. mini, dbg (KASAN,
# lockdep, kmemleak, fault injection) and kcsan are small kernels made from Debian's
# linux-source-6.12 with the fragments of tests/qemu/config/: taken from the archive that
# $VGPU_TEST_KERNELS names (default ../shared/kernels/linux-6.12.117-test.tar.zst) when there is
# one, else built, which takes about ten minutes each on two cores.
#
# Each build/kernels/NAME/ then holds
#   vmlinux       uncompressed, entered through its PVH note
#   headers       for make -C build/kernels/NAME/headers M=...
#   release       what uname -r will say
#   machine       the QEMU machine it needs: q35 or microvm
#   modules/      drivers of QEMU's devices that are not built in; modules/order: in which order
#   done          written last: the directory is complete
#
# Run again it does only what is missing. KERNELS_DIR names another place, KERNELS_JOBS the make
# jobs.
set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL

root=$(cd "$(dirname "$0")/.." && pwd)
out=${KERNELS_DIR:-$root/build/kernels}
archive=${VGPU_TEST_KERNELS:-$root/../shared/kernels/linux-6.12.117-test.tar.zst}
config=$root/tests/qemu/config
jobs=${KERNELS_JOBS:-2}

say() { echo "  KERNEL  $*"; }
die() { echo "kernels.sh: $*" >&2; exit 1; }

need() # COMMAND PACKAGE...: installs the packages when the command is missing
{
	PATH=$PATH:/usr/sbin:/sbin
	command -v "$1" >/dev/null 2>&1 && return
	shift
	say "installing $* (Debian packages)"
	[ "$(id -u)" = 0 ] || die "needs root to install: $*"
	apt-get install -y --no-install-recommends "$@" >"$out/apt.log" 2>&1 ||
		die "apt-get failed, see $out/apt.log"
}

fetch() # PACKAGE ROOT: downloads one package and unpacks it below ROOT
{
	deb=$(cd "$out/debs" && find . -name "$1_*.deb" | head -n 1)
	if [ -z "$deb" ]; then
		say "downloading $1"
		(cd "$out/debs" && apt-get download "$1" >"$out/apt.log" 2>&1) ||
			die "cannot download $1, see $out/apt.log"
		# apt writes a version's ':' and '+' in two ways: the name is looked up, not built.
		deb=$(cd "$out/debs" && find . -name "$1_*.deb" | head -n 1)
	fi
	mkdir -p "$2"
	dpkg-deb -x "$out/debs/$deb" "$2"
}

depends() # PACKAGE PATTERN: the first dependency whose name matches
{
	apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: //p' | grep -E "$2" | head -n 1
}

image_package() # 6.1|6.12: the newest cloud image of that series, by its metapackage if it has one
{
	case $1 in
	6.1) names="linux-image-cloud-amd64 linux-image-6.1-cloud-amd64" ;;
	*) names="linux-image-$1-cloud-amd64" ;;
	esac
	for meta in $names; do
		found=$(depends "$meta" "^linux-image-$1\\.[0-9].*-cloud-amd64\$")
		[ -z "$found" ] || { echo "$found"; return; }
	done
	apt-cache search --names-only "^linux-image-$1\\.[0-9].*-cloud-amd64\$" | cut -d' ' -f1 |
		sort -V | tail -n 1
}

uncompress() # MODULE.ko[.xz|.zst] DESTINATION
{
	case $1 in
	*.xz) xz -dc "$1" >"$2" ;;
	*.zst) zstd -qdc "$1" >"$2" ;;
	*) cp "$1" "$2" ;;
	esac
}

driver_modules() # TREE RELEASE DESTINATION: QEMU's drivers and what they need, in load order
{
	mkdir -p "$3"
	depmod -b "$1" "$2"
	for m in virtio_pci virtio_net virtio_console; do
		modprobe -d "$1" -S "$2" --show-depends "$m" 2>/dev/null |
			sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | awk '!seen[$0]++' | while read -r file; do
		name=$(basename "$file" | sed 's/\.ko.*//').ko
		uncompress "$file" "$3/$name"
		echo "$name"
	done >"$3/order"
}

debian() # 6.1|6.12
{
	dir=$out/$1
	image=$(image_package "$1")
	[ -n "$image" ] || die "no linux-image for $1 in apt's lists (apt-get update?)"
	release=${image#linux-image-}
	headers=linux-headers-$release
	common=$(depends "$headers" '^linux-headers-.*-common$')
	kbuild=$(depends "$headers" '^linux-kbuild-')
	[ -n "$common" ] && [ -n "$kbuild" ] || die "cannot resolve what $headers depends on"

	rm -rf "$dir"
	mkdir -p "$dir"
	for package in "$image" "$headers" "$common" "$kbuild"; do
		fetch "$package" "$dir/tree"
	done
	say "unpacking vmlinux and drivers of $release"
	"$root/tools/vmlinux.py" "$dir/tree/boot/vmlinuz-$release" "$dir/vmlinux"
	driver_modules "$dir/tree" "$release" "$dir/modules"
	# The headers' Makefile includes the common part by its installed path.
	sed -i "s#include /usr/src#include $dir/tree/usr/src#" "$dir/tree/usr/src/$headers/Makefile"
	ln -sfn "tree/usr/src/$headers" "$dir/headers"
	rm -rf "$dir/tree/lib/modules/$release/kernel" "$dir/tree/boot"
	echo "$release" >"$dir/release"
	echo q35 >"$dir/machine"
	touch "$dir/done"
	say "$1 is $release"
}

from_archive() # mini|dbg|kcsan
{
	[ -e "$archive" ] || return 1
	say "unpacking $1 from $(basename "$archive")"
	rm -rf "${out:?}/$1"
	zstd -qdc --long=27 "$archive" |
		tar -C "$out" -x --no-same-owner "./$1" 2>/dev/null ||
		zstd -qdc --long=27 "$archive" |
			tar -C "$out" -x --no-same-owner "$1" 2>/dev/null || return 1
	[ -x "$out/$1/vmlinux" ] && [ -e "$out/$1/headers/Makefile" ]
}

fragments() # mini|dbg|kcsan
{
	case $1 in
	mini) list="base mini ci gcov" ;;
	dbg) list="base mini ci debug" ;;
	kcsan) list="base mini ci kcsan" ;;
	*) die "no kernel called $1" ;;
	esac
	for f in $list; do
		echo "$config/$f.config"
	done
}

kernel_source()
{
	[ -e "$out/source/Makefile" ] && return
	need flex flex
	need bison bison
	need bc bc
	[ -e /usr/include/libelf.h ] || need no-such-command libelf-dev
	[ -e /usr/include/openssl/opensslv.h ] || need no-such-command libssl-dev
	fetch linux-source-6.12 "$out/source.deb"
	say "unpacking the source of Linux 6.12"
	mkdir -p "$out/source.tmp"
	tar -C "$out/source.tmp" --strip-components=1 \
		-xf "$out/source.deb/usr/src/linux-source-6.12.tar.xz"
	rm -rf "$out/source.deb"
	mv "$out/source.tmp" "$out/source"
}

from_source() # mini|dbg|kcsan
{
	obj=$out/$1/headers
	rm -rf "${out:?}/$1"
	mkdir -p "$obj"
	kernel_source
	say "building $1, about ten minutes on two cores (log: $out/$1/build.log)"
	{
		make -C "$out/source" "O=$obj" tinyconfig
		(cd "$obj" && "$out/source/scripts/kconfig/merge_config.sh" -m -O "$obj" .config \
			$(fragments "$1"))
		make -C "$out/source" "O=$obj" olddefconfig
		make -C "$out/source" "O=$obj" -j"$jobs" vmlinux modules
	} >"$out/$1/build.log" 2>&1 || die "building $1 failed, see $out/$1/build.log"
	# tinyconfig's SLUB_TINY takes KASAN away without a word: look whether the sanitizer is in.
	case $1 in
	dbg) wanted="KASAN PROVE_LOCKING DEBUG_KMEMLEAK FAULT_INJECTION" ;;
	kcsan) wanted="KCSAN" ;;
	*) wanted="MODULES" ;;
	esac
	for symbol in $wanted; do
		grep -q "^CONFIG_$symbol=y" "$obj/.config" || die "$1 lacks CONFIG_$symbol"
	done
	strip -o "$out/$1/vmlinux" "$obj/vmlinux"
}

test_kernel() # mini|dbg|kcsan
{
	from_archive "$1" || from_source "$1"
	mkdir -p "$out/$1/modules"
	: >"$out/$1/modules/order"
	cat "$out/$1/headers/include/config/kernel.release" >"$out/$1/release"
	echo microvm >"$out/$1/machine"
	touch "$out/$1/done"
	say "$1 is $(cat "$out/$1/release")"
}

mkdir -p "$out/debs"
# One at a time: make -j asks for several kernels at once, and they share the downloads.
exec 9>"$out/lock"
flock 9
[ $# -gt 0 ] || set -- 6.1 6.12 mini dbg
for name in "$@"; do
	[ ! -e "$out/$name/done" ] || continue
	need zstd zstd
	case $name in
	6.*)
		need lz4 lz4
		need depmod kmod
		need xz xz-utils
		debian "$name"
		;;
	*)
		test_kernel "$name"
		;;
	esac
done
