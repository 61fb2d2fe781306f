/* SPDX-License-Identifier: MIT */
#include "function.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "run.h"
#include "worker.h"

#define NAME_BYTES_MAX	65536u

/* ---- what the driver says of one ---- */

static CUresult param_info(const struct function *fn, size_t i, size_t *offset, size_t *size)
{
	if (fn->is_kernel)
		return real.cuKernelGetParamInfo((CUkernel)fn->fn, i, offset, size);
	return real.cuFuncGetParamInfo(fn->fn, i, offset, size);
}

/* The driver says by an error that there are no more. */
CUresult function_read(struct function *fn)
{
	size_t offset, size;

	while (param_info(fn, fn->nr_params, &offset, &size) == CUDA_SUCCESS) {
		struct parameter *params =
			realloc(fn->params, (fn->nr_params + 1) * sizeof(*params));

		if (!params)
			return CUDA_ERROR_OUT_OF_MEMORY;
		fn->params = params;
		params[fn->nr_params++] = (struct parameter){ offset, size };
		if (offset + size > fn->param_bytes)
			fn->param_bytes = offset + size;
	}
	return CUDA_SUCCESS;
}

CUresult function_attribute(struct worker *w, const struct function *fn, int attribute, int *value)
{
	CUresult r;

	if (fn->is_kernel)
		return real.cuKernelGetAttribute(value, attribute, (CUkernel)fn->fn, w->device.dev);
	r = real.cuFuncGetAttribute(value, attribute, fn->fn);
	/*
	 * A function that came from cuModuleEnumerateFunctions() may not be loaded yet, and then
	 * has few attributes.
	 */
	if (r == CUDA_ERROR_FUNCTION_NOT_LOADED && real.cuFuncLoad) {
		r = real.cuFuncLoad(fn->fn);
		if (!r)
			r = real.cuFuncGetAttribute(value, attribute, fn->fn);
	}
	return r;
}

uint32_t function_attributes(struct worker *w, const struct function *fn,
			     int values[VWIRE_KERNEL_ATTRIBUTES])
{
	uint32_t mask = 0;

	for (int i = 0; i < VWIRE_KERNEL_ATTRIBUTES; i++) {
		values[i] = 0;
		if (function_attribute(w, fn, i, &values[i]) == CUDA_SUCCESS)
			mask |= 1u << i;
	}
	return mask;
}

/* ---- the lists ---- */

static bool room_for_pointers(struct functions *f, uint32_t nr)
{
	void **pointers;

	if (nr <= f->nr_pointers)
		return true;
	pointers = realloc(f->pointers, nr * sizeof(*pointers));
	if (!pointers)
		return false;
	f->pointers = pointers;
	f->nr_pointers = nr;
	return true;
}

static bool list_add(struct function_list *l, const struct function *fn)
{
	if (l->nr == l->room) {
		uint32_t room = l->room ? l->room * 2 : 256;
		struct function *list;

		if (room > FUNCTIONS_MAX)
			return false;
		list = realloc(l->list, room * sizeof(*list));
		if (!list)
			return false;
		l->list = list;
		l->room = room;
	}
	l->list[l->nr++] = *fn;
	return true;
}

uint32_t functions_add(struct functions *f, const struct function *fn)
{
	return room_for_pointers(f, fn->nr_params) && list_add(&f->given, fn) ? f->given.nr : 0;
}

/* One that m, or NULL, has not is added too: ids are counted by the client. */
static bool functions_name(struct functions *f, uint32_t id, struct module *m, struct function *fn)
{
	if (m && fn->fn)
		fn->previous = m->named;
	if (id != (VWIRE_FUNCTION_NAMED | f->named.nr) || !room_for_pointers(f, fn->nr_params) ||
	    !list_add(&f->named, fn))
		return false;
	if (m && fn->fn)
		m->named = f->named.nr;
	return true;
}

static void forget(struct function *fn)
{
	free(fn->params);
	*fn = (struct function){ 0 };
}

void functions_del(struct functions *f, uint32_t first, uint32_t nr)
{
	for (uint32_t id = first; id < first + nr; id++) {
		struct function *fn = functions_find(f, id);

		if (fn)
			forget(fn);
	}
}

void functions_drop(struct functions *f, struct module *m)
{
	while (m->named) {
		struct function *fn = &f->named.list[m->named - 1];

		m->named = fn->previous;
		forget(fn);
	}
}

struct function *functions_find(struct functions *f, uint32_t id)
{
	const struct function_list *l = id & VWIRE_FUNCTION_NAMED ? &f->named : &f->given;
	uint32_t i = id & VWIRE_FUNCTION_NAMED ? id & ~VWIRE_FUNCTION_NAMED : id - 1;

	return i < l->nr && l->list[i].fn ? &l->list[i] : NULL;
}

/* ---- named by the client ---- */

static CUresult find(struct function *fn, const struct module *m, const char *name)
{
	if (m->library)
		return real.cuLibraryGetKernel((CUkernel *)&fn->fn, m->library, name);
	return real.cuModuleGetFunction(&fn->fn, m->module, name);
}

/* A block of another size than the driver's would be read beyond its end. */
static CUresult check(const struct function *fn, const struct vwire_function *in, const char *name)
{
	if (fn->nr_params == le32toh(in->nr_params) && fn->param_bytes == le32toh(in->param_bytes))
		return CUDA_SUCCESS;
	log_warn("%s: the client counts %u parameters in %u bytes, the driver %u in %zu", name,
		 le32toh(in->nr_params), le32toh(in->param_bytes), fn->nr_params, fn->param_bytes);
	return CUDA_ERROR_INVALID_IMAGE;
}

static CUresult name_function(struct request *rq, const struct vwire_function *in,
			      struct module *m, const char *name, struct function *fn)
{
	CUresult r = CUDA_ERROR_INVALID_HANDLE;

	if (m) {
		fn->is_kernel = m->library;
		r = find(fn, m, name);
	}
	if (r == CUDA_SUCCESS)
		r = function_read(fn);
	if (r == CUDA_SUCCESS)
		r = check(fn, in, name);
	if (r == CUDA_SUCCESS && m->recent)
		recent_add_kernel(m->recent, name);
	if (r != CUDA_SUCCESS) {
		free(fn->params);
		*fn = (struct function){ 0 };
	}
	if (!functions_name(&rq->w->functions, le32toh(in->function), m, fn)) {
		free(fn->params);
		r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	return r;
}

void run_cuModuleGetFunction(struct request *rq)
{
	struct function fn = { 0 };
	struct vwire_function in;
	struct handle *h;
	const char *text;
	char *name;
	uint32_t n, kind;

	rd_copy(&rq->in, &in, sizeof(in));
	n = le32toh(in.name_len);
	if (n >= NAME_BYTES_MAX)
		rq->in.err = true;
	text = rd_bytes(&rq->in, rq->in.err ? 0 : n);
	kind = le32toh(in.flags) & VWIRE_MODULE_F_LIBRARY ? CUDA_HANDLE_library : CUDA_HANDLE_module;
	if (!run_args_ready(rq))
		return;
	h = handles_find(&rq->w->handles, kind, le32toh(in.module));
	name = strndup(text, n);
	run_result(rq, name ? name_function(rq, &in, h ? h->aux : NULL, name, &fn)
			    : CUDA_ERROR_OUT_OF_MEMORY);
	free(name);
}
