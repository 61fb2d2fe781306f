// SPDX-License-Identifier: MIT
/*
 * module.c - modules and libraries: an image goes to the server once, its table of kernels comes
 * back, and then every look-up is answered here
 *
 * A library whose image the program promises to keep (CU_LIBRARY_BINARY_IS_PRESERVED, as libcudart
 * does) is loaded at its first use. So one that is never used is never sent, and a forked child,
 * whose session is its own, gets its libraries back without the program's doing.
 */
#include <stdlib.h>
#include <string.h>

#include "fatbin.h"
#include "jit.h"
#include "module.h"
#include "texture.h"

struct vcuda_module {
	struct vcuda_module *next;
	uint64_t handle;		/* CUmodule or CUlibrary */
	CUmodule alias;			/* cuLibraryGetModule() of a library */
	bool library;
	CUcontext ctx;			/* of a module; a library is of no context */
	const void *preserved;		/* the program keeps the image here; NULL: it may be gone */
	_Atomic bool loaded;
	CUresult failed;		/* why a preserved image could not be loaded */
	uint64_t image_bytes;
	unsigned int nr_kernels;
	struct vcuda_kernel *kernels;
	uint8_t *table;			/* what parameters point into */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* the list; loading */
static struct vcuda_module *modules;
static uint8_t (*at_server)[16];
static size_t nr_at_server;

void vcuda_images_at_server(const uint8_t *hashes, size_t n)
{
	free(at_server);
	at_server = malloc(n * 16);
	nr_at_server = at_server ? n : 0;
	if (nr_at_server)
		memcpy(at_server, hashes, n * 16);
}

static bool server_has(const uint8_t hash[16])
{
	size_t i;

	for (i = 0; i < nr_at_server; i++)
		if (!memcmp(at_server[i], hash, 16))
			return true;
	return false;
}

/* ---- the request ---- */

static CUresult request(struct vcuda_module *m, const struct vcuda_image *image,
			const uint8_t hash[16], bool cached, struct vcuda_jit *j, struct vcuda_wait *w)
{
	struct vwire_module_load h = {
		.module = htole32((uint32_t)m->handle),
		.bytes = htole64(image->bytes),
		.log_bytes = htole32(j->error_bytes < VWIRE_LOG_MAX ? j->error_bytes : VWIRE_LOG_MAX),
		.nr_options = htole32(j->nr),
		.flags = htole32((m->library ? VWIRE_MODULE_F_LIBRARY : 0) |
				 (cached ? VWIRE_MODULE_F_CACHED : 0) | image->flags),
	};
	struct vcuda_iov iov[2] = { { &h, sizeof(h) },
				    { j->options, j->nr * sizeof(j->options[0]) } };
	CUresult r = CUDA_SUCCESS;

	m->image_bytes = image->bytes;
	memcpy(h.hash, hash, 16);
	memset(w, 0, sizeof(*w));
	vcuda_submit_lock();
	if (!cached)
		r = vcuda_image_send(image);
	if (!r)
		r = vcuda_submit_locked(CUDA_ID_cuModuleLoadData, VWIRE_F_WAIT, iov, 2, w, NULL);
	vcuda_submit_unlock();
	return r ? r : vcuda_wait(w);
}

/* ---- the table of kernels ---- */

static bool take_kernel(struct vcuda_module *m, struct vcuda_kernel *k, struct vwire_rd *rd,
			bool again)
{
	const struct vwire_param *p;
	struct vcuda_param *own;
	struct vcuda_object *o;
	struct vwire_kernel v;
	const char *name;
	uint32_t i, n;

	rd_copy(rd, &v, sizeof(v));
	n = le32toh(v.nr_params);
	if (n > 4096 || le32toh(v.name_len) > 65535)
		return false;
	p = rd_bytes(rd, n * sizeof(*p));
	name = rd_bytes(rd, le32toh(v.name_len));
	if (!p || !name)
		return false;
	/* the table is ours: turned into the machine's order in place */
	own = (struct vcuda_param *)p;
	k->param_bytes = 0;
	for (i = 0; i < n; i++) {
		own[i] = (struct vcuda_param){ le32toh(p[i].offset), le32toh(p[i].size) };
		if (own[i].offset > 65535 || own[i].size > 65535)
			return false;
		if (own[i].offset + own[i].size > k->param_bytes)
			k->param_bytes = own[i].offset + own[i].size;
	}
	free(k->name);
	k->name = strndup(name, le32toh(v.name_len));
	if (!k->name)
		return false;
	k->module = m;
	k->params = own;
	k->nr_params = n;
	k->function = le32toh(v.function);
	k->attribute_mask = le32toh(v.attribute_mask);
	for (i = 0; i < VWIRE_KERNEL_ATTRIBUTES; i++)
		k->attributes[i] = (int)le32toh(v.attributes[i]);
	if (!again) {
		k->handle = (CUfunction)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_function, &o);
		if (!k->handle)
			return false;
		o->p = k;
	}
	return true;
}

/*
 * In a forked child the handles are kept: the same image gives the same kernels in the same order.
 */
static CUresult take_table(struct vcuda_module *m, struct vcuda_wait *w, struct vcuda_jit *j, uint64_t ns,
			   CUresult result)
{
	struct vwire_rd rd = rd_init(w->reply, w->reply_len);
	bool again = m->kernels != NULL;
	struct vwire_module v;
	const char *log;
	uint32_t i, n;

	rd_copy(&rd, &v, sizeof(v));
	n = le32toh(v.nr_kernels);
	if (!result && (rd.err || n > w->reply_len / sizeof(struct vwire_kernel) ||
			(again && n != m->nr_kernels)))
		goto wrong;
	if (!result && !again) {
		m->kernels = calloc(n ? n : 1, sizeof(*m->kernels));
		if (!m->kernels)
			return CUDA_ERROR_OUT_OF_MEMORY;
		m->nr_kernels = n;
	}
	for (i = 0; !result && i < n; i++)
		if (!take_kernel(m, &m->kernels[i], &rd, again))
			goto wrong;
	log = rd_bytes(&rd, le32toh(v.log_bytes));
	vcuda_jit_give(j, (struct vcuda_iov){ log, log ? le32toh(v.log_bytes) : 0 },
		       (struct vcuda_iov){ 0 }, ns);
	if (!result) {
		free(m->table);
		m->table = w->reply;
		w->reply = NULL;
	}
	return result;
wrong:
	vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, "a module's table that does not fit");
	return CUDA_ERROR_DEVICE_UNAVAILABLE;
}

static CUresult load(struct vcuda_module *m, const struct vcuda_image *image, struct vcuda_jit *j)
{
	uint64_t start = vcuda_now_ns();
	struct vcuda_wait w;
	uint8_t hash[16];
	bool cached;
	CUresult r;

	vcuda_image_hash(image, hash);
	cached = server_has(hash);
	r = request(m, image, hash, cached, j, &w);
	if (r == CUDA_ERROR_NOT_FOUND && cached && w.reserved & VWIRE_MODULE_F_SEND) {
		free(w.reply);
		r = request(m, image, hash, false, j, &w);
	}
	r = take_table(m, &w, j, vcuda_now_ns() - start, r);
	free(w.reply);
	if (!r)
		atomic_store_explicit(&m->loaded, true, memory_order_release);
	return r;
}

/* A library that waits for its first use. */
static CUresult ensure_loaded(struct vcuda_module *m)
{
	struct vcuda_image image;
	struct vcuda_jit none = { 0 };
	CUresult r = CUDA_SUCCESS;

	if (atomic_load_explicit(&m->loaded, memory_order_acquire))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	if (!atomic_load(&m->loaded)) {
		r = m->failed;
		if (!r)
			r = vcuda_image_find(m->preserved, &image);
		if (!r)
			r = load(m, &image, &none);
		m->failed = r;
	}
	pthread_mutex_unlock(&lock);
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
	pthread_mutex_lock(&lock);
	m->next = modules;
	modules = m;
	pthread_mutex_unlock(&lock);
	return m;
}

static void forget(struct vcuda_module *m)
{
	struct vcuda_module **p;
	unsigned int i;

	for (p = &modules; *p && *p != m; p = &(*p)->next)
		;
	if (*p)
		*p = m->next;
	for (i = 0; i < m->nr_kernels; i++) {
		vcuda_handle_del(CUDA_HANDLE_function, m->kernels[i].handle);
		free(m->kernels[i].name);
		free(m->kernels[i].frame);
	}
	if (m->alias)
		vcuda_handle_del(CUDA_HANDLE_module, m->alias);
	vcuda_handle_del(kind_of(m), (void *)(uintptr_t)m->handle);
	free(m->kernels);
	free(m->table);
	free(m);
}

static CUresult unload(struct vcuda_module *m)
{
	struct vcuda_call c;
	CUresult r = CUDA_SUCCESS;

	if (atomic_load(&m->loaded)) {
		vcuda_begin(&c, m->library ? CUDA_ID_cuLibraryUnload : CUDA_ID_cuModuleUnload);
		vcuda_put_u64(&c, (uint32_t)m->handle);
		r = vcuda_async(&c);
		if (!m->library)
			vcuda_texrefs_forget((CUmodule)(uintptr_t)m->handle);
		vcuda_memo_forget();
	}
	pthread_mutex_lock(&lock);
	forget(m);
	pthread_mutex_unlock(&lock);
	return r;
}

void vcuda_context_unload(CUcontext ctx)
{
	struct vcuda_module *m, *next;

	for (m = modules; m; m = next) {
		next = m->next;
		if (!m->library && m->ctx == ctx)
			unload(m);
	}
}

void vcuda_module_reset(void)
{
	struct vcuda_module *m, *next;

	pthread_mutex_init(&lock, NULL);
	vcuda_memo_reset();
	for (m = modules; m; m = next) {
		next = m->next;
		atomic_store(&m->loaded, false);
		m->failed = CUDA_SUCCESS;
		if (!m->preserved)
			forget(m);
	}
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
	pthread_mutex_lock(&lock);
	r = load(m, &im, j);
	if (r)
		forget(m);
	pthread_mutex_unlock(&lock);
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
		pthread_mutex_lock(&lock);
		r = load(m, &im, j);
		if (r)
			forget(m);
		pthread_mutex_unlock(&lock);
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

/* ---- look-ups ---- */

static CUresult get_loaded(enum cuda_handle_kind kind, const void *handle, struct vcuda_module **m)
{
	*m = get(kind, handle);
	return *m ? ensure_loaded(*m) : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult find_kernel(enum cuda_handle_kind kind, const void *handle, const char *name,
			    CUfunction *out)
{
	struct vcuda_module *m;
	unsigned int i;
	CUresult r;

	if (!out || !name)
		return CUDA_ERROR_INVALID_VALUE;
	r = get_loaded(kind, handle, &m);
	if (r)
		return r;
	for (i = 0; i < m->nr_kernels; i++)
		if (!strcmp(m->kernels[i].name, name)) {
			*out = m->kernels[i].handle;
			return CUDA_SUCCESS;
		}
	return CUDA_ERROR_NOT_FOUND;
}

static CUresult count(enum cuda_handle_kind kind, const void *handle, unsigned int *n)
{
	struct vcuda_module *m;
	CUresult r = n ? get_loaded(kind, handle, &m) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*n = m->nr_kernels;
	return r;
}

static CUresult enumerate(enum cuda_handle_kind kind, const void *handle, unsigned int n,
			  CUfunction *out)
{
	struct vcuda_module *m;
	unsigned int i;
	CUresult r = out ? get_loaded(kind, handle, &m) : CUDA_ERROR_INVALID_VALUE;

	for (i = 0; !r && i < n && i < m->nr_kernels; i++)
		out[i] = m->kernels[i].handle;
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

CUresult hand_cuLibraryGetModule(CUmodule *out, CUlibrary handle)
{
	struct vcuda_module *m = get(CUDA_HANDLE_library, handle);
	struct vcuda_object *o;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&lock);
	if (!m->alias) {
		m->alias = (CUmodule)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_module, &o);
		if (m->alias)
			o->p = m;
	}
	pthread_mutex_unlock(&lock);
	*out = m->alias;
	return m->alias ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* The address of a variable does not change: asked once. */
static CUresult global(CUdeviceptr *ptr, size_t *bytes, enum cuda_handle_kind kind,
		       const void *handle, const char *name, bool managed)
{
	uint64_t addr, size, is_managed;
	struct vcuda_module *m;
	struct vcuda_call c;
	CUresult r = name ? get_loaded(kind, handle, &m) : CUDA_ERROR_INVALID_VALUE;

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
	vcuda_mem_note_global(addr, size);
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
	CUresult r = fn && name ? get_loaded(CUDA_HANDLE_library, handle, &m)
				: CUDA_ERROR_INVALID_VALUE;

	return r ? r : CUDA_ERROR_NOT_FOUND;
}

CUresult vcuda_kernel_get(const void *handle, struct vcuda_kernel **k)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_function, handle);

	if (!o)
		return CUDA_ERROR_INVALID_HANDLE;
	*k = o->p;
	return ensure_loaded((*k)->module);
}

struct vcuda_kernel *vcuda_kernel_block(struct vcuda_kernel *k, unsigned int *n)
{
	struct vcuda_module *m = k->module;
	unsigned int first = (k - m->kernels) / VWIRE_KERNELS_ASK * VWIRE_KERNELS_ASK;

	*n = 1;
	if (m->image_bytes > VWIRE_ASK_IMAGE_MAX)
		return k;
	*n = m->nr_kernels - first < VWIRE_KERNELS_ASK ? m->nr_kernels - first : VWIRE_KERNELS_ASK;
	return &m->kernels[first];
}

CUresult hand_cuKernelGetLibrary(CUlibrary *out, CUkernel kernel)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_function, kernel);
	struct vcuda_kernel *k = o ? o->p : NULL;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!k || !k->module->library)
		return CUDA_ERROR_INVALID_HANDLE;
	*out = (CUlibrary)(uintptr_t)k->module->handle;
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
		return hand_cuLibraryGetModule(out, (CUlibrary)(uintptr_t)k->module->handle);
	*out = (CUmodule)(uintptr_t)k->module->handle;
	return CUDA_SUCCESS;
}
