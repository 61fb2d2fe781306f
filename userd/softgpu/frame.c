/* SPDX-License-Identifier: MIT */
/*
 * frame.c - register files, local memory and arguments of the functions a warp is in
 */
#include <stdlib.h>
#include <string.h>

#include "grid.h"

static uint32_t sreg_value(const struct sg_warp *w, enum sg_sreg id, uint32_t lane)
{
	const struct sg_job *job = w->cta->job;
	const struct sg_dim *b = &job->l->block, *g = &job->l->grid, *c = &w->cta->ctaid;
	uint32_t tid = w->id * SG_LANES + lane;

	switch ((int)id) {
	case SREG_TID_X:
		return tid % b->x;
	case SREG_TID_Y:
		return tid / b->x % b->y;
	case SREG_TID_Z:
		return tid / b->x / b->y;
	case SREG_NTID_X:
		return b->x;
	case SREG_NTID_Y:
		return b->y;
	case SREG_NTID_Z:
		return b->z;
	case SREG_CTAID_X:
		return c->x;
	case SREG_CTAID_Y:
		return c->y;
	case SREG_CTAID_Z:
		return c->z;
	case SREG_NCTAID_X:
		return g->x;
	case SREG_NCTAID_Y:
		return g->y;
	case SREG_NCTAID_Z:
		return g->z;
	case SREG_ONE:
		return 1;
	case SREG_LANEID:
		return lane;
	case SREG_WARPID:
		return w->id;
	case SREG_NWARPID:
		return job->nr_warps;
	case SREG_WARP_SIZE:
		return SG_LANES;
	case SREG_NSMID:
		return 1;
	case SREG_GRIDID:
		return (uint32_t)job->id;
	case SREG_LM_EQ:
		return 1u << lane;
	case SREG_LM_LE:
		return SG_ALL >> (31 - lane);
	case SREG_LM_LT:
		return (1u << lane) - 1;
	case SREG_LM_GE:
		return SG_ALL << lane;
	case SREG_LM_GT:
		return (SG_ALL << lane) << 1;
	case SREG_DYN_SMEM:
		return job->l->dynamic_shared;
	case SREG_TOTAL_SMEM:
	case SREG_RESERVED:
		return job->user_shared;
	case SREG_RESERVED_1:
		return job->user_shared + SG_RESERVED_SHARED / 2;
	case SREG_RESERVED_END:
		return job->user_shared + SG_RESERVED_SHARED;
	case SREG_RESERVED_CAP:
		return SG_RESERVED_SHARED;
	case SREG_ENVREG + 1:	/* as cooperative_groups reads it: the upper half first */
		return (uint32_t)(job->workspace >> 32);
	case SREG_ENVREG + 2:
		return (uint32_t)job->workspace;
	default:
		return 0;
	}
}

static void fill(uint8_t *row, bool wide, uint64_t v)
{
	if (wide) {
		for (int i = 0; i < SG_LANES; i++)
			((uint64_t *)row)[i] = v;
	} else {
		for (int i = 0; i < SG_LANES; i++)
			((uint32_t *)row)[i] = (uint32_t)v;
	}
}

static void fill_const(struct sg_warp *w, struct sg_frame *f, const struct ptx_const *c)
{
	uint8_t *row = f->regs + c->row;
	uint64_t v = c->value;

	switch (c->kind) {
	case CONST_SREG:
		for (uint32_t i = 0; i < SG_LANES; i++) {
			uint32_t s = sreg_value(w, (enum sg_sreg)c->value, i);

			if (c->wide)
				((uint64_t *)row)[i] = s;
			else
				((uint32_t *)row)[i] = s;
		}
		return;
	case CONST_SHARED:
		v += w->cta->job->k->shared_off[c->var->def->shared_index];
		break;
	case CONST_LOCAL:
		v += f->local_base;
		break;
	default:
		break;
	}
	fill(row, c->wide, v);
}

/* A stack of local memory for each lane; what is there keeps its offsets when the stacks grow. */
bool sg_local_need(struct sg_warp *w, uint32_t bytes)
{
	uint32_t cap = w->local_cap ? w->local_cap : 256;
	uint8_t *mem;

	if (bytes <= w->local_cap)
		return true;
	if (bytes > w->cta->job->local_max)
		return false;
	while (cap < bytes)
		cap *= 2;
	mem = calloc(SG_LANES, cap);
	if (!mem)
		return false;
	for (uint32_t i = 0; i < SG_LANES && w->local; i++)
		memcpy(mem + (size_t)i * cap, w->local + (size_t)i * w->local_cap, w->local_cap);
	free(w->local);
	w->local = mem;
	w->local_cap = cap;
	return true;
}

struct sg_frame *sg_frame_push(struct sg_warp *w, const struct ptx_func *fn,
			       struct sg_frame *parent, uint32_t mask)
{
	struct sg_frame *f = w->pool[fn->index];
	uint32_t base = parent ? parent->local_base + parent->fn->local_bytes +
					 ((parent->grown + 15) & ~15u)
			       : 0;
	bool fresh = !f;

	if ((parent && parent->depth + 1 >= SG_MAX_DEPTH) ||
	    !sg_local_need(w, base + fn->local_bytes))
		return NULL;
	if (f) {
		w->pool[fn->index] = f->next;
	} else {
		f = calloc(1, sizeof(*f));
		if (f)
			f->regs = aligned_alloc(64, fn->frame_bytes);
		if (!f || !f->regs) {
			free(f);
			return NULL;
		}
		memset(f->regs, 0, fn->frame_bytes);
	}
	f->fn = fn;
	f->parent = parent;
	f->depth = parent ? parent->depth + 1 : 0;
	f->local_base = base;
	f->grown = 0;
	f->live = mask;
	for (const struct ptx_const *c = fn->consts; c && (fresh || c->kind != CONST_IMM);
	     c = c->next)
		fill_const(w, f, c);
	return f;
}

void sg_frame_pop(struct sg_warp *w, struct sg_frame *f)
{
	f->next = w->pool[f->fn->index];
	w->pool[f->fn->index] = f;
}

void sg_frames_free(struct sg_warp *w)
{
	uint32_t nr = w->cta->job->k->module->nr_funcs;

	for (uint32_t i = 0; w->pool && i < nr; i++) {
		while (w->pool[i]) {
			struct sg_frame *f = w->pool[i];

			w->pool[i] = f->next;
			free(f->regs);
			free(f);
		}
	}
	free(w->pool);
	free(w->local);
	w->pool = NULL;
	w->local = NULL;
}

static uint8_t *lane_local(const struct sg_warp *w, const struct sg_frame *f, uint32_t lane,
			   uint64_t offset)
{
	return w->local + (size_t)lane * w->local_cap + f->local_base + offset;
}

static uint64_t row_get(const uint8_t *regs, uint32_t row, uint32_t bytes, uint32_t lane)
{
	if (!bytes)
		return *(const uint32_t *)(regs + row) >> lane & 1;
	return bytes == 8 ? ((const uint64_t *)(regs + row))[lane]
			  : ((const uint32_t *)(regs + row))[lane];
}

static void row_set(uint8_t *regs, uint32_t row, uint32_t bytes, uint32_t lane, uint64_t v)
{
	uint32_t *p = (uint32_t *)(regs + row);

	if (!bytes)
		*p = (*p & ~(1u << lane)) | (v & 1) << lane;
	else if (bytes == 8)
		((uint64_t *)p)[lane] = v;
	else
		p[lane] = (uint32_t)v;
}

static uint32_t row_bytes(const struct ptx_var *v)
{
	return v->type == PTX_PRED ? 0 : v->size > 4 ? 8 : 4;
}

/* One value from the caller's argument to the callee's parameter, or back (ret). */
static void pass(struct sg_warp *w, const struct sg_frame *caller, const struct ptx_arg *a,
		 const struct sg_frame *callee, const struct ptx_var *formal, bool ret,
		 uint32_t lane)
{
	bool reg = formal->space == SG_SPACE_REG;
	uint8_t *inner = reg ? NULL : lane_local(w, callee, lane, formal->addr);
	uint8_t *outer = a->is_row ? NULL : lane_local(w, caller, lane, a->offset);
	uint32_t size = (uint32_t)formal->size;
	uint64_t v = 0;

	if (!a->is_row && !a->size)
		return;			/* "_" */
	if (inner && outer) {
		memcpy(ret ? outer : inner, ret ? inner : outer, size);
		return;
	}
	if (size > sizeof(v))
		size = sizeof(v);
	if (ret) {
		if (reg)
			v = row_get(callee->regs, formal->row, row_bytes(formal), lane);
		else
			memcpy(&v, inner, size);
		if (outer)
			memcpy(outer, &v, size);
		else
			row_set(caller->regs, a->row, a->bytes, lane, v);
	} else {
		if (outer)
			memcpy(&v, outer, size);
		else
			v = row_get(caller->regs, a->row, a->bytes, lane);
		if (inner)
			memcpy(inner, &v, size);
		else
			row_set(callee->regs, formal->row, row_bytes(formal), lane, v);
	}
}

void sg_call_args(struct sg_warp *w, const struct sg_insn *in, const struct sg_frame *callee,
		  uint32_t mask)
{
	const struct ptx_call *call = in->aux;

	for (uint32_t m = mask; m; m &= m - 1)
		for (uint32_t i = 0; i < call->nr_args; i++)
			pass(w, callee->parent, &call->args[i], callee, callee->fn->params[i],
			     false, (uint32_t)__builtin_ctz(m));
}

void sg_call_rets(struct sg_warp *w, const struct sg_frame *callee, uint32_t mask)
{
	const struct ptx_call *call = callee->call->aux;

	for (uint32_t m = mask; m; m &= m - 1)
		for (uint32_t i = 0; i < call->nr_rets; i++)
			pass(w, callee->parent, &call->rets[i], callee, callee->fn->rets[i], true,
			     (uint32_t)__builtin_ctz(m));
}
