#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh HEADERS DIRECTORY [VARIABLE=VALUE...] - builds vgpu.ko against HEADERS in DIRECTORY, away
# from the sources
#
# Prints what the compiler says, and fails when it says anything that is a warning.
set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL

root=$(cd "$(dirname "$0")/.." && pwd)
headers=$(cd "$1" && pwd)
mkdir -p "$2/kmod"
dir=$(cd "$2" && pwd)
shift 2

ln -sfn "$root/Kbuild" "$dir/Kbuild"
ln -sfn "$root/uapi" "$dir/uapi"
for f in "$root"/kmod/*.[ch]; do
	ln -sf "$f" "$dir/kmod/"
done

# Debian's headers bring a BTF image and would call pahole, which is of no use here.
log=$dir/build.log
if ! make -C "$headers" "M=$dir" CONFIG_DEBUG_INFO_BTF_MODULES= "$@" modules >"$log" 2>&1; then
	grep -E -A 4 'warning:|error:|\*\*\*|undefined' "$log" >&2 || tail -n 20 "$log" >&2
	exit 1
fi
if grep -E 'warning:|error:' "$log" >&2; then
	rm -f "$dir/vgpu.ko"
	exit 1
fi
