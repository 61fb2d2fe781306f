/* SPDX-License-Identifier: MIT */
/*
 * error.c - names and descriptions of results
 */
#include "api.h"
#include "error.h"

CUresult cuGetErrorName(CUresult code, const char **name)
{
	return error_name(code, name);
}

CUresult cuGetErrorString(CUresult code, const char **text)
{
	return error_text(code, text);
}
