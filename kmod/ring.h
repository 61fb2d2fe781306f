/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VGPU_RING_H
#define _VGPU_RING_H

#include <linux/types.h>

struct page;
struct vgpu_control;
struct vm_area_struct;

/**
 * struct vgpu_ring - the pages of one ring
 * @pages: @bytes of them
 * @bytes: a power of two
 */
struct vgpu_ring {
	struct page **pages;
	u32 bytes;
};

/**
 * struct vgpu_rings - what VGPU_RING_SETUP allocates
 * @control: the control page; both sides write it, so a read is one READ_ONCE() and may be a lie
 * @sq: submission ring, function to daemon; the kernel never reads its pages
 * @cq: completion ring
 */
struct vgpu_rings {
	struct vgpu_control *control;
	struct vgpu_ring sq;
	struct vgpu_ring cq;
};

struct vgpu_rings *vgpu_rings_alloc(u32 sq_bytes, u32 cq_bytes);
void vgpu_rings_free(struct vgpu_rings *rings);
void vgpu_rings_set_state(struct vgpu_rings *rings, u32 state);

int vgpu_rings_mmap(struct vgpu_rings *rings, struct vm_area_struct *vma);
bool vgpu_sq_is_empty(const struct vgpu_rings *rings);
bool vgpu_sq_has_room(const struct vgpu_rings *rings);
bool vgpu_cq_is_empty(const struct vgpu_rings *rings);
bool vgpu_cq_has_room(const struct vgpu_rings *rings);

#endif /* _VGPU_RING_H */
