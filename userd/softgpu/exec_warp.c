/* SPDX-License-Identifier: MIT */
/*
 * exec_warp.c - warp-wide operations and what stops or slows a lane (PTX ISA 9.7.9.6, 9.7.13,
 * 9.7.19)
 */
#include <time.h>

#include "exec.h"

enum shfl_mode { SHFL_UP, SHFL_DOWN, SHFL_BFLY, SHFL_IDX };

/*
 * PTX ISA 9.7.9.6: c holds the clamp value and the segment mask. What comes from a lane that is not
 * here PTX leaves open; an H100 gives 0.
 */
static inline enum sg_result shuffle(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
				     enum shfl_mode mode)
{
	const uint32_t *pa = SG_ROW(uint32_t, 1), *pb = SG_ROW(uint32_t, 2),
		       *pc = SG_ROW(uint32_t, 3);
	uint32_t src[SG_LANES], *d = SG_ROW(uint32_t, 0), valid = 0;

	for (uint32_t i = 0; i < SG_LANES; i++)
		src[i] = mask >> i & 1 ? pa[i] : 0;
	for (uint32_t i = 0; i < SG_LANES; i++) {
		uint32_t b = pb[i] & 31, seg = pc[i] >> 8 & 31, clamp = pc[i] & 31;
		int32_t max = (int32_t)((i & seg) | (clamp & ~seg)), min = (int32_t)(i & seg), j;
		bool ok;

		switch (mode) {
		case SHFL_UP:
			j = (int32_t)i - (int32_t)b;
			ok = j >= max;
			break;
		case SHFL_DOWN:
			j = (int32_t)(i + b);
			ok = j <= max;
			break;
		case SHFL_BFLY:
			j = (int32_t)(i ^ b);
			ok = j <= max;
			break;
		default:
			j = min | (int32_t)(b & ~seg);
			ok = j <= max;
			break;
		}
		if (!ok)
			j = (int32_t)i;
		valid |= (uint32_t)ok << i;
		d[i] = mask >> i & 1 ? src[j & 31] : d[i];
	}
	sg_set_pred(SG_ROW(uint32_t, 4), mask, valid);
	return SG_OK;
}

#define SHFL(fn, mode) EXEC(fn) { return shuffle(w, in, mask, mode); }
SHFL(shfl_up, SHFL_UP)
SHFL(shfl_down, SHFL_DOWN)
SHFL(shfl_bfly, SHFL_BFLY)
SHFL(shfl_idx, SHFL_IDX)

/* Lanes that take part: those named that are here; others may be here with a mask of their own. */
static uint32_t members(const struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			uint32_t mask)
{
	return SG_ROW(const uint32_t, 5)[lane] & mask;
}

#define VOTE(fn, expr) EXEC(fn) { \
	uint32_t p = *SG_ROW(uint32_t, 1), bits = 0; \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m), who = members(w, in, i, mask), yes = p & who; \
		(void)yes; \
		bits |= (uint32_t)(expr) << i; \
	} \
	sg_set_pred(SG_ROW(uint32_t, 0), mask, bits); \
	return SG_OK; }
VOTE(vote_all, yes == who)
VOTE(vote_any, yes != 0)
VOTE(vote_uni, yes == 0 || yes == who)

EXEC(vote_ballot)
{
	uint32_t p = *SG_ROW(uint32_t, 1);
	const uint32_t *who = SG_ROW(uint32_t, 5);

	MAP(uint32_t, p & who[i] & mask);
}

/* The lowest of the lanes that take part is the elected one. */
EXEC(elect)
{
	uint32_t *d = SG_ROW(uint32_t, 0), pred = 0;

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(m), who = members(w, in, i, mask);
		uint32_t leader = who ? (uint32_t)__builtin_ctz(who) : i;

		d[i] = leader;
		pred |= (uint32_t)(leader == i) << i;
	}
	sg_set_pred(SG_ROW(uint32_t, 4), mask, pred);
	return SG_OK;
}

EXEC(activemask)
{
	MAP(uint32_t, mask);
}

#define MATCH(fn_any, fn_all, T) \
EXEC(fn_any) { \
	T src[SG_LANES]; \
	uint32_t *d = SG_ROW(uint32_t, 0); \
	memcpy(src, SG_ROW(T, 1), sizeof(src)); \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m), same = 0; \
		for (uint32_t k = members(w, in, i, mask); k; k &= k - 1) \
			if (src[__builtin_ctz(k)] == src[i]) \
				same |= k & -k; \
		d[i] = same; \
	} \
	return SG_OK; } \
EXEC(fn_all) { \
	T src[SG_LANES]; \
	uint32_t *d = SG_ROW(uint32_t, 0), pred = 0; \
	memcpy(src, SG_ROW(T, 1), sizeof(src)); \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m), who = members(w, in, i, mask); \
		bool all = true; \
		for (uint32_t k = who; k; k &= k - 1) \
			all &= src[__builtin_ctz(k)] == src[i]; \
		d[i] = all ? who : 0; \
		pred |= (uint32_t)all << i; \
	} \
	sg_set_pred(SG_ROW(uint32_t, 4), mask, pred); \
	return SG_OK; }
MATCH(match_any_w, match_all_w, uint32_t)
MATCH(match_any_l, match_all_l, uint64_t)

#define REDUX(fn, first, expr) EXEC(fn) { \
	uint32_t src[SG_LANES], *d = SG_ROW(uint32_t, 0); \
	memcpy(src, SG_ROW(uint32_t, 1), sizeof(src)); \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m), a = first; \
		for (uint32_t k = members(w, in, i, mask); k; k &= k - 1) { \
			uint32_t b = src[__builtin_ctz(k)]; \
			a = (expr); \
		} \
		d[i] = a; \
	} \
	return SG_OK; }
REDUX(redux_add, 0, a + b)
REDUX(redux_min_u32, SG_ALL, a < b ? a : b)
REDUX(redux_max_u32, 0, a > b ? a : b)
REDUX(redux_min_s32, 0x7fffffff, (int32_t)a < (int32_t)b ? a : b)
REDUX(redux_max_s32, 0x80000000, (int32_t)a > (int32_t)b ? a : b)
REDUX(redux_and, SG_ALL, a & b)
REDUX(redux_or, 0, a | b)
REDUX(redux_xor, 0, a ^ b)

EXEC(trap)
{
	return sg_warp_fault(w, in, SG_TRAP, mask, 0, "trap");
}

/*
 * Sleeps poll for what another thread does: the other warps of the CTA have their turn. Where there
 * are none, another CTA is meant: give the core away, but not for the whole time.
 */
EXEC(sleep_lanes)
{
	struct timespec ts = { 0, 1000 };
	uint32_t t = 0;

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t v = SG_ROW(uint32_t, 0)[__builtin_ctz(m)];

		t = v > t ? v : t;
	}
	ts.tv_nsec = t > 20000 ? 20000 : t;
	if (w->cta->live_warps == 1 && !w->nr_groups)
		nanosleep(&ts, NULL);
	w->polled = w->observed = true;
	return SG_OK;
}

const struct sg_form SG_TABLE(sg_forms_warp)[] = {
	FORM("@shfl.up", shfl_up, ""), FORM("@shfl.down", shfl_down, ""), FORM("@shfl.bfly", shfl_bfly, ""),
	FORM("@shfl.idx", shfl_idx, ""), FORM("@vote.all", vote_all, ""), FORM("@vote.any", vote_any, ""),
	FORM("@vote.uni", vote_uni, ""), FORM("@vote.ballot", vote_ballot, ""),
	FORM("@elect", elect, ""), FORM("activemask.b32", activemask, "w="), FORM("match.any.b32", match_any_w, ""),
	FORM("match.all.b32", match_all_w, ""), FORM("match.any.b64", match_any_l, ""),
	FORM("match.all.b64", match_all_l, ""), FORM("redux.add.u32", redux_add, ""),
	FORM("redux.add.s32", redux_add, ""), FORM("redux.min.u32", redux_min_u32, ""),
	FORM("redux.max.u32", redux_max_u32, ""), FORM("redux.min.s32", redux_min_s32, ""),
	FORM("redux.max.s32", redux_max_s32, ""), FORM("redux.and.b32", redux_and, ""),
	FORM("redux.or.b32", redux_or, ""), FORM("redux.xor.b32", redux_xor, ""),
	FORM("trap", trap, "="), FORM("brkpt", trap, "="), FORM("@nanosleep", sleep_lanes, ""),
	FORM_END
};
