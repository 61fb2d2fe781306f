/* SPDX-License-Identifier: MIT */
/*
 * ptx_ctl.c - decoding of control flow, calls, barriers and warp-wide operations (PTX ISA 9.7.12,
 * 9.7.13)
 */
#include <stdio.h>
#include <string.h>

#include "ptx_parse.h"

void ptx_decode_bra(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;

	if (st->nr_ops != 1 || st->ops[0].kind != OPK_LABEL) {
		ptx_decode_error(p, SG_INVALID_PTX, "a label expected for");
		return;
	}
	ptx_emit(p)->ctl = SG_CTL_BRA;
	ptx_label_use(p, &st->ops[0].tok, p->fn->nr_code - 1, NULL);
}

void ptx_decode_brx(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	struct sg_insn *in;
	uint32_t row;

	if (!ptx_has_mod(st, "idx") || st->nr_ops != 2 || !st->ops[1].sym ||
	    st->ops[1].sym->kind != SYM_TARGETS || !st->ops[1].sym->targets) {
		ptx_decode_error(p, SG_INVALID_PTX,
				 "an index and a list of branch targets expected for");
		return;
	}
	if (!ptx_src_row(p, &st->ops[0], 'w', &row))
		return;
	in = ptx_emit(p);
	in->ctl = SG_CTL_BRX;
	in->r[0] = row;
	in->aux = st->ops[1].sym->targets->pc;
	in->imm = st->ops[1].sym->targets->nr;
}

void ptx_decode_ret(struct ptx_parser *p)
{
	if (p->st.nr_ops) {
		ptx_decode_error(p, SG_INVALID_PTX, "no operand expected for");
		return;
	}
	ptx_emit(p)->ctl = p->st.op.len == 4 || p->fn->entry ? SG_CTL_EXIT : SG_CTL_RET;
}

static bool argument(struct ptx_parser *p, const struct ptx_operand *op,
		     const struct ptx_var *formal, bool ret, struct ptx_arg *a)
{
	uint32_t bits = op->kind == OPK_REG ? ptx_types[op->type].bits : formal->size > 4 ? 64 : 32;
	char letter = bits == 1 ? 'p' : bits <= 16 ? 'h' : bits == 32 ? 'w' : 'l';

	if (op->kind == OPK_VAR && op->sym->var->space == SG_SPACE_LOCAL) {
		a->offset = (uint32_t)op->sym->var->addr;
		a->size = (uint32_t)op->sym->var->size;
		if (a->size >= formal->size)
			return true;
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
			     "argument '%.*s' is smaller than the parameter", (int)op->tok.len,
			     op->tok.s);
		return false;
	}
	if (op->kind == OPK_F32 || op->kind == OPK_F64)
		letter = bits == 64 ? 'd' : 'f';
	if (op->kind == OPK_SINK && ret) {
		a->offset = a->size = 0;
		return true;
	}
	a->is_row = true;
	a->bytes = bits == 1 ? 0 : bits == 64 ? 8 : 4;
	return ret ? ptx_dst_row(p, op, letter, &a->row) : ptx_src_row(p, op, letter, &a->row);
}

static struct ptx_arg *arguments(struct ptx_parser *p, const struct ptx_operand *list,
				 struct ptx_var **formals, uint32_t nr_formals, bool ret)
{
	uint32_t nr = list ? list->nr : 0;
	struct ptx_arg *args;

	if (nr != nr_formals) {
		ptx_error_at(&p->l, list ? &list->tok : &p->st.op, SG_INVALID_PTX,
			     "%u %s given where the function has %u", nr, ret ? "results" : "arguments", nr_formals);
		return NULL;
	}
	args = ptx_alloc(p, p->arena, (nr + 1) * sizeof(*args));
	for (uint32_t i = 0; args && i < nr; i++)
		if (!argument(p, &p->st.elems[list->first + i], formals[i], ret, &args[i]))
			return NULL;
	return args;
}

static enum ptx_builtin builtin(const char *name)
{
	static const struct { const char *name; enum ptx_builtin id; } names[] = {
		{ "vprintf", PTX_VPRINTF }, { "malloc", PTX_MALLOC }, { "free", PTX_FREE },
		{ "__assertfail", PTX_ASSERTFAIL }, { "cudaGraphSetConditional", PTX_SET_CONDITIONAL },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i].name))
			return names[i].id;
	return PTX_NOT_BUILTIN;
}

/* The device runtime, which launches grids from kernels. */
static bool launches(struct ptx_parser *p, const char *name)
{
	static const char *const names[] = { "cudaLaunchDevice",
					     "cudaLaunchDeviceV2",
					     "cudaGetParameterBuffer",
					     "cudaGetParameterBufferV2",
					     "cudaDeviceSynchronize",
					     "cudaGraphLaunch",
					     "__cudaCDP2LaunchDevice",
					     "__cudaCDP2LaunchDeviceV2",
					     "__cudaCDP2GetParameterBuffer",
					     "__cudaCDP2GetParameterBufferV2" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]))
			continue;
		ptx_error_at(&p->l, &p->st.op, SG_UNSUPPORTED_PTX,
			     "'%s' launches from the device, which is not supported", name);
		return true;
	}
	return false;
}

/* call (rets), f, (args), prototype; where all but f may be missing */
void ptx_decode_call(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	const struct ptx_operand *rets = NULL, *args = NULL, *f;
	const struct ptx_func *proto = NULL;
	struct ptx_call *call;
	struct sg_insn *in;
	uint32_t i = 0, row = 0;

	if (i < st->nr_ops && st->ops[i].kind == OPK_LIST)
		rets = &st->ops[i++];
	f = i < st->nr_ops ? &st->ops[i++] : NULL;
	if (i < st->nr_ops && st->ops[i].kind == OPK_LIST)
		args = &st->ops[i++];
	if (i < st->nr_ops && st->ops[i].kind == OPK_LABEL && st->ops[i].sym &&
	    st->ops[i].sym->kind == SYM_PROTO)
		proto = st->ops[i++].sym->fn;
	if (!f || (f->kind != OPK_FUNC && f->kind != OPK_REG) || (f->kind == OPK_REG && !proto)) {
		ptx_decode_error(
			p, SG_INVALID_PTX,
			"a declared function, or a register and a prototype, expected for");
		return;
	}
	call = ptx_alloc(p, p->arena, sizeof(*call));
	if (!call)
		return;
	if (f->kind == OPK_FUNC) {
		call->fn = f->sym->fn;
		if (!call->fn->defined && launches(p, call->fn->name))
			return;
		proto = call->fn;
		ptx_ref_add(p, NULL, call->fn, st->op.line);
		call->fn->builtin = call->fn->defined ? PTX_NOT_BUILTIN : builtin(call->fn->name);
	} else if (!ptx_src_row(p, f, 'l', &row)) {
		return;
	}
	call->proto = proto;
	call->nr_args = proto->nr_params;
	call->nr_rets = proto->nr_rets;
	call->rets = arguments(p, rets, proto->rets, proto->nr_rets, true);
	if (!call->rets)
		return;
	call->args = arguments(p, args, proto->params, proto->nr_params, false);
	in = ptx_emit(p);
	in->ctl = SG_CTL_CALL;
	in->aux = call;
	in->r[0] = row;
}

static bool decode_warp_sync(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	struct sg_insn *in;
	uint32_t mask;

	if (!ptx_has_mod(st, "warp"))
		return false;
	if (st->nr_ops != 1) {
		ptx_decode_error(p, SG_INVALID_PTX, "a member mask expected for");
		return true;
	}
	if (!ptx_src_row(p, &st->ops[0], 'w', &mask))
		return true;
	in = ptx_emit_form(p, "@fence");
	in->ctl = SG_CTL_WARPSYNC;
	in->r[5] = mask;
	return true;
}

static int bar_operation(const struct ptx_stmt *st)
{
	if (ptx_has_mod(st, "sync"))
		return SG_BAR_SYNC;
	if (ptx_has_mod(st, "arrive"))
		return SG_BAR_ARRIVE;
	if (!ptx_has_mod(st, "red"))
		return -1;
	return ptx_has_mod(st, "popc") ? SG_BAR_RED_POPC : ptx_has_mod(st, "and") ? SG_BAR_RED_AND :
	       ptx_has_mod(st, "or") ? SG_BAR_RED_OR : -1;
}

void ptx_decode_bar(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	int op = bar_operation(st);
	bool red = op >= SG_BAR_RED_POPC;
	uint32_t at = red ? 1 : 0, n = st->nr_ops, r[4] = { 0 };
	struct sg_insn *in;

	if (!ptx_has_mod(st, "cluster") && decode_warp_sync(p))
		return;
	if (op < 0 || ptx_has_mod(st, "cluster")) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	if (n < at + 1 + red || n > at + 2 + red || (op == SG_BAR_ARRIVE && n != 2)) {
		ptx_decode_error(p, SG_INVALID_PTX, "wrong number of operands for");
		return;
	}
	if (!ptx_src_row(p, &st->ops[at], 'w', &r[1]) ||
	    (n == at + 2 + red && !ptx_src_row(p, &st->ops[at + 1], 'w', &r[2])) ||
	    (red && !ptx_src_row(p, &st->ops[n - 1], 'p', &r[3])) ||
	    (red && !ptx_dst_row(p, &st->ops[0], op == SG_BAR_RED_POPC ? 'w' : 'p', &r[0])))
		return;
	in = ptx_emit(p);
	memcpy(in->r, r, sizeof(r));
	in->ctl = SG_CTL_BAR;
	in->flags = (uint8_t)op;
}

void ptx_decode_nanosleep(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	struct sg_insn *in;
	uint32_t row;

	if (st->nr_mods != 1 || ptx_stmt_type(st) != PTX_U32 || st->nr_ops != 1) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (!ptx_src_row(p, &st->ops[0], 'w', &row))
		return;
	in = ptx_emit_form(p, "@nanosleep");
	in->ctl = SG_CTL_POLL;
	in->r[0] = row;
}

/* d or d|p */
static bool pair_dst(struct ptx_parser *p, const struct ptx_operand *op, uint32_t *d,
		     uint32_t *pred)
{
	const struct ptx_operand *e = op->kind == OPK_PAIR ? &p->st.elems[op->first] : op;

	return ptx_dst_row(p, e, 'w', d) &&
	       (op->kind != OPK_PAIR || ptx_dst_row(p, e + 1, 'p', pred));
}

/* alloca.u64 d, size{, alignment} */
void ptx_decode_alloca(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum ptx_type t = ptx_stmt_type(st);
	char letter = t == PTX_U64 ? 'l' : 'w';
	uint64_t align = st->nr_ops == 3 ? st->ops[2].imm : 8;
	uint32_t src, dst;
	struct sg_insn *in;

	if (st->nr_mods != 1 || (t != PTX_U32 && t != PTX_U64) || st->nr_ops < 2 ||
	    st->nr_ops > 3 || (st->nr_ops == 3 && st->ops[2].kind != OPK_INT) || !align ||
	    align > 4096 || (align & (align - 1))) {
		ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], letter, &src) ||
	    !ptx_dst_row(p, &st->ops[0], letter, &dst))
		return;
	in = ptx_emit_form(p, t == PTX_U64 ? "@alloca.l" : "@alloca.w");
	in->r[0] = dst;
	in->r[1] = src;
	in->imm = (int64_t)align;
}

/* elect.sync d|p, membermask */
void ptx_decode_elect(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	uint32_t r[6] = { 0 };
	struct sg_insn *in;

	if (st->nr_mods != 1 || !ptx_has_mod(st, "sync") || st->nr_ops != 2 ||
	    st->ops[0].kind != OPK_PAIR) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], 'w', &r[5]) || !pair_dst(p, &st->ops[0], &r[0], &r[4]))
		return;
	in = ptx_emit_form(p, "@elect");
	memcpy(in->r, r, sizeof(r));
	in->ctl = SG_CTL_WARPSYNC;
}

/*
 * vote and shfl without .sync, of texts for GPUs before sm_70: the lanes that are here take part.
 * False: the text may not have it.
 */
static bool without_sync(struct ptx_parser *p)
{
	if (p->unit->target && p->unit->target < 70)
		return true;
	ptx_decode_error(p, SG_UNSUPPORTED_PTX,
			 "unsupported instruction (only its .sync form is from sm_70 on)");
	return false;
}

/* shfl.sync.mode.b32 d|p, a, b, c, membermask */
void ptx_decode_shfl(struct ptx_parser *p)
{
	static const char *const modes[] = { "up", "down", "bfly", "idx" };
	struct ptx_stmt *st = &p->st;
	uint32_t r[6] = { 0 };
	bool sync = ptx_has_mod(st, "sync");
	struct sg_insn *in;
	char key[16];
	size_t m = 0;

	while (m < 4 && !ptx_has_mod(st, modes[m]))
		m++;
	if (!sync && !without_sync(p))
		return;
	if (m == 4 || !ptx_has_mod(st, "b32") || st->nr_ops != 4u + sync) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	r[5] = ptx_imm_row(p, SG_ALL, false);
	for (uint32_t i = 1; i < st->nr_ops; i++)
		if (!ptx_src_row(p, &st->ops[i], 'w', &r[i == 4 ? 5 : i]))
			return;
	if (!pair_dst(p, &st->ops[0], &r[0], &r[4]))
		return;
	snprintf(key, sizeof(key), "@shfl.%s", modes[m]);
	in = ptx_emit_form(p, key);
	memcpy(in->r, r, sizeof(r));
	in->ctl = sync ? SG_CTL_WARPSYNC : SG_CTL_NONE;
}

/* vote.sync.any.pred d, a, membermask; CUB spells it vote.any.sync.pred */
void ptx_decode_vote(struct ptx_parser *p)
{
	static const char *const modes[] = { "all", "any", "uni", "ballot" };
	struct ptx_stmt *st = &p->st;
	uint32_t r[6] = { 0 };
	bool sync = ptx_has_mod(st, "sync");
	struct sg_insn *in;
	char key[16];
	size_t m = 0;

	while (m < 4 && !ptx_has_mod(st, modes[m]))
		m++;
	if (!sync && !without_sync(p))
		return;
	if (m == 4 || st->nr_ops != 2u + sync || !ptx_has_mod(st, m == 3 ? "b32" : "pred")) {
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
		return;
	}
	r[5] = ptx_imm_row(p, SG_ALL, false);
	if (!ptx_src_row(p, &st->ops[1], 'p', &r[1]) ||
	    (sync && !ptx_src_row(p, &st->ops[2], 'w', &r[5])) ||
	    !ptx_dst_row(p, &st->ops[0], m == 3 ? 'w' : 'p', &r[0]))
		return;
	snprintf(key, sizeof(key), "@vote.%s", modes[m]);
	in = ptx_emit_form(p, key);
	memcpy(in->r, r, sizeof(r));
	in->ctl = sync ? SG_CTL_WARPSYNC : SG_CTL_NONE;
}

/* match.any.sync.b32 d, a, membermask; redux.sync.add.u32 d, a, membermask */
void ptx_decode_sync(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	enum ptx_type t = ptx_stmt_type(st);
	uint32_t r[6] = { 0 };
	struct sg_insn *in;
	char key[64];
	size_t n = (size_t)snprintf(key, sizeof(key), "%.*s",
				    (int)(st->op.len > 20 ? 20 : st->op.len), st->op.s);

	for (uint32_t i = 0; i < st->nr_mods && n < sizeof(key); i++)
		if (!ptx_tok_is(&st->mods[i], "sync"))
			n += (size_t)snprintf(key + n, sizeof(key) - n, ".%.*s",
					      (int)(st->mods[i].len > 20 ? 20 : st->mods[i].len),
					      st->mods[i].s);
	if (!ptx_has_mod(st, "sync") || n >= sizeof(key) || !ptx_form_find(key, n) ||
	    st->nr_ops != 3) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], ptx_letter(t), &r[1]) ||
	    !ptx_src_row(p, &st->ops[2], 'w', &r[5]) || !pair_dst(p, &st->ops[0], &r[0], &r[4]))
		return;
	in = ptx_emit_form(p, key);
	memcpy(in->r, r, sizeof(r));
	in->ctl = SG_CTL_WARPSYNC;
}
