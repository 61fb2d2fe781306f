// SPDX-License-Identifier: MIT
#include "info.h"

#include <endian.h>
#include <string.h>

#include "listener.h"
#include "server.h"

void info_device(struct info *i, const struct control_ready *ready, const void *device, size_t n)
{
	struct server *s = container_of(i, struct server, info);
	struct vwire_tlv tlv;
	struct vwire_device d;

	if (i->device_bytes || n < sizeof(tlv) + sizeof(d))
		return;
	memcpy(&tlv, device, sizeof(tlv));
	memcpy(&d, (const char *)device + sizeof(tlv), sizeof(d));
	if (le16toh(tlv.type) != VWIRE_TLV_DEVICE || le32toh(tlv.len) != n - sizeof(tlv))
		return;
	memcpy(i->device, device, n);
	i->device_bytes = n;
	i->driver_version = ready->driver_version;
	nvml_open(&i->nvml, s->conf.nvml, d.uuid);
}

static void count_leases(const struct server *s, const char *tenant, struct vwire_info *info)
{
	const struct pool_worker *w;
	uint64_t used = 0;
	uint32_t n = 0;

	for (w = s->pool.workers; w; w = w->next) {
		if (w->state != POOL_LEASED || strcmp(w->lease.tenant, tenant))
			continue;
		used += w->lease.mem_used;
		n++;
	}
	info->mem_used = htole64(used);
	info->nr_leases = htole32(n);
}

void info_answer(struct conn *c)
{
	struct server *s = c->server;
	struct info *i = &s->info;
	uint8_t buf[VWIRE_CONTROL_MAX];
	char driver[NVML_DRIVER_MAX];
	struct wire_info w = {
		.device = i->device,
		.device_bytes = i->device_bytes,
		.driver = driver,
	};
	struct refusal why;
	uint64_t quota;

	if (!i->device_bytes || !s->memory.total || nvml_starting(&i->nvml)) {
		refusal_set(&why, WIRE_UNAVAILABLE, VWIRE_REASON_WORKER,
			    "no worker has been warm yet");
		conn_refuse(c, &why);
		return;
	}
	/* More than there is: what there is, and the lease will be refused. */
	if (!ledger_quota(&s->memory, le64toh(c->lease.mem_limit), &quota))
		quota = s->memory.total;
	w.info = (struct vwire_info){
		.version = htole32(VWIRE_VERSION),
		.driver_version = htole32(i->driver_version),
		.mem_limit = htole64(quota),
		.nr_devices = htole32(1),
	};
	count_leases(s, c->lease.tenant, &w.info);
	w.has_utilisation = nvml_ask(&i->nvml, &w.utilisation, driver);
	conn_finish(c, buf, wire_info(buf, &w));
}
