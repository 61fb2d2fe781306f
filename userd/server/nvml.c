// SPDX-License-Identifier: MIT
#include "nvml.h"

#include <dlfcn.h>
#include <endian.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "net.h"

#define FRESH_MS	100	/* the driver samples no more often */
#define WAIT_MS		20	/* for a sample, by the loop */
#define OLD_MS		2000	/* such a sample is none; and starting takes no longer */

/* What it is loaded for; 0 is NVML_SUCCESS. */
struct calls {
	int (*init)(void);
	int (*shutdown)(void);
	int (*driver)(char *version, unsigned int n);
	int (*by_uuid)(const char *uuid, void **device);
	int (*rates)(void *device, struct nvml_rates *rates);
};

static bool look_up(void *so, struct calls *c)
{
	*(void **)&c->init = dlsym(so, "nvmlInit_v2");
	*(void **)&c->shutdown = dlsym(so, "nvmlShutdown");
	*(void **)&c->driver = dlsym(so, "nvmlSystemGetDriverVersion");
	*(void **)&c->by_uuid = dlsym(so, "nvmlDeviceGetHandleByUUID");
	*(void **)&c->rates = dlsym(so, "nvmlDeviceGetUtilizationRates");
	return c->init && c->shutdown && c->driver && c->by_uuid && c->rates;
}

static void uuid_text(const uint8_t u[16], char *text, size_t n)
{
	snprintf(text, n,
		 "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		 u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
		 u[14], u[15]);
}

/* NULL: there is no such library, or it does not know the GPU. */
static void *find_device(const struct nvml *n, struct calls *c)
{
	void *so = *n->library ? dlopen(n->library, RTLD_NOW | RTLD_LOCAL) : NULL, *device;
	char text[64];

	if (!so)
		return NULL;
	/* The one that asks a server, libnvml/, knows less than this server does. */
	if (dlsym(so, "vgpu_nvml") || !look_up(so, c) || c->init()) {
		dlclose(so);
		return NULL;
	}
	uuid_text(n->uuid, text, sizeof(text));
	if (!c->by_uuid(text, &device))
		return device;
	log_info("%s does not know %s", n->library, text);
	c->shutdown();
	dlclose(so);
	return NULL;
}

static void sample(struct nvml *n, const struct calls *c, void *device)
{
	struct nvml_rates rates;
	bool known;

	pthread_mutex_lock(&n->lock);
	while (!n->asked)
		pthread_cond_wait(&n->wanted, &n->lock);
	pthread_mutex_unlock(&n->lock);
	known = !c->rates(device, &rates);
	pthread_mutex_lock(&n->lock);
	n->known = known;
	n->last = rates;
	n->at = net_now();
	n->asked = false;
	pthread_cond_signal(&n->done);
	pthread_mutex_unlock(&n->lock);
}

static void *serve(void *arg)
{
	struct nvml *n = arg;
	struct calls c;
	char driver[NVML_DRIVER_MAX] = "";
	void *device = find_device(n, &c);

	if (device && c.driver(driver, sizeof(driver)))
		driver[0] = '\0';
	driver[sizeof(driver) - 1] = '\0';
	pthread_mutex_lock(&n->lock);
	memcpy(n->driver, driver, sizeof(driver));
	n->state = device ? NVML_READY : NVML_NONE;
	pthread_mutex_unlock(&n->lock);
	while (device)
		sample(n, &c, device);
	return NULL;
}

void nvml_open(struct nvml *n, const char *library, const uint8_t uuid[16])
{
	sigset_t all, old;
	pthread_t thread;
	int err;

	n->library = library;
	memcpy(n->uuid, uuid, sizeof(n->uuid));
	n->opened = net_now();
	n->state = NVML_STARTING;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->wanted, NULL);
	pthread_cond_init(&n->done, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, serve, n);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		n->state = NVML_NONE;
	else
		pthread_detach(thread);
}

bool nvml_starting(struct nvml *n)
{
	bool starting;

	pthread_mutex_lock(&n->lock);
	starting = n->state == NVML_STARTING && net_now() - n->opened < OLD_MS;
	pthread_mutex_unlock(&n->lock);
	return starting;
}

/* Under the lock. Who has asked in vain does not wait again. */
static void want_sample(struct nvml *n)
{
	struct timespec end;

	if (n->asked || (n->at && net_now() - n->at < FRESH_MS))
		return;
	n->asked = true;
	pthread_cond_signal(&n->wanted);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += WAIT_MS * 1000000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	while (n->asked)
		if (pthread_cond_clockwait(&n->done, &n->lock, CLOCK_MONOTONIC, &end))
			break;
}

bool nvml_ask(struct nvml *n, struct vwire_utilisation *u, char driver[NVML_DRIVER_MAX])
{
	bool known = false;

	pthread_mutex_lock(&n->lock);
	memcpy(driver, n->driver, NVML_DRIVER_MAX);
	if (n->state == NVML_READY) {
		want_sample(n);
		known = n->known && net_now() - n->at < OLD_MS;
		*u = (struct vwire_utilisation){ htole32(n->last.gpu), htole32(n->last.memory) };
	}
	pthread_mutex_unlock(&n->lock);
	return known;
}
