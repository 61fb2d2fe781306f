/* SPDX-License-Identifier: MIT */
/*
 * gpu.h - asks a server which GPU it has, without holding up the loop and without a lease
 */
#ifndef VGPUD_GPU_H
#define VGPUD_GPU_H

#include <stddef.h>
#include <stdint.h>

#include "dial.h"
#include "event.h"
#include "linux/vgpu.h"
#include "vgpu_wire.h"

/* What is not known is zero. */
struct gpu {
	char name[VGPU_GPU_NAME_MAX];
	uint8_t uuid[VGPU_UUID_BYTES];
};

/**
 * struct gpu_query - one question
 * @buf: what has come of the answer, @have bytes
 * @done: called once with 0, or -errno; -EAGAIN: the server does not know yet. Never from within
 *   gpu_query_start() itself
 */
struct gpu_query {
	struct event_loop *loop;
	struct dial dial;
	struct event event;
	struct event_timer timer;
	char tenant[VWIRE_NAME_MAX];
	uint32_t timeout_ms;
	uint8_t buf[VWIRE_CONTROL_MAX];
	size_t have;
	void (*done)(struct gpu_query *q, int err, const struct gpu *gpu);
};

/* The tenant is who asks; timeout_ms for the answer, and for each address to take the connection. */
void gpu_query_start(struct gpu_query *q, struct event_loop *loop, const struct net_addr *addrs,
		     int nr_addrs, const char *tenant, uint32_t timeout_ms,
		     void (*done)(struct gpu_query *q, int err, const struct gpu *gpu));
/* done will not be called. Harmless when it was, or nothing was started. */
void gpu_query_cancel(struct gpu_query *q);

#endif /* VGPUD_GPU_H */
