# SPDX-License-Identifier: MIT
#
# guest.sh - sourced by scripts that run in the guest: the module, the daemon, programs that find their GPU through /dev/vgpu0
#
# SERVER (host:port) comes from /environment.

. /environment
export LD_LIBRARY_PATH=/lib/dgsf
sys=/sys/class/vgpu/vgpu0

vgpud_start()
{
	vgpud --server "$SERVER" "$@" 2>>/tmp/vgpud.log &
	vgpud_pid=$!
	wait_for 10 state_is ready
}

state_is() { [ "$(cat $sys/state)" = "$1" ]; }
mem_used_is() { [ "$(cat $sys/mem_used)" = "$1" ]; }
sessions_are() { [ "$(cat $sys/sessions)" = "$1" ]; }

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for()
{
	tries=$(($1 * 20))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		usleep 50000
	done
}
