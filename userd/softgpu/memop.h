/* SPDX-License-Identifier: MIT */
/*
 * memop.h - words of memory that streams wait for and write
 */
#ifndef SOFTGPU_MEMOP_H
#define SOFTGPU_MEMOP_H

#include "context.h"

/* What each operation must be like. */
CUresult memop_check(const CUstreamBatchMemOpParams *ops, unsigned int nr, unsigned int flags);
/* Without the lock. Waits end when ctx is in error or going away, too. */
CUresult memop_run(const CUstreamBatchMemOpParams *ops, unsigned int nr, struct context *ctx);

#endif
