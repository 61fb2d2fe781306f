/* SPDX-License-Identifier: MIT */
/*
 * exec_surf.c - suld, sust, sured, lane by lane
 */
#include "exec.h"
#include "texinsn.h"

struct target {
	uint8_t *at;			/* NULL: outside, and .zero */
	const struct sg_surface *surface;
};

static int32_t word(const struct sg_warp *w, uint32_t row, uint32_t lane)
{
	return row ? ((const int32_t *)(w->regs + row))[lane] : 0;
}

/* One coordinate in [0, n), as the mode says. False: outside. */
static bool fit(enum sg_surface_mode mode, int64_t *i, int64_t n)
{
	if (*i >= 0 && *i < n)
		return true;
	if (mode != SG_SURF_CLAMP)
		return false;
	*i = *i < 0 ? 0 : n - 1;
	return true;
}

/* Where bytes bytes of a lane lie. */
static enum sg_result locate(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			     uint32_t bytes, struct target *t)
{
	const struct sg_surf_insn *si = in->aux;
	const struct sg_surface *s = sg_lane_surface(w, in, si->place.object, lane);
	int64_t x, y, z, row;
	bool inside;

	t->surface = s;
	t->at = NULL;
	if (!s)
		return SG_ILLEGAL_ADDRESS;
	if (si->formatted)
		bytes = s->view.texel.bytes;
	row = (int64_t)s->image.width * s->view.texel.bytes / bytes;	/* in units of the access */
	x = word(w, si->place.at[0], lane);
	y = word(w, si->place.at[1], lane);
	z = word(w, si->place.geom->layered ? si->place.layer : si->place.at[2], lane);
	if (!si->formatted && x & (bytes - 1))
		return sg_warp_fault(w, in, SG_MISALIGNED, 1u << lane, (uint64_t)x,
				     "misaligned surface access of %u bytes at x = %lld", bytes,
				     (long long)x);
	if (!si->formatted)
		x = x < 0 ? -1 : x / bytes;
	inside = row && fit(si->mode, &x, row) && fit(si->mode, &y, s->image.height) &&
		 fit(si->mode, &z, s->image.depth);
	if (!inside && si->mode != SG_SURF_ZERO)
		return sg_warp_fault(
			w, in, SG_TRAP, 1u << lane, 0,
			"surface access outside the surface at x = %lld, y = %lld, z = %lld",
			(long long)word(w, si->place.at[0], lane), (long long)y, (long long)z);
	if (inside)
		t->at = s->image.texels + (uint64_t)z * s->image.slice +
			(uint64_t)y * s->image.pitch + (uint64_t)x * bytes;
	return SG_OK;
}

static void load(struct sg_warp *w, const struct sg_surf_insn *s, uint32_t lane,
		 const struct target *t)
{
	uint32_t bytes = ptx_type_bytes(s->type);

	for (uint32_t k = 0; k < s->nr; k++) {
		uint8_t *row = w->regs + s->data[k];
		uint64_t v = 0;

		if (t->at)
			memcpy(&v, t->at + k * bytes, bytes);
		if (bytes == 8)
			((uint64_t *)row)[lane] = v;
		else
			((uint32_t *)row)[lane] = (uint32_t)v;
	}
}

static uint64_t datum(const struct sg_warp *w, const struct sg_surf_insn *s, uint32_t k,
		      uint32_t lane)
{
	const uint8_t *row = w->regs + s->data[k];

	return ptx_types[s->type].bits == 64 ? ((const uint64_t *)row)[lane]
					     : ((const uint32_t *)row)[lane];
}

static void store(struct sg_warp *w, const struct sg_surf_insn *s, uint32_t lane,
		  const struct target *t)
{
	uint32_t bytes = ptx_type_bytes(s->type), c[4];

	if (!t->at)
		return;
	for (uint32_t k = 0; k < s->nr; k++) {
		uint64_t v = datum(w, s, k, lane);

		c[k] = (uint32_t)v;
		if (!s->formatted)
			memcpy(t->at + k * bytes, &v, bytes);	/* little endian */
	}
	if (s->formatted)
		sg_texel_write(&t->surface->view.texel, t->at, c, s->nr);
}

/* t->at is NULL where a lane is outside and that is no fault. */
static enum sg_result each_lane(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
				void (*fn)(struct sg_warp *w, const struct sg_surf_insn *s,
					   uint32_t lane, const struct target *t))
{
	const struct sg_surf_insn *s = in->aux;

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m);
		struct target t;
		enum sg_result res = locate(w, in, lane, s->nr * ptx_type_bytes(s->type), &t);

		if (res)
			return res;
		fn(w, s, lane, &t);
	}
	return SG_OK;
}

enum sg_result sg_exec_suld(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	return each_lane(w, in, mask, load);
}

enum sg_result sg_exec_sust(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	return each_lane(w, in, mask, store);
}

/* old becomes what is there when somebody else was faster. */
#define SWAP(at, old, new) \
	__atomic_compare_exchange_n(at, &(old), new, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)

static uint64_t reduce(enum sg_surface_red op, bool is_signed, uint32_t bytes, uint64_t a,
		       uint64_t b)
{
	bool less = a < b;

	if (is_signed)
		less = bytes == 4 ? (int32_t)a < (int32_t)b : (int64_t)a < (int64_t)b;
	switch (op) {
	case SG_RED_ADD:
		return a + b;
	case SG_RED_MIN:
		return less ? a : b;
	case SG_RED_MAX:
		return less ? b : a;
	case SG_RED_AND:
		return a & b;
	default:
		return a | b;
	}
}

#define APPLY(T) do { \
	T *at_ = (T *)t->at, old_ = __atomic_load_n(at_, __ATOMIC_RELAXED), new_; \
	do { \
		new_ = (T)reduce(s->red, is_signed, sizeof(T), old_, (T)v); \
	} while (!SWAP(at_, old_, new_)); \
} while (0)

static void apply(const struct sg_surf_insn *s, const struct target *t, uint64_t v)
{
	/* .p has untyped data: the surface says what it is */
	bool is_signed = s->formatted ? t->surface->view.texel.cls == SG_TEXEL_SINT :
			 ptx_types[s->type].cls == 's';

	if (ptx_types[s->type].bits == 64)
		APPLY(uint64_t);
	else
		APPLY(uint32_t);
}

enum sg_result sg_exec_sured(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	const struct sg_surf_insn *s = in->aux;
	uint32_t bytes = ptx_type_bytes(s->type);

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m);
		struct target t;
		enum sg_result res = locate(w, in, lane, bytes, &t);

		if (res)
			return res;
		if (s->formatted && t.surface->view.texel.bytes != bytes)
			return sg_warp_fault(w, in, SG_ILLEGAL_INSTRUCTION, 1u << lane, 0,
					     "a reduction of %u bytes on texels of %u", bytes,
					     t.surface->view.texel.bytes);
		if (t.at)
			apply(s, &t, datum(w, s, 0, lane));
	}
	return SG_OK;
}
