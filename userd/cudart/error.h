/* SPDX-License-Identifier: MIT */
/*
 * error.h - what cuGetErrorName() and cuGetErrorString() say
 */
#ifndef CUDART_ERROR_H
#define CUDART_ERROR_H

#include <cuda.h>

CUresult error_name(CUresult code, const char **name);
CUresult error_text(CUresult code, const char **text);

#endif
