#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gpubundle.sh - build/gpubundle: QEMU with its libraries, a small kernel, and an initramfs with vgpu.ko, vgpud and the programs, to be carried to a machine that has a
# GPU and nothing else; tools/gpucheck.py --vm runs it there
set -eu

cd "$(dirname "$0")/.."
. tests/qemu/host.sh

bundle=build/gpubundle
kernel=${1:-mini}
rm -rf "$bundle"
mkdir -p "$bundle/lib" "$bundle/mod" "$bundle/share" "$bundle/kernel"

tools/kernels.sh "$kernel"
kmod/build.sh "build/kernels/$kernel/headers" "build/kmod/$kernel"

qemu=$(command -v qemu-system-x86_64)
module=/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so
cp "$qemu" "$bundle/qemu"
cp "$module" "$bundle/mod/"
ldd "$qemu" "$module" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | sort -u | while read -r lib; do
	cp -L "$lib" "$bundle/lib/"
done
cp -L /lib64/ld-linux-x86-64.so.2 "$bundle/lib/"
for rom in qboot.rom pvh.bin; do
	cp "$(find /usr/share/qemu /usr/share/seabios -name "$rom" 2>/dev/null | head -n 1)" "$bundle/share/"
done
cat >"$bundle/qemu.sh" <<'END'
#!/bin/sh
b=$(cd "$(dirname "$0")" && pwd)
QEMU_MODULE_DIR=$b/mod exec "$b/lib/ld-linux-x86-64.so.2" --library-path "$b/lib" "$b/qemu" -L "$b/share" "$@"
END
chmod +x "$bundle/qemu.sh"
cp "build/kernels/$kernel/vmlinux" "build/kernels/$kernel/machine" "build/kernels/$kernel/release" "$bundle/kernel/"

environment=$(mktemp)
trap 'rm -f "$environment"' EXIT
echo "SERVER=10.0.2.2:7867" >"$environment"
set -- "ko:build/kmod/$kernel/vgpu.ko" "file:$environment:/environment" "file:tests/data:/data" $(guest_items)
for program in vecadd matmul reduce histogram streams threads async drvptx forkfirst fault kmeans; do
	set -- "$@" "bin:build/tests/cuda/$program:/cuda/$program"
done
tests/qemu/initramfs.sh "$bundle/initramfs" "build/kernels/$kernel" tools/gpubundle-guest.sh "$@"
du -sh "$bundle"
