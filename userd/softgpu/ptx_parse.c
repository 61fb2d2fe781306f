/* SPDX-License-Identifier: MIT */
/*
 * ptx_parse.c - the top level of a PTX text
 */
#include <stdlib.h>
#include <string.h>

#include "ptx_parse.h"

static uint32_t version_number(const struct ptx_tok *t)
{
	uint32_t major = 0, minor = 0, i = 0;

	for (; i < t->len && t->s[i] >= '0' && t->s[i] <= '9' && major < 1000; i++)
		major = major * 10 + (uint32_t)(t->s[i] - '0');
	if (i + 1 < t->len && t->s[i] == '.' && t->s[i + 1] >= '0' && t->s[i + 1] <= '9')
		minor = (uint32_t)(t->s[i + 1] - '0');
	return major * 10 + minor;
}

static void header(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;

	if (!ptx_accept_dot(l, "version")) {
		ptx_error(l, "a PTX text begins with '.version'");
		return;
	}
	p->unit->version = version_number(&l->tok);
	if (l->tok.kind != TOK_F64 || p->unit->version < 10) {
		ptx_error(l, "a version number expected");
		return;
	}
	ptx_next(l);
}

/* .target sm_90a, debug */
static void target(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;

	do {
		if (l->tok.kind != TOK_IDENT) {
			ptx_error(l, "a target expected");
			return;
		}
		if (l->tok.len > 3 && !memcmp(l->tok.s, "sm_", 3)) {
			uint32_t n = 0;

			for (uint32_t i = 3;
			     i < l->tok.len && l->tok.s[i] >= '0' && l->tok.s[i] <= '9' && n < 1000;
			     i++)
				n = n * 10 + (uint32_t)(l->tok.s[i] - '0');
			p->unit->target = n;
		}
		ptx_next(l);
	} while (ptx_accept(l, ','));
}

static void section(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;

	while (l->tok.kind != TOK_EOF && !ptx_at(l, '{'))
		ptx_next(l);
	while (l->tok.kind != TOK_EOF && !ptx_at(l, '}'))
		ptx_next(l);
	ptx_expect(l, '}');
}

static enum ptx_linkage linkage(struct ptx_lex *l)
{
	if (ptx_accept_dot(l, "visible"))
		return PTX_VISIBLE;
	if (ptx_accept_dot(l, "weak"))
		return PTX_WEAK;
	if (ptx_accept_dot(l, "common"))
		return PTX_COMMON;
	if (ptx_accept_dot(l, "extern"))
		return PTX_EXTERN;
	return PTX_PRIVATE;
}

static struct ptx_func *function_here(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	struct ptx_sym *y = l->tok.kind == TOK_IDENT ? ptx_sym_find(p, l->tok.s, l->tok.len) : NULL;

	if (!y || y->kind != SYM_FUNC || y->fn->entry) {
		ptx_error(l, "a declared function expected");
		return NULL;
	}
	ptx_next(l);
	return y->fn;
}

/* .alias another, function; */
static void alias(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	struct ptx_tok name = l->tok;
	struct ptx_func *f = function_here(p), *of;

	if (!f || !ptx_expect(l, ','))
		return;
	of = function_here(p);
	if (!of || !ptx_expect(l, ';'))
		return;
	if (f->defined || f->alias || !of->defined || of == f) {
		ptx_error_at(l, &name, SG_INVALID_PTX,
			     "an alias is a declared name of a defined function");
		return;
	}
	f->alias = of;
}

static void directive(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	enum ptx_linkage link = linkage(l);
	enum sg_space space;

	if (ptx_at_dot(l, "entry") || ptx_at_dot(l, "func")) {
		ptx_parse_func(p, link);
		return;
	}
	space = l->tok.kind == TOK_DOT ? ptx_space_find(&l->tok) : SG_SPACE_GENERIC;
	if (space == SG_SPACE_GLOBAL || space == SG_SPACE_CONST || space == SG_SPACE_SHARED) {
		ptx_next(l);
		ptx_parse_vars(p, space, link);
	} else if (ptx_accept_dot(l, "target")) {
		target(p);
	} else if (ptx_accept_dot(l, "address_size")) {
		if (l->tok.kind != TOK_INT || l->tok.u != 64)
			ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX,
				     "only 64-bit addresses are supported");
		else
			ptx_next(l);
	} else if (ptx_at_dot(l, "file")) {
		ptx_parse_file(p);
	} else if (ptx_at_dot(l, "loc") || ptx_at(l, '@')) {
		ptx_skip_line(l);	/* @@DWARF is debug information of old */
	} else if (ptx_accept_dot(l, "alias")) {
		alias(p);
	} else if (ptx_accept_dot(l, "section")) {
		section(p);
	} else if (ptx_accept_dot(l, "pragma")) {
		while (l->tok.kind != TOK_EOF && !ptx_at(l, ';'))
			ptx_next(l);
		ptx_expect(l, ';');
	} else {
		ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX, "directive '%s%.*s' is not supported",
			     l->tok.kind == TOK_DOT ? "." : "",
			     (int)(l->tok.len > 40 ? 40 : l->tok.len), l->tok.s);
	}
}

enum sg_result ptx_parse(struct sg_module *m, const struct sg_ptx *ptx, uint32_t nr,
			 struct sg_log *log)
{
	struct ptx_parser *p = calloc(1, sizeof(*p));
	struct ptx_unit *u = arena_alloc(&m->arena, sizeof(*u));
	char *text = arena_alloc(&m->arena, ptx->len + 1);
	enum sg_result res;

	if (!p || !u || !text) {
		free(p);
		return SG_NOMEM;
	}
	memcpy(text, ptx->text, ptx->len);
	*m->units_end = u;
	m->units_end = &u->next;
	u->module = m;
	u->nr = nr;
	p->m = m;
	p->unit = u;
	p->arena = &m->arena;
	p->vars_end = &u->vars;
	p->funcs_end = &u->funcs;
	p->syms.seed = (uint32_t)((uintptr_t)p >> 4) * 2654435761u;
	ptx_lex_init(&p->l, text, ptx->len, log);
	p->l.nr_text = nr;
	header(p);
	while (p->l.tok.kind != TOK_EOF && !p->l.res)
		directive(p);
	res = p->l.res;
	free(p->syms.buckets);
	arena_free(&p->tmp);
	free(p);
	return res;
}
