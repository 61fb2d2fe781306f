#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install-deps.sh - Debian packages that building and testing need; installs those that are missing
#
# Says nothing and is quick when nothing is missing. Without root it prints the command to run. DGSF_DEPS=skip does nothing at all, for a
# machine where the libraries are in place by other means.
set -eu

packages="gcc make python3 python3-venv binutils libc6-dev pkg-config
	libnl-3-dev libnl-genl-3-dev libzstd-dev liblz4-dev libxxhash-dev libcmocka-dev
	libpng-dev libjpeg-dev zlib1g-dev g++
	qemu-system-x86 busybox-static kmod cpio zstd lz4 xz-utils flex bison bc libelf-dev libssl-dev pahole sparse procps"

[ "${DGSF_DEPS:-}" != skip ] || exit 0
command -v dpkg-query >/dev/null || { echo "install-deps.sh: not a Debian system; needed: $packages" >&2; exit 1; }

missing=
for p in $packages; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in
	installed) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "install-deps.sh: as root: apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
echo "  APT    $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q update >/dev/null
apt-get -q install -y --no-install-recommends $missing >/dev/null
