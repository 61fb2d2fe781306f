/* SPDX-License-Identifier: MIT */
/*
 * device.h - the devices: all alike, SOFTGPU_DEVICES of them
 */
#ifndef SOFTGPU_DEVICE_H
#define SOFTGPU_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"

/*
 * Limits of a multiprocessor of the capability that the devices report (CUDA programming guide,
 * "Compute capabilities").
 */
struct device_limits {
	unsigned int sm;
	unsigned int threads, blocks;	/* resident */
	unsigned int registers;
	unsigned int shared;		/* bytes, all blocks together */
	unsigned int shared_optin;	/* bytes, one block that asked for it */
	unsigned int shared_reserved;	/* bytes the system takes of each block */
	unsigned int shared_unit;	/* bytes that a block's share is a multiple of */
	const unsigned short *splits;	/* KiB that can be shared memory, ascending, to 0xffff */
};

#define DEVICE_THREADS_PER_BLOCK	1024
#define DEVICE_SHARED_PER_BLOCK		49152
#define DEVICE_UUID_TEXT		41	/* "GPU-", 36 characters and a NUL */

bool device_exists(CUdevice dev);
const struct device_limits *device_limits(void);
/* What cuDeviceGetAttribute() gives, for any device. */
int device_attribute(CUdevice_attribute a);
/* NULL: softgpu does not play that capability. */
const struct device_limits *device_limits_of(unsigned int sm);
/* As many as the engine has threads. */
unsigned int device_multiprocessors(void);
/* Of the machine's device, visible or not. */
void device_uuid_text(int number, char text[DEVICE_UUID_TEXT]);
/* Each is alone on its PCI bus, in domain 0. */
int device_pci_bus(CUdevice dev);

#endif
