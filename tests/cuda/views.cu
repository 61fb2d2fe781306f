/* SPDX-License-Identifier: MIT */
/*
 * Memory that the program and kernels see both, mapped and managed: each sees at a launch or after a
 * wait what the other has written, by whatever way the program waits. --rounds N: only launches and
 * waits on a little mapped memory, for counting what they cost. --hold: touches managed memory after
 * a line on stdin; by then the server may be gone, and the next call says so.
 */
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define N	3000
#define MANY	(2 << 20)	/* ints: 8 MiB */

__global__ void add(int *p, int n, int v)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		p[i] += v;
}

/* Writes every second int, some time after it was launched. */
__global__ void add_to_even(int *p, int n, int v)
{
	unsigned long long start = clock64();

	while (clock64() - start < 2000000)
		;
	for (int i = 0; i < n; i += 2)
		p[i] += v;
}

static void add_to(int *p, int n, int v, cudaStream_t stream)
{
	add<<<(n + 255) / 256, 256, 0, stream>>>(p, n, v);
	CHECK_LAUNCH();
}

static void expect(const char *what, const int *p, int n, int first, int step)
{
	for (int i = 0; i < n; i++)
		if (p[i] != first + i * step)
			fail("%s: [%d] is %d, not %d", what, i, p[i], first + i * step);
}

static void count_up(int *p, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = i;
}

/* p is the program's address, d the device's. */
static void every_way_to_wait(const char *what, int *p, int *d)
{
	static int copy[N];
	cudaStream_t stream;
	cudaEvent_t event;
	int at = 0;

	CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
	CHECK(cudaEventCreate(&event));
	count_up(p, N);
	add_to(d, N, ++at, 0);
	CHECK(cudaDeviceSynchronize());
	expect(what, p, N, 1, 1);
	add_to(d, N, ++at, stream);
	CHECK(cudaStreamSynchronize(stream));
	expect(what, p, N, 3, 1);
	add_to(d, N, ++at, stream);
	CHECK(cudaEventRecord(event, stream));
	CHECK(cudaEventSynchronize(event));
	expect(what, p, N, 6, 1);
	add_to(d, N, ++at, stream);
	while (cudaStreamQuery(stream) == cudaErrorNotReady)
		;
	expect(what, p, N, 10, 1);
	add_to(d, N, ++at, stream);
	CHECK(cudaEventRecord(event, stream));
	while (cudaEventQuery(event) == cudaErrorNotReady)
		;
	expect(what, p, N, 15, 1);
	add_to(d, N, ++at, 0);
	CHECK(cudaMemcpy(copy, d, sizeof(copy), cudaMemcpyDeviceToHost));
	expect(what, copy, N, 21, 1);
	expect(what, p, N, 21, 1);
	/* one int of many, and the other streams see it too */
	for (int i = 0; i < 50; i++) {
		p[i * 7] += 5;
		add_to(d, N, 1, i % 2 ? stream : 0);
		CHECK(cudaStreamSynchronize(i % 2 ? stream : 0));
		p[i * 7] -= 5;
	}
	expect(what, p, N, 71, 1);
	CHECK(cudaEventDestroy(event));
	CHECK(cudaStreamDestroy(stream));
}

static void mapped(void)
{
	struct cudaPointerAttributes a;
	int *p, *d;

	CHECK(cudaHostAlloc(&p, N * sizeof(int), cudaHostAllocMapped));
	CHECK(cudaHostGetDevicePointer(&d, p, 0));
	every_way_to_wait("mapped", p, d);
	CHECK(cudaPointerGetAttributes(&a, p));
	if (a.type != cudaMemoryTypeHost || a.devicePointer != d || a.hostPointer != p)
		fail("mapped memory is of type %d at %p for the device", a.type, a.devicePointer);
	CHECK(cudaFreeHost(p));
	/* not asked for when it was allocated */
	CHECK(cudaHostAlloc(&p, N * sizeof(int), cudaHostAllocDefault));
	CHECK(cudaHostGetDevicePointer(&d, p + 3, 0));
	every_way_to_wait("mapped later", p, d - 3);
	CHECK(cudaFreeHost(p));
	/* never asked for: under unified addressing the program's pointer does */
	CHECK(cudaMallocHost(&p, N * sizeof(int)));
	count_up(p, N);
	add_to(p, N, 1, 0);
	CHECK(cudaDeviceSynchronize());
	expect("given to a kernel", p, N, 1, 1);
	CHECK(cudaFreeHost(p));
	/* somewhere between other things of the program's */
	p = (int *)malloc((N + 3) * sizeof(int));
	p[2] = p[N + 2 - 1 + 1] = 99;
	CHECK(cudaHostRegister(p + 3, (N - 1) * sizeof(int), cudaHostRegisterMapped));
	CHECK(cudaHostGetDevicePointer(&d, p + 3, 0));
	count_up(p + 3, N - 1);
	add_to(d, N - 1, 1, 0);
	CHECK(cudaHostUnregister(p + 3));
	expect("registered", p + 3, N - 1, 1, 1);
	if (p[2] != 99 || p[N + 2] != 99)
		fail("what lies beside registered memory has changed");
	free(p);
	if (cudaHostGetDevicePointer(&d, &d, 0) == cudaSuccess)
		fail("memory of no kind has a pointer for the device");
	cudaGetLastError();
}

/* Each side writes ints of its own, in one page, while a kernel runs. */
static void both_at_once(void)
{
	int *p, *d;

	CHECK(cudaHostAlloc(&p, N * sizeof(int), cudaHostAllocMapped));
	CHECK(cudaHostGetDevicePointer(&d, p, 0));
	memset(p, 0, N * sizeof(int));
	for (int round = 1; round <= 3; round++) {
		add_to_even<<<1, 1>>>(d, N, 1);
		CHECK_LAUNCH();
		for (int i = 1; i < N; i += 2)
			p[i] = round;
		/* the second launch takes along what the program has written meanwhile */
		add_to_even<<<1, 1>>>(d, N, 0);
		CHECK_LAUNCH();
		CHECK(cudaDeviceSynchronize());
		expect("both at once", p, N, round, 0);
	}
	CHECK(cudaFreeHost(p));
}

static void *read_all(void *arg)
{
	const int *p = (const int *)arg;
	long sum = 0;

	for (int i = 0; i < MANY; i++)
		sum += p[i];
	return (void *)sum;
}

static void large_managed(void)
{
	cudaStream_t stream;
	pthread_t threads[3];
	void *sum;
	int *p;

	CHECK(cudaMallocManaged(&p, MANY * sizeof(int)));
	CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
	every_way_to_wait("large managed", p + 1000, p + 1000);
	CHECK(cudaMemset(p, 0, MANY * sizeof(int)));
	if (p[0] || p[MANY - 1])
		fail("managed memory was not cleared");
	add_to(p, MANY, 1, stream);
	CHECK(cudaStreamSynchronize(stream));
	expect("large managed", p, MANY, 1, 0);
	/* here and there */
	for (int i = 0; i < MANY; i += 100003)
		p[i] = -1;
	add_to(p, MANY, 1, 0);
	CHECK(cudaDeviceSynchronize());
	for (int i = 0; i < MANY; i += 100003) {
		if (p[i] != 0)
			fail("large managed: [%d] is %d", i, p[i]);
		p[i] = 2;
	}
	add_to(p, MANY, 1, stream);
	CHECK(cudaStreamSynchronize(stream));
	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, read_all, p))
			fail("no thread");
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &sum);
		if ((long)sum != 3l * MANY)
			fail("large managed: %ld in all", (long)sum);
	}
	CHECK(cudaStreamDestroy(stream));
	CHECK(cudaFree(p));
}

static void small_managed(void)
{
	int *p[40];

	for (int i = 0; i < 40; i++) {
		CHECK(cudaMallocManaged(&p[i], (i + 1) * 4 * sizeof(int)));
		count_up(p[i], (i + 1) * 4);
	}
	for (int i = 0; i < 40; i += 2)
		CHECK(cudaFree(p[i]));
	for (int i = 1; i < 40; i += 2)
		add_to(p[i], (i + 1) * 4, i, 0);
	CHECK(cudaDeviceSynchronize());
	for (int i = 1; i < 40; i += 2)
		expect("small managed", p[i], (i + 1) * 4, i, 1);
	for (int i = 1; i < 40; i += 2)
		CHECK(cudaFree(p[i]));
	CHECK(cudaMallocManaged(&p[0], N * sizeof(int)));
	every_way_to_wait("small managed", p[0], p[0]);
	CHECK(cudaFree(p[0]));
}

/* Managed memory as either side of a copy, by whatever name. */
static void copies(size_t n)
{
	int *a, *b, *dev, *own = (int *)malloc(n * sizeof(int));

	CHECK(cudaMallocManaged(&a, n * sizeof(int)));
	CHECK(cudaMallocManaged(&b, n * sizeof(int)));
	CHECK(cudaMalloc(&dev, n * sizeof(int)));
	count_up(a, n);
	CHECK(cudaMemcpy(dev, a, n * sizeof(int), cudaMemcpyHostToDevice));
	add_to(dev, n, 1, 0);
	CHECK(cudaMemcpy(b, dev, n * sizeof(int), cudaMemcpyDeviceToHost));
	expect("copied", b, n, 1, 1);
	CHECK(cudaMemcpy(a, b, n * sizeof(int), cudaMemcpyDefault));
	expect("copied", a, n, 1, 1);
	a[n / 2] = 0;
	CHECK(cudaMemcpy(own, a, n * sizeof(int), cudaMemcpyDeviceToHost));
	if (own[n / 2] != 0 || own[n - 1] != (int)n)
		fail("copied: %d, %d", own[n / 2], own[n - 1]);
	own[0] = 77;
	CHECK(cudaMemcpy(b, own, n * sizeof(int), cudaMemcpyHostToHost));
	if (b[0] != 77)
		fail("copied: %d", b[0]);
	CHECK(cudaFree(a));
	CHECK(cudaFree(b));
	CHECK(cudaFree(dev));
	free(own);
}

/* A graph's kernels see what was written since it was captured. */
static void graphs(void)
{
	cudaGraphExec_t exec;
	cudaStream_t stream;
	cudaGraph_t graph;
	int *large, *small;

	CHECK(cudaMallocManaged(&large, MANY));
	CHECK(cudaHostAlloc(&small, N * sizeof(int), cudaHostAllocMapped));
	CHECK(cudaStreamCreate(&stream));
	count_up(large, N);
	count_up(small, N);
	CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
	add_to(large, N, 1, stream);
	add_to(small, N, 1, stream);
	CHECK(cudaStreamEndCapture(stream, &graph));
	CHECK(cudaGraphInstantiate(&exec, graph, 0));
	for (int i = 0; i < 5; i++) {
		CHECK(cudaGraphLaunch(exec, stream));
		CHECK(cudaStreamSynchronize(stream));
		expect("in a graph", large, N, 1 + i * 3, 1);
		expect("in a graph", small, N, 1 + i * 3, 1);
		for (int k = 0; k < N; k++) {
			large[k] += 2;
			small[k] += 2;
		}
	}
	CHECK(cudaGraphExecDestroy(exec));
	CHECK(cudaGraphDestroy(graph));
	CHECK(cudaStreamDestroy(stream));
	CHECK(cudaFree(large));
	CHECK(cudaFreeHost(small));
}

/* Advice is answered as it was given, by page; prefetches are taken. */
static void advice(void)
{
	cudaMemLocation device = { cudaMemLocationTypeDevice, 0 };
	cudaMemLocation host = { cudaMemLocationTypeHost, 0 };
	int *p, v, by[3];

	CHECK(cudaMallocManaged(&p, MANY));
	CHECK(cudaMemAdvise(p, MANY / 2, cudaMemAdviseSetReadMostly, device));
	CHECK(cudaMemRangeGetAttribute(&v, sizeof(v), cudaMemRangeAttributeReadMostly, p,
				       MANY / 2));
	if (v != 1)
		fail("read mostly: %d", v);
	CHECK(cudaMemRangeGetAttribute(&v, sizeof(v), cudaMemRangeAttributeReadMostly, p, MANY));
	if (v != 0)
		fail("read mostly, half of it: %d", v);
	CHECK(cudaMemAdvise(p, MANY, cudaMemAdviseSetAccessedBy, device));
	CHECK(cudaMemAdvise(p, MANY, cudaMemAdviseSetAccessedBy, host));
	CHECK(cudaMemRangeGetAttribute(by, sizeof(by), cudaMemRangeAttributeAccessedBy, p, MANY));
	if (by[0] != 0 || by[1] != cudaCpuDeviceId || by[2] != cudaInvalidDeviceId)
		fail("accessed by %d, %d, %d", by[0], by[1], by[2]);
	CHECK(cudaMemRangeGetAttribute(&v, sizeof(v), cudaMemRangeAttributePreferredLocation, p,
				       MANY));
	if (v != cudaInvalidDeviceId)
		fail("preferred before any was: %d", v);
	count_up(p, N);
	CHECK(cudaMemPrefetchAsync(p, MANY, device, 0, 0));
	CHECK(cudaMemRangeGetAttribute(&v, sizeof(v), cudaMemRangeAttributeLastPrefetchLocation, p,
				       MANY));
	if (v != 0)
		fail("last prefetched to %d", v);
	add_to(p, N, 1, 0);
	CHECK(cudaMemPrefetchAsync(p, MANY, host, 0, 0));
	CHECK(cudaDeviceSynchronize());
	expect("prefetched", p, N, 1, 1);
	device.id = 55;
	if (cudaMemPrefetchAsync(p, MANY, device, 0, 0) != cudaErrorInvalidDevice)
		fail("prefetched to no device");
	if (cudaMemPrefetchAsync(p + 1, MANY, host, 0, 0) != cudaErrorInvalidValue)
		fail("prefetched what is not there");
	cudaGetLastError();
	CHECK(cudaFree(p));
}

static sigjmp_buf back;

static void own_handler(int sig)
{
	siglongjmp(back, sig);
}

/* A program's own faults stay its own, whichever handler came first. */
static void faults(void)
{
	struct sigaction act = {}, old;
	volatile int *p, *nowhere = (int *)16;
	int *q;

	act.sa_handler = own_handler;
	sigaction(SIGSEGV, &act, &old);
	for (int round = 0; round < 2; round++) {
		CHECK(cudaMallocManaged(&q, MANY));
		p = q;
		p[5] = 1;
		add_to(q, MANY / 4, 1, 0);
		CHECK(cudaDeviceSynchronize());
		if (p[5] != 2 || p[MANY / 4 - 1] != 1)
			fail("%d, %d beside a handler of the program's", p[5], p[MANY / 4 - 1]);
		if (!sigsetjmp(back, 1)) {
			*nowhere = 1;
			fail("a write to nowhere went well");
		}
		CHECK(cudaFree(q));
		if (!sigsetjmp(back, 1)) {
			p[5] = 1;
			fail("managed memory can be written once it is free");
		}
	}
	sigaction(SIGSEGV, &old, NULL);
}

/* A child cannot use the device, as natively, and the parent's memory stays as it was. */
static void child(void)
{
	int *p, *q, *mapped, status;
	pid_t pid;

	CHECK(cudaMallocManaged(&p, MANY));
	CHECK(cudaHostAlloc(&mapped, N * sizeof(int), cudaHostAllocMapped));
	CHECK(cudaHostAlloc(&q, N * sizeof(int), cudaHostAllocDefault));
	count_up(p, N);
	count_up(q, N);
	count_up(mapped, N);
	fflush(stdout);
	pid = fork();
	if (!pid)
		exit(cudaFreeHost(mapped) != cudaErrorInitializationError ||
		     cudaFree(p) != cudaErrorInitializationError ||
		     cudaMalloc(&p, 100) != cudaErrorInitializationError ||
		     cudaMemcpy(p, q, 100, cudaMemcpyDefault) != cudaErrorInitializationError);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail("a child ended with status %d", status);
	add_to(p, N, 1, 0);
	CHECK(cudaDeviceSynchronize());
	expect("after a fork", p, N, 1, 1);
	expect("after a fork", q, N, 0, 1);
	expect("after a fork", mapped, N, 0, 1);
	CHECK(cudaFreeHost(mapped));
	CHECK(cudaFree(p));
	CHECK(cudaFreeHost(q));
}

static void too_much(void)
{
	size_t left, total;
	int *p;

	CHECK(cudaMemGetInfo(&left, &total));
	if (cudaMallocManaged(&p, total + 1) != cudaErrorMemoryAllocation)
		fail("more managed memory than there is");
	cudaGetLastError();
}

static int only_rounds(long rounds)
{
	int *p, *d;

	CHECK(cudaHostAlloc(&p, 1024, cudaHostAllocMapped));
	CHECK(cudaHostGetDevicePointer(&d, p, 0));
	p[0] = 0;
	for (long i = 1; i <= rounds; i++) {
		add_to(d, 1, 1, 0);
		CHECK(cudaStreamSynchronize(0));
		if (p[0] != i)
			fail("round %ld: %d", i, p[0]);
	}
	return pass();
}

static int hold(void)
{
	volatile int *p;
	cudaError_t r;
	int *q;

	CHECK(cudaMallocManaged(&q, MANY));
	add_to(q, MANY / 4, 1, 0);
	CHECK(cudaDeviceSynchronize());
	printf("ready\n");
	fflush(stdout);
	getchar();
	p = q;
	for (int i = 0; i < MANY / 4; i += 1000)
		p[i]++;
	r = cudaDeviceSynchronize();
	printf("%s\n", cudaGetErrorName(r));
	return r == cudaSuccess;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--hold"))
		return hold();
	long rounds = only_option(argc, argv, "--rounds", 0, 0, 100000);
	int concurrent;

	if (rounds)
		return only_rounds(rounds);
	mapped();
	both_at_once();
	small_managed();
	large_managed();
	copies(1000);
	copies(300000);
	advice();
	graphs();
	CHECK(cudaDeviceGetAttribute(&concurrent, cudaDevAttrConcurrentManagedAccess, 0));
	if (!concurrent) {
		faults();
		child();
		too_much();
	}
	return pass();
}
