#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bulkgrid.sh - bulkbench with other settings of large copies, each with a server of its own
#
#	tests/gpu/bulkgrid.sh [CUDA [MIB [SECONDS [LIMIT]]]]
#
# CUDA: the driver library of the workers. One line for each setting: ratios to plain TCP with as many
# connections (copies, pinned copies) both ways, plain TCP itself in GB/s, and a launch alone and
# beside copies, p50/p90 in microseconds. No new setting after LIMIT seconds. LINKS: data
# connections, 4 unless set.
cd "$(dirname "$0")/../.." || exit 1
cuda=${1:-libcuda.so.1} mib=${2:-256} seconds=${3:-0.4} limit=${4:-105} links=${LINKS:-4}
port=7893 log=$(mktemp) out=$(mktemp)
trap 'rm -f "$log" "$out"; [ -z "$server" ] || kill "$server" 2>/dev/null' EXIT

row()	# NAME=VALUE...: for server and client
{
	[ $SECONDS -lt "$limit" ] || { printf 'not run: %s\n' "$*"; return; }
	env "$@" build/server/vgpu-server --listen 127.0.0.1:$port --cuda "$cuda" --workers 1 \
		--mem-default 2G --log-level debug > "$log" 2>&1 &
	server=$!
	sleep 0.3
	env "$@" VGPU_SERVER=127.0.0.1:$port LD_LIBRARY_PATH=build/libvcuda timeout 40 \
		build/tests/gpu/bulkbench "$links" "$mib" "$seconds" > "$out" 2>&1 || tail -2 "$out"
	sleep 0.2	# for the worker to say how it went
	kill $server
	wait $server 2>/dev/null
	server=
	awk -F'\t' -v what="$*" '
		/^to the / { split($2, p, " "); split($4, c, " "); split($6, q, " ");
			     way[++n] = sprintf("%s/%s of %s", c[2], q[2], p[2]) }
		/^both/ { split($2, b, " ") }
		/^a launch/ { split($2, m, " "); split($3, l, " "); lat = lat sprintf(" %s/%s", m[2], l[2]) }
		/stripes in/ { late = $0; sub(/.*lease [0-9]*: /, "", late)
			       split(late, w, " "); late = sprintf("%.2f %.2f", w[4] / (w[1] + 1), w[15] / (w[13] + 1)) }
		END { printf "%-62s up %s  down %s  both %s  launch%s  late %s\n", what, way[1], way[2], b[2], lat, late }
	' "$out" "$log"
}

printf 'setting: up copies/pinned of plain GB/s; both ways GB/s; launch p50/p90 us alone, beside up, down, down pinned; late in, out\n'
row VGPU_BULK_SNDBUF=0 VGPU_BULK_RCVBUF=0 VGPU_BULK_SLOTS_OUT=8	# before there were settings
row VGPU_BULK=$links						# the defaults
row VGPU_BULK_SNDBUF=512 VGPU_BULK_RCVBUF=512
row VGPU_BULK_SNDBUF=512 VGPU_BULK_RCVBUF=1024 VGPU_BULK_SLOTS_IN=32
row VGPU_BULK_SNDBUF=1024 VGPU_BULK_RCVBUF=1024 VGPU_BULK_SLOTS_IN=32
row VGPU_BULK_SNDBUF=128 VGPU_BULK_RCVBUF=256
row VGPU_BULK_SNDBUF=256 VGPU_BULK_RCVBUF=0
row VGPU_SPIN_US=200
row VGPU_BULK_NICE=5
row VGPU_BULK_SLOTS_IN=8 VGPU_BULK_SLOTS_OUT=8
row VGPU_BULK_SLOTS_IN=32 VGPU_BULK_SLOTS_OUT=32
row VGPU_BULK_TOGETHER_IN=2 VGPU_BULK_TOGETHER_OUT=1
row VGPU_BULK_TOGETHER_IN=8 VGPU_BULK_TOGETHER_OUT=4
row VGPU_BULK_PART=4096
row VGPU_BULK_PART=16384
row VGPU_BULK=$links
