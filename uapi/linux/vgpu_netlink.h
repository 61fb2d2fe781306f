/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR MIT */
/*
 * vgpu_netlink.h - generic netlink family "vgpu": sessions announced, sessions and devices listed
 *
 * Group "session" carries VGPU_CMD_SESSION_OPEN and VGPU_CMD_SESSION_CLOSE. A daemon that starts
 * late asks for VGPU_CMD_SESSION_GET with NLM_F_DUMP and gets every session that waits or is
 * attached; VGPU_CMD_DEVICE_GET (dump) lists the devices. Listening and listing need CAP_NET_ADMIN
 * in the module's network namespace (the initial one).
 */
#ifndef _UAPI_LINUX_VGPU_NETLINK_H
#define _UAPI_LINUX_VGPU_NETLINK_H

#define VGPU_GENL_NAME		"vgpu"
#define VGPU_GENL_VERSION	1
#define VGPU_GENL_GROUP_SESSION	"session"

enum {
	VGPU_CMD_UNSPEC,
	VGPU_CMD_SESSION_OPEN,	/* event: DEVICE, SESSION, PID, UID */
	VGPU_CMD_SESSION_CLOSE,	/* event: DEVICE, SESSION */
	VGPU_CMD_SESSION_GET,	/* dump: DEVICE, SESSION, PID, UID, ATTACHED, MEM_USED */
	VGPU_CMD_DEVICE_GET,	/* dump: DEVICE, MEM_LIMIT, MEM_USED, SESSIONS, STATE, SERVER */
	__VGPU_CMD_MAX,
};
#define VGPU_CMD_MAX (__VGPU_CMD_MAX - 1)

enum {
	VGPU_A_UNSPEC,
	VGPU_A_PAD,
	VGPU_A_DEVICE,		/* u32: N of /dev/vgpuN */
	VGPU_A_SESSION,		/* u64 */
	VGPU_A_PID,		/* s32 */
	VGPU_A_UID,		/* u32 */
	VGPU_A_ATTACHED,	/* u32: 0 or 1 */
	VGPU_A_MEM_LIMIT,	/* u64: bytes, 0 = none */
	VGPU_A_MEM_USED,	/* u64: bytes */
	VGPU_A_SESSIONS,	/* u32 */
	VGPU_A_STATE,		/* u32: VGPU_DEVICE_* */
	VGPU_A_SERVER,		/* string */
	__VGPU_A_MAX,
};
#define VGPU_A_MAX (__VGPU_A_MAX - 1)

#endif /* _UAPI_LINUX_VGPU_NETLINK_H */
