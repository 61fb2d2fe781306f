// SPDX-License-Identifier: MIT
/*
 * capturecall.c - the library's calls in streams that capture: which become nodes, which are refused
 *
 * Most arrive as they were encoded for the server, so that nothing but this file knows of captures.
 */
#include "capture.h"
#include "event.h"
#include "init.h"
#include "stream.h"
#include "vcuda_graph.h"

static CUresult enter(CUstream handle, struct stream **s)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r)
		return r;
	r = stream_find(ctx, handle, s);
	return r ? context_leave(r) : r;
}

CUresult vcuda_capture_node(CUstream handle, CUgraphNodeParams *p, bool *capturing)
{
	return vcuda_capture_kernel(handle, p, NULL, 0, capturing);
}

CUresult vcuda_capture_kernel(CUstream handle, CUgraphNodeParams *p, const CUlaunchAttribute *attrs,
			      unsigned int nr, bool *capturing)
{
	struct stream *s;
	CUresult r;

	*capturing = false;
	if (!vcuda_capturing())
		return CUDA_SUCCESS;
	r = enter(handle, &s);
	if (r) {
		*capturing = true;
		return r;
	}
	r = capture_enter(s, capturing);
	if (r)
		*capturing = true;
	else if (*capturing)
		r = nr ? capture_kernel(s, p, attrs, nr) : capture_node(s, p);
	return context_leave(r);
}

CUresult vcuda_capture_copy(const CUDA_MEMCPY3D *c, CUstream stream, bool *capturing)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy = { .copyParams = *c } };

	return vcuda_capture_node(stream, &p, capturing);
}

CUresult vcuda_capture_refuse(CUstream handle)
{
	struct stream *s;
	CUresult r;

	if (!vcuda_capturing())
		return CUDA_SUCCESS;
	r = enter(handle, &s);
	return r ? r : context_leave(capture_refuse(s));
}

/* Others may be waited for, and memory be made, with some captures only. */
static CUresult unsafe(void)
{
	if (!vcuda_capturing())
		return CUDA_SUCCESS;
	driver_lock();
	return context_leave(capture_unsafe());
}

CUresult vcuda_capture_refuse_wait(CUstream handle)
{
	CUresult r = vcuda_capture_refuse(handle);

	return r ? r : unsafe();
}

/* Asked for at every turn, by programs that capture and by those that do not. */
CUresult hand_cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status)
{
	uint32_t number;

	if (vcuda_capturing() || !status)
		return cuStreamIsCapturing(stream, status);
	*status = CU_STREAM_CAPTURE_STATUS_NONE;
	return vcuda_stream_number(stream, &number);
}

/* ---- calls, by their rows ---- */

static void memset_params(CUgraphNodeParams *p, struct vwire_rd *rd, unsigned int size, bool rows)
{
	p->type = CU_GRAPH_NODE_TYPE_MEMSET;
	p->memset.elementSize = size;
	p->memset.dst = rd_u64(rd);
	p->memset.pitch = rows ? rd_u64(rd) : 0;
	p->memset.value = rd_u64(rd);
	p->memset.width = rd_u64(rd);
	p->memset.height = rows ? rd_u64(rd) : 1;
	if (!rows)
		p->memset.pitch = p->memset.width * size;
}

static void copy_params(CUgraphNodeParams *p, struct vwire_rd *rd)
{
	CUDA_MEMCPY3D *c = &p->memcpy.copyParams;

	p->type = CU_GRAPH_NODE_TYPE_MEMCPY;
	c->dstMemoryType = c->srcMemoryType = CU_MEMORYTYPE_DEVICE;
	c->dstDevice = rd_u64(rd);
	c->srcDevice = rd_u64(rd);
	c->WidthInBytes = rd_u64(rd);
	c->Height = c->Depth = 1;
	c->dstPitch = c->srcPitch = c->WidthInBytes;
	c->dstHeight = c->srcHeight = 1;
}

static void memop_params(CUgraphNodeParams *p, struct vwire_rd *rd, CUstreamBatchMemOpParams *op,
			 CUstreamBatchMemOpType type)
{
	rd_u64(rd);			/* the stream */
	op->operation = type;
	op->waitValue.address = rd_u64(rd);
	op->waitValue.value64 = rd_u64(rd);
	op->waitValue.flags = rd_u64(rd);
	p->type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
	p->memOp.ctx = vcuda_current();
	p->memOp.count = 1;
	p->memOp.paramArray = op;
}

/* false: the call cannot be a node. */
static bool params_of(struct vcuda_call *c, CUgraphNodeParams *p, CUstreamBatchMemOpParams *op)
{
	struct vwire_rd rd = rd_init(c->buf, wr_len(&c->wr));

	switch (c->id) {
	case CUDA_ID_cuMemsetD8Async:
		return memset_params(p, &rd, 1, false), true;
	case CUDA_ID_cuMemsetD16Async:
		return memset_params(p, &rd, 2, false), true;
	case CUDA_ID_cuMemsetD32Async:
		return memset_params(p, &rd, 4, false), true;
	case CUDA_ID_cuMemsetD2D8Async:
		return memset_params(p, &rd, 1, true), true;
	case CUDA_ID_cuMemsetD2D16Async:
		return memset_params(p, &rd, 2, true), true;
	case CUDA_ID_cuMemsetD2D32Async:
		return memset_params(p, &rd, 4, true), true;
	case CUDA_ID_cuMemcpyDtoDAsync_v2:
		return copy_params(p, &rd), true;
	case CUDA_ID_cuStreamWaitValue32:
	case CUDA_ID_cuStreamWaitValue32_v2:
		return memop_params(p, &rd, op, CU_STREAM_MEM_OP_WAIT_VALUE_32), true;
	case CUDA_ID_cuStreamWaitValue64:
	case CUDA_ID_cuStreamWaitValue64_v2:
		return memop_params(p, &rd, op, CU_STREAM_MEM_OP_WAIT_VALUE_64), true;
	case CUDA_ID_cuStreamWriteValue32:
	case CUDA_ID_cuStreamWriteValue32_v2:
		return memop_params(p, &rd, op, CU_STREAM_MEM_OP_WRITE_VALUE_32), true;
	case CUDA_ID_cuStreamWriteValue64:
	case CUDA_ID_cuStreamWriteValue64_v2:
		return memop_params(p, &rd, op, CU_STREAM_MEM_OP_WRITE_VALUE_64), true;
	default:
		return false;
	}
}

static CUresult event_node(struct stream *s, CUgraphNodeType type, CUevent event)
{
	CUgraphNodeParams p = { .type = type };

	if (type == CU_GRAPH_NODE_TYPE_EVENT_RECORD)
		p.eventRecord.event = event;
	else
		p.eventWait.event = event;
	return capture_node(s, &p);
}

/* cuEventRecord(): event, stream, and flags of cuEventRecordWithFlags(). */
static CUresult record(struct vcuda_call *c, struct stream *s, bool *done)
{
	struct vwire_rd rd = rd_init(c->buf, wr_len(&c->wr));
	CUevent handle = vcuda_handle_of(CUDA_HANDLE_event, rd_u64(&rd));
	struct event *e = vcuda_graph_event(handle);
	unsigned int flags;
	CUresult r;

	rd_u64(&rd);
	flags = c->id == CUDA_ID_cuEventRecordWithFlags ? rd_u64(&rd) : 0;
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = capture_enter(s, done);
	if (r || !*done) {
		if (!r && flags)
			r = CUDA_ERROR_ILLEGAL_STATE;
		if (!r)
			capture_forget_event(e);
		return r;
	}
	return flags & CU_EVENT_RECORD_EXTERNAL
		       ? event_node(s, CU_GRAPH_NODE_TYPE_EVENT_RECORD, handle)
		       : capture_record(s, e);
}

/* cuStreamWaitEvent(): stream, event, flags. Without a capture on either side it goes its way. */
static CUresult wait_event(struct vcuda_call *c, struct stream *s, bool *done)
{
	struct vwire_rd rd = rd_init(c->buf, wr_len(&c->wr));
	struct event *e;
	CUevent handle;

	rd_u64(&rd);
	handle = vcuda_handle_of(CUDA_HANDLE_event, rd_u64(&rd));
	e = vcuda_graph_event(handle);
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*done = s->capture || e->capture;
	if (!*done)
		return capture_enter(s, done);
	if (s->capture && rd_u64(&rd) & CU_EVENT_WAIT_EXTERNAL)
		return event_node(s, CU_GRAPH_NODE_TYPE_WAIT_EVENT, handle);
	return capture_wait(s, e);
}

static CUresult node(struct vcuda_call *c, struct stream *s, bool *done)
{
	CUgraphNodeParams p = { 0 };
	CUstreamBatchMemOpParams op = { 0 };
	CUresult r = capture_enter(s, done);

	if (r || !*done)
		return r;
	return params_of(c, &p, &op) ? capture_node(s, &p) : capture_refuse(s);
}

/* A stream's attributes are no work of it. */
static bool is_about_stream(enum cuda_id id)
{
	return id == CUDA_ID_cuStreamSetAttribute || id == CUDA_ID_cuStreamGetAttribute ||
	       id == CUDA_ID_cuStreamCopyAttributes;
}

CUresult vcuda_capture_async(struct vcuda_call *c, bool *done)
{
	bool event = c->id == CUDA_ID_cuEventRecord || c->id == CUDA_ID_cuStreamWaitEvent ||
		     c->id == CUDA_ID_cuEventRecordWithFlags;
	struct stream *s;
	CUresult r;

	if (!c->has_stream || (!event && !vcuda_capturing()) || is_about_stream(c->id))
		return CUDA_SUCCESS;
	r = enter(c->stream, &s);
	if (r) {
		*done = true;
		return r;
	}
	r = !event ? node(c, s, done)
	    : c->id == CUDA_ID_cuStreamWaitEvent ? wait_event(c, s, done) : record(c, s, done);
	if (r)
		*done = true;
	return context_leave(r);
}

/* ---- calls that ask ---- */

/* What was recorded in a capture has not happened. */
static CUresult ask_event(uint32_t number)
{
	struct vcuda_object *o =
		vcuda_handle_get(CUDA_HANDLE_event, vcuda_handle_of(CUDA_HANDLE_event, number));
	CUresult r = CUDA_SUCCESS;

	if (!o)
		return r;
	driver_lock();
	if (o->event.captures && o->event.captures->capture)
		r = capture_ask_event(o->event.captures);
	return context_leave(r);
}

CUresult vcuda_capture_refuse_context(void)
{
	struct context *ctx;
	CUresult r;

	if (!vcuda_capturing())
		return CUDA_SUCCESS;
	r = context_enter(&ctx);
	return r ? r : context_leave(capture_refuse_context(ctx));
}

CUresult vcuda_capture_sync(struct vcuda_call *c)
{
	struct vwire_rd rd = rd_init(c->buf, wr_len(&c->wr));
	CUresult r;

	switch (c->id) {
	case CUDA_ID_cuEventElapsedTime:
	case CUDA_ID_cuEventElapsedTime_v2:
		r = ask_event(rd_u64(&rd));
		return r ? r : ask_event(rd_u64(&rd));
	case CUDA_ID_cuEventQuery:
	case CUDA_ID_cuEventSynchronize:
		r = ask_event(rd_u64(&rd));
		return r ? r : unsafe();
	case CUDA_ID_cuStreamQuery:
	case CUDA_ID_cuStreamSynchronize:
		return vcuda_capture_refuse_wait(c->stream);
	default:
		return c->has_stream && !is_about_stream(c->id) ? vcuda_capture_refuse(c->stream)
								 : CUDA_SUCCESS;
	}
}

CUresult vcuda_capture_check(enum cuda_id id)
{
	switch (id) {
	case CUDA_ID_cuMemAlloc_v2:
	case CUDA_ID_cuMemAllocPitch_v2:
	case CUDA_ID_cuMemAllocManaged:
	case CUDA_ID_cuMemAllocHost_v2:
	case CUDA_ID_cuMemHostAlloc:
	case CUDA_ID_cuMemFree_v2:
	case CUDA_ID_cuMemFreeHost:
		return unsafe();
	default:
		return CUDA_SUCCESS;
	}
}
