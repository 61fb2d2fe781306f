/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VGPU_FILE_H
#define _VGPU_FILE_H

#include <linux/fs.h>

extern const struct file_operations vgpu_function_fops;	/* /dev/vgpuN */
extern const struct file_operations vgpu_session_fops;	/* what VGPU_SESSION_ATTACH returns */

#endif /* _VGPU_FILE_H */
