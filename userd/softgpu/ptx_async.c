/* SPDX-License-Identifier: MIT */
/*
 * ptx_async.c - decoding of asynchronous copies and mbarriers (PTX ISA 9.7.9.25, 9.7.13.15)
 */
#include <stdio.h>
#include <string.h>

#include "async.h"
#include "ptx_parse.h"

static void unsupported(struct ptx_parser *p)
{
	ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
}

static void wrong_operands(struct ptx_parser *p)
{
	ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
}

/* Does the instruction begin with these modifiers, separated by points? */
static bool begins(const struct ptx_stmt *st, const char *mods, uint32_t *nr)
{
	uint32_t i = 0;

	for (const char *s = mods, *end; s; s = end ? end + 1 : NULL, i++) {
		end = strchr(s, '.');
		size_t len = end ? (size_t)(end - s) : strlen(s);

		if (i >= st->nr_mods || st->mods[i].len != len || memcmp(st->mods[i].s, s, len))
			return false;
	}
	*nr = i;
	return true;
}

/* Are all modifiers from the first'th on in the list? */
static bool only(const struct ptx_stmt *st, uint32_t first, const char *const *list)
{
	for (uint32_t i = first; i < st->nr_mods; i++) {
		const char *const *s = list;

		while (*s && !ptx_tok_is(&st->mods[i], *s))
			s++;
		if (!*s)
			return false;
	}
	return true;
}

static bool place(struct ptx_parser *p, const struct ptx_operand *op, enum sg_space space,
		  struct sg_place *at)
{
	struct sg_insn in = { 0 };

	if (!ptx_address(p, op, space, &in))
		return false;
	*at = (struct sg_place){ .offset = in.imm, .row = in.r[4], .space = in.space, .a32 = in.a32 };
	return true;
}

static struct sg_insn *emit_copy(struct ptx_parser *p, const char *form, const struct sg_copy *c)
{
	struct sg_copy *copy = ptx_alloc(p, p->arena, sizeof(*copy));
	struct sg_insn *in = ptx_emit_form(p, form);

	if (copy)
		*copy = *c;
	in->aux = copy;
	return in;
}

/* cp.async.ca.shared.global [dst], [src], cp-size{, src-size | ignore-src}{, cache-policy} */
static void decode_copy(struct ptx_parser *p)
{
	static const char *const mods[] = { "async",	      "ca",	     "cg",
					    "shared",	      "shared::cta", "global",
					    "L2::cache_hint", "L2::64B",     "L2::128B",
					    "L2::256B",	      NULL };
	struct ptx_stmt *st = &p->st;
	bool hint = ptx_has_mod(st, "L2::cache_hint"), cg = ptx_has_mod(st, "cg");
	uint32_t nr = st->nr_ops - hint, policy, row = 0;
	struct sg_copy c = { 0 };
	struct sg_insn *in;
	uint64_t size;

	if (!only(st, 0, mods) || cg == ptx_has_mod(st, "ca") || !ptx_has_mod(st, "global")) {
		unsupported(p);
		return;
	}
	if (st->nr_ops < 3u + hint || nr > 4 || st->ops[2].kind != OPK_INT) {
		wrong_operands(p);
		return;
	}
	size = st->ops[2].imm;
	if (size != 16 && (cg || (size != 4 && size != 8))) {
		ptx_error_at(&p->l, &st->ops[2].tok, SG_INVALID_PTX,
			     "a copy of 4, 8 or, with .cg too, 16 bytes expected");
		return;
	}
	if (!place(p, &st->ops[0], SG_SPACE_SHARED, &c.dst) ||
	    !place(p, &st->ops[1], SG_SPACE_GLOBAL, &c.src))
		return;
	c.ignore = nr == 4 && st->ops[3].kind == OPK_REG && st->ops[3].type == PTX_PRED;
	if ((nr == 4 && !ptx_src_row(p, &st->ops[3], c.ignore ? 'p' : 'w', &row)) ||
	    (hint && !ptx_src_row(p, &st->ops[nr], 'l', &policy)))
		return;
	in = emit_copy(p, "@cp.async", &c);
	in->r[2] = row;
	in->bytes = (uint8_t)size;
}

/* Groups: what was copied is there. */
static void decode_group(struct ptx_parser *p, bool counted)
{
	struct ptx_stmt *st = &p->st;

	if (counted ? st->nr_ops != 1 || st->ops[0].kind != OPK_INT : st->nr_ops != 0)
		wrong_operands(p);
}

static void decode_copy_arrive(struct ptx_parser *p, uint32_t nr)
{
	static const char *const mods[] = { "noinc", "shared", "shared::cta", "b64", NULL };
	struct ptx_stmt *st = &p->st;
	bool shared = ptx_has_mod(st, "shared") || ptx_has_mod(st, "shared::cta");
	struct sg_insn want = { 0 }, *in;

	if (!only(st, nr, mods) || !ptx_has_mod(st, "b64")) {
		unsupported(p);
		return;
	}
	if (st->nr_ops != 1) {
		wrong_operands(p);
		return;
	}
	if (!ptx_address(p, &st->ops[0], shared ? SG_SPACE_SHARED : SG_SPACE_GENERIC, &want))
		return;
	in = ptx_emit_form(p, ptx_has_mod(st, "noinc") ? "@cp.async.mbarrier.arrive.noinc"
						       : "@cp.async.mbarrier.arrive");
	in->r[4] = want.r[4];
	in->imm = want.imm;
	in->a32 = want.a32;
	in->space = want.space;
}

/* The reductions of cp.reduce, by the names of their forms; those of shared memory first. */
static const char *const reductions[] = {
	"atom.add.u32", "atom.add.s32", "atom.add.u64", "atom.min.u32", "atom.min.s32", "atom.max.u32", "atom.max.s32",
	"atom.inc.u32", "atom.dec.u32", "atom.and.b32", "atom.or.b32", "atom.xor.b32",
#define NR_SHARED_REDUCTIONS 12
	"atom.min.u64", "atom.min.s64", "atom.max.u64", "atom.max.s64", "atom.and.b64", "atom.or.b64", "atom.xor.b64",
	"atom.add.f32", "atom.add.f64", "atom.add.noftz.f16", "atom.add.noftz.bf16", "atom.min.f16", "atom.min.bf16",
	"atom.max.f16", "atom.max.bf16",
};

/* The instruction that takes an element from the row r[1] to the address in r[4]; NULL: no such. */
static const struct sg_insn *reduction(struct ptx_parser *p, uint32_t first, enum sg_space dst)
{
	size_t n = dst == SG_SPACE_SHARED ? NR_SHARED_REDUCTIONS
					  : sizeof(reductions) / sizeof(reductions[0]);
	struct ptx_stmt *st = &p->st;
	struct sg_insn *atom;
	char form[64] = "atom";
	size_t len = 4, i = 0;

	for (uint32_t k = first; k < st->nr_mods && len < sizeof(form); k++)
		len += (size_t)snprintf(form + len, sizeof(form) - len, ".%.*s",
					(int)(st->mods[k].len > 20 ? 20 : st->mods[k].len),
					st->mods[k].s);
	while (i < n && strcmp(reductions[i], form))
		i++;
	atom = i < n ? ptx_alloc(p, p->arena, sizeof(*atom)) : NULL;
	if (!atom)
		return NULL;
	if (ptx_has_mod(st, "noftz"))
		snprintf(form, sizeof(form), "atom.add.%s", ptx_types[ptx_stmt_type(st)].name);
	atom->exec = ptx_form_find(form, strlen(form))->exec;
	atom->line = st->op.line;
	atom->space = (uint8_t)dst;
	atom->vec = 1;
	atom->flags = SG_F_STRONG | SG_F_ATOMIC;
	atom->r[0] = ptx_row(p, 8);
	atom->r[1] = ptx_row(p, 8);
	atom->r[4] = ptx_row(p, 8);
	return atom;
}

/* [dst], [src], size{, [mbar]}{, cache-policy} */
static void bulk_operands(struct ptx_parser *p, enum sg_space dst, enum sg_space src, bool bar,
			  const struct sg_insn *atom)
{
	struct ptx_stmt *st = &p->st;
	bool hint = ptx_has_mod(st, "L2::cache_hint");
	struct sg_copy c = { .atom = atom };
	uint32_t size, policy;
	struct sg_insn *in;

	if (st->nr_ops != 3u + bar + hint) {
		wrong_operands(p);
		return;
	}
	if (!place(p, &st->ops[0], dst, &c.dst) || !place(p, &st->ops[1], src, &c.src) ||
	    !ptx_src_row(p, &st->ops[2], 'w', &size) ||
	    (bar && !place(p, &st->ops[3], SG_SPACE_SHARED, &c.bar)) ||
	    (hint && !ptx_src_row(p, &st->ops[3 + bar], 'l', &policy)))
		return;
	in = emit_copy(p, atom ? "@cp.reduce.async.bulk" : "@cp.async.bulk", &c);
	in->r[2] = size;
	in->bytes = atom ? (uint8_t)ptx_type_bytes(ptx_stmt_type(st)) : 0;
}

static void decode_reduce(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	const struct sg_insn *atom;
	uint32_t nr = 0;
	bool shared = begins(
		st, "reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes",
		&nr);
	enum sg_space dst = shared ? SG_SPACE_SHARED : SG_SPACE_GLOBAL;

	if (!shared && !begins(st, "reduce.async.bulk.global.shared::cta.bulk_group", &nr)) {
		unsupported(p);		/* tensors */
		return;
	}
	if (nr < st->nr_mods && ptx_tok_is(&st->mods[nr], "L2::cache_hint"))
		nr++;
	atom = reduction(p, nr, dst);
	if (!atom)
		ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
	else
		bulk_operands(p, dst, SG_SPACE_SHARED, shared, atom);
}

static void decode_prefetch(struct ptx_parser *p, uint32_t nr)
{
	static const char *const mods[] = { "L2::cache_hint", NULL };
	struct ptx_stmt *st = &p->st;
	bool hint = ptx_has_mod(st, "L2::cache_hint");
	struct sg_copy c = { 0 };
	uint32_t size, policy;

	if (!only(st, nr, mods)) {
		unsupported(p);
		return;
	}
	if (st->nr_ops != 2u + hint) {
		wrong_operands(p);
		return;
	}
	if (place(p, &st->ops[0], SG_SPACE_GLOBAL, &c.src) &&
	    ptx_src_row(p, &st->ops[1], 'w', &size) &&
	    (!hint || ptx_src_row(p, &st->ops[2], 'l', &policy)))
		emit_copy(p, "@cp.async.bulk.prefetch", &c)->r[2] = size;
}

static void decode_bulk(struct ptx_parser *p, uint32_t nr)
{
	static const char *const hint[] = { "L2::cache_hint", NULL };
	static const struct {
		const char *mods;
		enum sg_space dst, src;
		bool bar;
	} kinds[] = {
		{ "async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes", SG_SPACE_SHARED, SG_SPACE_GLOBAL, true },
		{ "async.bulk.shared::cta.global.mbarrier::complete_tx::bytes", SG_SPACE_SHARED, SG_SPACE_GLOBAL, true },
		{ "async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes", SG_SPACE_SHARED, SG_SPACE_SHARED,
		  true },
		{ "async.bulk.global.shared::cta.bulk_group", SG_SPACE_GLOBAL, SG_SPACE_SHARED, false },
	};
	struct ptx_stmt *st = &p->st;
	uint32_t n;

	if (begins(st, "async.bulk.commit_group", &n) && n == st->nr_mods) {
		decode_group(p, false);
		return;
	}
	if (begins(st, "async.bulk.wait_group", &n) &&
	    (n == st->nr_mods || (n + 1 == st->nr_mods && ptx_has_mod(st, "read")))) {
		decode_group(p, true);
		return;
	}
	if (begins(st, "async.bulk.prefetch.L2.global", &n)) {
		decode_prefetch(p, n);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (begins(st, kinds[i].mods, &nr) && only(st, nr, hint)) {
			bulk_operands(p, kinds[i].dst, kinds[i].src, kinds[i].bar, NULL);
			return;
		}
	}
	unsupported(p);		/* tensors and clusters */
}

void ptx_decode_cp(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	uint32_t nr = 0;

	if (begins(st, "async.bulk", &nr))
		decode_bulk(p, nr);
	else if (begins(st, "async.mbarrier.arrive", &nr))
		decode_copy_arrive(p, nr);
	else if (st->nr_mods == 2 &&
		 (begins(st, "async.commit_group", &nr) || begins(st, "async.wait_all", &nr)))
		decode_group(p, false);
	else if (st->nr_mods == 2 && begins(st, "async.wait_group", &nr))
		decode_group(p, true);
	else if (begins(st, "async", &nr))
		decode_copy(p);
	else if (begins(st, "reduce", &nr))
		decode_reduce(p);
	else
		unsupported(p);
}

/*
 * Name of the form and where its operands are: a destination, the address, one value, of which a
 * count may be missing, and the time that a try_wait may take.
 */
static const struct mbarrier_kind {
	const char *mods;
	char dst, value;	/* letters of ptx_form.c; c: a count, 1 when it is missing */
	bool hint;
} mbarrier_kinds[] = {
	{ "init", 0, 'w', false }, { "inval", 0, 0, false }, { "expect_tx", 0, 'w', false },
	{ "complete_tx", 0, 'w', false },
	{ "arrive.expect_tx", 'l', 'w', false }, { "arrive.noComplete", 'l', 'w', false }, { "arrive", 'l', 'c', false },
	{ "arrive_drop.expect_tx", 'l', 'w', false }, { "arrive_drop.noComplete", 'l', 'w', false },
	{ "arrive_drop", 'l', 'c', false },
	{ "test_wait.parity", 'p', 'w', false }, { "test_wait", 'p', 'l', false },
	{ "try_wait.parity", 'p', 'w', true }, { "try_wait", 'p', 'l', true },
};

static bool mbarrier_operands(struct ptx_parser *p, const struct mbarrier_kind *k,
			      enum sg_space space, struct sg_insn *want)
{
	struct ptx_stmt *st = &p->st;
	uint32_t at = k->dst != 0, rest = st->nr_ops - at - 1, unused;

	if (st->nr_ops < at + 1 ||
	    (k->value == 'c' ? rest > 1 : rest != (k->value != 0) && !(k->hint && rest == 2))) {
		wrong_operands(p);
		return false;
	}
	want->r[1] = ptx_imm_row(p, 1, false);
	if (rest &&
	    !ptx_src_row(p, &st->ops[at + 1], k->value == 'c' ? 'w' : k->value, &want->r[1]))
		return false;
	if ((rest == 2 && !ptx_src_row(p, &st->ops[at + 2], 'w', &unused)) ||
	    !ptx_address(p, &st->ops[at], space, want))
		return false;
	if (!k->dst || (st->ops[0].kind == OPK_SINK && k->dst == 'l'))
		return true;
	return ptx_dst_row(p, &st->ops[0], k->dst, &want->r[0]);
}

static void decode_pending_count(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	uint32_t src, dst;
	struct sg_insn *in;

	if (st->nr_ops != 2 || st->nr_mods != 2 || !ptx_has_mod(st, "b64")) {
		wrong_operands(p);
		return;
	}
	if (!ptx_src_row(p, &st->ops[1], 'l', &src) || !ptx_dst_row(p, &st->ops[0], 'w', &dst))
		return;
	in = ptx_emit_form(p, "@mbarrier.pending_count");
	in->r[0] = dst;
	in->r[1] = src;
}

void ptx_decode_mbarrier(struct ptx_parser *p)
{
	static const char *const mods[] = { "relaxed", "acquire", "release",	 "cta",
					    "cluster", "shared",  "shared::cta", "shared::cluster",
					    "b64",     NULL };
	struct ptx_stmt *st = &p->st;
	const struct mbarrier_kind *k = mbarrier_kinds,
				   *end = k + sizeof(mbarrier_kinds) / sizeof(*k);
	struct sg_insn want = { 0 }, *in;
	uint32_t nr = 0;
	bool shared = false;
	char form[48];

	if (begins(st, "pending_count", &nr)) {
		decode_pending_count(p);
		return;
	}
	while (k < end && !begins(st, k->mods, &nr))
		k++;
	if (k == end || !only(st, nr, mods) || !ptx_has_mod(st, "b64")) {
		unsupported(p);
		return;
	}
	for (uint32_t i = nr; i < st->nr_mods; i++)
		shared |= ptx_space_find(&st->mods[i]) == SG_SPACE_SHARED;
	if (!mbarrier_operands(p, k, shared ? SG_SPACE_SHARED : SG_SPACE_GENERIC, &want))
		return;
	snprintf(form, sizeof(form), "@mbarrier.%s", k->mods);
	in = ptx_emit_form(p, form);
	memcpy(in->r, want.r, sizeof(in->r));
	in->imm = want.imm;
	in->a32 = want.a32;
	in->space = want.space;
	in->ctl = k->dst == 'p' ? SG_CTL_POLL : SG_CTL_NONE;
}
