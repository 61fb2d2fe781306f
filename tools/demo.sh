#!/bin/sh
# SPDX-License-Identifier: MIT
#
# demo.sh - k-means on a photograph, in a virtual machine whose only way to a GPU is /dev/vgpu0
#
#   this machine                                   virtual machine (Debian's 6.12 kernel)
#   vgpu-server, vgpu-worker, softgpu   <-- TCP -- vgpud -- vgpu.ko -- /dev/vgpu0 -- libcuda.so.1 -- kmeans
#
# Leaves build/demo/china-8-colors.png, statistics (what the library counted) and sysfs (what /sys/class/vgpu/vgpu0/ said while it ran).
set -eu

cd "$(dirname "$0")/.."
. tests/qemu/host.sh

out=build/demo
start=$(date +%s)
step() { printf '[%3d s] %s\n' $(($(date +%s) - start)) "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }

environment=$(mktemp)
trap 'stop_server; rm -f "$environment"' EXIT
rm -rf "$out"
mkdir -p "$out"

step "kernel: Debian's 6.12, its headers, and vgpu.ko built against them"
tools/kernels.sh 6.12
kmod/build.sh build/kernels/6.12/headers build/kmod/6.12

step "server: vgpu-server on this machine, two warm workers, the CPU as GPU (softgpu)"
start_server --workers 2 --mem-default 1G
echo "SERVER=10.0.2.2:$server_port" >"$environment"

step "virtual machine: booting, with vgpu.ko, vgpud, libcuda.so.1 and the program, and no GPU"
tests/qemu/boot.sh -a auto -o "$out/guest" -t 170 -m 1024 build/kernels/6.12 tools/demo-guest.sh \
	ko:build/kmod/6.12/vgpu.ko "file:$environment:/environment" $(guest_items) \
	bin:build/tests/cuda/kmeans:/cuda/kmeans file:tests/data/china.jpg:/data/china.jpg ||
	fail "the virtual machine's part failed; vgpu-server said: $(tail -n 5 "$server_log")"

step "check: the same on this machine's CPU, without CUDA"
build/tests/cuda/kmeans --cpu --image tests/data/china.jpg --colors 8 --out "$out/cpu.png" >/dev/null
mv "$out/guest/china-8-colors.png" "$out/guest/statistics" "$out/guest/sysfs" "$out/"
cmp "$out/china-8-colors.png" "$out/cpu.png" || fail "the pictures differ"

step "done: $out/china-8-colors.png is, pixel for pixel, what the CPU makes"
sed 's/^/        /' "$out/statistics" "$out/sysfs"
