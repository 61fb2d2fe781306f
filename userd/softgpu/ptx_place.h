/* SPDX-License-Identifier: MIT */
/*
 * ptx_place.h - operands that texture and surface instructions share
 */
#ifndef SOFTGPU_PTX_PLACE_H
#define SOFTGPU_PTX_PLACE_H

#include "ptx_parse.h"
#include "texinsn.h"

/* NULL: not a geometry. */
const struct sg_geometry_info *ptx_geometry(const struct ptx_tok *t);
/* Rows of the first nr elements of a vector, or of a single register if nr is 1. */
bool ptx_vector(struct ptx_parser *p, const struct ptx_operand *op, uint32_t nr, char letter,
		uint32_t *rows);
/* [object, {layer, x, y, z}] as place->geom says */
bool ptx_place(struct ptx_parser *p, const struct ptx_operand *op, char letter,
	       struct sg_place *place);

#endif
