/* SPDX-License-Identifier: MIT */
/*
 * sample.h - what a texture has at a point (CUDA programming guide, "Texture fetching")
 */
#ifndef SOFTGPU_SAMPLE_H
#define SOFTGPU_SAMPLE_H

#include "texel.h"

/* .1d .2d ... of an instruction */
enum sg_geometry {
	SG_GEOM_1D, SG_GEOM_2D, SG_GEOM_3D, SG_GEOM_A1D, SG_GEOM_A2D, SG_GEOM_CUBE, SG_GEOM_ACUBE,
	SG_NR_GEOMS
};

struct sg_geometry_info {
	const char *name;
	uint8_t dims;		/* that are filtered; a face of a cube has 2 */
	uint8_t coords;		/* components of a position: a cube has 3 */
	bool layered, cube;
};
extern const struct sg_geometry_info sg_geometries[SG_NR_GEOMS];

/* A point, for one lane. */
struct sg_point {
	const struct sg_geometry_info *geom;
	float at[3];
	int32_t texel[3];	/* in place of at, when is_texel */
	bool is_texel;
	uint32_t layer;
	int32_t offset[3];	/* texels */
};

/* The base level. */
struct sg_channels sg_sample(const struct sg_texture *t, const struct sg_point *p);
/* At a level of detail, to which the texture's bias is added. */
struct sg_channels sg_sample_level(const struct sg_texture *t, const struct sg_point *p, float lod);
/* The level of detail that derivatives of the coordinates ask for. */
float sg_sample_lod(const struct sg_texture *t, const struct sg_point *p, const float dx[3],
		    const float dy[3]);
/* One channel of the four texels of a linear filter, counter-clockwise from below left. */
struct sg_channels sg_sample_gather(const struct sg_texture *t, const struct sg_point *p,
				    uint32_t channel);

#endif
