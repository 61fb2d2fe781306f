/* SPDX-License-Identifier: MIT */
/*
 * image.h - from the program's image to the PTX texts that the engine links
 */
#ifndef SOFTGPU_IMAGE_H
#define SOFTGPU_IMAGE_H

#include <stddef.h>

#include "api.h"
#include "engine.h"

/* A copy: the program's memory may go away after the call. */
struct image {
	struct sg_ptx *texts;
	size_t nr;
	char passed_over[320];	/* of several parts the last one without PTX for the device, and why */
};

/* On error says why on stderr where the program could not know, and in the log. */
CUresult image_open(const void *code, struct image *img, struct sg_log *log);
void image_close(struct image *img);
/* Adds what a linker is given, of a known size; text: a NUL ends it, too. */
CUresult image_add_text(struct image *img, const char *text, size_t len);
CUresult image_add_binary(struct image *img, const void *code, size_t size, struct sg_log *log);
/* The PTX of each fatbin of host objects or of a library of them; an error is only in the log. */
CUresult image_add_objects(struct image *img, const void *data, size_t size, struct sg_log *log);
/* Looks whether the texts from the i-th on can be read at all, before they are linked. */
CUresult image_check(const struct image *img, size_t i, struct sg_log *log);

/* Parses and links; *out belongs to the caller. */
CUresult image_link(const struct image *img, struct sg_module **out, struct sg_log *log);
/* The same, of an image that was linked before: managed variables are the first module's. */
CUresult image_link_again(const struct image *img, const struct sg_module *first,
			  struct sg_module **out, struct sg_log *log);

/* CUDA's word for the engine's. */
CUresult image_error(enum sg_result r);

/*
 * The options of cuModuleLoadDataEx() and cuLibraryLoadData() that softgpu acts on: the two logs.
 */
struct jit_log {
	struct sg_log error;
	void **error_size;	/* in: room, out: bytes written; in the caller's array */
	void **info_size;
};

CUresult jit_log_init(struct jit_log *log, unsigned int nr, CUjit_option *options, void **values);
void jit_log_finish(struct jit_log *log);

#endif
