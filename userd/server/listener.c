// SPDX-License-Identifier: MIT
#include "listener.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lease.h"
#include "log.h"
#include "net.h"
#include "server.h"

#define BACKLOG		512
#define LINGER_MS	1000
#define LINGER_BYTES	(1u << 20)
#define ACCEPT_RETRY_MS	100

static void conn_event(struct event *e, uint32_t events);

static void leave_list(struct conn *c)
{
	struct listener *l = &c->server->listener;

	if (c->state == CONN_READING) {
		TAILQ_REMOVE(&l->reading, c, link);
		l->nr_reading--;
	} else if (c->state == CONN_LINGER) {
		TAILQ_REMOVE(&l->lingering, c, link);
		l->nr_lingering--;
	} else {
		queue_remove(&c->server->queue, &c->entry);
	}
}

void conn_close(struct conn *c)
{
	leave_list(c);
	event_timer_clear(&c->server->loop, &c->timer);
	event_del(&c->server->loop, &c->event);
	close(c->event.fd);
	free(c);
}

int conn_send(struct conn *c, const void *frame, size_t n)
{
	ssize_t r = send(c->event.fd, frame, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (r < 0)
		return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return (size_t)r == n ? 0 : -EPIPE;
}

void conn_enqueue(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLRDHUP, .data.ptr = &c->event };

	leave_list(c);
	c->state = CONN_QUEUED;
	event_timer_clear(&c->server->loop, &c->timer);
	queue_push(&c->server->queue, &c->entry);
	/* HELLO stands unread in the socket and stays there for the worker. */
	epoll_ctl(c->server->loop.epfd, EPOLL_CTL_MOD, c->event.fd, &ev);
}

static void linger_over(struct event_timer *t)
{
	conn_close(container_of(t, struct conn, timer));
}

void conn_finish(struct conn *c, const void *frame, size_t n)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = &c->event };
	struct server *s = c->server;
	struct listener *l = &s->listener;

	if (conn_send(c, frame, n) || shutdown(c->event.fd, SHUT_WR) < 0 ||
	    l->nr_lingering >= s->conf.max_idle) {
		conn_close(c);
		return;
	}
	leave_list(c);
	c->state = CONN_LINGER;
	c->got = 0;
	TAILQ_INSERT_TAIL(&l->lingering, c, link);
	l->nr_lingering++;
	epoll_ctl(s->loop.epfd, EPOLL_CTL_MOD, c->event.fd, &ev);
	event_timer_set(&s->loop, &c->timer, net_now() + LINGER_MS, linger_over);
}

void conn_refuse(struct conn *c, const struct refusal *why)
{
	uint8_t buf[VWIRE_CONTROL_MAX];

	log_info("%s refused: %s", c->client, why->text);
	conn_finish(c, buf, wire_refused(buf, why));
}

static void lease_late(struct event_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);
	struct refusal why;

	refusal_set(&why, WIRE_INVALID_VALUE, VWIRE_REASON_PROTOCOL,
		    "no whole LEASE frame in %u ms", c->server->conf.lease_timeout);
	conn_refuse(c, &why);
}

/*
 * How many bytes are still wanted of the frame: the header first, then what it says. -EPROTO: why.
 */
static int frame_left(const struct conn *c, struct refusal *why)
{
	struct vwire_frame h;
	int err;

	if (c->got < sizeof(h))
		return sizeof(h) - c->got;
	memcpy(&h, c->frame, sizeof(h));
	err = wire_check_header(&h, why);
	return err ? err : (int)(le32toh(h.size) - c->got);
}

/*
 * Reads up to the frame's last byte and never beyond: what follows is the worker's. true: it is all
 * there.
 */
static bool read_frame(struct conn *c)
{
	struct refusal why;
	int left = frame_left(c, &why);
	ssize_t r;

	while (left > 0) {
		r = recv(c->event.fd, c->frame + c->got, left, MSG_DONTWAIT);
		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (r <= 0) {
			log_debug("%s has gone", c->client);
			conn_close(c);
			return false;
		}
		if (!c->got)
			event_timer_set(&c->server->loop, &c->timer,
					net_now() + c->server->conf.lease_timeout, lease_late);
		c->got += r;
		left = frame_left(c, &why);
	}
	if (left < 0) {
		conn_refuse(c, &why);
		return false;
	}
	return true;
}

static void read_lease(struct conn *c)
{
	struct refusal why;
	struct vwire_frame h;

	if (!read_frame(c))
		return;
	memcpy(&h, c->frame, sizeof(h));
	if (le16toh(h.op) == VWIRE_OP_BULK)
		lease_bulk(c);
	else if (wire_parse_lease(c->frame, c->got, &c->lease, &why))
		conn_refuse(c, &why);
	else if (le16toh(h.op) == VWIRE_OP_QUERY)
		info_answer(c);
	else
		lease_request(c);
}

static void discard(struct conn *c)
{
	uint8_t buf[4096];
	ssize_t r = recv(c->event.fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r > 0)
		c->got += r;
	if (r <= 0 || c->got > LINGER_BYTES)
		conn_close(c);
}

static void conn_event(struct event *e, uint32_t events)
{
	struct conn *c = container_of(e, struct conn, event);

	if (c->state == CONN_READING)
		read_lease(c);
	else if (c->state == CONN_LINGER)
		discard(c);
	else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		lease_abandoned(c);
}

static bool close_oldest(struct listener *l)
{
	struct conn *c = TAILQ_FIRST(&l->reading);

	if (!c)
		return false;
	log_debug("%s closed: %u connections have not asked for a lease", c->client, l->nr_reading);
	conn_close(c);
	return true;
}

static void conn_open(struct server *s, int fd, const struct net_addr *peer)
{
	struct listener *l = &s->listener;
	struct conn *c = calloc(1, sizeof(*c));
	int err = c ? net_options(fd) : -ENOMEM;

	if (!err)
		err = event_add(&s->loop, &c->event, fd, EPOLLIN | EPOLLRDHUP, conn_event);
	if (err) {
		log_warn("connection dropped: %s", strerror(-err));
		free(c);
		close(fd);
		return;
	}
	c->server = s;
	c->state = CONN_READING;
	net_name(peer, c->client, sizeof(c->client));
	if (l->nr_reading >= s->conf.max_idle)
		close_oldest(l);
	TAILQ_INSERT_TAIL(&l->reading, c, link);
	l->nr_reading++;
	/* What a client sends right behind its SYN is often here by now. */
	read_lease(c);
}

static void accept_again(struct event_timer *t);

/* Out of descriptors: make room if somebody idles, else leave the backlog alone for a moment. */
static void accept_failed(struct server *s)
{
	struct listener *l = &s->listener;

	log_warn("cannot accept: %s", strerror(errno));
	if (close_oldest(l))
		return;
	epoll_ctl(s->loop.epfd, EPOLL_CTL_MOD, l->event.fd,
		  &(struct epoll_event){ .events = 0, .data.ptr = &l->event });
	event_timer_set(&s->loop, &l->retry, net_now() + ACCEPT_RETRY_MS, accept_again);
}

static void accept_event(struct event *e, uint32_t events)
{
	struct server *s = container_of(e, struct server, listener.event);
	struct net_addr peer = { .len = sizeof(peer.sa) };
	int fd;

	(void)events;
	fd = accept4(e->fd, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		conn_open(s, fd, &peer);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		accept_failed(s);
}

static void accept_again(struct event_timer *t)
{
	struct server *s = container_of(t, struct server, listener.retry);

	epoll_ctl(s->loop.epfd, EPOLL_CTL_MOD, s->listener.event.fd,
		  &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &s->listener.event });
}

int listener_open(struct server *s)
{
	struct listener *l = &s->listener;
	char name[NET_NAME_MAX];
	struct net_addr addr;
	int fd, err;

	TAILQ_INIT(&l->reading);
	TAILQ_INIT(&l->lingering);
	fd = net_resolve(s->conf.listen, true, &addr, 1);
	if (fd >= 0)
		fd = net_listen(&addr, BACKLOG);
	if (fd < 0) {
		log_err("cannot listen on %s: %s", s->conf.listen, strerror(-fd));
		return fd;
	}
	err = event_add(&s->loop, &l->event, fd, EPOLLIN, accept_event);
	if (err) {
		close(fd);
		return err;
	}
	net_local(fd, &addr);
	net_name(&addr, name, sizeof(name));
	log_info("listening on %s", name);
	return 0;
}

void listener_close(struct server *s)
{
	struct listener *l = &s->listener;
	struct conn *c;

	event_timer_clear(&s->loop, &l->retry);
	event_del(&s->loop, &l->event);
	close(l->event.fd);
	while ((c = TAILQ_FIRST(&l->reading)))
		conn_close(c);
}
