/* SPDX-License-Identifier: MIT */
/*
 * jit.h - what a caller of the JIT or of the linker asked for
 */
#ifndef VCUDA_JIT_H
#define VCUDA_JIT_H

#include "vcuda.h"

/* Where the JIT's words go, and its options. The pointers are the caller's. */
struct vcuda_jit {
	char *error_log;
	size_t error_bytes;
	void **error_size_out;
	void **info_size_out;
	char *info_log;
	size_t info_bytes;
	void **wall_time;
	struct vwire_jit_option options[CU_JIT_NUM_OPTIONS];
	unsigned int nr;
};

/* CUDA_ERROR_NOT_SUPPORTED for an option that cannot travel. */
CUresult vcuda_jit_take(struct vcuda_jit *j, unsigned int n, const CUjit_option *options,
			void **values);
/* The logs, and the time it took, to where the caller wants them. */
void vcuda_jit_give(struct vcuda_jit *j, struct vcuda_iov error, struct vcuda_iov info,
		    uint64_t ns);

#endif
