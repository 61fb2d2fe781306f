/* SPDX-License-Identifier: MIT */
/*
 * watch.h - large managed memory: pages whose protection tells who has touched them
 *
 * All functions want view.c's lock, but for vcuda_view_fault(), which takes it.
 */
#ifndef VCUDA_WATCH_H
#define VCUDA_WATCH_H

#include "view.h"

/* Of view.c: a fault of the program at addr; false: none of ours. */
bool vcuda_view_fault(uint64_t addr);

CUresult vcuda_watch_add(struct vcuda_view *v);
void vcuda_watch_del(struct vcuda_view *v);
struct vcuda_view *vcuda_watched(void);
/* Sends what the program may have changed. */
CUresult vcuda_watch_flush(bool *sent);
/* The device may have changed everything. */
void vcuda_watch_invalidate(void);
bool vcuda_watch_fault(uint64_t addr);
/* In a forked child, which has none of this memory. */
void vcuda_watch_fork(void);

#endif
