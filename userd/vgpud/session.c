// SPDX-License-Identifier: MIT
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "vgpud.h"

#define RESULT_UNAVAILABLE	46u	/* CUDA_ERROR_DEVICE_UNAVAILABLE */
#define NO_SPIN_TIMES		8

static void set_busy(struct session *s, bool busy)
{
	if (s->busy == busy)
		return;
	s->busy = busy;
	if (busy)
		TAILQ_INSERT_TAIL(&s->vgpud->busy, s, busy_link);
	else
		TAILQ_REMOVE(&s->vgpud->busy, s, busy_link);
}

/*
 * The last reference to the rings is the mapping: unmapped, closed, and the function sees the end.
 */
static void session_free(struct session *s)
{
	struct vgpud *v = s->vgpud;

	set_busy(s, false);
	dial_cancel(&s->dial);
	event_del(&v->loop, &s->ring);
	if (s->running) {
		event_del(&v->loop, &s->sock);
		close(s->sock.fd);
	}
	control_unmap(&s->fwd.ring);
	close(s->fd);
	TAILQ_REMOVE(&v->sessions, s, link);
	v->nr_sessions--;
	free(s);
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
	fwd_close(&s->fwd, RESULT_UNAVAILABLE, reason, text);
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

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * A short look for more work saves the two system calls of a doorbell and its poll, when work comes
 * that soon. When it did not, the next few times are not spent on it.
 */
static bool spin(struct session *s)
{
	uint64_t now;

	if (!s->vgpud->conf.spin_us)
		return false;
	if (!s->idle_us && s->no_spin) {
		s->no_spin--;
		return false;
	}
	now = now_us();
	if (!s->idle_us)
		s->idle_us = now;
	if (now - s->idle_us < s->vgpud->conf.spin_us)
		return true;
	s->idle_us = 0;
	s->no_spin = NO_SPIN_TIMES;
	return false;
}

static void session_run(struct session *s)
{
	int r = fwd_run(&s->fwd);

	if (r < 0)
		session_over(s, r);
	else if (r > 0)
		s->idle_us = 0;
	else if (!spin(s) && fwd_sleep(&s->fwd))
		set_busy(s, false);
}

void sessions_run(struct vgpud *v)
{
	struct session *s, *next;

	for (s = TAILQ_FIRST(&v->busy); s; s = next) {
		next = TAILQ_NEXT(s, busy_link);
		session_run(s);
	}
}

static void wake_up(struct session *s)
{
	if (!s->running || s->busy)
		return;
	fwd_wakeup(&s->fwd);
	set_busy(s, true);
}

static void ring_event(struct event *e, uint32_t events)
{
	struct session *s = container_of(e, struct session, ring);

	if (events & EPOLLHUP)
		session_end(s, "closed by the function");
	else
		wake_up(s);
}

/* Its end is met by fwd_run(), behind what was sent before it. */
static void sock_event(struct event *e, uint32_t events)
{
	(void)events;
	wake_up(container_of(e, struct session, sock));
}

/*
 * Edge-triggered: a session that waits for room in one direction is not woken over and over by the
 * other, and what is waited for need not be told to epoll each time. fwd_run() always goes on until
 * there is nothing left.
 */
static void session_start(struct session *s, int fd)
{
	uint8_t lease[VWIRE_CONTROL_MAX];
	struct fwd_ring ring = s->fwd.ring;
	int n, err;

	n = net_lease_frame(lease, sizeof(lease), VWIRE_FEAT_STATUS, s->mem_limit,
			    device_queue_wait(s->device), device_tenant(s->device));
	err = n < 0 ? n : fwd_init(&s->fwd, &ring, fd, &ops, s);
	if (!err)
		err = fwd_prefix(&s->fwd, lease, n);
	if (!err)
		err = event_add(&s->vgpud->loop, &s->sock, fd,
				EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, sock_event);
	if (err) {
		close(fd);
		session_over(s, err);
		return;
	}
	s->running = true;
	set_busy(s, true);
}

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
		.fd = a->fd,
		.since = net_now(),
	};
	err = control_map(a, &ring);
	if (err)
		goto free_session;
	err = fwd_init(&s->fwd, &ring, -1, &ops, s);
	if (!err)
		err = event_add(&v->loop, &s->ring, a->fd, EPOLLIN | EPOLLOUT | EPOLLET,
				ring_event);
	if (err)
		goto unmap;
	TAILQ_INSERT_TAIL(&v->sessions, s, link);
	v->nr_sessions++;
	session_connect(s);
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
