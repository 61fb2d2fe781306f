// SPDX-License-Identifier: MIT
#include "queue.h"

#include <assert.h>

void queue_init(struct queue *q)
{
	TAILQ_INIT(&q->entries);
	q->len = 0;
}

void queue_push(struct queue *q, struct queue_entry *e)
{
	TAILQ_INSERT_TAIL(&q->entries, e, link);
	e->shown = 0;
	q->len++;
}

void queue_remove(struct queue *q, struct queue_entry *e)
{
	TAILQ_REMOVE(&q->entries, e, link);
	q->len--;
}

struct queue_entry *queue_first(const struct queue *q)
{
	return TAILQ_FIRST(&q->entries);
}

void queue_show(struct queue *q, void (*fn)(struct queue_entry *e, uint32_t place, void *arg),
		void *arg)
{
	struct queue_entry *e;
	uint32_t place = 0;

	TAILQ_FOREACH(e, &q->entries, link) {
		place++;
		if (e->shown == place)
			continue;
		e->shown = place;
		fn(e, place, arg);
	}
}

bool ledger_quota(const struct memory_ledger *m, uint64_t asked, uint64_t *quota)
{
	*quota = asked ? asked : m->quota_default;
	if (!m->total)
		return true;
	/* A default above the total is the administrator's way to say: all of it. */
	if (!asked && *quota > m->total)
		*quota = m->total;
	return *quota <= m->total;
}

bool ledger_fits(const struct memory_ledger *m, uint64_t quota)
{
	return m->total && m->given <= m->total && quota <= m->total - m->given;
}

void ledger_take(struct memory_ledger *m, uint64_t quota)
{
	m->given += quota;
}

void ledger_give(struct memory_ledger *m, uint64_t quota)
{
	assert(quota <= m->given);
	m->given -= quota;
}
