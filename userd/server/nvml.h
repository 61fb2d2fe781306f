/* SPDX-License-Identifier: MIT */
/*
 * nvml.h - the GPU's own libnvidia-ml.so.1, where there is one: the driver's version and what share of
 * the time the GPU is busy
 */
#ifndef SERVER_NVML_H
#define SERVER_NVML_H

#include <stdbool.h>
#include <stdint.h>

#include "vgpu_wire.h"

#define NVML_DRIVER_MAX	80	/* bytes of its version, NUL included */

struct nvml_rates {
	unsigned int gpu, memory;
};

/* device NULL: there is no such library, or it does not know the GPU. */
struct nvml {
	void *device;
	int (*rates)(void *device, struct nvml_rates *rates);
	char driver[NVML_DRIVER_MAX];
	bool known;			/* the last answer, and when: net_now() */
	struct nvml_rates last;
	uint64_t asked;
};

/* Looks for the GPU of that UUID, which the library may lack: softgpu is no GPU of NVIDIA's. */
void nvml_open(struct nvml *n, const char *library, const uint8_t uuid[16]);
bool nvml_utilisation(struct nvml *n, struct vwire_utilisation *u);

#endif /* SERVER_NVML_H */
