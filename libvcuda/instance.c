// SPDX-License-Identifier: MIT
/*
 * instance.c - a library in contexts beside the first that used it
 *
 * A library is of no context, but its variables natively are: each context that uses it has it loaded
 * once more. The worker has one context, so there an instance is a library like any other, of the
 * same image. Here its kernels are as the library's own are, under numbers of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "load.h"

/* Without the image there can be no other, and managed variables are one for all contexts. */
static bool can_have_instances(const struct vcuda_module *m)
{
	return m->image.nr && !m->managed;
}

static bool copy_kernels(struct vcuda_module *i)
{
	unsigned int n;

	i->kernels = calloc(i->of->nr_kernels ? i->of->nr_kernels : 1, sizeof(*i->kernels));
	if (!i->kernels)
		return false;
	i->nr_kernels = i->of->nr_kernels;
	for (n = 0; n < i->nr_kernels; n++) {
		i->kernels[n] = i->of->kernels[n];
		i->kernels[n].module = i;
		i->kernels[n].handle = NULL;
		i->kernels[n].frame = NULL;
		i->kernels[n].function = 0;
	}
	return true;
}

static struct vcuda_module *make(struct vcuda_module *m, CUcontext ctx)
{
	struct vcuda_module *i = calloc(1, sizeof(*i));
	struct vcuda_object *o;

	if (!i)
		return NULL;
	i->of = m;
	i->ctx = ctx;
	i->library = i->read_here = true;
	atomic_store(&i->listed, true);
	i->image = m->image;
	i->image_bytes = m->image_bytes;
	i->code = m->code;
	i->is_hashed = m->is_hashed;
	memcpy(i->hash, m->hash, sizeof(i->hash));
	i->handle = vcuda_handle_new(CUDA_HANDLE_library, &o);
	if (!i->handle || !copy_kernels(i)) {
		vcuda_handle_del(CUDA_HANDLE_library, (void *)(uintptr_t)i->handle);
		free(i);
		return NULL;
	}
	o->p = i;
	i->next = m->instances;
	m->instances = i;
	return i;
}

struct vcuda_module *vcuda_instance(struct vcuda_module *m, CUcontext ctx)
{
	struct vcuda_module *i;

	for (i = m->instances; i && i->ctx != ctx; i = i->next)
		;
	if (i)
		return i;
	/* the first that used it has gone */
	if (!m->ctx)
		m->ctx = ctx;
	return m->ctx == ctx || m->of || !can_have_instances(m) ? m : make(m, ctx);
}

static void drop(struct vcuda_module *i)
{
	unsigned int n;

	for (n = 0; n < i->nr_kernels; n++) {
		if (i->kernels[n].handle)
			vcuda_handle_del(CUDA_HANDLE_function, i->kernels[n].handle);
		free(i->kernels[n].frame);
	}
	if (i->alias)
		vcuda_handle_del(CUDA_HANDLE_module, i->alias);
	vcuda_handle_del(CUDA_HANDLE_library, (void *)(uintptr_t)i->handle);
	free(i->kernels);
	free(i);
}

bool vcuda_instances_drop(struct vcuda_module *m, CUcontext ctx)
{
	struct vcuda_module **p = &m->instances, *i;
	bool any = false;

	while ((i = *p)) {
		if (ctx && i->ctx != ctx) {
			p = &i->next;
			continue;
		}
		*p = i->next;
		if (atomic_load(&i->sent))
			vcuda_module_send_unload(i);
		drop(i);
		any = true;
	}
	return any;
}
