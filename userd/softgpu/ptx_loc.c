/* SPDX-License-Identifier: MIT */
/*
 * ptx_loc.c - source files and lines: .file and .loc (PTX ISA 11.5)
 *
 * .loc holds from its place on until the next one. Where a function was inlined the line is that of
 * its own text, not of the call.
 */
#include <string.h>

#include "ptx_parse.h"

static void skip_rest(struct ptx_lex *l, uint32_t line)
{
	while (l->tok.kind != TOK_EOF && l->tok.line == line)
		ptx_next(l);
}

static bool number(struct ptx_lex *l, uint32_t line, uint32_t *v)
{
	if (l->tok.kind != TOK_INT || l->tok.line != line || l->tok.u > UINT32_MAX) {
		ptx_error(l, "a number expected");
		return false;
	}
	*v = (uint32_t)l->tok.u;
	ptx_next(l);
	return true;
}

/* .loc file line column{, function_name label, inlined_at file line column} */
void ptx_parse_loc(struct ptx_parser *p)
{
	struct ptx_func *fn = p->fn;
	struct ptx_lex *l = &p->l;
	struct ptx_loc loc = { .pc = fn->nr_code }, *grown;
	uint32_t line = l->tok.line;

	ptx_next(l);
	if (!number(l, line, &loc.file) || !number(l, line, &loc.line))
		return;
	skip_rest(l, line);
	if (fn->nr_locs && fn->locs[fn->nr_locs - 1].pc == loc.pc) {
		fn->locs[fn->nr_locs - 1] = loc;
		return;
	}
	if (fn->nr_locs == fn->cap_locs) {
		uint32_t cap = fn->cap_locs ? fn->cap_locs * 2 : 16;

		grown = ptx_alloc(p, p->arena, cap * sizeof(*grown));
		if (!grown)
			return;
		if (fn->nr_locs)
			memcpy(grown, fn->locs, fn->nr_locs * sizeof(*grown));
		fn->locs = grown;
		fn->cap_locs = cap;
	}
	fn->locs[fn->nr_locs++] = loc;
}

/* .file number "name"{, time, size} */
void ptx_parse_file(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	uint32_t line = l->tok.line, nr;
	struct ptx_file *f;

	ptx_next(l);
	if (!number(l, line, &nr))
		return;
	if (l->tok.kind != TOK_STRING) {
		ptx_error(l, "the name of a file expected");
		return;
	}
	f = ptx_alloc(p, p->arena, sizeof(*f));
	if (!f)
		return;
	f->nr = nr;
	f->name = ptx_strdup(p, l->tok.s, l->tok.len);
	if (!f->name)
		return;
	f->next = p->unit->files;
	p->unit->files = f;
	skip_rest(l, line);
}

bool ptx_source(const struct ptx_func *fn, const struct sg_insn *in, const char **file,
		uint32_t *line)
{
	const struct ptx_loc *loc = NULL;
	uint32_t pc, lo = 0, hi = fn->nr_locs;

	if (!in || in < fn->code || in >= fn->code + fn->nr_code)
		return false;
	pc = (uint32_t)(in - fn->code);
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (fn->locs[mid].pc <= pc) {
			loc = &fn->locs[mid];
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	for (const struct ptx_file *f = fn->unit->files; loc && f; f = f->next) {
		if (f->nr != loc->file)
			continue;
		*file = f->name;
		*line = loc->line;
		return true;
	}
	return false;
}
