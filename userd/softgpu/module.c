/* SPDX-License-Identifier: MIT */
#include "module.h"

#include <stdlib.h>

#include "capture.h"
#include "file.h"
#include "init.h"
#include "launch_legacy.h"
#include "memory.h"
#include "print.h"

/* The variables become the context's, on its device; managed ones are of all contexts. */
static bool assign_globals(const struct sg_module *code, struct context *ctx)
{
	for (size_t i = 0; i < sg_module_nr_globals(code); i++) {
		struct mem_range range = { 0 };
		const char *name;
		uint64_t addr;
		size_t size;

		sg_module_global(code, i, &name, &addr, &size);
		/* Shared by all that a library has; the first pays. */
		if (mem_lookup(addr, &range) && range.managed && range.device != MEM_NO_DEVICE)
			continue;
		if (!mem_assign(addr, ctx->device, range.managed ? NULL : ctx))
			return false;
	}
	return true;
}

CUresult module_create(struct context *ctx, struct sg_module *code, struct library *lib,
		       struct module **out)
{
	struct module *m = calloc(1, sizeof(*m));

	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->nr = sg_module_nr_kernels(code);
	m->functions = calloc(m->nr + 1, sizeof(*m->functions));
	if (!m->functions || handle_create(&m->obj, HANDLE_MODULE)) {
		free(m->functions);
		free(m);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	m->ctx = ctx;
	m->code = code;
	if (!assign_globals(code, ctx)) {
		handle_retire(&m->obj);
		free(m->functions);
		free(m);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	for (size_t i = 0; i < m->nr; i++) {
		m->functions[i].module = m;
		m->functions[i].code = sg_module_kernel(code, i);
		m->functions[i].kernel = lib ? &lib->kernels[i] : NULL;
		m->functions[i].set = FUNCTION_SETTINGS_NONE;
	}
	LIST_INSERT_HEAD(&ctx->modules, m, link);
	m->library = lib;
	if (lib)
		LIST_INSERT_HEAD(&lib->modules, m, library_link);
	*out = m;
	return CUDA_SUCCESS;
}

static uint64_t variable(const struct module *m, size_t i)
{
	const char *name;
	uint64_t addr;
	size_t size;

	sg_module_global(m->code, i, &name, &addr, &size);
	return addr;
}

void module_retire(struct module *m)
{
	m->going = true;
	for (size_t i = 0; i < sg_module_nr_globals(m->code); i++)
		mem_retire(variable(m, i), MEM_MODULE);
}

/* Twice, as malloc_release(). */
CUresult module_empty(struct module *m)
{
	CUresult r = context_drain_all(m->ctx);

	if (r == CUDA_ERROR_CONTEXT_IS_DESTROYED)
		return r;
	for (size_t i = 0; i < sg_module_nr_globals(m->code); i++)
		mem_hide(variable(m, i), MEM_MODULE);
	return context_drain_all(m->ctx) ?: r;
}

void module_destroy(struct module *m)
{
	for (size_t i = 0; i < m->nr; i++) {
		launch_legacy_forget(&m->functions[i]);
		handle_retire(&m->functions[i].obj);
	}
	handle_retire(&m->obj);
	LIST_REMOVE(m, link);
	if (m->library)
		LIST_REMOVE(m, library_link);
	sg_module_destroy(m->code);
	free(m->functions);
	free(m);
}

CUresult function_handle(struct function *f, CUfunction *out)
{
	if (!f->obj.handle && handle_create(&f->obj, HANDLE_FUNCTION))
		return CUDA_ERROR_OUT_OF_MEMORY;
	*out = HANDLE_OF(f);
	return CUDA_SUCCESS;
}

/* Parsing takes its time and happens without the lock; ctx->busy keeps the context there. */
static CUresult load(CUmodule *out, const void *code, struct sg_log *log)
{
	struct sg_module *linked = NULL;
	struct context *ctx;
	struct image img;
	struct module *m;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !code)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ctx->busy++;
	driver_unlock();
	r = image_open(code, &img, log);
	if (r == CUDA_SUCCESS) {
		r = image_link(&img, &linked, log);
		image_close(&img);
	}
	driver_lock();
	ctx->busy--;
	driver_wake();
	if (r == CUDA_SUCCESS)
		r = ctx->closing ? CUDA_ERROR_CONTEXT_IS_DESTROYED
				 : module_create(ctx, linked, NULL, &m);
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(m);
	else if (linked)
		sg_module_destroy(linked);
	return context_leave(r);
}

CUresult cuModuleLoadData(CUmodule *out, const void *code)
{
	return load(out, code, NULL);
}

CUresult cuModuleLoad(CUmodule *out, const char *path)
{
	char *data;
	CUresult r = driver_ready();

	if (r == CUDA_SUCCESS)
		r = out && path ? file_read_image(path, &data) : CUDA_ERROR_INVALID_VALUE;
	if (r != CUDA_SUCCESS)
		return r;
	r = load(out, data, NULL);
	free(data);
	return r;
}

CUresult cuModuleLoadFatBinary(CUmodule *out, const void *code)
{
	return load(out, code, NULL);
}

CUresult cuModuleLoadDataEx(CUmodule *out, const void *code, unsigned int nr, CUjit_option *options,
			    void **values)
{
	struct jit_log log;
	CUresult r = jit_log_init(&log, nr, options, values);

	if (r != CUDA_SUCCESS)
		return r;
	r = load(out, code, &log.error);
	jit_log_finish(&log);
	return r;
}

/*
 * Finds a module for a call that begins; the lock is held on success. Libraries' modules are not
 * the program's to unload.
 */
/* Its own context counts, whichever is current. */
static CUresult enter(CUmodule handle, struct module **m)
{
	struct context *ctx;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	*m = HANDLE_FIND(handle, HANDLE_MODULE);
	r = *m && !(*m)->going ? (*m)->ctx->error : CUDA_ERROR_INVALID_HANDLE;
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUresult cuModuleUnload(CUmodule handle)
{
	struct module *m;
	CUresult r = enter(handle, &m);

	if (r != CUDA_SUCCESS)
		return r;
	if (m->library)
		return context_leave(CUDA_ERROR_NOT_PERMITTED);
	r = capture_unsafe();
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	module_retire(m);
	r = module_empty(m);
	m = HANDLE_FIND(handle, HANDLE_MODULE);
	if (r == CUDA_SUCCESS)
		module_destroy(m);
	else if (m)
		m->going = false;	/* its context's error is what all calls tell */
	driver_unlock();
	print_flush();
	return r;
}

static struct function *find_by_name(struct module *m, const char *name)
{
	struct sg_kernel *k = sg_module_find(m->code, name);

	for (size_t i = 0; k && i < m->nr; i++)
		if (m->functions[i].code == k)
			return &m->functions[i];
	return NULL;
}

CUresult cuModuleGetFunction(CUfunction *out, CUmodule handle, const char *name)
{
	struct function *f;
	struct module *m;
	CUresult r = enter(handle, &m);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !name || !*name)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	f = find_by_name(m, name);
	return context_leave(f ? function_handle(f, out) : CUDA_ERROR_NOT_FOUND);
}

CUresult cuModuleGetFunctionCount(unsigned int *count, CUmodule handle)
{
	struct module *m;
	CUresult r = enter(handle, &m);

	if (r != CUDA_SUCCESS)
		return r;
	if (!count)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*count = m->nr;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int nr, CUmodule handle)
{
	struct module *m;
	CUresult r = enter(handle, &m);

	if (r != CUDA_SUCCESS)
		return r;
	if (!functions && nr)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	for (size_t i = 0; i < m->nr && i < nr && r == CUDA_SUCCESS; i++)
		r = function_handle(&m->functions[i], &functions[i]);
	return context_leave(r);
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *addr, size_t *size, CUmodule handle, const char *name)
{
	struct module *m;
	uint64_t a;
	size_t n;
	CUresult r = enter(handle, &m);

	if (r != CUDA_SUCCESS)
		return r;
	if (!name || (!addr && !size))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!sg_module_find_global(m->code, name, &a, &n))	/* a kernel is there, and no variable */
		return context_leave(find_by_name(m, name) ? CUDA_ERROR_INVALID_VALUE
							   : CUDA_ERROR_NOT_FOUND);
	if (addr)
		*addr = a;
	if (size)
		*size = n;
	return context_leave(CUDA_SUCCESS);
}

bool module_loads_lazily(void)
{
	const char *s = getenv("CUDA_MODULE_LOADING");

	return !s || s[0] != 'E';
}

/*
 * Images are parsed when they are loaded, but CUDA_MODULE_LOADING says what the program believes.
 */
CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	*mode = module_loads_lazily() ? CU_MODULE_LAZY_LOADING : CU_MODULE_EAGER_LOADING;
	return CUDA_SUCCESS;
}
