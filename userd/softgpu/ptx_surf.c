/* SPDX-License-Identifier: MIT */
/*
 * ptx_surf.c - decoding of suld, sust, sured (PTX ISA 9.7.11)
 */
#include <string.h>

#include "ptx_place.h"

static const char *const modes[] = { "trap", "clamp", "zero" };
static const char *const reds[] = { "add", "min", "max", "and", "or" };

static bool unknown(struct ptx_parser *p)
{
	ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
	return false;
}

/* Index of a modifier in names, which is taken away; nr if it is none of them. */
static uint32_t take(struct ptx_parser *p, uint32_t *i, const char *const *names, uint32_t nr)
{
	uint32_t k = 0;

	while (k < nr && !(*i < p->st.nr_mods && ptx_tok_is(&p->st.mods[*i], names[k])))
		k++;
	*i += k < nr;
	return k;
}

static bool skip(struct ptx_parser *p, uint32_t *i, const char *name)
{
	return take(p, i, &name, 1) == 0;
}

/* .b or .p, and for sured the operation, then .geom */
static struct sg_surf_insn *start(struct ptx_parser *p, bool red, uint32_t *i)
{
	struct sg_surf_insn *s = ptx_alloc(p, p->arena, sizeof(*s));
	uint32_t op = 0;

	if (!s)
		return NULL;
	s->formatted = skip(p, i, "p");
	if (!s->formatted && !skip(p, i, "b")) {
		unknown(p);
		return NULL;
	}
	if (red)
		op = take(p, i, reds, 5);
	s->red = (enum sg_surface_red)op;
	s->place.geom = *i < p->st.nr_mods ? ptx_geometry(&p->st.mods[*i]) : NULL;
	if (op == 5 || !s->place.geom || s->place.geom->cube) {
		unknown(p);
		return NULL;
	}
	++*i;
	return s;
}

/* .cop.vec.type.mode and the end; a cache operation says nothing here. */
static bool finish(struct ptx_parser *p, struct sg_surf_insn *s, uint32_t i)
{
	static const char *const caches[] = { "ca", "cg", "cs", "cv", "wb", "wt" };
	uint32_t mode;

	take(p, &i, caches, sizeof(caches) / sizeof(caches[0]));
	s->nr = skip(p, &i, "v2") ? 2 : skip(p, &i, "v4") ? 4 : 1;
	if (i < p->st.nr_mods)
		s->type = ptx_type_find(p->st.mods[i].s, p->st.mods[i].len);
	i++;
	mode = take(p, &i, modes, 3);
	s->mode = (enum sg_surface_mode)mode;
	return mode < 3 && i == p->st.nr_mods;
}

static bool is_plain(enum ptx_type t)
{
	return t == PTX_B8 || t == PTX_B16 || t == PTX_B32 || t == PTX_B64;
}

static char data_letter(const struct sg_surf_insn *s)
{
	return ptx_types[s->type].bits == 64 ? 'l' : ptx_types[s->type].bits == 32 ? 'w' : 'h';
}

static void emit(struct ptx_parser *p, sg_exec exec, const struct sg_surf_insn *s)
{
	struct sg_insn *in = ptx_emit(p);

	in->exec = exec;
	in->aux = s;
}

void ptx_decode_suld(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	uint32_t i = 0;
	struct sg_surf_insn *s = start(p, false, &i);
	const struct ptx_operand *d = &st->ops[0];
	bool ok = true;

	if (!s)
		return;
	if (!finish(p, s, i) || s->formatted || !is_plain(s->type) || st->nr_ops != 2 ||
	    (s->nr * ptx_type_bytes(s->type) > 16)) {
		unknown(p);
		return;
	}
	if (!ptx_place(p, &st->ops[1], 'w', &s->place))
		return;
	if (d->kind == OPK_VEC ? d->nr != s->nr : s->nr != 1) {
		ptx_error_at(&p->l, &d->tok, SG_INVALID_PTX, "a vector of %u registers expected",
			     s->nr);
		return;
	}
	if (d->kind == OPK_VEC)
		d = &st->elems[d->first];
	for (uint32_t k = 0; k < s->nr && ok; k++)
		ok = ptx_dst_row(p, &d[k], data_letter(s), &s->data[k]);
	if (ok)
		emit(p, sg_exec_suld, s);
}

void ptx_decode_sust(struct ptx_parser *p)
{
	uint32_t i = 0;
	struct sg_surf_insn *s = start(p, false, &i);
	bool ok;

	if (!s)
		return;
	ok = finish(p, s, i) && p->st.nr_ops == 2 && s->nr * ptx_type_bytes(s->type) <= 16;
	if (s->formatted)
		ok = ok && (s->type == PTX_B32 || s->type == PTX_U32 || s->type == PTX_S32 ||
			    s->type == PTX_F32);
	else
		ok = ok && is_plain(s->type);
	if (!ok) {
		unknown(p);
		return;
	}
	if (ptx_place(p, &p->st.ops[0], 'w', &s->place) &&
	    ptx_vector(p, &p->st.ops[1], s->nr, data_letter(s), s->data))
		emit(p, sg_exec_sust, s);
}

/* Which types an operation has: and, or are of bits, the others of numbers. */
static bool red_type(const struct sg_surf_insn *s)
{
	bool logic = s->red == SG_RED_AND || s->red == SG_RED_OR;

	if (s->formatted)
		return s->type == PTX_B32 || s->type == PTX_B64;
	if (logic)
		return s->type == PTX_B32;
	return s->type == PTX_U32 || s->type == PTX_S32 || s->type == PTX_U64 || s->type == PTX_S64;
}

void ptx_decode_sured(struct ptx_parser *p)
{
	uint32_t i = 0;
	struct sg_surf_insn *s = start(p, true, &i);

	if (!s)
		return;
	if (!finish(p, s, i) || s->nr != 1 || s->place.geom->layered || !red_type(s) ||
	    p->st.nr_ops != 2) {
		unknown(p);
		return;
	}
	if (ptx_place(p, &p->st.ops[0], 'w', &s->place) &&
	    ptx_vector(p, &p->st.ops[1], 1, data_letter(s), s->data))
		emit(p, sg_exec_sured, s);
}
