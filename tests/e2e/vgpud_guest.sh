#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vgpud_guest.sh - in the guest: loads vgpu.ko, runs vgpud_test
set -e
mkdir -p /etc
echo 'root:x:0:0::/root:/bin/sh
nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
echo 'nobody:x:65534:' >/etc/group
echo 'passwd: files
group: files' >/etc/nsswitch.conf
insmod /modules/vgpu.ko
exec /bin/vgpud_test $(cat /only 2>/dev/null)
