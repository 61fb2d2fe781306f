#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vgpud_test.sh - vgpud and the real module, in QEMU
#
#   tests/e2e/vgpud_test.sh [KERNEL [CASE]]      default: mini, all
#
# Needs build/vgpud/vgpud, build/tests/e2e/vgpud_test, build/kmod/KERNEL/vgpu.ko and build/kernels/KERNEL.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
kernel=${1:-mini}
only=$(mktemp)
trap 'rm -f "$only"' EXIT
echo "${2:-}" >"$only"
chmod 644 "$only"
"$root/tests/qemu/boot.sh" -t "${LIMIT:-240}" "$root/build/kernels/$kernel" "$root/tests/e2e/vgpud_guest.sh" \
	"ko:$root/build/kmod/$kernel/vgpu.ko" "bin:$root/build/vgpud/vgpud" \
	"bin:$root/build/tests/e2e/vgpud_test" "file:$only:/only"
