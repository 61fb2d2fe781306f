/* SPDX-License-Identifier: MIT */
/*
 * poolprops.h - which memory pools there can be
 */
#ifndef DRIVER_POOLPROPS_H
#define DRIVER_POOLPROPS_H

#include "driver.h"

/* shareable: the kinds of handles that such a pool's memory can be passed on by. */
CUresult mempool_check(const CUmemPoolProps *props, unsigned int shareable);

#endif
