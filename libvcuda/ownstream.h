/* SPDX-License-Identifier: MIT */
/*
 * ownstream.h - a stream of the library's own: the program's memory is kept alike with the
 * device's on it
 *
 * All functions want view.c's lock.
 */
#ifndef VCUDA_OWNSTREAM_H
#define VCUDA_OWNSTREAM_H

#include "vcuda.h"

/* Before the first use of any other here. */
CUresult vcuda_own_ready(void);
/* Its number at the server. */
uint32_t vcuda_own_stream(void);
CUresult vcuda_own_send(uint64_t dst, const uint8_t *src, uint64_t n);
CUresult vcuda_own_get(uint8_t *dst, uint64_t src, uint64_t n);
CUresult vcuda_own_zero(uint64_t dst, uint64_t n);
/* Work that starts from now on starts behind what has been put on the stream. */
CUresult vcuda_own_changed(void);
/* That work is on the other stream. */
CUresult vcuda_own_precede(CUstream other);
/* An error of other work is for the program's next call to tell. */
CUresult vcuda_own_wait(struct vcuda_wait *w);

#endif
