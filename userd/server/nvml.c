// SPDX-License-Identifier: MIT
#include "nvml.h"

#include <dlfcn.h>
#include <endian.h>
#include <stdio.h>

#include "log.h"
#include "net.h"

#define FRESH_MS	100	/* the driver samples no more often */

/* What it is loaded for; 0 is NVML_SUCCESS. */
struct calls {
	int (*init)(void);
	int (*shutdown)(void);
	int (*driver)(char *version, unsigned int n);
	int (*by_uuid)(const char *uuid, void **device);
};

static bool look_up(void *so, struct calls *c, struct nvml *n)
{
	*(void **)&c->init = dlsym(so, "nvmlInit_v2");
	*(void **)&c->shutdown = dlsym(so, "nvmlShutdown");
	*(void **)&c->driver = dlsym(so, "nvmlSystemGetDriverVersion");
	*(void **)&c->by_uuid = dlsym(so, "nvmlDeviceGetHandleByUUID");
	*(void **)&n->rates = dlsym(so, "nvmlDeviceGetUtilizationRates");
	return c->init && c->shutdown && c->driver && c->by_uuid && n->rates;
}

static void uuid_text(const uint8_t u[16], char *text, size_t n)
{
	snprintf(text, n,
		 "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		 u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
		 u[14], u[15]);
}

void nvml_open(struct nvml *n, const char *library, const uint8_t uuid[16])
{
	void *so = *library ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;
	struct calls c;
	char text[64];

	if (!so)
		return;
	/* The one that asks a server, libnvml/, knows less than this server does. */
	if (dlsym(so, "vgpu_nvml") || !look_up(so, &c, n) || c.init()) {
		dlclose(so);
		return;
	}
	uuid_text(uuid, text, sizeof(text));
	if (c.by_uuid(text, &n->device)) {
		log_info("%s does not know %s", library, text);
		n->device = NULL;
		c.shutdown();
		dlclose(so);
		return;
	}
	if (c.driver(n->driver, sizeof(n->driver)))
		n->driver[0] = '\0';
	n->driver[sizeof(n->driver) - 1] = '\0';
}

bool nvml_utilisation(struct nvml *n, struct vwire_utilisation *u)
{
	uint64_t now = net_now();

	if (!n->device)
		return false;
	if (!n->asked || now - n->asked >= FRESH_MS) {
		n->known = !n->rates(n->device, &n->last);
		n->asked = now;
	}
	*u = (struct vwire_utilisation){ htole32(n->last.gpu), htole32(n->last.memory) };
	return n->known;
}
