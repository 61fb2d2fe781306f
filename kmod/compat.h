/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What changed in the kernel between 6.1, the oldest supported, and 6.12. Everything of the kind is
 * here.
 */
#ifndef _VGPU_COMPAT_H
#define _VGPU_COMPAT_H

#include <linux/device/class.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>
#include <net/genetlink.h>

/*
 * 6.1.68 gave a multicast group's flags names of their own; before, they were those of operations.
 */
#ifdef GENL_MCAST_CAP_NET_ADMIN
#define VGPU_MCAST_CAP_NET_ADMIN	GENL_MCAST_CAP_NET_ADMIN
#else
#define VGPU_MCAST_CAP_NET_ADMIN	GENL_UNS_ADMIN_PERM
#endif

static inline struct class *vgpu_class_create(const char *name)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	return class_create(THIS_MODULE, name);
#else
	return class_create(name);
#endif
}

/* From 6.3 on vm_flags is written through functions that check for the lock. */
static inline void vgpu_vm_flags(struct vm_area_struct *vma, unsigned long set, unsigned long clear)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#else
	vm_flags_mod(vma, set, clear);
#endif
}

#endif /* _VGPU_COMPAT_H */
