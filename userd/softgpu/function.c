/* SPDX-License-Identifier: MIT */
/*
 * function.c - cuFunc*
 */
#include "funcattr.h"
#include "init.h"
#include "module.h"
#include "newer.h"

struct function *function_by_handle(const void *handle)
{
	struct function *f = HANDLE_FIND(handle, HANDLE_FUNCTION);

	return f && !f->module->going && !f->module->ctx->closing ? f : NULL;
}

CUresult function_find(struct context *ctx, CUfunction handle, struct function **out)
{
	struct kernel *k = HANDLE_FIND(handle, HANDLE_KERNEL);
	struct module *m;
	CUresult r;

	if (k) {
		r = library_module(k->library, ctx, &m);
		if (r == CUDA_SUCCESS)
			*out = &m->functions[k->index];
		return r;
	}
	*out = function_by_handle(handle);
	return *out && (*out)->module->ctx == ctx ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

bool function_exists(CUfunction handle)
{
	return HANDLE_FIND(handle, HANDLE_KERNEL) || function_by_handle(handle);
}

/* What counts for f: set on it, else set on the kernel it comes from. */
static struct function_settings effective(const struct function *f)
{
	struct function_settings set = f->set;

	if (set.max_dynamic_shared < 0 && f->kernel)
		set.max_dynamic_shared = f->kernel->set.max_dynamic_shared;
	if (set.carveout < 0 && f->kernel)
		set.carveout = f->kernel->set.carveout;
	return set;
}

unsigned int function_max_dynamic_shared(const struct function *f)
{
	int n = effective(f).max_dynamic_shared;
	unsigned int usual = attribute_default_dynamic(sg_kernel_info(f->code));

	/* Setting less than the default takes nothing away. */
	return n >= 0 && (unsigned int)n > usual ? (unsigned int)n : usual;
}

int function_carveout(const struct function *f)
{
	return effective(f).carveout;
}

CUresult function_enter(CUfunction handle, struct function **f)
{
	struct context *ctx;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	/* a kernel is a function in the current context, a function has its own */
	*f = function_by_handle(handle);
	if (*f)
		r = (*f)->module->ctx->error;
	else if (!HANDLE_FIND(handle, HANDLE_KERNEL))
		r = CUDA_ERROR_INVALID_HANDLE;
	else
		r = ctx ? ctx->error ? ctx->error : function_find(ctx, handle, f) : context_missing();
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle)
{
	struct function_settings set;
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	set = effective(f);
	return context_leave(attribute_get(sg_kernel_info(f->code), &set, attribute, value));
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	return r == CUDA_SUCCESS ? context_leave(attribute_set(sg_kernel_info(f->code), &f->set,
							       attribute, value))
				 : r;
}

CUresult cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache config)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(config <= CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_SUCCESS
								  : CUDA_ERROR_INVALID_VALUE);
}

CUresult cuFuncSetSharedMemConfig(CUfunction handle, CUsharedconfig config)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	return context_leave(config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_SUCCESS :
			     CUDA_ERROR_INVALID_VALUE);
}

CUresult cuFuncGetModule(CUmodule *out, CUfunction handle)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*out = HANDLE_OF(f->module);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuFuncGetName(const char **name, CUfunction handle)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	if (!name)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*name = sg_kernel_info(f->code)->name;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuFuncGetParamInfo(CUfunction handle, size_t index, size_t *offset, size_t *size)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	return r == CUDA_SUCCESS
		       ? context_leave(param_info(sg_kernel_info(f->code), index, offset, size))
		       : r;
}

CUresult cuFuncGetParamCount(CUfunction handle, size_t *count)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	if (!count)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*count = sg_kernel_info(f->code)->nr_params;
	return context_leave(CUDA_SUCCESS);
}

/* Everything is loaded when its module is. */
CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction handle)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	if (r != CUDA_SUCCESS)
		return r;
	if (!state)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*state = CU_FUNCTION_LOADING_STATE_LOADED;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuFuncLoad(CUfunction handle)
{
	struct function *f;
	CUresult r = function_enter(handle, &f);

	return r == CUDA_SUCCESS ? context_leave(r) : r;
}
