/* SPDX-License-Identifier: MIT */
/*
 * mbarrier.c - phases, arrivals and transaction counts of mbarrier objects
 *
 * All warps of a CTA run on one engine thread at a time, so an object needs no lock.
 */
#include "mbarrier.h"

#include "exec.h"
#include "race.h"

enum sg_result sg_mbar_address(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			       uint64_t raw, enum sg_space space, uint64_t *address)
{
	if (space == SG_SPACE_GENERIC && SG_WINDOW_OF(raw) == SG_WINDOW_SHARED) {
		raw -= SG_WINDOW_SHARED;
		space = SG_SPACE_SHARED;
	}
	*address = raw;
	if (space != SG_SPACE_SHARED || !sg_space_ptr(w, space, lane, raw, 8))
		return sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, raw,
				     "no mbarrier at shared address 0x%llx",
				     (unsigned long long)raw);
	if (raw & 7)
		return sg_warp_fault(w, in, SG_MISALIGNED, 1u << lane, raw,
				     "misaligned mbarrier at shared address 0x%llx",
				     (unsigned long long)raw);
	return SG_OK;
}

static enum sg_result misuse(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			     uint64_t address, const char *what)
{
	return sg_warp_fault(w, in, SG_ILLEGAL_INSTRUCTION, 1u << lane, address,
			     "mbarrier at shared address 0x%llx %s", (unsigned long long)address,
			     what);
}

enum sg_result sg_mbar_change(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			      uint64_t address, uint32_t arrive, uint32_t drop, int64_t tx,
			      uint64_t *before)
{
	uint64_t *o = (uint64_t *)sg_space_ptr(w, SG_SPACE_SHARED, lane, address, 8), old = *o;
	uint32_t pending = sg_mbar_pending(old), expected = sg_mbar_expected(old);
	int64_t left = sg_mbar_tx(old) + tx;

	if (before)
		*before = old;
	w->cta->events++;
	if (!(old & SG_MBAR_VALID))
		return misuse(w, in, lane, address, "was not initialised");
	if (arrive > pending || drop > expected)
		return misuse(w, in, lane, address, "has more arrivals than it expects");
	if (left > (int64_t)SG_MBAR_COUNT_MAX || left < -(int64_t)SG_MBAR_COUNT_MAX)
		return misuse(w, in, lane, address, "has a transaction count that overflows");
	if (w->race && (arrive || tx < 0))
		sg_race_mbar_arrive(w, address);
	pending -= arrive;
	expected -= drop;
	if (!pending && !left)
		*o = sg_mbar_make(expected, expected, 0, !sg_mbar_parity(old));
	else
		*o = sg_mbar_make(pending, expected, (int32_t)left, sg_mbar_parity(old));
	return SG_OK;
}

void sg_mbarrier_stuck(struct sg_warp *w)
{
	const struct sg_insn *in = w->poll.in;
	uint64_t a = w->poll.address, *o = (uint64_t *)sg_space_ptr(w, SG_SPACE_SHARED, 0, a, 8);

	sg_warp_fault(w, in, SG_TIMEOUT, w->poll.lanes, a,
		      "mbarrier at shared address 0x%llx cannot complete: %u of %u arrivals and %d "
		      "bytes are missing",
		      (unsigned long long)a, sg_mbar_pending(*o), sg_mbar_expected(*o),
		      sg_mbar_tx(*o));
}
