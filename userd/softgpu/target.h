/* SPDX-License-Identifier: MIT */
/*
 * target.h - which PTX runs on the device
 */
#ifndef SOFTGPU_TARGET_H
#define SOFTGPU_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "engine.h"

/* The newest language that is known: that of CUDA 13.2. */
#define PTX_VERSION_MAX	92

enum target_kind {
	TARGET_PLAIN,		/* sm_90: this capability and all later ones */
	TARGET_FAMILY,		/* sm_100f: the later ones of its family */
	TARGET_EXACT,		/* sm_90a: this one only */
};

bool target_runs(unsigned int sm, enum target_kind kind);

/*
 * Looks at .version and .target, at the head of a text; nr: the text's number in the log, 0 for the
 * only one. CUDA_ERROR_UNSUPPORTED_PTX_VERSION: the language is newer; CUDA_ERROR_INVALID_PTX: the
 * target is. A text that does not begin so is left to the parser.
 */
CUresult target_check(const struct sg_ptx *ptx, unsigned int nr, struct sg_log *log);

#endif
