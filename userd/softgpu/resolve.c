/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - address checks off the fast path: windows, new extents, faults
 */
#include "memory.h"
#include "resolve.h"

/* Is [lo, end) one live allocation? Remembers it. */
bool sg_extent_find(struct sg_extents *x, uint64_t lo, uint64_t end)
{
	uint64_t gen = sg_mem_generation(), a, b;

	if (gen != x->gen) {
		memset(x, 0, sizeof(*x));
		x->gen = gen;
	}
	if (end <= lo)
		return false;
	if (extent_hit(x, lo, end))
		return true;
	if (!sg_mem_find(lo, &a, &b) || end > b)
		return false;
	x->e[x->next].lo = a;
	x->e[x->next].hi = b;
	x->next = (x->next + 1) % SG_NR_EXTENTS;
	return true;
}

static const char *space_name(uint32_t space)
{
	static const char *const names[] = { "generic", "global", "shared", "local",
					     "param",	"const",  "reg" };

	return names[space];
}

/* Host address of lane's [a, a + size) in a space, or 0. */
static uint64_t translate(struct sg_warp *w, uint32_t space, uint32_t lane, uint64_t a,
			  uint64_t size, bool load)
{
	uint64_t limit, base;

	if (space == SG_SPACE_GENERIC) {
		switch (SG_WINDOW_OF(a)) {
		case SG_WINDOW_SHARED:
			space = SG_SPACE_SHARED;
			break;
		case SG_WINDOW_LOCAL:
			space = SG_SPACE_LOCAL;
			break;
		case SG_WINDOW_PARAM:
			space = SG_SPACE_PARAM;
			break;
		default:
			space = SG_SPACE_GLOBAL;
		}
		if (space != SG_SPACE_GLOBAL)
			a -= SG_WINDOW_OF(a);
	}
	switch (space) {
	case SG_SPACE_SHARED:
		limit = w->shared_bytes;
		base = (uintptr_t)w->shared;
		break;
	case SG_SPACE_LOCAL:
		limit = w->local_cap;
		base = (uintptr_t)w->local + (uint64_t)lane * w->local_cap;
		break;
	case SG_SPACE_PARAM:
		limit = w->param_bytes;
		base = (uintptr_t)w->params;
		break;
	default:
		return sg_extent_find(w->ext, a, a + size) || (load && sg_mem_is_read_only(a, size))
			       ? a
			       : 0;
	}
	return a < limit && limit - a >= size ? base + a : 0;
}

/* ea comes with the lanes' addresses before translation. */
enum sg_result sg_resolve_slow(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
			       uint32_t size, uint64_t ea[SG_LANES])
{
	uint32_t first = (uint32_t)__builtin_ctz(mask);

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m);
		uint64_t a = ea[lane];

		if (a & (size - 1))
			return sg_warp_fault(w, in, SG_MISALIGNED, m, a,
					     "misaligned %s access of %u bytes at 0x%llx",
					     space_name(in->space), size, (unsigned long long)a);
		ea[lane] = translate(w, in->space, lane, a, size, in->flags & SG_F_LOAD);
		if (!ea[lane])
			return sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, m, a,
					     "illegal %s access of %u bytes at 0x%llx", space_name(in->space), size,
					     (unsigned long long)a);
	}
	for (uint32_t i = 0; i < SG_LANES; i++)
		if (!(mask >> i & 1))
			ea[i] = ea[first];
	return SG_OK;
}

uint8_t *sg_space_ptr(struct sg_warp *w, enum sg_space space, uint32_t lane, uint64_t address,
		      uint64_t size)
{
	return (uint8_t *)(uintptr_t)translate(w, space, lane, address, size, false);
}

uint8_t *sg_host_ptr(struct sg_warp *w, uint32_t lane, uint64_t generic, uint64_t size)
{
	return (uint8_t *)(uintptr_t)translate(w, SG_SPACE_GENERIC, lane, generic, size, true);
}
