#!/bin/busybox sh
# SPDX-License-Identifier: MIT
#
# init.sh - /init of the guest: mounts, loads the drivers, runs /script, and says how it went
#
# /script's output goes to the console. Its exit status goes to the virtio port "result" as "rc=N",
# which means: the guest got to its end; whatever is in /out by then, and the kernel's log as
# /out/dmesg, goes to the port "out" as a tar.

PATH=/bin:/sbin:/usr/bin:/usr/sbin
export PATH HOME=/root
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /out /bin
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts 2>/dev/null
mount -t tmpfs none /dev/shm
mount -t tmpfs none /tmp
mount -t debugfs none /sys/kernel/debug 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
echo 1 >/proc/sys/kernel/panic_on_oops

# QEMU writes the virtqueues without KCSAN's knowledge: a race with it is how virtio works.
if [ -w /sys/kernel/debug/kcsan ]; then
	for function in virtqueue_get_buf_ctx virtqueue_poll virtqueue_disable_cb vring_interrupt \
		virtqueue_enable_cb virtqueue_enable_cb_prepare virtqueue_enable_cb_delayed \
		virtqueue_kick_prepare virtqueue_add_split; do
		echo "!$function" >/sys/kernel/debug/kcsan 2>/dev/null
	done
fi

while read -r module; do
	insmod "/drivers/$module" || echo "init: cannot load $module"
done </drivers/order

# slirp's addresses, without DHCP: the host's 127.0.0.1 is 10.0.2.2.
ip link set lo up
for net in /sys/class/net/e*; do
	[ -e "$net" ] || continue
	ip addr add 10.0.2.15/24 dev "${net##*/}"
	ip link set "${net##*/}" up
	ip route add default via 10.0.2.2
done

port() # NAME: there is no udev to make /dev/virtio-ports/NAME
{
	for p in /sys/class/virtio-ports/*; do
		[ "$(cat "$p/name" 2>/dev/null)" = "$1" ] && echo "/dev/${p##*/}"
	done
}

cd /root
/script </dev/null
rc=$?

dmesg >/out/dmesg
[ -z "$(port out)" ] || tar -C /out -c -f - . >"$(port out)"
[ -z "$(port result)" ] || echo "rc=$rc" >"$(port result)"
sync
# microvm has no ACPI to power off with: a reboot ends QEMU, which runs with -no-reboot.
reboot -f
