/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VGPU_DEVICE_H
#define _VGPU_DEVICE_H

#include <linux/device.h>
#include <linux/types.h>
#include <linux/vgpu.h>

struct attribute_group;
struct inode;

/**
 * struct vgpu_device - one /dev/vgpuN
 * @index: N
 * @dev: what sysfs shows; its drvdata is this
 * @mem_limit: bytes a session may be granted, 0 for no limit; written by sysfs, read with
 *	       READ_ONCE()
 * @opens: function descriptors, with rings or without
 * @sessions: sessions that wait or are attached
 * @mem_used: sum of theirs
 * @state: VGPU_DEVICE_*, as the daemon reports it
 * @server: host:port, as the daemon reports it
 * @name: of the GPU there, likewise; empty while not known
 * @uuid: of the GPU there, likewise; zero while not known
 *
 * All but @mem_limit under vgpu_lock. Devices live as long as the module.
 */
struct vgpu_device {
	u32 index;
	struct device *dev;
	u64 mem_limit;
	u32 opens;
	u32 sessions;
	u64 mem_used;
	u32 state;
	char server[VGPU_SERVER_NAME_MAX];
	char name[VGPU_GPU_NAME_MAX];
	u8 uuid[VGPU_UUID_BYTES];
};

int vgpu_device_init(void);
void vgpu_device_uninit(void);

struct vgpu_device *vgpu_device_find(u32 index);
struct vgpu_device *vgpu_device_of_inode(const struct inode *inode);
bool vgpu_device_is_full(const struct vgpu_device *device);
void vgpu_device_set_offline(void);

/* sysfs.c */
extern const struct attribute_group *vgpu_device_groups[];

#endif /* _VGPU_DEVICE_H */
