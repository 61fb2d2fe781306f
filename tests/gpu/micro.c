/* SPDX-License-Identifier: MIT */
/*
 * micro.c - what single calls of the driver cost, and how fast copies are: make gpubench
 *
 *	micro [LIBCUBLAS]
 *
 * Prints "name <tab> value <tab> unit" lines. The cold start comes first, step by step, with the
 * first product of cuBLAS at its end where its library is named.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

static const char ptx[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".visible .entry empty(.param .u64 p)\n{\n\tret;\n}\n";

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double last;

static void step(const char *name)
{
	double t = now();

	printf("%s\t%.3f\tms\n", name, (t - last) * 1e3);
	fflush(stdout);
	last = now();
}

/* cublasCreate_v2() and cublasSgemm_v2() of the library; no header is needed for two calls. */
static void product(const char *library)
{
	void *lib = dlopen(library, RTLD_NOW), *handle;
	int (*create)(void **) = lib ? (int (*)(void **))dlsym(lib, "cublasCreate_v2") : NULL;
	int (*sgemm)(void *, int, int, int, int, int, const float *, const void *, int, const void *, int, const float *,
		     void *, int) = lib ? dlsym(lib, "cublasSgemm_v2") : NULL;
	const float one = 1, zero = 0;
	CUdeviceptr a;

	if (!create || !sgemm) {
		fprintf(stderr, "micro: %s\n", dlerror());
		exit(1);
	}
	last = now();
	if (create(&handle))
		exit(1);
	step("cublasCreate");
	CHECK(cuMemAlloc(&a, 3 * 512 * 512 * 4));
	CHECK(cuMemsetD32(a, 0x3f800000, 3 * 512 * 512));
	if (sgemm(handle, 0, 0, 512, 512, 512, &one, (void *)a, 512, (void *)(a + 512 * 512 * 4), 512, &zero,
		  (void *)(a + 2 * 512 * 512 * 4), 512))
		exit(1);
	CHECK(cuCtxSynchronize());
	step("first sgemm");
	CHECK(cuMemFree(a));
}

static CUfunction cold_start(const char *library)
{
	double start = now();
	CUdevice dev;
	CUcontext ctx;
	CUdeviceptr p, arg = 0;
	CUmodule mod;
	CUfunction f;
	void *params[] = { &arg };

	last = start;
	CHECK(cuInit(0));
	step("cuInit");
	CHECK(cuDeviceGet(&dev, 0));
	CHECK(cuDevicePrimaryCtxRetain(&ctx, dev));
	CHECK(cuCtxSetCurrent(ctx));
	step("primary context");
	CHECK(cuMemAlloc(&p, 4096));
	step("first cuMemAlloc");
	CHECK(cuModuleLoadData(&mod, ptx));
	CHECK(cuModuleGetFunction(&f, mod, "empty"));
	CHECK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
	CHECK(cuCtxSynchronize());
	step("first kernel");
	CHECK(cuMemFree(p));
	if (library)
		product(library);
	printf("start to first product\t%.3f\tms\n", (now() - start) * 1e3);
	return f;
}

static void launches(CUfunction f)
{
	CUdeviceptr arg = 0;
	void *params[] = { &arg };
	double best = 1, t;

	for (int round = 0; round < 20; round++) {
		CHECK(cuCtxSynchronize());
		t = now();
		for (int i = 0; i < 1000; i++)
			CHECK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
		t = (now() - t) / 1000;
		best = t < best ? t : best;
	}
	printf("launch\t%.3f\tus\n", best * 1e6);
	t = now();
	for (int i = 0; i < 2000; i++) {
		CHECK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
		CHECK(cuCtxSynchronize());
	}
	printf("launch and synchronize\t%.3f\tus\n", (now() - t) / 2000 * 1e6);
}

static void small_calls(void)
{
	CUdeviceptr p;
	uint32_t v;
	double t = now();

	for (int i = 0; i < 1000; i++) {
		CHECK(cuMemAlloc(&p, 4096));
		CHECK(cuMemFree(p));
	}
	printf("cuMemAlloc and cuMemFree\t%.3f\tus\n", (now() - t) / 1000 * 1e6);
	CHECK(cuMemAlloc(&p, 4096));
	t = now();
	for (int i = 0; i < 1000; i++)
		CHECK(cuMemcpyDtoH(&v, p, 4));
	printf("copy of 4 bytes to the host\t%.3f\tus\n", (now() - t) / 1000 * 1e6);
	CHECK(cuMemFree(p));
}

static void copies(const char *kind, void *host, size_t bytes)
{
	CUdeviceptr p;
	double in = 1e9, out = 1e9, t;

	CHECK(cuMemAlloc(&p, bytes));
	for (int i = 0; i < 4; i++) {
		t = now();
		CHECK(cuMemcpyHtoD(p, host, bytes));
		CHECK(cuCtxSynchronize());
		CHECK(cuMemcpyDtoH(host, p, 4));	/* so that every byte has arrived */
		t = now() - t;
		in = t < in ? t : in;
		t = now();
		CHECK(cuMemcpyDtoH(host, p, bytes));
		t = now() - t;
		out = t < out ? t : out;
	}
	printf("512 MiB to the device, %s\t%.3f\tGB/s\n", kind, bytes / in / 1e9);
	printf("512 MiB to the host, %s\t%.3f\tGB/s\n", kind, bytes / out / 1e9);
	CHECK(cuMemFree(p));
}

int main(int argc, char **argv)
{
	CUfunction f = cold_start(argc > 1 ? argv[1] : NULL);
	size_t bytes = 512ul << 20;
	void *pinned, *pageable = malloc(bytes);

	launches(f);
	small_calls();
	if (!pageable)
		return 1;
	memset(pageable, 1, bytes);
	copies("pageable", pageable, bytes);
	free(pageable);
	CHECK(cuMemHostAlloc(&pinned, bytes, 0));
	memset(pinned, 1, bytes);
	copies("pinned", pinned, bytes);
	CHECK(cuMemFreeHost(pinned));
	return 0;
}
