/* SPDX-License-Identifier: MIT */
/*
 * array.c - cuArray*, cuMipmappedArray*: making, describing and destroying them
 */
#include "array.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "device.h"
#include "init.h"
#include "memory.h"
#include "print.h"
#include "texobject.h"

#define A(name)		device_attribute(CU_DEVICE_ATTRIBUTE_MAXIMUM_##name)
#define ROW_ALIGN	32		/* as TEXTURE_PITCH_ALIGNMENT */
#define LEVEL_ALIGN	512

/* What is done with arrays; the others are for graphics, video and the virtual memory API. */
#define FLAGS_KNOWN	(CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST |		\
			 CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER)
#define FLAGS_REFUSED	(CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_COLOR_ATTACHMENT |	\
			 CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING |		\
			 CUDA_ARRAY3D_VIDEO_ENCODE_DECODE)

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

/* Video, compressed and packed formats, which cuda.h names and softgpu does not have. */
static bool format_is_known(CUarray_format f)
{
	return f == CU_AD_FORMAT_UNORM_INT_101010_2 ||
	       (f >= CU_AD_FORMAT_BC1_UNORM && f <= CU_AD_FORMAT_YUV444_16bit_SemiPlanar);
}

struct limit {
	size_t width, height, depth;
};

static bool within(const CUDA_ARRAY3D_DESCRIPTOR *d, const struct limit *l)
{
	return d->Width <= l->width && d->Height <= l->height && d->Depth <= l->depth;
}

#define FITS(w, h, d)	within(desc, &(struct limit){ w, h, d })

/* The table in cuArray3DCreate()'s description. */
static bool extents_fit(const CUDA_ARRAY3D_DESCRIPTOR *desc, bool mipmapped)
{
	bool layered = desc->Flags & CUDA_ARRAY3D_LAYERED,
	     surface = desc->Flags & CUDA_ARRAY3D_SURFACE_LDST;

	if (desc->Flags & CUDA_ARRAY3D_CUBEMAP) {
		size_t edge = surface ? A(SURFACECUBEMAP_WIDTH) : A(TEXTURECUBEMAP_WIDTH);

		return FITS(edge, edge, layered ? A(TEXTURECUBEMAP_LAYERED_LAYERS) : 6);
	}
	if (layered && !desc->Height)
		return FITS(A(TEXTURE1D_LAYERED_WIDTH), 0, A(TEXTURE1D_LAYERED_LAYERS));
	if (layered)
		return FITS(A(TEXTURE2D_LAYERED_WIDTH), A(TEXTURE2D_LAYERED_HEIGHT),
			    A(TEXTURE2D_LAYERED_LAYERS));
	if (desc->Depth)
		return FITS(A(TEXTURE3D_WIDTH), A(TEXTURE3D_HEIGHT), A(TEXTURE3D_DEPTH)) ||
		       (!surface &&
			FITS(A(TEXTURE3D_WIDTH_ALTERNATE), A(TEXTURE3D_HEIGHT_ALTERNATE),
			     A(TEXTURE3D_DEPTH_ALTERNATE)));
	if (!desc->Height)
		return FITS(surface	? A(SURFACE1D_WIDTH)
			    : mipmapped ? A(TEXTURE1D_MIPMAPPED_WIDTH)
					: A(TEXTURE1D_WIDTH),
			    0, 0);
	if (desc->Flags & CUDA_ARRAY3D_TEXTURE_GATHER)
		return FITS(A(TEXTURE2D_GATHER_WIDTH), A(TEXTURE2D_GATHER_HEIGHT), 0);
	if (mipmapped)
		return FITS(A(TEXTURE2D_MIPMAPPED_WIDTH), A(TEXTURE2D_MIPMAPPED_HEIGHT), 0);
	return FITS(A(TEXTURE2D_WIDTH), A(TEXTURE2D_HEIGHT), 0);
}

static bool shape_is_valid(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
	bool layered = d->Flags & CUDA_ARRAY3D_LAYERED;

	if (!d->Width || (!d->Height && d->Depth && !layered) || (layered && !d->Depth))
		return false;
	if ((d->Flags & CUDA_ARRAY3D_TEXTURE_GATHER) && (!d->Height || d->Depth))
		return false;
	if (!(d->Flags & CUDA_ARRAY3D_CUBEMAP))
		return true;
	return d->Width == d->Height && (layered ? d->Depth % 6 == 0 : d->Depth == 6);
}

static CUresult check(const CUDA_ARRAY3D_DESCRIPTOR *d, bool mipmapped, struct sg_texel *texel)
{
	if (d->Flags & FLAGS_REFUSED) {
		driver_log("arrays with flags 0x%x are not supported", d->Flags & FLAGS_REFUSED);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (!array_texel(d->Format, d->NumChannels, texel)) {
		if (!format_is_known(d->Format))
			return CUDA_ERROR_INVALID_VALUE;
		driver_log("arrays of format 0x%x are not supported", d->Format);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if ((d->Flags & ~FLAGS_KNOWN) || !shape_is_valid(d) || !extents_fit(d, mipmapped))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static size_t at_level(size_t n, unsigned int level)
{
	return n >> level ? n >> level : n ? 1 : 0;
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
	a->desc.Width = at_level(m->desc.Width, level);
	a->desc.Height = at_level(m->desc.Height, level);
	if (!(m->desc.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)))
		a->desc.Depth = at_level(m->desc.Depth, level);
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
	CUresult r = check(desc, mipmapped, &texel);
	int err = 0;

	if (r != CUDA_SUCCESS)
		return r;
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

static CUresult array_create(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	struct mipmapped *m;
	struct context *ctx;
	CUresult r = context_enter_unsafe(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = create(ctx, desc, 1, false, &m);
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(&m->levels[0]);
	return context_leave(r);
}

CUresult cuArrayCreate_v2(CUarray *out, const CUDA_ARRAY_DESCRIPTOR *desc)
{
	CUDA_ARRAY3D_DESCRIPTOR d;

	if (!out || !desc)
		return CUDA_ERROR_INVALID_VALUE;
	d = (CUDA_ARRAY3D_DESCRIPTOR){ .Width = desc->Width, .Height = desc->Height,
				       .Format = desc->Format, .NumChannels = desc->NumChannels };
	return array_create(out, &d);
}

CUresult cuArray3DCreate_v2(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	return out && desc ? array_create(out, desc) : CUDA_ERROR_INVALID_VALUE;
}

/* As many as there are sizes down to a single texel. */
static unsigned int clamp_levels(const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned int n)
{
	bool layered = d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
	size_t edge = d->Width | d->Height | (layered ? 0 : d->Depth);
	unsigned int most = edge ? 64 - __builtin_clzl(edge) : 1;

	if (most > ARRAY_MAX_LEVELS)
		most = ARRAY_MAX_LEVELS;
	return n < 1 ? 1 : n < most ? n : most;
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
	r = create(ctx, desc, clamp_levels(desc, levels), true, &m);
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

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *desc, CUarray handle)
{
	CUDA_ARRAY3D_DESCRIPTOR d;
	CUresult r = cuArray3DGetDescriptor_v2(&d, handle);

	if (r != CUDA_SUCCESS)
		return r;
	if (!desc)
		return CUDA_ERROR_INVALID_VALUE;
	*desc = (CUDA_ARRAY_DESCRIPTOR){ .Width = d.Width, .Height = d.Height, .Format = d.Format,
					 .NumChannels = d.NumChannels };
	return CUDA_SUCCESS;
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
