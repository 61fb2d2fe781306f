// SPDX-License-Identifier: MIT
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "vgpud.h"

#define SPARE_OLD_MS	60000u
#define SPARE_CHECK_MS	500u
#define SPARE_CHECK_MAX_MS	60000u
#define GPU_AGAIN_MS	1000u
#define GPU_AGAIN_MAX_MS	60000u

static void dial_spare(struct device *d);

const char *device_server(const struct device *d)
{
	return *d->conf.server ? d->conf.server : d->vgpud->conf.server;
}

const char *device_tenant(const struct device *d)
{
	return *d->conf.tenant ? d->conf.tenant : d->vgpud->conf.tenant;
}

uint32_t device_queue_wait(const struct device *d)
{
	return d->conf.queue_wait ? d->conf.queue_wait : d->vgpud->conf.queue_wait;
}

/* The state for sysfs; told when it changes. force: the server's name may have changed. */
static void report(struct device *d, uint32_t state, bool force)
{
	int err;

	if (d->vgpud->draining)
		state = VGPU_DEVICE_DRAINING;
	if (d->state == state && !force)
		return;
	d->state = state;
	err = control_report_device(d->vgpud->control, d->index, state, device_server(d), &d->gpu);
	if (err)
		log_warn("vgpu%u: cannot report its state: %s", d->index, strerror(-err));
}

static void drop_spare(struct device *d)
{
	if (!d->spare.fn)
		return;
	event_del(&d->vgpud->loop, &d->spare);
	close(d->spare.fd);
}

static bool is_numeric(const char *host)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *list;

	if (getaddrinfo(host, NULL, &hints, &list))
		return false;
	freeaddrinfo(list);
	return true;
}

/*
 * Start-up and SIGHUP may wait for a name server; the loop, with sessions running, may not: see
 * look_again().
 */
static void resolve(struct device *d)
{
	int n = net_resolve(device_server(d), false, d->addrs, DIAL_ADDRS);

	d->nr_addrs = n < 0 ? 0 : n;
	if (n < 0)
		log_warn("vgpu%u: %s: %s", d->index, device_server(d), strerror(-n));
}

static void take_lookup(struct device *d)
{
	struct addrinfo *ai;
	int n = 0;

	for (ai = d->lookup.ar_result; ai && n < DIAL_ADDRS; ai = ai->ai_next) {
		if (ai->ai_socktype != SOCK_STREAM)
			continue;
		memset(&d->addrs[n], 0, sizeof(d->addrs[n]));
		memcpy(&d->addrs[n].sa, ai->ai_addr, ai->ai_addrlen);
		d->addrs[n++].len = ai->ai_addrlen;
	}
	if (d->lookup.ar_result)
		freeaddrinfo(d->lookup.ar_result);
	d->lookup.ar_result = NULL;
	if (n)
		d->nr_addrs = n;
}

/*
 * While a server does not answer its name may come to mean another machine: asked for in the
 * background, one tick to the next.
 */
static void look_again(struct device *d)
{
	struct gaicb *list[] = { &d->lookup };

	if (d->looking && gai_error(&d->lookup) == EAI_INPROGRESS)
		return;
	if (d->looking && !d->stale)
		take_lookup(d);
	d->looking = d->stale = false;
	if (net_split(device_server(d), d->lookup_host, d->lookup_port) ||
	    is_numeric(d->lookup_host))
		return;
	d->lookup = (struct gaicb){ .ar_name = d->lookup_host, .ar_service = d->lookup_port };
	d->looking = !getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
}

static void probe_event(struct event_timer *t)
{
	struct device *d = container_of(t, struct device, probe);

	if (d->state == VGPU_DEVICE_UNREACHABLE)
		look_again(d);
	dial_spare(d);
}

static void ask_gpu(struct device *d);

static void again_event(struct event_timer *t)
{
	ask_gpu(container_of(t, struct device, again));
}

/* A server that does not say is not asked again before it has been away. */
static void gpu_known(struct gpu_query *q, int err, const struct gpu *gpu)
{
	struct device *d = container_of(q, struct device, query);

	if (!err) {
		d->gpu = *gpu;
		log_info("vgpu%u: %s has %s", d->index, device_server(d), gpu->name);
		report(d, d->state, true);
		return;
	}
	log_debug("vgpu%u: %s does not say which GPU it has: %s", d->index, device_server(d),
		  strerror(-err));
	if (err != -EAGAIN)
		return;
	event_timer_set(&d->vgpud->loop, &d->again, net_now() + d->again_ms, again_event);
	if (d->again_ms < GPU_AGAIN_MAX_MS)
		d->again_ms *= 2;
}

static void ask_gpu(struct device *d)
{
	event_timer_clear(&d->vgpud->loop, &d->again);
	gpu_query_start(&d->query, &d->vgpud->loop, d->addrs, d->nr_addrs, device_tenant(d),
			d->vgpud->conf.connect_timeout, gpu_known);
}

static void forget_gpu(struct device *d)
{
	event_timer_clear(&d->vgpud->loop, &d->again);
	gpu_query_cancel(&d->query);
	memset(&d->gpu, 0, sizeof(d->gpu));
}

void device_answered(struct device *d)
{
	bool is_new = d->state == VGPU_DEVICE_UNREACHABLE;

	if (is_new)
		log_info("vgpu%u: %s answers", d->index, device_server(d));
	report(d, VGPU_DEVICE_READY, false);
	dial_spare(d);
	if (is_new && d->state == VGPU_DEVICE_READY) {
		d->again_ms = GPU_AGAIN_MS;
		ask_gpu(d);
	}
}

void device_silent(struct device *d, int err)
{
	struct vgpud *v = d->vgpud;

	if (v->draining || !*device_server(d))
		return;
	if (d->state != VGPU_DEVICE_UNREACHABLE)
		log_warn("vgpu%u: %s does not answer: %s", d->index, device_server(d),
			 strerror(-err));
	report(d, VGPU_DEVICE_UNREACHABLE, false);
	if (!d->probe.at && !d->dialing)
		event_timer_set(&v->loop, &d->probe, net_now() + v->conf.probe_interval,
				probe_event);
}

/* Nothing is ever sent to a spare: what happens to it is its end. */
static void spare_event(struct event *e, uint32_t events)
{
	struct device *d = container_of(e, struct device, spare);
	uint64_t now = net_now();

	(void)events;
	drop_spare(d);
	log_debug("vgpu%u: %s closed the spare connection", d->index, device_server(d));
	if (!d->check_ms || now - d->spare_since >= SPARE_OLD_MS)
		d->check_ms = SPARE_CHECK_MS;
	else if (d->check_ms < SPARE_CHECK_MAX_MS)
		d->check_ms *= 2;
	event_timer_set(&d->vgpud->loop, &d->probe, now + d->check_ms, probe_event);
}

static void spare_done(struct dial *dial, int fd)
{
	struct device *d = container_of(dial, struct device, dial);

	d->dialing = false;
	if (fd < 0) {
		device_silent(d, fd);
		return;
	}
	d->spare_since = net_now();
	if (event_add(&d->vgpud->loop, &d->spare, fd, EPOLLIN | EPOLLRDHUP, spare_event))
		close(fd);
	device_answered(d);
}

static void dial_spare(struct device *d)
{
	struct vgpud *v = d->vgpud;

	if (d->spare.fn || d->dialing || v->draining || !*device_server(d))
		return;
	event_timer_clear(&v->loop, &d->probe);
	d->dialing = true;
	dial_start(&d->dial, &v->loop, d->addrs, d->nr_addrs, v->conf.connect_timeout, spare_done);
}

/*
 * An end that has arrived but that the loop has not come to yet is found here: such a spare is
 * none.
 */
int device_take_spare(struct device *d)
{
	int fd = -1;
	char c;

	if (d->spare.fn) {
		fd = d->spare.fd;
		event_del(&d->vgpud->loop, &d->spare);
		if (recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		dial_spare(d);
	return fd;
}

static void device_begin(struct device *d)
{
	if (*device_server(d))
		resolve(d);
	report(d, VGPU_DEVICE_UNREACHABLE, true);
	dial_spare(d);
}

/* The module has the devices 0 to N - 1. */
int devices_init(struct vgpud *v)
{
	int err;

	for (uint32_t i = 0; i < VGPU_MAX_DEVICES; i++) {
		struct device *d = &v->devices[i];

		d->vgpud = v;
		d->index = i;
		err = control_report_device(v->control, i, VGPU_DEVICE_UNREACHABLE,
					    device_server(d), &d->gpu);
		if (err == -ENOENT)
			break;
		if (err) {
			log_err("vgpu%u: cannot report its state: %s", i, strerror(-err));
			return err;
		}
		v->nr_devices++;
		device_begin(d);
	}
	return 0;
}

void devices_reload(struct vgpud *v)
{
	for (uint32_t i = 0; i < v->nr_devices; i++) {
		struct device *d = &v->devices[i];

		drop_spare(d);
		dial_cancel(&d->dial);
		d->dialing = false;
		event_timer_clear(&v->loop, &d->probe);
		d->nr_addrs = 0;
		d->stale = d->looking;
		forget_gpu(d);
		device_begin(d);
	}
}

void devices_drain(struct vgpud *v)
{
	for (uint32_t i = 0; i < v->nr_devices; i++) {
		struct device *d = &v->devices[i];

		drop_spare(d);
		dial_cancel(&d->dial);
		event_timer_clear(&v->loop, &d->probe);
		event_timer_clear(&v->loop, &d->again);
		gpu_query_cancel(&d->query);
		report(d, VGPU_DEVICE_DRAINING, true);
	}
}
