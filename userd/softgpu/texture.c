/* SPDX-License-Identifier: MIT */
/*
 * texture.c - cuTexObject*: what a texture looks at, and how
 */
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "init.h"
#include "memory.h"
#include "texobject.h"

#define ATTRIBUTE(name)	((size_t)device_attribute(CU_DEVICE_ATTRIBUTE_##name))
#define FLAGS_KNOWN	(CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES |	\
			 CU_TRSF_SRGB | CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION |	\
			 CU_TRSF_SEAMLESS_CUBEMAP)

static bool memory_is_valid(const struct sg_texture *t)
{
	return !(t->view.lo % ATTRIBUTE(TEXTURE_ALIGNMENT)) && t->view.hi > t->view.lo &&
	       mem_holds(t->view.lo, t->view.hi - t->view.lo);
}

static CUresult look_at_linear(struct sg_texture *t, const CUDA_RESOURCE_DESC *res)
{
	struct sg_image *g = &t->levels[0];
	size_t n;

	if (!array_texel(res->res.linear.format, res->res.linear.numChannels, &t->view.texel))
		return CUDA_ERROR_INVALID_VALUE;
	n = res->res.linear.sizeInBytes / t->view.texel.bytes;
	if (!n || n > ATTRIBUTE(MAXIMUM_TEXTURE1D_LINEAR_WIDTH))
		return CUDA_ERROR_INVALID_VALUE;
	g->texels = (uint8_t *)(uintptr_t)res->res.linear.devPtr;
	g->width = n;
	g->height = g->depth = 1;
	t->view.dims = 1;
	t->view.lo = res->res.linear.devPtr;
	t->view.hi = t->view.lo + n * t->view.texel.bytes;
	return memory_is_valid(t) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult look_at_pitch(struct sg_texture *t, const CUDA_RESOURCE_DESC *res)
{
	size_t width = res->res.pitch2D.width, height = res->res.pitch2D.height;
	size_t pitch = res->res.pitch2D.pitchInBytes;
	struct sg_image *g = &t->levels[0];

	if (!array_texel(res->res.pitch2D.format, res->res.pitch2D.numChannels, &t->view.texel) ||
	    !width || width > ATTRIBUTE(MAXIMUM_TEXTURE2D_LINEAR_WIDTH) ||
	    !height || height > ATTRIBUTE(MAXIMUM_TEXTURE2D_LINEAR_HEIGHT) ||
	    pitch > ATTRIBUTE(MAXIMUM_TEXTURE2D_LINEAR_PITCH) ||
	    pitch % ATTRIBUTE(TEXTURE_PITCH_ALIGNMENT) || pitch < width * t->view.texel.bytes)
		return CUDA_ERROR_INVALID_VALUE;
	g->texels = (uint8_t *)(uintptr_t)res->res.pitch2D.devPtr;
	g->width = width;
	g->height = height;
	g->depth = 1;
	g->pitch = pitch;
	t->view.dims = 2;
	t->view.lo = res->res.pitch2D.devPtr;
	t->view.hi = t->view.lo + pitch * (height - 1) + width * t->view.texel.bytes;
	return memory_is_valid(t) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult look_at(struct sg_texture *t, const struct texobject *o)
{
	const struct mipmapped *m = o->array;

	t->nr_levels = 1;
	switch (o->res.resType) {
	case CU_RESOURCE_TYPE_ARRAY:
		t->levels[0] = array_find(o->res.res.array.hArray)->image;
		break;
	case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
		t->nr_levels = m->nr_levels;
		for (unsigned int i = 0; i < m->nr_levels; i++)
			t->levels[i] = m->levels[i].image;
		break;
	case CU_RESOURCE_TYPE_LINEAR:
		return look_at_linear(t, &o->res);
	case CU_RESOURCE_TYPE_PITCH2D:
		return look_at_pitch(t, &o->res);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	texobject_view(m, &t->view);
	return CUDA_SUCCESS;
}

/* cuda.h numbers the formats by class, width and number of channels. */
static bool view_texel(CUresourceViewFormat f, struct sg_texel *texel)
{
	static const CUarray_format formats[] = {
		CU_AD_FORMAT_UNSIGNED_INT8, CU_AD_FORMAT_SIGNED_INT8, CU_AD_FORMAT_UNSIGNED_INT16,
		CU_AD_FORMAT_SIGNED_INT16, CU_AD_FORMAT_UNSIGNED_INT32, CU_AD_FORMAT_SIGNED_INT32,
		CU_AD_FORMAT_HALF, CU_AD_FORMAT_FLOAT,
	};
	unsigned int i = f - CU_RES_VIEW_FORMAT_UINT_1X8;

	return array_texel(formats[i / 3], 1 << i % 3, texel);
}

static CUresult apply_format(struct sg_texture *t, CUresourceViewFormat f)
{
	struct sg_texel texel;

	if (f == CU_RES_VIEW_FORMAT_NONE)
		return CUDA_SUCCESS;
	if (f >= CU_RES_VIEW_FORMAT_UNSIGNED_BC1 && f <= CU_RES_VIEW_FORMAT_UNSIGNED_BC7) {
		driver_log("block-compressed textures are not supported");
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (f > CU_RES_VIEW_FORMAT_FLOAT_4X32 || !view_texel(f, &texel) ||
	    texel.bytes != t->view.texel.bytes)
		return CUDA_ERROR_INVALID_VALUE;
	t->view.texel = texel;
	return CUDA_SUCCESS;
}

static CUresult apply_layers(struct sg_texture *t, const CUDA_RESOURCE_VIEW_DESC *v)
{
	uint32_t first = v->firstLayer, last = v->lastLayer, n = last - first + 1;

	if (!t->view.layered)
		return first || last ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	if (last < first || last >= t->levels[0].depth || (t->view.cube && (first % 6 || n % 6)))
		return CUDA_ERROR_INVALID_VALUE;
	for (uint32_t i = 0; i < t->nr_levels; i++) {
		t->levels[i].texels += first * t->levels[i].slice;
		t->levels[i].depth = n;
	}
	return CUDA_SUCCESS;
}

static CUresult apply_view(struct sg_texture *t, const struct texobject *o)
{
	const CUDA_ARRAY3D_DESCRIPTOR *d;
	const CUDA_RESOURCE_VIEW_DESC *v = &o->view;
	CUresult r;

	if (!o->has_view)
		return CUDA_SUCCESS;
	if (!o->array)
		return CUDA_ERROR_INVALID_VALUE;
	d = o->res.resType == CU_RESOURCE_TYPE_ARRAY ?
	    &array_find(o->res.res.array.hArray)->desc : &o->array->desc;
	r = apply_format(t, v->format);
	if (r != CUDA_SUCCESS)
		return r;
	if (v->width != d->Width || v->height != d->Height || v->depth != d->Depth ||
	    v->lastMipmapLevel < v->firstMipmapLevel || v->lastMipmapLevel >= t->nr_levels)
		return CUDA_ERROR_INVALID_VALUE;
	r = apply_layers(t, v);
	if (r != CUDA_SUCCESS)
		return r;
	t->nr_levels = v->lastMipmapLevel - v->firstMipmapLevel + 1;
	memmove(t->levels, t->levels + v->firstMipmapLevel, t->nr_levels * sizeof(t->levels[0]));
	return CUDA_SUCCESS;
}

static bool desc_is_valid(const CUDA_TEXTURE_DESC *d)
{
	for (int i = 0; i < 3; i++)
		if ((unsigned int)d->addressMode[i] > CU_TR_ADDRESS_MODE_BORDER)
			return false;
	return (unsigned int)d->filterMode <= CU_TR_FILTER_MODE_LINEAR &&
	       (unsigned int)d->mipmapFilterMode <= CU_TR_FILTER_MODE_LINEAR &&
	       !(d->flags & ~FLAGS_KNOWN);
}

/* Without normalised coordinates, wrap and mirror are clamp (guide, "Texture memory"). */
static uint8_t address_of(const struct sg_texture *t, CUaddress_mode mode)
{
	static const uint8_t modes[] = {
		[CU_TR_ADDRESS_MODE_WRAP] = SG_ADDRESS_WRAP,
		[CU_TR_ADDRESS_MODE_CLAMP] = SG_ADDRESS_CLAMP,
		[CU_TR_ADDRESS_MODE_MIRROR] = SG_ADDRESS_MIRROR,
		[CU_TR_ADDRESS_MODE_BORDER] = SG_ADDRESS_BORDER,
	};

	if (t->view.cube)
		return SG_ADDRESS_CLAMP;
	if (!t->normalized && mode != CU_TR_ADDRESS_MODE_BORDER)
		return SG_ADDRESS_CLAMP;
	return modes[mode];
}

static CUresult apply_desc(struct sg_texture *t, const struct texobject *o)
{
	const CUDA_TEXTURE_DESC *d = &o->desc;
	const struct sg_texel *texel = &t->view.texel;
	bool integer = texel->cls == SG_TEXEL_UINT || texel->cls == SG_TEXEL_SINT;

	if (!desc_is_valid(d))
		return CUDA_ERROR_INVALID_VALUE;
	t->normalized = d->flags & CU_TRSF_NORMALIZED_COORDINATES;
	t->as_float = integer && texel->bits < 32 && !(d->flags & CU_TRSF_READ_AS_INTEGER);
	t->linear = d->filterMode == CU_TR_FILTER_MODE_LINEAR;
	t->mip_linear = d->mipmapFilterMode == CU_TR_FILTER_MODE_LINEAR;
	t->seamless = d->flags & CU_TRSF_SEAMLESS_CUBEMAP;
	t->srgb = (d->flags & CU_TRSF_SRGB) && texel->bits == 8 &&
		  ((texel->cls == SG_TEXEL_UINT && t->as_float) || texel->cls == SG_TEXEL_UNORM);
	t->bias = d->mipmapLevelBias;
	t->min_lod = d->minMipmapLevelClamp;
	t->max_lod = d->maxMipmapLevelClamp;
	memcpy(t->border, d->borderColor, sizeof(t->border));
	for (int i = 0; i < 3; i++)
		t->address[i] = address_of(t, d->addressMode[i]);
	if (o->res.resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY && !t->normalized)
		return CUDA_ERROR_INVALID_VALUE;
	if (o->res.resType == CU_RESOURCE_TYPE_LINEAR)
		t->linear = false;		/* "ignored" */
	/* Only what is read as floating point can be filtered. */
	return integer && !t->as_float && t->linear ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult describe(struct texobject *o)
{
	CUresult r = look_at(&o->texture, o);

	if (r == CUDA_SUCCESS)
		r = apply_view(&o->texture, o);
	return r == CUDA_SUCCESS ? apply_desc(&o->texture, o) : r;
}

CUresult cuTexObjectCreate(CUtexObject *out, const CUDA_RESOURCE_DESC *res,
			   const CUDA_TEXTURE_DESC *desc, const CUDA_RESOURCE_VIEW_DESC *view)
{
	struct texobject *o;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !res || !desc)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	r = texobject_create(ctx, HANDLE_TEXTURE, res, &o);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	o->desc = *desc;
	o->has_view = view;
	if (view)
		o->view = *view;
	r = describe(o);
	if (r != CUDA_SUCCESS) {
		handle_retire(&o->obj);
		LIST_REMOVE(o, link);
		free(o);
		return context_leave(r);
	}
	*out = o->obj.handle;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuTexObjectDestroy(CUtexObject object)
{
	return texobject_destroy(object, HANDLE_TEXTURE);
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *res, CUtexObject object)
{
	return texobject_resource(object, HANDLE_TEXTURE, res);
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *desc, CUtexObject object)
{
	struct texobject *o;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	o = handle_find(object, HANDLE_TEXTURE);
	if (!o || o->dying || !desc)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*desc = o->desc;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *view, CUtexObject object)
{
	struct texobject *o;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	o = handle_find(object, HANDLE_TEXTURE);
	if (!o || o->dying || !view || !o->has_view)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	*view = o->view;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t *width, CUarray_format format,
					    unsigned int channels, CUdevice dev)
{
	struct sg_texel texel;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (!width || !array_texel(format, channels, &texel))
		return CUDA_ERROR_INVALID_VALUE;
	*width = ATTRIBUTE(MAXIMUM_TEXTURE1D_LINEAR_WIDTH);
	return CUDA_SUCCESS;
}

const struct sg_texture *sg_texture_find(uint64_t handle)
{
	const struct texobject *o;

	driver_lock();
	o = handle_find(handle, HANDLE_TEXTURE);
	if (o && o->gone)
		o = NULL;
	driver_unlock();
	return o ? &o->texture : NULL;
}
