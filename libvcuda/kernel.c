// SPDX-License-Identifier: MIT
/*
 * kernel.c - kernels: from their handles, in a context, at the server, and what is set of them
 */
#include "load.h"

bool vcuda_kernel_is_of(const struct vcuda_kernel *k, CUcontext ctx)
{
	return (k->module->library && !k->module->of) || k->module->ctx == ctx;
}

CUresult vcuda_kernel_out(struct vcuda_kernel *k, CUfunction *out)
{
	pthread_mutex_lock(&vcuda_module_lock);
	*out = vcuda_kernel_handle(k);
	pthread_mutex_unlock(&vcuda_module_lock);
	return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vcuda_kernel_get(const void *handle, struct vcuda_kernel **k)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_function, handle);

	/* a handle that was guessed may be one that is just being made */
	*k = o ? __atomic_load_n(&o->p, __ATOMIC_ACQUIRE) : NULL;
	if (!*k)
		return CUDA_ERROR_INVALID_HANDLE;
	return vcuda_module_ensure((*k)->module);
}

CUresult vcuda_kernel_in(CUcontext ctx, struct vcuda_kernel **k)
{
	struct vcuda_module *m = (*k)->module;
	size_t n = *k - m->kernels;
	CUresult r = vcuda_module_in(&m, ctx);

	*k = &m->kernels[n];
	return r;
}

/* What the program has set of it holds in each context, and lasts longer than that. */
static CUresult name(struct vcuda_kernel *k)
{
	struct vcuda_module *m = k->module;
	CUresult r = CUDA_SUCCESS;

	pthread_mutex_lock(&vcuda_module_lock);
	if (!k->function) {
		r = vcuda_module_send(m);
		if (!r)
			r = vcuda_kernel_name(k);
		if (!r)
			r = vcuda_kernel_set_again(k);
	}
	pthread_mutex_unlock(&vcuda_module_lock);
	return r;
}

CUresult vcuda_kernel_use_in(CUcontext ctx, const void *handle, struct vcuda_kernel **k)
{
	CUresult r = vcuda_kernel_get(handle, k);

	if (!r)
		r = vcuda_kernel_in(ctx, k);
	if (r || atomic_load_explicit(&(*k)->function, memory_order_acquire))
		return r;
	return name(*k);
}

CUresult vcuda_kernel_use(const void *handle, struct vcuda_kernel **k)
{
	return vcuda_kernel_use_in(vcuda_current(), handle, k);
}

struct vcuda_kernel *vcuda_kernel_first(struct vcuda_kernel *k)
{
	struct vcuda_module *m = k->module;

	return m->of ? &m->of->kernels[k - m->kernels] : k;
}

static CUresult set(struct vcuda_kernel *k, CUfunction_attribute which, int value)
{
	k->attributes[which] = value;
	k->set |= 1u << which;
	return k->function ? vcuda_kernel_send_attribute(k, which) : CUDA_SUCCESS;
}

CUresult vcuda_kernel_set(struct vcuda_kernel *k, CUfunction_attribute which, int value)
{
	struct vcuda_module *i;
	size_t n;
	CUresult r;

	k = vcuda_kernel_first(k);
	n = k - k->module->kernels;
	pthread_mutex_lock(&vcuda_module_lock);
	r = set(k, which, value);
	for (i = k->module->instances; !r && i; i = i->next)
		r = set(&i->kernels[n], which, value);
	pthread_mutex_unlock(&vcuda_module_lock);
	return r;
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
