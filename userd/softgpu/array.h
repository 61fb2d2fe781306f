/* SPDX-License-Identifier: MIT */
/*
 * array.h - CUDA arrays and mipmapped arrays
 *
 * The texels lie in rows, slice after slice. They have no address that a kernel or the program
 * could use: textures, surfaces and copies are the ways to them.
 */
#ifndef SOFTGPU_ARRAY_H
#define SOFTGPU_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "context.h"
#include "copy.h"
#include "texture.h"

struct mipmapped;

/* One level. Everything but the handle is the same as long as the array lives. */
struct array {
	struct object obj;
	CUDA_ARRAY3D_DESCRIPTOR desc;
	struct sg_image image;
	struct mipmapped *owner;
};

/* What an array, mipmapped or not, is made of. */
struct mipmapped {
	struct object obj;		/* no handle: an array of one level, known by that */
	LIST_ENTRY(mipmapped) link;	/* context.arrays */
	struct context *ctx;
	CUDA_ARRAY3D_DESCRIPTOR desc;
	struct sg_texel texel;
	void *texels;
	size_t bytes;			/* counted */
	unsigned int nr_levels;
	struct array levels[];
};

/* All of the following with the lock held. */

struct array *array_find(CUarray handle);
struct mipmapped *mipmapped_find(CUmipmappedArray handle);

/* Sets where the box of c at e lies. False: there is no such array, or the box leaves it. */
bool array_locate(struct copy_end *e, const struct copy *c);

/*
 * The end of all arrays of a context: their handles go before the last wait for what may use them,
 * their memory after it.
 */
void array_retire_all(struct context *ctx);
void array_release_all(struct context *ctx);

/* False: a format that no texel of one plane and 1, 2 or 4 channels has. */
bool array_texel(CUarray_format format, unsigned int channels, struct sg_texel *texel);

#endif
