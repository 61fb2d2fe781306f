/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VGPU_DAEMON_H
#define _VGPU_DAEMON_H

#include <linux/types.h>

int vgpu_daemon_init(void);
void vgpu_daemon_uninit(void);

bool vgpu_daemon_is_present(void);

#endif /* _VGPU_DAEMON_H */
