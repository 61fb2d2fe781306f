/* SPDX-License-Identifier: MIT */
/*
 * streamapi.c - cuStream*: the calls on streams themselves
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "device.h"
#include "event.h"
#include "init.h"
#include "print.h"
#include "stream.h"

static CUresult create(CUstream *out, unsigned int flags, int priority)
{
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || (flags & ~CU_STREAM_NON_BLOCKING))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	s = stream_create(ctx, flags, priority);
	if (!s)
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	if (handle_create(&s->obj, HANDLE_STREAM)) {
		stream_close(s);
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	*out = HANDLE_OF(s);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuStreamCreate(CUstream *out, unsigned int flags)
{
	return create(out, flags, 0);
}

/* Priorities out of range are clamped to it. */
CUresult cuStreamCreateWithPriority(CUstream *out, unsigned int flags, int priority)
{
	return create(out, flags, priority);
}

static bool is_default(CUstream s)
{
	return !s || s == CU_STREAM_LEGACY || s == CU_STREAM_PER_THREAD;
}

/*
 * Returns at once; the work that is queued still runs. The stream goes in any case; a fault of its
 * context is told here as everywhere. That a default stream cannot go is said before anything else,
 * without cuInit(), too.
 */
CUresult cuStreamDestroy_v2(CUstream handle)
{
	struct context *ctx;
	struct stream *s;
	CUresult r;

	if (is_default(handle))
		return CUDA_ERROR_INVALID_HANDLE;
	r = context_enter_any(&ctx);
	if (r != CUDA_SUCCESS)
		return r;
	s = HANDLE_FIND(handle, HANDLE_STREAM);
	if (!s)
		return context_leave(context_bad_handle(handle, HANDLE_STREAM));
	r = s->ctx->error;
	stream_close(s);
	return context_leave(r);
}

CUresult cuStreamDestroy(CUstream handle)
{
	return cuStreamDestroy_v2(handle);
}

/* What a stream captured does not run; and others may be waited for with some captures only. */
static CUresult check_wait(struct stream *s)
{
	CUresult r = capture_refuse(s);

	return r == CUDA_SUCCESS ? capture_unsafe() : r;
}

CUresult cuStreamQuery(CUstream handle)
{
	struct stream *s;
	CUresult r = stream_enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	r = check_wait(s);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	return context_leave(stream_is_done(s) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY);
}

CUresult cuStreamSynchronize(CUstream handle)
{
	struct stream *s;
	CUresult r = stream_enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	r = check_wait(s);
	r = context_leave(r == CUDA_SUCCESS ? stream_sync(s) : r);
	print_flush();
	return r;
}

/* value, an expression of the stream s, is the answer. */
#define ASK(name, type, value)							\
	CUresult name(CUstream handle, type *out)				\
	{									\
		struct stream *s;						\
		CUresult r = stream_enter(handle, &s);				\
										\
		if (r != CUDA_SUCCESS)						\
			return r;						\
		if (!out)							\
			return context_leave(CUDA_ERROR_INVALID_VALUE);		\
		*out = value;							\
		return context_leave(CUDA_SUCCESS);				\
	}

ASK(cuStreamGetPriority, int, s->priority)
ASK(cuStreamGetFlags, unsigned int, s->flags)
ASK(cuStreamGetId, unsigned long long, s->id)
ASK(cuStreamGetCtx, CUcontext, HANDLE_OF(s->ctx))
ASK(cuStreamGetDevice, CUdevice, s->ctx->device)

CUresult cuStreamGetCtx_v2(CUstream handle, CUcontext *out, CUgreenCtx *green)
{
	if (green)
		*green = NULL;
	return cuStreamGetCtx(handle, out);
}

/*
 * The record that counts is the latest one now; recording the event again later changes nothing. A
 * wait of a stream that captures, or for an event that one recorded, is an edge of the graph; an
 * external one is a node.
 */
CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned int flags)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_WAIT_EVENT, .eventWait.event = event };
	bool external = flags & CU_EVENT_WAIT_EXTERNAL;
	struct stream *s;
	struct event *e;
	CUresult r = stream_enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	e = HANDLE_FIND(event, HANDLE_EVENT);
	if (!e)
		return context_leave(context_bad_handle(event, HANDLE_EVENT));
	if (flags & ~CU_EVENT_WAIT_EXTERNAL)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (external && !s->capture)
		return context_leave(CUDA_ERROR_ILLEGAL_STATE);
	if (external)
		return context_leave(capture_node(s, &p));
	if (s->capture || e->capture)
		return context_leave(capture_wait(s, e));
	return context_leave(event_queue_wait(e, s));
}

/* Attributes of a stream hold for what is put on it from then on. */
static CUresult get_attribute(const struct stream *s, CUstreamAttrID id, CUstreamAttrValue *v)
{
	memset(v, 0, sizeof(*v));
	switch ((int)id) {
	case CU_STREAM_ATTRIBUTE_ACCESS_POLICY_WINDOW:
		*v = s->policy;
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY:
		v->syncPolicy = s->sync_policy;
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_PRIORITY:
		v->priority = s->priority;
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
		v->memSyncDomainMap = s->domain_map;
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_MEM_SYNC_DOMAIN:
		v->memSyncDomain = s->domain;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult set_attribute(struct stream *s, CUstreamAttrID id, const CUstreamAttrValue *v)
{
	switch ((int)id) {
	case CU_STREAM_ATTRIBUTE_ACCESS_POLICY_WINDOW:
		if (!(v->accessPolicyWindow.hitRatio >= 0 && v->accessPolicyWindow.hitRatio <= 1))
			return CUDA_ERROR_INVALID_VALUE;
		s->policy = *v;
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY:
		if (v->syncPolicy < CU_SYNC_POLICY_AUTO ||
		    v->syncPolicy > CU_SYNC_POLICY_BLOCKING_SYNC)
			return CUDA_ERROR_INVALID_VALUE;
		s->sync_policy = v->syncPolicy;
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_PRIORITY:
		s->priority = stream_clamp_priority(v->priority);
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
		s->domain_map = v->memSyncDomainMap;
		return CUDA_SUCCESS;
	case CU_STREAM_ATTRIBUTE_MEM_SYNC_DOMAIN:
		if (v->memSyncDomain > CU_LAUNCH_MEM_SYNC_DOMAIN_REMOTE)
			return CUDA_ERROR_INVALID_VALUE;
		s->domain = v->memSyncDomain;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult cuStreamGetAttribute(CUstream handle, CUstreamAttrID id, CUstreamAttrValue *value)
{
	struct stream *s;
	CUresult r = stream_enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(value ? get_attribute(s, id, value) : CUDA_ERROR_INVALID_VALUE);
}

CUresult cuStreamSetAttribute(CUstream handle, CUstreamAttrID id, const CUstreamAttrValue *value)
{
	struct stream *s;
	CUresult r = stream_enter(handle, &s);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(value ? set_attribute(s, id, value) : CUDA_ERROR_INVALID_VALUE);
}

CUresult cuStreamCopyAttributes(CUstream dst, CUstream src)
{
	struct stream *to, *from;
	CUresult r = stream_enter(dst, &to);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find(to->ctx, src, &from);
	if (r == CUDA_SUCCESS && from->ctx != to->ctx)
		r = CUDA_ERROR_INVALID_HANDLE;
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	to->policy = from->policy;
	to->sync_policy = from->sync_policy;
	to->domain_map = from->domain_map;
	to->domain = from->domain;
	to->priority = from->priority;
	return context_leave(CUDA_SUCCESS);
}
