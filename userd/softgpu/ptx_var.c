/* SPDX-License-Identifier: MIT */
/*
 * ptx_var.c - declarations of variables and registers (PTX ISA 5)
 */
#include <string.h>

#include "ptx_parse.h"

#define MAX_DIMS 8
#define MAX_LOCAL (512u << 10)		/* per thread, as on a GPU */
#define MAX_SHARED (228u << 10)
#define MAX_PARAM 32764u

enum sg_space ptx_space_find(const struct ptx_tok *t)
{
	static const struct { const char *name; enum sg_space space; } names[] = {
		{ "global", SG_SPACE_GLOBAL }, { "shared", SG_SPACE_SHARED }, { "local", SG_SPACE_LOCAL },
		{ "param", SG_SPACE_PARAM }, { "const", SG_SPACE_CONST }, { "reg", SG_SPACE_REG },
		{ "shared::cta", SG_SPACE_SHARED },
		/* the only CTA of its cluster */
		{ "shared::cluster", SG_SPACE_SHARED }, { "param::entry", SG_SPACE_PARAM },
		{ "param::func", SG_SPACE_PARAM },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ptx_tok_is(t, names[i].name))
			return names[i].space;
	return SG_SPACE_GENERIC;
}

static enum ptx_type type_here(struct ptx_parser *p)
{
	enum ptx_type t = PTX_NONE;

	if (p->l.tok.kind == TOK_DOT)
		t = ptx_type_find(p->l.tok.s, p->l.tok.len);
	if (t)
		ptx_next(&p->l);
	return t;
}

/* Elements of a vector register, 1 without .v2 or .v4; 0: too many bits (PTX ISA 5.4.2). */
static uint32_t vector_here(struct ptx_lex *l, enum ptx_type t, uint32_t lanes)
{
	if (lanes == 1)
		lanes = ptx_accept_dot(l, "v2") ? 2 : ptx_accept_dot(l, "v4") ? 4 : 1;
	return lanes > 1 && t && (t == PTX_PRED || ptx_types[t].bits * lanes > 128) ? 0 : lanes;
}

/* .reg .b32 %r<100>, %q; .reg .v4 .f32 v; */
void ptx_parse_regs(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	struct ptx_tok what = l->tok;
	uint32_t lanes = vector_here(l, PTX_NONE, 1);
	enum ptx_type t = type_here(p);

	lanes = vector_here(l, t, lanes);
	if (!lanes) {
		ptx_error_at(l, &what, SG_INVALID_PTX,
			     "a vector register has up to 128 bits, and no predicates");
		return;
	}
	if (!t) {
		ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX,
			     "registers of type '.%.*s' are not supported",
			     (int)(l->tok.len > 40 ? 40 : l->tok.len), l->tok.s);
		return;
	}
	do {
		struct ptx_tok name = l->tok;
		struct ptx_sym *y;
		bool range;

		if (name.kind != TOK_IDENT) {
			ptx_error(l, "a register name expected");
			return;
		}
		ptx_next(l);
		range = ptx_accept(l, '<');
		y = ptx_sym_add(p, &name, range ? SYM_RANGE : SYM_REG);
		if (!y)
			return;
		y->type = t;
		y->lanes = lanes;
		if (!range) {
			y->row = ptx_reg_row(p, t, lanes);
			continue;
		}
		if (l->tok.kind != TOK_INT || l->tok.u > 1000000000) {
			ptx_error(l, "the number of registers expected");
			return;
		}
		y->row = (uint32_t)l->tok.u;
		ptx_next(l);
		ptx_expect(l, '>');
	} while (ptx_accept(l, ','));
	ptx_expect(l, ';');
}

struct declaration {
	uint32_t align, lanes;	/* .v2 and .v4 */
	enum ptx_type type;
	bool managed;
};

static bool attributes(struct ptx_parser *p, struct declaration *d)
{
	struct ptx_lex *l = &p->l;
	enum ptx_type t;

	while (l->tok.kind == TOK_DOT) {
		if ((t = type_here(p)) != PTX_NONE) {
			d->type = t;
		} else if (ptx_accept_dot(l, "align")) {
			if (l->tok.kind != TOK_INT || !l->tok.u || l->tok.u > 1024 ||
			    (l->tok.u & (l->tok.u - 1))) {
				ptx_error(l, "an alignment must be a power of two up to 1024");
				return false;
			}
			d->align = (uint32_t)l->tok.u;
			ptx_next(l);
		} else if (ptx_accept_dot(l, "v2")) {
			d->lanes = 2;
		} else if (ptx_accept_dot(l, "v4")) {
			d->lanes = 4;
		} else if (ptx_accept_dot(l, "ptr")) {
			/* what follows tells of the target of the pointer */
			uint32_t keep = d->align;

			while (ptx_space_find(&l->tok) != SG_SPACE_GENERIC &&
			       l->tok.kind == TOK_DOT)
				ptx_next(l);
			if (ptx_at_dot(l, "align") && !attributes(p, d))
				return false;
			d->align = keep;
		} else if (ptx_accept_dot(l, "attribute")) {
			if (!ptx_skip_attribute(p, &d->managed))
				return false;
		} else {
			ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX,
				     "'.%.*s' is not supported here",
				     (int)(l->tok.len > 40 ? 40 : l->tok.len), l->tok.s);
			return false;
		}
	}
	if (!d->type || d->type == PTX_PRED) {
		ptx_error(l, "a variable needs a type");
		return false;
	}
	return true;
}

static bool dimensions(struct ptx_parser *p, struct ptx_var *v, uint64_t *dims, uint32_t *nr)
{
	struct ptx_lex *l = &p->l;
	int64_t n;

	while (ptx_accept(l, '[')) {
		if (*nr == MAX_DIMS) {
			ptx_error(l, "an array of more than %d dimensions", MAX_DIMS);
			return false;
		}
		n = 0;
		if (!ptx_at(l, ']') && !ptx_const_int(p, &n))
			return false;
		if (n < 0 || __builtin_mul_overflow(v->size, (uint64_t)n, &v->size) ||
		    v->size >> 40) {
			ptx_error(l, "array '%s' has a bad size", v->name);
			return false;
		}
		dims[(*nr)++] = (uint64_t)n;
		if (!ptx_expect(l, ']'))
			return false;
	}
	return true;
}

static void store(uint8_t *at, uint64_t bits, uint32_t bytes)
{
	memcpy(at, &bits, bytes);	/* little endian, as PTX is */
}

static bool init_number(struct ptx_parser *p, struct ptx_var *v, uint64_t at)
{
	uint32_t bytes = ptx_type_bytes(v->type);
	struct ptx_operand op = { 0 };
	uint64_t bits;
	double d;
	float f;

	if (!ptx_const_value(p, &op))
		return false;
	bits = op.imm;
	if (op.kind == OPK_F64 && bytes == 4) {
		memcpy(&d, &bits, 8);
		f = (float)d;
		memcpy(&bits, &f, 4);
	} else if (op.kind == OPK_F32 && bytes == 8) {
		memcpy(&f, &bits, 4);
		d = f;
		memcpy(&bits, &d, 8);
	} else if (op.kind == OPK_INT && v->type == PTX_F32) {
		f = (float)(int64_t)bits;
		memcpy(&bits, &f, 4);
	} else if (op.kind == OPK_INT && v->type == PTX_F64) {
		d = (double)(int64_t)bits;
		memcpy(&bits, &d, 8);
	}
	store(v->init + at, bits, bytes);
	return true;
}

/* sym, sym+4, generic(sym), 0xff00(generic(sym)+8) */
static bool init_symbol(struct ptx_parser *p, struct ptx_var *v, uint64_t at, uint64_t mask)
{
	struct ptx_lex *l = &p->l;
	struct ptx_reloc *r;
	struct ptx_sym *y;
	bool generic = false;
	int64_t off = 0;

	if (ptx_tok_is(&l->tok, "generic")) {
		ptx_next(l);
		if (!ptx_expect(l, '('))
			return false;
		generic = true;
	}
	y = ptx_sym_find(p, l->tok.s, l->tok.len);
	if (!y || (y->kind != SYM_VAR && y->kind != SYM_FUNC)) {
		ptx_error(l, "unknown symbol '%.*s' in an initialiser",
			  (int)(l->tok.len > 60 ? 60 : l->tok.len), l->tok.s);
		return false;
	}
	ptx_next(l);
	if (generic && !ptx_expect(l, ')'))
		return false;
	if ((ptx_at(l, '+') || ptx_at(l, '-')) && !ptx_const_int(p, &off))
		return false;
	r = ptx_alloc(p, p->arena, sizeof(*r));
	if (!r)
		return false;
	r->var = y->var;
	r->fn = y->fn;
	if (r->fn)
		r->fn->indirect = true;
	r->addend = off;
	r->mask = mask;
	r->offset = (uint32_t)at;
	r->bytes = ptx_type_bytes(v->type);
	r->generic = generic;
	r->next = v->relocs;
	v->relocs = r;
	return true;
}

static bool init_element(struct ptx_parser *p, struct ptx_var *v, uint64_t at)
{
	struct ptx_lex *l = &p->l;
	struct ptx_tok next;
	uint64_t mask;

	if (at + ptx_type_bytes(v->type) > v->size || at > UINT32_MAX) {
		ptx_error(l, "more initial values than '%s' has elements", v->name);
		return false;
	}
	if (l->tok.kind == TOK_IDENT && !ptx_tok_is(&l->tok, "WARP_SZ"))
		return init_symbol(p, v, at, 0);
	next = ptx_peek(l);
	if (l->tok.kind == TOK_INT && next.kind == TOK_PUNCT && next.ch == '(') {
		mask = l->tok.u;
		ptx_next(l);
		ptx_next(l);
		return mask && init_symbol(p, v, at, mask) && ptx_expect(l, ')');
	}
	return init_number(p, v, at);
}

/* The braces of dimension d, whose elements are stride bytes each. */
static bool init_list(struct ptx_parser *p, struct ptx_var *v, uint64_t at, uint64_t whole,
		      const uint64_t *dims, uint32_t nr)
{
	struct ptx_lex *l = &p->l;
	uint64_t stride = nr && dims[0] ? whole / dims[0] : ptx_type_bytes(v->type);

	if (!ptx_expect(l, '{'))
		return false;
	while (!ptx_at(l, '}')) {
		if (ptx_at(l, '{')) {
			if (nr < 2) {
				ptx_error(l, "braces nested deeper than '%s' has dimensions",
					  v->name);
				return false;
			}
			if (!init_list(p, v, at, stride, dims + 1, nr - 1))
				return false;
			at += stride;
		} else {
			if (!init_element(p, v, at))
				return false;
			at += ptx_type_bytes(v->type);
		}
		if (!ptx_accept(l, ','))
			break;
	}
	return ptx_expect(l, '}');
}

static uint64_t count_elements(const struct ptx_lex *from)
{
	struct ptx_lex l = *from;
	uint64_t n = 0;
	int depth = 0;

	l.log = NULL;
	for (; l.tok.kind != TOK_EOF && !ptx_at(&l, ';'); ptx_next(&l)) {
		depth += ptx_at(&l, '{') - ptx_at(&l, '}');
		n += ptx_at(&l, ',') && depth == 1;
	}
	return n + 1;
}

static bool initialiser(struct ptx_parser *p, struct ptx_var *v, uint64_t *dims, uint32_t nr)
{
	if (v->space != SG_SPACE_GLOBAL && v->space != SG_SPACE_CONST) {
		ptx_error(&p->l, "'%s' cannot have an initial value in its state space", v->name);
		return false;
	}
	if (nr && !dims[0]) {		/* int a[] = { 1, 2, 3 }; */
		dims[0] = count_elements(&p->l);
		v->size = dims[0] * ptx_type_bytes(v->type);
		for (uint32_t i = 1; i < nr; i++)
			v->size *= dims[i];
	}
	v->init = v->size >> 32 ? NULL : ptx_alloc(p, p->arena, v->size + 8);
	if (!v->init) {
		ptx_error(&p->l, "the initial value of '%s' is too large", v->name);
		return false;
	}
	if (ptx_at(&p->l, '{'))
		return init_list(p, v, 0, v->size, dims, nr);
	return init_element(p, v, 0);
}

static bool place(struct ptx_parser *p, struct ptx_var *v)
{
	uint32_t limit = v->space == SG_SPACE_SHARED  ? MAX_SHARED
			 : v->space == SG_SPACE_LOCAL ? MAX_LOCAL
						      : MAX_PARAM;
	uint32_t *top;

	if (v->space == SG_SPACE_GLOBAL || v->space == SG_SPACE_CONST)
		return true;
	if (v->size > limit) {
		ptx_error(&p->l, "'%s' is larger than its state space (%u bytes)", v->name, limit);
		return false;
	}
	if (v->space == SG_SPACE_SHARED)
		return true;	/* each kernel lays out what it uses */
	top = v->space == SG_SPACE_PARAM ? &p->fn->param_bytes : &p->fn->local_bytes;
	v->addr = (*top + v->align - 1) & ~(v->align - 1);
	if (v->addr + v->size > limit) {
		ptx_error(&p->l,
			  "function '%s' uses more than %u bytes of local memory or parameters",
			  p->fn->name, limit);
		return false;
	}
	*top = (uint32_t)(v->addr + v->size);
	return true;
}

static struct ptx_var *declare(struct ptx_parser *p, const struct declaration *d,
			       enum sg_space space, enum ptx_linkage linkage)
{
	struct ptx_lex *l = &p->l;
	struct ptx_tok name = l->tok;
	uint64_t dims[MAX_DIMS + 1] = { 0 };
	uint32_t nr = 0;
	struct ptx_sym *y, *old;
	struct ptx_var *v;

	if (name.kind != TOK_IDENT) {
		ptx_error(l, "a variable name expected");
		return NULL;
	}
	ptx_next(l);
	v = ptx_alloc(p, p->arena, sizeof(*v));
	if (!v)
		return NULL;
	v->name = ptx_strdup(p, name.s, name.len);
	v->space = space;
	v->type = d->type;
	v->linkage = linkage;
	v->managed = d->managed;
	v->align = d->align ? d->align : ptx_type_bytes(d->type) * d->lanes;
	v->line = name.line;
	v->unit = p->unit;
	v->size = ptx_type_bytes(d->type) * d->lanes;
	if (ptx_at(l, '<')) {
		ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX,
			     "ranges of variables are not supported");
		return NULL;
	}
	if (!v->name || !dimensions(p, v, dims, &nr))
		return NULL;
	if (d->lanes > 1)
		dims[nr++] = d->lanes;
	/* an .extern declaration may be followed by the definition in the same text */
	old = ptx_sym_find(p, name.s, name.len);
	if (old && old->kind == SYM_VAR && old->depth == p->syms.depth && !p->fn &&
	    (old->var->linkage == PTX_EXTERN || linkage == PTX_EXTERN)) {
		if (linkage == PTX_EXTERN)
			return old->var;
		old->var->def = v;
		old->var = v;
	} else {
		y = ptx_sym_add(p, &name, SYM_VAR);
		if (!y)
			return NULL;
		y->var = v;
	}
	if (ptx_accept(l, '=') && !initialiser(p, v, dims, nr))
		return NULL;
	return place(p, v) ? v : NULL;
}

static void keep(struct ptx_parser *p, struct ptx_var *v)
{
	if (v->space != SG_SPACE_GLOBAL && v->space != SG_SPACE_CONST &&
	    v->space != SG_SPACE_SHARED)
		return;
	if (v->next || p->vars_end == &v->next)
		return;
	*p->vars_end = v;
	p->vars_end = &v->next;
}

/* One formal parameter, without the comma after it. */
struct ptx_var *ptx_parse_var(struct ptx_parser *p, enum sg_space space, enum ptx_linkage linkage,
			      bool param)
{
	struct declaration d = { .lanes = 1 };
	struct ptx_var *v;

	if (param && space == SG_SPACE_REG) {
		struct ptx_sym *y;

		d.type = type_here(p);
		if (!d.type || d.type == PTX_B128 || p->l.tok.kind != TOK_IDENT) {
			ptx_error(&p->l, "a register parameter expected");
			return NULL;
		}
		v = ptx_alloc(p, p->arena, sizeof(*v));
		y = v ? ptx_sym_add(p, &p->l.tok, SYM_VAR) : NULL;
		if (!y)
			return NULL;
		v->name = ptx_strdup(p, p->l.tok.s, p->l.tok.len);
		v->space = space;
		v->type = d.type;
		v->size = v->align = ptx_type_bytes(d.type);
		v->row = ptx_row(p, d.type == PTX_PRED ? 0 : ptx_types[d.type].bits > 32 ? 8 : 4);
		y->var = v;
		ptx_next(&p->l);
		return v;
	}
	return attributes(p, &d) ? declare(p, &d, space, linkage) : NULL;
}

bool ptx_parse_vars(struct ptx_parser *p, enum sg_space space, enum ptx_linkage linkage)
{
	struct declaration d = { .lanes = 1 };
	struct ptx_var *v;

	if (!attributes(p, &d))
		return false;
	do {
		v = declare(p, &d, space, linkage);
		if (!v)
			return false;
		keep(p, v);
	} while (ptx_accept(&p->l, ','));
	return ptx_expect(&p->l, ';');
}
