#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install-deps.sh - Debian packages that building and testing need; installs those that are missing
#
# clang is for the fuzzers alone: where it cannot be had they are skipped, and it is no error.
#
# Says nothing and is quick when nothing is missing. Without root it prints the command to run. DGSF_DEPS=skip does nothing at all, for a
# machine where the libraries are in place by other means.
set -eu

packages="gcc make python3 python3-venv binutils libc6-dev pkg-config
	libnl-3-dev libnl-genl-3-dev libzstd-dev liblz4-dev libxxhash-dev libcmocka-dev
	libpng-dev libjpeg-dev zlib1g-dev g++
	qemu-system-x86 busybox-static kmod cpio zstd lz4 xz-utils flex bison bc libelf-dev libssl-dev pahole sparse procps"
optional="clang libclang-rt-dev"

[ "${DGSF_DEPS:-}" != skip ] || exit 0
command -v dpkg-query >/dev/null || { echo "install-deps.sh: not a Debian system; needed: $packages" >&2; exit 1; }

# Of the packages named, those that are not installed, with a space before each.
missing()
{
	for p in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in
		installed) ;;
		*) printf ' %s' "$p" ;;
		esac
	done
}

install()
{
	[ $# != 0 ] || return 0
	echo "  APT     $*"
	apt-get -q update >/dev/null && apt-get -q install -y --no-install-recommends "$@" >/dev/null
}

needed=$(missing $packages)
wanted=$(missing $optional)
if [ "$(id -u)" != 0 ]; then
	[ -n "$needed" ] || exit 0
	echo "install-deps.sh: as root: apt-get install --no-install-recommends$needed" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install $needed
install $wanted || echo "install-deps.sh: without$wanted: the fuzzers are skipped" >&2
