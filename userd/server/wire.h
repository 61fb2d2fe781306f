/* SPDX-License-Identifier: MIT */
/*
 * wire.h - the frames that vgpu-server itself reads and writes: LEASE and QUERY in, QUEUED, INFO and
 * REFUSED out
 */
#ifndef SERVER_WIRE_H
#define SERVER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgpu_wire.h"

/* Results of a refused client's calls, as cuda.h numbers them; the listener does not include it. */
#define WIRE_INVALID_VALUE	1u	/* CUDA_ERROR_INVALID_VALUE */
#define WIRE_OUT_OF_MEMORY	2u	/* CUDA_ERROR_OUT_OF_MEMORY */
#define WIRE_UNAVAILABLE	46u	/* CUDA_ERROR_DEVICE_UNAVAILABLE */

/* Why a client gets no lease. */
struct refusal {
	uint32_t result, reason;
	char text[VWIRE_TEXT_MAX];
};

void refusal_set(struct refusal *r, uint32_t result, uint32_t reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* 0 when a header can be that of a LEASE, QUERY or BULK frame, else -EPROTO and why. */
int wire_check_header(const struct vwire_frame *h, struct refusal *why);

/*
 * A whole LEASE or QUERY frame of n bytes, its header checked. 0: *lease is the client's as sent, but that
 * the tenant's name is printable and never empty. -EPROTO: why says what is wrong with it.
 */
int wire_parse_lease(const void *frame, size_t n, struct vwire_lease *lease, struct refusal *why);

/* A whole BULK frame of n bytes, its header checked. */
int wire_parse_bulk(const void *frame, size_t n, struct vwire_bulk *bulk, struct refusal *why);

/* Frames into buf (VWIRE_CONTROL_MAX bytes); their length. */
size_t wire_queued(void *buf, uint32_t place, uint64_t waited_ms);
size_t wire_refused(void *buf, const struct refusal *why);

/**
 * struct wire_info - what an INFO frame tells
 * @info: as it goes out
 * @device, @device_bytes: a VWIRE_TLV_DEVICE value, header included
 * @driver: empty: not known
 * @has_utilisation: @utilisation is known
 */
struct wire_info {
	struct vwire_info info;
	const void *device;
	size_t device_bytes;
	const char *driver;
	bool has_utilisation;
	struct vwire_utilisation utilisation;
};
size_t wire_info(void *buf, const struct wire_info *info);

#endif /* SERVER_WIRE_H */
