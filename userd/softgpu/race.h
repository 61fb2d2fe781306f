/* SPDX-License-Identifier: MIT */
/*
 * race.h - SOFTGPU_CHECK=race: accesses of two threads that nothing orders
 *
 * The engine calls these only where w->race (cta->race) is set. A grid that is checked runs on one
 * engine thread, so nothing is locked and what is reported does not vary.
 */
#ifndef SOFTGPU_RACE_H
#define SOFTGPU_RACE_H

#include "warp.h"

struct sg_job;
struct sg_race;		/* of a launch */

struct sg_race *sg_race_new(const struct sg_job *job);
/* Says how many races there were, and returns that. */
uint64_t sg_race_end(struct sg_race *r);

bool sg_race_cta_init(struct sg_cta *cta, struct sg_race *r);
void sg_race_cta_start(struct sg_cta *cta);
void sg_race_cta_fini(struct sg_cta *cta);

/* The lanes in mask are about to access size bytes at their host addresses. */
void sg_race_access(struct sg_warp *w, const struct sg_insn *in, uint32_t mask, uint32_t size,
		    const uint64_t ea[SG_LANES]);
void sg_race_copy(struct sg_warp *w, const struct sg_insn *in, uint32_t lane, const void *at,
		  uint32_t size, bool load);
/* [at, at + size) is handed out anew: what was there before does not count. */
void sg_race_forget(struct sg_warp *w, uint64_t at, uint64_t size);

/* What orders accesses. */
void sg_race_warp_sync(struct sg_warp *w, const uint32_t members[SG_LANES], uint32_t active);
void sg_race_fence(struct sg_warp *w);
void sg_race_bar_arrive(struct sg_warp *w, uint32_t bar);
void sg_race_bar_complete(struct sg_cta *cta, uint32_t bar);
void sg_race_bar_leave(struct sg_warp *w, uint32_t bar);
/* mbarriers, by their offset in shared memory */
void sg_race_mbar_arrive(struct sg_warp *w, uint64_t address);
void sg_race_mbar_wait(struct sg_warp *w, uint64_t address);

/* race_report.c */
struct race_log;
/* One side of a race. */
struct race_side {
	const struct sg_insn *in;
	uint64_t cta;
	uint32_t tid;
	bool write, atomic;
};

struct race_log *race_log_new(const struct sg_job *job);
void race_log_add(struct race_log *l, const char *space, uint64_t address,
		  const struct race_side *now, const struct race_side *before);
/* words: accesses that had no room in the shadow. Returns the number of races, frees the log. */
uint64_t race_log_end(struct race_log *l, uint64_t unchecked);

#endif
