/* SPDX-License-Identifier: MIT */
/*
 * proginterp.c - runs a random program, one thread at a time
 *
 * Statements at the top are finished by every thread before the next begins, so what crosses threads is a plain look
 * at the others' registers.
 */
#include <string.h>

#include "prog.h"

#define U32(v) ((uint32_t)(v))

static uint64_t masked(enum prog_class c, uint64_t v)
{
	return c == CLS_H ? v & 0xffff : c == CLS_W || c == CLS_F ? v & 0xffffffff : c == CLS_P ? v & 1 : v;
}

static bool passes(const struct stmt *s, const struct prog_state *t)
{
	return s->guard < 0 || (t->r[CLS_P][s->guard] != 0) != s->negated;
}

static void run_op(const struct stmt *s, struct prog_state *t)
{
	const struct prog_form *f = s->form;
	uint64_t a[EV_MAX_SRC] = { 0 }, d[2] = { 0 };

	for (int i = 0; i < f->nr_src; i++)
		a[i] = s->src[i].imm ? s->src[i].value : t->r[f->src[i]][s->src[i].reg];
	ev_run(&f->op, a, d);
	t->r[f->dst[0]][s->dst[0]] = masked(f->dst[0], d[0]);
	if (f->pair)
		t->r[CLS_P][s->dst[1]] = d[1] & 1;
}

static void run_carry(const struct stmt *s, struct prog_state *t)
{
	enum prog_class c = s->mode & 2 ? CLS_L : CLS_W;
	uint64_t x = t->r[c][s->src[0].reg], y = t->r[c][s->src[1].reg], z;
	bool sub = s->mode & 1;
	unsigned __int128 r = sub ? (unsigned __int128)x - y : (unsigned __int128)x + y;
	unsigned carry = (unsigned)(r >> (s->mode & 2 ? 64 : 32)) & 1;

	t->r[c][s->dst[0]] = masked(c, (uint64_t)r);
	z = t->r[CLS_W][s->src[2].reg];
	t->r[CLS_W][s->dst[1]] = U32(sub ? 0 - (uint64_t)carry : z + z + carry);
}

static void run_local(const struct stmt *s, struct prog_state *t)
{
	uint64_t v = t->r[CLS_L][s->src[1].reg];

	/* the load lies inside what was just stored */
	t->r[CLS_W][s->dst[0]] = s->mode & 1 ? U32(v >> (s->mode & 4) * 8) : U32((int8_t)(v >> (s->mode & 7) * 8));
}

/* false: a break */
static bool run_list(const struct stmt *s, struct prog_state *t, int thread);

static void run_loop(const struct stmt *s, struct prog_state *t, int thread)
{
	int n = s->mode & 1 ? (thread & 3) + 1 + (s->mode >> 1 & 1) : 1 + (s->mode >> 1 & 3);

	while (n-- && run_list(s->body, t, thread))
		;
}

static bool run_stmt(const struct stmt *s, struct prog_state *t, int thread)
{
	bool on = passes(s, t);

	switch (s->kind) {
	case ST_OP:
		if (on)
			run_op(s, t);
		return true;
	case ST_IF:
		return run_list(on ? s->body : s->other, t, thread);
	case ST_LOOP:
		run_loop(s, t, thread);
		return true;
	case ST_BREAK:
		return !on;
	case ST_CARRY:
		if (on)
			run_carry(s, t);
		return true;
	default:
		if (on)
			run_local(s, t);
		return true;
	}
}

static bool run_list(const struct stmt *s, struct prog_state *t, int thread)
{
	for (; s; s = s->next)
		if (!run_stmt(s, t, thread))
			return false;
	return true;
}

static int shfl_source(int mode, int lane, int b)
{
	int j = mode == 0 ? lane - b : mode == 1 ? lane + b : mode == 2 ? lane ^ b : b;

	return j;
}

static uint32_t fold(int mode, uint32_t a, uint32_t b)
{
	switch (mode) {
	case 0:
		return a + b;
	case 1:
		return (int32_t)a < (int32_t)b ? a : b;
	case 2:
		return a > b ? a : b;
	case 3:
		return a & b;
	case 4:
		return a | b;
	case 5:
		return a ^ b;
	case 6:
		return a < b ? a : b;
	default:
		return (int32_t)a > (int32_t)b ? a : b;
	}
}

/* The result for a thread, from the registers of all as they were before. */
static void run_shared(const struct stmt *s, const struct prog_state *old, struct prog_state *t, int thread)
{
	int src = s->src[0].reg, warp = thread & ~31, lane = thread & 31, all = 0;
	uint32_t r, ballot = 0;

	switch (s->kind) {
	case ST_EXCHANGE:
		t->r[CLS_W][s->dst[0]] = old[thread ^ s->mode].r[CLS_W][src];
		return;
	case ST_ATOMIC:
		r = 0;
		for (int i = thread & 3; i < PROG_THREADS; i += 4)
			r += U32(old[i].r[CLS_W][src]);
		t->r[CLS_W][s->dst[0]] = r;
		return;
	case ST_SHFL:
		lane = shfl_source(s->mode & 3, lane, s->mode >> 2 & 7);
		t->r[CLS_P][s->dst[1]] = lane >= 0 && lane < 32;
		if (lane < 0 || lane > 31)
			lane = thread & 31;
		t->r[CLS_W][s->dst[0]] = old[warp + lane].r[CLS_W][src];
		return;
	case ST_VOTE:
		for (int i = 0; i < 32; i++)
			ballot |= U32(old[warp + i].r[CLS_P][src]) << i;
		all = ballot == 0xffffffff;
		if (s->mode & 3)
			t->r[CLS_P][s->dst[0]] = (s->mode & 3) == 1 ? all : (s->mode & 3) == 2 ? ballot != 0 : all || !ballot;
		else
			t->r[CLS_W][s->dst[0]] = ballot;
		return;
	default:
		r = U32(old[warp].r[CLS_W][src]);
		for (int i = 1; i < 32; i++)
			r = fold(s->mode & 7, r, U32(old[warp + i].r[CLS_W][src]));
		t->r[CLS_W][s->dst[0]] = r;
		return;
	}
}

void prog_interpret(const struct prog *p, struct prog_state *threads)
{
	static struct prog_state old[PROG_THREADS];

	for (int c = 0; c < NR_CLASSES; c++)
		for (int r = 0; r < PROG_REGS; r++)
			for (int t = 0; t < PROG_THREADS; t++)
				threads[t].r[c][r] = masked((enum prog_class)c, p->init[c][r][t]);
	for (const struct stmt *s = p->stmts; s; s = s->next) {
		memcpy(old, threads, sizeof(old));
		for (int t = 0; t < PROG_THREADS; t++)
			if (s->kind >= ST_EXCHANGE && s->kind != ST_LOCAL)
				run_shared(s, old, &threads[t], t);
			else
				run_stmt(s, &threads[t], t);
	}
}
