/* SPDX-License-Identifier: MIT */
/*
 * view.h - memory of the program that kernels see too: mapped, managed, __managed__ variables
 *
 * The device has a copy of it (the view), of the same contents whenever work starts or the program
 * has waited: what the program has changed goes out ahead of a launch, what the device has changed
 * comes in behind a wait. A program without such memory pays one load and a branch for each.
 *
 * Small memory, and memory that the program got elsewhere, is compared with what both sides had
 * last (the twin), so that either side may write at any time to bytes of its own. Large managed
 * memory is watched instead: pages that the program may write are known, those that the device may
 * have written are fetched when the program touches them.
 */
#ifndef VCUDA_VIEW_H
#define VCUDA_VIEW_H

#include "vcuda.h"

#define VIEW_COMPARED	(64u << 10)	/* managed memory up to this size is compared */

struct vcuda_view {
	struct vcuda_view *next;
	uint64_t id;
	uint8_t *host;
	uint64_t dev, bytes;
	bool managed;
	/* compared */
	uint8_t *twin;
	/* watched: the program's pages are a file's, which is here a second time, always writable */
	uint8_t *alias;
	int fd;
	uint8_t *blocks;
	uint64_t ahead;			/* blocks to fetch with the next fault, and where it will be */
	uint64_t expect;
};

extern _Atomic unsigned int vcuda_nr_views;

static inline bool vcuda_has_views(void)
{
	return atomic_load_explicit(&vcuda_nr_views, memory_order_relaxed);
}

/*
 * Starts to keep [host, host + bytes) and dev alike. Both start with what the program has, or,
 * device_first, with what the device has. v is the caller's.
 */
CUresult vcuda_view_add(struct vcuda_view *v, bool device_first);
/* Managed memory of its own pages at v->host, which is made here: v->fd, v->alias. */
CUresult vcuda_view_watch(struct vcuda_view *v);
void vcuda_view_del(struct vcuda_view *v);
/* A copy of the view around addr, by the program's address or (device) by the device's. */
bool vcuda_view_find(uint64_t addr, bool device, struct vcuda_view *out);
/* Part of [p, p + n) is in a view. */
bool vcuda_view_overlaps(uint64_t p, size_t n);

/* Ahead of work on the stream. */
CUresult vcuda_views_flush(CUstream stream);
/*
 * Ahead of a wait for all that is on the stream: its data comes in with the wait, and
 * vcuda_views_fetched() puts it in its place. NULL: nothing to fetch.
 */
struct vcuda_fetch;
struct vcuda_fetch *vcuda_views_fetch(CUstream stream);
void vcuda_views_fetched(struct vcuda_fetch *f, bool ok);
/* Behind a wait of another kind; costs a round trip where there is something to fetch. */
CUresult vcuda_views_waited(void);
void vcuda_views_fork(void);		/* in a forked child */

#endif
