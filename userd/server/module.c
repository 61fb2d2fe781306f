/* SPDX-License-Identifier: MIT */
#include "module.h"

#include <stdlib.h>

#include "image.h"
#include "load.h"
#include "log.h"
#include "run.h"
#include "worker.h"

/* ---- images on their way ---- */

static void image_drop(struct modules *m)
{
	free(m->image);
	m->image = NULL;
	m->room = m->have = m->total = 0;
	m->too_much = false;
}

static bool image_room(struct modules *m, uint64_t bytes)
{
	uint64_t room = m->room ? m->room : VWIRE_DATA_MAX;
	uint8_t *p;

	if (bytes + IMAGE_PAD <= m->room)
		return true;
	while (room < bytes + IMAGE_PAD)
		room *= 2;
	if (room > m->total + IMAGE_PAD && bytes <= m->total)
		room = m->total + IMAGE_PAD;
	p = realloc(m->image, room);
	if (!p)
		return false;
	m->image = p;
	m->room = room;
	return true;
}

static bool has_room(struct worker *w, uint64_t bytes)
{
	struct modules *m = &w->modules;

	if (bytes <= MODULES_BYTES_MAX && m->held <= MODULES_BYTES_MAX - bytes)
		return true;
	if (!m->told)
		log_warn("lease %llu, %.79s: more code than the %llu MiB that a session may load",
			 (unsigned long long)w->lease.id, w->lease.client, MODULES_BYTES_MAX >> 20);
	m->told = true;
	return false;
}

bool modules_hold(struct worker *w, uint64_t bytes)
{
	if (!has_room(w, bytes))
		return false;
	w->modules.held += bytes;
	return true;
}

void modules_let_go(struct worker *w, uint64_t bytes)
{
	w->modules.held -= bytes;
}

static void image_add(struct worker *w, const void *data, uint64_t n)
{
	struct modules *m = &w->modules;

	if (m->too_much || !has_room(w, m->have + n) || !image_room(m, m->have + n)) {
		m->too_much = true;
		free(m->image);
		m->image = NULL;
		m->room = 0;
	} else {
		memcpy(m->image + m->have, data, n);
	}
	m->have += n;
}

bool modules_part(struct worker *w, struct request *rq)
{
	struct modules *m = &w->modules;
	struct vwire_image head;
	uint64_t total, offset, n;
	const void *data;

	rd_copy(&rq->in, &head, sizeof(head));
	total = le64toh(head.total);
	offset = le64toh(head.offset);
	n = le64toh(head.len);
	if (rq->in.err || n > VWIRE_FRAME_MAX)
		return false;
	data = rd_bytes(&rq->in, n);
	if (!rd_end(&rq->in) || !n || !total || total > VWIRE_IMAGE_MAX)
		return false;
	if (!offset) {
		image_drop(m);
		m->total = total;
	}
	if (total != m->total || offset != m->have || n > total - offset)
		return false;
	image_add(w, data, n);
	return true;
}

CUresult modules_take(struct worker *w, uint64_t bytes, void **image)
{
	struct modules *m = &w->modules;

	if (m->too_much && m->have == m->total)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!m->image || m->have != m->total || m->total != bytes)
		return CUDA_ERROR_INVALID_IMAGE;
	*image = m->image;
	m->image = NULL;
	memset((uint8_t *)*image + bytes, 0, IMAGE_PAD);
	return CUDA_SUCCESS;
}

void modules_drop(struct worker *w)
{
	image_drop(&w->modules);
}

/* ---- the table ---- */

static void *table_add(struct load *l, const void *p, size_t n)
{
	size_t padded = vwire_pad(n);
	uint8_t *at;

	if (padded > l->table_room - l->table_len) {
		size_t room = (l->table_room + padded) * 2;

		at = realloc(l->table, room);
		if (!at)
			return NULL;
		l->table = at;
		l->table_room = room;
	}
	at = l->table + l->table_len;
	memset(at, 0, padded);
	if (p)
		memcpy(at, p, n);
	l->table_len += padded;
	return at;
}

static CUresult add_params(struct load *l, const struct function *fn)
{
	for (uint32_t i = 0; i < fn->nr_params; i++) {
		struct vwire_param p = { .offset = htole32(fn->params[i].offset),
					 .size = htole32(fn->params[i].size) };

		if (!table_add(l, &p, sizeof(p)))
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

static const char *name_of(const struct function *fn)
{
	const char *name = NULL;
	CUresult r;

	if (fn->is_kernel)
		r = real.cuKernelGetName(&name, (CUkernel)fn->fn);
	else
		r = real.cuFuncGetName(&name, fn->fn);
	return r == CUDA_SUCCESS ? name : NULL;
}

static void put_attributes(struct load *l, const struct function *fn, struct vwire_kernel *k)
{
	int values[VWIRE_KERNEL_ATTRIBUTES];

	k->attribute_mask = htole32(function_attributes(l->rq->w, fn, values));
	for (int i = 0; i < VWIRE_KERNEL_ATTRIBUTES; i++)
		k->attributes[i] = htole32(values[i]);
}

/* One kernel: head, parameters, name. */
static CUresult add_kernel(struct load *l, struct function *fn, bool ask)
{
	size_t at = l->table_len;
	struct vwire_kernel k = { 0 };
	const char *name = name_of(fn);
	CUresult r;

	if (!name)
		return CUDA_ERROR_UNKNOWN;
	if (ask)
		put_attributes(l, fn, &k);
	if (!table_add(l, NULL, sizeof(k)))
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = function_read(fn);
	if (r == CUDA_SUCCESS)
		r = add_params(l, fn);
	if (r == CUDA_SUCCESS && !table_add(l, name, strlen(name)))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r != CUDA_SUCCESS)
		return r;
	k.function = htole32(functions_add(&l->rq->w->functions, fn));
	if (!k.function)
		return CUDA_ERROR_OUT_OF_MEMORY;
	fn->params = NULL;
	k.name_len = htole32(strlen(name));
	k.nr_params = htole32(fn->nr_params);
	memcpy(l->table + at, &k, sizeof(k));
	return r;
}

/* A CUkernel and a CUfunction are both a pointer: one list serves for both. */
static CUresult list_kernels(struct load *l, void ***list, unsigned int *nr)
{
	struct module *m = l->module;
	CUresult r;

	if (m->library)
		r = real.cuLibraryGetKernelCount(nr, m->library);
	else
		r = real.cuModuleGetFunctionCount(nr, m->module);
	if (r != CUDA_SUCCESS || !*nr)
		return r;
	*list = calloc(*nr, sizeof(**list));
	if (!*list)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (m->library)
		return real.cuLibraryEnumerateKernels((CUkernel *)*list, *nr, m->library);
	return real.cuModuleEnumerateFunctions((CUfunction *)*list, *nr, m->module);
}

static CUresult make_table(struct load *l)
{
	struct module *m = l->module;
	struct vwire_module head = { 0 };
	unsigned int nr = 0;
	void **list = NULL;
	CUresult r;

	if (!table_add(l, NULL, sizeof(head)))
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = list_kernels(l, &list, &nr);
	m->first = l->rq->w->functions.given.nr + 1;
	for (unsigned int i = 0; r == CUDA_SUCCESS && i < nr; i++) {
		struct function fn = { .fn = list[i], .is_kernel = m->library };

		r = add_kernel(l, &fn, nr <= VWIRE_KERNELS_ASK && l->bytes <= VWIRE_ASK_IMAGE_MAX);
		free(fn.params);
		m->nr += r == CUDA_SUCCESS;
	}
	free(list);
	head.nr_kernels = htole32(nr);
	memcpy(l->table, &head, sizeof(head));
	return r;
}

static void add_log(struct load *l)
{
	struct vwire_module head = { 0 };
	size_t n = l->jit.error ? strnlen(l->jit.error, l->jit.error_room) : 0;

	if (!l->table_len && !table_add(l, &head, sizeof(head)))
		return;
	if (n && !table_add(l, l->jit.error, n))
		n = 0;
	memcpy(&head, l->table, sizeof(head));
	head.log_bytes = htole32(n);
	memcpy(l->table, &head, sizeof(head));
}

/* ---- the request ---- */

static void driver_unload(struct worker *w, struct module *m)
{
	CUresult r = CUDA_SUCCESS;

	if (m->library)
		r = real.cuLibraryUnload(m->library);
	else if (m->module)
		real.cuModuleUnload(m->module);
	/* one that it has not let go of, in a context that is lost, it may read yet */
	if (r == CUDA_SUCCESS) {
		free(m->kept);
		modules_let_go(w, m->held);
	}
	free(m);
}

static CUresult load_run(struct load *l)
{
	CUresult r = jit_logs(&l->jit, le32toh(l->head.log_bytes), 0);

	if (r != CUDA_SUCCESS)
		return r;
	l->module = calloc(1, sizeof(*l->module));
	if (!l->module)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = load_take(l);
	if (r == CUDA_SUCCESS)
		r = load_image(l);
	return r == CUDA_SUCCESS && !load_is(l, VWIRE_MODULE_F_LISTED) ? make_table(l) : r;
}

static CUresult load_bind(struct load *l, uint32_t kind)
{
	struct handle *h =
		handles_add(&l->rq->w->handles, kind, le32toh(l->head.module), l->module);

	if (!h)
		return CUDA_ERROR_INVALID_HANDLE;
	h->aux = l->module;
	h->real = l->module->library ? (void *)l->module->library : l->module->module;
	l->module = NULL;
	return CUDA_SUCCESS;
}

/* The log goes out with an error, too: that is what it is for. */
static void load_reply(struct load *l, CUresult r)
{
	struct request *rq = l->rq;
	bool send = r == CUDA_ERROR_NOT_FOUND && load_is(l, VWIRE_MODULE_F_CACHED);

	if (r != CUDA_SUCCESS)
		l->table_len = 0;
	if (r == CUDA_SUCCESS || l->jit.error)
		add_log(l);
	if (run_is_sticky(r))
		rq->w->lost = r;
	if (!(rq->flags & VWIRE_F_WAIT)) {
		run_result(rq, r);
		return;
	}
	reply_table(rq->w, rq->op, rq->seq, r, send ? VWIRE_MODULE_F_SEND : 0, l->table,
		    l->table_len);
}

static void load_fini(struct load *l, const void *kept)
{
	if (l->module) {
		functions_del(&l->rq->w->functions, l->module->first, l->module->nr);
		driver_unload(l->rq->w, l->module);
	}
	jit_fini(&l->jit);
	if (l->image != kept)
		free(l->image);
	if (l->unpacked != kept)
		free(l->unpacked);
	free(l->table);
}

void run_cuModuleLoadData(struct request *rq)
{
	struct load l = { .rq = rq };
	const void *kept;
	uint32_t kind;
	CUresult r;

	rd_copy(&rq->in, &l.head, sizeof(l.head));
	l.bytes = le64toh(l.head.bytes);
	kind = load_is(&l, VWIRE_MODULE_F_LIBRARY) ? CUDA_HANDLE_library : CUDA_HANDLE_module;
	jit_take(&l.jit, rq, le32toh(l.head.nr_options));
	if (!rd_end(&rq->in)) {
		run_bad(rq);
		return;
	}
	r = rq->err ? rq->err : load_run(&l);
	kept = l.module ? l.module->kept : NULL;
	if (r == CUDA_SUCCESS)
		r = load_bind(&l, kind);
	load_reply(&l, r);
	if (r == CUDA_SUCCESS)
		load_keep(&l);
	image_drop(&rq->w->modules);
	load_fini(&l, kept);
}

static void unloaded(struct worker *w, struct job *job, CUresult r)
{
	(void)r;	/* an error of the work before it is told where that was waited for */
	driver_unload(w, job->module);
	if (job->is_wait)
		reply_result(w, job->op, job->seq, CUDA_SUCCESS, NULL, 0);
}

/*
 * The driver would wait for the work that uses the module: a waiter does that, on the context's
 * queue.
 */
static void unload_later(struct request *rq, struct module *m)
{
	struct job *job = wait_job(rq, unloaded);

	if (!job) {
		driver_unload(rq->w, m);
		run_result(rq, CUDA_SUCCESS);
		return;
	}
	job->module = m;
	job->is_slow = true;
	job->is_wait = rq->flags & VWIRE_F_WAIT;
	wait_fence(rq->w, job);
	wait_submit(rq->w, &rq->w->wait.context, job);
}

static void unload(struct request *rq, uint32_t kind)
{
	uint32_t number = rd_u32(&rq->in);
	struct handle *h = handles_find(&rq->w->handles, kind, number);
	struct module *m;

	if (!h)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	if (!run_args_ready(rq))
		return;
	m = h->aux;
	functions_del(&rq->w->functions, m->first, m->nr);
	functions_drop(&rq->w->functions, m);
	if (m->has_refs) {
		handles_drop(&rq->w->handles, CUDA_HANDLE_texref, m);
		handles_drop(&rq->w->handles, CUDA_HANDLE_surfref, m);
	}
	handles_del(&rq->w->handles, kind, number);
	unload_later(rq, m);
}

void run_cuModuleUnload(struct request *rq)
{
	unload(rq, CUDA_HANDLE_module);
}

void run_cuLibraryUnload(struct request *rq)
{
	unload(rq, CUDA_HANDLE_library);
}

static CUresult find_global(uint32_t where, void *in, const char *name, CUdeviceptr *addr,
			    size_t *size)
{
	switch (where) {
	case VWIRE_GLOBAL_MODULE:
		return real.cuModuleGetGlobal_v2(addr, size, in, name);
	case VWIRE_GLOBAL_LIBRARY:
		return real.cuLibraryGetGlobal(addr, size, in, name);
	case VWIRE_GLOBAL_MANAGED:
		return real.cuLibraryGetManaged ? real.cuLibraryGetManaged(addr, size, in, name)
						: CUDA_ERROR_NOT_SUPPORTED;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

void run_cuModuleGetGlobal_v2(struct request *rq)
{
	uint32_t number = rd_u32(&rq->in);
	uint32_t where = rd_u32(&rq->in);
	const char *name = rd_str(&rq->in, 4096);
	uint32_t kind = where == VWIRE_GLOBAL_MODULE ? CUDA_HANDLE_module : CUDA_HANDLE_library;
	struct handle *h = handles_find(&rq->w->handles, kind, number);
	unsigned int managed = 0;
	CUdeviceptr addr = 0;
	size_t size = 0;
	CUresult r;

	if (!h)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	if (!run_args_end(rq))
		return;
	r = find_global(where, h->real, name, &addr, &size);
	if (r == CUDA_SUCCESS)
		real.cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, addr);
	run_out_u64(rq, addr);
	run_out_u64(rq, size);
	run_out_u64(rq, managed != 0);
	run_reply(rq, r);
}
