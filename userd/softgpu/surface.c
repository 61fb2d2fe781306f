/* SPDX-License-Identifier: MIT */
/*
 * surface.c - cuSurfObject*, and what surfaces share with textures
 */
#include <stdlib.h>

#include "init.h"
#include "stream.h"
#include "texobject.h"

void texobject_view(const struct mipmapped *m, struct sg_view *v)
{
	v->texel = m->texel;
	v->layered = m->desc.Flags & CUDA_ARRAY3D_LAYERED;
	v->cube = m->desc.Flags & CUDA_ARRAY3D_CUBEMAP;
	v->dims = !m->desc.Height ? 1 : v->layered || v->cube || !m->desc.Depth ? 2 : 3;
}

static bool find_array(const CUDA_RESOURCE_DESC *res, struct mipmapped **m)
{
	struct array *a;

	*m = NULL;
	if (res->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY) {
		*m = mipmapped_find(res->res.mipmap.hMipmappedArray);
		return *m;
	}
	if (res->resType == CU_RESOURCE_TYPE_ARRAY) {
		a = array_find(res->res.array.hArray);
		*m = a ? a->owner : NULL;
		return *m;
	}
	return true;
}

/*
 * Destroying does not wait, because a kernel that runs may wait for the program. Kernels that were
 * queued before may still look for the object: when they are done the handle is nobody's. When
 * those are done that found it until then, nobody has the object.
 */
static void reap(struct context *ctx)
{
	struct texobject *o, *next;

	for (o = LIST_FIRST(&ctx->texobjects); o; o = next) {
		next = LIST_NEXT(o, link);
		if (!o->dying || !context_all_passed(o->seq))
			continue;
		if (o->obj.handle) {
			handle_retire(&o->obj);
			o->seq = stream_now();
			if (!context_all_passed(o->seq))
				continue;
		}
		LIST_REMOVE(o, link);
		free(o);
	}
}

CUresult texobject_create(struct context *ctx, enum handle_kind kind, const CUDA_RESOURCE_DESC *res,
			  struct texobject **out)
{
	struct mipmapped *m;
	struct texobject *o;

	reap(ctx);
	if (res->flags || !find_array(res, &m))
		return CUDA_ERROR_INVALID_VALUE;
	o = calloc(1, sizeof(*o));
	if (!o || handle_create(&o->obj, kind)) {
		free(o);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	o->array = m;
	o->res = *res;
	LIST_INSERT_HEAD(&ctx->texobjects, o, link);
	*out = o;
	return CUDA_SUCCESS;
}

void texobject_forget(const struct mipmapped *m)
{
	struct context *ctx;
	struct texobject *o;

	LIST_FOREACH(ctx, &context_all, link)
		LIST_FOREACH(o, &ctx->texobjects, link)
			if (o->array == m)
				o->gone = true;
}

void texobject_retire_all(struct context *ctx)
{
	struct mipmapped *m;
	struct texobject *o;

	LIST_FOREACH(o, &ctx->texobjects, link)
		handle_retire(&o->obj);
	LIST_FOREACH(m, &ctx->arrays, link)
		texobject_forget(m);
}

void texobject_release_all(struct context *ctx)
{
	struct texobject *o;

	while ((o = LIST_FIRST(&ctx->texobjects))) {
		LIST_REMOVE(o, link);
		free(o);
	}
}

/* NULL: no such object, or one that is being destroyed. */
static struct texobject *find(uint64_t handle, enum handle_kind kind)
{
	struct texobject *o = handle_find(handle, kind);

	return o && !o->dying ? o : NULL;
}

CUresult texobject_destroy(uint64_t handle, enum handle_kind kind)
{
	struct context *ctx;
	struct texobject *o;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	o = find(handle, kind);
	/* numbers that are none are nobody's, and so is the end of one */
	if (!o)
		return context_leave(CUDA_SUCCESS);
	o->dying = true;
	o->seq = stream_now();
	reap(ctx);
	return context_leave(CUDA_SUCCESS);
}

CUresult texobject_resource(uint64_t handle, enum handle_kind kind, CUDA_RESOURCE_DESC *res)
{
	struct context *ctx;
	struct texobject *o;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	o = find(handle, kind);
	if (!o || !res)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*res = o->res;
	return context_leave(CUDA_SUCCESS);
}

const struct sg_surface *sg_surface_find(uint64_t handle)
{
	const struct texobject *o;

	driver_lock();
	o = handle_find(handle, HANDLE_SURFACE);
	if (o && o->gone)
		o = NULL;
	driver_unlock();
	return o ? &o->surface : NULL;
}

CUresult cuSurfObjectCreate(CUsurfObject *out, const CUDA_RESOURCE_DESC *res)
{
	struct texobject *o;
	struct context *ctx;
	struct array *a;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !res || res->resType != CU_RESOURCE_TYPE_ARRAY)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	a = array_find(res->res.array.hArray);
	if (!a || !(a->desc.Flags & CUDA_ARRAY3D_SURFACE_LDST))
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = texobject_create(ctx, HANDLE_SURFACE, res, &o);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	texobject_view(o->array, &o->surface.view);
	o->surface.image = a->image;
	*out = o->obj.handle;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuSurfObjectDestroy(CUsurfObject object)
{
	return texobject_destroy(object, HANDLE_SURFACE);
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *res, CUsurfObject object)
{
	return texobject_resource(object, HANDLE_SURFACE, res);
}
