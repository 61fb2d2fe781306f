// SPDX-License-Identifier: MIT
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "vgpu_wire.h"
#include "vgpud.h"

#define RESULT_UNAVAILABLE	46u	/* CUDA_ERROR_DEVICE_UNAVAILABLE */

/* What a bulk connection begins with. */
struct bulk_frame {
	struct vwire_frame head;
	struct vwire_bulk bulk;
};

/* Its rings and its descriptor are somebody else's. */
static void session_forget(struct session *s)
{
	struct vgpud *v = s->vgpud;

	dial_cancel(&s->dial);
	pump_stop(&s->pump);
	TAILQ_REMOVE(&v->sessions, s, link);
	v->nr_sessions--;
	free(s);
}

/*
 * The last reference to the rings is the mapping: unmapped, closed, and the function sees the end.
 */
static void session_free(struct session *s)
{
	int sock = s->pump.running ? s->pump.sock.fd : -1;

	lanes_end(&s->vgpud->lanes, s);
	pump_stop(&s->pump);
	if (sock >= 0)
		close(sock);
	control_unmap(&s->pump.fwd.ring);
	close(s->fd);
	session_forget(s);
}

static void session_end(struct session *s, const char *why)
{
	log_info("session %" PRIu64 " ended: vgpu%u, %s, %.3f s", s->id, s->device->index, why,
		 (net_now() - s->since) / 1000.0);
	session_free(s);
}

/* The function may have left no room for the frame; then the end of its descriptor has to do. */
static void session_close(struct session *s, uint32_t reason, const char *text)
{
	fwd_close(&s->pump.fwd, RESULT_UNAVAILABLE, reason, text);
	session_end(s, text);
}

static void ring_doorbell(void *arg)
{
	struct session *s = arg;

	control_doorbell(s->fd);
}

static void report_memory(void *arg, uint64_t mem_used)
{
	struct session *s = arg;
	int err = control_report_session(s->fd, mem_used);

	if (err && err != -EPIPE)
		log_warn("session %" PRIu64 ": cannot report its memory: %s", s->id,
			 strerror(-err));
}

static const struct fwd_ops ops = { .wake = ring_doorbell, .status = report_memory };

static void session_over(struct session *s, int err)
{
	char text[VWIRE_TEXT_MAX];

	if (err == -EPROTO) {
		log_warn("session %" PRIu64 ": a ring index or a frame header that cannot be",
			 s->id);
		session_close(s, VWIRE_REASON_PROTOCOL,
			      "a ring index or a frame header that cannot be");
		return;
	}
	snprintf(text, sizeof(text), "the connection to %s has ended: %s", device_server(s->device),
		 strerror(-err));
	session_close(s, VWIRE_REASON_LOST, text);
}

static void pump_over(struct pump *p, int err)
{
	struct session *s = container_of(p, struct session, pump);

	if (err == -ESHUTDOWN)
		session_end(s, "closed by the function");
	else
		session_over(s, err);
}

static void session_start(struct session *s, int fd)
{
	uint8_t lease[VWIRE_CONTROL_MAX];
	struct fwd_ring ring = s->pump.fwd.ring;
	uint64_t features = VWIRE_FEAT_STATUS;
	int n, err;

	if (s->vgpud->conf.bulk_threads)
		features |= VWIRE_FEAT_BULK;
	n = net_lease_frame(lease, sizeof(lease), features, s->mem_limit,
			    device_queue_wait(s->device), device_tenant(s->device));
	err = n < 0 ? n : fwd_init(&s->pump.fwd, &ring, fd, &ops, s);
	if (!err)
		err = fwd_prefix(&s->pump.fwd, lease, n);
	if (!err)
		err = pump_start(&s->pump, fd);
	if (err) {
		close(fd);
		session_over(s, err);
	}
}

/* ---- connecting ---- */

static void dial_done(struct dial *d, int fd)
{
	struct session *s = container_of(d, struct session, dial);
	struct device *device = s->device;
	char text[VWIRE_TEXT_MAX];

	if (fd >= 0) {
		session_start(s, fd);
		device_answered(device);
		return;
	}
	device_silent(device, fd);
	snprintf(text, sizeof(text), "%s does not answer: %s", device_server(device),
		 strerror(-fd));
	session_close(s, VWIRE_REASON_LOST, text);
}

static void session_connect(struct session *s)
{
	struct device *d = s->device;
	struct vgpud *v = s->vgpud;
	char text[64];
	int fd;

	if (v->draining) {
		session_close(s, VWIRE_REASON_DRAINING, "vgpud is going down");
		return;
	}
	if (!*device_server(d)) {
		snprintf(text, sizeof(text), "no server is configured for vgpu%u", d->index);
		session_close(s, VWIRE_REASON_LOST, text);
		return;
	}
	fd = device_take_spare(d);
	if (fd >= 0)
		session_start(s, fd);
	else
		dial_start(&s->dial, &v->loop, d->addrs, d->nr_addrs, v->conf.connect_timeout,
			   dial_done);
}

/* ---- what it is ---- */

/* The process's session on the device that runs, the newest; NULL: there is none. */
static struct session *running_of(const struct session *s)
{
	struct session *p;

	TAILQ_FOREACH_REVERSE(p, &s->vgpud->sessions, sessions, link)
		if (p->pump.running && p->pid == s->pid && p->device == s->device)
			return p;
	return NULL;
}

static void become_lane(struct session *s, const struct bulk_frame *f)
{
	struct session *of = running_of(s);
	char text[VWIRE_TEXT_MAX];
	int err = -ESRCH;

	pump_stop(&s->pump);
	if (of)
		err = lane_create(&s->vgpud->lanes, of, s, f, sizeof(*f));
	if (!err) {
		log_debug("session %" PRIu64 ": bulk connection of %" PRIu64, s->id, of->id);
		session_forget(s);
		return;
	}
	snprintf(text, sizeof(text), "no bulk connection: %s", strerror(-err));
	session_close(s, err == -ESRCH ? VWIRE_REASON_PROTOCOL : VWIRE_REASON_FULL, text);
}

/* The function rings when there is more, until it is known. */
static void decide(struct pump *p)
{
	struct session *s = container_of(p, struct session, pump);
	struct bulk_frame f;
	int r;

	if (s->dial.loop)
		return;
	r = fwd_peek(&p->fwd, &f.head, sizeof(f.head));
	if (r > 0 && le16toh(f.head.op) != VWIRE_OP_BULK) {
		session_connect(s);
		return;
	}
	if (r > 0)
		r = fwd_peek(&p->fwd, &f, sizeof(f));
	if (r > 0 && (le16toh(f.head.op) != VWIRE_OP_BULK || f.head.flags ||
		      le32toh(f.head.size) != sizeof(f) || le32toh(f.bulk.magic) != VWIRE_MAGIC))
		r = -EPROTO;
	if (r < 0)
		session_over(s, r);
	else if (r > 0)
		become_lane(s, &f);
}

/* In the list, with its rings mapped; or nothing is left of it. */
static int session_create(struct vgpud *v, const struct vgpu_session_attach *a)
{
	struct session *s = calloc(1, sizeof(*s));
	struct fwd_ring ring;
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct session){
		.vgpud = v,
		.device = &v->devices[a->device],
		.id = a->session,
		.mem_limit = a->mem_limit,
		.pid = a->pid,
		.fd = a->fd,
		.since = net_now(),
		.pump = { .told = decide, .over = pump_over },
	};
	err = control_map(a, &ring);
	if (err)
		goto free_session;
	err = fwd_init(&s->pump.fwd, &ring, -1, &ops, s);
	if (!err)
		err = pump_open(&s->pump, &v->mover, a->fd);
	if (err)
		goto unmap;
	TAILQ_INSERT_TAIL(&v->sessions, s, link);
	v->nr_sessions++;
	if (v->draining || !v->conf.bulk_threads || !running_of(s))
		session_connect(s);
	else
		decide(&s->pump);
	return 0;

unmap:
	control_unmap(&ring);
free_session:
	free(s);
	return err;
}

void session_announced(struct vgpud *v, uint64_t id)
{
	struct vgpu_session_attach a;
	int err = control_attach(v->control, id, &a);

	if (err) {
		log_line(err == -ENOENT || err == -EBUSY ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
			 "session %" PRIu64 " not attached: %s", id, strerror(-err));
		return;
	}
	log_info("session %" PRIu64 ": vgpu%u, pid %d, uid %u, limit %llu bytes", id, a.device,
		 a.pid, a.uid, (unsigned long long)a.mem_limit);
	err = a.device < v->nr_devices ? session_create(v, &a) : -ENODEV;
	if (err) {
		log_err("session %" PRIu64 " dropped: %s", id, strerror(-err));
		close(a.fd);
	}
}

void sessions_close(struct vgpud *v, uint32_t reason, const char *text)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&v->sessions)))
		session_close(s, reason, text);
}
