/* SPDX-License-Identifier: MIT */
/*
 * launch_legacy.h - what cuFuncSetBlockShape() and cuParamSet*() leave in a function
 */
#ifndef SOFTGPU_LAUNCH_LEGACY_H
#define SOFTGPU_LAUNCH_LEGACY_H

#include "module.h"

/* Before f goes. */
void launch_legacy_forget(struct function *f);

#endif
