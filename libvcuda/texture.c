// SPDX-License-Identifier: MIT
/*
 * texture.c - texture and surface objects
 *
 * A program hands such an object to its kernels as a number among others, so that the number must
 * be the driver's own: making one is a round trip, the only one of an object's life. What it was
 * made of is kept here, and a number that is none never gets to the driver.
 */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "texture.h"

#define BUCKETS	256u

struct object {
	struct object *next;
	enum cuda_handle_kind kind;
	unsigned long long value;
	uint64_t handle;		/* what the worker knows it by */
	CUcontext ctx;
	bool has_view;
	CUDA_RESOURCE_DESC res;
	CUDA_TEXTURE_DESC desc;
	CUDA_RESOURCE_VIEW_DESC view;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects[BUCKETS];

static struct object **bucket(unsigned long long value)
{
	return &objects[(value ^ value >> 8 ^ value >> 20) % BUCKETS];
}

/* Under lock. */
static struct object **find(enum cuda_handle_kind kind, unsigned long long value)
{
	struct object **p = bucket(value);

	while (*p && ((*p)->value != value || (*p)->kind != kind))
		p = &(*p)->next;
	return p;
}

/* The description as the worker takes it: an array's number in the place of its handle. */
static CUresult on_wire(CUDA_RESOURCE_DESC *d)
{
	CUDA_RESOURCE_DESC in = *d;

	memset(&d->res, 0, sizeof(d->res));
	switch (in.resType) {
	case CU_RESOURCE_TYPE_ARRAY:
		if (!vcuda_array_get(in.res.array.hArray))
			return CUDA_ERROR_INVALID_VALUE;
		d->res.array.hArray = (CUarray)(uintptr_t)vcuda_handle_number(in.res.array.hArray);
		return CUDA_SUCCESS;
	case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
		if (!vcuda_mipmapped_get(in.res.mipmap.hMipmappedArray))
			return CUDA_ERROR_INVALID_VALUE;
		d->res.mipmap.hMipmappedArray = (CUmipmappedArray)(uintptr_t)vcuda_handle_number(
			in.res.mipmap.hMipmappedArray);
		return CUDA_SUCCESS;
	case CU_RESOURCE_TYPE_LINEAR:
		d->res.linear = in.res.linear;
		return CUDA_SUCCESS;
	case CU_RESOURCE_TYPE_PITCH2D:
		d->res.pitch2D = in.res.pitch2D;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static CUresult ask(struct object *o)
{
	bool texture = o->kind == CUDA_HANDLE_texture;
	CUDA_RESOURCE_DESC res = o->res;
	struct vcuda_call c;
	CUresult r = on_wire(&res);

	if (r)
		return r;
	vcuda_begin(&c, texture ? CUDA_ID_cuTexObjectCreate : CUDA_ID_cuSurfObjectCreate);
	vcuda_put_u64(&c, (uint32_t)o->handle);
	vcuda_put_blob(&c, &res, sizeof(res), false);
	if (texture) {
		vcuda_put_blob(&c, &o->desc, sizeof(o->desc), false);
		vcuda_put_blob(&c, &o->view, o->has_view ? sizeof(o->view) : 0, false);
	}
	vcuda_want_scalar(&c, &o->value, sizeof(o->value), false);
	return vcuda_sync(&c);
}

/* Takes o over. */
static CUresult make(struct object *o, unsigned long long *out)
{
	struct object **b;
	CUresult r = CUDA_ERROR_OUT_OF_MEMORY;

	o->ctx = vcuda_current();
	o->handle = vcuda_handle_new(o->kind, NULL);
	if (o->handle)
		r = ask(o);
	if (r) {
		vcuda_handle_del(o->kind, (void *)(uintptr_t)o->handle);
		free(o);
		return r;
	}
	*out = o->value;
	pthread_mutex_lock(&lock);
	b = bucket(o->value);
	o->next = *b;
	*b = o;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

CUresult hand_cuTexObjectCreate(CUtexObject *out, const CUDA_RESOURCE_DESC *res,
				const CUDA_TEXTURE_DESC *desc, const CUDA_RESOURCE_VIEW_DESC *view)
{
	struct object *o;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!out || !res || !desc)
		return CUDA_ERROR_INVALID_VALUE;
	o = calloc(1, sizeof(*o));
	if (!o)
		return CUDA_ERROR_OUT_OF_MEMORY;
	o->kind = CUDA_HANDLE_texture;
	o->res = *res;
	o->desc = *desc;
	o->has_view = view;
	if (view)
		o->view = *view;
	return make(o, out);
}

CUresult hand_cuSurfObjectCreate(CUsurfObject *out, const CUDA_RESOURCE_DESC *res)
{
	struct object *o;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!out || !res || res->resType != CU_RESOURCE_TYPE_ARRAY)
		return CUDA_ERROR_INVALID_VALUE;
	o = calloc(1, sizeof(*o));
	if (!o)
		return CUDA_ERROR_OUT_OF_MEMORY;
	o->kind = CUDA_HANDLE_surface;
	o->res = *res;
	return make(o, out);
}

/* Under lock. */
static CUresult end(struct object **p)
{
	struct object *o = *p;
	struct vcuda_call c;
	CUresult r;

	vcuda_begin(&c, o->kind == CUDA_HANDLE_texture ? CUDA_ID_cuTexObjectDestroy
						       : CUDA_ID_cuSurfObjectDestroy);
	vcuda_put_u64(&c, (uint32_t)o->handle);
	r = vcuda_async(&c);
	vcuda_handle_del(o->kind, (void *)(uintptr_t)o->handle);
	*p = o->next;
	free(o);
	return r;
}

static CUresult destroy(enum cuda_handle_kind kind, unsigned long long value)
{
	struct object **p;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	p = find(kind, value);
	/* of a number that is none the driver has nothing to say */
	if (*p)
		r = end(p);
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuTexObjectDestroy(CUtexObject value)
{
	return destroy(CUDA_HANDLE_texture, value);
}

CUresult hand_cuSurfObjectDestroy(CUsurfObject value)
{
	return destroy(CUDA_HANDLE_surface, value);
}

void vcuda_context_destroy_textures(CUcontext ctx)
{
	struct object **p;
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < BUCKETS; i++)
		for (p = &objects[i]; *p;) {
			if ((*p)->ctx == ctx)
				end(p);
			else
				p = &(*p)->next;
		}
	pthread_mutex_unlock(&lock);
}

/* ---- questions ---- */

static CUresult describe(enum cuda_handle_kind kind, unsigned long long value, struct object *copy)
{
	struct object *o;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	o = *find(kind, value);
	if (o)
		*copy = *o;
	pthread_mutex_unlock(&lock);
	return o ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *res, CUtexObject value)
{
	struct object o;
	CUresult r = res ? describe(CUDA_HANDLE_texture, value, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*res = o.res;
	return r;
}

CUresult hand_cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *desc, CUtexObject value)
{
	struct object o;
	CUresult r = desc ? describe(CUDA_HANDLE_texture, value, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*desc = o.desc;
	return r;
}

CUresult hand_cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *view, CUtexObject value)
{
	struct object o;
	CUresult r = view ? describe(CUDA_HANDLE_texture, value, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r && !o.has_view)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		*view = o.view;
	return r;
}

CUresult hand_cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *res, CUsurfObject value)
{
	struct object o;
	CUresult r = res ? describe(CUDA_HANDLE_surface, value, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*res = o.res;
	return r;
}
