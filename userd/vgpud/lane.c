// SPDX-License-Identifier: MIT
#include "lane.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "net.h"
#include "vgpud.h"

#define RESULT_UNAVAILABLE	46u	/* CUDA_ERROR_DEVICE_UNAVAILABLE */

/**
 * struct lane
 * @moving: in its carrier's coming or in over; under the lock of either
 * @carrier: NULL while it dials
 * @session: the number of the session that it is of
 * @frame: its VWIRE_OP_BULK frame, as it was checked
 * @err: why it is in over
 */
struct lane {
	struct lanes *lanes;
	TAILQ_ENTRY(lane) link, moving;
	struct carrier *carrier;
	struct pump pump;
	struct dial dial;
	uint64_t id, session, since;
	int fd, sock;
	struct zerocopy zero;
	uint8_t frame[VWIRE_CONTROL_MAX];
	uint32_t frame_len;
	int err;
};

static void ring_bell(int fd)
{
	eventfd_write(fd, 1);
}

static void clear_bell(int fd)
{
	eventfd_t n;

	eventfd_read(fd, &n);
}

/* ---- the end; of the main thread ---- */

static void lane_free(struct lane *l)
{
	TAILQ_REMOVE(&l->lanes->all, l, link);
	if (l->carrier)
		l->carrier->nr_lanes--;
	else
		pump_stop(&l->pump);
	dial_cancel(&l->dial);
	if (l->sock >= 0)
		close(l->sock);
	control_unmap(&l->pump.fwd.ring);
	close(l->fd);
	free(l);
}

/* Nobody moves it any more. */
static void lane_end(struct lane *l, int err)
{
	log_debug("session %" PRIu64 ": its bulk connection %" PRIu64 " has ended: %s, %.3f s, "
		  "%u sends from the ring's pages",
		  l->session, l->id, strerror(-err), (net_now() - l->since) / 1000.0,
		  l->zero.sent);
	fwd_close(&l->pump.fwd, RESULT_UNAVAILABLE,
		  err == -EPROTO ? VWIRE_REASON_PROTOCOL : VWIRE_REASON_LOST,
		  "a bulk connection has ended");
	lane_free(l);
}

static void lanes_told(struct event *e, uint32_t events)
{
	struct lanes *lanes = container_of(e, struct lanes, told);
	struct lane *l;

	(void)events;
	clear_bell(e->fd);
	pthread_mutex_lock(&lanes->lock);
	while ((l = TAILQ_FIRST(&lanes->over))) {
		TAILQ_REMOVE(&lanes->over, l, moving);
		pthread_mutex_unlock(&lanes->lock);
		lane_end(l, l->err);
		pthread_mutex_lock(&lanes->lock);
	}
	pthread_mutex_unlock(&lanes->lock);
}

void lanes_end(struct lanes *lanes, const struct session *of)
{
	struct lane *l, *next;

	for (l = TAILQ_FIRST(&lanes->all); l; l = next) {
		next = TAILQ_NEXT(l, link);
		if (l->session != of->id)
			continue;
		/* its carrier meets the end of the connection */
		if (l->carrier)
			shutdown(l->sock, SHUT_RDWR);
		else
			lane_end(l, -ESHUTDOWN);
	}
}

/* ---- carriers ---- */

static void ring_doorbell(void *arg)
{
	struct lane *l = arg;

	control_doorbell(l->fd);
}

static const struct fwd_ops ops = { .wake = ring_doorbell };

/* By the carrier. */
static void lane_over(struct pump *p, int err)
{
	struct lane *l = container_of(p, struct lane, pump);
	struct lanes *lanes = l->lanes;

	pump_stop(p);
	l->err = err;
	pthread_mutex_lock(&lanes->lock);
	TAILQ_INSERT_TAIL(&lanes->over, l, moving);
	pthread_mutex_unlock(&lanes->lock);
	ring_bell(lanes->told.fd);
}

static void not_yet(struct pump *p)
{
	(void)p;
}

static void take(struct carrier *c, struct lane *l)
{
	int err;

	l->pump.told = not_yet;
	l->pump.over = lane_over;
	l->pump.abrupt = true;
	err = pump_open(&l->pump, &c->mover, l->fd);
	if (!err)
		err = pump_start(&l->pump, l->sock);
	if (err)
		lane_over(&l->pump, err);
}

static void carrier_woken(struct event *e, uint32_t events)
{
	struct carrier *c = container_of(e, struct carrier, wake);
	struct lane *l;

	(void)events;
	clear_bell(e->fd);
	pthread_mutex_lock(&c->lock);
	while ((l = TAILQ_FIRST(&c->coming))) {
		TAILQ_REMOVE(&c->coming, l, moving);
		pthread_mutex_unlock(&c->lock);
		take(c, l);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
}

static bool is_stopped(struct carrier *c)
{
	bool stop;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

static void *carry(void *arg)
{
	struct carrier *c = arg;

	net_bulk_thread();
	while (!is_stopped(c) && !event_loop_run(&c->loop, TAILQ_EMPTY(&c->mover.busy)))
		mover_run(&c->mover);
	return NULL;
}

static int carrier_start(struct carrier *c, struct lanes *lanes)
{
	int fd, err = event_loop_init(&c->loop);

	if (err)
		return err;
	c->lanes = lanes;
	c->stop = false;
	c->nr_lanes = 0;
	pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->coming);
	mover_init(&c->mover, &c->loop, &lanes->look);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = fd < 0 ? -errno : event_add(&c->loop, &c->wake, fd, EPOLLIN, carrier_woken);
	if (!err)
		err = -pthread_create(&c->thread, NULL, carry, c);
	if (!err)
		return 0;
	if (fd >= 0)
		close(fd);
	event_loop_fini(&c->loop);
	return err;
}

/* The one with the fewest lanes; the first lane starts them. NULL: there is none. */
static struct carrier *pick(struct lanes *lanes)
{
	uint32_t want = lanes->vgpud->conf.bulk_threads;
	struct carrier *best = NULL;

	if (!lanes->nr_carriers)
		lanes->look.us = lanes->vgpud->look.us;
	while (lanes->nr_carriers < want &&
	       !carrier_start(&lanes->carriers[lanes->nr_carriers], lanes))
		lanes->nr_carriers++;
	for (uint32_t i = 0; i < lanes->nr_carriers; i++)
		if (!best || lanes->carriers[i].nr_lanes < best->nr_lanes)
			best = &lanes->carriers[i];
	return best;
}

/* ---- the beginning ---- */

/* While it dials, the loop watches for its end. */
static void ended_early(struct pump *p, int err)
{
	lane_end(container_of(p, struct lane, pump), err);
}

/* What the server gets first is what was checked, whatever the ring says by now. */
static int prepare(struct lane *l)
{
	struct fwd_ring ring = l->pump.fwd.ring;
	int err = fwd_init(&l->pump.fwd, &ring, l->sock, &ops, l);

	net_bulk_options(l->sock);
	zerocopy_init(&l->zero, l->sock, zerocopy_is_wanted());
	fwd_zerocopy(&l->pump.fwd, &l->zero);
	if (!err)
		err = fwd_prefix(&l->pump.fwd, l->frame, l->frame_len);
	if (!err)
		fwd_skip(&l->pump.fwd, l->frame_len);
	return err;
}

static void dial_done(struct dial *d, int fd)
{
	struct lane *l = container_of(d, struct lane, dial);
	struct carrier *c = NULL;
	int err = fd < 0 ? fd : 0;

	l->sock = fd;
	if (!err)
		err = prepare(l);
	if (!err)
		c = pick(l->lanes);
	if (!c) {
		lane_end(l, err ? err : -EAGAIN);
		return;
	}
	pump_stop(&l->pump);
	l->carrier = c;
	c->nr_lanes++;
	pthread_mutex_lock(&c->lock);
	TAILQ_INSERT_TAIL(&c->coming, l, moving);
	pthread_mutex_unlock(&c->lock);
	ring_bell(c->wake.fd);
}

static uint32_t count(const struct lanes *lanes, const struct session *of)
{
	const struct lane *l;
	uint32_t n = 0;

	TAILQ_FOREACH(l, &lanes->all, link)
		n += l->session == of->id;
	return n;
}

/* To where the session is connected, whatever a name has come to mean since. */
int lane_create(struct lanes *lanes, const struct session *of, const struct session *a,
		const void *frame, uint32_t n)
{
	struct net_addr to = { .len = sizeof(to.sa) };
	struct vgpud *v = lanes->vgpud;
	struct lane *l;
	int err;

	if (count(lanes, of) >= LANES_MAX || !v->conf.bulk_threads || n > sizeof(l->frame))
		return -EUSERS;
	if (getpeername(of->pump.sock.fd, (struct sockaddr *)&to.sa, &to.len) < 0)
		return -errno;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	*l = (struct lane){ .lanes = lanes, .id = a->id, .session = of->id, .since = net_now(),
			    .fd = a->fd, .sock = -1, .frame_len = n };
	memcpy(l->frame, frame, n);
	l->pump.told = not_yet;
	l->pump.over = ended_early;
	err = fwd_init(&l->pump.fwd, &a->pump.fwd.ring, -1, &ops, l);
	if (!err)
		err = pump_open(&l->pump, &v->mover, l->fd);
	if (err) {
		free(l);
		return err;
	}
	TAILQ_INSERT_TAIL(&lanes->all, l, link);
	dial_start(&l->dial, &v->loop, &to, 1, v->conf.connect_timeout, dial_done);
	return 0;
}

/* ---- the whole ---- */

int lanes_init(struct lanes *lanes, struct vgpud *v)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;

	*lanes = (struct lanes){ .vgpud = v };
	TAILQ_INIT(&lanes->all);
	TAILQ_INIT(&lanes->over);
	pthread_mutex_init(&lanes->lock, NULL);
	if (fd < 0)
		return -errno;
	err = event_add(&v->loop, &lanes->told, fd, EPOLLIN, lanes_told);
	if (err)
		close(fd);
	return err;
}

static void carrier_stop(struct carrier *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_mutex_unlock(&c->lock);
	ring_bell(c->wake.fd);
	pthread_join(c->thread, NULL);
	close(c->wake.fd);
	event_loop_fini(&c->loop);
	pthread_mutex_destroy(&c->lock);
}

void lanes_fini(struct lanes *lanes)
{
	struct lane *l;

	while (lanes->nr_carriers)
		carrier_stop(&lanes->carriers[--lanes->nr_carriers]);
	while ((l = TAILQ_FIRST(&lanes->all)))
		lane_free(l);
	event_del(&lanes->vgpud->loop, &lanes->told);
	close(lanes->told.fd);
	pthread_mutex_destroy(&lanes->lock);
}
