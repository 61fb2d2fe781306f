/* SPDX-License-Identifier: MIT */
/*
 * softgpu_memory_bench.h - what the tests of softgpu's memory share: a context with a gate, pools, mappings
 */
#ifndef SOFTGPU_MEMORY_BENCH_H
#define SOFTGPU_MEMORY_BENCH_H

#define __CUDA_API_VERSION_INTERNAL
#include "softgpu_calls.h"

#include "softgpu_gate.h"

static const char ptx[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".visible .global .attribute(.managed) .align 4 .u32 both = 41;\n"
	".visible .global .align 4 .u32 plain = 1;\n"
	GATE_PTX;

struct fixture {
	CUcontext ctx;
	CUmodule mod;
	struct gate gate;
	pid_t peer;			/* 0: none; softgpu_share_test.c has them */
	int socket;
};

static inline struct fixture *open_device(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	OK(cuInit(0));
	OK(cuCtxCreate_v4(&f->ctx, NULL, 0, 0));
	OK(cuModuleLoadData(&f->mod, ptx));
	gate_init(&f->gate, f->mod);
	return f;
}

static inline int set_up(void **state)
{
	*state = open_device();
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	__atomic_store_n(f->gate.flag, 1, __ATOMIC_SEQ_CST);
	OK(cuCtxDestroy_v2(f->ctx));
	free(f);
	return 0;
}

static inline size_t free_memory(void)
{
	size_t n;

	OK(cuMemGetInfo_v2(&n, NULL));
	return n;
}

static inline CUmemPoolProps device_pool(CUmemAllocationHandleType types)
{
	return (CUmemPoolProps){
		.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
		.handleTypes = types,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
}

static inline CUmemoryPool make_pool(CUmemAllocationHandleType types)
{
	CUmemPoolProps props = device_pool(types);
	CUmemoryPool pool;

	OK(cuMemPoolCreate(&pool, &props));
	return pool;
}

static inline CUmemAllocationProp shareable(void)
{
	return (CUmemAllocationProp){
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
}

static inline CUdeviceptr map_physical(CUmemGenericAllocationHandle h, size_t size)
{
	CUmemAccessDesc access = {
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
		.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
	};
	CUdeviceptr p;

	OK(cuMemAddressReserve(&p, size, 0, 0, 0));
	OK(cuMemMap(p, size, 0, h, 0));
	OK(cuMemSetAccess(p, size, &access, 1));
	return p;
}

#endif
