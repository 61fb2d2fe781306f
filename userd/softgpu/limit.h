/* SPDX-License-Identifier: MIT */
/*
 * limit.h - a context's limits: stack, printf buffer and heap of its kernels
 */
#ifndef SOFTGPU_LIMIT_H
#define SOFTGPU_LIMIT_H

#include "context.h"

/* With the lock held. */
void limit_init(struct context *ctx);
/* Gives ctx the heap of its kernels, if it has none yet. */
CUresult limit_heap(struct context *ctx);
void limit_release(struct context *ctx);

/* With or without the lock. */
size_t limit_get(const struct context *ctx, CUlimit limit);

#endif
