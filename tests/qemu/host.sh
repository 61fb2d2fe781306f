# SPDX-License-Identifier: MIT
#
# host.sh - sourced by what runs programs in a virtual machine against a vgpu-server on this one (e2e.sh, the demo)

# start_server OPTION...: vgpu-server with softgpu on a free port of 127.0.0.1; sets server_port, server_pid. Its log is $server_log.
start_server()
{
	server_log=$(mktemp)
	build/server/vgpu-server --listen 127.0.0.1:0 --cuda "$PWD/build/softgpu/libcuda.so.1" "$@" 2>"$server_log" &
	server_pid=$!
	for _ in $(seq 200); do
		server_port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$server_log" | head -n 1)
		[ -z "$server_port" ] || break
		kill -0 "$server_pid" 2>/dev/null || break
		sleep 0.05
	done
	if [ -z "$server_port" ]; then
		echo "vgpu-server did not start:" >&2
		cat "$server_log" >&2
		return 1
	fi
}

stop_server()
{
	[ -z "${server_pid:-}" ] || kill "$server_pid" 2>/dev/null
	[ -z "${server_pid:-}" ] || wait "$server_pid" 2>/dev/null
	server_pid=
	rm -f "${server_log:-}"
}

# guest_items: what every guest takes along: the daemon, the library, how to start them.
guest_items()
{
	echo "bin:build/vgpud/vgpud file:build/libvcuda/libcuda.so.1:/lib/dgsf/libcuda.so.1 file:tests/qemu/guest.sh:/guest.sh"
}
