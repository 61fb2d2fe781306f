/* SPDX-License-Identifier: MIT */
/*
 * listener.h - connections from accept() until they are a lease or refused
 *
 *	READING  -> QUEUED   -> a lease: the socket is the worker's
 *	   |          |
 *	   +----------+------> LINGER -> closed
 *
 * A connection that has sent nothing may stay READING for ever: vgpud keeps one ready. There are
 * max-idle of them; when another comes the oldest goes, so holding connections keeps nobody out.
 * LINGER: what is refused has been told why, and is given a moment to read it before the close,
 * which would otherwise reset the connection under unread data.
 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <sys/queue.h>

#include "control.h"
#include "event.h"
#include "queue.h"
#include "wire.h"

struct server;

enum conn_state { CONN_READING, CONN_QUEUED, CONN_LINGER };

/**
 * struct conn - one connection
 * @link: in the listener's list while READING or LINGER
 * @entry: in the queue while QUEUED
 * @got: bytes of @frame that have come; while LINGER bytes thrown away
 */
struct conn {
	struct server *server;
	struct event event;
	struct event_timer timer;
	enum conn_state state;
	TAILQ_ENTRY(conn) link;
	struct queue_entry entry;
	struct vwire_lease lease;
	char client[CONTROL_CLIENT_MAX];
	uint32_t got;
	uint8_t frame[VWIRE_CONTROL_MAX] __attribute__((aligned(8)));
};

TAILQ_HEAD(conn_list, conn);

struct listener {
	struct event event;
	struct event_timer retry;
	struct conn_list reading, lingering;
	uint32_t nr_reading, nr_lingering;
};

/* 0 or -errno, logged. */
int listener_open(struct server *s);
/* Takes no more connections and closes those that have asked for nothing. */
void listener_close(struct server *s);

/*
 * READING to QUEUED, which ends with conn_refuse() or conn_close(); watches for the client's going.
 */
void conn_enqueue(struct conn *c);
/* The last frame, or none if the client does not read, then LINGER. */
void conn_finish(struct conn *c, const void *frame, size_t n);
/* Tells why and lingers. */
void conn_refuse(struct conn *c, const struct refusal *why);
/* A whole frame or none; -EAGAIN: none, the client does not read. Other errors: close it. */
int conn_send(struct conn *c, const void *frame, size_t n);
void conn_close(struct conn *c);

#endif /* SERVER_LISTENER_H */
