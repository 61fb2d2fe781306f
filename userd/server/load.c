/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <stdlib.h>
#include <string.h>

#include "code.h"
#include "image.h"
#include "module.h"
#include "run.h"
#include "worker.h"

static CUresult take_cached(struct load *l)
{
	if (!l->bytes || l->bytes > VWIRE_IMAGE_MAX)
		return CUDA_ERROR_NOT_FOUND;
	l->image = imagecache_get(&l->rq->w->cache, l->head.hash, l->bytes, IMAGE_PAD);
	return l->image ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult take_sent(struct load *l)
{
	uint8_t hash[IMAGECACHE_HASH];
	CUresult r = modules_take(l->rq->w, l->bytes, &l->image);

	if (r != CUDA_SUCCESS)
		return r;
	l->from_client = true;
	imagecache_hash(l->image, l->bytes, hash);
	return memcmp(hash, l->head.hash, sizeof(hash)) ? CUDA_ERROR_INVALID_IMAGE : CUDA_SUCCESS;
}

/*
 * Options may make the driver take the PTX; linked code is not a fatbin. A driver that has no use for
 * cubins, as softgpu, is not given another.
 */
static bool wants_cubin(const struct load *l)
{
	return !l->rq->w->takes_no_cubin && !l->head.nr_options && !load_is(l, VWIRE_MODULE_F_RDC);
}

/*
 * The driver takes a cubin in a fifth of the time that it takes the same in a compressed fatbin, and
 * so unpacked it is kept.
 */
static void find_cubin(struct load *l)
{
	struct fatbin_entry e;

	if (image_form(l->image, l->bytes) == IMAGE_ELF) {
		l->cubin = l->image;
		l->cubin_bytes = l->bytes;
	} else if (code_find(l->image, l->bytes, l->rq->w->device.sm, &e) &&
		   e.plain_size <= VWIRE_IMAGE_MAX) {
		if (e.codec == FATBIN_STORED)
			l->cubin = e.data;
		else
			l->cubin = l->unpacked = code_unpack(&e, IMAGE_PAD);
		l->cubin_bytes = e.plain_size;
		l->cubin_is_new = l->unpacked;
	}
}

/* What is kept of the image: the library, or its cubin. */
static bool take_kept(struct load *l)
{
	struct worker *w = l->rq->w;

	if (load_is(l, VWIRE_MODULE_F_LIBRARY) &&
	    preload_take(w, l->head.hash, &l->ready, &l->unpacked))
		return true;
	l->unpacked = imagecache_get_cubin(&w->cache, l->head.hash, IMAGE_PAD, &l->cubin_bytes);
	l->cubin = l->unpacked;
	return l->cubin;
}

static CUresult hold(struct load *l, uint64_t bytes)
{
	if (!modules_hold(l->rq->w, bytes))
		return CUDA_ERROR_OUT_OF_MEMORY;
	l->module->held += bytes;
	return CUDA_SUCCESS;
}

static CUresult take(struct load *l)
{
	CUresult r;

	if (load_is(l, VWIRE_MODULE_F_CACHED) && wants_cubin(l) && take_kept(l))
		return CUDA_SUCCESS;
	r = load_is(l, VWIRE_MODULE_F_CACHED) ? take_cached(l) : take_sent(l);
	if (r == CUDA_SUCCESS && wants_cubin(l))
		find_cubin(l);
	return r;
}

/* One that was loaded ahead is of those few that preload.c counts. */
CUresult load_take(struct load *l)
{
	CUresult r = take(l);

	if (r != CUDA_SUCCESS || l->ready)
		return r;
	return hold(l, l->cubin ? l->cubin_bytes : l->bytes);
}

static CUresult driver_load(struct load *l, const void *code)
{
	struct module *m = l->module;

	if (load_is(l, VWIRE_MODULE_F_LIBRARY))
		return real.cuLibraryLoadData(&m->library, code, l->jit.options, l->jit.values,
					      l->jit.nr, NULL, NULL, 0);
	return real.cuModuleLoadDataEx(&m->module, code, l->jit.nr, l->jit.options,
				       l->jit.values);
}

static bool is_whole_cubin(const void *cubin, size_t n)
{
	struct image_source s;
	bool whole = image_form(cubin, n) == IMAGE_ELF && image_open(&s, cubin, n, false);

	if (whole)
		image_close(&s);
	return whole;
}

CUresult load_library(CUlibrary *library, const void *cubin, size_t n)
{
	CUlibraryOption option = CU_LIBRARY_BINARY_IS_PRESERVED;
	void *yes = (void *)1;

	if (!is_whole_cubin(cubin, n))
		return CUDA_ERROR_INVALID_IMAGE;
	return real.cuLibraryLoadData(library, cubin, NULL, NULL, 0, &option, &yes, 1);
}

/* Its log would be empty, and of what goes wrong the image's own tells. */
static CUresult load_cubin(struct load *l)
{
	struct module *m = l->module;
	CUresult r = CUDA_SUCCESS;

	if (!load_is(l, VWIRE_MODULE_F_LIBRARY))
		return is_whole_cubin(l->cubin, l->cubin_bytes) ? driver_load(l, l->cubin)
								: CUDA_ERROR_INVALID_IMAGE;
	if (l->ready)
		m->library = l->ready;
	else
		r = load_library(&m->library, l->cubin, l->cubin_bytes);
	if (r == CUDA_SUCCESS) {
		m->kept = l->unpacked ? l->unpacked : l->image;
		m->recent = recent_add(&l->rq->w->preload.used, l->head.hash);
	}
	return r;
}

/* Where the driver does not take the cubin it may have a use for the PTX, and knows what is wrong. */
CUresult load_image(struct load *l)
{
	struct image_source s;
	CUresult r;

	r = l->ready || l->cubin ? load_cubin(l) : CUDA_ERROR_NOT_FOUND;
	if (r == CUDA_SUCCESS)
		return r;
	/* of a cubin that the program has brought itself it says nothing about others */
	l->rq->w->takes_no_cubin |= r == CUDA_ERROR_NO_BINARY_FOR_GPU && l->cubin != l->image;
	l->cubin_is_new = false;
	r = l->image ? CUDA_SUCCESS : take_cached(l);
	if (r == CUDA_SUCCESS && l->cubin)
		r = hold(l, l->bytes);
	if (r != CUDA_SUCCESS)
		return r;
	if (image_open(&s, l->image, l->bytes, load_is(l, VWIRE_MODULE_F_RDC)))
		r = driver_load(l, s.code);
	else
		r = CUDA_ERROR_INVALID_IMAGE;
	image_close(&s);
	return r;
}

void load_keep(struct load *l)
{
	struct imagecache *c = &l->rq->w->cache;

	if (l->from_client)
		imagecache_put(c, l->head.hash, l->image, l->bytes);
	if (l->cubin_is_new)
		imagecache_put_cubin(c, l->head.hash, l->cubin, l->cubin_bytes);
}
