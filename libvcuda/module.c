// SPDX-License-Identifier: MIT
/*
 * module.c - modules and libraries: handles, loading and unloading
 *
 * A library whose image the program promises to keep (CU_LIBRARY_BINARY_IS_PRESERVED, as libcudart
 * does) is listed at its first look-up.
 */
#include <stdlib.h>
#include <string.h>

#include "fatbin.h"
#include "load.h"
#include "texture.h"

pthread_mutex_t vcuda_module_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vcuda_module *modules;
static _Atomic bool separate;		/* there have been several contexts at once */

CUresult vcuda_module_ensure(struct vcuda_module *m)
{
	struct vcuda_jit none = { 0 };
	struct vcuda_image image;
	CUresult r = CUDA_SUCCESS;

	if (atomic_load_explicit(&m->listed, memory_order_acquire))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&vcuda_module_lock);
	if (!atomic_load(&m->listed)) {
		r = m->failed;
		if (!r && m->preserved)
			r = vcuda_image_find(m->preserved, &image);
		else
			image = m->image;
		if (!r)
			r = vcuda_module_list(m, &image, &none);
		m->failed = r;
	}
	pthread_mutex_unlock(&vcuda_module_lock);
	return r;
}

CUresult vcuda_module_sent(struct vcuda_module *m)
{
	CUresult r = vcuda_module_ensure(m);

	if (r || atomic_load_explicit(&m->sent, memory_order_acquire))
		return r;
	pthread_mutex_lock(&vcuda_module_lock);
	r = vcuda_module_send(m);
	pthread_mutex_unlock(&vcuda_module_lock);
	return r;
}

/* ---- creation and end ---- */

static enum cuda_handle_kind kind_of(const struct vcuda_module *m)
{
	return m->library ? CUDA_HANDLE_library : CUDA_HANDLE_module;
}

static struct vcuda_module *new_module(bool library, const void *preserved)
{
	struct vcuda_module *m = calloc(1, sizeof(*m));
	struct vcuda_object *o;

	if (!m)
		return NULL;
	m->library = library;
	m->preserved = preserved;
	m->ctx = library ? NULL : vcuda_current();
	m->handle = vcuda_handle_new(kind_of(m), &o);
	if (!m->handle) {
		free(m);
		return NULL;
	}
	o->p = m;
	pthread_mutex_lock(&vcuda_module_lock);
	m->next = modules;
	modules = m;
	pthread_mutex_unlock(&vcuda_module_lock);
	return m;
}

static void forget(struct vcuda_module *m)
{
	struct vcuda_module **p;
	unsigned int i;

	vcuda_instances_drop(m, NULL);
	for (p = &modules; *p && *p != m; p = &(*p)->next)
		;
	if (*p)
		*p = m->next;
	for (i = 0; i < m->nr_kernels; i++) {
		if (m->kernels[i].handle)
			vcuda_handle_del(CUDA_HANDLE_function, m->kernels[i].handle);
		free(m->kernels[i].name);
		free(m->kernels[i].frame);
	}
	if (m->alias)
		vcuda_handle_del(CUDA_HANDLE_module, m->alias);
	vcuda_handle_del(kind_of(m), (void *)(uintptr_t)m->handle);
	free(m->kernels);
	free(m->params);
	free(m->kept);
	free(m);
}

CUresult vcuda_module_send_unload(struct vcuda_module *m)
{
	struct vcuda_call c;

	vcuda_begin(&c, m->library ? CUDA_ID_cuLibraryUnload : CUDA_ID_cuModuleUnload);
	vcuda_put_u64(&c, (uint32_t)m->handle);
	return vcuda_async(&c);
}

/* A library is of no context, so a fault is not told here. */
static CUresult unload(struct vcuda_module *m)
{
	CUresult r = m->library ? CUDA_SUCCESS : vcuda_sticky_error();

	if (atomic_load(&m->sent)) {
		r = vcuda_module_send_unload(m);
		if (m->library && r == vcuda_sticky_error())
			r = CUDA_SUCCESS;
		if (!m->library)
			vcuda_texrefs_forget((CUmodule)(uintptr_t)m->handle);
		vcuda_memo_forget();
	}
	pthread_mutex_lock(&vcuda_module_lock);
	forget(m);
	pthread_mutex_unlock(&vcuda_module_lock);
	return r;
}

/* As it was before anything of it was used. */
static void unsend(struct vcuda_module *m)
{
	unsigned int i;

	m->failed = CUDA_SUCCESS;
	atomic_store(&m->sent, false);
	/* a table came from the server, with numbers of its own */
	if (!m->read_here && !m->instances)
		atomic_store(&m->listed, false);
	for (i = 0; i < m->nr_kernels; i++)
		m->kernels[i].function = 0;
}

/* As in a program that begins, at its next use. */
static bool restart(struct vcuda_module *m)
{
	if (!m->image.nr || !atomic_load(&m->sent) || (m->instances && !vcuda_module_is_whole(m)))
		return false;
	vcuda_module_send_unload(m);
	unsend(m);
	return true;
}

/* A library that other contexts use goes on there. */
static bool leave(struct vcuda_module *m, CUcontext ctx)
{
	bool any = vcuda_instances_drop(m, ctx);

	if (m->ctx != ctx)
		return any;
	m->ctx = NULL;
	return restart(m) || any;
}

/* Other threads load and unload meanwhile. */
static struct vcuda_module *first_of(CUcontext ctx)
{
	struct vcuda_module *m;

	pthread_mutex_lock(&vcuda_module_lock);
	for (m = modules; m && (m->library || m->ctx != ctx); m = m->next)
		;
	pthread_mutex_unlock(&vcuda_module_lock);
	return m;
}

void vcuda_context_unload(CUcontext ctx)
{
	struct vcuda_module *m;
	bool any = false;

	while ((m = first_of(ctx)))
		unload(m);
	pthread_mutex_lock(&vcuda_module_lock);
	for (m = modules; m; m = m->next)
		if (m->library)
			any |= leave(m, ctx);
	pthread_mutex_unlock(&vcuda_module_lock);
	if (any)
		vcuda_memo_forget();
}

void vcuda_libraries_restart(void)
{
	struct vcuda_module *m;
	bool any = false;

	pthread_mutex_lock(&vcuda_module_lock);
	for (m = modules; m; m = m->next)
		if (m->library)
			any |= restart(m);
	pthread_mutex_unlock(&vcuda_module_lock);
	if (any)
		vcuda_memo_forget();
}

void vcuda_libraries_separate(CUcontext first)
{
	struct vcuda_module *m;

	pthread_mutex_lock(&vcuda_module_lock);
	for (m = modules; m; m = m->next)
		if (m->library && atomic_load(&m->sent) && !m->ctx)
			m->ctx = first;
	atomic_store(&separate, true);
	pthread_mutex_unlock(&vcuda_module_lock);
}

static bool is_separate(const struct vcuda_module *m)
{
	return m->library && !m->of && atomic_load_explicit(&separate, memory_order_relaxed);
}

CUresult vcuda_module_in(struct vcuda_module **m, CUcontext ctx)
{
	struct vcuda_module *own;

	if (!is_separate(*m) || !ctx || (*m)->ctx == ctx)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&vcuda_module_lock);
	own = vcuda_instance(*m, ctx);
	pthread_mutex_unlock(&vcuda_module_lock);
	if (own)
		*m = own;
	return own ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* ---- loading ---- */

static CUresult load_module(CUmodule *out, const void *image, struct vcuda_jit *j)
{
	struct vcuda_module *m;
	struct vcuda_image im;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!out || !image)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_image_find(image, &im);
	if (r)
		return r;
	m = new_module(false, NULL);
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&vcuda_module_lock);
	r = vcuda_module_list(m, &im, j);
	if (r)
		forget(m);
	pthread_mutex_unlock(&vcuda_module_lock);
	if (!r)
		*out = (CUmodule)(uintptr_t)m->handle;
	return r;
}

CUresult hand_cuModuleLoadData(CUmodule *out, const void *image)
{
	struct vcuda_jit none = { 0 };

	return load_module(out, image, &none);
}

CUresult hand_cuModuleLoadDataEx(CUmodule *out, const void *image, unsigned int n,
				 CUjit_option *options, void **values)
{
	struct vcuda_jit j;
	CUresult r = vcuda_jit_take(&j, n, options, values);

	return r ? r : load_module(out, image, &j);
}

CUresult hand_cuModuleLoadFatBinary(CUmodule *out, const void *image)
{
	return hand_cuModuleLoadData(out, image);
}

/* After a fault the server has no more to say of it: as if it were to be listed later. */
static CUresult set_aside(struct vcuda_module *m, const struct vcuda_image *image)
{
	m->image = *image;
	return vcuda_image_keep(&m->image, &m->kept);
}

static CUresult load_library(CUlibrary *out, const void *code, bool preserved, struct vcuda_jit *j)
{
	struct vcuda_module *m;
	struct vcuda_image im;
	CUresult r;

	if (!out || !code)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_image_find(code, &im);
	if (r)
		return r;
	m = new_module(true, preserved ? code : NULL);
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!preserved) {
		pthread_mutex_lock(&vcuda_module_lock);
		r = vcuda_sticky_error() ? set_aside(m, &im) : vcuda_module_list(m, &im, j);
		if (r)
			forget(m);
		pthread_mutex_unlock(&vcuda_module_lock);
	}
	if (!r)
		*out = (CUlibrary)(uintptr_t)m->handle;
	return r;
}

CUresult hand_cuLibraryLoadData(CUlibrary *out, const void *code, CUjit_option *options,
				void **values, unsigned int n, CUlibraryOption *lib_options,
				void **lib_values, unsigned int nr_lib)
{
	bool preserved = false;
	unsigned int i;
	struct vcuda_jit j;
	CUresult r = vcuda_jit_take(&j, n, options, values);

	if (!r && nr_lib && !lib_options)
		r = CUDA_ERROR_INVALID_VALUE;
	for (i = 0; !r && i < nr_lib; i++) {
		if (lib_options[i] == CU_LIBRARY_BINARY_IS_PRESERVED) {
			preserved = !lib_values || lib_values[i];
		} else {
			vcuda_say("library option %d is not supported", lib_options[i]);
			r = CUDA_ERROR_NOT_SUPPORTED;
		}
	}
	return r ? r : load_library(out, code, preserved && !n, &j);
}

CUresult hand_cuModuleLoad(CUmodule *out, const char *name)
{
	size_t n, size;
	void *p;
	CUresult r = vcuda_image_map(name, &p, &n);

	if (r)
		return r;
	r = image_size(p, n + 1, &size) ? hand_cuModuleLoadData(out, p) : CUDA_ERROR_INVALID_IMAGE;
	free(p);
	return r;
}

CUresult hand_cuLibraryLoadFromFile(CUlibrary *out, const char *name, CUjit_option *options,
				    void **values, unsigned int n, CUlibraryOption *lib_options,
				    void **lib_values, unsigned int nr_lib)
{
	size_t bytes, size;
	struct vcuda_jit j;
	void *p;
	CUresult r = vcuda_jit_take(&j, n, options, values);

	(void)lib_options;
	(void)lib_values;
	if (!r && nr_lib)
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (!r)
		r = vcuda_image_map(name, &p, &bytes);
	if (r)
		return r;
	r = image_size(p, bytes + 1, &size) ? load_library(out, p, false, &j)
					    : CUDA_ERROR_INVALID_IMAGE;
	free(p);
	return r;
}

static struct vcuda_module *get(enum cuda_handle_kind kind, const void *handle)
{
	struct vcuda_object *o = vcuda_handle_get(kind, handle);

	return o ? o->p : NULL;
}

CUresult hand_cuModuleUnload(CUmodule handle)
{
	struct vcuda_module *m = get(CUDA_HANDLE_module, handle);

	return m && !m->library ? unload(m) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult hand_cuLibraryUnload(CUlibrary handle)
{
	struct vcuda_module *m = get(CUDA_HANDLE_library, handle);

	return m ? unload(m) : CUDA_ERROR_INVALID_HANDLE;
}

/*
 * The environment variable is the driver's business. EAGER, as far as a program can tell: every
 * kernel is there once its library is.
 */
CUresult hand_cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
	const char *s = getenv("CUDA_MODULE_LOADING");

	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	*mode = s && !strcmp(s, "EAGER") ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
	return CUDA_SUCCESS;
}

/* ---- what others look for in them: lookup.c ---- */

CUresult vcuda_module_listed(enum cuda_handle_kind kind, const void *handle, struct vcuda_module **m)
{
	*m = get(kind, handle);
	return *m ? vcuda_module_ensure(*m) : CUDA_ERROR_INVALID_HANDLE;
}

CUresult vcuda_module_alias(CUmodule *out, struct vcuda_module *m)
{
	struct vcuda_object *o;

	pthread_mutex_lock(&vcuda_module_lock);
	if (!m->alias) {
		m->alias = (CUmodule)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_module, &o);
		if (m->alias)
			o->p = m;
	}
	pthread_mutex_unlock(&vcuda_module_lock);
	*out = m->alias;
	return m->alias ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult hand_cuLibraryGetModule(CUmodule *out, CUlibrary handle)
{
	struct vcuda_module *m = get(CUDA_HANDLE_library, handle);
	CUresult r;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	r = is_separate(m) ? vcuda_module_ensure(m) : CUDA_SUCCESS;
	if (!r)
		r = vcuda_module_in(&m, vcuda_current());
	return r ? r : vcuda_module_alias(out, m);
}

CUresult vcuda_module_use(CUmodule handle)
{
	struct vcuda_module *m;
	CUresult r = vcuda_module_listed(CUDA_HANDLE_module, handle, &m);

	return r ? r : vcuda_module_sent(m);
}
