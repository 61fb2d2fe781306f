/* SPDX-License-Identifier: MIT */
/*
 * group.h - lanes of a warp that stand at one place
 */
#ifndef SOFTGPU_GROUP_H
#define SOFTGPU_GROUP_H

#include "ptx_module.h"

#define SG_TURN 256	/* jumps for which a group that had to wait long goes before others */

/* Smaller is earlier. */
static inline uint64_t sg_group_key(const struct sg_frame *f, uint32_t pc)
{
	return (uint64_t)(SG_MAX_DEPTH - f->depth) << 32 | pc;
}

/* Does another group that can run stand earlier than frame and pc? */
static inline bool sg_group_is_ahead(const struct sg_warp *w, const struct sg_frame *f, uint32_t pc)
{
	return w->nr_groups && w->groups[w->nr_groups - 1].key < sg_group_key(f, pc);
}

void sg_group_put(struct sg_warp *w, const struct sg_group *g);
/* A new group of lanes that leave another one; no lanes: nothing. */
void sg_group_split(struct sg_warp *w, const struct sg_group *from, struct sg_frame *frame,
		    uint32_t pc, uint32_t lanes);
uint32_t sg_group_meeting(const struct sg_warp *w, const struct sg_group *g);
void sg_group_merge(struct sg_warp *w, struct sg_group *g);
/*
 * Those of lanes, which stand at g's warp-wide operation, that name no live lane outside of here:
 * parts of a warp come to one place with masks of their own, and some may be complete when others
 * are not.
 */
uint32_t sg_group_complete(const struct sg_warp *w, const struct sg_group *g, uint32_t lanes,
			   uint32_t here);
/* Takes the next to run out of the list; false: nobody can run. */
bool sg_group_pick(struct sg_warp *w, struct sg_group *g);

#endif
