/* SPDX-License-Identifier: MIT */
/*
 * settings.h - what the environment says about the devices
 */
#ifndef SOFTGPU_SETTINGS_H
#define SOFTGPU_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"

#define SOFTGPU_DEVICES_MAX	16

/*
 * Reads SOFTGPU_SM, SOFTGPU_MEMORY, SOFTGPU_DEVICES, SOFTGPU_CHECK, SOFTGPU_FAULTS,
 * SOFTGPU_STEP_LIMIT, SOFTGPU_THREADS, SOFTGPU_ISA, SOFTGPU_DRIVER_VERSION and CUDA_VISIBLE_DEVICES,
 * once. A value that is none: CUDA_ERROR_NO_DEVICE, and a line on stderr but for the last, of which
 * CUDA says nothing.
 */
CUresult settings_read(void);

/* Devices that the program sees, and the machine's number of each. */
int driver_devices(void);
int device_number(CUdevice dev);
/* The capability, 75 for 7.5, and the bytes of one device. */
unsigned int driver_sm(void);
size_t driver_memory(void);
/* SOFTGPU_DRIVER_VERSION, or what it is by default: of CUDA, as cuDriverGetVersion() says. */
int driver_version(void);
/* SOFTGPU_CHECK: enum sg_check, or'ed. */
uint32_t driver_check(void);
/* SOFTGPU_FAULTS: a kernel's fault is its context's alone, not the process's. */
bool driver_faults_stay(void);

#endif
