/* SPDX-License-Identifier: MIT */
/*
 * ptx_operand.c - operands of instructions and constant expressions (PTX ISA 4.5, 6)
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

#define MAX_NEST 40

static bool expression(struct ptx_parser *p, int64_t *v, int prec, int nest);

static bool primary(struct ptx_parser *p, int64_t *v, int nest)
{
	struct ptx_lex *l = &p->l;

	if (nest > MAX_NEST) {
		ptx_error(l, "an expression nested too deep");
		return false;
	}
	if (l->tok.kind == TOK_INT) {
		*v = (int64_t)l->tok.u;
		ptx_next(l);
		return true;
	}
	if (ptx_tok_is(&l->tok, "WARP_SZ")) {
		*v = SG_LANES;
		ptx_next(l);
		return true;
	}
	if (ptx_accept(l, '('))
		return expression(p, v, 0, nest + 1) && ptx_expect(l, ')');
	if (ptx_accept(l, '-')) {
		if (!primary(p, v, nest + 1))
			return false;
		*v = (int64_t)-(uint64_t)*v;
		return true;
	}
	if (ptx_accept(l, '+'))
		return primary(p, v, nest + 1);
	if (ptx_accept(l, '~')) {
		if (!primary(p, v, nest + 1))
			return false;
		*v = ~*v;
		return true;
	}
	if (ptx_accept(l, '!')) {
		if (!primary(p, v, nest + 1))
			return false;
		*v = !*v;
		return true;
	}
	ptx_error(l, "a constant expected before '%.*s'", (int)(l->tok.len > 40 ? 40 : l->tok.len),
		  l->tok.s);
	return false;
}

/* Operators in the order of C; the letter is what apply() knows them by. */
static const struct operator {
	char text[3], op;
	int prec;
} operators[] = {
	{ "<<", 'L', 8 }, { ">>", 'R', 8 }, { "<=", 'l', 7 }, { ">=", 'g', 7 }, { "==", 'e', 6 }, { "!=", 'n', 6 },
	{ "&&", 'A', 2 }, { "||", 'O', 1 },
	{ "*", '*', 10 }, { "/", '/', 10 }, { "%", '%', 10 }, { "+", '+', 9 }, { "-", '-', 9 }, { "<", '<', 7 },
	{ ">", '>', 7 }, { "&", '&', 5 }, { "^", '^', 4 }, { "|", '|', 3 },
};

static const struct operator *operator_here(const struct ptx_lex *l)
{
	char second = l->p < l->end ? *l->p : 0;

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]) && l->tok.kind == TOK_PUNCT;
	     i++)
		if (operators[i].text[0] == l->tok.ch &&
		    (!operators[i].text[1] || operators[i].text[1] == second))
			return &operators[i];
	return NULL;
}

static bool apply(struct ptx_parser *p, char op, int64_t *v, int64_t w)
{
	uint64_t a = (uint64_t)*v, b = (uint64_t)w;

	if ((op == '/' || op == '%') && (!w || (w == -1 && *v == INT64_MIN))) {
		ptx_error(&p->l, "a division in a constant expression overflows");
		return false;
	}
	switch (op) {
	case '*': *v = (int64_t)(a * b); break;
	case '/': *v = *v / w; break;
	case '%': *v = *v % w; break;
	case '+': *v = (int64_t)(a + b); break;
	case '-': *v = (int64_t)(a - b); break;
	case 'L': *v = b > 63 ? 0 : (int64_t)(a << b); break;
	case 'R': *v = *v >> (b > 63 ? 63 : b); break;
	case '<': *v = *v < w; break;
	case '>': *v = *v > w; break;
	case 'l': *v = *v <= w; break;
	case 'g': *v = *v >= w; break;
	case 'e': *v = *v == w; break;
	case 'n': *v = *v != w; break;
	case 'A': *v = *v && w; break;
	case 'O': *v = *v || w; break;
	case '&': *v = (int64_t)(a & b); break;
	case '^': *v = (int64_t)(a ^ b); break;
	default: *v = (int64_t)(a | b); break;
	}
	return true;
}

static bool expression(struct ptx_parser *p, int64_t *v, int prec, int nest)
{
	struct ptx_lex *l = &p->l;
	const struct operator *o;
	int64_t w, x;

	if (!primary(p, v, nest))
		return false;
	while ((o = operator_here(l)) && o->prec > prec) {
		ptx_next(l);
		if (o->text[1])
			ptx_next(l);
		if (!expression(p, &w, o->prec, nest + 1) || !apply(p, o->op, v, w))
			return false;
	}
	if (prec || !ptx_accept(l, '?'))
		return true;
	if (!expression(p, &w, 0, nest + 1) || !ptx_expect(l, ':') ||
	    !expression(p, &x, 0, nest + 1))
		return false;
	*v = *v ? w : x;
	return true;
}

bool ptx_const_int(struct ptx_parser *p, int64_t *v)
{
	return expression(p, v, 0, 0);
}

/* A number, with its sign: an integer expression or one floating point literal. */
bool ptx_const_value(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_lex *l = &p->l;
	bool minus = false;
	int64_t v;

	op->tok = l->tok;
	if (ptx_at(l, '-') || ptx_at(l, '+')) {
		struct ptx_tok ahead = ptx_peek(l);

		if (ahead.kind == TOK_F32 || ahead.kind == TOK_F64 || ptx_at_fraction(l, &ahead)) {
			minus = ptx_at(l, '-');
			ptx_next(l);
		}
	}
	if (ptx_at_fraction(l, &l->tok))
		ptx_read_fraction(l);
	if (l->tok.kind == TOK_F32 || l->tok.kind == TOK_F64) {
		op->kind = l->tok.kind == TOK_F32 ? OPK_F32 : OPK_F64;
		op->imm = l->tok.u ^ (minus ? l->tok.kind == TOK_F32 ? 1ull << 31 : 1ull << 63 : 0);
		ptx_next(l);
		return true;
	}
	op->kind = OPK_INT;
	if (!ptx_const_int(p, &v))
		return false;
	op->imm = (uint64_t)v;
	return true;
}

/* Which element of a vector .x, .y or .r, .g is (PTX ISA 6.4.3); -1: none. */
static int element_here(const struct ptx_tok *t)
{
	static const char names[] = "xyzwrgba";
	const char *at = t->kind == TOK_DOT && t->len == 1 ? memchr(names, *t->s, sizeof(names) - 1)
							   : NULL;

	return at ? (int)(at - names) % 4 : -1;
}

static const struct sg_sreg_name *special_named(const char *name)
{
	const struct sg_sreg_name *s = sg_sregs;

	while (s->name && strcmp(s->name, name))
		s++;
	return s->name ? s : NULL;
}

/* %tid.x: the lexer gives "%tid" and ".x"; without the latter it is all four. */
static bool special(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_lex *l = &p->l;
	const struct sg_sreg_name *s;
	size_t len = l->tok.len;
	bool part, whole;
	char name[40];

	if (l->tok.s[0] != '%' || len > 30)
		return false;
	memcpy(name, l->tok.s, len);
	name[len] = 0;
	part = l->tok.s + len < l->end && l->tok.s[len] == '.';
	if (part) {
		struct ptx_tok ahead = ptx_peek(l);

		if (ahead.len != 1 || !strchr("xyzw", ahead.s[0]))
			return false;
		name[len + 1] = ahead.s[0];
	}
	s = part ? NULL : special_named(name);
	whole = !part && !s;
	if (!s) {
		name[len] = '.';
		name[len + 1] = part ? name[len + 1] : 'x';
		name[len + 2] = 0;
		s = special_named(name);
	}
	if (!s)
		return false;
	op->kind = OPK_SREG;
	op->imm = s->id;
	op->bits = s->bits;
	p->m->reserved |= s->id >= SREG_RESERVED && s->id <= SREG_RESERVED_CAP;
	op->lanes = whole ? 4 : 0;
	if (part)
		ptx_next(l);
	ptx_next(l);
	return true;
}

/* A register, or the element of a vector that follows its name. */
static void registered(struct ptx_parser *p, const struct ptx_sym *y, struct ptx_operand *op)
{
	struct ptx_tok ahead;
	int i;

	op->kind = OPK_REG;
	op->type = y->type;
	op->row = y->row;
	if (y->lanes < 2)
		return;
	ahead = ptx_peek(&p->l);
	i = element_here(&ahead);
	op->lanes = (uint8_t)y->lanes;
	if (i < 0)
		return;
	op->lanes = 0;
	op->row += (uint32_t)i * ptx_row_step(y->type);
	ptx_next(&p->l);
	if (i >= (int)y->lanes)
		ptx_error(&p->l, "'%.*s' has %u elements", (int)(y->len > 60 ? 60 : y->len),
			  y->name, y->lanes);
}

static bool named(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_lex *l = &p->l;
	struct ptx_sym *y;

	if (ptx_tok_is(&l->tok, "_")) {
		op->kind = OPK_SINK;
		ptx_next(l);
		return true;
	}
	if (ptx_tok_is(&l->tok, "WARP_SZ"))
		return ptx_const_value(p, op);
	y = ptx_sym_find(p, l->tok.s, l->tok.len);
	if (!y && l->res)
		return false;
	if (!y && special(p, op))
		return true;
	op->sym = y;
	if (!y) {
		op->kind = OPK_LABEL;	/* perhaps one that comes later */
	} else if (y->kind == SYM_REG) {
		registered(p, y, op);
	} else if (y->kind == SYM_VAR) {
		op->kind = OPK_VAR;
		if (y->var->space == SG_SPACE_REG) {
			op->kind = OPK_REG;
			op->type = y->var->type;
			op->row = y->var->row;
		}
	} else {
		op->kind = y->kind == SYM_FUNC ? OPK_FUNC : OPK_LABEL;
	}
	ptx_next(l);
	return true;
}

static struct ptx_operand *elem(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_stmt *st = &p->st;

	if (st->nr_elems >= PTX_MAX_ELEMS) {
		ptx_error(&p->l, "too many operands");
		return NULL;
	}
	if (!op->nr++)
		op->first = st->nr_elems;
	return &st->elems[st->nr_elems++];
}

static bool plain(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_lex *l = &p->l;

	*op = (struct ptx_operand){ .tok = l->tok };
	if (ptx_at(l, '!')) {
		struct ptx_tok ahead = ptx_peek(l);

		if (ahead.kind == TOK_IDENT) {
			ptx_next(l);
			op->neg = true;
		}
	}
	if (ptx_at(l, '-') && ptx_tok_is(&p->st.op, "vmad") && ptx_peek(l).kind == TOK_IDENT) {
		ptx_next(l);
		op->minus = true;
	}
	if (l->tok.kind != TOK_IDENT)
		return ptx_const_value(p, op);
	if (!named(p, op))
		return false;
	if (op->kind == OPK_VAR && (ptx_at(l, '+') || ptx_at(l, '-'))) {
		int64_t off;

		if (!ptx_const_int(p, &off))
			return false;
		op->imm = (uint64_t)off;
	}
	return true;
}

/* The last element of op is a vector: its elements come in its place. */
static bool spread(struct ptx_parser *p, struct ptx_operand *op, struct ptx_operand *e)
{
	struct ptx_operand whole = *e;
	char name[40];

	for (uint32_t i = 0; i < whole.lanes; i++) {
		if (i)
			e = elem(p, op);
		if (!e)
			return false;
		*e = whole;
		e->lanes = 0;
		if (whole.kind == OPK_REG) {
			e->row += i * ptx_row_step(whole.type);
			continue;
		}
		snprintf(name, sizeof(name), "%.*s.%c", (int)whole.tok.len, whole.tok.s, "xyzw"[i]);
		e->imm = special_named(name)->id;
	}
	return true;
}

/* A vector that is the operand, as if its elements stood there in braces. */
static bool expand(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_operand whole = *op, *e;

	*op = (struct ptx_operand){ .kind = OPK_VEC, .tok = whole.tok };
	e = elem(p, op);
	if (!e)
		return false;
	*e = whole;
	return spread(p, op, e);
}

/* After the opening bracket: elements up to close. */
static bool sequence(struct ptx_parser *p, struct ptx_operand *op, char close)
{
	struct ptx_operand *e;

	if (ptx_accept(&p->l, close))
		return true;
	do {
		e = elem(p, op);
		if (!e || !plain(p, e))
			return false;
	} while (ptx_accept(&p->l, ','));
	return ptx_expect(&p->l, close);
}

/* [object, {x, y}]: after the comma. */
static bool point(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_lex *l = &p->l;
	struct ptx_operand *e;

	op->kind = OPK_POINT;
	if (ptx_accept(l, '{'))
		return sequence(p, op, '}') && ptx_expect(l, ']');
	e = elem(p, op);
	if (!e || !plain(p, e))
		return false;
	if (e->lanes && !spread(p, op, e))
		return false;
	if (ptx_at(l, ',')) {
		ptx_error_at(l, &e->tok, SG_UNSUPPORTED_PTX,
			     "a sampler apart from its texture ('%.*s') is not supported",
			     (int)(e->tok.len > 60 ? 60 : e->tok.len), e->tok.s);
		return false;
	}
	return ptx_expect(l, ']');
}

static bool address(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_lex *l = &p->l;
	struct ptx_operand *e;
	int64_t off = 0;

	if (l->tok.kind == TOK_IDENT && !ptx_tok_is(&l->tok, "WARP_SZ")) {
		e = elem(p, op);
		if (!e)
			return false;
		*e = (struct ptx_operand){ .tok = l->tok };
		if (!named(p, e))
			return false;
		if (ptx_accept(l, ','))
			return point(p, op);
		if (ptx_at(l, '-')) {
			if (!ptx_const_int(p, &off))
				return false;
		} else if (ptx_accept(l, '+') && !ptx_const_int(p, &off)) {
			return false;
		}
	} else if (!ptx_const_int(p, &off)) {
		return false;
	}
	op->imm = (uint64_t)off;
	return ptx_expect(l, ']');
}

bool ptx_parse_operand(struct ptx_parser *p, struct ptx_operand *op)
{
	struct ptx_lex *l = &p->l;
	struct ptx_operand first, *e;

	*op = (struct ptx_operand){ .tok = l->tok };
	if (ptx_accept(l, '{')) {
		op->kind = OPK_VEC;
		if (!sequence(p, op, '}'))
			return false;
		if (!ptx_at(l, '|'))
			return true;
		ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX,
			     "the residency predicate of a texture fetch is not supported");
		return false;
	}
	if (ptx_at(l, '(')) {
		struct ptx_tok ahead = ptx_peek(l);

		/* (a, b) of a call, or a parenthesised constant */
		if (ahead.kind != TOK_IDENT && !(ahead.kind == TOK_PUNCT && ahead.ch == ')') &&
		    !ptx_tok_is(&p->st.op, "call"))
			return plain(p, op);
		ptx_next(l);
		op->kind = OPK_LIST;
		return sequence(p, op, ')');
	}
	if (ptx_accept(l, '[')) {
		op->kind = OPK_ADDR;
		return address(p, op);
	}
	if (!plain(p, op))
		return false;
	if (op->lanes && (op->kind == OPK_REG || p->st.nr_mods == 2) && !ptx_at(l, '|'))	/* mov.v4.u32 d, %tid */
		return expand(p, op);
	if (l->tok.kind == TOK_DOT && op->kind == OPK_REG && p->st.op.s[0] == 'v') {
		op->sel = l->tok;
		ptx_next(l);
		return true;
	}
	if (!ptx_accept(l, '|'))
		return true;
	first = *op;
	*op = (struct ptx_operand){ .kind = OPK_PAIR, .tok = first.tok };
	e = elem(p, op);
	if (!e)
		return false;
	*e = first;
	e = elem(p, op);
	return e && plain(p, e);
}
