// SPDX-License-Identifier: MIT
#include "dial.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void try_next(struct dial *d);

static void drop_socket(struct dial *d)
{
	if (!d->event.fn)
		return;
	event_del(d->loop, &d->event);
	close(d->event.fd);
}

static void dial_late(struct event_timer *t)
{
	struct dial *d = container_of(t, struct dial, timer);

	d->result = -ETIMEDOUT;
	drop_socket(d);
	try_next(d);
}

static void dial_event(struct event *e, uint32_t events)
{
	struct dial *d = container_of(e, struct dial, event);
	int fd = e->fd;

	(void)events;
	d->result = net_connected(fd);
	if (d->result) {
		drop_socket(d);
		try_next(d);
		return;
	}
	event_timer_clear(d->loop, &d->timer);
	event_del(d->loop, e);
	d->done(d, fd);
}

static void dial_failed(struct event_timer *t)
{
	struct dial *d = container_of(t, struct dial, timer);

	d->done(d, d->result);
}

/*
 * What fails at once fails by way of a timer, so that nobody is called back from within
 * dial_start().
 */
static void try_next(struct dial *d)
{
	int fd;

	while (d->next < d->nr_addrs) {
		fd = net_connect_start(&d->addrs[d->next++]);
		if (fd >= 0 && !event_add(d->loop, &d->event, fd, EPOLLOUT, dial_event)) {
			event_timer_set(d->loop, &d->timer, net_now() + d->timeout_ms, dial_late);
			return;
		}
		d->result = fd < 0 ? fd : -ENOMEM;
		if (fd >= 0)
			close(fd);
	}
	event_timer_set(d->loop, &d->timer, net_now(), dial_failed);
}

void dial_start(struct dial *d, struct event_loop *loop, const struct net_addr *addrs, int nr_addrs,
		uint32_t timeout_ms, void (*done)(struct dial *d, int fd))
{
	dial_cancel(d);
	d->loop = loop;
	d->nr_addrs = nr_addrs < DIAL_ADDRS ? nr_addrs : DIAL_ADDRS;
	if (d->nr_addrs > 0)
		memcpy(d->addrs, addrs, d->nr_addrs * sizeof(*addrs));
	d->next = 0;
	d->timeout_ms = timeout_ms;
	d->result = -EHOSTUNREACH;
	d->done = done;
	try_next(d);
}

void dial_cancel(struct dial *d)
{
	if (!d->loop)
		return;
	event_timer_clear(d->loop, &d->timer);
	drop_socket(d);
}
