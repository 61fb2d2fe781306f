/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR MIT */
/*
 * vgpu.h - the interface of vgpu.ko: /dev/vgpuN for functions, /dev/vgpuctl for the daemon
 *
 * A function opens /dev/vgpuN: that is a session. VGPU_RING_SETUP gives it a submission ring
 * (function to daemon) and a completion ring (daemon to function), mapped with mmap(2). The session
 * is announced on the generic netlink family "vgpu" (vgpu_netlink.h); the daemon takes it with
 * VGPU_SESSION_ATTACH and maps the same pages. The module never looks at what the rings carry. A
 * session lives as long as the function's descriptor; the daemon sees POLLHUP when it ends.
 *
 * General ioctl format, as in iommufd: every argument is a struct whose first member is its size in
 * bytes as the caller knows it. Larger structs are accepted when the bytes beyond what the kernel
 * knows are zero, smaller ones down to the last member that the first version had. What each error
 * means, everywhere:
 *
 *   ENOTTY      no such ioctl on this descriptor
 *   E2BIG       the struct is longer than the kernel knows and the rest is not zero, or longer than a page
 *   EINVAL      the struct is too short, or a value is understood and wrong
 *   EOPNOTSUPP  a known member holds a value, or a flag, that this kernel does not know
 *   EFAULT      the struct is not mapped
 *   EBUSY       done already (rings set up, session attached, control device opened)
 *   ENXIO       the rings are not set up yet
 *   ENOENT      no such device or session
 *   EHOSTDOWN   no daemon has /dev/vgpuctl open
 *   EPIPE       the other side of the session has gone
 *   EUSERS      open(2): the device has as many descriptors open as the module's parameter max_sessions allows
 *   ENOMEM      no memory for the rings, or the caller's cgroup has none left
 *
 * Changes: version 1, the first; then name and uuid at the end of struct vgpu_device_report.
 */
#ifndef _UAPI_LINUX_VGPU_H
#define _UAPI_LINUX_VGPU_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VGPU_ABI_VERSION	1
#define VGPU_IOC		0xB6

#define VGPU_MAX_DEVICES	64
#define VGPU_SERVER_NAME_MAX	128	/* bytes, with the NUL */
#define VGPU_GPU_NAME_MAX	64	/* likewise */
#define VGPU_UUID_BYTES		16

/* Ring sizes in bytes, powers of two. */
#define VGPU_RING_MIN		4096u
#define VGPU_RING_MAX		(64u << 20)
#define VGPU_RING_DEFAULT	(4u << 20)

/*
 * Offsets for mmap(2), the same on a function's descriptor and on a session descriptor. The control
 * page is one page; each ring is mapped with twice its size and shows its pages twice in a row, so
 * that a frame never wraps. Mappings are shared, cannot grow and are not inherited over fork(2).
 */
#define VGPU_MMAP_CONTROL	0x000000000ull
#define VGPU_MMAP_SQ		0x100000000ull
#define VGPU_MMAP_CQ		0x200000000ull

/**
 * struct vgpu_ring_side - one side's free-running byte index, on a cache line of its own
 * @index: Bytes produced (head) or consumed (tail) since the ring was set up; never wraps. The place in the ring is
 *	   index modulo the ring's size. Store with release, load with acquire, order.
 * @asleep: Non-zero while the owner of @index sleeps in poll(2): the peer, after it moved its own index and a full barrier,
 *	    reads this and if it is set calls VGPU_DOORBELL. Only the owner writes it. A producer that waits for
 *	    room stores the bytes that it needs: POLLOUT means that as many are free (at least one).
 * @reserved: zero
 *
 * The peer may lie: read an index once, check that head - tail is at most the ring's size, use the
 * copy.
 */
struct vgpu_ring_side {
	__aligned_u64 index;
	__u32 asleep;
	__u32 reserved[13];
};

/**
 * struct vgpu_control - the control page
 * @sq_head: owned by the function (producer of the submission ring)
 * @sq_tail: owned by the daemon
 * @cq_head: owned by the daemon (producer of the completion ring)
 * @cq_tail: owned by the function
 * @state: VGPU_STATE_*, written by the kernel; a hint for who spins, poll(2) tells the truth
 */
struct vgpu_control {
	struct vgpu_ring_side sq_head;
	struct vgpu_ring_side sq_tail;
	struct vgpu_ring_side cq_head;
	struct vgpu_ring_side cq_tail;
	__u32 state;
	__u32 reserved[15];
};

#define VGPU_STATE_WAITING	0u	/* announced, no daemon has attached */
#define VGPU_STATE_ATTACHED	1u
#define VGPU_STATE_GONE		2u	/* the peer has closed its descriptor */

/**
 * struct vgpu_ring_setup - ioctl(VGPU_RING_SETUP) on /dev/vgpuN
 * @size: In. sizeof(struct vgpu_ring_setup)
 * @flags: In. Must be 0
 * @sq_bytes: In/Out. Size of the submission ring, a power of two; 0 asks for the default. Out: what was granted
 * @cq_bytes: In/Out. Size of the completion ring, likewise
 * @session: Out. The session's number, unique since the module was loaded
 * @mem_limit: Out. The device's memory limit in bytes as the session is set up; 0: none but the server's
 * @abi: Out. VGPU_ABI_VERSION of the module
 * @device: Out. N of /dev/vgpuN
 *
 * Allocates the rings, charged to the caller's cgroup, and announces the session. EBUSY when the
 * session has rings, EHOSTDOWN when no daemon runs, EINVAL for a size that is not a power of two
 * between VGPU_RING_MIN and VGPU_RING_MAX.
 */
struct vgpu_ring_setup {
	__u32 size;
	__u32 flags;
	__u32 sq_bytes;
	__u32 cq_bytes;
	__aligned_u64 session;
	__aligned_u64 mem_limit;
	__u32 abi;
	__u32 device;
};
#define VGPU_RING_SETUP		_IO(VGPU_IOC, 0x00)

/**
 * struct vgpu_doorbell - ioctl(VGPU_DOORBELL) on /dev/vgpuN and on a session descriptor
 * @size: In. sizeof(struct vgpu_doorbell)
 * @flags: In. Must be 0
 *
 * Wakes the other side's poll(2). ENXIO before the rings are set up, EPIPE when the other side has
 * gone.
 */
struct vgpu_doorbell {
	__u32 size;
	__u32 flags;
};
#define VGPU_DOORBELL		_IO(VGPU_IOC, 0x01)

/**
 * struct vgpu_session_attach - ioctl(VGPU_SESSION_ATTACH) on /dev/vgpuctl
 * @size: In. sizeof(struct vgpu_session_attach)
 * @flags: In. Must be 0
 * @session: In. The session's number, from its announcement
 * @fd: Out. A descriptor (close-on-exec) with mmap(2), poll(2), VGPU_DOORBELL and VGPU_SESSION_REPORT
 * @device: Out. N of /dev/vgpuN
 * @mem_limit: Out. Bytes, as in struct vgpu_ring_setup
 * @sq_bytes: Out. Size of the submission ring
 * @cq_bytes: Out. Size of the completion ring
 * @pid: Out. Process that set the session up, as the initial PID namespace numbers it
 * @uid: Out. Its effective user, in the initial user namespace
 *
 * ENOENT when the session has ended, EBUSY when it is or was attached.
 */
struct vgpu_session_attach {
	__u32 size;
	__u32 flags;
	__aligned_u64 session;
	__s32 fd;
	__u32 device;
	__aligned_u64 mem_limit;
	__u32 sq_bytes;
	__u32 cq_bytes;
	__s32 pid;
	__u32 uid;
};
#define VGPU_SESSION_ATTACH	_IO(VGPU_IOC, 0x20)

/* What /sys/class/vgpu/vgpuN/state says: "offline", "ready", "unreachable", "draining". */
/* no daemon: set by the kernel when /dev/vgpuctl is closed */
#define VGPU_DEVICE_OFFLINE	0u
#define VGPU_DEVICE_READY	1u	/* the daemon has a server */
#define VGPU_DEVICE_UNREACHABLE	2u	/* the daemon runs, its server does not answer */
#define VGPU_DEVICE_DRAINING	3u	/* the daemon takes no new sessions */

/**
 * struct vgpu_device_report - ioctl(VGPU_DEVICE_REPORT) on /dev/vgpuctl
 * @size: In. sizeof(struct vgpu_device_report)
 * @flags: In. Must be 0
 * @device: In. N of /dev/vgpuN
 * @state: In. VGPU_DEVICE_READY, _UNREACHABLE or _DRAINING
 * @server: In. host:port, NUL-terminated, printable ASCII; empty: none
 * @name: In. Of the GPU there, NUL-terminated, printable ASCII and spaces; empty: not known
 * @uuid: In. Of the GPU there; all zeroes: not known
 *
 * What the daemon reports is what sysfs shows. ENOENT for no such device.
 */
struct vgpu_device_report {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 state;
	__u8 server[VGPU_SERVER_NAME_MAX];
	__u8 name[VGPU_GPU_NAME_MAX];
	__u8 uuid[VGPU_UUID_BYTES];
};
#define VGPU_DEVICE_REPORT	_IO(VGPU_IOC, 0x21)

/**
 * struct vgpu_session_report - ioctl(VGPU_SESSION_REPORT) on a session descriptor
 * @size: In. sizeof(struct vgpu_session_report)
 * @flags: In. Must be 0
 * @mem_used: In. Bytes of device memory that the session holds now
 *
 * mem_used of the device is the sum over its sessions; a session that ends is taken out of it.
 */
struct vgpu_session_report {
	__u32 size;
	__u32 flags;
	__aligned_u64 mem_used;
};
#define VGPU_SESSION_REPORT	_IO(VGPU_IOC, 0x40)

#endif /* _UAPI_LINUX_VGPU_H */
