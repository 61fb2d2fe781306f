/* SPDX-License-Identifier: MIT */
/*
 * ptx_func.c - functions, their bodies, statements and prototypes (PTX ISA 7, 11)
 */
#include <stdlib.h>
#include <string.h>

#include "ptx_parse.h"

#define MAX_PARAMS 4096
#define MAX_PARAM_LIST 1024

struct param_list {
	struct ptx_var *v[MAX_PARAM_LIST];
	uint32_t nr;
};

/*
 * (.param .u64 a, .reg .b32 b): parameters of an entry lie in its parameter block, those of a
 * function in local memory.
 */
static bool param_list(struct ptx_parser *p, struct param_list *list)
{
	struct ptx_lex *l = &p->l;

	list->nr = 0;
	if (!ptx_accept(l, '('))
		return true;
	if (ptx_accept(l, ')'))
		return true;
	do {
		bool reg = ptx_at_dot(l, "reg");
		enum sg_space space = reg	     ? SG_SPACE_REG
				      : p->fn->entry ? SG_SPACE_PARAM
						     : SG_SPACE_LOCAL;

		if (!reg && !ptx_at_dot(l, "param")) {
			ptx_error(l, "'.param' or '.reg' expected");
			return false;
		}
		ptx_next(l);
		if (list->nr == MAX_PARAM_LIST) {
			ptx_error(l, "more than %d parameters", MAX_PARAM_LIST);
			return false;
		}
		list->v[list->nr] = ptx_parse_var(p, space, PTX_PRIVATE, true);
		if (!list->v[list->nr])
			return false;
		list->nr++;
	} while (ptx_accept(l, ','));
	return ptx_expect(l, ')');
}

static struct ptx_var **param_copy(struct ptx_parser *p, const struct param_list *list)
{
	struct ptx_var **v = ptx_alloc(p, p->arena, (list->nr + 1) * sizeof(*v));

	if (v)
		memcpy(v, list->v, list->nr * sizeof(*v));
	return v;
}

/* 256, 1, 1: the product, at most 1025 */
static bool dimensions(struct ptx_parser *p, uint32_t *product)
{
	int64_t n;

	*product = 1;
	do {
		if (!ptx_const_int(p, &n))
			return false;
		if (n > 0 && n <= 1024 && *product <= 1024)
			*product *= (uint32_t)n;
	} while (ptx_accept(&p->l, ','));
	return true;
}

/* Directives whose number, if any, is only a hint here. */
static bool is_hint(const struct ptx_lex *l)
{
	static const char *const names[] = { "minnctapersm",	"maxnctapersm",
					     "maxnreg",		"maxclusterrank",
					     "explicitcluster", "blocksareclusters",
					     "abi_preserve",	"abi_preserve_control" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ptx_at_dot(l, names[i]))
			return true;
	return false;
}

static bool not_supported(struct ptx_lex *l, const char *why)
{
	ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX, "directive '.%.*s' is not supported%s",
		     (int)(l->tok.len > 40 ? 40 : l->tok.len), l->tok.s, why);
	return false;
}

/* .maxntid 256, 1, 1 and its like */
static bool directives(struct ptx_parser *p, struct ptx_func *fn)
{
	struct ptx_lex *l = &p->l;

	while (l->tok.kind == TOK_DOT) {
		bool ntid = ptx_at_dot(l, "maxntid") || ptx_at_dot(l, "reqntid"),
		     cluster = ptx_at_dot(l, "reqnctapercluster");
		struct ptx_lex here = *l;
		uint32_t product;

		if (ptx_accept_dot(l, "noreturn")) {
			fn->noreturn = true;
			continue;
		}
		if (ptx_at_dot(l, "pragma")) {
			while (l->tok.kind != TOK_EOF && !ptx_at(l, ';'))
				ptx_next(l);
			ptx_next(l);
			continue;
		}
		if (!ntid && !cluster && !is_hint(l))
			return not_supported(l, "");
		ptx_next(l);
		if (l->tok.kind != TOK_INT)
			continue;
		if (!dimensions(p, &product))
			return false;
		if (ntid)
			fn->maxntid = product < 1024 ? product : 1024;
		if (cluster && product > 1) {
			l->tok = here.tok;
			return not_supported(l, ": a cluster has one block here");
		}
	}
	return true;
}

static bool at_colon(struct ptx_lex *l)
{
	struct ptx_tok next = ptx_peek(l);

	return next.kind == TOK_PUNCT && next.ch == ':';
}

/* name: .branchtargets L0, L1; */
static void branch_targets(struct ptx_parser *p, const struct ptx_tok *name)
{
	struct ptx_lex ahead = p->l, *l = &p->l;
	struct ptx_sym *y = ptx_sym_add(p, name, SYM_TARGETS);
	uint32_t nr = 0;

	ahead.log = NULL;
	for (ptx_next(&ahead); ahead.tok.kind == TOK_IDENT || ptx_at(&ahead, ','); ptx_next(&ahead))
		nr += ahead.tok.kind == TOK_IDENT;
	if (!y)
		return;
	y->targets = ptx_alloc(p, p->arena, sizeof(*y->targets));
	if (!y->targets)
		return;
	y->targets->pc = ptx_alloc(p, p->arena, (nr + 1) * sizeof(uint32_t));
	if (!y->targets->pc)
		return;
	ptx_next(l);
	while (y->targets->nr < nr && l->tok.kind == TOK_IDENT) {
		ptx_label_use(p, &l->tok, 0, &y->targets->pc[y->targets->nr++]);
		ptx_next(l);
		if (!ptx_accept(l, ','))
			break;
	}
	ptx_expect(l, ';');
}

static void label(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	struct ptx_tok name = l->tok;
	struct ptx_sym *y;

	ptx_next(l);
	ptx_next(l);
	if (ptx_accept_dot(l, "callprototype")) {
		ptx_parse_proto(p, &name);
	} else if (ptx_at_dot(l, "branchtargets")) {
		branch_targets(p, &name);
	} else if (ptx_at_dot(l, "calltargets")) {
		y = ptx_sym_add(p, &name, SYM_TARGETS);	/* a hint: the call's prototype says all */
		while (y && l->tok.kind != TOK_EOF && !ptx_at(l, ';'))
			ptx_next(l);
		ptx_expect(l, ';');
	} else {
		y = ptx_sym_add(p, &name, SYM_LABEL);
		if (y)
			y->pc = p->fn->nr_code;
	}
}

static bool guard(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	struct ptx_sym *y;

	p->st.guarded = ptx_accept(l, '!') ? 2 : 1;
	y = l->tok.kind == TOK_IDENT ? ptx_sym_find(p, l->tok.s, l->tok.len) : NULL;
	if (!y || y->kind != SYM_REG || y->type != PTX_PRED) {
		ptx_error(l, "'%.*s' is not a predicate", (int)(l->tok.len > 60 ? 60 : l->tok.len),
			  l->tok.s);
		return false;
	}
	p->st.guard = y->row;
	ptx_next(l);
	return true;
}

static bool instruction(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	struct ptx_stmt *st = &p->st;

	if (l->tok.kind != TOK_IDENT) {
		ptx_error(l, "an instruction expected before '%s%.*s'",
			  l->tok.kind == TOK_DOT ? "." : "",
			  (int)(l->tok.len > 40 ? 40 : l->tok.len), l->tok.s);
		return false;
	}
	st->op = l->tok;
	st->nr_mods = st->nr_ops = st->nr_elems = 0;
	ptx_next(l);
	while (l->tok.kind == TOK_DOT) {
		if (st->nr_mods == PTX_MAX_MODS) {
			ptx_error(l, "too many modifiers");
			return false;
		}
		st->mods[st->nr_mods++] = l->tok;
		ptx_next(l);
	}
	if (ptx_decode_refused(p))
		return false;
	if (!ptx_at(l, ';')) {
		do {
			if (st->nr_ops == PTX_MAX_OPS) {
				ptx_error(l, "too many operands");
				return false;
			}
			if (!ptx_parse_operand(p, &st->ops[st->nr_ops++]))
				return false;
		} while (ptx_accept(l, ','));
	}
	if (!ptx_at(l, ';'))
		return ptx_expect(l, ';');
	ptx_decode(p);
	ptx_next(l);
	return true;
}

/* A directive inside a body. */
static bool declaration(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	enum ptx_linkage linkage = PTX_PRIVATE;
	enum sg_space space;

	if (ptx_at_dot(l, "loc")) {
		ptx_parse_loc(p);
		return !l->res;
	}
	if (ptx_at_dot(l, "file")) {
		ptx_parse_file(p);
		return !l->res;
	}
	if (ptx_accept_dot(l, "pragma")) {
		while (l->tok.kind != TOK_EOF && !ptx_at(l, ';'))
			ptx_next(l);
		return ptx_expect(l, ';');
	}
	if (ptx_accept_dot(l, "extern"))
		linkage = PTX_EXTERN;
	space = l->tok.kind == TOK_DOT ? ptx_space_find(&l->tok) : SG_SPACE_GENERIC;
	if (space == SG_SPACE_GENERIC) {
		ptx_error_at(l, &l->tok, SG_UNSUPPORTED_PTX,
			     "directive '.%.*s' is not supported here",
			     (int)(l->tok.len > 40 ? 40 : l->tok.len), l->tok.s);
		return false;
	}
	ptx_next(l);
	if (space == SG_SPACE_REG) {
		ptx_parse_regs(p);
		return !l->res;
	}
	return ptx_parse_vars(p, space == SG_SPACE_PARAM ? SG_SPACE_LOCAL : space, linkage);
}

/* Statements up to the closing brace. */
static bool body(struct ptx_parser *p)
{
	struct ptx_lex *l = &p->l;
	uint32_t depth = p->syms.depth, top[PTX_MAX_SCOPES], deepest = 0;

	ptx_expect(l, '{');
	while (!l->res) {
		p->st.guarded = 0;
		p->st.op = l->tok;
		if (p->fn->local_bytes > deepest)
			deepest = p->fn->local_bytes;
		if (l->tok.kind == TOK_EOF) {
			ptx_error(l, "the text ends inside function '%s'", p->fn->name);
		} else if (ptx_accept(l, '{')) {
			/*
			 * variables of a block that has ended give their place to those of the next
			 */
			top[p->syms.depth] = p->fn->local_bytes;
			ptx_scope_push(p);
		} else if (ptx_at(l, '}')) {
			if (p->syms.depth == depth)
				break;
			ptx_scope_pop(p);
			p->fn->local_bytes = top[p->syms.depth];
			ptx_next(l);
		} else if (ptx_accept(l, ';')) {
			continue;
		} else if (l->tok.kind == TOK_DOT) {
			declaration(p);
		} else if (l->tok.kind == TOK_IDENT && at_colon(l)) {
			label(p);
		} else if (ptx_accept(l, '@')) {
			if (guard(p))
				instruction(p);
		} else {
			instruction(p);
		}
	}
	p->fn->local_bytes = (deepest + 15) & ~15u;
	return !l->res;
}

/* The end of the body returns, whatever the text says. */
static void finish(struct ptx_parser *p)
{
	p->st.guarded = 0;
	ptx_emit(p)->ctl = p->fn->entry ? SG_CTL_EXIT : SG_CTL_RET;
	p->fn->frame_bytes = (p->fn->frame_bytes + 63) & ~63u;
}

/* .attribute(.unified(1, 2)): what it says of addresses is so here anyway */
bool ptx_skip_attribute(struct ptx_parser *p, bool *managed)
{
	struct ptx_lex *l = &p->l;
	uint32_t depth = 0;

	if (!ptx_expect(l, '('))
		return false;
	for (; l->tok.kind != TOK_EOF && (depth || !ptx_at(l, ')')); ptx_next(l)) {
		*managed |= ptx_at_dot(l, "managed");
		depth += ptx_at(l, '(');
		depth -= ptx_at(l, ')');
	}
	return ptx_expect(l, ')');
}

/* The lowest pc that a branch may go to; INT64_MAX: none, or no branch. */
static int64_t lowest_target(const struct sg_insn *in)
{
	const uint32_t *targets = in->aux;
	int64_t low = INT64_MAX;

	if (in->ctl == SG_CTL_BRA)
		return in->imm;
	for (int64_t k = 0; in->ctl == SG_CTL_BRX && k < in->imm; k++)
		low = targets[k] < low ? targets[k] : low;
	return low;
}

/* Labels are known: which backward branches close a loop that may wait for another lane? */
static void mark_spins(struct ptx_func *fn)
{
	int64_t last = -1;

	for (uint32_t i = 0; i < fn->nr_code; i++) {
		struct sg_insn *in = &fn->code[i];

		if (in->flags & SG_F_LOOKS || in->ctl == SG_CTL_CALL || in->ctl == SG_CTL_POLL)
			last = i;
		if (lowest_target(in) <= last)
			in->flags |= SG_F_SPIN;
	}
}

static struct ptx_func *function_named(struct ptx_parser *p, const struct ptx_tok *name, bool entry)
{
	struct ptx_sym *y = ptx_sym_find(p, name->s, name->len);
	struct ptx_func *fn;

	if (y && y->kind == SYM_FUNC && y->fn->entry == entry)
		return y->fn;		/* declared before */
	y = ptx_sym_add(p, name, SYM_FUNC);
	fn = y ? ptx_alloc(p, p->arena, sizeof(*fn)) : NULL;
	if (!fn)
		return NULL;
	y->fn = fn;
	fn->name = ptx_strdup(p, name->s, name->len);
	fn->entry = entry;
	fn->unit = p->unit;
	fn->line = name->line;
	*p->funcs_end = fn;
	p->funcs_end = &fn->next;
	return fn->name ? fn : NULL;
}

static void start_function(struct ptx_parser *p, struct ptx_func *fn)
{
	p->fn = fn;
	fn->frame_bytes = fn->nr_rows = fn->local_bytes = fn->param_bytes = 0;
	memset(p->consts, 0, sizeof(p->consts));
	p->pred_left = 0;
	p->sink = 0;
	ptx_row(p, 8);		/* row 0 belongs to nobody: 0 can stand for "no row" */
}

/* What stands before the body; name: where. One that is defined may be declared again. */
static bool take_head(struct ptx_parser *p, struct ptx_func *fn, const struct ptx_func *head,
		      enum ptx_linkage linkage, const struct param_list *rets,
		      const struct ptx_tok *name)
{
	const struct param_list *params = rets + 1;

	fn->noreturn |= head->noreturn;
	fn->maxntid = head->maxntid ? head->maxntid : fn->maxntid;
	if (fn->defined && !ptx_at(&p->l, '{'))
		return true;
	if (fn->defined) {
		ptx_error_at(&p->l, name, SG_INVALID_PTX, "function '%s' is defined twice",
			     fn->name);
		return false;
	}
	if (linkage != PTX_EXTERN || !fn->nr_code)
		fn->linkage = linkage;
	fn->nr_params = params->nr;
	fn->nr_rets = rets->nr;
	fn->params = param_copy(p, params);
	fn->rets = param_copy(p, rets);
	fn->param_bytes = head->param_bytes;
	fn->local_bytes = head->local_bytes;
	fn->frame_bytes = head->frame_bytes;
	p->fn = fn;
	return true;
}

/* Everything after .entry or .func. The scope of the parameters is that of the body. */
static void function(struct ptx_parser *p, enum ptx_linkage linkage, bool entry)
{
	struct ptx_func scratch = { .name = "?", .entry = entry }, *fn;
	struct param_list *rets = calloc(2, sizeof(*rets)), *params = rets + 1;
	struct ptx_lex *l = &p->l;
	struct ptx_tok name;
	bool managed = false;	/* means nothing for a function */

	if (!rets) {
		ptx_error_at(l, &l->tok, SG_NOMEM, "no memory");
		return;
	}
	start_function(p, &scratch);
	if (ptx_accept_dot(l, "attribute") && !ptx_skip_attribute(p, &managed))
		goto out;
	if (!ptx_scope_push(p))
		goto out;
	if (!entry && !param_list(p, rets))
		goto pop;
	name = l->tok;
	if (name.kind != TOK_IDENT) {
		ptx_error(l, "a function name expected");
		goto pop;
	}
	p->syms.depth--;	/* the name belongs to the text, not to the function */
	fn = function_named(p, &name, entry);
	p->syms.depth++;
	if (!fn)
		goto pop;
	scratch.name = fn->name;
	ptx_next(l);
	if (!param_list(p, params) || !directives(p, &scratch))
		goto pop;
	if (!take_head(p, fn, &scratch, linkage, rets, &name))
		goto pop;
	if (!ptx_at(l, '{')) {
		ptx_expect(l, ';');
		goto pop;
	}
	fn->line = name.line;
	fn->defined = true;
	ptx_reuse_begin(p);
	if (body(p))
		finish(p);
	ptx_reuse_end(p);
pop:
	while (p->syms.depth && !l->res)
		ptx_scope_pop(p);
	if (p->fn && p->fn->defined && !l->res) {
		mark_spins(p->fn);
		ptx_next(l);	/* the brace */
	}
out:
	p->fn = NULL;
	free(rets);
}

void ptx_parse_func(struct ptx_parser *p, enum ptx_linkage linkage)
{
	bool entry = ptx_at_dot(&p->l, "entry");

	ptx_next(&p->l);
	function(p, linkage, entry);
}

/* proto: .callprototype (.param .b32 _) _ (.param .b64 _); */
void ptx_parse_proto(struct ptx_parser *p, const struct ptx_tok *name)
{
	struct ptx_func *outer = p->fn, *proto = ptx_alloc(p, p->arena, sizeof(*proto));
	struct param_list *rets = calloc(2, sizeof(*rets)), *params = rets + 1;
	struct ptx_sym *y = ptx_sym_add(p, name, SYM_PROTO);
	struct ptx_func saved = *outer;

	if (!proto || !rets || !y)
		goto out;
	y->fn = proto;
	proto->name = "callprototype";
	/*
	 * sizes are all that is wanted: whatever the parameters take in the body's frame is given
	 * back
	 */
	outer->entry = false;
	if (!param_list(p, rets) || !ptx_tok_is(&p->l.tok, "_"))
		ptx_error(&p->l, "a prototype with the name '_' expected");
	ptx_next(&p->l);
	if (!param_list(p, params) || !directives(p, proto))
		goto out;
	proto->nr_rets = rets->nr;
	proto->nr_params = params->nr;
	proto->rets = param_copy(p, rets);
	proto->params = param_copy(p, params);
	ptx_expect(&p->l, ';');
out:
	outer->entry = saved.entry;
	outer->local_bytes = saved.local_bytes;
	free(rets);
}
