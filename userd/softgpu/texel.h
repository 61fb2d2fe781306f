/* SPDX-License-Identifier: MIT */
/*
 * texel.h - the formats of texels: reading and writing one
 */
#ifndef SOFTGPU_TEXEL_H
#define SOFTGPU_TEXEL_H

#include "texture.h"

/*
 * Four channels as the 32-bit registers of an instruction get them. Channels that a format does not
 * have are 0, 0 and 1.
 */
struct sg_channels {
	uint32_t c[4];
};

/* True when texels are read as floating point, and so may be filtered. */
bool sg_texel_is_float(const struct sg_texture *t);
/* Only the channels that a format does not have. */
struct sg_channels sg_texel_blank(const struct sg_texture *t);
/* As the texture says: raw integers, floats, or integers as floats. */
struct sg_channels sg_texel_read(const struct sg_texture *t, const uint8_t *at);
/* The colour outside a texture with SG_ADDRESS_BORDER. */
struct sg_channels sg_texel_border(const struct sg_texture *t);

/*
 * sust.p: n channels of 32 bits to the format of the texel. Integers are clamped to its range,
 * floating point is rounded, and what has no source becomes 0.
 */
void sg_texel_write(const struct sg_texel *t, uint8_t *at, const uint32_t *c, uint32_t n);

#endif
