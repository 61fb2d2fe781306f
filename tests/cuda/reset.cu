/* SPDX-License-Identifier: MIT */
/*
 * A program that resets the device in its middle, and goes on: memory, streams, events and variables are as they were in the beginning.
 * And one with a second context, which has variables of its own, also when the first goes.
 */
#include <cuda.h>

#include "check.h"
#include "dump.h"

#define N	4096
#define BYTES	(N * sizeof(int))

__device__ int bias = 7;

__global__ void add(int *out, const int *in, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		out[i] = in[i] + bias;
}

static size_t free_now(void)
{
	size_t bytes, total;

	CHECK(cudaMemGetInfo(&bytes, &total));
	return bytes;
}

/* Leaves everything behind: what it took is the reset's to free. */
static void round_of_work(int by, const char *what)
{
	cudaStream_t stream;
	cudaEvent_t done;
	int *in, *out, *unused;
	static int host[N];

	CHECK(cudaStreamCreate(&stream));
	CHECK(cudaEventCreate(&done));
	CHECK(cudaMalloc(&in, BYTES));
	CHECK(cudaMalloc(&out, BYTES));
	CHECK(cudaMalloc(&unused, 64 << 20));
	for (int i = 0; i < N; i++)
		host[i] = 3 * i;
	CHECK(cudaMemcpyAsync(in, host, BYTES, cudaMemcpyHostToDevice, stream));
	if (by != 7)
		CHECK(cudaMemcpyToSymbol(bias, &by, sizeof(by)));
	add<<<N / 256, 256, 0, stream>>>(out, in, N);
	CHECK(cudaGetLastError());
	CHECK(cudaEventRecord(done, stream));
	add<<<N / 256, 256>>>(unused, out, N);
	CHECK(cudaEventSynchronize(done));
	CHECK(cudaMemcpy(host, unused, BYTES, cudaMemcpyDeviceToHost));
	for (int i = 0; i < N; i++)
		if (host[i] != 3 * i + 2 * by)
			fail("%s: %d is %d, not %d", what, i, host[i], 3 * i + 2 * by);
	dump("out", host, BYTES);
}

/* The runtime has a context for each device, the primary one: made anew at its next call. */
static void is_active(int want, const char *when)
{
	unsigned int flags;
	int active;

	CHECK_DRV(cuDevicePrimaryCtxGetState(0, &flags, &active));
	if (active != want)
		fail("the primary context is %sactive %s", active ? "" : "not ", when);
}

#define SHARED	40000	/* with the static rest more than a kernel has unasked */

__global__ void raise(int by)
{
	extern __shared__ int sum[];
	__shared__ int rest[3000];

	rest[0] = by;
	sum[0] = bias + rest[0];
	bias = sum[0];
}

static void expect_bias(int want, const char *where)
{
	int is;

	CHECK(cudaMemcpyFromSymbol(&is, bias, sizeof(is)));
	if (is != want)
		fail("bias is %d %s, not %d", is, where, want);
}

static void another_context(void)
{
	CUcontext first, second;

	CHECK_DRV(cuCtxGetCurrent(&first));
	CHECK(cudaFuncSetAttribute(raise, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED));
	raise<<<1, 1, SHARED>>>(1);
	CHECK_LAUNCH();
	expect_bias(8, "in the first context");
	CHECK_DRV(cuCtxCreate(&second, NULL, 0, 0));
	expect_bias(7, "in the second context");
	CHECK(cudaFuncSetAttribute(raise, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED));
	raise<<<1, 1, SHARED>>>(10);
	CHECK_LAUNCH();
	expect_bias(17, "in the second context");
	CHECK_DRV(cuCtxSetCurrent(first));
	expect_bias(8, "in the first context again");
	CHECK_DRV(cuCtxDestroy(second));
	raise<<<1, 1, SHARED>>>(100);
	CHECK_LAUNCH();
	expect_bias(108, "without the second context");
}

/* What the second one has of the program's image is its own, too, when the first has gone. */
static void the_first_context_goes(void)
{
	CUcontext first, second;

	CHECK_DRV(cuCtxCreate(&first, NULL, 0, 0));
	raise<<<1, 1, sizeof(int)>>>(1);
	expect_bias(8, "in a first context");
	CHECK_DRV(cuCtxCreate(&second, NULL, 0, 0));
	raise<<<1, 1, sizeof(int)>>>(10);
	expect_bias(17, "beside a first context");
	CHECK_DRV(cuCtxDestroy(first));
	expect_bias(17, "without the first context");
	raise<<<1, 1, sizeof(int)>>>(100);
	expect_bias(117, "without the first context");
	CHECK_DRV(cuCtxDestroy(second));
	CHECK_DRV(cuCtxPopCurrent(NULL));
	CHECK(cudaSetDevice(0));
}

/* A kernel is its library's, not a context's, and so is the name that the program was told. */
static const char *name_of_add(void)
{
	cudaKernel_t kernel;
	const char *name;

	CHECK(cudaGetKernel(&kernel, (const void *)add));
	CHECK_DRV(cuKernelGetName(&name, kernel));
	return name;
}

static void expect_name(const char *name, const char *when)
{
	if (strcmp(name, "_Z3addPiPKii") || strcmp(name_of_add(), name))
		fail("the kernel was %s, and is %s %s", name, name_of_add(), when);
}

int main(void)
{
	size_t before, after;
	const char *name;

	before = free_now();
	is_active(1, "once it is used");
	round_of_work(7, "at first");
	name = name_of_add();
	round_of_work(100, "with another bias");
	if (free_now() + (100 << 20) > before)
		fail("128 MiB more were free, and %zu of %zu are", free_now(), before);
	CHECK(cudaDeviceReset());
	is_active(0, "after a reset");
	after = free_now();
	if (after + (32 << 20) < before)
		fail("%zu bytes were free, and %zu are after a reset", before, after);
	is_active(1, "when it is used again");
	/* Variables are what the program's image says. */
	round_of_work(7, "after a reset");
	expect_name(name, "after a reset");
	CHECK(cudaDeviceReset());
	CHECK(cudaDeviceReset());
	round_of_work(7, "after two resets");
	CHECK(cudaDeviceReset());
	another_context();
	CHECK(cudaDeviceReset());
	the_first_context_goes();
	CHECK(cudaDeviceSynchronize());
	return pass();
}
