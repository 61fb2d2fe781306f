/* SPDX-License-Identifier: MIT */
/*
 * texture.h - textures and surfaces as the engine sees them
 *
 * The driver side makes a descriptor when an object is created and never changes it. A kernel has
 * only the 64-bit handle. A descriptor that a running grid has found stays where it is until the
 * grid ends, when the object is destroyed as well; destroying an array waits for the grid.
 */
#ifndef SOFTGPU_TEXTURE_H
#define SOFTGPU_TEXTURE_H

#include <stdbool.h>
#include <stdint.h>

#define SG_MAX_LEVELS	18		/* of an edge of 131,072 */

enum sg_texel_class {
	SG_TEXEL_UINT,
	SG_TEXEL_SINT,
	SG_TEXEL_FLOAT,
	SG_TEXEL_UNORM,
	SG_TEXEL_SNORM
};

struct sg_texel {
	uint8_t cls;			/* enum sg_texel_class */
	uint8_t bits;			/* of a channel: 8, 16, 32 */
	uint8_t channels;		/* 1, 2, 4 */
	uint8_t bytes;			/* of the texel */
};

/* One mipmap level. Extents are at least 1; slices are layers, faces or depth. */
struct sg_image {
	uint8_t *texels;
	uint32_t width, height, depth;
	uint64_t pitch, slice;		/* bytes */
};

enum sg_address { SG_ADDRESS_WRAP, SG_ADDRESS_CLAMP, SG_ADDRESS_MIRROR, SG_ADDRESS_BORDER };

/* What the two kinds of object have in common: what they look at. */
struct sg_view {
	struct sg_texel texel;
	uint8_t dims;			/* 1, 2, 3; a cube has 2 */
	bool layered, cube;
	/* Device memory that must be live, for textures on linear memory; else lo == hi. */
	uint64_t lo, hi;
};

struct sg_texture {
	struct sg_view view;
	struct sg_image levels[SG_MAX_LEVELS];
	uint32_t nr_levels;
	uint8_t address[3];		/* enum sg_address */
	bool linear, mip_linear;	/* filters; otherwise the nearest */
	bool normalized;		/* coordinates */
	bool as_float;			/* integer texels are read as [0, 1] or [-1, 1] */
	bool srgb, seamless;
	float bias, min_lod, max_lod;
	float border[4];
};

struct sg_surface {
	struct sg_view view;
	struct sg_image image;
};

/* The driver side's; NULL: no such object, or what it looks at is gone. */
const struct sg_texture *sg_texture_find(uint64_t handle);
const struct sg_surface *sg_surface_find(uint64_t handle);

#endif
