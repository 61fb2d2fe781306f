/* SPDX-License-Identifier: MIT */
/*
 * mbarrier.h - the 64-bit mbarrier object in shared memory (PTX ISA 9.7.13.15)
 *
 * PTX leaves its bits open. Here, from the lowest: 20 bits of pending arrivals, 20 bits of arrivals
 * that the next phase expects, 21 bits of the signed tx-count, one spare, the parity of the phase,
 * and one that only mbarrier.init sets. A state that an arrival returns is the object as it was.
 */
#ifndef SOFTGPU_MBARRIER_H
#define SOFTGPU_MBARRIER_H

#include "warp.h"

#define SG_MBAR_COUNT_MAX 0xfffffu
#define SG_MBAR_VALID (1ull << 63)

static inline uint32_t sg_mbar_pending(uint64_t o)
{
	return (uint32_t)o & SG_MBAR_COUNT_MAX;
}

static inline uint32_t sg_mbar_expected(uint64_t o)
{
	return (uint32_t)(o >> 20) & SG_MBAR_COUNT_MAX;
}

static inline int32_t sg_mbar_tx(uint64_t o)
{
	return (int32_t)((int64_t)(o << 3) >> 43);
}

static inline uint32_t sg_mbar_parity(uint64_t o)
{
	return (uint32_t)(o >> 62) & 1;
}

static inline uint64_t sg_mbar_make(uint32_t pending, uint32_t expected, int32_t tx,
				    uint32_t parity)
{
	return SG_MBAR_VALID | (uint64_t)parity << 62 | ((uint64_t)(uint32_t)tx & 0x1fffff) << 40 |
	       (uint64_t)expected << 20 | pending;
}

/*
 * Changes the object at a shared address: fewer pending arrivals, fewer expected ones, more or less
 * to be transferred. A phase that is complete makes room for the next. Faults are the lane's.
 */
enum sg_result sg_mbar_change(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			      uint64_t address, uint32_t arrive, uint32_t drop, int64_t tx,
			      uint64_t *before);

/* Shared address that a lane's operand row r[4] gives. */
enum sg_result sg_mbar_address(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			       uint64_t raw, enum sg_space space, uint64_t *address);

#endif
