/* SPDX-License-Identifier: MIT */
/*
 * cls.c - values that a context keeps by key
 *
 * Nearly every call of the runtime begins with a look-up, so that takes no lock: an entry is never
 * freed before its context, and a deleted one (key NULL) may be used again.
 */
#include <stdlib.h>

#include "cudart.h"

struct cls {
	struct cls *next;
	_Atomic(void *) key;
	void *value;
	cls_dtor dtor;
};

static struct cls *find(struct cls_list *l, void *key)
{
	struct cls *e = atomic_load_explicit(&l->first, memory_order_acquire);

	while (e && atomic_load_explicit(&e->key, memory_order_acquire) != key)
		e = e->next;
	return e;
}

CUresult cls_get(struct cls_list *l, void *key, void **value)
{
	struct cls *e = key ? find(l, key) : NULL;

	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	*value = e->value;
	return CUDA_SUCCESS;
}

static struct cls *add(struct cls_list *l)
{
	struct cls *e = find(l, NULL);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->next = atomic_load(&l->first);
	atomic_store_explicit(&l->first, e, memory_order_release);
	return e;
}

CUresult cls_put(struct cls_list *l, void *key, void *value, cls_dtor dtor)
{
	struct cls *e;

	if (!key)
		return CUDA_ERROR_INVALID_VALUE;
	e = find(l, key);
	if (!e)
		e = add(l);
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->value = value;
	e->dtor = dtor;
	atomic_store_explicit(&e->key, key, memory_order_release);
	return CUDA_SUCCESS;
}

CUresult cls_del(struct cls_list *l, void *key)
{
	struct cls *e;

	if (!key)
		return CUDA_ERROR_INVALID_VALUE;
	e = find(l, key);
	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	atomic_store(&e->key, NULL);
	return CUDA_SUCCESS;
}

void cls_destroy(struct cls_list *l, CUcontext ctx)
{
	for (struct cls *e = atomic_load(&l->first); e; e = e->next) {
		void *key = atomic_exchange(&e->key, NULL);

		if (key && e->dtor)
			e->dtor(ctx, key, e->value);
	}
}

void cls_free(struct cls_list *l)
{
	struct cls *e = atomic_exchange(&l->first, NULL), *next;

	for (; e; e = next) {
		next = e->next;
		free(e);
	}
}
