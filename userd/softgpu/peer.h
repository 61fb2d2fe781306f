/* SPDX-License-Identifier: MIT */
/*
 * peer.h - contexts whose memory the kernels of another context may touch
 */
#ifndef SOFTGPU_PEER_H
#define SOFTGPU_PEER_H

#include "context.h"

/* All with the lock held: what a kernel of ctx may touch now. */
struct sg_reach peer_reach(const struct context *ctx);
/* ctx ends: it has no peers and is nobody's. */
void peer_forget(struct context *ctx);

#endif
