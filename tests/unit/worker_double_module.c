/* SPDX-License-Identifier: MIT */
/*
 * worker_double_module.c - the double's modules: any text is one, with the kernels of kernels[]
 */
#include "worker_double.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

unsigned char double_variable[64];
/* The last cubin that stays where it is, until its library is unloaded. */
static const void *kept;

struct kernel {
	const char *name;
	int nr_params;
	size_t sizes[3];
};

static const struct kernel kernels[] = {
	{ "sleep", 1, { 8 } },			/* milliseconds */
	{ "add", 3, { 8, 4, 1 } },		/* address of bytes, how many, what to add */
	{ "fault", 0, { 0 } },
};
#define NR_KERNELS	(sizeof(kernels) / sizeof(kernels[0]))

static CUresult load(const void *code)
{
	uint32_t magic = *(const uint32_t *)code;

	/* The wrapper's fatbin must be there, and so must each in its list. */
	if (magic == 0x466243b1) {
		const uint32_t *w = code;
		const void *const *data = (const void *const *)(w + 2);

		if (**(const uint32_t **)data != 0xba55ed50)
			return CUDA_ERROR_INVALID_IMAGE;
		for (const void *const *f = w[1] == 2 ? data[1] : NULL; f && *f; f++)
			if (*(const uint32_t *)*f != 0xba55ed50)
				return CUDA_ERROR_INVALID_IMAGE;
	}
	return strstr(code, "broken") == code ? CUDA_ERROR_INVALID_PTX : CUDA_SUCCESS;
}

CUresult cuModuleLoadDataEx(CUmodule *m, const void *code, unsigned int nr, CUjit_option *options,
			    void **values)
{
	CUresult r = load(code);

	for (unsigned int i = 0; r && i < nr; i++)
		if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
			strcpy(values[i], "line 1: broken");
	*m = (CUmodule)kernels;
	return r;
}

CUresult cuLibraryLoadData(CUlibrary *l, const void *code, CUjit_option *jo, void **jv,
			   unsigned int nj, CUlibraryOption *lo, void **lv, unsigned int nl)
{
	const Elf64_Ehdr *elf = code;

	(void)jo, (void)jv, (void)nj;
	*l = (CUlibrary)kernels;
	if (memcmp(elf->e_ident, ELFMAG, SELFMAG))
		return nl ? CUDA_ERROR_INVALID_VALUE : load(code);
	if (elf->e_flags == 2)
		return CUDA_ERROR_NO_BINARY_FOR_GPU;
	/* one that is kept for it, and has a kernel less: so it is told from others */
	if (elf->e_flags || nl != 1 || lo[0] != CU_LIBRARY_BINARY_IS_PRESERVED || !lv[0])
		return CUDA_ERROR_INVALID_IMAGE;
	*l = (CUlibrary)(kernels + 1);
	kept = code;
	return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule m) { (void)m; return CUDA_SUCCESS; }

CUresult cuLibraryUnload(CUlibrary l)
{
	if (!double_poison && l == (CUlibrary)(kernels + 1))
		kept = NULL;
	return double_poison;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice d)
{
	(void)d;
	if (kept && memcmp(kept, ELFMAG, SELFMAG))
		abort();
	return CUDA_SUCCESS;
}

CUresult cuModuleGetFunctionCount(unsigned int *n, CUmodule m)
{
	(void)m;
	*n = NR_KERNELS;
	return CUDA_SUCCESS;
}
CUresult cuLibraryGetKernelCount(unsigned int *n, CUlibrary l)
{
	*n = kernels + NR_KERNELS - (const struct kernel *)l;
	return CUDA_SUCCESS;
}

CUresult cuModuleEnumerateFunctions(CUfunction *list, unsigned int n, CUmodule m)
{
	(void)m;
	for (unsigned int i = 0; i < n; i++)
		list[i] = (CUfunction)&kernels[i];
	return CUDA_SUCCESS;
}

CUresult cuLibraryEnumerateKernels(CUkernel *list, unsigned int n, CUlibrary l)
{
	for (unsigned int i = 0; i < n; i++)
		list[i] = (CUkernel)((const struct kernel *)l + i);
	return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name)
{
	(void)m;
	for (unsigned int i = 0; i < NR_KERNELS; i++) {
		*f = (CUfunction)&kernels[i];
		if (!strcmp(kernels[i].name, name))
			return CUDA_SUCCESS;
	}
	return CUDA_ERROR_NOT_FOUND;
}

CUresult cuLibraryGetKernel(CUkernel *k, CUlibrary l, const char *name)
{
	(void)l;
	return cuModuleGetFunction((CUfunction *)k, NULL, name);
}

CUresult cuFuncGetName(const char **name, CUfunction f)
{
	*name = ((const struct kernel *)f)->name;
	return CUDA_SUCCESS;
}

CUresult cuKernelGetName(const char **name, CUkernel k)
{
	return cuFuncGetName(name, (CUfunction)k);
}

CUresult cuFuncGetParamInfo(CUfunction f, size_t i, size_t *offset, size_t *size)
{
	const struct kernel *k = (const struct kernel *)f;

	if (i >= (size_t)k->nr_params)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = 0;
	for (size_t j = 0; j < i; j++)
		*offset += k->sizes[j];
	*size = k->sizes[i];
	return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel k, size_t i, size_t *offset, size_t *size)
{
	return cuFuncGetParamInfo((CUfunction)k, i, offset, size);
}

CUresult cuFuncGetAttribute(int *v, CUfunction_attribute a, CUfunction f)
{
	(void)f;
	*v = a == 3 ? -7 : 100 + (int)a;
	return a == 15 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuKernelGetAttribute(int *v, CUfunction_attribute a, CUkernel k, CUdevice d)
{
	(void)d;
	return cuFuncGetAttribute(v, a, (CUfunction)k);
}

CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v)
{
	(void)f, (void)v;
	return a > 15 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuKernelSetAttribute(CUfunction_attribute a, int v, CUkernel k, CUdevice d)
{
	(void)d;
	return cuFuncSetAttribute((CUfunction)k, a, v);
}

CUresult cuFuncSetCacheConfig(CUfunction f, CUfunc_cache c)
{
	(void)f, (void)c;
	return CUDA_SUCCESS;
}
CUresult cuKernelSetCacheConfig(CUkernel k, CUfunc_cache c, CUdevice d)
{
	(void)k, (void)c, (void)d;
	return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *p, size_t *n, CUmodule m, const char *name)
{
	(void)m;
	*p = (CUdeviceptr)double_variable;
	*n = sizeof(double_variable);
	return strcmp(name, "variable") ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

CUresult cuLibraryGetGlobal(CUdeviceptr *p, size_t *n, CUlibrary l, const char *name)
{
	return cuModuleGetGlobal_v2(p, n, (CUmodule)l, name);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, CUfunction f, int block,
							      size_t shared, unsigned int flags)
{
	(void)f, (void)shared;
	*n = 2048 / (block > 0 ? block : 1) + flags;
	return block > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *n, CUfunction f, int nr, int block)
{
	(void)f;
	*n = 1000 * nr + block;
	return CUDA_SUCCESS;
}

/* 132 multiprocessors with a block each; 29 blocks are too many for its memory. */
CUresult cuOccupancyMaxActiveClusters(int *n, CUfunction f, const CUlaunchConfig *c)
{
	unsigned int x = 0;

	(void)f;
	for (unsigned int i = 0; i < c->numAttrs; i++)
		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
			x = c->attrs[i].value.clusterDim.x;
	if (!x || c->gridDimX % x)
		return CUDA_ERROR_INVALID_CLUSTER_SIZE;
	*n = x > 16 ? 0 : 132 / x;
	return x == 29 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

static CUresult run_add(void **params)
{
	CUdeviceptr p;
	uint32_t n;
	uint8_t x;

	memcpy(&p, params[0], 8);
	memcpy(&n, params[1], 4);
	memcpy(&x, params[2], 1);
	if (!double_is_mapped(p, n)) {
		double_poison = CUDA_ERROR_ILLEGAL_ADDRESS;
		return CUDA_SUCCESS;
	}
	for (uint32_t i = 0; i < n; i++)
		((uint8_t *)p)[i] += x;
	return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			CUstream s, void **params, void **extra)
{
	const struct kernel *k = (const struct kernel *)f;
	uint64_t *end = double_start_of(s), ms;

	(void)shared, (void)extra;
	if (double_poison)
		return double_poison;
	if (!gx || !gy || !gz || !bx || !by || !bz)
		return CUDA_ERROR_INVALID_VALUE;
	if (k == &kernels[1])
		return run_add(params);
	if (k == &kernels[2]) {
		double_poison = CUDA_ERROR_LAUNCH_FAILED;
		return CUDA_SUCCESS;
	}
	memcpy(&ms, params[0], 8);
	if (*end < double_now_ms())
		*end = double_now_ms();
	*end += ms;
	return CUDA_SUCCESS;
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
				   unsigned int bx, unsigned int by, unsigned int bz,
				   unsigned int shared, CUstream s, void **params)
{
	return cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, s, params, NULL);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra)
{
	for (unsigned int i = 0; i < c->numAttrs; i++)
		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT)
			cuEventRecord(c->attrs[i].value.launchCompletionEvent.event, c->hStream);
	return cuLaunchKernel(f, c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY,
			      c->blockDimZ, c->sharedMemBytes, c->hStream, params, extra);
}
