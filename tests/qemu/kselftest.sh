#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kselftest.sh - in the guest: loads vgpu.ko, runs the programs of /tests, looks at the kernel's log
# after each
#
# Lines "ok NAME" and "not ok NAME" go to /out/results; the programs' output goes to the console.
# /tests/environment is read first.

results=/out/results
log=/out/kernel.log
bad='BUG:|WARNING:|KASAN|KCSAN|UBSAN|ODEBUG|Oops|general protection|Bad page|refcount_t'
bad="$bad|possible circular|possible recursive|suspicious RCU|inconsistent lock|corruption"
bad="$bad|blocked for more than|soft lockup|scheduling while atomic|unreferenced object"

: >$results
: >$log
[ ! -e /tests/environment ] || . /tests/environment

result() # STATUS NAME
{
	if [ "$1" = 0 ]; then
		echo "ok $2"
	else
		failed=1
		echo "not ok $2"
	fi | tee -a $results
}

# The kernel's messages since the last time, each fault one line of the verdict.
log_is_clean() # NAME
{
	dmesg -c >/tmp/log
	cat /tmp/log >>$log
	if grep -E "$bad" /tmp/log >/tmp/faults; then
		sed 's/^/# /' /tmp/faults
		grep -E -A 40 "$bad" /tmp/log | head -n 120
		result 1 "$1"
	else
		result 0 "$1"
	fi
}

run() # PROGRAM
{
	name=$(basename "$1" _test)
	start=$(date +%s)
	"$1" >/tmp/output 2>&1
	status=$?
	echo "# $name: $(($(date +%s) - start)) s"
	sed -n -e 's/^\(\(not \)\{0,1\}ok\) [0-9]* \(.*\)/\1 '"$name"': \3/p' /tmp/output >>$results
	cat /tmp/output
	# A program that died before its plan was carried out has no line that says so.
	planned=$(sed -n 's/^1\.\.//p' /tmp/output)
	told=$(grep -c -E '^(not )?ok ' /tmp/output)
	[ "$planned" = "$told" ] ||
		result 1 "$name: $told of ${planned:-no} cases came to an end, status $status"
	log_is_clean "$name: the kernel's log is clean"
}

leaks() # two scans: a block must look lost in both
{
	[ -w /sys/kernel/debug/kmemleak ] || return
	for i in 1 2; do
		echo scan >/sys/kernel/debug/kmemleak
		sleep 6
	done
	cat /sys/kernel/debug/kmemleak >/tmp/leaks
	if grep -q vgpu /tmp/leaks; then
		cat /tmp/leaks
		result 1 "module: kmemleak finds nothing of it"
	else
		result 0 "module: kmemleak finds nothing of it"
	fi
}

dmesg -c >>$log
for bad_parameter in devices=0 devices=65 devices=x; do
	! insmod /modules/vgpu.ko $bad_parameter 2>/dev/null || { rmmod vgpu; false; }
	result $? "module: $bad_parameter is refused"
done
insmod /modules/vgpu.ko devices=64 && [ -c /dev/vgpu63 ] && [ ! -e /dev/vgpu64 ] && rmmod vgpu
result $? "module: 64 devices come and go"
insmod /modules/vgpu.ko && [ -c /dev/vgpu0 ] && [ ! -e /dev/vgpu1 ] && rmmod vgpu
result $? "module: one device is the default"
[ ! -e /dev/vgpu0 ] && [ ! -e /dev/vgpuctl ] && [ ! -e /sys/class/vgpu ]
result $? "module: nothing is left when it is unloaded"
log_is_clean "module: the kernel's log is clean"

insmod /modules/vgpu.ko devices=3 || exit 1
for program in /tests/*_test; do
	run "$program"
done

# Open descriptors hold the module.
exec 9<>/dev/vgpu0
rmmod vgpu 2>/dev/null
[ $? != 0 ]
result $? "module: it stays while a descriptor is open"
exec 9>&-
leaks
rmmod vgpu
result $? "module: it unloads after the tests"
sleep 1
log_is_clean "module: the kernel's log is clean after it is unloaded"

! grep -q '^not ok' $results
