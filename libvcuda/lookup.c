// SPDX-License-Identifier: MIT
/*
 * lookup.c - functions, kernels and variables of modules and libraries, by name
 */
#include <string.h>

#include "load.h"
#include "variable.h"

static CUresult find_kernel(enum cuda_handle_kind kind, const void *handle, const char *name,
			    CUfunction *out)
{
	struct vcuda_module *m;
	unsigned int i;
	CUresult r;

	if (!out || !name)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_module_listed(kind, handle, &m);
	if (r)
		return r;
	for (i = 0; i < m->nr_kernels; i++)
		if (!strcmp(m->kernels[i].name, name))
			return vcuda_kernel_out(&m->kernels[i], out);
	return CUDA_ERROR_NOT_FOUND;
}

static CUresult count(enum cuda_handle_kind kind, const void *handle, unsigned int *n)
{
	struct vcuda_module *m;
	CUresult r = n ? vcuda_module_listed(kind, handle, &m) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*n = m->nr_kernels;
	return r;
}

static CUresult enumerate(enum cuda_handle_kind kind, const void *handle, unsigned int n,
			  CUfunction *out)
{
	struct vcuda_module *m;
	unsigned int i;
	CUresult r = out ? vcuda_module_listed(kind, handle, &m) : CUDA_ERROR_INVALID_VALUE;

	for (i = 0; !r && i < n && i < m->nr_kernels; i++)
		r = vcuda_kernel_out(&m->kernels[i], &out[i]);
	return r;
}

CUresult hand_cuModuleGetFunction(CUfunction *out, CUmodule handle, const char *name)
{
	CUresult r = find_kernel(CUDA_HANDLE_module, handle, name, out);

	/* the empty name is none that could be missing */
	if (r == CUDA_ERROR_NOT_FOUND && !*name)
		r = CUDA_ERROR_INVALID_VALUE;
	return r ? r : vcuda_sticky_error();
}

CUresult hand_cuModuleGetFunctionCount(unsigned int *n, CUmodule handle)
{
	return count(CUDA_HANDLE_module, handle, n);
}

CUresult hand_cuModuleEnumerateFunctions(CUfunction *out, unsigned int n, CUmodule handle)
{
	return enumerate(CUDA_HANDLE_module, handle, n, out);
}

CUresult hand_cuLibraryGetKernel(CUkernel *out, CUlibrary handle, const char *name)
{
	return find_kernel(CUDA_HANDLE_library, handle, name, (CUfunction *)out);
}

CUresult hand_cuLibraryGetKernelCount(unsigned int *n, CUlibrary handle)
{
	return count(CUDA_HANDLE_library, handle, n);
}

CUresult hand_cuLibraryEnumerateKernels(CUkernel *out, unsigned int n, CUlibrary handle)
{
	return enumerate(CUDA_HANDLE_library, handle, n, (CUfunction *)out);
}

/* One handle stands for both, but in other contexts than the first that used the library. */
CUresult hand_cuKernelGetFunction(CUfunction *fn, CUkernel kernel)
{
	struct vcuda_kernel *k;
	CUresult r = fn ? vcuda_kernel_get(kernel, &k) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		r = vcuda_kernel_in(vcuda_current(), &k);
	return r ? r : vcuda_kernel_out(k, fn);
}

/* The address of a variable does not change: asked once. */
static CUresult global(CUdeviceptr *ptr, size_t *bytes, enum cuda_handle_kind kind,
		       const void *handle, const char *name, bool managed)
{
	uint64_t addr, size, is_managed;
	struct vcuda_module *m;
	struct vcuda_call c;
	CUresult r = name && (ptr || bytes) ? vcuda_module_listed(kind, handle, &m)
					    : CUDA_ERROR_INVALID_VALUE;

	if (!r && managed)
		m->managed = true;
	else if (!r && kind == CUDA_HANDLE_library)
		r = vcuda_module_in(&m, vcuda_current());
	if (!r)
		r = vcuda_module_sent(m);
	if (r)
		return r;
	vcuda_begin(&c, CUDA_ID_cuModuleGetGlobal_v2);
	vcuda_put_u64(&c, (uint32_t)m->handle);
	vcuda_put_u64(&c, m->library ? managed ? VWIRE_GLOBAL_MANAGED : VWIRE_GLOBAL_LIBRARY
				     : VWIRE_GLOBAL_MODULE);
	vcuda_put_str(&c, name);
	vcuda_want_scalar(&c, &addr, sizeof(addr), false);
	vcuda_want_scalar(&c, &size, sizeof(size), false);
	vcuda_want_scalar(&c, &is_managed, sizeof(is_managed), false);
	r = vcuda_memo(&c);
	if (r)
		return r;
	vcuda_variable_note(addr, size, is_managed ? NULL : m->ctx ?: vcuda_current());
	if (is_managed)
		r = vcuda_managed_variable(addr, size);
	if (r)
		return r;
	if (ptr)
		*ptr = addr;
	if (bytes)
		*bytes = size;
	return CUDA_SUCCESS;
}

CUresult hand_cuModuleGetGlobal_v2(CUdeviceptr *ptr, size_t *bytes, CUmodule handle,
				   const char *name)
{
	return global(ptr, bytes, CUDA_HANDLE_module, handle, name, false);
}

CUresult hand_cuLibraryGetGlobal(CUdeviceptr *ptr, size_t *bytes, CUlibrary handle,
				 const char *name)
{
	return global(ptr, bytes, CUDA_HANDLE_library, handle, name, false);
}

CUresult hand_cuLibraryGetManaged(CUdeviceptr *ptr, size_t *bytes, CUlibrary handle,
				  const char *name)
{
	return global(ptr, bytes, CUDA_HANDLE_library, handle, name, true);
}

/* A function that host and device call by one address: no device served here has any. */
CUresult hand_cuLibraryGetUnifiedFunction(void **fn, CUlibrary handle, const char *name)
{
	struct vcuda_module *m;
	CUresult r = fn && name ? vcuda_module_listed(CUDA_HANDLE_library, handle, &m)
				: CUDA_ERROR_INVALID_VALUE;

	return r ? r : CUDA_ERROR_NOT_FOUND;
}

CUresult hand_cuKernelGetLibrary(CUlibrary *out, CUkernel kernel)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_function, kernel);
	struct vcuda_kernel *k = o ? o->p : NULL;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!k || !k->module->library)
		return CUDA_ERROR_INVALID_HANDLE;
	*out = (CUlibrary)(uintptr_t)(k->module->of ? k->module->of : k->module)->handle;
	return CUDA_SUCCESS;
}

CUresult hand_cuFuncGetModule(CUmodule *out, CUfunction fn)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_function, fn);
	struct vcuda_kernel *k = o ? o->p : NULL;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!k)
		return CUDA_ERROR_INVALID_HANDLE;
	if (k->module->library)
		return vcuda_module_alias(out, k->module);
	*out = (CUmodule)(uintptr_t)k->module->handle;
	return CUDA_SUCCESS;
}
