/* SPDX-License-Identifier: MIT */
/*
 * client_script.c - a program that asks the server for something of every kind
 *
 * In client_fuzz the answers are the fuzzer's; built plainly (with main()) it runs against a server,
 * and what that answers are the seeds. So it calls the same, in the same order, whatever it is told,
 * and every place for an answer is memory of exactly that size.
 */
#include <stdlib.h>
#include <string.h>

#include <cuda.h>

#include "client_script.h"

#define BYTES	4000u
#define SIDE	16u

static const char text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .global .align 8 .b8 variable[64];\n"
	".visible .entry first(.param .u64 p, .param .u32 n)\n{\n\tret;\n}\n"
	".visible .entry second()\n{\n\tret;\n}\n";

static void memory(CUstream stream)
{
	uint8_t *to = malloc(BYTES), *square = malloc(SIDE * (SIDE + 8));
	CUDA_MEMCPY2D rows = {
		.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcPitch = 64,
		.dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = square, .dstPitch = SIDE + 8,
		.WidthInBytes = SIDE, .Height = SIDE,
	};
	CUdeviceptr p = 0, pooled = 0;
	void *pinned = NULL;
	CUipcMemHandle ipc;
	size_t a, b;

	cuMemAlloc(&p, BYTES);
	rows.srcDevice = p;
	cuMemsetD8(p, 1, BYTES);
	cuMemcpyDtoH(to, p, BYTES);
	cuMemcpyHtoD(p, to, BYTES);
	cuMemAllocHost(&pinned, BYTES);
	if (pinned)
		cuMemcpyDtoHAsync(pinned, p, BYTES, stream);
	cuMemcpyDtoHAsync(to, p, 100, stream);
	cuMemcpy2D(&rows);
	cuStreamSynchronize(stream);
	cuMemGetInfo(&a, &b);
	cuIpcGetMemHandle(&ipc, p);
	cuMemAllocAsync(&pooled, BYTES, stream);
	cuMemFreeAsync(pooled, stream);
	cuMemFree(p);
	cuCtxSynchronize();
	if (pinned)
		cuMemFreeHost(pinned);
	free(square);
	free(to);
}

static void functions(CUmodule module, CUstream stream)
{
	CUfunction first = NULL, second = NULL;
	CUdeviceptr p = 0;
	uint32_t n = 4;
	void *params[] = { &p, &n };
	CUlaunchConfig config = { 1, 1, 1, 1, 1, 1, 0, stream, NULL, 0 };
	CUtexref ref = NULL;
	size_t bytes, at;
	unsigned int nr;
	int v, w;

	cuModuleGetFunction(&first, module, "first");
	cuModuleGetFunction(&second, module, "second");
	cuModuleGetFunctionCount(&nr, module);
	cuModuleGetGlobal(&p, &bytes, module, "variable");
	cuModuleGetGlobal(&p, &bytes, module, "none");
	cuModuleGetTexRef(&ref, module, "picture");
	if (ref)
		cuTexRefGetMaxAnisotropy(&v, ref);
	cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_NUM_REGS, first);
	cuFuncGetParamInfo(first, 1, &at, &bytes);
	cuFuncSetAttribute(first, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1024);
	cuOccupancyMaxActiveBlocksPerMultiprocessor(&v, first, 64, 0);
	cuOccupancyMaxPotentialBlockSize(&v, &w, second, NULL, 0, 0);
	cuOccupancyAvailableDynamicSMemPerBlock(&bytes, first, 2, 64);
	cuOccupancyMaxPotentialClusterSize(&v, first, &config);
	cuLaunchKernel(first, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL);
	cuLaunchKernelEx(&config, second, NULL, NULL);
	cuStreamSynchronize(stream);
}

static void graph(CUmodule module, CUstream stream)
{
	CUDA_KERNEL_NODE_PARAMS node = {
		.gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1, .blockDimY = 1, .blockDimZ = 1,
	};
	CUgraphNode added;
	CUgraphExec exec = NULL;
	CUgraph g = NULL;

	cuModuleGetFunction(&node.func, module, "second");
	cuGraphCreate(&g, 0);
	if (node.func)
		cuGraphAddKernelNode(&added, g, NULL, 0, &node);
	cuGraphInstantiate(&exec, g, 0);
	if (exec) {
		cuGraphLaunch(exec, stream);
		cuStreamSynchronize(stream);
		cuGraphExecDestroy(exec);
	}
	cuGraphDestroy(g);
}

static void modules(CUstream stream)
{
	char log[200] = "";
	CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	void *values[] = { log, (void *)sizeof(log) };
	CUmodule module = NULL, broken = NULL;
	CUlinkState link = NULL;
	void *cubin;
	size_t bytes;

	cuModuleLoadData(&module, text);
	if (module) {
		functions(module, stream);
		graph(module, stream);
	}
	cuModuleLoadDataEx(&broken, "broken", 2, options, values);
	cuLinkCreate(0, NULL, NULL, &link);
	if (link) {
		cuLinkAddData(link, CU_JIT_INPUT_PTX, (void *)text, sizeof(text), "text", 0, NULL, NULL);
		cuLinkComplete(link, &cubin, &bytes);
		cuLinkDestroy(link);
	}
	if (module)
		cuModuleUnload(module);
}

static void pictures(void)
{
	CUDA_ARRAY3D_DESCRIPTOR shape = {
		.Width = SIDE, .Height = SIDE, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1,
	};
	CUDA_RESOURCE_DESC of = { .resType = CU_RESOURCE_TYPE_ARRAY };
	uint8_t *to = malloc(SIDE * SIDE);
	CUDA_MEMCPY2D copy = {
		.srcMemoryType = CU_MEMORYTYPE_ARRAY, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = to,
		.dstPitch = SIDE, .WidthInBytes = SIDE, .Height = SIDE,
	};
	CUDA_TEXTURE_DESC how = { 0 };
	CUtexObject texture = 0;
	CUmipmappedArray levels = NULL;
	CUarray level;

	cuArray3DCreate(&copy.srcArray, &shape);
	of.res.array.hArray = copy.srcArray;
	if (copy.srcArray) {
		cuMemcpy2D(&copy);
		cuTexObjectCreate(&texture, &of, &how, NULL);
		cuTexObjectDestroy(texture);
		cuArrayDestroy(copy.srcArray);
	}
	cuMipmappedArrayCreate(&levels, &shape, 2);
	if (levels) {
		cuMipmappedArrayGetLevel(&level, levels, 1);
		cuMipmappedArrayDestroy(levels);
	}
	free(to);
}

static void events(CUstream stream)
{
	CUevent a = NULL, b = NULL;
	CUstreamAttrValue value;
	CUipcEventHandle ipc;
	size_t limit;
	float ms;

	cuEventCreate(&a, 0);
	cuEventCreate(&b, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS);
	cuEventRecord(a, stream);
	cuEventQuery(a);
	cuEventSynchronize(a);
	cuEventElapsedTime(&ms, a, a);
	cuIpcGetEventHandle(&ipc, b);
	cuStreamGetAttribute(stream, CU_STREAM_ATTRIBUTE_ACCESS_POLICY_WINDOW, &value);
	cuStreamQuery(stream);
	cuCtxGetLimit(&limit, CU_LIMIT_STACK_SIZE);
	cuEventDestroy(a);
	cuEventDestroy(b);
}

void client_script(void)
{
	CUcontext context = NULL;
	CUstream stream = NULL;
	char name[64];
	size_t bytes;

	if (cuInit(0))
		return;
	cuDeviceGetName(name, sizeof(name), 0);
	cuDeviceTotalMem(&bytes, 0);
	cuDeviceGetTexture1DLinearMaxWidth(&bytes, CU_AD_FORMAT_FLOAT, 4, 0);
	cuDevicePrimaryCtxRetain(&context, 0);
	cuCtxSetCurrent(context);
	cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
	events(stream);
	memory(stream);
	modules(stream);
	pictures();
	cuStreamDestroy(stream);
	cuCtxSynchronize();
	cuDevicePrimaryCtxRelease(0);
}

#ifdef FUZZ_SCRIPT
int main(void)
{
	client_script();
	return 0;
}
#endif
