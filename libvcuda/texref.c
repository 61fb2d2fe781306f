// SPDX-License-Identifier: MIT
/*
 * texref.c - texture and surface references, which texture objects have taken the place of
 *
 * What a reference is is the driver's: a module's comes with the attributes that its code gave it.
 * Which array it was set to is kept here, as the driver's answer would be a handle of its own.
 */
#include "array.h"
#include "module.h"
#include "texture.h"

static struct vcuda_object *ref(enum cuda_handle_kind kind, const void *handle)
{
	return vcuda_handle_get(kind, handle);
}

static CUresult find(enum cuda_id id, enum cuda_handle_kind kind, void **out, CUmodule module,
		     const char *name)
{
	struct vcuda_call c;
	CUresult r = out && name ? vcuda_module_use(module) : CUDA_ERROR_INVALID_VALUE;

	if (r)
		return r;
	vcuda_begin(&c, id);
	vcuda_put_new(&c, kind, out);
	vcuda_put_handle(&c, CUDA_HANDLE_module, module, false);
	vcuda_put_str(&c, name);
	r = vcuda_sync(&c);
	if (!r)
		ref(kind, *out)->ref.module = module;
	return r;
}

CUresult hand_cuModuleGetTexRef(CUtexref *out, CUmodule module, const char *name)
{
	return find(CUDA_ID_cuModuleGetTexRef, CUDA_HANDLE_texref, (void **)out, module, name);
}

CUresult hand_cuModuleGetSurfRef(CUsurfref *out, CUmodule module, const char *name)
{
	return find(CUDA_ID_cuModuleGetSurfRef, CUDA_HANDLE_surfref, (void **)out, module, name);
}

static void forget(void *handle, struct vcuda_object *o, void *module, enum cuda_handle_kind kind)
{
	if (o->ref.module == module)
		vcuda_handle_del(kind, handle);
}

static void forget_texref(void *handle, struct vcuda_object *o, void *module)
{
	forget(handle, o, module, CUDA_HANDLE_texref);
}

static void forget_surfref(void *handle, struct vcuda_object *o, void *module)
{
	forget(handle, o, module, CUDA_HANDLE_surfref);
}

void vcuda_texrefs_forget(CUmodule module)
{
	vcuda_handle_each(CUDA_HANDLE_texref, forget_texref, module);
	vcuda_handle_each(CUDA_HANDLE_surfref, forget_surfref, module);
}

/* ---- what it reads ---- */

static CUresult set_array(enum cuda_id id, enum cuda_handle_kind kind, void *handle,
			  enum cuda_handle_kind array_kind, void *array, unsigned int flags)
{
	struct vcuda_call c;

	vcuda_begin(&c, id);
	vcuda_put_handle(&c, kind, handle, false);
	vcuda_put_handle(&c, array_kind, array, kind == CUDA_HANDLE_texref);
	vcuda_put_u64(&c, flags);
	return vcuda_async(&c);
}

CUresult hand_cuTexRefSetArray(CUtexref handle, CUarray array, unsigned int flags)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_texref, handle);
	CUresult r = flags == CU_TRSA_OVERRIDE_FORMAT
			     ? set_array(CUDA_ID_cuTexRefSetArray, CUDA_HANDLE_texref, handle,
					 CUDA_HANDLE_array, array, flags)
			     : CUDA_ERROR_INVALID_VALUE;

	if (!r) {
		o->ref.array = array;
		o->ref.mipmapped = NULL;
	}
	return r;
}

CUresult hand_cuTexRefSetMipmappedArray(CUtexref handle, CUmipmappedArray array,
					unsigned int flags)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_texref, handle);
	CUresult r = flags == CU_TRSA_OVERRIDE_FORMAT
			     ? set_array(CUDA_ID_cuTexRefSetMipmappedArray, CUDA_HANDLE_texref,
					 handle, CUDA_HANDLE_mipmapped_array, array, flags)
			     : CUDA_ERROR_INVALID_VALUE;

	if (!r) {
		o->ref.array = NULL;
		o->ref.mipmapped = array;
	}
	return r;
}

CUresult hand_cuSurfRefSetArray(CUsurfref handle, CUarray array, unsigned int flags)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_surfref, handle);
	CUresult r = flags ? CUDA_ERROR_INVALID_VALUE
			   : set_array(CUDA_ID_cuSurfRefSetArray, CUDA_HANDLE_surfref, handle,
				       CUDA_HANDLE_array, array, 0);

	if (!r)
		o->ref.array = array;
	return r;
}

CUresult hand_cuTexRefSetAddress_v2(size_t *offset, CUtexref handle, CUdeviceptr ptr, size_t bytes)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_texref, handle);
	struct vcuda_call c;
	CUresult r;

	vcuda_begin(&c, CUDA_ID_cuTexRefSetAddress_v2);
	vcuda_put_handle(&c, CUDA_HANDLE_texref, handle, false);
	vcuda_put_u64(&c, ptr);
	vcuda_put_u64(&c, bytes);
	vcuda_want_scalar(&c, offset, sizeof(*offset), true);
	r = vcuda_sync(&c);
	if (!r) {
		o->ref.array = NULL;
		o->ref.mipmapped = NULL;
	}
	return r;
}

CUresult hand_cuTexRefSetAddress2D_v3(CUtexref handle, const CUDA_ARRAY_DESCRIPTOR *desc,
				      CUdeviceptr ptr, size_t pitch)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_texref, handle);
	struct vcuda_call c;
	CUresult r;

	vcuda_begin(&c, CUDA_ID_cuTexRefSetAddress2D_v3);
	vcuda_put_handle(&c, CUDA_HANDLE_texref, handle, false);
	vcuda_put_blob(&c, desc, sizeof(*desc), false);
	vcuda_put_u64(&c, ptr);
	vcuda_put_u64(&c, pitch);
	r = vcuda_async(&c);
	if (!r) {
		o->ref.array = NULL;
		o->ref.mipmapped = NULL;
	}
	return r;
}

CUresult hand_cuTexRefSetAddress2D_v2(CUtexref handle, const CUDA_ARRAY_DESCRIPTOR *desc,
				      CUdeviceptr ptr, size_t pitch)
{
	return hand_cuTexRefSetAddress2D_v3(handle, desc, ptr, pitch);
}

/* ---- questions ---- */

CUresult hand_cuTexRefGetArray(CUarray *out, CUtexref handle)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_texref, handle);

	if (!o)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!out || !o->ref.array)
		return CUDA_ERROR_INVALID_VALUE;
	*out = o->ref.array;
	return CUDA_SUCCESS;
}

CUresult hand_cuTexRefGetMipmappedArray(CUmipmappedArray *out, CUtexref handle)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_texref, handle);

	if (!o)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!out || !o->ref.mipmapped)
		return CUDA_ERROR_INVALID_VALUE;
	*out = o->ref.mipmapped;
	return CUDA_SUCCESS;
}

CUresult hand_cuSurfRefGetArray(CUarray *out, CUsurfref handle)
{
	struct vcuda_object *o = ref(CUDA_HANDLE_surfref, handle);

	if (!o)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!out || !o->ref.array)
		return CUDA_ERROR_INVALID_VALUE;
	*out = o->ref.array;
	return CUDA_SUCCESS;
}
