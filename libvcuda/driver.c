// SPDX-License-Identifier: MIT
/*
 * driver.c - what userd/driver asks of a libcuda.so.1, here
 */
#include "driver.h"

#include "vcuda.h"

bool device_exists(CUdevice dev)
{
	return dev >= 0 && dev < vcuda_lease()->nr_devices;
}

int device_attribute(CUdevice_attribute a)
{
	return vcuda_lease()->devices[vcuda_current_device()].attributes[a];
}
