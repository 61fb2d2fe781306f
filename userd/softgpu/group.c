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
#include "race.h"

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

uint32_t sg_group_complete(const struct sg_warp *w, const struct sg_group *g, uint32_t lanes,
			   uint32_t here)
{
	const struct sg_insn *in = &g->frame->fn->code[g->pc];
	const uint32_t *members = (const uint32_t *)(g->frame->regs + in->r[5]);
	uint32_t absent = w->live & ~here, ready = 0;

	if (!absent)
		return lanes;
	for (; lanes; lanes &= lanes - 1)
		if (!(members[__builtin_ctz(lanes)] & absent))
			ready |= lanes & -lanes;
	return ready;
}

static bool waits_at_barrier(const struct sg_group *g)
{
	const struct sg_insn *in = &g->frame->fn->code[g->pc];

	return g->state == SG_WAIT_LANES && !in->r[0] && !in->r[1];
}

/* Takes lanes of g, at i in the list, out of it: they are behind the barrier where they stood. */
static struct sg_group pass_barrier(struct sg_warp *w, uint32_t i, uint32_t lanes)
{
	struct sg_group *g = &w->groups[i], passed = *g;

	if (w->race)
		sg_race_warp_sync(w, (const uint32_t *)(g->frame->regs +
							g->frame->fn->code[g->pc].r[5]), lanes);
	passed.mask = lanes;
	passed.state = SG_RUN;
	passed.pc++;
	g->mask &= ~lanes;
	if (!g->mask)
		take_out(w, i);
	return passed;
}

/*
 * A warp barrier is also complete when its lanes wait at several of them (the compiler may have
 * copied it into both branches). Other operations must find their lanes at one place.
 */
static bool release_scattered(struct sg_warp *w)
{
	struct sg_group passed[SG_LANES];
	uint32_t here = 0, nr = 0, lanes;

	for (uint32_t i = 0; i < w->nr_groups; i++)
		if (waits_at_barrier(&w->groups[i]))
			here |= w->groups[i].mask;
	for (uint32_t i = w->nr_groups; i-- > 0;) {
		struct sg_group *g = &w->groups[i];

		lanes = waits_at_barrier(g) ? sg_group_complete(w, g, g->mask, here) : 0;
		if (lanes)
			passed[nr++] = pass_barrier(w, i, lanes);
	}
	for (uint32_t i = 0; i < nr; i++)
		sg_group_put(w, &passed[i]);
	return nr;
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
		} else if (g->state == SG_WAIT_LANES &&
			   sg_group_complete(w, g, g->mask, g->mask)) {
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
		if (w->rotate)	/* who spins may wait for one that waits at such a barrier */
			release_scattered(w);
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
