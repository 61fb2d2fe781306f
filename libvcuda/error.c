// SPDX-License-Identifier: MIT
/*
 * error.c - names and descriptions of CUresult values
 */
#include "error.h"
#include "vcuda.h"

CUresult hand_cuGetErrorName(CUresult error, const char **name)
{
	return error_name(error, name);
}

CUresult hand_cuGetErrorString(CUresult error, const char **text)
{
	return error_text(error, text);
}
