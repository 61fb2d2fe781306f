/* SPDX-License-Identifier: MIT */
/*
 * grid.h - a launch while it runs
 */
#ifndef SOFTGPU_GRID_H
#define SOFTGPU_GRID_H

#include <pthread.h>

#include "ptx_module.h"

/* Bytes of a CTA's shared memory that are the system's, in modules that ask for them. */
#define SG_RESERVED_SHARED 1024

struct sg_job {
	struct sg_job *next;
	const struct sg_launch *l;
	const struct sg_kernel *k;
	struct sg_reach reach;
	uint64_t nr_ctas, id, step_limit;
	_Atomic uint64_t next_cta;
	_Atomic int stop;		/* a CTA has faulted */
	struct sg_fault fault;		/* the first; under the pool's lock */
	enum sg_result res;
	uint32_t users;			/* threads at work on it; under the pool's lock */
	uint32_t shared_bytes, nr_warps, threads;
	uint32_t user_shared;		/* bytes before the reserved ones, if there are any */
	uint32_t local_max;		/* bytes of local memory that a thread may have */
	/* device memory that %envreg1 and 2 point to, for grid sync */
	uint64_t workspace;
	struct coop *coop;		/* cooperative launch: all CTAs at once */
	struct sg_race *race;		/* NULL: no check; else one thread runs the grid */
};

/* Writes text of the kernel, one caller at a time. */
void sg_job_print(struct sg_job *job, const char *text, size_t len);

#endif
