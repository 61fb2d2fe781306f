#!/bin/sh
# SPDX-License-Identifier: MIT
#
# initramfs.sh - makes an initramfs for boot.sh
#
#   tests/qemu/initramfs.sh [-z COMPRESSOR] OUTPUT KERNEL SCRIPT [ITEM...]
#
# KERNEL is a directory of tools/kernels.sh, for its drivers; SCRIPT is what the guest runs. An ITEM
# is
#   bin:FILE[:DEST]    a program or library, with the libraries that ldd finds; DEST is /bin/NAME
#   file:FILE[:DEST]   a file or a directory as it is; DEST is /NAME unless given
#   ko:FILE            a module, to /modules/NAME.ko, stripped
set -eu

die() { echo "initramfs.sh: $*" >&2; exit 1; }

compress="zstd -q -3 -T0"
if [ "${1:-}" = -z ]; then
	compress=$2
	shift 2
fi
[ $# -ge 3 ] || die "usage: initramfs.sh OUTPUT KERNEL SCRIPT [ITEM...]"
output=$1 kernel=$2 script=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"

place() # FILE DEST
{
	[ -e "$1" ] || die "no such file: $1"
	mkdir -p "$tree/$(dirname "$2")"
	cp -aL "$1" "$tree/$2"
}

libraries() # FILE: those that ldd finds, the loader included; a static program has none
{
	ldd "$1" 2>/dev/null | grep -o '/[^ ]* (0x' | while read -r lib _; do
		[ -e "$tree/$lib" ] || place "$lib" "$lib"
	done
}

mkdir -p "$tree/bin" "$tree/drivers" "$tree/modules" "$tree/dev"
busybox=$(command -v busybox) || die "no busybox: install busybox-static"
place "$busybox" /bin/busybox
ln -s busybox "$tree/bin/sh"
libraries "$busybox"
place "$here/init.sh" /init
place "$script" /script
chmod 755 "$tree/init" "$tree/script"
cp "$kernel"/modules/* "$tree/drivers/"

for item in "$@"; do
	kind=${item%%:*}
	rest=${item#*:}
	file=${rest%%:*}
	dest=${rest#*:}
	[ "$dest" != "$rest" ] || dest=
	case $kind in
	bin)
		place "$file" "${dest:-/bin/$(basename "$file")}"
		libraries "$file"
		;;
	file)
		place "$file" "${dest:-/$(basename "$file")}"
		;;
	ko)
		place "$file" "/modules/$(basename "$file")"
		strip --strip-debug "$tree/modules/$(basename "$file")"
		;;
	*)
		die "what is $item?"
		;;
	esac
done

mkdir -p "$(dirname "$output")"
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | $compress >"$output"
