/* SPDX-License-Identifier: MIT */
/*
 * ptx_cache.c - decoding of what only hints: cache policies, prefetches, priorities, events,
 * dependent grids (PTX ISA 9.7.9.16 to 9.7.9.19, 9.7.13.13, 9.7.19)
 *
 * Caches are the processor's own affair, and grids of a stream do not overlap. The operands are
 * checked all the same.
 */
#include <string.h>

#include "ptx_parse.h"

/*
 * mods: what may stand after the opcode, words of one place between points and separated by '|',
 * a '?' behind a place that may be left out. ops: 'a' an address, else letters of ptx_form.c.
 */
static const struct hint {
	const char *op, *mods, *ops;
} hints[] = {
	{ "applypriority", "global? L2::evict_normal", "ai" },
	{ "discard", "global? L2", "ai" },
	{ "griddepcontrol", "launch_dependents|wait", "" },
	{ "pmevent", "", "i" }, { "pmevent", "mask", "i" },
	{ "prefetch", "global|local? L1|L2", "a" }, { "prefetch", "global L2::evict_last|L2::evict_normal", "a" },
	{ "prefetchu", "L1", "a" },
	{ "createpolicy",
	  "fractional L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged "
	  "L2::evict_first|L2::evict_unchanged? b64", "lF" },
	{ "createpolicy", "fractional L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged "
	  "L2::evict_first|L2::evict_unchanged? b64", "l" },
	{ "createpolicy", "range global? L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged "
	  "L2::evict_first|L2::evict_unchanged? b64", "laww" },
	{ "createpolicy", "cvt L2 b64", "ll" },
};

static bool in_place(const char *place, size_t len, const struct ptx_tok *t)
{
	for (size_t i = 0, n; i < len; i += n + 1) {
		for (n = 0; i + n < len && place[i + n] != '|'; n++)
			;
		if (t->len == n && !memcmp(t->s, place + i, n))
			return true;
	}
	return false;
}

static bool mods_match(const struct ptx_stmt *st, const char *mods)
{
	uint32_t at = 0;

	while (*mods) {
		size_t len = strcspn(mods, " "), words = len - (mods[len - 1] == '?');

		if (at < st->nr_mods && in_place(mods, words, &st->mods[at]))
			at++;
		else if (words == len)
			return false;
		mods += len + (mods[len] == ' ');
	}
	return at == st->nr_mods;
}

static bool check_operand(struct ptx_parser *p, const struct ptx_operand *op, char letter)
{
	struct sg_insn unused = { 0 };
	uint32_t row;

	switch (letter) {
	case 'a':
		return ptx_address(p, op, SG_SPACE_GENERIC, &unused);
	case 'i':
		if (op->kind == OPK_INT)
			return true;
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "an integer constant expected");
		return false;
	case 'F':
		return ptx_src_row(p, op, 'f', &row);
	default:
		return ptx_src_row(p, op, letter, &row);
	}
}

void ptx_decode_hint(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	const struct hint *h = hints, *end = h + sizeof(hints) / sizeof(hints[0]);
	bool policy = ptx_tok_is(&st->op, "createpolicy");
	struct sg_insn *in;
	uint32_t dst;

	while (h < end && !(ptx_tok_is(&st->op, h->op) && mods_match(st, h->mods) &&
			    strlen(h->ops) == st->nr_ops))
		h++;
	if (h == end) {
		ptx_decode_error(p, SG_UNSUPPORTED_PTX, "unsupported instruction");
		return;
	}
	for (uint32_t i = policy; i < st->nr_ops; i++)
		if (!check_operand(p, &st->ops[i], h->ops[i]))
			return;
	if (!policy || !ptx_dst_row(p, &st->ops[0], 'l', &dst))
		return;
	in = ptx_emit_form(p, "mov.b64");	/* a policy is opaque */
	in->r[0] = dst;
	in->r[1] = ptx_imm_row(p, 0, true);
}
