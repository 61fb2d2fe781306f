/* SPDX-License-Identifier: MIT */
/*
 * barrier.c - bar and barrier (PTX ISA 9.7.13.1)
 *
 * A barrier counts threads. Without a count it waits for all threads of the CTA that have not
 * exited. All warps of a CTA run on one engine thread at a time, so nothing here is locked.
 */
#include "ptx_module.h"
#include "race.h"

static void complete(struct sg_bar *b)
{
	b->last_popc = b->popc;
	b->last_all = b->all;
	b->last_any = b->any;
	b->arrived = b->expected = b->popc = b->any = 0;
	b->all = 1;
	b->gen++;
}

static void check(struct sg_cta *cta, struct sg_bar *b)
{
	if (!b->arrived || b->arrived < (b->expected ? b->expected : cta->live_threads))
		return;
	complete(b);
	if (cta->race)
		sg_race_bar_complete(cta, (uint32_t)(b - cta->bar));
}

enum sg_result sg_bar_arrive(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
			     struct sg_group *g)
{
	uint32_t lane = (uint32_t)__builtin_ctz(mask), id = SG_ROW(uint32_t, 1)[lane];
	uint32_t count = in->r[2] ? SG_ROW(uint32_t, 2)[lane] : 0;
	struct sg_bar *b;

	if (id >= SG_NR_BARRIERS || count % SG_LANES || (in->r[2] && !count))
		return sg_warp_fault(w, in, SG_ILLEGAL_INSTRUCTION, mask, 0,
				     "barrier %u with %u threads", id, count);
	b = &w->cta->bar[id];
	if (in->flags >= SG_BAR_RED_POPC) {
		uint32_t yes = *SG_ROW(uint32_t, 3) & mask;

		b->popc += (uint32_t)__builtin_popcount(yes);
		b->all &= yes == mask;
		b->any |= yes != 0;
	}
	b->expected = count;
	/* with a count, a warp stands for 32 threads even where its last lanes do not exist */
	b->arrived += count && mask == w->live ? SG_LANES : (uint32_t)__builtin_popcount(mask);
	if (in->flags != SG_BAR_ARRIVE) {
		g->state = SG_WAIT_BAR;
		g->bar = id;
		g->bar_gen = b->gen;
	}
	if (w->race)
		sg_race_bar_arrive(w, id);
	check(w->cta, b);
	return SG_OK;
}

static void write_pred(uint32_t *p, uint32_t mask, bool v)
{
	*p = v ? *p | mask : *p & ~mask;
}

void sg_bar_exit(struct sg_cta *cta, uint32_t threads)
{
	cta->live_threads -= threads;
	for (uint32_t i = 0; i < SG_NR_BARRIERS; i++)
		if (!cta->bar[i].expected)
			check(cta, &cta->bar[i]);
}

bool sg_bar_released(struct sg_warp *w, struct sg_group *g)
{
	const struct sg_insn *in = &g->frame->fn->code[g->pc];
	const struct sg_bar *b = &w->cta->bar[g->bar];
	uint32_t *d = (uint32_t *)(g->frame->regs + in->r[0]);

	if (b->gen == g->bar_gen)
		return false;
	if (w->race)
		sg_race_bar_leave(w, g->bar);
	if (in->flags == SG_BAR_RED_POPC) {
		for (uint32_t m = g->mask; m; m &= m - 1)
			d[__builtin_ctz(m)] = b->last_popc;
	} else if (in->flags == SG_BAR_RED_AND) {
		write_pred(d, g->mask, b->last_all);
	} else if (in->flags == SG_BAR_RED_OR) {
		write_pred(d, g->mask, b->last_any);
	}
	return true;
}
