#!/bin/sh
# SPDX-License-Identifier: MIT
#
# boot.sh - boots a kernel in QEMU, runs a script in it, and exits with the script's status
#
#   tests/qemu/boot.sh [OPTION...] KERNEL SCRIPT [ITEM...]
#   tests/qemu/boot.sh [OPTION...] -i INITRAMFS KERNEL
#
#   KERNEL      a directory of tools/kernels.sh (build/kernels/6.12), or its name
#   SCRIPT      run in the guest as /script, by what its first line names; its output is streamed
#   ITEM        what to take along, see initramfs.sh: bin:FILE[:DEST] file:FILE[:DEST] ko:FILE
#   -i FILE     an initramfs made earlier
#   -o DIR      what the script leaves in /out comes here, and the kernel's log as DIR/dmesg
#   -t SECONDS  limit for the whole boot (default 120)
#   -m MIB      memory (default 768)
#   -c CPUS     processors (default 2)
#   -a ACCEL    tcg (default); kvm; or auto: KVM where a trial boot, 5 seconds at most, works
#   -A WORDS    more words for the kernel's command line
#
# The guest is 10.0.2.15 and reaches the host's 127.0.0.1 as 10.0.2.2 (slirp: no privileges needed).
# Exit status: the script's; 124 when the limit was hit; 125 when the guest died before its end.
# QEMU, QEMU_ARGS name another QEMU, as a bundle needs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
qemu=${QEMU:-qemu-system-x86_64}
initramfs= out= limit=120 memory=768 cpus=2 accel=tcg append=

die() { echo "boot.sh: $*" >&2; exit 126; }

while getopts i:o:t:m:c:a:A: option; do
	case $option in
	i) initramfs=$OPTARG ;;
	o) out=$OPTARG ;;
	t) limit=$OPTARG ;;
	m) memory=$OPTARG ;;
	c) cpus=$OPTARG ;;
	a) accel=$OPTARG ;;
	A) append=$OPTARG ;;
	*) exit 126 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || die "which kernel?"
kernel=$1
[ -d "$kernel" ] || kernel=$root/build/kernels/$1
shift
command -v "${qemu%% *}" >/dev/null || die "no $qemu (Debian: qemu-system-x86)"
[ -e "$kernel/vmlinux" ] || die "no kernel in $kernel (tools/kernels.sh $(basename "$kernel"))"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

if [ -z "$initramfs" ]; then
	[ $# -ge 1 ] || die "which script?"
	initramfs=$dir/initramfs
	"$here/initramfs.sh" "$initramfs" "$kernel" "$@"
fi

machine=$(cat "$kernel/machine" 2>/dev/null || echo q35)
case $machine in
microvm)
	# With acpi=on it hangs under TCG; the devices are then announced on the command line.
	machine_args="-machine microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on"
	net=virtio-net-device serial=virtio-serial-device
	;;
*)
	machine_args="-machine q35"
	net=virtio-net-pci,romfile= serial=virtio-serial-pci
	append="mitigations=off $append"
	;;
esac

run="$qemu ${QEMU_ARGS:-} $machine_args -smp $cpus -nodefaults -no-user-config -display none"
run="$run -no-reboot -serial stdio -kernel $kernel/vmlinux"
words="console=ttyS0 quiet panic=-1 oops=panic reboot=t no_timer_check"

# Under TCG the calibration of the TSC, and of the second processor's delay loop, fails on a busy
# machine, and the guest's clock is then coarse. TCG hands the host's TSC through, so the guest can
# be told.
tcg_words()
{
	khz=$(awk '/MHz/ { printf "%d", $4 * 1000; exit }' /proc/cpuinfo)
	echo "lpj=4000000 ${khz:+tsc=reliable tsc_early_khz=$khz}"
}

# A kernel without a root file system panics within a second, and by that shows that it got through
# its start.
kvm_works()
{
	[ -w /dev/kvm ] || return 1
	timeout -k 1 5 $run -accel kvm -cpu host -m 256 -append "console=ttyS0 panic=-1" \
		</dev/null >"$dir/trial" 2>&1
	grep -q 'Unable to mount root fs' "$dir/trial"
}

if [ "$accel" = auto ]; then
	accel=tcg
	! kvm_works || accel=kvm
fi
case $accel in
kvm) accel_args="-accel kvm -cpu host" ;;
tcg) accel_args="-accel tcg,thread=multi -cpu max"; words="$words $(tcg_words)" ;;
*) die "what is -a $accel?" ;;
esac

# In the background, so that a signal to this script ends QEMU and not only the script.
rc=0 pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; exit 130' INT TERM
: >"$dir/result"
mkfifo "$dir/console"
timeout -k 5 "$limit" $run $accel_args -m "$memory" -initrd "$initramfs" \
	-netdev user,id=net0,ipv6=off -device "$net",netdev=net0 -device "$serial" \
	-chardev file,id=result,path="$dir/result" \
	-device virtserialport,chardev=result,name=result \
	-chardev file,id=out,path="$dir/out" \
	-device virtserialport,chardev=out,name=out \
	-append "$words $append rdinit=/init" </dev/null >"$dir/console" 2>&1 &
pid=$!
sed -u 's/\r//g' <"$dir/console" &
stream=$!
wait "$pid" || rc=$?
pid=
wait "$stream" || :

if [ -n "$out" ] && [ -s "$dir/out" ]; then
	mkdir -p "$out"
	tar -C "$out" --no-same-owner -x -f "$dir/out" ||
		echo "boot.sh: what came out is cut short" >&2
fi
status=$(sed -n 's/^rc=//p' "$dir/result")
if [ -n "$status" ]; then
	exit "$status"
fi
if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
	echo "boot.sh: stopped after $limit s" >&2
	exit 124
fi
echo "boot.sh: the guest ended without a result (QEMU said $rc)" >&2
exit 125
