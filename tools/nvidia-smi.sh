#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes build/nvidia-smi/nvidia-smi, NVIDIA's program as Debian has it in non-free, for tests/e2e/nvml_test.py.
# The machine's package sources stay as they are: apt works in build/nvidia-smi with a list of its own, made
# from them. Where that cannot be it fails and leaves the reason in build/nvidia-smi.missing.

set -euo pipefail

build=$(cd "$(dirname "$0")/.." && pwd)/build
dir=$build/nvidia-smi
missing=$build/nvidia-smi.missing

fail()
{
	echo "$*" > "$missing"
	echo "nvidia-smi: $*" >&2
	exit 1
}

own_apt()	# apt-get ARGUMENT...
{
	apt-get -qq -o "Dir::Etc::SourceList=$dir.tmp/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o "Dir::State::Lists=$dir.tmp/lists" -o "Dir::Cache=$dir.tmp/cache" \
		-o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o APT::Sandbox::User=root "$@" >/dev/null 2>&1
}

# The distribution's main archive, with another component.
sources()
{
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg

	[ -e "$keys" ] && keys="[signed-by=$keys]" || keys=
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk -v keys="$keys" '!done && $3 == "main" && $2 !~ /-/ && $1 ~ /\/debian\/?$/ {
			print "deb", keys, $1, $2, "non-free"; done = 1
		}'
}

install()
{
	local found

	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp/lists/partial" "$dir.tmp/cache/archives/partial"
	command -v apt-get >/dev/null || fail "no apt-get"
	sources > "$dir.tmp/sources.list"
	[ -s "$dir.tmp/sources.list" ] || fail "apt has no archive of Debian"
	own_apt update || fail "the archive's non-free part cannot be read"
	(cd "$dir.tmp" && own_apt download nvidia-smi) || fail "no package nvidia-smi"
	dpkg-deb -x "$dir.tmp"/nvidia-smi_*.deb "$dir.tmp/package"
	found=$(find "$dir.tmp/package/usr/lib" -name nvidia-smi -type f -perm -u+x -print -quit)
	[ -n "$found" ] || fail "the package has no program"
	mkdir "$dir"
	cp "$found" "$dir/"
	rm -rf "$dir.tmp"
}

mkdir -p "$build"
exec 9>"$dir.lock"
flock 9
[ -x "$dir/nvidia-smi" ] && exit 0
rm -f "$missing"
echo "  APT     build/nvidia-smi"
install
