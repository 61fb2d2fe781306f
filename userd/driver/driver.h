/* SPDX-License-Identifier: MIT */
/*
 * driver.h - what the files here take from the libcuda.so.1 that they are a part of
 *
 * libvcuda and softgpu compile the same sources: rules that both go by, and calls that are made of
 * other calls. api.h is each one's own, with the names that a call has there.
 */
#ifndef DRIVER_DRIVER_H
#define DRIVER_DRIVER_H

#include <stdbool.h>

#include "api.h"

bool device_exists(CUdevice dev);
/* Of the current context's device. */
int device_attribute(CUdevice_attribute a);
/* Of cuCtxCreate() and cuDevicePrimaryCtxSetFlags(). */
bool context_flags_ok(unsigned int flags);
/* One line on stderr, prefixed. */
void driver_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
