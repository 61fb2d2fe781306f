/* SPDX-License-Identifier: MIT */
/*
 * exec_mbarrier.c - mbarrier instructions (PTX ISA 9.7.13.15)
 *
 * r[1] is the count, the state or the parity, r[4] the address. Lanes take their turns in order.
 */
#include "exec.h"
#include "mbarrier.h"
#include "race.h"

static enum sg_result address(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			      uint64_t *a)
{
	uint64_t raw = in->a32 ? SG_ROW(uint32_t, 4)[lane] + (uint32_t)in->imm :
				 SG_ROW(uint64_t, 4)[lane] + (uint64_t)in->imm;

	return sg_mbar_address(w, in, lane, raw, in->space, a);
}

static uint64_t *object(struct sg_warp *w, uint64_t a)
{
	return (uint64_t *)(w->shared + a);
}

#define EACH_LANE(...) do { \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m); \
		enum sg_result res; \
		uint64_t a; \
		res = address(w, in, i, &a); \
		if (res) \
			return res; \
		__VA_ARGS__ \
	} \
	return SG_OK; \
} while (0)

static enum sg_result bad_count(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
				uint64_t a, uint32_t n)
{
	return sg_warp_fault(w, in, SG_ILLEGAL_INSTRUCTION, 1u << lane, a,
			     "a count of %u for an mbarrier", n);
}

EXEC(init)
{
	EACH_LANE({
		uint32_t n = SG_ROW(uint32_t, 1)[i];

		if (!n || n > SG_MBAR_COUNT_MAX)
			return bad_count(w, in, i, a, n);
		w->cta->events++;
		*object(w, a) = sg_mbar_make(n, n, 0, 0);
	});
}

EXEC(inval)
{
	EACH_LANE({
		if (!(*object(w, a) & SG_MBAR_VALID))
			return sg_mbar_change(w, in, i, a, 0, 0, 0, NULL);
		*object(w, a) = 0;
	});
}

/* Arrivals n, of which none are expected any more when dropped, and what else will be transferred. */
static enum sg_result arrive(struct sg_warp *w, const struct sg_insn *in, uint32_t mask, bool drop,
			     bool expect, bool complete)
{
	uint64_t *d = SG_ROW(uint64_t, 0);

	EACH_LANE({
		uint32_t v = SG_ROW(uint32_t, 1)[i], n = expect ? 1 : v;
		uint64_t before = *object(w, a);

		if (!n || n > SG_MBAR_COUNT_MAX || (expect && v > SG_MBAR_COUNT_MAX) ||
		    (!complete && n >= sg_mbar_pending(before)))
			return bad_count(w, in, i, a, v);
		if (expect)
			res = sg_mbar_change(w, in, i, a, 0, 0, v, &before);
		if (!res)
			res = sg_mbar_change(w, in, i, a, n, drop ? n : 0, 0,
					     expect ? NULL : &before);
		if (res)
			return res;
		if (in->r[0])
			d[i] = before;
	});
}

EXEC(arrive_plain)
{
	return arrive(w, in, mask, false, false, true);
}

EXEC(arrive_expect)
{
	return arrive(w, in, mask, false, true, true);
}

EXEC(arrive_no_complete)
{
	return arrive(w, in, mask, false, false, false);
}

EXEC(drop_plain)
{
	return arrive(w, in, mask, true, false, true);
}

EXEC(drop_expect)
{
	return arrive(w, in, mask, true, true, true);
}

EXEC(drop_no_complete)
{
	return arrive(w, in, mask, true, false, false);
}

static enum sg_result transfer(struct sg_warp *w, const struct sg_insn *in, uint32_t mask, int sign)
{
	EACH_LANE({
		uint32_t v = SG_ROW(uint32_t, 1)[i];

		if (v > SG_MBAR_COUNT_MAX)
			return bad_count(w, in, i, a, v);
		res = sg_mbar_change(w, in, i, a, 0, 0, sign * (int64_t)v, NULL);
		if (res)
			return res;
	});
}

EXEC(expect_tx)
{
	return transfer(w, in, mask, 1);
}

EXEC(complete_tx)
{
	return transfer(w, in, mask, -1);
}

/*
 * Is the phase of a state, or of a parity, complete? A lane that finds it is not lets others run:
 * the warp gives way, for test_wait too, because a program asks again.
 */
static enum sg_result poll(struct sg_warp *w, const struct sg_insn *in, uint32_t mask, bool parity)
{
	uint32_t *d = SG_ROW(uint32_t, 0);

	EACH_LANE({
		uint64_t o = *object(w, a);
		uint32_t want = parity ? SG_ROW(uint32_t, 1)[i] & 1
				       : sg_mbar_parity(SG_ROW(uint64_t, 1)[i]);
		bool done = sg_mbar_parity(o) != want;

		if (!(o & SG_MBAR_VALID))
			return sg_mbar_change(w, in, i, a, 0, 0, 0, NULL);
		sg_set_pred(d, 1u << i, done ? SG_ALL : 0);
		if (done) {
			w->cta->events++;
			if (w->race)
				sg_race_mbar_wait(w, a);
			continue;
		}
		w->poll.lanes = w->polled && w->poll.in == in && w->poll.address == a
					? w->poll.lanes | 1u << i
					: 1u << i;
		w->poll.in = in;
		w->poll.address = a;
		w->polled = true;
	});
}

EXEC(wait_state)
{
	return poll(w, in, mask, false);
}

EXEC(wait_parity)
{
	return poll(w, in, mask, true);
}

UN(pending_count, uint32_t, uint64_t, sg_mbar_pending(a))

/* cp.async.mbarrier.arrive: the copies are done. Without .noinc the count is first raised by one. */
EXEC(copy_arrive)
{
	EACH_LANE({
		res = sg_mbar_change(w, in, i, a, 0, 0, 0, NULL);
		if (res)
			return res;
	});
}

EXEC(copy_arrive_noinc)
{
	EACH_LANE({
		res = sg_mbar_change(w, in, i, a, 1, 0, 0, NULL);
		if (res)
			return res;
	});
}

const struct sg_form SG_TABLE(sg_forms_mbarrier)[] = {
	FORM("@mbarrier.init", init, "w"), FORM("@mbarrier.inval", inval, ""),
	FORM("@mbarrier.arrive", arrive_plain, "c"), FORM("@mbarrier.arrive.expect_tx", arrive_expect, "w"),
	FORM("@mbarrier.arrive.noComplete", arrive_no_complete, "w"),
	FORM("@mbarrier.arrive_drop", drop_plain, "c"), FORM("@mbarrier.arrive_drop.expect_tx", drop_expect, "w"),
	FORM("@mbarrier.arrive_drop.noComplete", drop_no_complete, "w"),
	FORM("@mbarrier.expect_tx", expect_tx, "w"), FORM("@mbarrier.complete_tx", complete_tx, "w"),
	FORM("@mbarrier.test_wait", wait_state, "l"), FORM("@mbarrier.test_wait.parity", wait_parity, "w"),
	FORM("@mbarrier.try_wait", wait_state, "l"), FORM("@mbarrier.try_wait.parity", wait_parity, "w"),
	FORM("@mbarrier.pending_count", pending_count, ""),
	FORM("@cp.async.mbarrier.arrive", copy_arrive, ""), FORM("@cp.async.mbarrier.arrive.noinc", copy_arrive_noinc, ""),
	FORM_END
};
