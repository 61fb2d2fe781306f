#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh - a program through a vgpud, with the stand-in for the module
#
#	VGPU_SERVER=host:port tests/e2e/standin/run.sh PROGRAM [ARGUMENT...]
#
# VGPUD: more options of vgpud.
set -u
build=$(cd "$(dirname "$0")/../../../build" && pwd)
folder=$(mktemp -d)
trap 'kill $vgpud 2>/dev/null; wait $vgpud; rm -rf "$folder"' EXIT
export VGPU_STANDIN="$folder/module"

# shellcheck disable=SC2086
"$build/tests/e2e/vgpud_standin" --server "$VGPU_SERVER" ${VGPUD:-} 2>"$folder/log" &
vgpud=$!
for _ in $(seq 100); do
	! grep -q answers "$folder/log" || break
	sleep 0.05
done
env -u VGPU_SERVER VGPU_DEVICE=/dev/vgpu0 LD_PRELOAD="$build/tests/e2e/libstandin.so" LD_LIBRARY_PATH="$build/libvcuda" "$@"
status=$?
[ $status = 0 ] || sed 's/^/# /' "$folder/log" >&2
exit $status
