#!/bin/sh
# SPDX-License-Identifier: MIT
#
# e2e.sh - every program through /dev/vgpu0 of a virtual machine, on softgpu on this one; then what breaks
#
#   tests/qemu/e2e.sh KERNEL        a kernel that kcheck.sh has built vgpu.ko for
#
# Prints "ok NAME" and "not ok NAME"; exits 1 when something failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
. tests/qemu/host.sh

kernel=$1
limit=400
environment=$(mktemp)
trap 'stop_server; rm -f "$environment"' EXIT
start_server --workers 2 --max-workers 6 --mem-default 256M || exit 1
{
	echo "SERVER=10.0.2.2:$server_port"
	case $kernel in
	dbg | kcsan) echo "SLOW=1 MANY=20" && limit=700 ;;
	esac
} >"$environment"

set -- "ko:build/kmod/$kernel/vgpu.ko" "file:$environment:/environment" "file:tests/data/digits.csv.gz:/data/digits.csv.gz" $(guest_items)
# Those that the guest runs: all of them are more than the memory of one with a debug kernel.
for program in $(grep -o '/cuda/[a-z_]*' tests/qemu/e2e-guest.sh | sort -u); do
	set -- "$@" "bin:build/tests$program:$program"
done

tests/qemu/boot.sh -t "$limit" -m 1024 "build/kernels/$kernel" tests/qemu/e2e-guest.sh "$@"
status=$?
if [ $status != 0 ]; then
	tail -n 30 "$server_log" | sed 's/^/# server: /'
fi
exit $status
