/* SPDX-License-Identifier: MIT */
/*
 * ptx_mov.c - decoding of mov, with its packed vectors (PTX ISA 9.7.9.1)
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

static bool vector_shape(struct ptx_parser *p, const struct ptx_operand *vec, enum ptx_type t, char *elem)
{
	uint32_t bits = ptx_types[t].bits;

	if ((bits != 32 && bits != 64) || (vec->nr != 2 && vec->nr != 4)) {
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
	char wide = ptx_types[t].bits == 64 ? 'l' : 'w', elem, key[16];
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

void ptx_decode_mov(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum ptx_type t = ptx_stmt_type(st);
	uint32_t src, dst;
	struct sg_insn *in;
	char letter;

	if (!t || st->nr_ops != 2 || st->nr_mods != 1 || t == PTX_B128 || (t != PTX_PRED && ptx_types[t].bits == 8)) {
		ptx_decode_error(p, t == PTX_B128 ? SG_UNSUPPORTED_PTX : SG_INVALID_PTX, "unknown instruction");
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
	if (!ptx_src_row(p, &st->ops[1], letter, &src) || !ptx_dst_row(p, &st->ops[0], letter, &dst))
		return;
	in = ptx_emit_form(p, letter == 'p' ? "mov.pred" : letter == 'l' || letter == 'd' ? "mov.b64" : "mov.b32");
	in->r[0] = dst;
	in->r[1] = src;
}
