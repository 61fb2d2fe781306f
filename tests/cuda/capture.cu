/* SPDX-License-Identifier: MIT */
/*
 * capture.cu - what may be captured, and what happens to a capture when something else is done
 */
#include <pthread.h>
#include <stdio.h>

#include "check.h"

__global__ void add(int *p, int v)
{
	*p += v;
}

#define WANT(call, want)                                                                          \
	do {                                                                                       \
		cudaError_t got_ = (call);                                                         \
		if (got_ != (want))                                                                \
			fail("line %d: %s: %s, not %s", __LINE__, #call, cudaGetErrorName(got_),   \
			     cudaGetErrorName(want));                                              \
		cudaGetLastError();                                                                \
	} while (0)

static cudaStream_t a, b, blocking;
static int *dev;

static void status_is(cudaStream_t s, cudaStreamCaptureStatus want)
{
	cudaStreamCaptureStatus got;

	CHECK(cudaStreamIsCapturing(s, &got));
	if (got != want)
		fail("capture status %d, not %d", got, want);
}

static void begin(cudaStreamCaptureMode mode)
{
	CHECK(cudaStreamBeginCapture(a, mode));
	status_is(a, cudaStreamCaptureStatusActive);
}

/* The capture is spoiled, and says so until it has been ended. */
static void spoiled(cudaStream_t s)
{
	cudaGraph_t g = (cudaGraph_t)1;

	status_is(s, cudaStreamCaptureStatusInvalidated);
	WANT(cudaMemsetAsync(dev, 0, 4, s), cudaErrorStreamCaptureInvalidated);
	WANT(cudaStreamEndCapture(s, &g), cudaErrorStreamCaptureInvalidated);
	if (g)
		fail("a spoiled capture gives a graph");
	status_is(s, cudaStreamCaptureStatusNone);
}

static void waits(void)
{
	begin(cudaStreamCaptureModeGlobal);
	WANT(cudaStreamSynchronize(a), cudaErrorStreamCaptureUnsupported);
	spoiled(a);
	begin(cudaStreamCaptureModeGlobal);
	WANT(cudaStreamQuery(a), cudaErrorStreamCaptureUnsupported);
	spoiled(a);
	begin(cudaStreamCaptureModeGlobal);
	WANT(cudaDeviceSynchronize(), cudaErrorStreamCaptureUnsupported);
	spoiled(a);
}

static void unsafe_calls(void)
{
	cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
	void *p;

	begin(cudaStreamCaptureModeGlobal);
	WANT(cudaMalloc(&p, 4), cudaErrorStreamCaptureUnsupported);
	spoiled(a);
	begin(cudaStreamCaptureModeRelaxed);
	CHECK(cudaMalloc(&p, 4));
	CHECK(cudaFree(p));
	status_is(a, cudaStreamCaptureStatusActive);
	cudaGraph_t g;
	CHECK(cudaStreamEndCapture(a, &g));
	CHECK(cudaGraphDestroy(g));
	/* one thread may say that it knows what it does */
	begin(cudaStreamCaptureModeGlobal);
	CHECK(cudaThreadExchangeStreamCaptureMode(&mode));
	CHECK(cudaMalloc(&p, 4));
	CHECK(cudaThreadExchangeStreamCaptureMode(&mode));
	CHECK(cudaStreamEndCapture(a, &g));
	CHECK(cudaGraphDestroy(g));
	CHECK(cudaFree(p));
}

static void *other_thread(void *arg)
{
	cudaGraph_t g;

	WANT(cudaStreamEndCapture(a, &g), cudaErrorStreamCaptureWrongThread);
	return arg;
}

static void threads(void)
{
	pthread_t t;
	cudaGraph_t g;

	begin(cudaStreamCaptureModeThreadLocal);
	pthread_create(&t, NULL, other_thread, NULL);
	pthread_join(t, NULL);
	WANT(cudaStreamEndCapture(a, &g), cudaErrorIllegalState);
}

/* The legacy stream waits for blocking streams, which a capture cannot have. */
static void legacy(void)
{
	CHECK(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeGlobal));
	WANT(cudaMemsetAsync(dev, 0, 4, 0), cudaErrorStreamCaptureImplicit);
	spoiled(blocking);
	begin(cudaStreamCaptureModeRelaxed);
	CHECK(cudaMemsetAsync(dev, 0, 4, 0));
	cudaGraph_t g;
	CHECK(cudaStreamEndCapture(a, &g));
	CHECK(cudaGraphDestroy(g));
	WANT(cudaStreamBeginCapture(0, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
}

/* A second stream takes part from the event on that it waits for, and must come back. */
static void fork_and_join(void)
{
	cudaEvent_t forked, joined;
	size_t nodes = 0, edges = 0;
	cudaGraphExec_t e;
	cudaGraph_t g;
	int got;

	CHECK(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming));
	CHECK(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));
	begin(cudaStreamCaptureModeGlobal);
	CHECK(cudaMemsetAsync(dev, 0, 8, a));
	CHECK(cudaEventRecord(forked, a));
	CHECK(cudaStreamWaitEvent(b, forked, 0));
	status_is(b, cudaStreamCaptureStatusActive);
	WANT(cudaEventQuery(forked), cudaErrorCapturedEvent);
	spoiled(a);
	status_is(b, cudaStreamCaptureStatusNone);

	begin(cudaStreamCaptureModeGlobal);
	CHECK(cudaMemsetAsync(dev, 0, 8, a));
	CHECK(cudaEventRecord(forked, a));
	CHECK(cudaStreamWaitEvent(b, forked, 0));
	add<<<1, 1, 0, b>>>(dev + 1, 2);
	add<<<1, 1, 0, a>>>(dev, 3);
	WANT(cudaStreamEndCapture(a, &g), cudaErrorStreamCaptureUnjoined);

	begin(cudaStreamCaptureModeGlobal);
	CHECK(cudaMemsetAsync(dev, 0, 8, a));
	CHECK(cudaEventRecord(forked, a));
	CHECK(cudaStreamWaitEvent(b, forked, 0));
	add<<<1, 1, 0, b>>>(dev + 1, 2);
	add<<<1, 1, 0, a>>>(dev, 3);
	CHECK(cudaEventRecord(joined, b));
	CHECK(cudaStreamWaitEvent(a, joined, 0));
	add<<<1, 1, 0, a>>>(dev + 1, 40);
	CHECK(cudaStreamEndCapture(a, &g));
	status_is(b, cudaStreamCaptureStatusNone);
	CHECK(cudaGraphGetNodes(g, NULL, &nodes));
#if CUDART_VERSION >= 13000
	CHECK(cudaGraphGetEdges(g, NULL, NULL, NULL, &edges));
#else
	CHECK(cudaGraphGetEdges(g, NULL, NULL, &edges));
#endif
	if (nodes != 4 || edges != 4)
		fail("%zu nodes and %zu edges, not 4 and 4", nodes, edges);
	CHECK(cudaGraphInstantiate(&e, g, 0));
	CHECK(cudaGraphLaunch(e, a));
	CHECK(cudaMemcpyAsync(&got, dev + 1, sizeof(got), cudaMemcpyDeviceToHost, a));
	CHECK(cudaStreamSynchronize(a));
	if (got != 42)
		fail("%d, not 42", got);
	CHECK(cudaGraphExecDestroy(e));
	CHECK(cudaGraphDestroy(g));
	CHECK(cudaEventDestroy(forked));
	CHECK(cudaEventDestroy(joined));
}

/* What the program has of a capture is told without the capture being over. */
static void info(void)
{
	cudaStreamCaptureStatus status;
	const cudaGraphNode_t *deps;
	unsigned long long id = 0;
	size_t nr = 0;
	cudaGraph_t g, end;
	cudaGraphNode_t extra;

	begin(cudaStreamCaptureModeGlobal);
	add<<<1, 1, 0, a>>>(dev, 1);
#if CUDART_VERSION >= 13000
	CHECK(cudaStreamGetCaptureInfo(a, &status, &id, &g, &deps, NULL, &nr));
#else
	CHECK(cudaStreamGetCaptureInfo(a, &status, &id, &g, &deps, &nr));
#endif
	if (status != cudaStreamCaptureStatusActive || !id || nr != 1)
		fail("capture info: status %d, id %llu, %zu dependencies", status, id, nr);
	CHECK(cudaGraphAddEmptyNode(&extra, g, deps, nr));
#if CUDART_VERSION >= 13000
	CHECK(cudaStreamUpdateCaptureDependencies(a, &extra, NULL, 1, cudaStreamSetCaptureDependencies));
#else
	CHECK(cudaStreamUpdateCaptureDependencies(a, &extra, 1, cudaStreamSetCaptureDependencies));
#endif
	add<<<1, 1, 0, a>>>(dev, 1);
	CHECK(cudaStreamEndCapture(a, &end));
	if (end != g)
		fail("another graph than the capture said");
	CHECK(cudaGraphGetNodes(g, NULL, &nr));
	if (nr != 3)
		fail("%zu nodes, not 3", nr);
	CHECK(cudaGraphDestroy(g));
}

/* Attributes of a stream are none of a capture's business. */
static void attributes(void)
{
	cudaStreamAttrValue v = {};
	int least, greatest, got;
	cudaGraph_t g;

	CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
	begin(cudaStreamCaptureModeGlobal);
	v.priority = greatest;
	CHECK(cudaStreamSetAttribute(a, cudaLaunchAttributePriority, &v));
	v.priority = 1;
	CHECK(cudaStreamGetAttribute(a, cudaLaunchAttributePriority, &v));
	CHECK(cudaStreamGetPriority(a, &got));
	if (v.priority != greatest || got != greatest)
		fail("priority %d, and %d, not %d", v.priority, got, greatest);
	CHECK(cudaStreamEndCapture(a, &g));
	CHECK(cudaGraphDestroy(g));
}

/* Copies in another stream that come to the same memory of the host are no business of the capture's. */
static void beside_copies(void)
{
	cudaGraph_t g;
	int *host, *there;

	CHECK(cudaHostAlloc(&host, 1024, 0));
	CHECK(cudaMalloc(&there, 1024));
	CHECK(cudaMemset(there, 0, 1024));
	begin(cudaStreamCaptureModeRelaxed);
	CHECK(cudaMemcpyAsync(host, there, 512, cudaMemcpyDeviceToHost, b));
	CHECK(cudaMemcpy2DAsync(there, 64, host, 32, 16, 4, cudaMemcpyHostToDevice, b));
	CHECK(cudaMemcpyAsync(host, there, 512, cudaMemcpyDeviceToHost, b));
	CHECK(cudaMemcpyAsync(there, host, 64, cudaMemcpyHostToDevice, b));
	status_is(a, cudaStreamCaptureStatusActive);
	CHECK(cudaMemsetAsync(dev, 0, 4, a));
	CHECK(cudaStreamEndCapture(a, &g));
	CHECK(cudaGraphDestroy(g));
	CHECK(cudaStreamSynchronize(b));
	CHECK(cudaFreeHost(host));
	CHECK(cudaFree(there));
}

int main()
{
	CHECK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
	CHECK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
	CHECK(cudaStreamCreate(&blocking));
	CHECK(cudaMalloc(&dev, 8));
	/* loaded before a capture has to load it */
	add<<<1, 1>>>(dev, 0);
	CHECK(cudaDeviceSynchronize());
	waits();
	unsafe_calls();
	threads();
	legacy();
	fork_and_join();
	info();
	attributes();
	beside_copies();
	CHECK(cudaFree(dev));
	return pass();
}
