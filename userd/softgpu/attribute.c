/* SPDX-License-Identifier: MIT */
/*
 * attribute.c - cuDeviceGetAttribute()
 */
#include <unistd.h>

#include "device.h"
#include "init.h"

#define A(name)	CU_DEVICE_ATTRIBUTE_##name

/*
 * What does not depend on settings or the machine. Those that are absent are 0: textures, surfaces,
 * pools, sharing, peers, managed memory and cluster launches are things that the device does not do
 * (yet).
 */
static const int fixed[A(MAX)] = {
	[A(MAX_THREADS_PER_BLOCK)] = DEVICE_THREADS_PER_BLOCK,
	[A(MAX_BLOCK_DIM_X)] = 1024,
	[A(MAX_BLOCK_DIM_Y)] = 1024,
	[A(MAX_BLOCK_DIM_Z)] = 64,
	[A(MAX_GRID_DIM_X)] = 0x7fffffff,
	[A(MAX_GRID_DIM_Y)] = 65535,
	[A(MAX_GRID_DIM_Z)] = 65535,
	[A(MAX_SHARED_MEMORY_PER_BLOCK)] = DEVICE_SHARED_PER_BLOCK,
	[A(TOTAL_CONSTANT_MEMORY)] = 65536,
	[A(WARP_SIZE)] = 32,
	[A(MAX_PITCH)] = 0x7fffffff,
	[A(MAX_REGISTERS_PER_BLOCK)] = 65536,
	[A(CLOCK_RATE)] = 1000000,		/* kHz: %clock64 counts ns */
	[A(TEXTURE_ALIGNMENT)] = 512,
	[A(SURFACE_ALIGNMENT)] = 512,
	[A(TEXTURE_PITCH_ALIGNMENT)] = 32,
	[A(GPU_OVERLAP)] = 1,
	[A(ASYNC_ENGINE_COUNT)] = 2,
	[A(CAN_MAP_HOST_MEMORY)] = 1,
	[A(COMPUTE_MODE)] = CU_COMPUTEMODE_DEFAULT,
	[A(CONCURRENT_KERNELS)] = 1,
	[A(MEMORY_CLOCK_RATE)] = 1000000,
	[A(GLOBAL_MEMORY_BUS_WIDTH)] = 64,
	[A(UNIFIED_ADDRESSING)] = 1,
	[A(GLOBAL_L1_CACHE_SUPPORTED)] = 1,
	[A(LOCAL_L1_CACHE_SUPPORTED)] = 1,
	[A(SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO)] = 2,
	[A(CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM)] = 1,
	[A(COOPERATIVE_LAUNCH)] = 1,
	[A(HOST_REGISTER_SUPPORTED)] = 1,
	[A(READ_ONLY_HOST_REGISTER_SUPPORTED)] = 1,
	[A(VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED)] = 1,
	[A(NUMA_CONFIG)] = CU_DEVICE_NUMA_CONFIG_NONE,
	[A(NUMA_ID)] = -1,
	[A(HOST_NUMA_ID)] = -1,
};

static int cache_size(void)
{
	long n = sysconf(_SC_LEVEL3_CACHE_SIZE);

	if (n <= 0)
		n = sysconf(_SC_LEVEL2_CACHE_SIZE);
	return n > 0 && n < 0x7fffffff ? n : 0;
}

static int value_of(CUdevice_attribute a)
{
	const struct device_limits *l = device_limits();

	switch (a) {
	case A(COMPUTE_CAPABILITY_MAJOR):
		return driver_sm() / 10;
	case A(COMPUTE_CAPABILITY_MINOR):
		return driver_sm() % 10;
	case A(MULTIPROCESSOR_COUNT):
		return device_multiprocessors();
	case A(L2_CACHE_SIZE):
		return cache_size();
	case A(MAX_THREADS_PER_MULTIPROCESSOR):
		return l->threads;
	case A(MAX_BLOCKS_PER_MULTIPROCESSOR):
		return l->blocks;
	case A(MAX_REGISTERS_PER_MULTIPROCESSOR):
		return l->registers;
	case A(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR):
		return l->shared;
	case A(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN):
		return l->shared_optin;
	case A(RESERVED_SHARED_MEMORY_PER_BLOCK):
		return l->shared_reserved;
	default:
		return fixed[a];
	}
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice dev)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!value || (int)attribute < 1 || attribute >= A(MAX))
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*value = value_of(attribute);
	return CUDA_SUCCESS;
}
