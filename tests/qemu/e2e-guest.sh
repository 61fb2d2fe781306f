#!/bin/busybox sh
# SPDX-License-Identifier: MIT
#
# e2e-guest.sh - in the guest: every program through /dev/vgpu0, then what breaks. Prints "ok NAME" and "not ok NAME".

. /guest.sh
failed=0
patience=30		# seconds, for a program to have copied something
[ -z "${SLOW:-}" ] || patience=120

report() # STATUS NAME [FILE]
{
	if [ "$1" = 0 ]; then
		echo "ok $2"
	else
		echo "not ok $2"
		failed=1
		[ -z "${3:-}" ] || sed 's/^/# /' "$3" | tail -n 30
		tail -n 10 /tmp/vgpud.log | sed 's/^/# vgpud: /'
	fi
}

# passes NAME ROUND-TRIPS PROGRAM ARGUMENT...: exit status 0, PASS, and no more round trips than that
passes()
{
	name=$1 most=$2
	shift 2
	VGPU_STATS=1 timeout 120 "$@" >/tmp/out 2>&1 && grep -q PASS /tmp/out
	status=$?
	trips=$(sed -n 's/^vgpu: .*round_trips=\([0-9]*\).*/\1/p' /tmp/out | tail -n 1)
	[ "$most" = any ] || [ "${trips:-9999}" -le "$most" ] || status=1
	report $status "$name" /tmp/out
}

# check NAME COMMAND...
check()
{
	name=$1
	shift
	"$@" >/tmp/out 2>&1
	report $? "$name" /tmp/out
}

refused() # PATTERN PROGRAM...: the program fails, and says why
{
	pattern=$1
	shift
	! timeout 60 "$@" >/tmp/refused 2>&1 && grep -q "$pattern" /tmp/refused
	status=$?
	cat /tmp/refused
	return $status
}

all_given_back() { wait_for 5 mem_used_is 0 && wait_for 5 sessions_are 0; }

# ---- the module and the daemon ----

check "the module loads" insmod /modules/vgpu.ko
check "without vgpud the device is offline" state_is offline
check "without vgpud a program is told so" refused "vgpud is not running" /cuda/vecadd
check "vgpud finds its server" vgpud_start
check "sysfs names the server" grep -q "$SERVER" $sys/server
names_gpu()
{
	wait_for 10 grep -qx softgpu $sys/name && grep -qE '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' $sys/uuid
}
check "and its GPU" names_gpu

# ---- programs ----

passes "vecadd, in 3 round trips" 3 /cuda/vecadd
passes "vecadd with the shared runtime" 3 /cuda/vecadd_shared
passes "matmul" any /cuda/matmul ${SLOW:+--n 64}
passes "reduce" any /cuda/reduce
passes "histogram" any /cuda/histogram
passes "streams" any /cuda/streams
passes "threads" any /cuda/threads
passes "async" any /cuda/async --launches 500
passes "drvptx" any /cuda/drvptx
passes "manykernels" any /cuda/manykernels
passes "gridsync" any /cuda/gridsync
passes "badimage" any /cuda/badimage
passes "forkfirst" any /cuda/forkfirst
passes "forkfirst after the first use" any /cuda/forkfirst --after
passes "kmeans of the digits, in 2 round trips an iteration" 60 /cuda/kmeans --csv /data/digits.csv.gz
passes "large copies" any /cuda/bigcopy --seconds 3 ${SLOW:+--mib 8}
check "a fault is the program's own" timeout 60 /cuda/fault
check "everything was given back" all_given_back

# ---- limits ----

limit_is_kept()
{
	echo 33554432 >$sys/mem_limit
	timeout 60 /cuda/oom
	status=$?
	echo 0 >$sys/mem_limit
	return $status
}
check "mem_limit is kept" limit_is_kept

mem_used_follows()
{
	rm -f /tmp/idle
	/cuda/idle --seconds 30 >/tmp/idle 2>&1 &
	pid=$!
	wait_for 10 grep -q idle /tmp/idle && wait_for 5 sessions_are 1 && [ "$(cat $sys/mem_used)" -gt 0 ]
	status=$?
	kill -9 $pid
	wait $pid
	return $status
}
check "mem_used and sessions follow a program" mem_used_follows
check "killed, it leaves nothing" all_given_back

# ---- deaths ----

killed_in_a_copy()
{
	rm -f /tmp/victim
	/cuda/bigcopy --seconds 60 ${SLOW:+--mib 8} >/tmp/victim 2>&1 &
	pid=$!
	wait_for $patience grep -q round /tmp/victim && wait_for 5 sessions_are 5
	status=$?
	kill -9 $pid
	wait $pid
	[ $status = 0 ] && all_given_back
}
check "kill -9 in a copy, over bulk connections, gives everything back" killed_in_a_copy

daemon_killed()
{
	rm -f /tmp/victim
	/cuda/bigcopy --seconds 60 ${SLOW:+--mib 8} >/tmp/victim 2>&1 &
	pid=$!
	wait_for $patience grep -q round /tmp/victim || { kill -9 $pid; return 1; }
	kill -9 $vgpud_pid
	wait $vgpud_pid
	tries=$((patience * 4))
	while kill -0 $pid 2>/dev/null && [ $tries -gt 0 ]; do
		usleep 50000
		tries=$((tries - 1))
	done
	[ $tries -gt 0 ] || { kill -9 $pid; return 1; }
	wait $pid && return 1
	cat /tmp/victim
	grep -q "libvcuda: vgpud" /tmp/victim && state_is offline
}
check "vgpud killed under a program: an error at once" daemon_killed
check "a restarted vgpud finds its server" vgpud_start
passes "and serves the next program" 3 /cuda/vecadd

drains()
{
	kill -TERM $vgpud_pid
	wait $vgpud_pid
	[ $? = 0 ] && state_is offline
}
check "vgpud drains on SIGTERM" drains

no_server()
{
	vgpud --server 10.0.2.2:1 2>>/tmp/vgpud.log &
	vgpud_pid=$!
	wait_for 10 state_is unreachable && refused "libvcuda: " /cuda/vecadd
	status=$?
	kill $vgpud_pid
	wait $vgpud_pid
	return $status
}
check "no server: the program is told so" no_server
check "vgpud starts again" vgpud_start

# ---- company ----

two_at_once()
{
	/cuda/vecadd >/tmp/one 2>&1 &
	one=$!
	/cuda/reduce >/tmp/two 2>&1
	two=$?
	wait $one && [ $two = 0 ] && grep -q PASS /tmp/one && grep -q PASS /tmp/two
}
check "two programs at once" two_at_once

idle_costs_nothing()
{
	rm -f /tmp/idle
	/cuda/idle --seconds 30 >/tmp/idle 2>&1 &
	pid=$!
	wait_for 10 grep -q idle /tmp/idle || return 1
	sleep 1
	before=$(cut -d' ' -f14,15 /proc/$pid/stat /proc/$vgpud_pid/stat | tr '\n' ' ')
	sleep 3
	after=$(cut -d' ' -f14,15 /proc/$pid/stat /proc/$vgpud_pid/stat | tr '\n' ' ')
	kill -9 $pid
	wait $pid
	echo "before $before after $after"
	[ "$before" = "$after" ]
}
check "an idle session and vgpud use no CPU" idle_costs_nothing

many_in_a_row()
{
	fds=$(ls /proc/$vgpud_pid/fd | wc -l)
	i=0
	while [ $i -lt ${MANY:-200} ]; do
		/cuda/vecadd >/tmp/out2 2>&1 || { cat /tmp/out2; return 1; }
		i=$((i + 1))
	done
	all_given_back || return 1
	after=$(ls /proc/$vgpud_pid/fd | wc -l)
	echo "descriptors: $fds before, $after after"
	[ "$after" -le $((fds + 1)) ]
}
check "${MANY:-200} programs in a row leave nothing behind" many_in_a_row

kill $vgpud_pid
wait $vgpud_pid
check "the module unloads" rmmod vgpu

dmesg | grep -E 'BUG:|WARNING:|KASAN|UBSAN|possible circular|unreferenced object|Oops' >/tmp/bad
[ ! -s /tmp/bad ]
report $? "the kernel has nothing to complain of" /tmp/bad
exit $failed
