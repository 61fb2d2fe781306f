/* SPDX-License-Identifier: MIT */
/*
 * worker_script.c - a program for the seeds of worker_fuzz: the rows that no program of tests/cuda
 * sends, each with objects that are there, so that the worker comes to its driver (make fuzz-rows)
 *
 * Nothing is checked: make check does that elsewhere. client_fuzz runs it, too.
 */
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "client_script.h"

#define BYTES	65536u
#define SIDE	16u

static const char text[] =
	".version 7.8\n.target sm_75\n.address_size 64\n"
	".visible .entry first(.param .u64 p, .param .u32 n)\n{\n\tret;\n}\n"
	".visible .entry second()\n{\n\tret;\n}\n";

static CUmodule module;
static CUfunction first, second;
static CUstream stream;
static CUdeviceptr memory;

static const CUDA_ARRAY3D_DESCRIPTOR shape = {
	.Width = SIDE, .Height = SIDE, .Format = CU_AD_FORMAT_UNSIGNED_INT32, .NumChannels = 1,
	.Flags = CUDA_ARRAY3D_SURFACE_LDST,
};

static void events(void)
{
	CUstreamAttrValue value = { .syncPolicy = CU_SYNC_POLICY_SPIN };
	CUcontext context;
	CUevent a, b;
	CUstream other;
	char luid[8];
	unsigned int mask;
	float ms;

	cuDeviceGetLuid(luid, &mask, 0);
	cuCtxGetCurrent(&context);
	cuStreamCreate(&other, 0);
	cuEventCreate(&a, 0);
	cuEventCreate(&b, 0);
	cuEventRecordWithFlags(a, stream, CU_EVENT_RECORD_DEFAULT);
	cuCtxRecordEvent(context, b);
	cuCtxWaitEvent(context, a);
	cuEventSynchronize(b);
	cuEventElapsedTime(&ms, a, b);
	cuEventElapsedTime_v2(&ms, a, b);
	cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value);
	cuStreamCopyAttributes(other, stream);
	cuStreamSynchronize(other);
	cuStreamDestroy_v2(other);
	cuEventDestroy_v2(a);
	cuEventDestroy_v2(b);
}

static void values(void)
{
	CUstreamBatchMemOpParams ops[2] = {
		{ .writeValue = { .operation = CU_STREAM_MEM_OP_WRITE_VALUE_32, .address = memory, .value = 5 } },
		{ .waitValue = { .operation = CU_STREAM_MEM_OP_WAIT_VALUE_32, .address = memory, .value = 5 } },
	};

	cuMemsetD16Async(memory, 1, 64, stream);
	cuMemsetD2D16Async(memory, 256, 1, 16, 4, stream);
	cuMemsetD2D32Async(memory, 256, 1, 16, 4, stream);
	cuStreamWriteValue32(stream, memory, 7, 0);
	cuStreamWaitValue32(stream, memory, 7, CU_STREAM_WAIT_VALUE_EQ);
	cuStreamWriteValue32_v2(stream, memory, 8, 0);
	cuStreamWaitValue32_v2(stream, memory, 8, CU_STREAM_WAIT_VALUE_EQ);
	cuStreamWriteValue64(stream, memory, 9, 0);
	cuStreamWaitValue64(stream, memory, 9, CU_STREAM_WAIT_VALUE_EQ);
	cuStreamWriteValue64_v2(stream, memory, 10, 0);
	cuStreamWaitValue64_v2(stream, memory, 10, CU_STREAM_WAIT_VALUE_EQ);
	cuStreamBatchMemOp_v2(stream, 2, ops, 0);
	cuStreamSynchronize(stream);
}

static void links(void)
{
	CUlinkState link = NULL;
	CUmodule linked;
	void *cubin;
	size_t n;

	cuLinkCreate_v2(0, NULL, NULL, &link);
	if (!link)
		return;
	cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)text, sizeof(text), "text", 0, NULL, NULL);
	if (!cuLinkComplete(link, &cubin, &n) && !cuModuleLoadData(&linked, cubin))
		cuModuleUnload(linked);
	cuLinkDestroy(link);
}

static void functions(void)
{
	CUlaunchAttribute together[] = {
		{ .id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .value.clusterDim = { 2, 1, 1 } },
	};
	CUlaunchConfig config = { 2, 1, 1, 32, 1, 1, 0, stream, together, 1 };
	int v;
	size_t n;

	cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_NUM_REGS, second);
	cuFuncSetAttribute(second, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 2048);
	cuFuncSetCacheConfig(second, CU_FUNC_CACHE_PREFER_L1);
	cuLaunchKernelEx(&config, second, NULL, NULL);
	cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&v, second, 64, 0, 1);
	cuOccupancyAvailableDynamicSMemPerBlock(&n, second, 2, 64);
	cuOccupancyMaxPotentialClusterSize(&v, second, &config);
	cuOccupancyMaxActiveClusters(&v, second, &config);
	cuStreamSynchronize(stream);
}

static void graph_update(CUgraph g, CUgraphNode kernel, CUgraphNode child, CUgraph inner)
{
	CUDA_KERNEL_NODE_PARAMS_v2 p = { second, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL, NULL };
	CUgraphNodeParams any = { .type = CU_GRAPH_NODE_TYPE_KERNEL };
	CUgraphExec exec = NULL;

	any.kernel.func = second;
	any.kernel.gridDimX = any.kernel.gridDimY = any.kernel.gridDimZ = 1;
	any.kernel.blockDimX = any.kernel.blockDimY = any.kernel.blockDimZ = 1;
	if (cuGraphInstantiateWithFlags(&exec, g, 0))
		return;
	cuGraphUpload(exec, stream);
	cuGraphExecKernelNodeSetParams_v2(exec, kernel, &p);
	cuGraphExecNodeSetParams(exec, kernel, &any);
	cuGraphExecChildGraphNodeSetParams(exec, child, inner);
	cuGraphNodeSetEnabled(exec, kernel, 0);
	cuGraphLaunch(exec, stream);
	cuGraphNodeSetEnabled(exec, kernel, 1);
	cuGraphLaunch(exec, stream);
	cuStreamSynchronize(stream);
	cuGraphExecDestroy(exec);
}

static void graphs(void)
{
	CUDA_KERNEL_NODE_PARAMS_v2 p = { second, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL, NULL };
	CUgraphNode kernel, child, inside;
	CUgraph g = NULL, inner = NULL;

	cuGraphCreate(&g, 0);
	cuGraphCreate(&inner, 0);
	cuGraphAddKernelNode_v2(&inside, inner, NULL, 0, &p);
	cuGraphAddKernelNode_v2(&kernel, g, NULL, 0, &p);
	cuGraphAddChildGraphNode(&child, g, &kernel, 1, inner);
	graph_update(g, kernel, child, inner);
	cuGraphDestroy(inner);
	cuGraphDestroy(g);
}

static void levels_of(CUtexref ref)
{
	CUDA_ARRAY3D_DESCRIPTOR plain = shape;
	CUmipmappedArray levels = NULL;
	CUarray level;

	plain.Flags = 0;
	if (cuMipmappedArrayCreate(&levels, &plain, 3))
		return;
	cuMipmappedArrayGetLevel(&level, levels, 1);
	if (ref)
		cuTexRefSetMipmappedArray(ref, levels, CU_TRSA_OVERRIDE_FORMAT);
	cuStreamSynchronize(stream);
	cuMipmappedArrayDestroy(levels);
}

static void ref_answers(CUtexref ref)
{
	CUarray_format format;
	CUaddress_mode mode;
	CUfilter_mode filter;
	CUdeviceptr at;
	float a[4], b;
	unsigned int flags;
	int n;

	cuTexRefGetAddress_v2(&at, ref);
	cuTexRefGetAddressMode(&mode, ref, 0);
	cuTexRefGetFilterMode(&filter, ref);
	cuTexRefGetFormat(&format, &n, ref);
	cuTexRefGetMipmapFilterMode(&filter, ref);
	cuTexRefGetMipmapLevelBias(&b, ref);
	cuTexRefGetMipmapLevelClamp(&a[0], &a[1], ref);
	cuTexRefGetMaxAnisotropy(&n, ref);
	cuTexRefGetBorderColor(a, ref);
	cuTexRefGetFlags(&flags, ref);
}

static void ref_settings(CUtexref ref, CUarray array)
{
	CUDA_ARRAY_DESCRIPTOR rows = { SIDE, SIDE, CU_AD_FORMAT_UNSIGNED_INT32, 1 };
	float color[4] = { 0, 1, 0, 1 };
	size_t at;

	cuTexRefSetFormat(ref, CU_AD_FORMAT_UNSIGNED_INT32, 1);
	cuTexRefSetAddressMode(ref, 0, CU_TR_ADDRESS_MODE_CLAMP);
	cuTexRefSetFilterMode(ref, CU_TR_FILTER_MODE_POINT);
	cuTexRefSetMipmapFilterMode(ref, CU_TR_FILTER_MODE_POINT);
	cuTexRefSetMipmapLevelBias(ref, 0);
	cuTexRefSetMipmapLevelClamp(ref, 0, 1);
	cuTexRefSetMaxAnisotropy(ref, 1);
	cuTexRefSetBorderColor(ref, color);
	cuTexRefSetFlags(ref, CU_TRSF_READ_AS_INTEGER);
	cuTexRefSetAddress_v2(&at, ref, memory, 4096);
	cuTexRefSetAddress2D_v3(ref, &rows, memory, 512);
	cuTexRefSetArray(ref, array, CU_TRSA_OVERRIDE_FORMAT);
}

static void pictures(void)
{
	CUDA_RESOURCE_DESC of = { .resType = CU_RESOURCE_TYPE_ARRAY };
	CUtexref ref = NULL, own = NULL;
	CUsurfref surface = NULL;
	CUsurfObject object = 0;
	CUarray array = NULL;

	if (cuArray3DCreate_v2(&array, &shape))
		return;
	of.res.array.hArray = array;
	cuSurfObjectCreate(&object, &of);
	cuSurfObjectDestroy(object);
	cuModuleGetTexRef(&ref, module, "picture");
	cuModuleGetSurfRef(&surface, module, "surface");
	cuSurfRefSetArray(surface, array, 0);
	cuTexRefCreate(&own);
	for (int i = 0; i < 2; i++) {
		CUtexref r = i ? own : ref;

		if (!r)
			continue;
		ref_settings(r, array);
		ref_answers(r);
	}
	levels_of(ref);
	cuTexRefDestroy(own);
	cuStreamSynchronize(stream);
	cuArrayDestroy(array);
}

static void tensors(void)
{
	const cuuint64_t dims[] = { 64, 64, 4 }, strides[] = { 256, 16384 };
	const cuuint32_t box[] = { 16, 16, 1 }, step[] = { 1, 1, 1 };
	const int corner[] = { 0 };
	CUtensorMap map;

	cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2, (void *)memory, dims, strides, box, step,
			       CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
			       CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
	cuTensorMapReplaceAddress(&map, (void *)(memory + 4096));
	cuTensorMapEncodeIm2col(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 3, (void *)memory, dims, strides, corner,
				corner, 16, 16, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
				CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE,
				CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
	cuTensorMapEncodeIm2colWide(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 3, (void *)memory, dims, strides, 0, 0,
				    16, 16, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
				    CU_TENSOR_MAP_IM2COL_WIDE_MODE_W, CU_TENSOR_MAP_SWIZZLE_128B,
				    CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

static void shares(void)
{
	CUmemAllocationProp prop = {
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
	CUmemGenericAllocationHandle h, imported;
	int fd = -1;

	if (cuMemCreate(&h, 2u << 20, &prop, 0))
		return;
	if (!cuMemExportToShareableHandle(&fd, h, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0) &&
	    !cuMemImportFromShareableHandle(&imported, (void *)(intptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR))
		cuMemRelease(imported);
	if (fd >= 0)
		close(fd);
	cuMemRelease(h);
}

/* The same text once more, and how many clusters fit of a size that every device has. */
static void again(void)
{
	CUlaunchAttribute alone[] = {
		{ .id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .value.clusterDim = { 1, 1, 1 } },
	};
	CUlaunchConfig config = { 1, 1, 1, 32, 1, 1, 0, stream, alone, 1 };
	CUfunction fn = NULL;
	CUmodule m = NULL;
	int v;

	cuOccupancyMaxActiveClusters(&v, second, &config);
	config.gridDimX = 4;
	cuOccupancyMaxActiveClusters(&v, second, &config);
	if (cuModuleLoadData(&m, text) || cuModuleGetFunction(&fn, m, "second"))
		return;
	cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_NUM_REGS, fn);
	cuOccupancyMaxActiveClusters(&v, fn, &config);
	cuLaunchKernelEx(&config, fn, NULL, NULL);
	cuModuleUnload(m);
}

void worker_script(void)
{
	CUcontext context = NULL;

	if (cuInit(0) || cuDevicePrimaryCtxRetain(&context, 0) || cuCtxSetCurrent(context) ||
	    cuModuleLoadData(&module, text) || cuModuleGetFunction(&first, module, "first") ||
	    cuModuleGetFunction(&second, module, "second") || cuStreamCreate(&stream, 0) ||
	    cuMemAlloc_v2(&memory, BYTES))
		return;
	events();
	values();
	links();
	functions();
	graphs();
	pictures();
	tensors();
	shares();
	again();
	cuMemFree_v2(memory);
	cuCtxSynchronize();
	cuDevicePrimaryCtxRelease_v2(0);
}

#ifdef FUZZ_SCRIPT
int main(void)
{
	worker_script();
	return 0;
}
#endif
