/* SPDX-License-Identifier: MIT */
/*
 * warp.c - the run loop: which lanes run next, and where they go
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grid.h"
#include "group.h"
#include "race.h"

/*
 * After so many backward branches another group has its turn: the lane that spins may wait for one
 * that stands elsewhere. One in a loop that looks at memory counts for many.
 */
#define SPINS		(1u << 18)
#define SPIN_WEIGHT	(1u << 10)

enum run_end { END_PICK, END_YIELD, END_FAULT, END_GO };

bool sg_source_name(const struct sg_module *m, const struct sg_insn *in, char *out, size_t size)
{
	const char *file = NULL;
	uint32_t line;
	size_t len;

	out[0] = 0;
	for (uint32_t i = 0; i < m->nr_funcs && !file; i++)
		if (!ptx_source(m->funcs[i], in, &file, &line))
			file = NULL;
	if (!file)
		return false;
	len = strlen(file);	/* of a long path the end tells more */
	snprintf(out, size, "%s:%u", len > 80 ? file + len - 80 : file, line);
	return true;
}

enum sg_result sg_warp_fault(struct sg_warp *w, const struct sg_insn *in, enum sg_result res,
			     uint32_t lanes, uint64_t address, const char *fmt, ...)
{
	const struct sg_dim *b = &w->cta->job->l->block;
	uint32_t tid = w->id * SG_LANES + (lanes ? (uint32_t)__builtin_ctz(lanes) : 0);
	struct sg_fault *f = w->fault;
	va_list ap;

	f->result = res;
	f->address = address;
	f->ctaid = w->cta->ctaid;
	f->tid = (struct sg_dim){ tid % b->x, tid / b->x % b->y, tid / b->x / b->y };
	f->line = in ? in->line : 0;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	sg_source_name(w->cta->job->k->module, in, f->source, sizeof(f->source));
	return res;
}

static void exit_lanes(struct sg_warp *w, struct sg_frame *f, uint32_t lanes)
{
	w->live &= ~lanes;
	while (f) {
		struct sg_frame *parent = f->parent;

		f->live &= ~lanes;
		if (!f->live)
			sg_frame_pop(w, f);
		f = parent;
	}
	sg_bar_exit(w->cta, (uint32_t)__builtin_popcount(lanes));
}

static enum run_end return_lanes(struct sg_warp *w, struct sg_group *g, uint32_t lanes)
{
	struct sg_frame *f = g->frame;

	if (!f->parent) {
		exit_lanes(w, f, lanes);
	} else {
		sg_call_rets(w, f, lanes);
		sg_group_split(w, g, f->parent, f->ret_pc, lanes);
		f->live &= ~lanes;
		if (!f->live)
			sg_frame_pop(w, f);
	}
	g->mask &= ~lanes;
	g->pc++;
	return END_PICK;
}

static const struct ptx_func *callee(struct sg_warp *w, const struct sg_insn *in, uint32_t *mask)
{
	const struct ptx_call *call = in->aux;
	const struct sg_module *m = w->cta->job->k->module;
	const uint64_t *addr = SG_ROW(uint64_t, 0);
	uint32_t same = 0;
	const struct ptx_func *fn;
	uint64_t a, i;

	if (call->fn)
		return call->fn->def;
	a = addr[__builtin_ctz(*mask)];
	for (uint32_t k = *mask; k; k &= k - 1)
		if (addr[__builtin_ctz(k)] == a)
			same |= k & -k;
	*mask = same;
	i = ((a - SG_WINDOW_CODE) >> 4) - 1;
	if (i >= m->nr_funcs || a != SG_CODE_ADDRESS(i) || m->funcs[i]->entry)
		return NULL;
	fn = m->funcs[i];
	if (fn->nr_params != call->nr_args || fn->nr_rets != call->nr_rets)
		return NULL;
	for (uint32_t k = 0; k < call->nr_args; k++)
		if (fn->params[k]->size > call->proto->params[k]->size)
			return NULL;
	for (uint32_t k = 0; k < call->nr_rets; k++)
		if (fn->rets[k]->size > call->proto->rets[k]->size)
			return NULL;
	return fn;
}

static enum run_end call(struct sg_warp *w, struct sg_group *g, const struct sg_insn *in,
			 uint32_t active)
{
	const struct ptx_call *c = in->aux;
	const struct ptx_func *fn;
	struct sg_frame *f;
	uint32_t lanes = active;

	if (c->fn && c->fn->builtin) {
		if (sg_builtin_call(w, in, active))
			return END_FAULT;
		g->pc++;
		return END_PICK;
	}
	fn = callee(w, in, &lanes);
	if (!fn) {
		sg_warp_fault(w, in, SG_INVALID_PC, lanes,
			      SG_ROW(uint64_t, 0)[__builtin_ctz(lanes)],
			      "call of an address that is no function of this signature");
		return END_FAULT;
	}
	f = sg_frame_push(w, fn, g->frame, lanes);
	if (!f) {
		sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, lanes, 0, "stack overflow in '%s'",
			      fn->name);
		return END_FAULT;
	}
	f->call = in;
	f->ret_pc = g->pc + 1;
	sg_call_args(w, in, f, lanes);
	sg_group_split(w, g, g->frame, g->pc + 1, g->mask & ~active);
	/* other targets of an indirect call: they come here again */
	sg_group_split(w, g, g->frame, g->pc, active & ~lanes);
	g->frame = f;
	g->pc = 0;
	g->mask = lanes;
	return END_PICK;
}

/*
 * A loop that looks at memory may wait for a lane that stands elsewhere, or for another warp; one
 * that only computes cannot, but PTX does not tell them apart for sure.
 */
static bool spins_too_long(struct sg_warp *w, const struct sg_insn *in)
{
	w->spins += in->flags & SG_F_SPIN ? SPIN_WEIGHT : 1;
	if (w->spins <= SPINS)
		return false;
	w->spins = 0;
	return w->nr_groups || in->flags & SG_F_SPIN;
}

static enum run_end jump_table(struct sg_warp *w, struct sg_group *g, const struct sg_insn *in,
			       uint32_t active)
{
	const uint32_t *idx = SG_ROW(uint32_t, 0), *targets = in->aux;
	uint32_t i = idx[__builtin_ctz(active)], lanes = 0;

	if (i >= (uint64_t)in->imm) {
		sg_warp_fault(w, in, SG_INVALID_PC, active, i, "branch index %u out of %u", i,
			      (uint32_t)in->imm);
		return END_FAULT;
	}
	for (uint32_t k = active; k; k &= k - 1)
		if (idx[__builtin_ctz(k)] == i)
			lanes |= k & -k;
	sg_group_split(w, g, g->frame, g->pc + 1, g->mask & ~active);
	sg_group_split(w, g, g->frame, g->pc, active & ~lanes);
	if (targets[i] <= g->pc && spins_too_long(w, in))
		w->rotate = true;
	g->pc = targets[i];
	g->mask = lanes;
	return END_PICK;
}

static enum run_end barrier(struct sg_warp *w, struct sg_group *g, const struct sg_insn *in,
			    uint32_t active)
{
	sg_group_split(w, g, g->frame, g->pc + 1, g->mask & ~active);
	g->mask = active;
	if (sg_bar_arrive(w, in, active, g))
		return END_FAULT;
	if (g->state == SG_RUN)
		g->pc++;	/* bar.arrive */
	return END_PICK;
}

/*
 * A warp-wide operation: a lane waits until the lanes it names have come, or have exited. END_GO:
 * all of g go on.
 */
static enum run_end warp_sync(struct sg_warp *w, struct sg_group *g, const struct sg_insn *in,
			      uint32_t active)
{
	uint32_t ready = sg_group_complete(w, g, active, active), wait = active & ~ready;
	struct sg_group rest = { .frame = g->frame, .pc = g->pc, .mask = wait, .stamp = g->stamp,
				 .state = SG_WAIT_LANES };

	if (!ready) {
		sg_group_split(w, g, g->frame, g->pc + 1, g->mask & ~active);
		g->mask = active;
		g->state = SG_WAIT_LANES;
		return END_PICK;
	}
	if (wait)
		sg_group_put(w, &rest);
	g->mask &= ~wait;
	if (w->race)
		sg_race_warp_sync(w, SG_ROW(uint32_t, 5), ready);
	if (in->exec(w, in, ready))
		return END_FAULT;
	g->pc++;
	return wait ? END_PICK : END_GO;
}

static enum run_end divert(struct sg_warp *w, struct sg_group *g, const struct sg_insn *in,
			   uint32_t active)
{
	switch (in->ctl) {
	case SG_CTL_BRX:
		return jump_table(w, g, in, active);
	case SG_CTL_CALL:
		return call(w, g, in, active);
	case SG_CTL_BAR:
		return barrier(w, g, in, active);
	case SG_CTL_RET:
		return return_lanes(w, g, active);
	default:
		exit_lanes(w, g->frame, active);
		g->mask &= ~active;
		g->pc++;
		return END_PICK;
	}
}

static uint32_t guarded(const struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	uint32_t p = *(const uint32_t *)(w->regs + in->guard);

	return in->guarded == 1 ? mask & p : mask & ~p;
}

/* Is there an access that another CTA, or time, may answer otherwise the next time? */
static void watch(struct sg_warp *w, const struct sg_insn *in, uint32_t nr)
{
	for (; nr--; in++)
		w->observed |= in->ctl == SG_CTL_CALL ||
			       (in->flags & SG_F_VOLATILE && in->ctl == SG_CTL_NONE) ||
			       (in->vec && in->space <= SG_SPACE_GLOBAL && in->ctl != SG_CTL_POLL);
}

static enum run_end gave_way(struct sg_warp *w, struct sg_group *g, uint32_t pc)
{
	g->pc = pc;
	g->stamp = ++w->stamp;
	w->rotate = true;
	w->spins = 0;	/* a loop that polls stops here, not for its branches: grid.c tells the two apart */
	return END_YIELD;
}

/*
 * A branch at g->pc that the lanes in active take. END_GO: g is what goes on at g->pc, others are
 * in the list.
 */
static enum run_end branch(struct sg_warp *w, struct sg_group *g, const struct sg_insn *in,
			   uint32_t active, uint64_t until)
{
	uint32_t pc = g->pc, target = (uint32_t)in->imm, others = g->mask & ~active;

	if (others && target > pc) {
		/* they stand next in line more often than not */
		sg_group_split(w, g, g->frame, target, active);
		g->mask = others;
		g->pc = pc + 1;
	} else {
		sg_group_split(w, g, g->frame, pc + 1, others);
		g->mask = active;
		g->pc = target;
	}
	if (target <= pc) {
		if (spins_too_long(w, in)) {
			w->rotate = true;
			return w->nr_groups ? END_PICK : END_YIELD;
		}
		if (w->steps >= until)
			return END_YIELD;
	}
	if (w->turn) {
		w->turn--;
		return END_GO;
	}
	return sg_group_is_ahead(w, g->frame, g->pc) ? END_PICK : END_GO;
}

/* Runs a group until it must stop for another, or for what divert() does. */
static enum run_end run_group(struct sg_warp *w, struct sg_group *g, uint64_t until)
{
	const struct sg_insn *code = g->frame->fn->code, *in;
	uint32_t pc = g->pc, mask, active, start = pc, stop;
	enum run_end end;

	w->frame = g->frame;
	w->regs = g->frame->regs;
	sg_group_merge(w, g);
	g->state = SG_RUN;
	mask = g->mask;
	stop = sg_group_meeting(w, g);
	for (;; pc++) {
		if (pc == stop) {
			g->pc = pc;
			sg_group_merge(w, g);
			mask = g->mask;
			stop = sg_group_meeting(w, g);
		}
		in = &code[pc];
		active = in->guarded ? guarded(w, in, mask) : mask;
		if (!active)
			continue;
		if (in->ctl == SG_CTL_NONE) {
			if (in->exec(w, in, active))
				break;
			continue;
		}
		w->steps += pc - start + 1;
		if (w->watch)
			watch(w, code + start, pc - start + 1);
		start = pc + 1;
		g->pc = pc;
		switch (in->ctl) {
		case SG_CTL_POLL:
			if (in->exec(w, in, active))
				return END_FAULT;
			if (w->polled)
				return gave_way(w, g, pc + 1);
			continue;
		case SG_CTL_WARPSYNC:
			end = warp_sync(w, g, in, active);
			if (end != END_GO)
				return end;
			pc = g->pc - 1;
			continue;
		case SG_CTL_BRA:
			end = branch(w, g, in, active, until);
			if (end != END_GO)
				return end;
			mask = g->mask;
			stop = w->nr_groups ? sg_group_meeting(w, g) : UINT32_MAX;
			start = g->pc;
			pc = g->pc - 1;		/* the loop adds it again */
			continue;
		default:
			return divert(w, g, in, active);
		}
	}
	w->steps += pc - start + 1;
	g->pc = pc;
	return END_FAULT;
}

enum sg_warp_state sg_warp_run(struct sg_warp *w, uint64_t budget)
{
	uint64_t until = w->steps + budget;
	enum run_end end = END_PICK;
	struct sg_group g;

	w->polled = false;
	while (end == END_PICK && w->steps < until) {
		if (!sg_group_pick(w, &g))
			return w->nr_groups ? SG_WARP_BLOCKED : SG_WARP_DONE;
		end = run_group(w, &g, until);
		if (g.mask)
			sg_group_put(w, &g);
	}
	if (end == END_FAULT)
		return SG_WARP_FAULT;
	return w->nr_groups ? SG_WARP_YIELD : SG_WARP_DONE;
}

bool sg_warp_init(struct sg_warp *w, struct sg_cta *cta, uint32_t id, struct sg_extents *ext,
		  struct sg_fault *fault)
{
	w->cta = cta;
	w->id = id;
	w->ext = ext;
	w->fault = fault;
	w->params = cta->job->l->params;
	w->param_bytes = cta->job->k->info.param_bytes;
	w->shared = cta->shared;
	w->shared_bytes = cta->shared_bytes;
	w->pool = calloc(cta->job->k->module->nr_funcs, sizeof(*w->pool));
	return w->pool;
}

bool sg_warp_start(struct sg_warp *w)
{
	uint32_t first = w->id * SG_LANES, left = w->cta->job->threads - first;
	struct sg_frame *f;

	w->live = left >= SG_LANES ? SG_ALL : (1u << left) - 1;
	w->nr_groups = 0;
	w->steps = w->stamp = 0;
	w->spins = 0;
	w->rotate = false;
	memset(w->textures, 0, sizeof(w->textures));
	memset(w->surfaces, 0, sizeof(w->surfaces));
	w->turn = 0;
	f = sg_frame_push(w, w->cta->job->k->fn, NULL, w->live);
	if (!f)
		return false;
	sg_group_put(w, &(struct sg_group){ .frame = f, .mask = w->live });
	return true;
}

/* Frames that a fault left in use are reached through the groups. */
void sg_warp_fini(struct sg_warp *w)
{
	while (w->nr_groups) {
		struct sg_group *g = &w->groups[--w->nr_groups];

		exit_lanes(w, g->frame, g->mask);
	}
	if (w->pool)
		sg_frames_free(w);
}
