/* SPDX-License-Identifier: MIT */
/*
 * arraydesc.h - which arrays there can be
 */
#ifndef DRIVER_ARRAYDESC_H
#define DRIVER_ARRAYDESC_H

#include "driver.h"

/* 0, or the error of a device that cannot have such an array; what is not supported is told. */
CUresult array_check(const CUDA_ARRAY3D_DESCRIPTOR *desc, bool mipmapped);
/* As many levels as asked for, and as there are sizes down to a single texel. */
unsigned int array_levels(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int n);

#endif
