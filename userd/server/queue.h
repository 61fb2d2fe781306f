/* SPDX-License-Identifier: MIT */
/*
 * queue.h - who waits for a lease, first come first served; and the device memory that leases may
 * hold in all
 */
#ifndef SERVER_QUEUE_H
#define SERVER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/**
 * struct queue_entry - one client that waits
 * @asked: bytes of device memory it wants, 0: the default
 * @since: when it came, net_now()
 * @shown: the place it was last told, 0: none
 */
struct queue_entry {
	TAILQ_ENTRY(queue_entry) link;
	uint64_t asked;
	uint64_t since;
	uint32_t shown;
};

struct queue {
	TAILQ_HEAD(, queue_entry) entries;
	uint32_t len;
};

void queue_init(struct queue *q);
void queue_push(struct queue *q, struct queue_entry *e);
void queue_remove(struct queue *q, struct queue_entry *e);
/* NULL when nobody waits. */
struct queue_entry *queue_first(const struct queue *q);
/* Calls fn for each entry whose place is not the one it was told; fn must not change the queue. */
void queue_show(struct queue *q, void (*fn)(struct queue_entry *e, uint32_t place, void *arg),
		void *arg);

/**
 * struct memory_ledger - device memory that leases may hold
 * @total: bytes; the sum of all quotas never exceeds it. 0: not known yet, nothing is granted
 * @given: bytes of the quotas of running leases
 * @quota_default: bytes of a lease that asks for none
 */
struct memory_ledger {
	uint64_t total, given, quota_default;
};

/*
 * The quota for who asks: false when it can never be had. While the total is not known nobody is
 * turned away.
 */
bool ledger_quota(const struct memory_ledger *m, uint64_t asked, uint64_t *quota);
bool ledger_fits(const struct memory_ledger *m, uint64_t quota);
void ledger_take(struct memory_ledger *m, uint64_t quota);
void ledger_give(struct memory_ledger *m, uint64_t quota);

#endif /* SERVER_QUEUE_H */
