// SPDX-License-Identifier: MIT
/* Modules, functions, launches, occupancy, libraries and the linker. */
#include "errors.h"
#include "kernels.h"

static void modules(void)
{
	CUmodule module = NULL;
	CUfunction f;
	CUdeviceptr p;
	size_t size;
	CUjit_option option = (CUjit_option)999;
	void *value = NULL;

	start();
	BAD(cuModuleLoadData(NULL, kernels_ptx));
	BAD(cuModuleLoadData(&module, NULL));
	BAD(cuModuleLoadData(&module, "not a module"));
	BAD(cuModuleLoadData(&module, ""));
	BAD(cuModuleLoadData(&module, ".version 99.9\n.target sm_70\n.address_size 64\n"));
	BAD(cuModuleLoadData(&module, ".version 7.0\n.target sm_70\n.entry x() { nonsense; }\n"));
	BAD(cuModuleLoadDataEx(&module, kernels_ptx, 1, NULL, NULL));
	BAD(cuModuleLoadDataEx(&module, kernels_ptx, 1, &option, &value));
	BAD(cuModuleLoad(&module, "/nonexistent/file.cubin"));
	BAD(cuModuleLoad(&module, NULL));
	BAD(cuModuleLoadFatBinary(&module, NULL));
	BAD(cuModuleUnload(NULL));
	NEED(cuModuleLoadData(&module, kernels_ptx));
	BAD(cuModuleGetFunction(NULL, module, "nothing"));
	BAD(cuModuleGetFunction(&f, module, NULL));
	BAD(cuModuleGetFunction(&f, module, ""));
	BAD(cuModuleGetFunction(&f, module, "missing"));
	BAD(cuModuleGetFunction(&f, module, "number"));
	BAD(cuModuleGetFunction(&f, NULL, "nothing"));
	BAD(cuModuleGetGlobal(NULL, NULL, module, "number"));
	BAD(cuModuleGetGlobal(&p, &size, module, "missing"));
	BAD(cuModuleGetGlobal(&p, &size, module, "nothing"));
	BAD(cuModuleGetGlobal(&p, &size, module, NULL));
	BAD(cuModuleGetGlobal(&p, NULL, module, "number"));
	BAD(cuModuleGetFunctionCount(NULL, module));
	BAD(cuModuleEnumerateFunctions(NULL, 1, module));
	BAD(cuModuleUnload(module));
	BAD(cuModuleUnload(module));
	BAD(cuModuleGetFunction(&f, module, "nothing"));
	BAD(cuModuleUnload((CUmodule)1));
	BAD(cuModuleUnload(JUNK(CUmodule)));
	BAD(cuModuleGetFunction(&f, JUNK(CUmodule), "nothing"));
}

static void functions(void)
{
	CUmodule module;
	CUfunction f;
	int n = 0;
	size_t size;

	start();
	NEED(cuModuleLoadData(&module, kernels_ptx));
	NEED(cuModuleGetFunction(&f, module, "two"));
	BAD(cuFuncGetAttribute(NULL, CU_FUNC_ATTRIBUTE_NUM_REGS, f));
	BAD(cuFuncGetAttribute(&n, (CUfunction_attribute)99, f));
	BAD(cuFuncGetAttribute(&n, (CUfunction_attribute)-1, f));
	BAD(cuFuncGetAttribute(&n, CU_FUNC_ATTRIBUTE_NUM_REGS, NULL));
	BAD(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_NUM_REGS, 5));
	BAD(cuFuncSetAttribute(f, (CUfunction_attribute)99, 5));
	BAD(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1 << 24));
	BAD(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, -1));
	BAD(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 101));
	BAD(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, -2));
	BAD(cuFuncSetCacheConfig(f, (CUfunc_cache)99));
	BAD(cuFuncSetCacheConfig(NULL, CU_FUNC_CACHE_PREFER_L1));
	BAD(cuFuncGetModule(NULL, f));
	BAD(cuFuncGetParamInfo(f, 0, &size, &size));
	BAD(cuFuncGetParamInfo(f, 2, &size, &size));
	BAD(cuFuncGetParamInfo(f, 0, NULL, NULL));
	BAD(cuFuncGetName(NULL, f));
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessor(NULL, f, 32, 0));
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 0, 0));
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, -1, 0));
	n = 77;
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 4096, 0));
	SHOW(n);
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&n, f, 4096, 0, 0));
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 32, 1 << 24));
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, NULL, 32, 0));
	BAD(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&n, f, 32, 0, 99));
	BAD(cuOccupancyMaxPotentialBlockSize(&n, NULL, f, NULL, 0, 0));
	BAD(cuOccupancyMaxPotentialBlockSize(NULL, &n, f, NULL, 0, 0));
	BAD(cuOccupancyAvailableDynamicSMemPerBlock(&size, f, 0, 32));
	BAD(cuOccupancyAvailableDynamicSMemPerBlock(NULL, f, 1, 32));
	BAD(cuOccupancyMaxActiveClusters(NULL, f, NULL));
	BAD(cuOccupancyMaxPotentialClusterSize(&n, f, NULL));
	BAD(cuFuncGetAttribute(&n, CU_FUNC_ATTRIBUTE_NUM_REGS, (CUfunction)1));
	BAD(cuFuncGetAttribute(&n, CU_FUNC_ATTRIBUTE_NUM_REGS, JUNK(CUfunction)));
	BAD(cuFuncSetAttribute(JUNK(CUfunction), CU_FUNC_ATTRIBUTE_NUM_REGS, 5));
}

static void launches(void)
{
	CUmodule module;
	CUfunction nothing, two, narrow;
	CUdeviceptr p = 0;
	CUlaunchConfig config = { 0 };
	CUlaunchAttribute attribute = { 0 };
	unsigned n = 0;
	void *params[] = { &p, &n };
	size_t size = 4;
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &p, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			  CU_LAUNCH_PARAM_END };
	void *no_buffer[] = { CU_LAUNCH_PARAM_END };
	void *strange[] = { (void *)99, CU_LAUNCH_PARAM_END };

	start();
	NEED(cuModuleLoadData(&module, kernels_ptx));
	NEED(cuModuleGetFunction(&nothing, module, "nothing"));
	NEED(cuModuleGetFunction(&two, module, "two"));
	NEED(cuModuleGetFunction(&narrow, module, "narrow"));
	BAD(cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 0, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 0, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 0, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 0, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 0, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 0, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1025, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1025, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 65, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 64, 32, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 0xffffffff, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 65536, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 65536, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 1 << 24, NULL, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 49153, NULL, NULL, NULL));
	BAD(cuLaunchKernel(narrow, 1, 1, 1, 65, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(two, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(two, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra));
	BAD(cuLaunchKernel(two, 1, 1, 1, 1, 1, 1, 0, NULL, params, extra));
	BAD(cuLaunchKernel(two, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, no_buffer));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, no_buffer));
	BAD(cuLaunchKernel(two, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, strange));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, (CUstream)-1, NULL, NULL));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, JUNK(CUstream), NULL, NULL));
	BAD(cuLaunchKernel((CUfunction)1, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchKernel(JUNK(CUfunction), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLaunchCooperativeKernel(nothing, 1 << 24, 1, 1, 1024, 1, 1, 0, NULL, NULL));
	BAD(cuLaunchCooperativeKernel(nothing, 0, 1, 1, 1, 1, 1, 0, NULL, NULL));
	BAD(cuLaunchKernelEx(NULL, nothing, NULL, NULL));
	BAD(cuLaunchKernelEx(&config, nothing, NULL, NULL));
	config.gridDimX = config.gridDimY = config.gridDimZ = 1;
	config.blockDimX = config.blockDimY = config.blockDimZ = 1;
	BAD(cuLaunchKernelEx(&config, nothing, NULL, NULL));
	config.numAttrs = 1;
	BAD(cuLaunchKernelEx(&config, nothing, NULL, NULL));
	config.attrs = &attribute;
	attribute.id = (CUlaunchAttributeID)999;
	BAD(cuLaunchKernelEx(&config, nothing, NULL, NULL));
	attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
	attribute.value.clusterDim.x = 2;
	attribute.value.clusterDim.y = attribute.value.clusterDim.z = 1;
	BAD(cuLaunchKernelEx(&config, nothing, NULL, NULL));
	BAD(cuLaunchHostFunc(NULL, NULL, NULL));
	BAD(cuCtxSynchronize());
	NEED(cuModuleUnload(module));
	BAD(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
}

static const char bad_ptx[] = ".version 7.0\n.target sm_70\n.entry x() { nonsense; }\n";

static void libraries(void)
{
	CUlibrary library = NULL;
	CUkernel kernel;
	CUfunction f;
	CUmodule module;
	CUdeviceptr p;
	CUlinkState link;
	size_t size;
	void *image;
	int n = 0;
	unsigned int count = 77;

	start();
	BAD(cuLibraryLoadData(NULL, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	BAD(cuLibraryLoadData(&library, NULL, NULL, NULL, 0, NULL, NULL, 0));
	BAD(cuLibraryLoadData(&library, "nonsense", NULL, NULL, 0, NULL, NULL, 0));
	BAD(cuLibraryGetKernelCount(&count, library));
	SHOW(count);
	BAD(cuLibraryGetKernel(&kernel, library, "nothing"));
	BAD(cuLibraryGetModule(&module, library));
	BAD(cuLibraryUnload(library));
	BAD(cuLibraryLoadData(&library, bad_ptx, NULL, NULL, 0, NULL, NULL, 0));
	BAD(cuLibraryGetKernelCount(&count, library));
	BAD(cuLibraryGetKernel(&kernel, library, "x"));
	BAD(cuLibraryGetModule(&module, library));
	BAD(cuLibraryLoadFromFile(&library, "/nonexistent", NULL, NULL, 0, NULL, NULL, 0));
	BAD(cuLibraryUnload(NULL));
	NEED(cuLibraryLoadData(&library, kernels_ptx, NULL, NULL, 0, NULL, NULL, 0));
	BAD(cuLibraryGetKernel(NULL, library, "nothing"));
	BAD(cuLibraryGetKernel(&kernel, library, NULL));
	BAD(cuLibraryGetKernel(&kernel, library, "missing"));
	BAD(cuLibraryGetKernel(&kernel, NULL, "nothing"));
	BAD(cuLibraryGetModule(NULL, library));
	BAD(cuLibraryGetModule(&module, NULL));
	BAD(cuLibraryGetGlobal(&p, &size, library, "missing"));
	BAD(cuLibraryGetManaged(&p, &size, library, "missing"));
	BAD(cuLibraryGetKernelCount(NULL, library));
	NEED(cuLibraryGetKernel(&kernel, library, "nothing"));
	BAD(cuKernelGetFunction(NULL, kernel));
	BAD(cuKernelGetFunction(&f, NULL));
	BAD(cuKernelGetAttribute(&n, CU_FUNC_ATTRIBUTE_NUM_REGS, kernel, 4096));
	BAD(cuKernelGetAttribute(&n, (CUfunction_attribute)99, kernel, 0));
	BAD(cuKernelGetAttribute(NULL, CU_FUNC_ATTRIBUTE_NUM_REGS, kernel, 0));
	BAD(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_NUM_REGS, 1, kernel, 0));
	BAD(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	BAD(cuLibraryUnload(library));
	BAD(cuLibraryUnload(library));
	BAD(cuLibraryGetKernel(&kernel, library, "nothing"));
	BAD(cuLibraryUnload(JUNK(CUlibrary)));
	BAD(cuKernelGetFunction(&f, JUNK(CUkernel)));
	BAD(cuLinkCreate(0, NULL, NULL, NULL));
	NEED(cuLinkCreate(0, NULL, NULL, &link));
	BAD(cuLinkAddData(link, CU_JIT_INPUT_PTX, NULL, 0, "x", 0, NULL, NULL));
	BAD(cuLinkAddData(link, (CUjitInputType)99, junk, 16, "x", 0, NULL, NULL));
	BAD(cuLinkAddFile(link, CU_JIT_INPUT_PTX, "/nonexistent", 0, NULL, NULL));
	BAD(cuLinkComplete(link, NULL, &size));
	BAD(cuLinkComplete(NULL, &image, &size));
	BAD(cuLinkDestroy(link));
	BAD(cuLinkDestroy(NULL));
}

PARTS({ "modules", modules }, { "functions", functions }, { "launches", launches },
      { "libraries", libraries })
