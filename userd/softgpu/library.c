/* SPDX-License-Identifier: MIT */
/*
 * library.c - cuLibrary* and cuKernel*
 */
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "file.h"
#include "funcattr.h"
#include "init.h"
#include "newer.h"
#include "memory.h"
#include "module.h"
#include "print.h"

static void library_free(struct library *lib)
{
	for (size_t i = 0; i < lib->nr; i++) {
		handle_retire(&lib->kernels[i].obj);
		free(lib->kernels[i].name);
	}
	handle_retire(&lib->obj);
	if (lib->spare)
		sg_module_destroy(lib->spare);
	image_close(&lib->image);
	free(lib->kernels);
	free(lib);
}

static CUresult make_kernels(struct library *lib)
{
	size_t nr = sg_module_nr_kernels(lib->spare);

	lib->kernels = calloc(nr + 1, sizeof(*lib->kernels));
	if (!lib->kernels)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (lib->nr = 0; lib->nr < nr; lib->nr++) {
		struct kernel *k = &lib->kernels[lib->nr];

		k->library = lib;
		k->index = lib->nr;
		k->set = FUNCTION_SETTINGS_NONE;
		k->name = strdup(sg_kernel_info(sg_module_kernel(lib->spare, lib->nr))->name);
		if (!k->name)
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

static CUresult load(CUlibrary *out, const void *code, struct sg_log *log)
{
	struct library *lib = calloc(1, sizeof(*lib));
	CUresult r;

	if (!lib)
		return CUDA_ERROR_OUT_OF_MEMORY;
	LIST_INIT(&lib->modules);
	r = image_open(code, &lib->image, log);
	if (r == CUDA_SUCCESS)
		r = image_link(&lib->image, &lib->spare, log);
	if (r == CUDA_SUCCESS)
		r = make_kernels(lib);
	/* what is no image at all has no kernels, and is not looked at before its code is needed */
	if (r == CUDA_ERROR_INVALID_IMAGE && module_loads_lazily()) {
		lib->error = r;
		r = CUDA_SUCCESS;
	}
	driver_lock();
	if (r == CUDA_SUCCESS && handle_create(&lib->obj, HANDLE_LIBRARY))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(lib);
	else
		library_free(lib);
	return context_leave(r);
}

/*
 * The program's image is copied whatever it promises about it, so the library options need no
 * action.
 */
CUresult cuLibraryLoadData(CUlibrary *out, const void *code, CUjit_option *jit_options,
			   void **jit_values, unsigned int nr_jit, CUlibraryOption *options,
			   void **values, unsigned int nr)
{
	struct jit_log log;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !code || (nr && !options))
		return CUDA_ERROR_INVALID_VALUE;
	(void)values;
	for (unsigned int i = 0; i < nr; i++)
		if (options[i] >= CU_LIBRARY_NUM_OPTIONS)
			return CUDA_ERROR_INVALID_VALUE;
	r = jit_log_init(&log, nr_jit, jit_options, jit_values);
	if (r != CUDA_SUCCESS)
		return r;
	r = load(out, code, &log.error);
	jit_log_finish(&log);
	return r;
}

CUresult cuLibraryLoadFromFile(CUlibrary *out, const char *path, CUjit_option *jit_options,
			       void **jit_values, unsigned int nr_jit, CUlibraryOption *options,
			       void **values, unsigned int nr)
{
	char *data;
	CUresult r = driver_ready();

	if (r == CUDA_SUCCESS)
		r = path ? file_read_image(path, &data) : CUDA_ERROR_INVALID_VALUE;
	if (r != CUDA_SUCCESS)
		return r;
	r = cuLibraryLoadData(out, data, jit_options, jit_values, nr_jit, options, values, nr);
	free(data);
	return r;
}

static CUresult enter(CUlibrary handle, struct library **lib)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	*lib = HANDLE_FIND(handle, HANDLE_LIBRARY);
	return *lib ? CUDA_SUCCESS : context_leave(CUDA_ERROR_INVALID_HANDLE);
}

/*
 * Launches end before their module goes. What came of them the context's own calls tell: a library
 * is of none.
 */
CUresult cuLibraryUnload(CUlibrary handle)
{
	struct library *lib;
	struct module *m;
	CUresult r = enter(handle, &lib);

	if (r != CUDA_SUCCESS)
		return r;
	handle_retire(&lib->obj);
	for (size_t i = 0; i < lib->nr; i++)
		handle_retire(&lib->kernels[i].obj);
	LIST_FOREACH(m, &lib->modules, library_link)
		module_retire(m);
	while ((m = LIST_FIRST(&lib->modules))) {
		/* A context's end takes the module along, and waits for nobody's library. */
		if (module_empty(m) == CUDA_ERROR_CONTEXT_IS_DESTROYED)
			driver_wait();
		else
			module_destroy(m);
	}
	library_free(lib);
	driver_unlock();
	print_flush();
	return CUDA_SUCCESS;
}

/* In any context, or in none. */
static CUresult library_code(struct library *lib, struct sg_module **out)
{
	CUresult r = CUDA_SUCCESS;

	if (!LIST_EMPTY(&lib->modules)) {
		*out = LIST_FIRST(&lib->modules)->code;
		return CUDA_SUCCESS;
	}
	if (!lib->spare)
		r = image_link(&lib->image, &lib->spare, NULL);
	*out = lib->spare;
	return r;
}

/*
 * The first context takes what cuLibraryLoadData() linked; further ones, and those after a reset,
 * link again: their variables are their own. That is rare enough to be done with the lock held.
 * "Managed memory for the library is shared across devices": where there is some, what was linked
 * first stays with the library and keeps it.
 */
CUresult library_module(struct library *lib, struct context *ctx, struct module **out)
{
	const struct sg_module *first = lib->spare && sg_module_has_managed(lib->spare) ? lib->spare : NULL;
	struct sg_module *code = first ? NULL : lib->spare;
	CUresult r = CUDA_SUCCESS;

	LIST_FOREACH(*out, &lib->modules, library_link)
		if ((*out)->ctx == ctx)
			return CUDA_SUCCESS;
	if (!code)
		r = image_link_again(&lib->image, first, &code, NULL);
	if (r != CUDA_SUCCESS)
		return r;
	r = module_create(ctx, code, lib, out);
	if (r == CUDA_SUCCESS && !first)
		lib->spare = NULL;
	else if (r != CUDA_SUCCESS && code != lib->spare)
		sg_module_destroy(code);
	return r;
}

static CUresult enter_with_context(CUlibrary handle, struct library **lib, struct context **ctx)
{
	CUresult r = context_enter(ctx);

	if (r != CUDA_SUCCESS)
		return r;
	*lib = HANDLE_FIND(handle, HANDLE_LIBRARY);
	if (!*lib || (*lib)->error)
		return context_leave(*lib ? (*lib)->error : CUDA_ERROR_INVALID_HANDLE);
	return CUDA_SUCCESS;
}

CUresult cuLibraryGetModule(CUmodule *out, CUlibrary handle)
{
	struct library *lib;
	struct context *ctx;
	struct module *m;
	CUresult r = enter_with_context(handle, &lib, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = library_module(lib, ctx, &m);
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(m);
	return context_leave(r);
}

CUresult cuLibraryGetGlobal(CUdeviceptr *addr, size_t *size, CUlibrary handle, const char *name)
{
	struct library *lib;
	struct context *ctx;
	struct module *m;
	uint64_t a;
	size_t n;
	CUresult r = enter_with_context(handle, &lib, &ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!name || (!addr && !size))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = library_module(lib, ctx, &m);
	if (r == CUDA_SUCCESS && !sg_module_find_global(m->code, name, &a, &n))
		r = CUDA_ERROR_NOT_FOUND;
	if (r == CUDA_SUCCESS && addr)
		*addr = a;
	if (r == CUDA_SUCCESS && size)
		*size = n;
	return context_leave(r);
}

/* Needs no context: the runtime asks before it has one, and all of them share the variable. */
CUresult cuLibraryGetManaged(CUdeviceptr *addr, size_t *size, CUlibrary handle, const char *name)
{
	struct mem_range range;
	struct sg_module *code;
	struct library *lib;
	uint64_t a;
	size_t n;
	CUresult r = enter(handle, &lib);

	if (r != CUDA_SUCCESS)
		return r;
	if (!name || (!addr && !size))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = lib->error ? lib->error : library_code(lib, &code);
	if (r == CUDA_SUCCESS && (!sg_module_find_global(code, name, &a, &n) ||
				  !mem_lookup(a, &range) || !range.managed))
		r = CUDA_ERROR_NOT_FOUND;
	if (r == CUDA_SUCCESS && addr)
		*addr = a;
	if (r == CUDA_SUCCESS && size)
		*size = n;
	return context_leave(r);
}

static CUresult kernel_handle(struct kernel *k, CUkernel *out)
{
	if (!k->obj.handle && handle_create(&k->obj, HANDLE_KERNEL))
		return CUDA_ERROR_OUT_OF_MEMORY;
	*out = HANDLE_OF(k);
	return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernel(CUkernel *out, CUlibrary handle, const char *name)
{
	struct library *lib;
	CUresult r = enter(handle, &lib);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !name)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	for (size_t i = 0; i < lib->nr; i++)
		if (!strcmp(lib->kernels[i].name, name))
			return context_leave(kernel_handle(&lib->kernels[i], out));
	return context_leave(CUDA_ERROR_NOT_FOUND);
}

CUresult cuLibraryGetKernelCount(unsigned int *count, CUlibrary handle)
{
	struct library *lib;
	CUresult r = enter(handle, &lib);

	if (r != CUDA_SUCCESS)
		return r;
	if (!count)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*count = lib->nr;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuLibraryEnumerateKernels(CUkernel *kernels, unsigned int nr, CUlibrary handle)
{
	struct library *lib;
	CUresult r = enter(handle, &lib);

	if (r != CUDA_SUCCESS)
		return r;
	if (!kernels && nr)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	for (size_t i = 0; i < lib->nr && i < nr && r == CUDA_SUCCESS; i++)
		r = kernel_handle(&lib->kernels[i], &kernels[i]);
	return context_leave(r);
}

static CUresult enter_kernel(CUkernel handle, struct kernel **k)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	*k = HANDLE_FIND(handle, HANDLE_KERNEL);
	return *k ? CUDA_SUCCESS : context_leave(CUDA_ERROR_INVALID_HANDLE);
}

CUresult cuKernelGetLibrary(CUlibrary *out, CUkernel handle)
{
	struct kernel *k;
	CUresult r = enter_kernel(handle, &k);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*out = HANDLE_OF(k->library);
	return context_leave(CUDA_SUCCESS);
}

CUresult cuKernelGetFunction(CUfunction *out, CUkernel handle)
{
	struct context *ctx;
	struct function *f;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!HANDLE_FIND(handle, HANDLE_KERNEL))
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	if (!out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = function_find(ctx, (CUfunction)handle, &f);
	return context_leave(r == CUDA_SUCCESS ? function_handle(f, out) : r);
}

static CUresult kernel_info(struct kernel *k, const struct sg_kernel_info **info)
{
	struct sg_module *code;
	CUresult r = library_code(k->library, &code);

	if (r == CUDA_SUCCESS)
		*info = sg_kernel_info(sg_module_kernel(code, k->index));
	return r;
}

/* No device has functions that the host can call, too. */
CUresult cuLibraryGetUnifiedFunction(void **out, CUlibrary handle, const char *name)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = !out || !name ? CUDA_ERROR_INVALID_VALUE :
	    !HANDLE_FIND(handle, HANDLE_LIBRARY) ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_NOT_FOUND;
	return context_leave(r);
}

CUresult cuKernelGetName(const char **name, CUkernel handle)
{
	struct kernel *k;
	CUresult r = enter_kernel(handle, &k);

	if (r != CUDA_SUCCESS)
		return r;
	if (!name)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*name = k->name;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuKernelGetParamInfo(CUkernel handle, size_t index, size_t *offset, size_t *size)
{
	const struct sg_kernel_info *info;
	struct kernel *k;
	CUresult r = enter_kernel(handle, &k);

	if (r != CUDA_SUCCESS)
		return r;
	r = kernel_info(k, &info);
	return context_leave(r == CUDA_SUCCESS ? param_info(info, index, offset, size) : r);
}

CUresult cuKernelGetParamCount(CUkernel handle, size_t *count)
{
	const struct sg_kernel_info *info;
	struct kernel *k;
	CUresult r = enter_kernel(handle, &k);

	if (r != CUDA_SUCCESS)
		return r;
	r = count ? kernel_info(k, &info) : CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		*count = info->nr_params;
	return context_leave(r);
}

CUresult cuKernelGetAttribute(int *value, CUfunction_attribute attribute, CUkernel handle,
			      CUdevice dev)
{
	const struct sg_kernel_info *info;
	struct kernel *k;
	CUresult r = enter_kernel(handle, &k);

	if (r != CUDA_SUCCESS)
		return r;
	if (!device_exists(dev))
		return context_leave(CUDA_ERROR_INVALID_DEVICE);
	r = kernel_info(k, &info);
	return context_leave(r == CUDA_SUCCESS ? attribute_get(info, &k->set, attribute, value)
					       : r);
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel handle,
			      CUdevice dev)
{
	const struct sg_kernel_info *info;
	struct kernel *k;
	CUresult r = enter_kernel(handle, &k);

	if (r != CUDA_SUCCESS)
		return r;
	if (!device_exists(dev))
		return context_leave(CUDA_ERROR_INVALID_DEVICE);
	r = kernel_info(k, &info);
	return context_leave(r == CUDA_SUCCESS ? attribute_set(info, &k->set, attribute, value)
					       : r);
}

CUresult cuKernelSetCacheConfig(CUkernel handle, CUfunc_cache config, CUdevice dev)
{
	struct kernel *k;
	CUresult r = enter_kernel(handle, &k);

	if (r != CUDA_SUCCESS)
		return r;
	if (!device_exists(dev))
		return context_leave(CUDA_ERROR_INVALID_DEVICE);
	return context_leave(config <= CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_SUCCESS
								  : CUDA_ERROR_INVALID_VALUE);
}
