/* SPDX-License-Identifier: MIT */
/*
 * ptx_mov.c - decoding of mov, with its packed vectors (PTX ISA 9.7.9.1)
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

static bool vector_shape(struct ptx_parser *p, const struct ptx_operand *vec, enum ptx_type t,
			 char *elem)
{
	uint32_t bits = ptx_types[t].bits;

	if (bits < 16 || bits > 64 || (vec->nr != 2 && (vec->nr != 4 || bits < 32))) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported vector in");
		return false;
	}
	*elem = bits / vec->nr == 32 ? 'w' : 'h';
	return true;
}

/* mov.b64 d, {lo, hi} and mov.b64 {lo, hi}, a */
static void decode_vector(struct ptx_parser *p, enum ptx_type t)
{
	struct ptx_stmt *st = &p->st;
	bool pack = st->ops[1].kind == OPK_VEC;
	const struct ptx_operand *vec = &st->ops[pack ? 1 : 0], *whole = &st->ops[pack ? 0 : 1];
	uint32_t bits = ptx_types[t].bits;
	char wide = bits == 64 ? 'l' : bits == 32 ? 'w' : 'h', elem, key[16];
	uint32_t r[6] = { 0 };
	struct sg_insn *in;

	if (!vector_shape(p, vec, t, &elem))
		return;
	for (uint32_t i = 0; i < vec->nr; i++) {
		const struct ptx_operand *e = &st->elems[vec->first + i];

		if (!(pack ? ptx_src_row(p, e, elem, &r[i]) : ptx_dst_row(p, e, elem, &r[i])))
			return;
	}
	if (!(pack ? ptx_dst_row(p, whole, wide, &r[4]) : ptx_src_row(p, whole, wide, &r[4])))
		return;
	snprintf(key, sizeof(key), "@%s.%c%u", pack ? "pack" : "unpack", wide, vec->nr);
	in = ptx_emit_form(p, key);
	memcpy(in->r, r, sizeof(r));
}

static void emit_move(struct ptx_parser *p, const char *form, uint32_t dst, uint32_t src)
{
	struct sg_insn *in = ptx_emit_form(p, form);

	in->r[0] = dst;
	in->r[1] = src;
}

/* mov.b128 q, {lo, hi}; {lo, hi}, q; q, q */
static void decode_wide(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	uint32_t row[2][2];

	for (uint32_t i = 0; i < 2; i++) {
		const struct ptx_operand *op = &st->ops[i], *e = &st->elems[op->first];
		bool src = i;

		if (op->kind == OPK_VEC && op->nr == 2) {
			for (uint32_t k = 0; k < 2; k++)
				if (!(src ? ptx_src_row(p, &e[k], 'l', &row[i][k])
					  : ptx_dst_row(p, &e[k], 'l', &row[i][k])))
					return;
			continue;
		}
		if (op->kind != OPK_REG || !ptx_dst_row(p, op, 'q', &row[i][0])) {
			ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
			return;
		}
		row[i][1] = row[i][0] + SG_WIDE_HALF;
	}
	for (uint32_t k = 0; k < 2; k++)
		emit_move(p, "mov.b64", row[0][k], row[1][k]);
}

/* mov.v2.b32 {a, b}, {c, d}: through temporary rows, for the vectors may share registers */
static void decode_elements(struct ptx_parser *p, enum ptx_type t)
{
	struct ptx_stmt *st = &p->st;
	const struct ptx_operand *d = &st->ops[0], *s = &st->ops[1];
	uint32_t nr = ptx_has_mod(st, "v2")   ? 2
		      : ptx_has_mod(st, "v4") ? 4
					      : 0,
		 src[4], dst[4], tmp;
	const char *form = ptx_types[t].bits == 64 ? "mov.b64" : "mov.b32";

	if (!nr || d->kind != OPK_VEC || s->kind != OPK_VEC || d->nr != nr || s->nr != nr ||
	    t == PTX_PRED || ptx_types[t].bits < 16 || ptx_types[t].bits > 64) {
		ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
		return;
	}
	for (uint32_t i = 0; i < nr; i++) {
		if (!ptx_src_row(p, &st->elems[s->first + i], ptx_letter(t), &src[i]) ||
		    !ptx_dst_row(p, &st->elems[d->first + i], ptx_letter(t), &dst[i]))
			return;
		tmp = ptx_row(p, ptx_types[t].bits == 64 ? 8 : 4);
		emit_move(p, form, tmp, src[i]);
		src[i] = tmp;
	}
	for (uint32_t i = 0; i < nr; i++)
		emit_move(p, form, dst[i], src[i]);
}

void ptx_decode_mov(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum ptx_type t = ptx_stmt_type(st);
	uint32_t src, dst;
	char letter;

	if (t && st->nr_ops == 2 && st->nr_mods == 2) {
		decode_elements(p, t);
		return;
	}
	if (!t || st->nr_ops != 2 || st->nr_mods != 1 ||
	    (t != PTX_PRED && ptx_types[t].bits == 8)) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (t == PTX_B128) {
		decode_wide(p);
		return;
	}
	if (st->ops[0].kind == OPK_VEC || st->ops[1].kind == OPK_VEC) {
		decode_vector(p, t);
		return;
	}
	letter = ptx_letter(t);
	if (st->ops[1].kind == OPK_INT && (letter == 'f' || letter == 'd')) {
		ptx_error_at(&p->l, &st->ops[1].tok, SG_INVALID_PTX,
			     "an integer where a floating point number is needed");
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], letter, &src) ||
	    !ptx_dst_row(p, &st->ops[0], letter, &dst))
		return;
	emit_move(p,
		  letter == 'p'			   ? "mov.pred"
		  : letter == 'l' || letter == 'd' ? "mov.b64"
						   : "mov.b32",
		  dst, src);
}
