/* SPDX-License-Identifier: MIT */
/*
 * hostfunc.cu - functions of the program in streams and graphs, and graphs that read and write its
 * memory
 *
 * --stall N: a function that takes N seconds, and nothing else.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"

#define N	1000

__global__ void add(int *p, int v)
{
	for (int i = threadIdx.x; i < N; i += blockDim.x)
		p[i] += v;
}

__global__ void count(int *p)
{
	atomicAdd(p, 1);
}

struct shared {
	int *host;			/* pinned */
	int seen, calls, order[8];
	cudaStream_t stream;
	cudaError_t refused;
};

static void check(const char *what, int got, int want)
{
	dump(what, &got, sizeof(got));
	if (got != want)
		fail("%s: %d, not %d", what, got, want);
}

static void CUDART_CB read_and_write(void *arg)
{
	struct shared *s = (struct shared *)arg;
	int *unused;

	usleep(2000);
	s->seen = s->host[N - 1];
	for (int i = 0; i < N; i++)
		s->host[i] = 5 + i;
	s->refused = cudaMalloc(&unused, 4);
	s->calls++;
}

/* What the stream copied before is there; what the function writes is what the stream copies next. */
static void in_order(struct shared *s, int *dev)
{
	CHECK(cudaMemsetAsync(dev, 0, N * sizeof(int), s->stream));
	memset(s->host, 0, N * sizeof(int));
	add<<<1, 32, 0, s->stream>>>(dev, 17);
	CHECK(cudaMemcpyAsync(s->host, dev, N * sizeof(int), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaLaunchHostFunc(s->stream, read_and_write, s));
	CHECK(cudaMemcpyAsync(dev, s->host, N * sizeof(int), cudaMemcpyHostToDevice, s->stream));
	add<<<1, 32, 0, s->stream>>>(dev, 1);
	CHECK(cudaMemcpyAsync(s->host, dev, N * sizeof(int), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("copied before the function", s->seen, 17);
	check("copied after it", s->host[N - 1], 5 + N - 1 + 1);
	check("calls", s->calls, 1);
	if (s->refused == cudaSuccess)
		fail("a function of the program may not call CUDA");
}

static void CUDART_CB called_back(cudaStream_t stream, cudaError_t status, void *arg)
{
	struct shared *s = (struct shared *)arg;

	if (stream != s->stream || status != cudaSuccess)
		fail("a callback with another stream, or %d", status);
	s->order[s->calls++] = 1;
}

static void CUDART_CB note(void *arg)
{
	struct shared *s = (struct shared *)arg;

	s->order[s->calls++] = 2;
}

static void callbacks(struct shared *s)
{
	s->calls = 0;
	for (int i = 0; i < 4; i++) {
		CHECK(cudaStreamAddCallback(s->stream, called_back, s, 0));
		CHECK(cudaLaunchHostFunc(s->stream, note, s));
	}
	CHECK(cudaStreamSynchronize(s->stream));
	check("callbacks and functions", s->calls, 8);
	for (int i = 0; i < 8; i++)
		check("their order", s->order[i], i % 2 ? 2 : 1);
}

/* The stream stands still while the function runs, and the program goes on. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void CUDART_CB wait_at_gate(void *arg)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
}

static void stream_waits(struct shared *s, int *dev)
{
	int got;

	CHECK(cudaMemsetAsync(dev, 0, sizeof(int), s->stream));
	pthread_mutex_lock(&gate);
	CHECK(cudaLaunchHostFunc(s->stream, wait_at_gate, NULL));
	for (int i = 0; i < 200; i++)
		count<<<1, 1, 0, s->stream>>>(dev);
	if (cudaStreamQuery(s->stream) != cudaErrorNotReady)
		fail("the stream does not wait for the function");
	/* pinned memory is read when its turn comes, and nobody waits for that */
	s->host[0] = 1;
	CHECK(cudaMemcpyAsync(dev + 1, s->host, sizeof(int), cudaMemcpyHostToDevice, s->stream));
	s->host[0] = 2;
	pthread_mutex_unlock(&gate);
	CHECK(cudaMemcpyAsync(&got, dev + 1, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("pinned memory behind the gate", got, 2);
	CHECK(cudaMemcpyAsync(&got, dev, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("kernels behind the gate", got, 200);
}

static void CUDART_CB slow(void *arg)
{
	usleep(100000);
	++*(int *)arg;
}

/* More work behind a function than anybody would queue: whoever is too far ahead waits. */
static void far_ahead(struct shared *s, int *dev)
{
	const size_t bytes = 20 << 20;
	char *big = (char *)malloc(bytes), *there;
	int got, done = 0;

	CHECK(cudaMalloc(&there, bytes));
	CHECK(cudaMemsetAsync(dev, 0, sizeof(int), s->stream));
	memset(big, 7, bytes);
	CHECK(cudaLaunchHostFunc(s->stream, slow, &done));
	for (int i = 0; i < 3000; i++)
		count<<<1, 1, 0, s->stream>>>(dev);
	CHECK(cudaLaunchHostFunc(s->stream, slow, &done));
	CHECK(cudaMemcpyAsync(there, big, bytes, cudaMemcpyHostToDevice, s->stream));
	CHECK(cudaLaunchHostFunc(s->stream, slow, &done));
	memset(big, 0, bytes);
	CHECK(cudaMemcpyAsync(big, there, bytes, cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaMemcpyAsync(&got, dev, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("kernels behind a slow function", got, 3000);
	check("slow functions", done, 3);
	if (big[0] != 7 || big[bytes - 1] != 7)
		fail("a large copy behind a slow function");
	CHECK(cudaFree(there));
	free(big);
}

/* ---- graphs ---- */

static cudaGraphExec_t instantiate(cudaGraph_t g)
{
	cudaGraphExec_t e;

	CHECK(cudaGraphInstantiate(&e, g, 0));
	CHECK(cudaGraphDestroy(g));
	return e;
}

/* Copies of a graph read and write what is in memory at each launch, not at the capture. */
static void copies(struct shared *s, int *dev)
{
	int in[N], out[N];
	cudaGraphExec_t e;
	cudaGraph_t g;

	CHECK(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeGlobal));
	CHECK(cudaMemcpyAsync(dev, in, sizeof(in), cudaMemcpyHostToDevice, s->stream));
	add<<<1, 32, 0, s->stream>>>(dev, 100);
	CHECK(cudaStreamEndCapture(s->stream, &g));
	e = instantiate(g);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++)
			in[i] = i * (round + 1);
		CHECK(cudaGraphLaunch(e, s->stream));
		CHECK(cudaMemcpyAsync(out, dev, sizeof(out), cudaMemcpyDeviceToHost, s->stream));
		CHECK(cudaStreamSynchronize(s->stream));
		check("read at the launch", out[N - 1], (N - 1) * (round + 1) + 100);
	}
	CHECK(cudaGraphExecDestroy(e));
}

/* What a launch of a graph writes here is what the next copy takes back. */
static void stored(struct shared *s, int *dev)
{
	cudaGraphExec_t e;
	cudaGraph_t g;
	int got[N];

	CHECK(cudaMemsetAsync(dev, 0, N * sizeof(int), s->stream));
	CHECK(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeGlobal));
	for (int i = 0; i < 20; i++)
		add<<<1, 32, 0, s->stream>>>(dev, 1);
	CHECK(cudaMemcpyAsync(s->host, dev, N * sizeof(int), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamEndCapture(s->stream, &g));
	e = instantiate(g);
	s->host[0] = -1;
	CHECK(cudaGraphLaunch(e, s->stream));
	CHECK(cudaMemsetAsync(dev, 0, N * sizeof(int), s->stream));
	CHECK(cudaMemcpyAsync(dev, s->host, N * sizeof(int), cudaMemcpyHostToDevice, s->stream));
	CHECK(cudaMemcpyAsync(got, dev, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("stored by a graph, and copied back", got[0], 20);
	CHECK(cudaGraphExecDestroy(e));
}

/* Rows of a matrix, there and back. */
static void rows(struct shared *s, int *dev)
{
	int in[8][10], out[8][12];
	cudaGraphExec_t e;
	cudaGraph_t g;

	CHECK(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeGlobal));
	CHECK(cudaMemcpy2DAsync(dev, 20, in, sizeof(in[0]), 20, 8, cudaMemcpyHostToDevice, s->stream));
	CHECK(cudaMemcpy2DAsync(out, sizeof(out[0]), dev, 20, 20, 8, cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamEndCapture(s->stream, &g));
	e = instantiate(g);
	for (int round = 1; round < 3; round++) {
		memset(out, 0xff, sizeof(out));
		for (int y = 0; y < 8; y++)
			for (int x = 0; x < 10; x++)
				in[y][x] = 100 * y + round * x;
		CHECK(cudaGraphLaunch(e, s->stream));
		CHECK(cudaStreamSynchronize(s->stream));
		for (int y = 0; y < 8; y++)
			for (int x = 0; x < 12; x++)
				check("rows", out[y][x], x < 5 ? 100 * y + round * x : -1);
	}
	CHECK(cudaGraphExecDestroy(e));
}

static void CUDART_CB twice(void *arg)
{
	struct shared *s = (struct shared *)arg;

	for (int i = 0; i < N; i++)
		s->host[i] *= 2;
	s->calls++;
}

/* Device, host, function, device: each launch sees what the function made of it. */
static void host_nodes(struct shared *s, int *dev)
{
	cudaGraphExec_t e;
	cudaGraph_t g;
	int got[N];

	s->calls = 0;
	CHECK(cudaMemsetAsync(dev, 0, N * sizeof(int), s->stream));
	CHECK(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeGlobal));
	add<<<1, 32, 0, s->stream>>>(dev, 1);
	CHECK(cudaMemcpyAsync(s->host, dev, N * sizeof(int), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaLaunchHostFunc(s->stream, twice, s));
	CHECK(cudaMemcpyAsync(dev, s->host, N * sizeof(int), cudaMemcpyHostToDevice, s->stream));
	CHECK(cudaStreamEndCapture(s->stream, &g));
	check("functions of a capture that was not launched", s->calls, 0);
	e = instantiate(g);
	for (int i = 0; i < 4; i++)
		CHECK(cudaGraphLaunch(e, s->stream));
	CHECK(cudaMemcpyAsync(got, dev, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("host nodes", s->calls, 4);
	check("what they made", got[N - 1], 30);
	CHECK(cudaGraphExecDestroy(e));
}

static void CUDART_CB add_to(void *arg)
{
	((int *)arg)[0] += ((int *)arg)[1];
}

/* Other functions and other memory for nodes of an executable graph. */
static void changed(struct shared *s, int *dev)
{
	int one[2] = { 0, 1 }, ten[2] = { 0, 10 }, got, a = 3, b = 4;
	cudaHostNodeParams p = { add_to, one };
	cudaGraphNode_t host, copy;
	cudaGraphExec_t e;
	cudaGraph_t g;

	CHECK(cudaGraphCreate(&g, 0));
	CHECK(cudaGraphAddMemcpyNode1D(&copy, g, NULL, 0, dev, &a, sizeof(a), cudaMemcpyHostToDevice));
	CHECK(cudaGraphAddHostNode(&host, g, &copy, 1, &p));
	CHECK(cudaGraphInstantiate(&e, g, 0));
	CHECK(cudaGraphLaunch(e, s->stream));
	p.userData = ten;
	CHECK(cudaGraphExecHostNodeSetParams(e, host, &p));
	CHECK(cudaGraphExecMemcpyNodeSetParams1D(e, copy, dev, &b, sizeof(b), cudaMemcpyHostToDevice));
	CHECK(cudaGraphLaunch(e, s->stream));
	CHECK(cudaMemcpyAsync(&got, dev, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("memory after a change", got, 4);
	check("the first function", one[0], 1);
	check("the other function", ten[0], 10);
	CHECK(cudaGraphNodeSetEnabled(e, copy, 0));
	b = 9;
	CHECK(cudaGraphLaunch(e, s->stream));
	CHECK(cudaMemcpyAsync(&got, dev, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("a copy that is switched off", got, 4);
	CHECK(cudaGraphExecDestroy(e));
	CHECK(cudaGraphDestroy(g));
}

static void CUDART_CB destroyed(void *arg)
{
	__atomic_fetch_add((int *)arg, 1, __ATOMIC_RELEASE);
}

/* An object lives as long as a launch of a graph that holds it. */
static void user_objects(struct shared *s)
{
	int ended = 0, slow_done = 0;
	cudaUserObject_t object;
	cudaGraphNode_t node;
	cudaHostNodeParams p = { slow, &slow_done };
	cudaGraphExec_t e;
	cudaGraph_t g;

	CHECK(cudaGraphCreate(&g, 0));
	CHECK(cudaGraphAddHostNode(&node, g, NULL, 0, &p));
	CHECK(cudaUserObjectCreate(&object, &ended, destroyed, 1, cudaUserObjectNoDestructorSync));
	CHECK(cudaGraphRetainUserObject(g, object, 1, cudaGraphUserObjectMove));
	e = instantiate(g);
	CHECK(cudaGraphLaunch(e, s->stream));
	CHECK(cudaGraphExecDestroy(e));
	if (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) && !slow_done)
		fail("a user object ends before the launch that holds it");
	CHECK(cudaStreamSynchronize(s->stream));
	for (int i = 0; i < 5000 && !__atomic_load_n(&ended, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	check("destructors", ended, 1);
}

static void CUDART_CB stall(void *arg)
{
	sleep(*(int *)arg);
}

/* For tests that end the one or the other side meanwhile. */
static int stalled(int seconds)
{
	int *dev;

	CHECK(cudaMalloc(&dev, N * sizeof(int)));
	CHECK(cudaLaunchHostFunc(0, stall, &seconds));
	for (int i = 0; i < 100; i++)
		add<<<1, 32>>>(dev, 1);
	printf("stalled\n");
	fflush(stdout);
	CHECK(cudaDeviceSynchronize());
	return pass();
}

/* Far ahead of the end of a graph's launch, in a call that has to do with graphs. */
static void far_ahead_of_an_end(struct shared *s, int *dev)
{
	int got, slow_done = 0;
	cudaGraphNode_t node;
	cudaHostNodeParams p = { slow, &slow_done };
	cudaGraphExec_t e, counting;
	cudaGraph_t g;

	CHECK(cudaMemsetAsync(dev, 0, sizeof(int), s->stream));
	CHECK(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeRelaxed));
	count<<<1, 1, 0, s->stream>>>(dev);
	CHECK(cudaStreamEndCapture(s->stream, &g));
	counting = instantiate(g);
	CHECK(cudaGraphCreate(&g, 0));
	CHECK(cudaGraphAddHostNode(&node, g, NULL, 0, &p));
	e = instantiate(g);
	CHECK(cudaGraphLaunch(e, s->stream));
	CHECK(cudaGraphExecDestroy(e));
	for (int i = 0; i < 600; i++)
		CHECK(cudaGraphLaunch(counting, s->stream));
	CHECK(cudaGraphExecDestroy(counting));
	CHECK(cudaMemcpyAsync(&got, dev, sizeof(got), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	check("graphs behind a slow function", got, 600);
	check("slow functions", slow_done, 1);
}

static void CUDART_CB brief(void *arg)
{
	usleep(30000);
	++*(int *)arg;
}

/* Each has functions to wait for, and one brings data. */
static void two_streams(struct shared *s, int *dev)
{
	int done = 0, ahead = 0;
	cudaStream_t other;

	CHECK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
	memset(s->host, 0, N * sizeof(int));
	CHECK(cudaLaunchHostFunc(s->stream, brief, &ahead));
	for (int i = 0; i < 4; i++)
		CHECK(cudaLaunchHostFunc(other, brief, &done));
	CHECK(cudaMemcpyAsync(dev, s->host, N * sizeof(int), cudaMemcpyHostToDevice, s->stream));
	add<<<1, 32, 0, s->stream>>>(dev, 3);
	CHECK(cudaMemcpyAsync(s->host, dev, N * sizeof(int), cudaMemcpyDeviceToHost, s->stream));
	CHECK(cudaStreamSynchronize(s->stream));
	CHECK(cudaStreamSynchronize(other));
	check("behind a function in one stream", s->host[N - 1], 3);
	check("functions in two streams", done + ahead, 5);
	CHECK(cudaStreamDestroy(other));
}

static void CUDART_CB add_one(void *arg)
{
	++*(int *)arg;
}

/* Functions alone, and as many behind something else. */
static void functions_far_ahead(struct shared *s, int *dev)
{
	for (int others = 0; others < 2; others++) {
		int calls = 0;

		CHECK(cudaLaunchHostFunc(s->stream, slow, &calls));
		for (int i = 0; i < others; i++)
			count<<<1, 1, 0, s->stream>>>(dev);
		for (int i = 0; i < 600; i++)
			CHECK(cudaLaunchHostFunc(s->stream, add_one, &calls));
		CHECK(cudaStreamSynchronize(s->stream));
		check("functions behind a slow one", calls, 601);
	}
}

int main(int argc, char **argv)
{
	struct shared s = {};
	long seconds = only_option(argc, argv, "--stall", 0, 1, 1000);
	int *dev;

	if (seconds)
		return stalled(seconds);

	CHECK(cudaStreamCreateWithFlags(&s.stream, cudaStreamNonBlocking));
	CHECK(cudaHostAlloc(&s.host, N * sizeof(int), 0));
	CHECK(cudaMalloc(&dev, N * sizeof(int)));
	in_order(&s, dev);
	callbacks(&s);
	stream_waits(&s, dev);
	far_ahead(&s, dev);
	copies(&s, dev);
	stored(&s, dev);
	rows(&s, dev);
	host_nodes(&s, dev);
	changed(&s, dev);
	user_objects(&s);
	far_ahead_of_an_end(&s, dev);
	two_streams(&s, dev);
	functions_far_ahead(&s, dev);
	CHECK(cudaFree(dev));
	CHECK(cudaFreeHost(s.host));
	CHECK(cudaStreamDestroy(s.stream));
	return pass();
}
