/* SPDX-License-Identifier: MIT */
/*
 * peer.c - access of one device's kernels to another device's memory
 *
 * Every device can reach every other. What is enabled is kept for each context; memory is looked up
 * by device, so that contexts of one device are not told apart.
 */
#include "peer.h"

#include <stdlib.h>

#include "device.h"
#include "engine.h"
#include "init.h"

struct peer {
	SLIST_ENTRY(peer) link;
	struct context *ctx;
};

static struct peer *find(struct context *ctx, const struct context *other)
{
	struct peer *p;

	SLIST_FOREACH(p, &ctx->peers, link)
		if (p->ctx == other)
			return p;
	return NULL;
}

static void drop(struct context *ctx, struct peer *p)
{
	SLIST_REMOVE(&ctx->peers, p, peer, link);
	free(p);
}

struct sg_reach peer_reach(const struct context *ctx)
{
	struct sg_reach v = { .own = 1u << ctx->device, .peers = 1u << ctx->device };
	const struct peer *p;

	SLIST_FOREACH(p, &ctx->peers, link)
		v.peers |= 1u << p->ctx->device;
	return v;
}

void peer_forget(struct context *ctx)
{
	struct context *c;
	struct peer *p;

	while ((p = SLIST_FIRST(&ctx->peers)))
		drop(ctx, p);
	LIST_FOREACH(c, &context_all, link) {
		p = find(c, ctx);
		if (p)
			drop(c, p);
	}
}

static bool can_access(CUdevice dev, CUdevice peer)
{
	return dev != peer;
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice dev, CUdevice peer)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!can)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(dev) || !device_exists(peer))
		return CUDA_ERROR_INVALID_DEVICE;
	*can = can_access(dev, peer);
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attribute, CUdevice src,
				 CUdevice dst)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(src) || !device_exists(dst) || src == dst)
		return CUDA_ERROR_INVALID_DEVICE;
	switch (attribute) {
	case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
		*value = 0;	/* the best, and all alike */
		return CUDA_SUCCESS;
	case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
	case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
	case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
		*value = 1;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

/*
 * Finds both contexts; the lock is held on success only. A primary context that is not active has
 * nothing to reach.
 */
static CUresult enter(CUcontext handle, struct context **ctx, struct context **peer)
{
	CUresult r = context_enter(ctx);

	if (r != CUDA_SUCCESS)
		return r;
	*peer = context_by_handle(handle);
	if (!*peer)
		return context_leave(context_bad(handle));
	if (!(*peer)->active || (*peer)->closing)
		return context_leave(CUDA_ERROR_INVALID_CONTEXT);
	return CUDA_SUCCESS;
}

CUresult cuCtxEnablePeerAccess(CUcontext handle, unsigned int flags)
{
	struct context *ctx, *peer;
	struct peer *p;
	CUresult r = enter(handle, &ctx, &peer);

	if (r != CUDA_SUCCESS)
		return r;
	if (flags)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!can_access(ctx->device, peer->device))
		return context_leave(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
	if (find(ctx, peer))
		return context_leave(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
	p = calloc(1, sizeof(*p));
	if (!p)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	p->ctx = peer;
	SLIST_INSERT_HEAD(&ctx->peers, p, link);
	return context_leave(CUDA_SUCCESS);
}

/* Kernels that are queued may still use the access. */
CUresult cuCtxDisablePeerAccess(CUcontext handle)
{
	struct context *ctx, *peer;
	struct peer *p;
	CUresult r = enter(handle, &ctx, &peer);

	if (r != CUDA_SUCCESS)
		return r;
	if (!find(ctx, peer))
		return context_leave(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
	r = context_drain(ctx);
	/* The lock was dropped meanwhile: either may have ended. */
	peer = context_by_handle(handle);
	p = r == CUDA_SUCCESS && peer ? find(ctx, peer) : NULL;
	if (p)
		drop(ctx, p);
	return context_leave(r);
}
