/* SPDX-License-Identifier: MIT */
/*
 * array.c - cuArray*, cuMipmappedArray*: making, describing and destroying them
 */
#include "array.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "arraydesc.h"
#include "device.h"
#include "init.h"
#include "memory.h"
#include "print.h"
#include "texels.h"
#include "texobject.h"

#define ROW_ALIGN	32		/* as TEXTURE_PITCH_ALIGNMENT */
#define LEVEL_ALIGN	512

static const struct {
	CUarray_format format;
	uint8_t cls, bits, channels;	/* 0: as many as asked for */
} formats[] = {
	{ CU_AD_FORMAT_UNSIGNED_INT8, SG_TEXEL_UINT, 8, 0 },
	{ CU_AD_FORMAT_UNSIGNED_INT16, SG_TEXEL_UINT, 16, 0 },
	{ CU_AD_FORMAT_UNSIGNED_INT32, SG_TEXEL_UINT, 32, 0 },
	{ CU_AD_FORMAT_SIGNED_INT8, SG_TEXEL_SINT, 8, 0 },
	{ CU_AD_FORMAT_SIGNED_INT16, SG_TEXEL_SINT, 16, 0 },
	{ CU_AD_FORMAT_SIGNED_INT32, SG_TEXEL_SINT, 32, 0 },
	{ CU_AD_FORMAT_HALF, SG_TEXEL_FLOAT, 16, 0 },
	{ CU_AD_FORMAT_FLOAT, SG_TEXEL_FLOAT, 32, 0 },
	{ CU_AD_FORMAT_UNORM_INT8X1, SG_TEXEL_UNORM, 8, 1 },
	{ CU_AD_FORMAT_UNORM_INT8X2, SG_TEXEL_UNORM, 8, 2 },
	{ CU_AD_FORMAT_UNORM_INT8X4, SG_TEXEL_UNORM, 8, 4 },
	{ CU_AD_FORMAT_UNORM_INT16X1, SG_TEXEL_UNORM, 16, 1 },
	{ CU_AD_FORMAT_UNORM_INT16X2, SG_TEXEL_UNORM, 16, 2 },
	{ CU_AD_FORMAT_UNORM_INT16X4, SG_TEXEL_UNORM, 16, 4 },
	{ CU_AD_FORMAT_SNORM_INT8X1, SG_TEXEL_SNORM, 8, 1 },
	{ CU_AD_FORMAT_SNORM_INT8X2, SG_TEXEL_SNORM, 8, 2 },
	{ CU_AD_FORMAT_SNORM_INT8X4, SG_TEXEL_SNORM, 8, 4 },
	{ CU_AD_FORMAT_SNORM_INT16X1, SG_TEXEL_SNORM, 16, 1 },
	{ CU_AD_FORMAT_SNORM_INT16X2, SG_TEXEL_SNORM, 16, 2 },
	{ CU_AD_FORMAT_SNORM_INT16X4, SG_TEXEL_SNORM, 16, 4 },
};

_Static_assert(TEXELS_LEVELS_MAX <= SG_MAX_LEVELS, "an image has room for all levels");

bool array_texel(CUarray_format format, unsigned int channels, struct sg_texel *t)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (formats[i].format != format)
			continue;
		if ((channels != 1 && channels != 2 && channels != 4) ||
		    (formats[i].channels && formats[i].channels != channels))
			return false;
		*t = (struct sg_texel){ formats[i].cls, formats[i].bits, channels,
					formats[i].bits / 8 * channels };
		return true;
	}
	return false;
}

static size_t align(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Extents of a level, and where it lies behind the others. No overflow: the limits are small. */
static size_t lay_out(struct mipmapped *m, unsigned int level, size_t at)
{
	struct array *a = &m->levels[level];
	struct sg_image *g = &a->image;

	a->owner = m;
	a->desc = m->desc;
	texels_level(&a->desc, level);
	g->width = a->desc.Width;
	g->height = a->desc.Height ? a->desc.Height : 1;
	g->depth = a->desc.Depth ? a->desc.Depth : 1;
	g->pitch = align((size_t)g->width * m->texel.bytes, ROW_ALIGN);
	g->slice = g->pitch * g->height;
	g->texels = (uint8_t *)at;		/* for now */
	return align(at + g->slice * g->depth, LEVEL_ALIGN);
}

static void array_free(struct mipmapped *m)
{
	if (m->texels) {
		munmap(m->texels, m->bytes);
		mem_uncharge(m->ctx->device, m->bytes);
	}
	free(m);
}

static void retire(struct mipmapped *m)
{
	context_retire(m->ctx, &m->obj);
	for (unsigned int i = 0; i < m->nr_levels; i++)
		context_retire(m->ctx, &m->levels[i].obj);
}

static CUresult allocate(struct mipmapped *m)
{
	void *p;

	m->bytes = align(m->bytes, 4096);
	if (!mem_charge(m->ctx->device, m->bytes))
		return CUDA_ERROR_OUT_OF_MEMORY;
	p = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		mem_uncharge(m->ctx->device, m->bytes);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	m->texels = p;
	for (unsigned int i = 0; i < m->nr_levels; i++)
		m->levels[i].image.texels = m->texels + (size_t)m->levels[i].image.texels;
	return CUDA_SUCCESS;
}

static CUresult create(struct context *ctx, const CUDA_ARRAY3D_DESCRIPTOR *desc,
		       unsigned int nr_levels, bool mipmapped, struct mipmapped **out)
{
	struct sg_texel texel;
	struct mipmapped *m;
	CUresult r = array_check(desc, mipmapped);
	int err = 0;

	if (r != CUDA_SUCCESS)
		return r;
	if (!array_texel(desc->Format, desc->NumChannels, &texel))
		return CUDA_ERROR_NOT_SUPPORTED;
	m = calloc(1, sizeof(*m) + nr_levels * sizeof(m->levels[0]));
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->ctx = ctx;
	m->desc = *desc;
	m->texel = texel;
	m->nr_levels = nr_levels;
	for (unsigned int i = 0; i < nr_levels; i++)
		m->bytes = lay_out(m, i, m->bytes);
	r = allocate(m);
	for (unsigned int i = 0; i < nr_levels && r == CUDA_SUCCESS && !err; i++)
		err = handle_create(&m->levels[i].obj, HANDLE_ARRAY);
	if (r == CUDA_SUCCESS && !err && mipmapped)
		err = handle_create(&m->obj, HANDLE_MIPMAPPED);
	if (r != CUDA_SUCCESS || err) {
		retire(m);
		array_free(m);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	LIST_INSERT_HEAD(&ctx->arrays, m, link);
	*out = m;
	return CUDA_SUCCESS;
}

struct array *array_find(CUarray handle)
{
	return HANDLE_FIND(handle, HANDLE_ARRAY);
}

struct mipmapped *mipmapped_find(CUmipmappedArray handle)
{
	return HANDLE_FIND(handle, HANDLE_MIPMAPPED);
}

static bool inside(size_t at, size_t n, size_t of)
{
	return at <= of && n <= of - at;
}

bool array_locate(struct copy_end *e, const struct copy *c)
{
	const struct array *a = array_find(e->array);
	const struct sg_image *g;
	size_t texel;

	if (!a)
		return false;
	g = &a->image;
	texel = a->owner->texel.bytes;
	if (!inside(e->x, c->width, g->width * texel) ||
	    !inside(e->y, c->height, g->height) || !inside(e->z, c->depth, g->depth))
		return false;
	e->pitch = g->pitch;
	e->slice = g->slice;
	e->addr = (uintptr_t)g->texels + e->z * g->slice + e->y * g->pitch + e->x;
	return true;
}

void array_retire_all(struct context *ctx)
{
	struct mipmapped *m;

	LIST_FOREACH(m, &ctx->arrays, link)
		retire(m);
}

void array_release_all(struct context *ctx)
{
	struct mipmapped *m;

	while ((m = LIST_FIRST(&ctx->arrays))) {
		LIST_REMOVE(m, link);
		array_free(m);
	}
}

CUresult cuArray3DCreate_v2(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	struct mipmapped *m;
	struct context *ctx;
	CUresult r;

	if (!out || !desc)
		return CUDA_ERROR_INVALID_VALUE;
	r = context_enter_unsafe(&ctx);
	if (r != CUDA_SUCCESS)
		return r;
	r = create(ctx, desc, 1, false, &m);
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(&m->levels[0]);
	return context_leave(r);
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc,
				unsigned int levels)
{
	struct mipmapped *m;
	struct context *ctx;
	CUresult r;

	if (!out || !desc)
		return CUDA_ERROR_INVALID_VALUE;
	r = context_enter_unsafe(&ctx);
	if (r != CUDA_SUCCESS)
		return r;
	r = create(ctx, desc, array_levels(desc, levels), true, &m);
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(m);
	return context_leave(r);
}

CUresult cuMipmappedArrayGetLevel(CUarray *out, CUmipmappedArray handle, unsigned int level)
{
	struct mipmapped *m;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	m = mipmapped_find(handle);
	if (!m)
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	if (!out || level >= m->nr_levels)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*out = HANDLE_OF(&m->levels[level]);
	return context_leave(CUDA_SUCCESS);
}

/*
 * What was queued may still want it through an object, and what found it so until then may still be
 * at it; nothing that is queued from here on gets it.
 */
static CUresult destroy(struct context *ctx, struct mipmapped *m)
{
	CUresult r;

	LIST_REMOVE(m, link);
	retire(m);
	context_drain_all(ctx);
	texobject_forget(m);
	r = context_drain_all(ctx);
	array_free(m);
	driver_unlock();
	print_flush();
	return r;
}

CUresult cuArrayDestroy(CUarray handle)
{
	struct context *ctx;
	struct array *a;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	a = array_find(handle);
	if (!a || a->owner->obj.handle)		/* a level goes with the whole */
		return context_leave(context_bad_handle(handle, HANDLE_ARRAY));
	return destroy(ctx, a->owner);
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray handle)
{
	struct mipmapped *m;
	struct context *ctx;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	m = mipmapped_find(handle);
	return m ? destroy(ctx, m) : context_leave(CUDA_ERROR_INVALID_HANDLE);
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *desc, CUarray handle)
{
	struct context *ctx;
	struct array *a;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	a = array_find(handle);
	if (!a)
		return context_leave(context_bad_handle(handle, HANDLE_ARRAY));
	if (!desc)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*desc = a->desc;
	return context_leave(CUDA_SUCCESS);
}

/*
 * Of sparse arrays, of those whose memory comes later, and of planar ones: no array here is any of
 * these, and INVALID_VALUE is what the description says for the others.
 */
static CUresult refuse(enum handle_kind kind, const void *handle, const void *out)
{
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (out && !HANDLE_FIND(handle, kind))
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	return context_leave(CUDA_ERROR_INVALID_VALUE);
}

CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *out, CUarray handle)
{
	return refuse(HANDLE_ARRAY, handle, out);
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *out,
					     CUmipmappedArray handle)
{
	return refuse(HANDLE_MIPMAPPED, handle, out);
}

CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, CUarray handle,
				      CUdevice dev)
{
	return device_exists(dev) ? refuse(HANDLE_ARRAY, handle, out) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out,
					       CUmipmappedArray handle, CUdevice dev)
{
	return device_exists(dev) ? refuse(HANDLE_MIPMAPPED, handle, out) :
				    CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuArrayGetPlane(CUarray *out, CUarray handle, unsigned int plane)
{
	(void)plane;
	return refuse(HANDLE_ARRAY, handle, out);
}
