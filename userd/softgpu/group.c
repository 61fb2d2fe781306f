/* SPDX-License-Identifier: MIT */
/*
 * group.c - the lanes of a warp that do not run now, sorted by who is to run next
 *
 * A group's key is the depth of its frame, deepest first, and its pc: the list is in descending
 * order of keys, so the next to run stands at its end, and so does the next that a running group
 * can meet. The group that runs is not in the list.
 */
#include <string.h>

#include "group.h"

/* Puts g in its place; two that run and stand at one place become one. */
void sg_group_put(struct sg_warp *w, const struct sg_group *g)
{
	uint64_t key = sg_group_key(g->frame, g->pc);
	uint32_t i = w->nr_groups;

	while (i && w->groups[i - 1].key < key)
		i--;
	if (i && w->groups[i - 1].key == key && w->groups[i - 1].frame == g->frame &&
	    w->groups[i - 1].state == SG_RUN && g->state == SG_RUN) {
		w->groups[i - 1].mask |= g->mask;
		return;
	}
	/* masks of groups are disjoint and not empty: there are never more than 32 */
	memmove(&w->groups[i + 1], &w->groups[i], (w->nr_groups++ - i) * sizeof(*g));
	w->groups[i] = *g;
	w->groups[i].key = key;
}

static void take_out(struct sg_warp *w, uint32_t i)
{
	memmove(&w->groups[i], &w->groups[i + 1], (--w->nr_groups - i) * sizeof(w->groups[0]));
}

void sg_group_split(struct sg_warp *w, const struct sg_group *from, struct sg_frame *frame,
		    uint32_t pc, uint32_t lanes)
{
	struct sg_group g = { .frame = frame, .pc = pc, .mask = lanes, .stamp = from->stamp };

	if (lanes)
		sg_group_put(w, &g);
}

/*
 * The nearest pc at or after g's where another group stands in the same frame; UINT32_MAX: none
 * does.
 */
uint32_t sg_group_meeting(const struct sg_warp *w, const struct sg_group *g)
{
	uint64_t key = sg_group_key(g->frame, g->pc);

	for (uint32_t i = w->nr_groups; i-- > 0;) {
		const struct sg_group *o = &w->groups[i];

		if (o->key < key)
			continue;
		if (o->key >> 32 != key >> 32)
			break;
		if (o->frame == g->frame && o->state != SG_WAIT_BAR)
			return o->pc;
	}
	return UINT32_MAX;
}

/* Joins every group that stands where g stands. */
void sg_group_merge(struct sg_warp *w, struct sg_group *g)
{
	uint64_t key = sg_group_key(g->frame, g->pc);

	for (uint32_t i = w->nr_groups; i-- > 0;) {
		struct sg_group *o = &w->groups[i];

		if (o->key > key)
			break;
		if (o->key < key || o->frame != g->frame || o->state == SG_WAIT_BAR)
			continue;
		g->mask |= o->mask;
		take_out(w, i);
	}
}

static bool lanes_here(const struct sg_warp *w, const struct sg_group *g)
{
	const struct sg_insn *in = &g->frame->fn->code[g->pc];
	const uint32_t *members = (const uint32_t *)(g->frame->regs + in->r[5]);

	return !(members[__builtin_ctz(g->mask)] & w->live & ~g->mask);
}

/*
 * Nobody else can move: a warp barrier is also complete when its lanes wait at several of them (the
 * compiler may have copied it into both branches). Other operations must find their lanes at one
 * place.
 */
static bool release_scattered(struct sg_warp *w)
{
	for (uint32_t i = 0; i < w->nr_groups; i++) {
		struct sg_group *g = &w->groups[i];
		const struct sg_insn *in;
		uint32_t there = 0, want;

		if (g->state != SG_WAIT_LANES)
			continue;
		in = &g->frame->fn->code[g->pc];
		if (in->r[0] || in->r[1])
			continue;
		want = ((uint32_t *)(g->frame->regs + in->r[5]))[__builtin_ctz(g->mask)] & w->live;
		for (uint32_t k = 0; k < w->nr_groups; k++) {
			struct sg_group *o = &w->groups[k];

			if (o->state == SG_WAIT_LANES && o->frame->fn->code[o->pc].exec == in->exec)
				there |= o->mask;
		}
		if (want & ~there)
			continue;
		for (uint32_t k = 0; k < w->nr_groups; k++) {
			struct sg_group *o = &w->groups[k];

			if (o->state == SG_WAIT_LANES && (o->mask & want) &&
			    o->frame->fn->code[o->pc].exec == in->exec) {
				o->state = SG_RUN;
				o->released = true;
			}
		}
		return true;
	}
	return false;
}

/* Groups whose barrier is complete go on behind it, which may be another place in the list. */
static void wake(struct sg_warp *w)
{
	struct sg_group awake[SG_LANES];
	uint32_t nr = 0;

	for (uint32_t i = w->nr_groups; i-- > 0;) {
		struct sg_group *g = &w->groups[i];

		if (g->state == SG_WAIT_BAR && sg_bar_released(w, g)) {
			g->state = SG_RUN;
			g->pc++;
			awake[nr++] = *g;
			take_out(w, i);
		} else if (g->state == SG_WAIT_LANES && lanes_here(w, g)) {
			g->state = SG_RUN;
		}
	}
	while (nr)
		sg_group_put(w, &awake[--nr]);
}

/* For rotation the one whose turn is longest ago; otherwise the last that can run. */
static uint32_t choose(const struct sg_warp *w)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = w->nr_groups; i-- > 0;) {
		if (w->groups[i].state != SG_RUN)
			continue;
		if (best == UINT32_MAX || w->groups[i].stamp < w->groups[best].stamp)
			best = i;
		if (!w->rotate)
			break;
	}
	return best;
}

bool sg_group_pick(struct sg_warp *w, struct sg_group *g)
{
	uint32_t i = w->nr_groups - 1;

	if (!w->nr_groups)
		return false;
	/* what wake() could change stands behind the last in the order */
	if (w->rotate || w->groups[i].state != SG_RUN) {
		do {
			wake(w);
			i = choose(w);
		} while (i == UINT32_MAX && release_scattered(w));
		if (i == UINT32_MAX)
			return false;
	}
	*g = w->groups[i];
	take_out(w, i);
	w->turn = 0;
	if (w->rotate) {
		w->turn = SG_TURN;
		/* even if an earlier group takes over before it has jumped so often: else the others starve */
		g->stamp = ++w->stamp;
	}
	w->rotate = false;
	return true;
}
