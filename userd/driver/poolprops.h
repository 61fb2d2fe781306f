/* SPDX-License-Identifier: MIT */
/*
 * poolprops.h - which memory pools there can be
 */
#ifndef DRIVER_POOLPROPS_H
#define DRIVER_POOLPROPS_H

#include "driver.h"

/* shareable: the kinds of handles that such a pool's memory can be passed on by. */
CUresult mempool_check(const CUmemPoolProps *props, unsigned int shareable);

/* CU_MEMPOOL_ATTR_REUSE_*: 1 or 0. */
struct pool_reuse {
	int follow, opportunistic, internal;
};

/* NULL: another attribute. */
int *pool_reuse_rule(struct pool_reuse *r, CUmemPool_attribute a);

#endif
