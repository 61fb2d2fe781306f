/* SPDX-License-Identifier: MIT */
/*
 * funcattr.h - attributes and parameters, the same for functions and kernels
 */
#ifndef SOFTGPU_FUNCATTR_H
#define SOFTGPU_FUNCATTR_H

#include "module.h"

CUresult attribute_get(const struct sg_kernel_info *info, const struct function_settings *set,
		       CUfunction_attribute attribute, int *value);
CUresult attribute_set(const struct sg_kernel_info *info, struct function_settings *set,
		       CUfunction_attribute attribute, int value);
CUresult param_info(const struct sg_kernel_info *info, size_t index, size_t *offset, size_t *size);

/* Dynamic shared bytes that a launch may ask for when nothing was set. */
unsigned int attribute_default_dynamic(const struct sg_kernel_info *info);

#endif
