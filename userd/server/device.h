/* SPDX-License-Identifier: MIT */
/*
 * device.h - what the client wants to know of the device: read once, while the worker warms up
 */
#ifndef SERVER_DEVICE_H
#define SERVER_DEVICE_H

#include <cuda.h>
#include <stdint.h>

#include "vgpu_codec.h"
#include "vgpu_wire.h"

struct device {
	CUdevice dev;
	int driver_version, nr_devices;
	unsigned int sm;		/* compute capability, 90 for 9.0 */
	uint64_t free_mem;
	struct vwire_device head;	/* as it goes out */
	struct vwire_attribute attributes[CU_DEVICE_ATTRIBUTE_MAX + CU_LIMIT_MAX];
};

/* Needs the device's context to be current. */
int device_read(struct device *d, CUdevice dev);
/* As a VWIRE_TLV_DEVICE. */
void device_put(const struct device *d, struct vwire_wr *wr);

#endif /* SERVER_DEVICE_H */
