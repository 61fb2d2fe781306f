/* SPDX-License-Identifier: MIT */
/*
 * bulk.h - large copies over connections of their own, in direct mode and through vgpud
 *
 * The requests go in the session's order, through the ring; their data goes in stripes, from and to
 * the program's memory, over whichever connection is free.
 */
#ifndef VCUDA_BULK_H
#define VCUDA_BULK_H

#include "transport.h"
#include "vcuda.h"

/* The server's offer, at the greeting; features: what was agreed. */
void vcuda_bulk_offered(const void *p, size_t n, uint64_t features);
/*
 * A copy of n bytes goes this way. The first that is large enough opens the connections, which a
 * copy to the host waits for (wait) and one to the device does not.
 */
bool vcuda_bulk_takes(size_t n, bool wait);
/* All of a copy to the device. Returns when it is sent; *seq: of the last request. */
CUresult vcuda_bulk_in(CUdeviceptr dst, const void *src, size_t n, uint32_t stream, uint64_t *seq);
/*
 * All of a copy to the host; async: the data comes before the reply of any wait that covers it.
 * *seq: of the last request.
 */
CUresult vcuda_bulk_out(void *dst, CUdeviceptr src, size_t n, uint32_t stream, bool async,
			uint64_t *seq);

/* ---- for receive.c ---- */

/* VWIRE_OP_BULK_DONE. false: there is no such copy. */
bool vcuda_bulk_told(uint64_t seq, uint64_t bytes);
/* Copies whose end was told. */
uint64_t vcuda_bulk_ends(void);
/* Data that this wait, which is answered, covers is still under way. */
bool vcuda_bulk_holds(const struct vcuda_wait *w);
/* A copy to any of these bytes is expected. */
bool vcuda_bulk_expects(const uint8_t *p, size_t n);
/* The session is lost: nobody writes to the program's memory any more. */
void vcuda_bulk_quiesce(void);

/* ---- for session.c ---- */

void vcuda_bulk_lost(void);
/* Ends the threads. */
void vcuda_bulk_stop(void);

#endif
