/* SPDX-License-Identifier: MIT */
/*
 * api.h - the public face of the driver: cuda.h with every ABI version of every name, exported
 *
 * The library is built with -fvisibility=hidden; a definition takes the visibility of its first
 * declaration, so cuda.h's functions, and nothing else, become dynamic symbols.
 */
#ifndef SOFTGPU_API_H
#define SOFTGPU_API_H

/* base, _v2, _ptsz ... are separate names, and none is a macro */
#define __CUDA_API_VERSION_INTERNAL

#pragma GCC visibility push(default)
#include <cuda.h>
#pragma GCC visibility pop

#endif
