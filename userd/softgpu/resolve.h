/* SPDX-License-Identifier: MIT */
/*
 * resolve.h - from the addresses of 32 lanes to checked host addresses
 *
 * The fast path is compiled into each build of the executors that touch memory; what is rare,
 * faults too, is in resolve.c.
 */
#ifndef SOFTGPU_RESOLVE_H
#define SOFTGPU_RESOLVE_H

#include "exec.h"
#include "race.h"

enum shape {
	SHAPE_ANY,
	SHAPE_UNIFORM,
	SHAPE_RUN,	/* as far apart as if they followed one another, lane by lane: perhaps they do */
};

static inline enum shape shape_of(uint64_t lo, uint64_t hi, uint32_t size)
{
	return lo == hi					    ? SHAPE_UNIFORM
	       : hi - lo == (uint64_t)(SG_LANES - 1) * size ? SHAPE_RUN
							    : SHAPE_ANY;
}

enum sg_result sg_resolve_slow(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
			       uint32_t size, uint64_t ea[SG_LANES]);
bool sg_extent_find(struct sg_extents *x, uint64_t lo, uint64_t last);

static inline bool extent_hit(const struct sg_extents *x, uint64_t lo, uint64_t end)
{
	for (int i = 0; i < SG_NR_EXTENTS; i++)
		if (lo >= x->e[i].lo && end <= x->e[i].hi)
			return true;
	return false;
}

/*
 * Turns the lanes' addresses in ea into host addresses. Lanes outside mask have the address of the
 * first lane in it. size is that of the whole access and a power of two.
 */
static inline enum sg_result locate_lanes(struct sg_warp *w, const struct sg_insn *in,
					  uint32_t mask, uint32_t size, uint64_t ea[SG_LANES],
					  enum shape *shape)
{
	uint32_t first = (uint32_t)__builtin_ctz(mask);
	uint64_t lo = UINT64_MAX, hi = 0, any = 0, base;

	for (uint32_t i = 0; i < SG_LANES; i++) {
		lo = ea[i] < lo ? ea[i] : lo;
		hi = ea[i] > hi ? ea[i] : hi;
		any |= ea[i];
	}
	*shape = shape_of(lo, hi, size);
	if (any & (size - 1))
		return sg_resolve_slow(w, in, mask, size, ea);
	switch (in->space) {
	case SG_SPACE_GENERIC:
	case SG_SPACE_GLOBAL:
		/* an address in a window is in no extent */
		if (extent_hit(w->ext, lo, hi + size) && hi + size > hi)
			return SG_OK;
		*shape = SHAPE_ANY;	/* one address in the local window is another place for each lane */
		return sg_resolve_slow(w, in, mask, size, ea);
	case SG_SPACE_SHARED:
		if (hi >= w->shared_bytes || w->shared_bytes - hi < size)
			return sg_resolve_slow(w, in, mask, size, ea);
		base = (uintptr_t)w->shared;
		LANES ea[i] += base;
		return SG_OK;
	case SG_SPACE_LOCAL:
		if (hi >= w->local_cap || w->local_cap - hi < size)
			return sg_resolve_slow(w, in, mask, size, ea);
		base = (uintptr_t)w->local;
		if (mask == SG_ALL) {
			LANES ea[i] += base + (uint64_t)i * w->local_cap;
		} else {
			LANES ea[i] += base + (mask >> i & 1 ? (uint64_t)i : first) * w->local_cap;
		}
		*shape = SHAPE_ANY;
		return SG_OK;
	case SG_SPACE_PARAM:
		if (hi >= w->param_bytes || w->param_bytes - hi < size)
			return sg_resolve_slow(w, in, mask, size, ea);
		base = (uintptr_t)w->params;
		LANES ea[i] += base;
		return SG_OK;
	default:
		return sg_resolve_slow(w, in, mask, size, ea);
	}
}

/*
 * Shared memory by 32-bit addresses, which is most of it: half as many bits to look at. False: not
 * all lanes are within, or aligned, and ea is as locate_lanes() wants it.
 */
static inline bool locate_shared(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
				 uint32_t size, uint64_t ea[SG_LANES], enum shape *shape)
{
	const uint32_t *a = SG_ROW(const uint32_t, 4);
	uint32_t off = (uint32_t)in->imm, fill = a[__builtin_ctz(mask)] + off, lo = UINT32_MAX,
		 hi = 0, any = 0;
	uint32_t at[SG_LANES];
	uint64_t base;

	if (mask == SG_ALL) {
		LANES at[i] = a[i] + off;
	} else {
		LANES at[i] = mask >> i & 1 ? a[i] + off : fill;
	}
	for (uint32_t i = 0; i < SG_LANES; i++) {
		lo = at[i] < lo ? at[i] : lo;
		hi = at[i] > hi ? at[i] : hi;
		any |= at[i];
	}
	if (hi >= w->shared_bytes || w->shared_bytes - hi < size || any & (size - 1)) {
		LANES ea[i] = at[i];
		return false;
	}
	base = (uintptr_t)w->shared;
	LANES ea[i] = base + at[i];
	*shape = shape_of(lo, hi, size);
	return true;
}

/* And the check for races, when it is on. */
static inline enum sg_result resolve_lanes(struct sg_warp *w, const struct sg_insn *in,
					   uint32_t mask, uint32_t size, uint64_t ea[SG_LANES],
					   enum shape *shape)
{
	enum sg_result res = locate_lanes(w, in, mask, size, ea, shape);

	if (__builtin_expect(w->race != NULL, 0) && !res)
		sg_race_access(w, in, mask, size, ea);
	return res;
}

/*
 * Fills ea with host addresses. Lanes outside mask get the address of the first lane in it, so that
 * loads need no mask. size is that of the whole access and a power of two.
 */
static inline enum sg_result resolve(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
				     uint32_t size, uint64_t ea[SG_LANES], enum shape *shape)
{
	uint32_t first = (uint32_t)__builtin_ctz(mask);

	if (in->a32 && in->space == SG_SPACE_SHARED) {
		if (!locate_shared(w, in, mask, size, ea, shape))
			return resolve_lanes(w, in, mask, size, ea, shape);
		if (__builtin_expect(w->race != NULL, 0))
			sg_race_access(w, in, mask, size, ea);
		return SG_OK;
	}
	if (in->a32) {
		const uint32_t *a = SG_ROW(const uint32_t, 4);
		uint32_t off = (uint32_t)in->imm, fill = a[first] + off;

		if (mask == SG_ALL) {
			LANES ea[i] = a[i] + off;
		} else {
			LANES ea[i] = mask >> i & 1 ? a[i] + off : fill;
		}
	} else {
		const uint64_t *a = SG_ROW(const uint64_t, 4);
		uint64_t off = (uint64_t)in->imm, fill = a[first] + off;

		if (mask == SG_ALL) {
			LANES ea[i] = a[i] + off;
		} else {
			LANES ea[i] = mask >> i & 1 ? a[i] + off : fill;
		}
	}
	return resolve_lanes(w, in, mask, size, ea, shape);
}

#endif
