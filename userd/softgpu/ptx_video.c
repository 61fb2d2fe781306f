/* SPDX-License-Identifier: MIT */
/*
 * ptx_video.c - decoding of video instructions (PTX ISA 9.7.18)
 *
 * vadd.s32.u32.s32.sat.add d, a.b0, b.h1, c; vadd2.u32.u32.u32.sat d.h10, a.h32, b.h10, c
 */
#include <string.h>

#include "ptx_parse.h"
#include "video.h"

static const struct {
	const char *name;
	enum sg_video_op op;
	bool scalar, simd;
} ops[] = {
	{ "vadd", VIDEO_ADD, true, true }, { "vsub", VIDEO_SUB, true, true }, { "vabsdiff", VIDEO_ABSDIFF, true, true },
	{ "vmin", VIDEO_MIN, true, true }, { "vmax", VIDEO_MAX, true, true }, { "vavrg", VIDEO_AVRG, false, true },
	{ "vshl", VIDEO_SHL, true, false }, { "vshr", VIDEO_SHR, true, false }, { "vset", VIDEO_SET, true, true },
	{ "vmad", VIDEO_MAD, true, false },
};

static void unknown(struct ptx_parser *p)
{
	ptx_decode_error(p, SG_INVALID_PTX, "unknown instruction");
}

static bool operation(const struct ptx_tok *t, struct sg_video *v)
{
	size_t len = t->len;

	v->lanes = 1;
	if (len && (t->s[len - 1] == '2' || t->s[len - 1] == '4'))
		v->lanes = (uint8_t)(t->s[--len] - '0');
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strlen(ops[i].name) != len || memcmp(ops[i].name, t->s, len))
			continue;
		v->op = (uint8_t)ops[i].op;
		return v->lanes == 1 ? ops[i].scalar : ops[i].simd;
	}
	return false;
}

static bool signedness(const struct ptx_tok *t, bool *is_signed)
{
	*is_signed = ptx_tok_is(t, "s32");
	return *is_signed || ptx_tok_is(t, "u32");
}

/* The word at the n'th modifier is the i'th of the list: i + first; it is taken. */
static bool take(const struct ptx_stmt *st, uint32_t *n, const char *const *list, uint8_t first,
		 uint8_t *which)
{
	if (*n >= st->nr_mods)
		return false;
	for (uint8_t i = 0; list[i]; i++) {
		if (!ptx_tok_is(&st->mods[*n], list[i]))
			continue;
		*which = first + i;
		++*n;
		return true;
	}
	return false;
}

static bool modifiers(const struct ptx_stmt *st, struct sg_video *v)
{
	static const char *const cmps[] = { "eq", "ne", "lt", "le", "gt", "ge", NULL },
				 *const sats[] = { "sat", NULL };
	static const char *const seconds[] = { "add", "min", "max", NULL }, *const modes[] = {
		"clamp", "wrap", NULL
	};
	static const char *const scales[] = { "shr7", "shr15", NULL }, *const pos[] = { "po",
											NULL };
	uint32_t n = 0;
	uint8_t which = 0;

	if (v->op != VIDEO_SET && (!st->nr_mods || !signedness(&st->mods[n++], &v->d_signed)))
		return false;
	if (n + 2 > st->nr_mods || !signedness(&st->mods[n], &v->a_signed) ||
	    !signedness(&st->mods[n + 1], &v->b_signed))
		return false;
	n += 2;
	if (v->op == VIDEO_SET && !take(st, &n, cmps, VIDEO_EQ, &v->cmp))
		return false;
	if (v->op == VIDEO_MAD)
		v->plus_one = take(st, &n, pos, 0, &which);
	if (v->op != VIDEO_SET)
		v->sat = take(st, &n, sats, 0, &which);
	if (v->op == VIDEO_SHL || v->op == VIDEO_SHR) {
		if (v->b_signed || !take(st, &n, modes, 0, &which))
			return false;
		v->wrap = which;
	}
	if (v->op == VIDEO_MAD) {
		if (take(st, &n, scales, 0, &which))
			v->shift = which ? 15 : 7;
	} else if (take(st, &n, seconds, VIDEO_THEN_ADD, &v->second) && v->lanes > 1 &&
		   (v->sat || v->second != VIDEO_THEN_ADD)) {
		return false;
	}
	return n == st->nr_mods;
}

/* .b0 to .b3, .h0, .h1 */
static bool scalar_part(const struct ptx_tok *sel, struct sg_part *part)
{
	uint32_t at;

	*part = (struct sg_part){ 0, 32 };
	if (!sel->len)
		return true;
	if (sel->len != 2 || (sel->s[0] != 'b' && sel->s[0] != 'h'))
		return false;
	part->bits = sel->s[0] == 'b' ? 8 : 16;
	at = (uint32_t)(sel->s[1] - '0') * part->bits;
	part->shift = (uint8_t)at;
	return at < 32;
}

/* .h32, .b7654: the last digit is that of lane 0 */
static bool simd_places(const struct ptx_tok *sel, uint8_t lanes, uint8_t first, uint8_t *place)
{
	for (uint8_t i = 0; i < lanes; i++)
		place[i] = first + i;
	if (!sel->len)
		return true;
	if (sel->len != lanes + 1u || sel->s[0] != (lanes == 2 ? 'h' : 'b'))
		return false;
	for (uint8_t i = 0; i < lanes; i++) {
		place[i] = (uint8_t)(sel->s[lanes - i] - '0');
		if (place[i] >= 2 * lanes)
			return false;
	}
	return true;
}

/* .h10, .b310: the lanes that are written, the highest first */
static bool simd_mask(const struct ptx_tok *sel, uint8_t lanes, uint8_t *mask)
{
	uint32_t last = lanes;

	*mask = (uint8_t)((1u << lanes) - 1);
	if (!sel->len)
		return true;
	*mask = 0;
	for (uint32_t i = 1; i < sel->len; i++) {
		uint32_t at = (uint32_t)(sel->s[i] - '0');

		if (at >= last)
			return false;
		last = at;
		*mask |= (uint8_t)(1u << at);
	}
	return *mask && sel->s[0] == (lanes == 2 ? 'h' : 'b');
}

static bool selectors(const struct ptx_stmt *st, struct sg_video *v)
{
	const struct ptx_tok *d = &st->ops[0].sel, *a = &st->ops[1].sel, *b = &st->ops[2].sel;

	if (v->lanes > 1)
		return simd_mask(d, v->lanes, &v->mask) && simd_places(a, v->lanes, 0, v->a_sel) &&
		       simd_places(b, v->lanes, v->lanes, v->b_sel);
	v->merge = d->len;
	if (v->op == VIDEO_MAD && v->merge)
		return false;
	return scalar_part(d, &v->d) && scalar_part(a, &v->a) && scalar_part(b, &v->b) &&
	       !(v->merge && v->second);
}

/* Only vmad has negated operands: a or b, or c. */
static bool negations(const struct ptx_stmt *st, struct sg_video *v)
{
	bool any = st->ops[1].minus || st->ops[2].minus || (st->nr_ops > 3 && st->ops[3].minus);

	if (!any)
		return true;
	v->minus_product = st->ops[1].minus != st->ops[2].minus;
	v->minus_c = st->nr_ops > 3 && st->ops[3].minus;
	return v->op == VIDEO_MAD && !v->plus_one && !(v->minus_product && v->minus_c);
}

void ptx_decode_video(struct ptx_parser *p)
{
	struct ptx_stmt *st = &p->st;
	struct sg_video v = { 0 }, *copy;
	uint32_t r[4] = { 0 };
	struct sg_insn *in;
	bool with_c;

	if (!operation(&st->op, &v) || !modifiers(st, &v) || st->nr_ops < 3 || !selectors(st, &v) ||
	    !negations(st, &v)) {
		unknown(p);
		return;
	}
	with_c = v.lanes > 1 || v.second || v.merge || v.op == VIDEO_MAD;
	if (st->nr_ops != 3u + with_c || (with_c && st->ops[3].sel.len)) {
		ptx_decode_error(p, SG_INVALID_PTX, "wrong operands for");
		return;
	}
	for (uint32_t i = 1; i < st->nr_ops; i++)
		if (!ptx_src_row(p, &st->ops[i], 'w', &r[i]))
			return;
	copy = ptx_alloc(p, p->arena, sizeof(*copy));
	if (!copy || !ptx_dst_row(p, &st->ops[0], 'w', &r[0]))
		return;
	*copy = v;
	in = ptx_emit_form(p, v.lanes > 1	  ? "@video.simd"
			      : v.op == VIDEO_MAD ? "@video.mad"
						  : "@video");
	memcpy(in->r, r, sizeof(r));
	in->aux = copy;
}
