/* SPDX-License-Identifier: MIT */
/*
 * launch.h - a kernel with its arguments, ready to run as often as need be
 */
#ifndef SOFTGPU_LAUNCH_H
#define SOFTGPU_LAUNCH_H

#include <limits.h>
#include <stdbool.h>

#include "engine.h"
#include "module.h"
#include "stream.h"

struct geometry {
	struct sg_dim grid, block;
	unsigned int shared;		/* bytes, dynamic */
	bool cooperative;
	int priority;			/* lower is more urgent; LAUNCH_INHERIT: the stream's */
};

#define LAUNCH_INHERIT	INT_MAX

struct launch {
	struct work work;
	struct context *ctx;		/* the function's */
	struct sg_launch l;
	unsigned char params[];
};

/* The result that cuLaunchKernel() gives for this shape. */
CUresult launch_check(const struct function *f, const struct geometry *g);
/* Packs the arguments, of which only one form may be given. free() ends it. */
CUresult launch_create(const struct function *f, const struct geometry *g, void **pointers,
		       void **extra, struct launch **out);
/* With the lock held, when it is queued: what the kernel needs of its context is there from now on. */
CUresult launch_begin(const struct launch *w);
/* Without the lock: runs the grid to its end. */
CUresult launch_grid(const struct launch *w, int priority);
/* Takes over what holds for a launch, and refuses what cannot be had, with a line on stderr. */
CUresult launch_attribute(const CUlaunchAttribute *a, struct geometry *g);

#endif
