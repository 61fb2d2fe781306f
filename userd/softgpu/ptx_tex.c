/* SPDX-License-Identifier: MIT */
/*
 * ptx_tex.c - decoding of tex, tld4, txq, suq, istypep (PTX ISA 9.7.10, 9.7.11)
 *
 * Textures are named by 64-bit handles in registers. Variables of type .texref, .samplerref and
 * .surfref, and samplers apart from textures, are refused where they stand.
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"
#include "ptx_place.h"

static void unknown(struct ptx_parser *p)
{
	ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
}

const struct sg_geometry_info *ptx_geometry(const struct ptx_tok *t)
{
	for (int i = 0; i < SG_NR_GEOMS; i++)
		if (ptx_tok_is(t, sg_geometries[i].name))
			return &sg_geometries[i];
	return NULL;
}

bool ptx_vector(struct ptx_parser *p, const struct ptx_operand *op, uint32_t nr, char letter,
		uint32_t *rows)
{
	const struct ptx_operand *e = op->kind == OPK_VEC ? &p->st.elems[op->first] : op;

	if (op->kind == OPK_VEC ? op->nr < nr || op->nr > 4 : nr != 1) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "a vector of %u elements expected",
			     nr);
		return false;
	}
	for (uint32_t i = 0; i < nr; i++)
		if (!ptx_src_row(p, &e[i], letter, &rows[i]))
			return false;
	return true;
}

static bool object_row(struct ptx_parser *p, const struct ptx_operand *op, uint32_t *row)
{
	const struct ptx_operand *base = op->nr ? &p->st.elems[op->first] : NULL;

	if ((op->kind != OPK_POINT && op->kind != OPK_ADDR) || !base || base->kind != OPK_REG ||
	    op->imm) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
			     "the handle of an object in a register expected");
		return false;
	}
	return ptx_src_row(p, base, 'l', row);
}

/* Components that an instruction does not look at may follow. */
bool ptx_place(struct ptx_parser *p, const struct ptx_operand *op, char letter,
	       struct sg_place *place)
{
	const struct sg_geometry_info *g = place->geom;
	const struct ptx_operand *e = &p->st.elems[op->first + 1];
	uint32_t want = g->coords + g->layered;

	if (!object_row(p, op, &place->object))
		return false;
	if (op->kind != OPK_POINT || op->nr - 1 < want || op->nr - 1 > 4) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "%u coordinates expected", want);
		return false;
	}
	if (g->layered && !ptx_src_row(p, e++, 'w', &place->layer))
		return false;
	for (uint32_t i = 0; i < g->coords; i++)
		if (!ptx_src_row(p, &e[i], letter, &place->at[i]))
			return false;
	return true;
}

/* geom.v4.dtype.ctype or geom.v2.f16x2.ctype, from modifier i on */
static bool types(struct ptx_parser *p, uint32_t i, struct sg_tex_insn *t, uint32_t *nr)
{
	const struct ptx_tok *m = p->st.mods + i;
	enum ptx_type ctype;

	if (p->st.nr_mods != i + 4) {
		unknown(p);
		return false;
	}
	t->place.geom = ptx_geometry(&m[0]);
	t->dtype = ptx_type_find(m[2].s, m[2].len);
	ctype = ptx_type_find(m[3].s, m[3].len);
	t->texel = ctype == PTX_S32;
	*nr = t->dtype == PTX_F16X2 ? 2 : 4;
	if (!t->place.geom) {
		bool samples = ptx_tok_is(&m[0], "2dms") || ptx_tok_is(&m[0], "a2dms");

		ptx_decode_error(p, samples ? SG_UNSUPPORTED_PTX : SG_INVALID_PTX,
				 samples ? "unsupported instruction" : "unknown instruction");
		return false;
	}
	if (!ptx_tok_is(&m[1], *nr == 2 ? "v2" : "v4") || (ctype != PTX_S32 && ctype != PTX_F32) ||
	    (t->texel && t->place.geom->cube) ||
	    (t->dtype != PTX_U32 && t->dtype != PTX_S32 && t->dtype != PTX_F32 &&
	     t->dtype != PTX_F16 && t->dtype != PTX_F16X2)) {
		unknown(p);
		return false;
	}
	return true;
}

static bool results(struct ptx_parser *p, struct sg_tex_insn *t, uint32_t nr)
{
	const struct ptx_operand *op = &p->st.ops[0];

	if (op->kind != OPK_VEC || op->nr != nr) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "a vector of %u registers expected",
			     nr);
		return false;
	}
	for (uint32_t i = 0; i < nr; i++)
		if (!ptx_dst_row(p, &p->st.elems[op->first + i], t->dtype == PTX_F16 ? 'h' : 'w',
				 &t->dst[i]))
			return false;
	return true;
}

/*
 * What may follow: offsets in texels. A depth to compare with is for textures that do not exist
 * here.
 */
static bool offsets(struct ptx_parser *p, uint32_t at, struct sg_tex_insn *t)
{
	const struct sg_geometry_info *g = t->place.geom;
	const struct ptx_operand *op = &p->st.ops[at];
	bool vector = p->st.nr_ops > at &&
		      (op->kind == OPK_VEC || (g->dims == 1 && op->type != PTX_F32));

	if (p->st.nr_ops == at)
		return true;
	if (!vector || g->cube || p->st.nr_ops > at + 1) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX,
				 "an offset in a cube, or a depth to compare with, for");
		return false;
	}
	return ptx_vector(p, op, g->dims, 'w', t->offset);
}

static void emit(struct ptx_parser *p, sg_exec exec, const void *aux)
{
	struct sg_insn *in = ptx_emit(p);

	in->exec = exec;
	in->aux = aux;
}

void ptx_decode_tex(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	bool level = st->nr_mods && ptx_tok_is(&st->mods[0], "level");
	bool grad = st->nr_mods && ptx_tok_is(&st->mods[0], "grad");
	bool base = st->nr_mods && ptx_tok_is(&st->mods[0], "base");
	struct sg_tex_insn *t = ptx_alloc(p, p->arena, sizeof(*t));
	uint32_t nr, used = 2 + level + 2 * grad;

	if (!t || !types(p, level || grad || base, t, &nr))
		return;
	if (st->nr_ops < used) {
		ptx_decode_error(p, SG_INVALID_PTX, "too few operands for");
		return;
	}
	if (!ptx_place(p, &st->ops[1], t->texel ? 'w' : 'f', &t->place) || !offsets(p, used, t) ||
	    (level && !ptx_src_row(p, &st->ops[2], 'f', &t->lod)) ||
	    (grad && (!ptx_vector(p, &st->ops[2], t->place.geom->coords, 'f', t->dx) ||
		      !ptx_vector(p, &st->ops[3], t->place.geom->coords, 'f', t->dy))) ||
	    !results(p, t, nr))
		return;
	emit(p, level ? sg_exec_tex_level : grad ? sg_exec_tex_grad : sg_exec_tex, t);
}

void ptx_decode_tld4(struct ptx_parser *p)
{
	static const char *const channels[] = { "r", "g", "b", "a" };
	struct sg_tex_insn *t = ptx_alloc(p, p->arena, sizeof(*t));
	uint32_t nr;

	if (!t)
		return;
	while (t->channel < 4 &&
	       !(p->st.nr_mods && ptx_tok_is(&p->st.mods[0], channels[t->channel])))
		t->channel++;
	if (t->channel == 4) {
		unknown(p);
		return;
	}
	if (!types(p, 1, t, &nr))
		return;
	if (t->place.geom->dims != 2 || t->texel || t->dtype == PTX_F16 || nr != 4 ||
	    p->st.nr_ops < 2) {
		unknown(p);
		return;
	}
	if (ptx_place(p, &p->st.ops[1], 'f', &t->place) && offsets(p, 2, t) && results(p, t, nr))
		emit(p, sg_exec_tld4, t);
}

static const struct {
	const char *name;
	enum sg_query query;
	bool texture, surface, level;	/* of which it can be asked */
} queries[] = {
	{ "width", SG_QUERY_WIDTH, true, true, true },
	{ "height", SG_QUERY_HEIGHT, true, true, true },
	{ "depth", SG_QUERY_DEPTH, true, true, true },
	{ "channel_data_type", SG_QUERY_DATA_TYPE, true, true, false },
	{ "channel_order", SG_QUERY_ORDER, true, true, false },
	{ "normalized_coords", SG_QUERY_NORMALIZED, true, false, false },
	{ "array_size", SG_QUERY_ARRAY_SIZE, true, true, false },
	{ "num_mipmap_levels", SG_QUERY_LEVELS, true, false, false },
	{ "num_samples", SG_QUERY_SAMPLES, true, false, false },
	{ "force_unnormalized_coords", SG_QUERY_UNNORMALIZED, true, false, false },
	{ "filter_mode", SG_QUERY_FILTER, true, false, false },
	{ "addr_mode_0", SG_QUERY_ADDRESS_0, true, false, false },
	{ "addr_mode_1", SG_QUERY_ADDRESS_1, true, false, false },
	{ "addr_mode_2", SG_QUERY_ADDRESS_2, true, false, false },
	{ "memory_layout", SG_QUERY_MEMORY_LAYOUT, false, true, false },
};

/* txq.query.b32 d, [a]; txq.level.query.b32 d, [a], lod; suq.query.b32 d, [a] */
void ptx_decode_txq(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	bool surface = st->op.s[0] == 's',
	     level = st->nr_mods == 3 && ptx_tok_is(&st->mods[0], "level");
	uint32_t object, lod = 0, dst;
	struct sg_insn *in;
	size_t q = 0;

	while (q < sizeof(queries) / sizeof(queries[0]) &&
	       !(st->nr_mods == 2u + level && ptx_tok_is(&st->mods[level], queries[q].name)))
		q++;
	if (q == sizeof(queries) / sizeof(queries[0]) ||
	    !(surface ? queries[q].surface : queries[q].texture) ||
	    (level && (surface || !queries[q].level)) || !ptx_tok_is(&st->mods[1 + level], "b32") ||
	    st->nr_ops != 2u + level) {
		unknown(p);
		return;
	}
	if (!object_row(p, &st->ops[1], &object) ||
	    (level && !ptx_src_row(p, &st->ops[2], 'w', &lod)) ||
	    !ptx_dst_row(p, &st->ops[0], 'w', &dst))
		return;
	in = ptx_emit(p);
	in->exec = surface ? sg_exec_suq : sg_exec_txq;
	in->r[0] = dst;
	in->r[1] = object;
	in->r[2] = lod;
	in->imm = queries[q].query;
}

void ptx_decode_istypep(struct ptx_parser *p)
{
	static const char *const types[] = { "texref", "samplerref", "surfref" };
	struct ptx_stmt *st = &p->st;
	uint32_t src, dst, i = 0;
	struct sg_insn *in;

	while (i < 3 && !(st->nr_mods == 1 && ptx_tok_is(&st->mods[0], types[i])))
		i++;
	if (i == 3 || st->nr_ops != 2) {
		unknown(p);
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], 'l', &src) || !ptx_dst_row(p, &st->ops[0], 'p', &dst))
		return;
	in = ptx_emit(p);
	in->exec = sg_exec_istypep;
	in->r[0] = dst;
	in->r[1] = src;
	in->imm = i;
}
