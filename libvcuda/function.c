// SPDX-License-Identifier: MIT
/*
 * function.c - what a kernel is: name, parameters, attributes
 */
#include <stdlib.h>

#include "module.h"

static CUresult param_info(const void *handle, size_t i, size_t *offset, size_t *size)
{
	struct vcuda_kernel *k;
	CUresult r = offset ? vcuda_kernel_get(handle, &k) : CUDA_ERROR_INVALID_VALUE;

	if (r)
		return r;
	if (i >= k->nr_params)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = k->params[i].offset;
	if (size)
		*size = k->params[i].size;
	return CUDA_SUCCESS;
}

CUresult hand_cuFuncGetParamInfo(CUfunction fn, size_t i, size_t *offset, size_t *size)
{
	return param_info(fn, i, offset, size);
}

CUresult hand_cuKernelGetParamInfo(CUkernel kernel, size_t i, size_t *offset, size_t *size)
{
	return param_info(kernel, i, offset, size);
}

CUresult hand_cuFuncGetParamCount(CUfunction fn, size_t *n)
{
	struct vcuda_kernel *k;
	CUresult r = n ? vcuda_kernel_get(fn, &k) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*n = k->nr_params;
	return r;
}

CUresult hand_cuKernelGetParamCount(CUkernel kernel, size_t *n)
{
	return hand_cuFuncGetParamCount((CUfunction)kernel, n);
}

CUresult hand_cuFuncGetName(const char **name, CUfunction fn)
{
	struct vcuda_kernel *k;
	CUresult r = name ? vcuda_kernel_get(fn, &k) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*name = k->name;
	return r;
}

CUresult hand_cuKernelGetName(const char **name, CUkernel kernel)
{
	return hand_cuFuncGetName(name, (CUfunction)kernel);
}

CUresult hand_cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction fn)
{
	struct vcuda_kernel *k;
	CUresult r = state ? vcuda_kernel_get(fn, &k) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*state = CU_FUNCTION_LOADING_STATE_LOADED;
	return r;
}

CUresult hand_cuFuncLoad(CUfunction fn)
{
	struct vcuda_kernel *k;

	return vcuda_kernel_get(fn, &k);
}

/* ---- attributes ---- */

/* The worker numbers a module's kernels in a row. */
static CUresult take_attributes(struct vcuda_kernel *k, unsigned int n, const struct vcuda_wait *w)
{
	struct vwire_rd rd = rd_init(w->reply, w->reply_len);
	struct vwire_attributes a;
	unsigned int i, at;

	for (i = 0; i < n; i++) {
		rd_copy(&rd, &a, sizeof(a));
		/* what was asked about and set before stays as it is */
		if (k[i].attribute_mask || rd.err)
			continue;
		for (at = 0; at < VWIRE_KERNEL_ATTRIBUTES; at++)
			k[i].attributes[at] = (int)le32toh(a.attributes[at]);
		k[i].attribute_mask = le32toh(a.mask);
	}
	if (rd_end(&rd))
		return CUDA_SUCCESS;
	vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, "attributes that do not fit");
	return CUDA_ERROR_DEVICE_UNAVAILABLE;
}

/*
 * The table of a module with very many kernels, or of a large image, comes without them: then those
 * of a block of its kernels are asked for at once.
 */
static CUresult ask_attributes(struct vcuda_kernel *k)
{
	unsigned int n;
	struct vcuda_kernel *block = vcuda_kernel_block(k, &n);
	struct vwire_ask_attributes h = { .function = htole32(block->function),
					  .count = htole32(n) };
	struct vcuda_iov iov = { &h, sizeof(h) };
	struct vcuda_wait w = { 0 };
	CUresult r = vcuda_submit(CUDA_ID_cuFuncGetAttribute, VWIRE_F_WAIT, &iov, 1, &w, NULL);

	if (!r)
		r = vcuda_wait(&w);
	if (!r)
		r = take_attributes(block, n, &w);
	free(w.reply);
	return r;
}

/* CUDA_ERROR_INVALID_VALUE: the driver has none of that number. */
static CUresult attribute(int *value, CUfunction_attribute which, const void *handle)
{
	struct vcuda_kernel *k;
	CUresult r = value ? vcuda_kernel_get(handle, &k) : CUDA_ERROR_INVALID_VALUE;

	if (!r && (unsigned int)which >= VWIRE_KERNEL_ATTRIBUTES)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		k = vcuda_kernel_first(k);
	if (!r && !k->attribute_mask)
		r = ask_attributes(k);
	if (!r && !(k->attribute_mask >> which & 1))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*value = k->attributes[which];
	return r;
}

CUresult vcuda_kernel_send_attribute(const struct vcuda_kernel *k, unsigned int which)
{
	struct vcuda_call c;

	vcuda_begin(&c, CUDA_ID_cuFuncSetAttribute);
	vcuda_put_u64(&c, k->function);
	vcuda_put_u64(&c, which);
	vcuda_put_u64(&c, (int64_t)k->attributes[which]);
	return vcuda_async(&c);
}

CUresult vcuda_kernel_set_again(const struct vcuda_kernel *k)
{
	CUresult r = CUDA_SUCCESS;
	unsigned int i;

	for (i = 0; !r && i < VWIRE_KERNEL_ATTRIBUTES; i++)
		if (k->set >> i & 1)
			r = vcuda_kernel_send_attribute(k, i);
	return r;
}

static CUresult set_attribute(const void *handle, CUfunction_attribute which, int value)
{
	struct vcuda_kernel *k;
	int old;
	CUresult r = vcuda_kernel_get(handle, &k);

	if (!r)
		r = attribute(&old, which, handle);
	if (!r && (which < CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES ||
		   which == CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && which == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES &&
	    (value < 0 ||
	     (int64_t)value + k->attributes[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES] >
		     vcuda_lease()->devices[vcuda_current_device()].attributes
			     [CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN]))
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r && which == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT &&
	    (value < CU_SHAREDMEM_CARVEOUT_DEFAULT || value > CU_SHAREDMEM_CARVEOUT_MAX_SHARED))
		r = CUDA_ERROR_INVALID_VALUE;
	/* programs set what they set before, again and again */
	if (r || value == old)
		return r;
	r = vcuda_kernel_use(handle, &k);
	return r ? r : vcuda_kernel_set(k, which, value);
}

CUresult hand_cuFuncGetAttribute(int *value, CUfunction_attribute which, CUfunction fn)
{
	CUresult r = attribute(value, which, fn);

	return r ? r : vcuda_sticky_error();
}

CUresult hand_cuKernelGetAttribute(int *value, CUfunction_attribute which, CUkernel kernel,
				   CUdevice dev)
{
	return device_exists(dev) ? attribute(value, which, kernel) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuFuncSetAttribute(CUfunction fn, CUfunction_attribute which, int value)
{
	return set_attribute(fn, which, value);
}

CUresult hand_cuKernelSetAttribute(CUfunction_attribute which, int value, CUkernel kernel,
				   CUdevice dev)
{
	return device_exists(dev) ? set_attribute(kernel, which, value) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuFuncSetCacheConfig(CUfunction fn, CUfunc_cache config)
{
	struct vcuda_kernel *k;
	struct vcuda_call c;
	CUresult r = vcuda_kernel_use(fn, &k);

	if (!r && (unsigned int)config > CU_FUNC_CACHE_PREFER_EQUAL)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	vcuda_begin(&c, CUDA_ID_cuFuncSetCacheConfig);
	vcuda_put_u64(&c, k->function);
	vcuda_put_u64(&c, config);
	r = vcuda_async(&c);
	if (!r)
		k->cache_config = config;
	return r;
}

CUresult hand_cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev)
{
	return device_exists(dev) ? hand_cuFuncSetCacheConfig((CUfunction)kernel, config)
			      : CUDA_ERROR_INVALID_DEVICE;
}

/*
 * Banks have been four bytes wide since compute capability 5.0: a preference without effect on
 * every device served here.
 */
CUresult hand_cuFuncSetSharedMemConfig(CUfunction fn, CUsharedconfig config)
{
	struct vcuda_kernel *k;
	CUresult r = vcuda_kernel_get(fn, &k);

	return r ? r
	       : (unsigned int)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE
		       ? CUDA_ERROR_INVALID_VALUE
		       : CUDA_SUCCESS;
}
