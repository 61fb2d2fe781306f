/* SPDX-License-Identifier: MIT */
/*
 * ptx_decode.c - turns a parsed statement into decoded instructions, by its row in the tables
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

#define NAME_MAX 160

/* The instruction as written, for messages. */
static void full_name(const struct ptx_stmt *st, char *buf, size_t size)
{
	size_t n = (size_t)snprintf(buf, size, "%.*s", (int)(st->op.len > 40 ? 40 : st->op.len),
				    st->op.s);

	for (uint32_t i = 0; i < st->nr_mods && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, ".%.*s",
				      (int)(st->mods[i].len > 40 ? 40 : st->mods[i].len),
				      st->mods[i].s);
}

void ptx_decode_error(struct ptx_parser *p, enum sg_result res, const char *what)
{
	char name[NAME_MAX];

	full_name(&p->st, name, sizeof(name));
	ptx_error_at(&p->l, &p->st.op, res, "%s '%s'", what, name);
}

bool ptx_has_mod(const struct ptx_stmt *st, const char *mod)
{
	for (uint32_t i = 0; i < st->nr_mods; i++)
		if (ptx_tok_is(&st->mods[i], mod))
			return true;
	return false;
}

enum ptx_type ptx_stmt_type(const struct ptx_stmt *st)
{
	for (uint32_t i = st->nr_mods; i-- > 0;) {
		enum ptx_type t = ptx_type_find(st->mods[i].s, st->mods[i].len);

		if (t)
			return t;
	}
	return PTX_NONE;
}

/* For decoders that choose the executor themselves. */
struct sg_insn *ptx_emit_form(struct ptx_parser *p, const char *form)
{
	const struct sg_form *f = ptx_form_find(form, strlen(form));
	struct sg_insn *in;

	if (!f) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return ptx_emit(p);
	}
	in = ptx_emit(p);
	in->exec = f->exec;
	return in;
}

static uint32_t flag(const struct ptx_tok *mod)
{
	for (uint32_t i = 0; i < PTX_NR_MODS; i++)
		if (ptx_tok_is(mod, ptx_mod_names[i]))
			return 1u << i;
	return 0;
}

/* Splits the modifiers into flags and the name of the row. */
static uint32_t form_key(const struct ptx_stmt *st, uint32_t flags, char *key, size_t size)
{
	size_t n = (size_t)snprintf(key, size, "%.*s", (int)(st->op.len > 40 ? 40 : st->op.len),
				    st->op.s);
	uint32_t mods = 0;

	for (uint32_t i = 0; i < st->nr_mods && n < size; i++) {
		uint32_t f = flag(&st->mods[i]) & flags;

		mods |= f;
		if (!f)
			n += (size_t)snprintf(key + n, size - n, ".%.*s",
					      (int)(st->mods[i].len > 40 ? 40 : st->mods[i].len),
					      st->mods[i].s);
	}
	return mods;
}

static bool form_operand(struct ptx_parser *p, const struct ptx_operand *op, char letter, bool dst,
			 uint32_t *row, int64_t *imm)
{
	if (letter == 'i') {
		if (op->kind != OPK_INT) {
			ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
				     "an integer constant expected");
			return false;
		}
		*imm = (int64_t)op->imm;
		return true;
	}
	return dst ? ptx_dst_row(p, op, letter, row) : ptx_src_row(p, op, letter, row);
}

/*
 * Rows of the operands; sources first, because a negated or special one emits an instruction of its
 * own.
 */
static bool form_operands(struct ptx_parser *p, const char *ops, uint32_t *r, int64_t *imm)
{
	struct ptx_stmt *st = &p->st;
	const char *eq = strchr(ops, '=');
	uint32_t nd = (uint32_t)(eq - ops), ns = (uint32_t)strlen(eq + 1), used = 0;

	if (st->nr_ops != nd + ns) {
		char what[64];

		snprintf(what, sizeof(what), "%u operands expected for", nd + ns);
		ptx_decode_error(p, SG_INVALID_PTX, what);
		return false;
	}
	for (uint32_t i = 0; i < ns; i++) {
		if (!form_operand(p, &st->ops[nd + i], eq[1 + i], false, &r[nd + used], imm))
			return false;
		used += eq[1 + i] != 'i';
	}
	for (uint32_t i = 0; i < nd; i++)
		if (!form_operand(p, &st->ops[i], ops[i], true, &r[i], imm))
			return false;
	return true;
}

void ptx_decode_form(struct ptx_parser *p, uint32_t flags)
{
	char key[NAME_MAX];
	uint32_t mods = form_key(&p->st, flags, key, sizeof(key)), r[8] = { 0 };
	const struct sg_form *f = ptx_form_find(key, strnlen(key, sizeof(key) - 1));
	struct sg_insn *in;
	int64_t imm = 0;

	if (!f) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (mods & ~f->mods) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "a modifier does not fit in");
		return;
	}
	if (__builtin_popcount(mods & M_ROUND) > 1) {
		ptx_decode_error(p, SG_INVALID_PTX, "two rounding modes in");
		return;
	}
	if (!form_operands(p, f->ops, r, &imm))
		return;
	in = ptx_emit(p);
	memcpy(in->r, r, sizeof(in->r));
	in->imm = imm;
	in->mods = mods;
	in->exec = f->slow && (mods & ~(M_RN | M_APPROX | M_FULL)) ? f->slow : f->exec;
}

bool ptx_decode_refused(struct ptx_parser *p)
{
	/* tensor maps, clusters, and what comes after sm_90 */
	static const char *const mods[] = {
		"tensor", "multicast::cluster", "tensormap::generic", "tensormap", "oob", "f32x2"
	};
	struct ptx_stmt *st = &p->st;
	bool refused = ptx_op_refused(st->op.s, st->op.len),
	     memory = ptx_tok_is(&st->op, "st") || ptx_tok_is(&st->op, "red");

	for (uint32_t i = 0; i < st->nr_mods; i++) {
		refused |= memory && ptx_tok_is(&st->mods[i], "async");
		for (size_t k = 0; k < sizeof(mods) / sizeof(mods[0]); k++)
			refused |= ptx_tok_is(&st->mods[i], mods[k]);
	}
	if (refused)
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
	return refused;
}

void ptx_decode(struct ptx_parser *p)
{
	const struct ptx_op *op = ptx_op_find(p->st.op.s, p->st.op.len);

	if (!op)
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
	else if (op->decode)
		op->decode(p);
	else
		ptx_decode_form(p, op->mods);
}

/* lop3.or.b32 d|p, a, b, c, table, q: in r[4] and r[5] the predicates */
void ptx_decode_lop3(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	uint32_t r[6] = { 0 }, op = st->nr_mods == 2 ? flag(&st->mods[0]) & M_BOOL : 0;
	const struct ptx_operand *pair = &st->elems[st->ops[0].first];
	struct sg_insn *in;

	if (!op) {
		ptx_decode_form(p, 0);
		return;
	}
	if (ptx_stmt_type(st) != PTX_B32 || st->nr_ops != 6 || st->ops[0].kind != OPK_PAIR ||
	    st->ops[4].kind != OPK_INT) {
		ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
		return;
	}
	for (uint32_t i = 1; i < 4; i++)
		if (!ptx_src_row(p, &st->ops[i], 'w', &r[i]))
			return;
	if (!ptx_src_row(p, &st->ops[5], 'p', &r[5]) || !ptx_dst_row(p, &pair[0], 'w', &r[0]) ||
	    !ptx_dst_row(p, &pair[1], 'p', &r[4]))
		return;
	in = ptx_emit_form(p, "@lop3.pred");
	memcpy(in->r, r, sizeof(r));
	in->imm = (int64_t)st->ops[4].imm;
	in->mods = op;
}

static const struct {
	const char *name, *negated;
} compares[] = {
	{ "eq", NULL }, { "ne", NULL }, { "lt", NULL }, { "le", NULL }, { "gt", NULL }, { "ge", NULL },
	{ "lo", "lt" }, { "ls", "le" }, { "hi", "gt" }, { "hs", "ge" }, { "equ", NULL }, { "neu", NULL },
	{ "ltu", NULL }, { "leu", NULL }, { "gtu", NULL }, { "geu", NULL }, { "num", NULL }, { "nan", NULL },
};

/* lo ls hi hs are the unsigned spellings of lt le gt ge. */
static const char *compare(const struct ptx_stmt *st, enum ptx_type t)
{
	for (uint32_t i = 0; i < st->nr_mods; i++)
		for (size_t k = 0; k < sizeof(compares) / sizeof(compares[0]); k++)
			if (ptx_tok_is(&st->mods[i], compares[k].name)) {
				if (compares[k].negated && ptx_types[t].cls != 'u' &&
				    ptx_types[t].cls != 'b')
					return NULL;
				return compares[k].negated ? compares[k].negated : compares[k].name;
			}
	return NULL;
}

static struct sg_insn *emit_setp(struct ptx_parser *p, const char *cmp, enum ptx_type t,
				 uint32_t mods, const struct ptx_operand *src, uint32_t nr)
{
	char key[NAME_MAX], letter = ptx_letter(t);
	uint32_t r[4] = { 0 };
	struct sg_insn *in;

	if (nr != ((mods & M_BOOL) ? 3u : 2u)) {
		ptx_decode_error(p, SG_INVALID_PTX, "wrong number of operands for");
		return NULL;
	}
	if (!ptx_src_row(p, &src[0], letter, &r[1]) || !ptx_src_row(p, &src[1], letter, &r[2]) ||
	    ((mods & M_BOOL) && !ptx_src_row(p, &src[2], 'p', &r[3])))
		return NULL;
	snprintf(key, sizeof(key), "setp.%s.%s", cmp, ptx_types[t].name);
	in = ptx_emit_form(p, key);
	memcpy(in->r, r, sizeof(r));
	in->mods = mods;
	return in;
}

/* What set writes where setp writes true: all ones, or 1.0. */
static uint32_t truth(enum ptx_type dt, bool pair)
{
	switch (dt) {
	case PTX_F32:
		return 0x3f800000;
	case PTX_F16: case PTX_F16X2:
		return 0x3c00;
	case PTX_BF16: case PTX_BF16X2:
		return 0x3f80;
	case PTX_U16: case PTX_S16:
		return 0xffff;
	case PTX_U32: case PTX_S32:
		return pair ? 0xffff : SG_ALL;
	default:
		return 0;
	}
}

static uint32_t emit_choice(struct ptx_parser *p, uint32_t dst, uint32_t one, uint32_t cond)
{
	struct sg_insn *in = ptx_emit_form(p, "selp.b32");

	in->r[0] = dst;
	in->r[1] = ptx_imm_row(p, one, false);
	in->r[2] = ptx_imm_row(p, 0, false);
	in->r[3] = cond;
	return dst;
}

static void decode_set(struct ptx_parser *p, const char *cmp, enum ptx_type dt, enum ptx_type st,
		       uint32_t mods)
{
	bool pair = st == PTX_F16X2 || st == PTX_BF16X2;
	uint32_t dst, lo, hi, one = truth(dt, pair);
	struct sg_insn *in;

	if (!one || pair != (dt == PTX_F16X2 || dt == PTX_BF16X2 ||
			     (pair && ptx_types[dt].bits == 32 && dt != PTX_F32))) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	in = emit_setp(p, cmp, st, mods, p->st.ops + 1, p->st.nr_ops ? p->st.nr_ops - 1 : 0);
	if (!in || !ptx_dst_row(p, &p->st.ops[0], ptx_letter(dt), &dst))
		return;
	lo = in->r[0] = ptx_row(p, 0);
	if (!pair) {
		emit_choice(p, dst, one, lo);
		return;
	}
	hi = in->r[4] = ptx_row(p, 0);
	lo = emit_choice(p, ptx_row(p, 4), one, lo);
	hi = emit_choice(p, ptx_row(p, 4), one << 16, hi);
	in = ptx_emit_form(p, "or.b32");
	in->r[0] = dst;
	in->r[1] = lo;
	in->r[2] = hi;
}

void ptx_decode_setp(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum ptx_type t = ptx_stmt_type(st), dt = PTX_NONE;
	const char *cmp = compare(st, t);
	uint32_t mods = 0, first = 0, second = 0;
	struct sg_insn *in;

	for (uint32_t i = 0; i < st->nr_mods; i++) {
		mods |= flag(&st->mods[i]) & (M_FTZ | M_BOOL);
		if (i + 2 == st->nr_mods)
			dt = ptx_type_find(st->mods[i].s, st->mods[i].len);
	}
	if (!cmp || !st->nr_ops) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (st->op.len == 3) {
		decode_set(p, cmp, dt, t, mods);
		return;
	}
	in = emit_setp(p, cmp, t, mods, st->ops + 1, st->nr_ops - 1);
	if (!in)
		return;
	if (st->ops[0].kind == OPK_PAIR) {
		const struct ptx_operand *pair = &st->elems[st->ops[0].first];

		if (!ptx_dst_row(p, &pair[0], 'p', &first) ||
		    !ptx_dst_row(p, &pair[1], 'p', &second))
			return;
	} else if (!ptx_dst_row(p, &st->ops[0], 'p', &first)) {
		return;
	}
	in->r[0] = first;
	in->r[4] = second;	/* row 0 is nobody's */
}
