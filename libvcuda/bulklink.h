/* SPDX-License-Identifier: MIT */
/*
 * bulklink.h - between bulk.c and bulklink.c, which has the connections
 */
#ifndef VCUDA_BULKLINK_H
#define VCUDA_BULKLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The connections are there; else they are begun, and are waited for with wait. */
bool vcuda_bulk_open(bool wait);

/* What is sent as stripes of one request: the caller's, until vcuda_bulk_finish(). */
struct vcuda_outbound {
	struct vcuda_outbound *next;
	const uint8_t *src;
	size_t bytes;
	uint64_t seq;
	uint32_t nr, nr_begun, nr_done;	/* stripes */
};

/* Behind what other threads have begun, in the order of the requests. Returns at once. */
void vcuda_bulk_begin(struct vcuda_outbound *o, const uint8_t *src, size_t n, uint64_t seq);
/* Takes part until half of it is on its way: time to ask for the next. */
void vcuda_bulk_send(struct vcuda_outbound *o);
/* Until all of it is sent, or the session is lost. Nothing was begun: nothing is done. */
void vcuda_bulk_finish(struct vcuda_outbound *o);
/* Until the kernel needs no page any more of what was sent. */
void vcuda_bulk_settle(void);
void vcuda_bulk_link_fork(void);

/*
 * Where a stripe goes, which nobody has claimed before; NULL: it is of no copy.
 * vcuda_bulk_received() follows, with len 0 where it has not come.
 */
uint8_t *vcuda_bulk_claim(uint64_t seq, uint64_t offset, uint64_t len);
void vcuda_bulk_received(uint64_t seq, uint64_t len);

#endif
