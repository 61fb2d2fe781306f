/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VGPU_NETLINK_H
#define _VGPU_NETLINK_H

#include <linux/types.h>

struct sk_buff;
struct vgpu_session;

int vgpu_netlink_init(void);
void vgpu_netlink_uninit(void);

struct sk_buff *vgpu_netlink_open_event(u32 device, u64 id, s32 pid, u32 uid);
void vgpu_netlink_send(struct sk_buff *event);
void vgpu_netlink_drop(struct sk_buff *event);
void vgpu_netlink_close_event(const struct vgpu_session *session);

#endif /* _VGPU_NETLINK_H */
