/* SPDX-License-Identifier: MIT */
/*
 * device.h - the one device
 */
#ifndef SOFTGPU_DEVICE_H
#define SOFTGPU_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"

/*
 * Limits of a multiprocessor of the capability that the device reports (CUDA programming guide,
 * "Compute capabilities").
 */
struct device_limits {
	unsigned int sm;
	unsigned int threads, blocks;	/* resident */
	unsigned int registers;
	unsigned int shared;		/* bytes, all blocks together */
	unsigned int shared_optin;	/* bytes, one block that asked for it */
	unsigned int shared_reserved;	/* bytes the system takes of each block */
};

#define DEVICE_THREADS_PER_BLOCK	1024
#define DEVICE_SHARED_PER_BLOCK		49152

static inline bool device_exists(CUdevice dev)
{
	return dev == 0;
}

const struct device_limits *device_limits(void);
/* What cuDeviceGetAttribute() gives. */
int device_attribute(CUdevice_attribute a);
unsigned int device_multiprocessors(void);

#endif
