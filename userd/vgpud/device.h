/* SPDX-License-Identifier: MIT */
/*
 * device.h - one /dev/vgpuN: its server, whether that answers, one connection kept ready
 *
 * The spare saves the next session the time to connect. When the server closes it, it has gone,
 * begun anew, or holds more idle connections than it wants: connecting again tells which, later
 * each time that a spare does not last, so that clients of a full server do not drive each other
 * out.
 */
#ifndef VGPUD_DEVICE_H
#define VGPUD_DEVICE_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "dial.h"
#include "event.h"
#include "gpu.h"
#include "net.h"
#include "vgpu_wire.h"

struct vgpud;

struct device_conf {
	char *server, *tenant;
	uint32_t queue_wait;
};

/**
 * struct device - one of them
 * @conf: of the [vgpuN] section; empty where the general value holds
 * @addrs: of the server, as resolved last
 * @state: as reported last; UINT32_MAX: never
 * @spare: a connection that nobody uses yet; fd -1: none
 * @check_ms: how long after its loss the next one is made
 * @probe: while the server does not answer, and after the loss of a spare
 * @lookup: name resolution under way, while @looking
 * @stale: its answer is about a server that the configuration no longer names
 * @gpu: of the server, as it has said; asked with @query when one answers that did not
 * @again: while it does not know, asked again after @again_ms
 */
struct device {
	struct vgpud *vgpud;
	uint32_t index;
	struct device_conf conf;
	struct net_addr addrs[DIAL_ADDRS];
	int nr_addrs;
	uint32_t state;
	struct dial dial;
	bool dialing;
	struct event spare;
	uint64_t spare_since;
	uint32_t check_ms;
	struct event_timer probe;
	struct gaicb lookup;
	char lookup_host[NET_NAME_MAX], lookup_port[NET_NAME_MAX];
	bool looking, stale;
	struct gpu gpu;
	struct gpu_query query;
	struct event_timer again;
	uint32_t again_ms;
};

/* Finds out how many devices there are and begins to connect. 0 or -errno, logged. */
int devices_init(struct vgpud *v);
/* After the configuration was read again. */
void devices_reload(struct vgpud *v);
/* No more spares, state draining. */
void devices_drain(struct vgpud *v);

const char *device_server(const struct device *d);
const char *device_tenant(const struct device *d);
uint32_t device_queue_wait(const struct device *d);

/* The spare connection, the caller's from now on; another is made. -1: there is none. */
int device_take_spare(struct device *d);
/* What came of a session's own attempt to connect. */
void device_answered(struct device *d);
void device_silent(struct device *d, int err);

#endif /* VGPUD_DEVICE_H */
