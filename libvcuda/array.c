// SPDX-License-Identifier: MIT
/*
 * array.c - cuArray*, cuMipmappedArray*: made without an answer, described from what is kept here
 *
 * What the driver would refuse is refused before a frame goes out. The memory is the driver's to
 * lay out; a figure that both ends come to is booked against the lease's limit.
 */
#include <stdlib.h>

#include "arraydesc.h"
#include "arena.h"
#include "array.h"

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
		r = array_check(desc, levels);
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

CUresult hand_cuMipmappedArrayCreate(CUmipmappedArray *out, const CUDA_ARRAY3D_DESCRIPTOR *desc,
				     unsigned int levels)
{
	uint64_t handle;
	CUresult r = out && desc ? create(desc, array_levels(desc, levels), &handle)
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

CUresult hand_cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out, CUarray handle,
					   CUdevice dev)
{
	return device_exists(dev) ? not_such(vcuda_array_get(handle), out) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *out,
						    CUmipmappedArray handle, CUdevice dev)
{
	return device_exists(dev) ? not_such(vcuda_mipmapped_get(handle), out)
				  : CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuArrayGetPlane(CUarray *out, CUarray handle, unsigned int plane)
{
	(void)plane;
	return not_such(vcuda_array_get(handle), out);
}
