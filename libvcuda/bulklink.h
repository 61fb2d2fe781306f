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
/* All n bytes as stripes of request seq, or the session is lost. One caller at a time. */
void vcuda_bulk_send(const uint8_t *src, size_t n, uint64_t seq);
void vcuda_bulk_link_fork(void);

/*
 * Where a stripe goes, which nobody has claimed before; NULL: it is of no copy.
 * vcuda_bulk_received() follows, with len 0 where it has not come.
 */
uint8_t *vcuda_bulk_claim(uint64_t seq, uint64_t offset, uint64_t len);
void vcuda_bulk_received(uint64_t seq, uint64_t len);

#endif
