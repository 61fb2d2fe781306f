// SPDX-License-Identifier: MIT
/*
 * array.c - cuArray*, cuMipmappedArray*: made without an answer, described from what is kept here
 *
 * What the driver would refuse is refused before a frame goes out. The memory is the driver's to
 * lay out; a figure that both ends come to is booked against the lease's limit.
 */
#include <stdlib.h>

#include "arena.h"
#include "array.h"

#define FLAGS_KNOWN	(CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST |		\
			 CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER)
#define FLAGS_REFUSED	(CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_COLOR_ATTACHMENT |	\
			 CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING |		\
			 CUDA_ARRAY3D_VIDEO_ENCODE_DECODE)

static void *get(enum cuda_handle_kind kind, const void *handle)
{
	struct vcuda_object *o = vcuda_handle_get(kind, handle);

	return o ? o->p : NULL;
}

struct vcuda_array *vcuda_array_get(CUarray array)
{
	return get(CUDA_HANDLE_array, array);
}

struct vcuda_array *vcuda_mipmapped_get(CUmipmappedArray array)
{
	return get(CUDA_HANDLE_mipmapped_array, array);
}

/* ---- what can be made ---- */

struct limit {
	CUdevice_attribute width, height, depth;
};

#define MOST(name)	CU_DEVICE_ATTRIBUTE_MAXIMUM_##name
#define NOTHING		0	/* no attribute has this number: extent 0 alone fits */

static bool within(size_t n, CUdevice_attribute a)
{
	const int *d = vcuda_lease()->devices[vcuda_current_device()].attributes;

	return n <= (a ? (size_t)d[a] : 0);
}

static bool fits(const CUDA_ARRAY3D_DESCRIPTOR *d, const struct limit *l)
{
	return within(d->Width, l->width) && within(d->Height, l->height) &&
	       within(d->Depth, l->depth);
}

#define FITS(w, h, d)	fits(desc, &(struct limit){ w, h, d })

static bool cube_fits(const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	CUdevice_attribute edge = desc->Flags & CUDA_ARRAY3D_SURFACE_LDST
					  ? MOST(SURFACECUBEMAP_WIDTH)
					  : MOST(TEXTURECUBEMAP_WIDTH);

	if (!(desc->Flags & CUDA_ARRAY3D_LAYERED))
		return within(desc->Width, edge);
	return FITS(edge, edge, MOST(TEXTURECUBEMAP_LAYERED_LAYERS));
}

/* The table in cuArray3DCreate()'s description. */
static bool extents_fit(const CUDA_ARRAY3D_DESCRIPTOR *desc, bool mipmapped)
{
	bool surface = desc->Flags & CUDA_ARRAY3D_SURFACE_LDST;

	if (desc->Flags & CUDA_ARRAY3D_CUBEMAP)
		return cube_fits(desc);
	if (desc->Flags & CUDA_ARRAY3D_LAYERED)
		return desc->Height
			       ? FITS(MOST(TEXTURE2D_LAYERED_WIDTH), MOST(TEXTURE2D_LAYERED_HEIGHT),
				      MOST(TEXTURE2D_LAYERED_LAYERS))
			       : FITS(MOST(TEXTURE1D_LAYERED_WIDTH), NOTHING,
				      MOST(TEXTURE1D_LAYERED_LAYERS));
	if (desc->Depth)
		return FITS(MOST(TEXTURE3D_WIDTH), MOST(TEXTURE3D_HEIGHT), MOST(TEXTURE3D_DEPTH)) ||
		       (!surface &&
			FITS(MOST(TEXTURE3D_WIDTH_ALTERNATE), MOST(TEXTURE3D_HEIGHT_ALTERNATE),
			     MOST(TEXTURE3D_DEPTH_ALTERNATE)));
	if (!desc->Height)
		return FITS(surface	? MOST(SURFACE1D_WIDTH)
			    : mipmapped ? MOST(TEXTURE1D_MIPMAPPED_WIDTH)
					: MOST(TEXTURE1D_WIDTH),
			    NOTHING, NOTHING);
	if (desc->Flags & CUDA_ARRAY3D_TEXTURE_GATHER)
		return FITS(MOST(TEXTURE2D_GATHER_WIDTH), MOST(TEXTURE2D_GATHER_HEIGHT), NOTHING);
	if (mipmapped)
		return FITS(MOST(TEXTURE2D_MIPMAPPED_WIDTH), MOST(TEXTURE2D_MIPMAPPED_HEIGHT),
			    NOTHING);
	return FITS(MOST(TEXTURE2D_WIDTH), MOST(TEXTURE2D_HEIGHT), NOTHING);
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

/* Formats of several planes, of blocks and of packed fields. */
static bool format_is_known(CUarray_format f)
{
	return f == CU_AD_FORMAT_UNORM_INT_101010_2 ||
	       (f >= CU_AD_FORMAT_BC1_UNORM && f <= CU_AD_FORMAT_YUV444_16bit_SemiPlanar);
}

static CUresult check(const CUDA_ARRAY3D_DESCRIPTOR *d, bool mipmapped)
{
	if (d->Flags & FLAGS_REFUSED) {
		vcuda_say("arrays with flags 0x%x are not supported", d->Flags & FLAGS_REFUSED);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (!texel_bytes(d->Format, d->NumChannels)) {
		if (!format_is_known(d->Format))
			return CUDA_ERROR_INVALID_VALUE;
		vcuda_say("arrays of format 0x%x are not supported", d->Format);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if ((d->Flags & ~(unsigned int)FLAGS_KNOWN) || !shape_is_valid(d) ||
	    !extents_fit(d, mipmapped))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

/* ---- creation ---- */

static CUresult book(uint64_t bytes)
{
	CUresult r;

	if (!bytes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	vcuda_arena_lock();
	r = vcuda_arena_charge(bytes);
	vcuda_arena_unlock();
	return r;
}

static void unbook(uint64_t bytes)
{
	vcuda_arena_lock();
	vcuda_arena_uncharge(bytes);
	vcuda_arena_unlock();
}

static CUresult send_create(enum cuda_id id, uint64_t handle, const struct vcuda_array *a)
{
	struct vwire_array h = {
		.array = htole32((uint32_t)handle),
		.levels = htole32(a->nr_levels),
		.width = htole64(a->desc.Width),
		.height = htole64(a->desc.Height),
		.depth = htole64(a->desc.Depth),
		.format = htole32(a->desc.Format),
		.channels = htole32(a->desc.NumChannels),
		.flags = htole32(a->desc.Flags),
	};
	CUresult r = vcuda_sticky_error();

	return r ? r : vcuda_submit(id, 0, &(struct vcuda_iov){ &h, sizeof(h) }, 1, NULL, NULL);
}

/* A handle for a, which is taken over; 0: no room. */
static uint64_t new_handle(enum cuda_handle_kind kind, struct vcuda_array *a)
{
	struct vcuda_object *o;
	uint64_t h = vcuda_handle_new(kind, &o);

	if (h)
		o->p = a;
	return h;
}

/* levels 0: an array. */
static CUresult create(const CUDA_ARRAY3D_DESCRIPTOR *desc, unsigned int levels, uint64_t *handle)
{
	enum cuda_handle_kind kind = levels ? CUDA_HANDLE_mipmapped_array : CUDA_HANDLE_array;
	struct vcuda_array *a;
	CUresult r = vcuda_need_context();

	if (!r)
		r = check(desc, levels);
	if (r)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return CUDA_ERROR_OUT_OF_MEMORY;
	a->ctx = vcuda_current();
	a->desc = *desc;
	a->nr_levels = levels;
	a->texel_bytes = texel_bytes(desc->Format, desc->NumChannels);
	a->booked = texels_bytes(desc, levels ? levels : 1);
	r = book(a->booked);
	*handle = r ? 0 : new_handle(kind, a);
	if (!r) {
		r = *handle ? send_create(levels ? CUDA_ID_cuMipmappedArrayCreate
						 : CUDA_ID_cuArray3DCreate_v2, *handle, a)
			    : CUDA_ERROR_OUT_OF_MEMORY;
		if (r)
			unbook(a->booked);
	}
	if (r) {
		vcuda_handle_del(kind, (void *)(uintptr_t)*handle);
		free(a);
	}
	return r;
}

CUresult hand_cuArray3DCreate_v2(CUarray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc)
{
	uint64_t handle;
	CUresult r = out && desc ? create(desc, 0, &handle) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*out = (CUarray)(uintptr_t)handle;
	return r;
}

CUresult hand_cuArrayCreate_v2(CUarray *out, const CUDA_ARRAY_DESCRIPTOR *desc)
{
	CUDA_ARRAY3D_DESCRIPTOR d;

	if (!out || !desc)
		return CUDA_ERROR_INVALID_VALUE;
	d = (CUDA_ARRAY3D_DESCRIPTOR){ .Width = desc->Width, .Height = desc->Height,
				       .Format = desc->Format, .NumChannels = desc->NumChannels };
	return hand_cuArray3DCreate_v2(out, &d);
}

/* As many as there are sizes down to a single texel. */
static unsigned int clamp_levels(const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned int n)
{
	bool layered = d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
	size_t edge = d->Width | d->Height | (layered ? 0 : d->Depth);
	unsigned int most = edge ? 64 - __builtin_clzl(edge) : 1;

	if (most > TEXELS_LEVELS_MAX)
		most = TEXELS_LEVELS_MAX;
	return n < 1 ? 1 : n < most ? n : most;
}

CUresult hand_cuMipmappedArrayCreate(CUmipmappedArray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc,
				     unsigned int levels)
{
	uint64_t handle;
	CUresult r = out && desc ? create(desc, clamp_levels(desc, levels), &handle)
				 : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*out = (CUmipmappedArray)(uintptr_t)handle;
	return r;
}

/* A level is told to the worker when it is first asked for. */
static CUresult make_level(CUmipmappedArray handle, const struct vcuda_array *m, unsigned int level,
			   CUarray *out)
{
	struct vcuda_array *a = calloc(1, sizeof(*a));
	uint64_t h = a ? new_handle(CUDA_HANDLE_array, a) : 0;
	struct vcuda_call c;
	CUresult r;

	if (!h) {
		free(a);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	a->ctx = m->ctx;
	a->desc = m->desc;
	a->texel_bytes = m->texel_bytes;
	texels_level(&a->desc, level);
	vcuda_begin(&c, CUDA_ID_cuMipmappedArrayGetLevel);
	vcuda_put_u64(&c, (uint32_t)h);
	vcuda_put_u64(&c, vcuda_handle_number(handle));
	vcuda_put_u64(&c, level);
	r = vcuda_async(&c);
	if (r) {
		vcuda_handle_del(CUDA_HANDLE_array, (void *)(uintptr_t)h);
		free(a);
	} else {
		*out = (CUarray)(uintptr_t)h;
	}
	return r;
}

CUresult hand_cuMipmappedArrayGetLevel(CUarray *out, CUmipmappedArray handle, unsigned int level)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct vcuda_array *m = vcuda_mipmapped_get(handle);
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!out || level >= m->nr_levels)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	if (!m->levels[level])
		r = make_level(handle, m, level, &m->levels[level]);
	*out = m->levels[level];
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- the end ---- */

struct leaving {
	struct arena_pending pending;
	uint64_t bytes;
};

static void left(struct arena_pending *p)
{
	struct leaving *l = (struct leaving *)p;

	vcuda_arena_uncharge(l->bytes);
	free(l);
}

/* The memory counts until the work before has been done, as the driver waits for that. */
static CUresult unbook_later(uint64_t bytes)
{
	struct leaving *l = malloc(sizeof(*l));
	CUresult r;

	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*l = (struct leaving){ .pending.done = left, .bytes = bytes };
	vcuda_arena_lock();
	r = vcuda_arena_after(&l->pending);
	vcuda_arena_unlock();
	if (r)
		free(l);
	return r;
}

static void forget(enum cuda_handle_kind kind, void *handle, struct vcuda_array *a)
{
	unsigned int i;

	for (i = 0; i < a->nr_levels; i++)
		if (a->levels[i])
			forget(CUDA_HANDLE_array, a->levels[i], vcuda_array_get(a->levels[i]));
	vcuda_handle_del(kind, handle);
	free(a);
}

static CUresult destroy(enum cuda_handle_kind kind, void *handle)
{
	struct vcuda_array *a = get(kind, handle);
	struct vcuda_call c;
	CUresult r;

	/* a level goes with the whole */
	if (!a || !a->booked)
		return vcuda_bad_handle(kind, handle);
	vcuda_begin(&c, kind == CUDA_HANDLE_array ? CUDA_ID_cuArrayDestroy
						  : CUDA_ID_cuMipmappedArrayDestroy);
	vcuda_put_u64(&c, vcuda_handle_number(handle));
	r = vcuda_async(&c);
	if (!r)
		r = unbook_later(a->booked);
	forget(kind, handle, a);
	return r;
}

CUresult hand_cuArrayDestroy(CUarray handle)
{
	CUresult r = vcuda_need_context();

	return r ? r : destroy(CUDA_HANDLE_array, handle);
}

CUresult hand_cuMipmappedArrayDestroy(CUmipmappedArray handle)
{
	CUresult r = vcuda_need_context();

	return r ? r : destroy(CUDA_HANDLE_mipmapped_array, handle);
}

static void destroy_array_of(void *handle, struct vcuda_object *o, void *ctx)
{
	const struct vcuda_array *a = o->p;

	if (!a || a->ctx != ctx || !a->booked)
		return;
	destroy(CUDA_HANDLE_array, handle);
	vcuda_handle_orphan(CUDA_HANDLE_array, handle, vcuda_contexts_begun());
}

static void destroy_mipmapped_of(void *handle, struct vcuda_object *o, void *ctx)
{
	const struct vcuda_array *a = o->p;

	if (a && a->ctx == ctx)
		destroy(CUDA_HANDLE_mipmapped_array, handle);
}

void vcuda_context_destroy_arrays(CUcontext ctx)
{
	vcuda_handle_each(CUDA_HANDLE_array, destroy_array_of, ctx);
	vcuda_handle_each(CUDA_HANDLE_mipmapped_array, destroy_mipmapped_of, ctx);
}

void vcuda_array_reset(void)
{
	vcuda_handle_reset(CUDA_HANDLE_array);
	vcuda_handle_reset(CUDA_HANDLE_mipmapped_array);
}

/* ---- questions ---- */

CUresult hand_cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *desc, CUarray handle)
{
	struct vcuda_array *a = vcuda_array_get(handle);
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!a)
		return vcuda_bad_handle(CUDA_HANDLE_array, handle);
	if (!desc)
		return CUDA_ERROR_INVALID_VALUE;
	*desc = a->desc;
	return CUDA_SUCCESS;
}

CUresult hand_cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *desc, CUarray handle)
{
	CUDA_ARRAY3D_DESCRIPTOR d;
	CUresult r = hand_cuArray3DGetDescriptor_v2(&d, handle);

	if (r)
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
static CUresult not_such(const void *array, const void *out)
{
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	return out && !array ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_INVALID_VALUE;
}

CUresult hand_cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *out, CUarray handle)
{
	return not_such(vcuda_array_get(handle), out);
}

CUresult hand_cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *out,
						  CUmipmappedArray handle)
{
	return not_such(vcuda_mipmapped_get(handle), out);
}

static CUresult device_ok(CUdevice dev)
{
	return dev >= 0 && dev < vcuda_lease()->nr_devices ? CUDA_SUCCESS
							   : CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, CUarray handle,
					   CUdevice dev)
{
	CUresult r = device_ok(dev);

	return r ? r : not_such(vcuda_array_get(handle), out);
}

CUresult hand_cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out,
						    CUmipmappedArray handle, CUdevice dev)
{
	CUresult r = device_ok(dev);

	return r ? r : not_such(vcuda_mipmapped_get(handle), out);
}

CUresult hand_cuArrayGetPlane(CUarray *out, CUarray handle, unsigned int plane)
{
	(void)plane;
	return not_such(vcuda_array_get(handle), out);
}
