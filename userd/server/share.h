/* SPDX-License-Identifier: MIT */
/*
 * share.h - memory and events for other processes of the tenant
 *
 * A worker that shares something keeps it under a random key and listens on a socket that is named
 * after its process. A worker whose client has the key asks there, and names its tenant. Both look
 * at who the other is: workers of one server run as one user.
 */
#ifndef SERVER_SHARE_H
#define SERVER_SHARE_H

#include <cuda.h>
#include <stdint.h>

struct worker;

/* The number of cuMemCreate() stands for nothing any more. */
void share_released(uint32_t number);

/*
 * Of vmm.c. What the driver has made, as r says, is number's, and has been charged; after an error
 * nothing of it is left.
 */
CUresult vmm_take(struct worker *w, uint32_t number, CUmemGenericAllocationHandle handle,
		  uint64_t size, CUresult r);

#endif /* SERVER_SHARE_H */
