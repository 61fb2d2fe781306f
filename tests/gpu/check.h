/* SPDX-License-Identifier: MIT */
/*
 * check.h - a call of the driver API that must succeed; else the program ends, and says which
 */
#ifndef GPU_CHECK_H
#define GPU_CHECK_H

#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(call) do {							\
	CUresult res_ = (call);							\
	const char *name_ = "?";						\
	if (res_ != CUDA_SUCCESS) {						\
		cuGetErrorName(res_, &name_);					\
		fprintf(stderr, "%s: %s\n", #call, name_);			\
		exit(1);							\
	}									\
} while (0)

#endif
