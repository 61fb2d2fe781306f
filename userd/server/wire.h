/* SPDX-License-Identifier: MIT */
/* wire.h - the frames that vgpu-server itself reads and writes: LEASE in, QUEUED and REFUSED out */
#ifndef SERVER_WIRE_H
#define SERVER_WIRE_H

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

/* 0 when a header can be that of a LEASE or BULK frame, else -EPROTO and why. */
int wire_check_header(const struct vwire_frame *h, struct refusal *why);

/*
 * A whole LEASE frame of n bytes, its header checked. 0: *lease is the client's as sent, but that
 * the tenant's name is printable and never empty. -EPROTO: why says what is wrong with it.
 */
int wire_parse_lease(const void *frame, size_t n, struct vwire_lease *lease, struct refusal *why);

/* A whole BULK frame of n bytes, its header checked. */
int wire_parse_bulk(const void *frame, size_t n, struct vwire_bulk *bulk, struct refusal *why);

/* Frames into buf (VWIRE_CONTROL_MAX bytes); their length. */
size_t wire_queued(void *buf, uint32_t place, uint64_t waited_ms);
size_t wire_refused(void *buf, const struct refusal *why);

#endif /* SERVER_WIRE_H */
