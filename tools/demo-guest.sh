#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# demo-guest.sh - the part of demo.sh that runs in the virtual machine

. /guest.sh
say() { echo "        guest: $*"; }

say "kernel $(uname -r), devices before: $(ls /dev | grep -c '^nvidia\|^vgpu')"
insmod /modules/vgpu.ko || exit 1
say "insmod vgpu.ko: $(ls -d /dev/vgpu* | tr '\n' ' ')"
vgpud_start || { cat /tmp/vgpud.log; exit 1; }
say "vgpud: /dev/vgpu0 is $(cat $sys/state), its GPU is at $(cat $sys/server)"

# What sysfs says while the program runs: of the last look at which it held memory.
watch()
{
	while usleep 100000; do
		[ "$(cat $sys/mem_used)" = 0 ] || for f in state server sessions mem_limit mem_used; do
			echo "$f $(cat $sys/$f)"
		done >/tmp/sysfs.new && [ -s /tmp/sysfs.new ] && mv /tmp/sysfs.new /out/sysfs
	done
}
watch &
watcher=$!

say "kmeans --image china.jpg --colors 8"
VGPU_STATS=1 /cuda/kmeans --image /data/china.jpg --colors 8 --out /out/china-8-colors.png --no-check 2>/out/statistics
status=$?
kill $watcher
cat /out/statistics
[ $status = 0 ] || { tail -n 5 /tmp/vgpud.log; exit 1; }
wait_for 5 mem_used_is 0 || exit 1
say "kmeans is done; mem_used is $(cat $sys/mem_used), sessions $(cat $sys/sessions)"
