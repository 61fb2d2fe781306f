#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kcheck.sh - the module's tests, and every program through /dev/vgpu0, on real kernels in QEMU
#
#   tests/qemu/kcheck.sh [KERNEL...]       default: 6.1 6.12 dbg, and kcsan where it is ready; mini is the quickest
#
# Builds vgpu.ko for each kernel, boots it, runs tests/kselftest/; then, when libcuda.so.1, vgpud
# and the programs are built, tests/qemu/e2e.sh KERNEL, whose lines "ok NAME" and "not ok NAME" are
# counted too. Prints "ok N NAME" lines and ends with "N passed, N failed". The consoles are in
# build/kcheck/KERNEL/console.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root" || exit 1
verbose=${V:-}
number=0 passed=0 failed=0

verdict() # "ok NAME" or "not ok NAME", with a kernel's name before
{
	number=$((number + 1))
	case $2 in
	"not ok "*)
		failed=$((failed + 1))
		echo "not ok $number $1: ${2#not ok }"
		;;
	*)
		passed=$((passed + 1))
		echo "ok $number $1: ${2#ok }"
		;;
	esac
}

verdicts() # KERNEL FILE
{
	grep -E '^(not )?ok ' "$2" >"$2.lines"
	while read -r line; do
		verdict "$1" "$line"
	done <"$2.lines"
}

# The debug kernels are five to ten times slower under emulation: fewer frames, the same paths.
environment()
{
	case $1 in
	dbg | kcsan) echo "export VGPU_TEST_FRAMES=10000 VGPU_TEST_PROMPT=5" ;;
	*) echo ":" ;;
	esac
}

kselftest() # KERNEL
{
	dir=build/kcheck/$1
	rm -rf "$dir"
	mkdir -p "$dir"
	environment "$1" >"$dir/environment"
	set -- "$1" "ko:build/kmod/$1/vgpu.ko" "file:$dir/environment:/tests/environment"
	for program in build/kselftest/*_test; do
		set -- "$@" "bin:$program:/tests/$(basename "$program")"
	done
	kernel=$1
	shift
	"$here/boot.sh" -o "$dir/out" -t 300 -m 1024 -A kasan_multi_shot "build/kernels/$kernel" \
		"$here/kselftest.sh" "$@" >"$dir/console" 2>&1
	status=$?
	[ -z "$verbose" ] || cat "$dir/console"
	[ ! -e "$dir/out/results" ] || verdicts "$kernel" "$dir/out/results"
	case $status in
	0 | 1) verdict "$kernel" "ok the guest came to its end" ;;
	*) verdict "$kernel" "not ok the guest came to its end ($status)" ;;
	esac
	if [ "$status" != 0 ]; then
		grep -E '^(#|not ok)' "$dir/console" | head -n 60 | sed 's/^/# /'
		[ "$status" = 1 ] || tail -n 40 "$dir/console" | sed 's/^/# /'
	fi
}

# User space is someone else's to build; without it there is nothing to run end to end.
end_to_end() # KERNEL
{
	[ -x "$here/e2e.sh" ] || return
	if [ ! -e build/libvcuda/libcuda.so.1 ] || [ ! -e build/vgpud/vgpud ] ||
	   [ ! -d build/tests/cuda ]; then
		verdict "$1" "ok end to end # SKIP libvcuda, vgpud or the programs are not built"
		return
	fi
	script "$1" e2e "$here/e2e.sh"
	script "$1" vgpud "$here/../e2e/vgpud_test.sh"
}

script() # KERNEL NAME SCRIPT: its verdicts are counted, and so is its exit status
{
	"$3" "$1" >"build/kcheck/$1/$2" 2>&1
	status=$?
	[ -z "$verbose" ] || cat "build/kcheck/$1/$2"
	verdicts "$1" "build/kcheck/$1/$2"
	if [ "$status" != 0 ]; then
		verdict "$1" "not ok $2 ($status)"
		tail -n 60 "build/kcheck/$1/$2" | sed 's/^/# /'
	fi
}

for program in ioctl_test mmap_test poll_test lifetime_test netlink_test sysfs_test fault_test; do
	[ -x "build/kselftest/$program" ] && continue
	echo "kcheck.sh: build/kselftest/$program is not built (make kselftest)" >&2
	exit 1
done
if [ $# = 0 ]; then
	set -- 6.1 6.12 dbg
	# A fourth kernel is welcome where nobody has to build it first.
	if [ -e build/kernels/kcsan/done ] ||
		[ -e "${VGPU_TEST_KERNELS:-../shared/kernels/linux-6.12.117-test.tar.zst}" ]; then
		set -- "$@" kcsan
	else
		echo "# SKIP kcsan: no ready kernel; tests/qemu/kcheck.sh kcsan builds one"
	fi
fi

for kernel in "$@"; do
	start=$(date +%s)
	tools/kernels.sh "$kernel" || exit 1
	mkdir -p "build/kmod/$kernel"
	if ! kmod/build.sh "build/kernels/$kernel/headers" "build/kmod/$kernel"; then
		verdict "$kernel" "not ok vgpu.ko builds without a warning"
		continue
	fi
	verdict "$kernel" "ok vgpu.ko builds without a warning"
	kselftest "$kernel"
	end_to_end "$kernel"
	echo "# $kernel: $(($(date +%s) - start)) s"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
