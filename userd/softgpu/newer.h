/* SPDX-License-Identifier: MIT */
/*
 * newer.h - functions that the toolkit's cuda.h may be too old to have
 */
#ifndef SOFTGPU_NEWER_H
#define SOFTGPU_NEWER_H

#include "api.h"

#pragma GCC visibility push(default)

/* CUDA 13.2 */
CUresult cuFuncGetParamCount(CUfunction f, size_t *count);
CUresult cuKernelGetParamCount(CUkernel kernel, size_t *count);

#pragma GCC visibility pop

#endif
