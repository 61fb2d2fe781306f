/* SPDX-License-Identifier: MIT */
/*
 * texinsn.h - decoded texture and surface instructions: what struct sg_insn has no room for
 *
 * A row of 0 is none.
 */
#ifndef SOFTGPU_TEXINSN_H
#define SOFTGPU_TEXINSN_H

#include "sample.h"
#include "warp.h"

/* Coordinates have at most three components, and a layer. */
struct sg_place {
	const struct sg_geometry_info *geom;
	uint32_t object, layer, at[3];
};

struct sg_tex_insn {
	struct sg_place place;
	uint32_t dst[4];
	enum ptx_type dtype;
	bool texel;			/* integer coordinates */
	uint32_t lod, dx[3], dy[3], offset[3];
	uint32_t channel;		/* tld4 */
};

enum sg_surface_mode { SG_SURF_TRAP, SG_SURF_CLAMP, SG_SURF_ZERO };
enum sg_surface_red { SG_RED_ADD, SG_RED_MIN, SG_RED_MAX, SG_RED_AND, SG_RED_OR };

struct sg_surf_insn {
	struct sg_place place;
	uint32_t data[4], nr;
	enum ptx_type type;		/* of an element in a register */
	bool formatted;			/* .p: x counts texels, data has the texel's type */
	enum sg_surface_mode mode;
	enum sg_surface_red red;
};

enum sg_query {
	SG_QUERY_WIDTH,
	SG_QUERY_HEIGHT,
	SG_QUERY_DEPTH,
	SG_QUERY_DATA_TYPE,
	SG_QUERY_ORDER,
	SG_QUERY_NORMALIZED,
	SG_QUERY_ARRAY_SIZE,
	SG_QUERY_LEVELS,
	SG_QUERY_SAMPLES,
	SG_QUERY_UNNORMALIZED,
	SG_QUERY_FILTER,
	SG_QUERY_ADDRESS_0,
	SG_QUERY_ADDRESS_1,
	SG_QUERY_ADDRESS_2,
	SG_QUERY_MEMORY_LAYOUT,
};

/* aux is one of the structures above; of queries and istypep all is in struct sg_insn. */
enum sg_result sg_exec_tex(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_tex_level(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_tex_grad(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_tld4(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_txq(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_suq(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_istypep(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_suld(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_sust(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);
enum sg_result sg_exec_sured(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);

/* The object of a lane, or NULL and the fault. */
const struct sg_surface *sg_lane_surface(struct sg_warp *w, const struct sg_insn *in, uint32_t row,
					 uint32_t lane);

#endif
