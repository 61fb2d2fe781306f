// SPDX-License-Identifier: MIT
/* Streams, events, stream operations and captures. */
#include "errors.h"

static void callback(CUstream stream, CUresult status, void *data)
{
	(void)stream;
	(void)status;
	(void)data;
}

static void streams(void)
{
	CUstream stream;
	CUcontext ctx;
	CUdeviceptr p;
	unsigned flags;
	int priority;

	start();
	BAD(cuStreamCreate(NULL, 0));
	BAD(cuStreamCreate(&stream, 99));
	BAD(cuStreamCreateWithPriority(NULL, 0, 0));
	BAD(cuStreamCreateWithPriority(&stream, 99, 0));
	NEED(cuStreamCreateWithPriority(&stream, 0, -1000));
	BAD(cuStreamGetPriority(stream, &priority));
	BAD(cuStreamGetPriority(stream, NULL));
	BAD(cuStreamGetFlags(stream, NULL));
	BAD(cuStreamGetFlags(NULL, &flags));
	SHOW(flags);
	BAD(cuStreamGetCtx(stream, NULL));
	BAD(cuStreamGetCtx(NULL, &ctx));
	BAD(cuStreamGetId(stream, NULL));
	BAD(cuStreamWaitEvent(stream, NULL, 0));
	BAD(cuStreamAddCallback(stream, NULL, NULL, 0));
	BAD(cuStreamAddCallback(stream, callback, NULL, 99));
	BAD(cuStreamAttachMemAsync(stream, 0, 0, CU_MEM_ATTACH_SINGLE));
	BAD(cuStreamAttachMemAsync(stream, 16, 0, 99));
	BAD(cuStreamCopyAttributes(stream, NULL));
	BAD(cuStreamGetAttribute(stream, (CUstreamAttrID)99, (CUstreamAttrValue *)junk));
	BAD(cuStreamGetAttribute(stream, CU_LAUNCH_ATTRIBUTE_PRIORITY, NULL));
	BAD(cuStreamSetAttribute(stream, (CUstreamAttrID)99, (CUstreamAttrValue *)junk));
	BAD(cuStreamDestroy(NULL));
	BAD(cuStreamDestroy(CU_STREAM_LEGACY));
	BAD(cuStreamDestroy(CU_STREAM_PER_THREAD));
	BAD(cuStreamQuery((CUstream)3));
	BAD(cuStreamQuery((CUstream)-1));
	BAD(cuStreamQuery(JUNK(CUstream)));
	BAD(cuStreamSynchronize(JUNK(CUstream)));
	BAD(cuStreamDestroy(JUNK(CUstream)));
	BAD(cuStreamWaitEvent(NULL, JUNK(CUevent), 0));
	NEED(cuMemAlloc(&p, 64));
	BAD(cuStreamWaitValue32(stream, 0, 1, 0));
	BAD(cuStreamWaitValue32(stream, p + 1, 0, 0));
	BAD(cuStreamWriteValue32(stream, 0, 1, 0));
	BAD(cuStreamWriteValue32(stream, p + 2, 1, 0));
	BAD(cuStreamWriteValue32(stream, p, 1, 0xff00));
	BAD(cuStreamWriteValue64(stream, p + 4, 1, 0));
	BAD(cuStreamBatchMemOp(stream, 0, NULL, 0));
	BAD(cuStreamBatchMemOp(stream, 1, NULL, 0));
	BAD(cuStreamDestroy(stream));
	BAD(cuStreamDestroy(stream));
	BAD(cuStreamQuery(stream));
	BAD(cuStreamSynchronize(stream));
	BAD(cuMemcpyHtoDAsync(p, junk, 16, stream));
}

static void events(void)
{
	CUevent event, untimed, fresh;
	float ms;

	start();
	BAD(cuEventCreate(NULL, 0));
	BAD(cuEventCreate(&event, 0xff00));
	BAD(cuEventCreate(&event, CU_EVENT_INTERPROCESS));
	NEED(cuEventCreate(&event, 0));
	NEED(cuEventCreate(&fresh, 0));
	NEED(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	BAD(cuEventQuery(fresh));
	BAD(cuEventSynchronize(fresh));
	BAD(cuStreamWaitEvent(NULL, fresh, 0));
	BAD(cuStreamWaitEvent(NULL, fresh, 99));
	BAD(cuEventElapsedTime(&ms, fresh, fresh));
	NEED(cuEventRecord(event, NULL));
	NEED(cuEventSynchronize(event));
	BAD(cuEventElapsedTime(&ms, event, fresh));
	BAD(cuEventElapsedTime(NULL, event, event));
	BAD(cuEventElapsedTime(&ms, NULL, event));
	BAD(cuEventElapsedTime(&ms, event, NULL));
	BAD(cuEventElapsedTime(&ms, event, event));
	SHOW(ms * 1000);
	NEED(cuEventRecord(untimed, NULL));
	NEED(cuEventSynchronize(untimed));
	BAD(cuEventElapsedTime(&ms, event, untimed));
	BAD(cuEventRecordWithFlags(event, NULL, 99));
	BAD(cuEventRecordWithFlags(event, NULL, CU_EVENT_RECORD_EXTERNAL));
	BAD(cuEventRecord(NULL, NULL));
	BAD(cuEventQuery(NULL));
	BAD(cuEventSynchronize(NULL));
	BAD(cuEventDestroy(NULL));
	BAD(cuEventQuery((CUevent)1));
	BAD(cuEventQuery(JUNK(CUevent)));
	BAD(cuEventRecord(JUNK(CUevent), NULL));
	BAD(cuEventDestroy(JUNK(CUevent)));
	BAD(cuEventDestroy(event));
	BAD(cuEventDestroy(event));
	BAD(cuEventQuery(event));
	BAD(cuEventSynchronize(event));
	BAD(cuEventRecord(event, NULL));
}

static void captures(void)
{
	CUstream stream, other;
	CUstreamCaptureStatus status;
	CUgraph graph = NULL;
	CUevent event;
	CUdeviceptr p, q;
	CUstreamCaptureMode mode = (CUstreamCaptureMode)99;

	start();
	NEED(cuStreamCreate(&stream, 0));
	NEED(cuStreamCreate(&other, 0));
	NEED(cuEventCreate(&event, 0));
	NEED(cuMemAlloc(&p, 64));
	BAD(cuStreamBeginCapture(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuStreamBeginCapture(stream, (CUstreamCaptureMode)99));
	BAD(cuStreamEndCapture(stream, &graph));
	BAD(cuStreamEndCapture(stream, NULL));
	BAD(cuStreamIsCapturing(stream, NULL));
	BAD(cuThreadExchangeStreamCaptureMode(NULL));
	BAD(cuThreadExchangeStreamCaptureMode(&mode));
	SHOW(mode);
	BAD(cuThreadExchangeStreamCaptureMode(&mode));
	SHOW(mode);
	BAD(cuStreamUpdateCaptureDependencies(stream, NULL, NULL, 0, 0));
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuStreamEndCapture(other, &graph));
	BAD(cuEventQuery(event));
	BAD(cuStreamIsCapturing(NULL, &status));
	BAD(cuStreamIsCapturing(stream, &status));
	SHOW(status);
	BAD(cuStreamQuery(stream));
	BAD(cuStreamIsCapturing(stream, &status));
	SHOW(status);
	BAD(cuMemsetD8Async(1, 0, 1, stream));
	BAD(cuStreamEndCapture(stream, &graph));
	SHOW(graph == NULL);
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuMemAlloc(&q, 16));
	BAD(cuStreamEndCapture(stream, &graph));
	SHOW(graph == NULL);
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuStreamSynchronize(stream));
	BAD(cuStreamEndCapture(stream, &graph));
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuCtxSynchronize());
	BAD(cuStreamEndCapture(stream, &graph));
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	BAD(cuStreamSynchronize(NULL));
	BAD(cuStreamEndCapture(stream, &graph));
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	NEED(cuEventRecord(event, stream));
	NEED(cuStreamWaitEvent(other, event, 0));
	NEED(cuMemsetD8Async(1, 0, 0, other));
	BAD(cuEventQuery(event));
	BAD(cuEventSynchronize(event));
	BAD(cuStreamEndCapture(stream, &graph));
	BAD(cuStreamIsCapturing(other, &status));
	SHOW(status);
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	NEED(cuEventRecord(event, stream));
	BAD(cuEventSynchronize(event));
	BAD(cuEventSynchronize(event));
	BAD(cuEventQuery(event));
	BAD(cuStreamSynchronize(stream));
	BAD(cuStreamQuery(stream));
	BAD(cuCtxSynchronize());
	BAD(cuMemcpyHtoD(p, junk, 16));
	BAD(cuStreamEndCapture(stream, &graph));
	BAD(cuEventQuery(event));
	BAD(cuEventSynchronize(event));
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	NEED(cuEventRecord(event, stream));
	NEED(cuStreamWaitEvent(other, event, 0));
	BAD(cuStreamEndCapture(other, &graph));
	BAD(cuStreamEndCapture(stream, &graph));
	NEED(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	BAD(cuStreamDestroy(stream));
	BAD(cuStreamIsCapturing(stream, &status));
}

PARTS({ "streams", streams }, { "events", events }, { "captures", captures })
