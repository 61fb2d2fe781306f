/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VGPU_IOCTL_H
#define _VGPU_IOCTL_H

struct file;

long vgpu_function_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long vgpu_session_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long vgpu_control_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* _VGPU_IOCTL_H */
