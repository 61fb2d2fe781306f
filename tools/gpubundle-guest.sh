#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# gpubundle-guest.sh - in the virtual machine beside a real GPU: the programs through /dev/vgpu0, a line each

. /guest.sh
insmod /modules/vgpu.ko || exit 1
vgpud_start || { cat /tmp/vgpud.log; exit 1; }
failed=0

line() # NAME PROGRAM ARGUMENT...
{
	name=$1
	shift
	start=$(cut -d' ' -f1 /proc/uptime)
	VGPU_STATS=1 timeout 100 "$@" >/tmp/out 2>&1
	status=$?
	end=$(cut -d' ' -f1 /proc/uptime)
	verdict=PASS
	if [ $status != 0 ]; then
		verdict=FAIL failed=1
		tail -n 5 /tmp/out
	fi
	echo "vm: $name: $(echo "$end $start" | awk '{ printf "%.2f", $1 - $2 }') s, $(sed -n 's/^vgpu: .*\(round_trips=[0-9]*\).*/\1/p' /tmp/out | tail -n 1), $verdict"
}

line vecadd /cuda/vecadd
line vecadd /cuda/vecadd
line matmul /cuda/matmul
line reduce /cuda/reduce
line histogram /cuda/histogram
line streams /cuda/streams
line threads /cuda/threads
line "async --launches 1000" /cuda/async --launches 1000
line drvptx /cuda/drvptx
line forkfirst /cuda/forkfirst
line fault /cuda/fault
line "kmeans --csv digits" /cuda/kmeans --csv /data/digits.csv.gz --no-check
line "kmeans --image china --colors 8" /cuda/kmeans --image /data/china.jpg --colors 8 --no-check --out /out/china.png
wait_for 5 mem_used_is 0 || failed=1
echo "vm: mem_used $(cat $sys/mem_used), sessions $(cat $sys/sessions), server $(cat $sys/server)"
exit $failed
