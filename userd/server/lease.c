// SPDX-License-Identifier: MIT
#include "lease.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "net.h"
#include "server.h"

#define MS	1000.0

static struct conn *conn_of(struct queue_entry *e)
{
	return container_of(e, struct conn, entry);
}

static void refuse_memory(struct conn *c)
{
	struct refusal why;

	refusal_set(&why, WIRE_OUT_OF_MEMORY, VWIRE_REASON_MEMORY,
		    "%" PRIu64 " bytes of device memory wanted, the server has %" PRIu64 " in all",
		    c->entry.asked, c->server->memory.total);
	conn_refuse(c, &why);
}

/* true: the socket is the worker's and c is gone. */
static bool grant(struct conn *c, uint64_t quota)
{
	struct server *s = c->server;
	struct control_lease msg = {
		.head = { CONTROL_VERSION, CONTROL_LEASE },
		.id = s->nr_leases + 1,
		.mem_limit = quota,
		.lease = c->lease,
	};
	struct pool_worker *w;

	memcpy(msg.client, c->client, sizeof(msg.client));
	w = pool_hand_over(s, &msg, c->event.fd);
	if (!w)
		return false;
	s->nr_leases++;
	s->mem_fixed = true;
	ledger_take(&s->memory, quota);
	w->lease = (struct lease){ .id = msg.id, .quota = quota, .since = net_now() };
	memcpy(w->lease.tenant, c->lease.tenant, sizeof(w->lease.tenant));
	memcpy(w->lease.client, c->client, sizeof(w->lease.client));
	log_info("lease %" PRIu64 ": tenant %s, %s, %" PRIu64 " bytes, worker %d, waited %" PRIu64
		 " ms",
		 msg.id, w->lease.tenant, c->client, quota, (int)w->pid,
		 net_now() - c->entry.since);
	conn_close(c);
	return true;
}

/* Grants to the first in the queue. false: it has to wait on, or nobody does. */
static bool grant_first(struct server *s)
{
	struct queue_entry *e = queue_first(&s->queue);
	uint64_t quota;

	if (!e || !s->memory.total)
		return false;
	if (!ledger_quota(&s->memory, e->asked, &quota)) {
		refuse_memory(conn_of(e));
		return true;
	}
	return ledger_fits(&s->memory, quota) && grant(conn_of(e), quota);
}

/*
 * A client that reads nothing misses a place or two; one that took half a frame is lost and will be
 * seen to hang up.
 */
static void tell_place(struct queue_entry *e, uint32_t place, void *arg)
{
	struct conn *c = conn_of(e);
	uint8_t buf[VWIRE_CONTROL_MAX];

	(void)arg;
	if (conn_send(c, buf, wire_queued(buf, place, net_now() - e->since)) == -EPIPE)
		shutdown(c->event.fd, SHUT_RDWR);
}

void lease_pump(struct server *s)
{
	if (s->pumping)
		return;
	s->pumping = true;
	while (grant_first(s))
		;
	queue_show(&s->queue, tell_place, NULL);
	pool_refill(s);
	s->pumping = false;
}

/* What the client asked for cannot be had in time: memory, when that alone stood in its way. */
static void gave_up(struct event_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);
	struct server *s = c->server;
	uint64_t waited = net_now() - c->entry.since, quota;
	struct refusal why;

	ledger_quota(&s->memory, c->entry.asked, &quota);
	if (s->memory.total && !ledger_fits(&s->memory, quota))
		refusal_set(&why, WIRE_OUT_OF_MEMORY, VWIRE_REASON_MEMORY,
			    "waited %" PRIu64 " ms for %" PRIu64 " bytes of device memory: %" PRIu64
			    " of %" PRIu64 " are leased",
			    waited, quota, s->memory.given, s->memory.total);
	else
		refusal_set(&why, WIRE_UNAVAILABLE, VWIRE_REASON_FULL,
			    "waited %" PRIu64 " ms for a worker: %u of %u are alive, none is free",
			    waited, s->pool.nr_alive, s->conf.max_workers);
	conn_refuse(c, &why);
	lease_pump(s);
}

static void enqueue(struct conn *c)
{
	struct server *s = c->server;
	uint32_t wait_ms = le32toh(c->lease.wait_ms);

	if (!wait_ms || wait_ms > s->conf.queue_wait)
		wait_ms = s->conf.queue_wait;
	conn_enqueue(c);
	event_timer_set(&s->loop, &c->timer, c->entry.since + wait_ms, gave_up);
	lease_pump(s);
}

void lease_request(struct conn *c)
{
	struct server *s = c->server;
	struct refusal why;
	uint64_t quota;

	c->entry.since = net_now();
	c->entry.asked = le64toh(c->lease.mem_limit);
	if (!ledger_quota(&s->memory, c->entry.asked, &quota)) {
		refuse_memory(c);
		return;
	}
	if (pool_is_broken(&s->pool)) {
		refusal_set(&why, WIRE_UNAVAILABLE, VWIRE_REASON_WORKER,
			    "no worker can be started: %s", s->pool.why);
		conn_refuse(c, &why);
		return;
	}
	if (!s->queue.len && ledger_fits(&s->memory, quota) && grant(c, quota)) {
		pool_refill(s);
		return;
	}
	if (s->queue.len >= s->conf.queue_max) {
		refusal_set(&why, WIRE_UNAVAILABLE, VWIRE_REASON_FULL, "%u clients wait already",
			    s->queue.len);
		conn_refuse(c, &why);
		return;
	}
	enqueue(c);
}

void lease_bulk(struct conn *c)
{
	struct control_bulk msg = { .head = { CONTROL_VERSION, CONTROL_BULK } };
	struct refusal why;

	if (wire_parse_bulk(c->frame, c->got, &msg.bulk, &why)) {
		conn_refuse(c, &why);
		return;
	}
	memcpy(msg.client, c->client, sizeof(msg.client));
	if (!pool_hand_bulk(c->server, &msg, c->event.fd)) {
		refusal_set(&why, WIRE_INVALID_VALUE, VWIRE_REASON_PROTOCOL,
			    "a bulk connection for lease %" PRIu64 ", which is none",
			    le64toh(msg.bulk.lease));
		conn_refuse(c, &why);
		return;
	}
	conn_close(c);
}

void lease_abandoned(struct conn *c)
{
	struct server *s = c->server;

	log_info("%s left the queue after %" PRIu64 " ms", c->client, net_now() - c->entry.since);
	conn_close(c);
	lease_pump(s);
}

/*
 * The total is the least that was free behind any of the first workers, so that the contexts of
 * those that are kept warm are not leased out. Once a lease runs, what is free says nothing about
 * the total any more.
 */
void lease_memory(struct server *s, const struct control_ready *ready)
{
	struct memory_ledger *m = &s->memory;

	if (s->mem_fixed || !ready->free_mem || (m->total && ready->free_mem >= m->total))
		return;
	m->total = ready->free_mem;
	if (!s->conf.mem_default)
		m->quota_default = m->total / s->conf.max_workers;
	log_info("%.63s: %" PRIu64 " bytes for leases, %" PRIu64 " for one that asks for none",
		 ready->name, m->total, m->quota_default);
}

static const char *end_name(uint32_t end)
{
	static const char *const names[] = {
		[CONTROL_END_CLIENT] = "client closed",
		[CONTROL_END_LOST] = "connection lost",
		[CONTROL_END_PROTOCOL] = "wrong frame",
		[CONTROL_END_VERSION] = "other version",
		[CONTROL_END_FAULT] = "driver failed",
	};

	if (end < sizeof(names) / sizeof(names[0]) && names[end])
		return names[end];
	return "worker died";
}

void lease_ended(struct server *s, struct pool_worker *w, const char *how)
{
	struct lease *l = &w->lease;

	ledger_give(&s->memory, l->quota);
	log_line(l->end ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
		 "lease %" PRIu64 " ended: tenant %s, %s, %s (worker %d %s), %" PRIu64
		 " bytes at most, %" PRIu64 " frames, %.3f s",
		 l->id, l->tenant, l->client, end_name(l->end), (int)w->pid, how, l->mem_peak,
		 l->frames, (net_now() - l->since) / MS);
}

void lease_refuse_all(struct server *s, uint32_t reason, const char *text)
{
	struct queue_entry *e;
	struct refusal why;

	refusal_set(&why, WIRE_UNAVAILABLE, reason, "%s", text);
	while ((e = queue_first(&s->queue)))
		conn_refuse(conn_of(e), &why);
}
