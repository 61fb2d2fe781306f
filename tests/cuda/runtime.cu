/* SPDX-License-Identifier: MIT */
/*
 * runtime.cu - what differs between versions of libcudart: which form of an entry point it asks the
 * driver for. tests/e2e/runtimes_test.py has it built for each.
 */
#include <cuda.h>

#include "dump.h"

#define N 256

__constant__ int scale[2];
__device__ int counter = 5;
__managed__ int shared_cell = 40;

__global__ void work(int *p)
{
	p[threadIdx.x] = threadIdx.x * scale[0] + scale[1];
	if (!threadIdx.x) {
		atomicAdd(&counter, 1);
		shared_cell += 2;
	}
}

static void expect(const char *what, long got, long want)
{
	if (got != want)
		fail("%s: %ld, not %ld", what, got, want);
}

/* The runtime is the headers' own; the driver's version is what the driver itself says. */
static void versions(void)
{
	CUresult (*ask)(int *) = NULL;
	cudaDriverEntryPointQueryResult found;
	int runtime, driver, said = 0;

	CHECK(cudaRuntimeGetVersion(&runtime));
	CHECK(cudaDriverGetVersion(&driver));
	expect("version of the runtime", runtime, CUDART_VERSION);
#if CUDART_VERSION >= 13000
	CHECK(cudaGetDriverEntryPointByVersion("cuDriverGetVersion", (void **)&ask, 12000, cudaEnableDefault,
					       &found));
#else
	CHECK(cudaGetDriverEntryPoint("cuDriverGetVersion", (void **)&ask, cudaEnableDefault, &found));
#endif
	if (found != cudaDriverEntryPointSuccess || !ask || ask(&said))
		fail("no cuDriverGetVersion");
	expect("version of the driver", driver, said);
}

static void properties(void)
{
	struct cudaDeviceProp p;
	int major;

	CHECK(cudaGetDeviceProperties(&p, 0));
	CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
	expect("compute capability", p.major, major);
	expect("threads of a warp", p.warpSize, 32);
	if (!p.name[0] || !p.totalGlobalMem || p.maxThreadsPerBlock < 512)
		fail("properties of %s are wrong", p.name);
}

static void symbols_and_launches(cudaStream_t s)
{
	const int want[2] = { 3, 7 };
	cudaLaunchConfig_t config = {};
	cudaFuncAttributes attributes;
	int out[N], *p, count, blocks;

	CHECK(cudaMemcpyToSymbol(scale, want, sizeof(want)));
	CHECK(cudaDeviceSynchronize());		/* s does not wait for that copy */
	CHECK(cudaMallocAsync(&p, sizeof(out), s));
	config.gridDim = dim3(1);
	config.blockDim = dim3(N);
	config.stream = s;
	CHECK(cudaLaunchKernelEx(&config, work, p));
	CHECK(cudaMemcpyAsync(out, p, sizeof(out), cudaMemcpyDeviceToHost, s));
	CHECK(cudaFreeAsync(p, s));
	CHECK(cudaStreamSynchronize(s));
	for (int i = 0; i < N; i++)
		expect("work", out[i], i * 3 + 7);
	dump("work", out, sizeof(out));
	CHECK(cudaMemcpyFromSymbol(&count, counter, sizeof(count)));
	expect("counter", count, 6);
	CHECK(cudaDeviceSynchronize());
	expect("managed", shared_cell, 42);
	CHECK(cudaFuncGetAttributes(&attributes, work));
	CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, work, N, 0));
	if (attributes.maxThreadsPerBlock < N || blocks < 1)
		fail("%d threads, %d blocks", attributes.maxThreadsPerBlock, blocks);
}

/* Advice and prefetching took a device's number, then a place. */
static void advice(cudaStream_t s)
{
	int *p;

	CHECK(cudaMallocManaged(&p, N * sizeof(*p)));
	p[0] = 9;
#if CUDART_VERSION >= 13000
	cudaMemLocation device = { cudaMemLocationTypeDevice, 0 };

	CHECK(cudaMemAdvise(p, N * sizeof(*p), cudaMemAdviseSetReadMostly, device));
#else
	CHECK(cudaMemAdvise(p, N * sizeof(*p), cudaMemAdviseSetReadMostly, 0));
#endif
	CHECK(cudaMemsetAsync(p + 1, 0, sizeof(*p), s));
	CHECK(cudaStreamSynchronize(s));
	expect("managed memory", p[0] + p[1], 9);
	CHECK(cudaFree(p));
}

static void events_and_capture(cudaStream_t s)
{
	cudaStreamCaptureStatus status;
	unsigned long long id = 0;
	cudaEvent_t a, b;
	cudaGraph_t g;
	float ms = -1;
	void *p;

	CHECK(cudaMalloc(&p, 64));
	CHECK(cudaEventCreate(&a));
	CHECK(cudaEventCreate(&b));
	CHECK(cudaEventRecord(a, s));
	CHECK(cudaMemsetAsync(p, 1, 64, s));
	CHECK(cudaEventRecord(b, s));
	CHECK(cudaEventSynchronize(b));
	CHECK(cudaEventElapsedTime(&ms, a, b));
	if (!(ms >= 0 && ms < 60000))
		fail("%g ms", ms);
	CHECK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
	CHECK(cudaMemsetAsync(p, 2, 64, s));
	CHECK(cudaStreamGetCaptureInfo(s, &status, &id));
	expect("capture", status, cudaStreamCaptureStatusActive);
	CHECK(cudaStreamEndCapture(s, &g));
	CHECK(cudaGraphDestroy(g));
	CHECK(cudaEventDestroy(a));
	CHECK(cudaEventDestroy(b));
	CHECK(cudaFree(p));
}

int main()
{
	cudaStream_t s;
	void *p;

	versions();
	properties();
	CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
	symbols_and_launches(s);
	advice(s);
	events_and_capture(s);
	CHECK(cudaStreamDestroy(s));
	expect("more memory than there is", cudaMalloc(&p, (size_t)1 << 50), cudaErrorMemoryAllocation);
	expect("last error", cudaGetLastError(), cudaErrorMemoryAllocation);
	CHECK(cudaDeviceReset());
	CHECK(cudaMalloc(&p, 64));
	CHECK(cudaFree(p));
	return pass();
}
