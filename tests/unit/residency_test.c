// SPDX-License-Identifier: MIT
/*
 * residency_test.c - blocks that a multiprocessor holds, beside what the toolkit's cuda_occupancy.h computes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <cuda.h>
#include <cuda_occupancy.h>

#include "residency.h"

static int device[CU_DEVICE_ATTRIBUTE_MAX], kernel[16];

/* Compute capability 9.0, as an H100's driver tells it. */
static const cudaOccDeviceProp h100 = {
	.computeMajor = 9,
	.maxThreadsPerBlock = 1024,
	.maxThreadsPerMultiprocessor = 2048,
	.regsPerBlock = 65536,
	.regsPerMultiprocessor = 65536,
	.warpSize = 32,
	.sharedMemPerBlock = 49152,
	.sharedMemPerMultiprocessor = 233472,
	.numSms = 132,
	.sharedMemPerBlockOptin = 232448,
	.reservedSharedMemPerBlock = 1024,
};

static int start(void **state)
{
	(void)state;
	device[CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR] = 32;
	device[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR] = h100.maxThreadsPerMultiprocessor;
	device[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK] = h100.regsPerBlock;
	device[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR] = h100.regsPerMultiprocessor;
	device[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR] = h100.sharedMemPerMultiprocessor;
	device[CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK] = h100.reservedSharedMemPerBlock;
	return 0;
}

static int expected(int barriers, int threads, size_t dynamic)
{
	const cudaOccDeviceState state = { .cacheConfig = CACHE_PREFER_NONE, .carveoutConfig = SHAREDMEM_CARVEOUT_DEFAULT };
	const cudaOccFuncAttributes f = {
		.maxThreadsPerBlock = 1024,	/* residency.c says why */
		.numRegs = kernel[CU_FUNC_ATTRIBUTE_NUM_REGS],
		.sharedSizeBytes = kernel[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES],
		.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN,
		.maxDynamicSharedSizeBytes = kernel[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES],
		.numBlockBarriers = barriers,
	};
	cudaOccResult r;

	assert_int_equal(cudaOccMaxActiveBlocksPerMultiprocessor(&r, &h100, &f, &state, threads, dynamic), CUDA_OCC_SUCCESS);
	return r.activeBlocksPerMultiprocessor;
}

static void compare(int barriers, size_t dynamic)
{
	for (int threads = 1; threads <= 1024; threads += threads % 32 == 1 ? 31 : 1) {
		int want = expected(barriers, threads, dynamic);
		int have = residency_blocks(device, kernel, barriers, threads, dynamic);

		if (have != want)
			fail_msg("%d blocks, not %d: %d registers, %d barriers, %d threads, %d + %zu bytes", have, want,
				 kernel[CU_FUNC_ATTRIBUTE_NUM_REGS], barriers, threads,
				 kernel[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES], dynamic);
	}
}

static void make_kernel(int registers, int shared, int dynamic_max)
{
	kernel[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 1024;
	kernel[CU_FUNC_ATTRIBUTE_NUM_REGS] = registers;
	kernel[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES] = shared;
	kernel[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES] = dynamic_max;
}

static void registers_and_threads(void **state)
{
	(void)state;
	for (int registers = 1; registers <= 255; registers++) {
		make_kernel(registers, 0, 49152);
		compare(1, 0);
	}
}

static void shared_memory(void **state)
{
	(void)state;
	for (int own = 0; own <= 49152; own += 3011) {
		make_kernel(32, own, 232448 - own);
		for (size_t dynamic = 0; dynamic <= 240000; dynamic += dynamic < 3000 ? 97 : 7919)
			compare(1, dynamic);
		make_kernel(32, own, 49152 - own);
		compare(1, 49152 - own);
		compare(1, 49153 - own);
	}
}

static void barriers(void **state)
{
	(void)state;
	for (int n = 0; n <= 16; n++) {
		make_kernel(32, 1024, 49152);
		compare(n, 0);
	}
}

/* Answers of an H100 (580.159.04), for kernels of cuBLAS. */
static void what_blocks_leave_each_other(void **state)
{
	static const struct { int registers, shared, threads, blocks, bytes; } answers[] = {
		{ 42, 8708, 1, 1, 40444 }, { 42, 8708, 32, 4, 40444 }, { 42, 8708, 128, 5, 37884 },
		{ 42, 8708, 32, 8, 20476 }, { 42, 8708, 1, 16, 5884 }, { 42, 8708, 1024, 1, 40444 },
		{ 42, 8708, 1024, 2, -1 }, { 42, 8708, 32, 24, -1 }, { 124, 6404, 512, 1, 42748 },
		{ 124, 6404, 128, 5, -1 }, { 32, 0, 1, 5, 46592 }, { 32, 0, 1, 16, 14592 },
		{ 32, 0, 1, 33, -1 },
	};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		make_kernel(answers[i].registers, answers[i].shared, 49152 - answers[i].shared);
		if (!residency_available(device, kernel, 1, answers[i].threads, answers[i].blocks, &bytes))
			bytes = -1;
		assert_int_equal((int)bytes, answers[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_and_threads),
		cmocka_unit_test(shared_memory),
		cmocka_unit_test(barriers),
		cmocka_unit_test(what_blocks_leave_each_other),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
