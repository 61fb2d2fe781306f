/* SPDX-License-Identifier: MIT */
/* control.h - the module's ioctls and mappings, as vgpu.h has them; functions return 0 or -errno */
#ifndef VGPUD_CONTROL_H
#define VGPUD_CONTROL_H

#include <stdint.h>

#include "forward.h"
#include "gpu.h"
#include "linux/vgpu.h"

int control_open(const char *path);
/* VGPU_SESSION_ATTACH; out->fd is the session's descriptor. */
int control_attach(int control, uint64_t session, struct vgpu_session_attach *out);
/* gpu: what is known of it. A module that does not know of GPUs is told the rest. */
int control_report_device(int control, uint32_t device, uint32_t state, const char *server,
			  const struct gpu *gpu);

int control_map(const struct vgpu_session_attach *a, struct fwd_ring *ring);
void control_unmap(const struct fwd_ring *ring);
int control_doorbell(int session_fd);
int control_report_session(int session_fd, uint64_t mem_used);

#endif /* VGPUD_CONTROL_H */
