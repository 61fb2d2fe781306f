/* SPDX-License-Identifier: MIT */
/*
 * link.c - cuLink*: PTX of several inputs into one image
 *
 * Each input is parsed when it is added, so that its errors come with it; symbols are looked up when
 * the link is completed. The image is softgpu's own (container.h).
 */
#include <stdio.h>
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
	char passed_over[400];		/* the last library without PTX for the device, and why */
};

/* The lock is not held: a state belongs to one thread at a time, as the program has to see to. */
static CUresult find(CUlinkState handle, struct link_state **st)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
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

/*
 * A linker takes from a library what it needs. One with nothing for this device, as libcudadevrt.a,
 * whose functions softgpu has itself, is passed over; if a symbol is missing in the end, that is told.
 */
static CUresult add_library(struct link_state *st, const void *data, size_t size, const char *name,
			    struct sg_log *log)
{
	CUresult r = image_add_objects(&st->image, data, size, log);

	if (r != CUDA_ERROR_NO_BINARY_FOR_GPU)
		return r;
	snprintf(st->passed_over, sizeof(st->passed_over), "%.60s was passed over: %.300s",
		 name ? name : "a library", log->text);
	log->text[log->len = 0] = '\0';
	return CUDA_SUCCESS;
}

static CUresult add(struct link_state *st, CUjitInputType type, const void *data, size_t size,
		    const char *name, struct sg_log *log)
{
	switch (type) {
	case CU_JIT_INPUT_PTX:
		return image_add_text(&st->image, data, size);
	case CU_JIT_INPUT_CUBIN:
	case CU_JIT_INPUT_FATBINARY:
		return image_add_binary(&st->image, data, size, log);
	case CU_JIT_INPUT_OBJECT:
		return image_add_objects(&st->image, data, size, log);
	case CU_JIT_INPUT_LIBRARY:
		return add_library(st, data, size, name, log);
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
	r = add(st, type, data, size, name, &log);
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

static void say_passed_over(struct link_state *st)
{
	if (!st->passed_over[0])
		return;
	if (st->log.error.size)
		sg_log_add(&st->log.error, "%s", st->passed_over);
	else
		driver_log("%.*s", (int)strcspn(st->passed_over, "\n"), st->passed_over);
}

static CUresult link_texts(struct link_state *st)
{
	struct sg_module *linked = NULL;
	CUresult r = CUDA_ERROR_NO_BINARY_FOR_GPU;

	if (st->image.nr)
		r = link_error(image_link(&st->image, &linked, &st->log.error));
	if (r != CUDA_SUCCESS)
		say_passed_over(st);
	jit_log_finish(&st->log);
	sg_module_destroy(linked);
	return r;
}

CUresult cuLinkComplete(CUlinkState handle, void **cubin, size_t *size)
{
	struct link_state *st;
	CUresult r = find(handle, &st);

	if (r != CUDA_SUCCESS)
		return r;
	if (!cubin || !size || (!st->image.nr && !st->passed_over[0]))
		return CUDA_ERROR_INVALID_VALUE;
	if (!st->cubin) {
		r = link_texts(st);
		if (r != CUDA_SUCCESS)
			return r;
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
