/* SPDX-License-Identifier: MIT */
/*
 * info.h - what the server tells of its GPU to those who take no lease: libnvidia-ml.so.1
 */
#ifndef SERVER_INFO_H
#define SERVER_INFO_H

#include <stddef.h>

#include "control.h"
#include "nvml.h"

struct conn;

/**
 * struct info - of the GPU, as the first worker that got warm has said
 * @device: a VWIRE_TLV_DEVICE value, header included; device_bytes 0: not known yet
 */
struct info {
	uint32_t driver_version;
	uint32_t device_bytes;
	uint8_t device[CONTROL_DEVICE_MAX];
	struct nvml nvml;
};

/* A worker is warm; device: n bytes that came with its message. */
void info_device(struct info *i, const struct control_ready *ready, const void *device, size_t n);
/* A connection has sent a QUERY frame. */
void info_answer(struct conn *c);

#endif /* SERVER_INFO_H */
