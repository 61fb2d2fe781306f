/* SPDX-License-Identifier: MIT */
/*
 * link.c - cuLink*: PTX of several inputs into one image
 *
 * Each input is parsed when it is added, so that its errors come with it; symbols are looked up when
 * the link is completed. The image is softgpu's own (container.h).
 */
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "context.h"
#include "file.h"
#include "handle.h"
#include "image.h"
#include "init.h"

#include "ptx_lex.h"

struct link_state {
	struct object obj;
	struct image image;
	struct jit_log log;
	void *cubin;
	size_t size;
};

/* The lock is not held: a state belongs to one thread at a time, as the program has to see to. */
static CUresult find(CUlinkState handle, struct link_state **st)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	driver_lock();
	*st = HANDLE_FIND(handle, HANDLE_LINK);
	return context_leave(*st ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE);
}

CUresult cuLinkCreate_v2(unsigned int nr, CUjit_option *options, void **values, CUlinkState *out)
{
	struct link_state *st;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	st = out ? calloc(1, sizeof(*st)) : NULL;
	if (!st)
		return context_leave(out ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE);
	r = jit_log_init(&st->log, nr, options, values);
	if (r == CUDA_SUCCESS && handle_create(&st->obj, HANDLE_LINK))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r == CUDA_SUCCESS)
		*out = HANDLE_OF(st);
	else
		free(st);
	return context_leave(r);
}

CUresult cuLinkCreate(unsigned int nr, CUjit_option *options, void **values, CUlinkState *out)
{
	return cuLinkCreate_v2(nr, options, values, out);
}

static CUresult add(struct link_state *st, CUjitInputType type, const void *data, size_t size,
		    struct sg_log *log)
{
	switch (type) {
	case CU_JIT_INPUT_PTX:
		return image_add_text(&st->image, data, size);
	case CU_JIT_INPUT_CUBIN:
	case CU_JIT_INPUT_FATBINARY:
		return image_add_binary(&st->image, data, size, log);
	case CU_JIT_INPUT_OBJECT:
	case CU_JIT_INPUT_LIBRARY:
		return image_add_objects(&st->image, data, size, log);
	case CU_JIT_INPUT_NVVM:
		sg_log_add(log, "softgpu runs PTX, and this input is NVVM or LTO code\n");
		return CUDA_ERROR_NO_BINARY_FOR_GPU;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

static void drop_texts(struct image *img, size_t keep)
{
	while (img->nr > keep)
		free((char *)img->texts[--img->nr].text);
}

static CUresult add_input(struct link_state *st, CUjitInputType type, const void *data, size_t size,
			  const char *name)
{
	char own[400] = "";
	struct sg_log log = { own, sizeof(own), 0 };
	size_t before = st->image.nr;
	CUresult r;

	if (st->cubin)
		return CUDA_ERROR_INVALID_VALUE;	/* completed */
	r = add(st, type, data, size, &log);
	if (r == CUDA_SUCCESS)
		r = image_check(&st->image, before, &log);
	if (r == CUDA_SUCCESS)
		return r;
	drop_texts(&st->image, before);
	own[strcspn(own, "\n")] = '\0';
	if (st->log.error.size)
		sg_log_add(&st->log.error, "%s: %s\n", name ? name : "input", own);
	else
		driver_log("cannot link %.200s: %s", name ? name : "an input", own);
	jit_log_finish(&st->log);
	return r;
}

/* The options of an input are checked, and ask for nothing here. */
static CUresult check_options(unsigned int nr, CUjit_option *options, void **values)
{
	struct jit_log unused;

	return jit_log_init(&unused, nr, options, values);
}

CUresult cuLinkAddData_v2(CUlinkState handle, CUjitInputType type, void *data, size_t size,
			  const char *name, unsigned int nr, CUjit_option *options, void **values)
{
	struct link_state *st;
	CUresult r = find(handle, &st);

	if (r == CUDA_SUCCESS)
		r = data && size ? check_options(nr, options, values) : CUDA_ERROR_INVALID_VALUE;
	return r == CUDA_SUCCESS ? add_input(st, type, data, size, name) : r;
}

CUresult cuLinkAddData(CUlinkState handle, CUjitInputType type, void *data, size_t size,
		       const char *name, unsigned int nr, CUjit_option *options, void **values)
{
	return cuLinkAddData_v2(handle, type, data, size, name, nr, options, values);
}

CUresult cuLinkAddFile_v2(CUlinkState handle, CUjitInputType type, const char *path,
			  unsigned int nr, CUjit_option *options, void **values)
{
	struct link_state *st;
	size_t size;
	char *data;
	CUresult r = find(handle, &st);

	if (r == CUDA_SUCCESS)
		r = path ? check_options(nr, options, values) : CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = file_read(path, &data, &size);
	if (r != CUDA_SUCCESS)
		return r;
	r = add_input(st, type, data, size, path);
	free(data);
	return r;
}

CUresult cuLinkAddFile(CUlinkState handle, CUjitInputType type, const char *path, unsigned int nr,
		       CUjit_option *options, void **values)
{
	return cuLinkAddFile_v2(handle, type, path, nr, options, values);
}

/*
 * All inputs were good by themselves, so what is wrong now is between them; NVIDIA's driver has no
 * better word for that than UNKNOWN, and says the rest in the log.
 */
static CUresult link_error(CUresult r)
{
	return r == CUDA_ERROR_INVALID_PTX ? CUDA_ERROR_UNKNOWN : r;
}

CUresult cuLinkComplete(CUlinkState handle, void **cubin, size_t *size)
{
	struct sg_module *linked;
	struct link_state *st;
	CUresult r = find(handle, &st);

	if (r != CUDA_SUCCESS)
		return r;
	if (!cubin || !size || !st->image.nr)
		return CUDA_ERROR_INVALID_VALUE;
	if (!st->cubin) {
		r = link_error(image_link(&st->image, &linked, &st->log.error));
		jit_log_finish(&st->log);
		if (r != CUDA_SUCCESS)
			return r;
		sg_module_destroy(linked);
		st->cubin = container_create(st->image.texts, st->image.nr, &st->size);
		if (!st->cubin)
			return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*cubin = st->cubin;
	*size = st->size;
	return CUDA_SUCCESS;
}

CUresult cuLinkDestroy(CUlinkState handle)
{
	struct link_state *st;
	CUresult r = find(handle, &st);

	if (r != CUDA_SUCCESS)
		return r;
	driver_lock();
	handle_retire(&st->obj);
	driver_unlock();
	image_close(&st->image);
	free(st->cubin);
	free(st);
	return CUDA_SUCCESS;
}
