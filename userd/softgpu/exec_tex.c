/* SPDX-License-Identifier: MIT */
/*
 * exec_tex.c - tex, tld4, txq, suq, istypep, lane by lane
 */
#include "half.h"
#include "memory.h"
#include "resolve.h"
#include "texinsn.h"

/* A program that has only the engine, such as its tests, has no objects unless it brings some. */
__attribute__((weak)) const struct sg_texture *sg_texture_find(uint64_t handle)
{
	(void)handle;
	return NULL;
}

__attribute__((weak)) const struct sg_surface *sg_surface_find(uint64_t handle)
{
	(void)handle;
	return NULL;
}

static struct sg_object *slot(struct sg_object *objects, uint64_t handle)
{
	return &objects[(handle ^ handle >> 5 ^ handle >> 32) % SG_NR_OBJECTS];
}

static const struct sg_texture *texture(struct sg_warp *w, uint64_t handle)
{
	struct sg_object *o = slot(w->textures, handle);

	if (o->handle != handle || !o->object)
		*o = (struct sg_object){ handle, sg_texture_find(handle) };
	return o->object;
}

static const struct sg_surface *surface(struct sg_warp *w, uint64_t handle)
{
	struct sg_object *o = slot(w->surfaces, handle);

	if (o->handle != handle || !o->object)
		*o = (struct sg_object){ handle, sg_surface_find(handle) };
	return o->object;
}

static bool memory_is_live(struct sg_warp *w, const struct sg_view *v)
{
	return v->lo == v->hi || sg_extent_find(w->ext, v->lo, v->hi) ||
	       sg_mem_is_read_only(v->lo, v->hi - v->lo);
}

/* The object of a lane, or NULL and the fault. */
static const struct sg_texture *lane_texture(struct sg_warp *w, const struct sg_insn *in,
						uint32_t row, uint32_t lane)
{
	uint64_t handle = ((const uint64_t *)(w->regs + row))[lane];
	const struct sg_texture *t = texture(w, handle);

	if (!t) {
		sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, handle,
			      "no texture object 0x%llx", (unsigned long long)handle);
		return NULL;
	}
	if (!memory_is_live(w, &t->view)) {
		sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, t->view.lo,
			      "the memory of texture object 0x%llx is gone",
			      (unsigned long long)handle);
		return NULL;
	}
	return t;
}

const struct sg_surface *sg_lane_surface(struct sg_warp *w, const struct sg_insn *in, uint32_t row,
					 uint32_t lane)
{
	uint64_t handle = ((const uint64_t *)(w->regs + row))[lane];
	const struct sg_surface *s = surface(w, handle);

	if (!s)
		sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, handle,
			      "no surface object 0x%llx", (unsigned long long)handle);
	return s;
}

static uint32_t word(const struct sg_warp *w, uint32_t row, uint32_t lane)
{
	return ((const uint32_t *)(w->regs + row))[lane];
}

static void point_of(const struct sg_warp *w, const struct sg_tex_insn *t, uint32_t lane,
		     struct sg_point *p)
{
	*p = (struct sg_point){ .geom = t->place.geom, .is_texel = t->texel };
	if (t->place.layer)
		p->layer = word(w, t->place.layer, lane);
	for (uint32_t i = 0; i < t->place.geom->coords; i++) {
		if (t->texel)
			p->texel[i] = (int32_t)word(w, t->place.at[i], lane);
		else
			p->at[i] = f32_of(word(w, t->place.at[i], lane));
		if (t->offset[i])	/* "-8 to 7" */
			p->offset[i] = (int32_t)(word(w, t->offset[i], lane) << 28) >> 28;
	}
}

static void write_lane(struct sg_warp *w, const struct sg_tex_insn *t, uint32_t lane,
		       const struct sg_channels *c)
{
	uint32_t v[4];

	memcpy(v, c->c, sizeof(v));
	if (t->dtype == PTX_F16 || t->dtype == PTX_F16X2)
		for (int i = 0; i < 4; i++)
			v[i] = f32_to_f16(f32_of(v[i]));
	if (t->dtype == PTX_F16X2) {
		v[0] |= v[1] << 16;
		v[1] = v[2] | v[3] << 16;
	}
	for (int i = 0; i < (t->dtype == PTX_F16X2 ? 2 : 4); i++)
		((uint32_t *)(w->regs + t->dst[i]))[lane] = v[i];
}

/* All that a lane reads is read before it writes: destinations may be coordinates. */
#define FETCH(fn, expr) \
enum sg_result fn(struct sg_warp *w, const struct sg_insn *in, uint32_t mask) \
{ \
	const struct sg_tex_insn *ti = in->aux; \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t lane = (uint32_t)__builtin_ctz(m); \
		const struct sg_texture *t = lane_texture(w, in, ti->place.object, lane); \
		struct sg_channels c; \
		struct sg_point p; \
		if (!t) \
			return SG_ILLEGAL_ADDRESS; \
		point_of(w, ti, lane, &p); \
		c = expr; \
		write_lane(w, ti, lane, &c); \
	} \
	return SG_OK; \
}

static struct sg_channels at_lod(const struct sg_warp *w, const struct sg_tex_insn *ti,
				 uint32_t lane, const struct sg_texture *t,
				 const struct sg_point *p)
{
	return sg_sample_level(t, p, f32_of(word(w, ti->lod, lane)));
}

static struct sg_channels at_grad(const struct sg_warp *w, const struct sg_tex_insn *ti,
				  uint32_t lane, const struct sg_texture *t,
				  const struct sg_point *p)
{
	float dx[3] = { 0 }, dy[3] = { 0 };

	for (uint32_t i = 0; i < p->geom->coords; i++) {
		dx[i] = f32_of(word(w, ti->dx[i], lane));
		dy[i] = f32_of(word(w, ti->dy[i], lane));
	}
	return sg_sample_level(t, p, sg_sample_lod(t, p, dx, dy));
}

FETCH(sg_exec_tex, sg_sample(t, &p))
FETCH(sg_exec_tex_level, at_lod(w, ti, lane, t, &p))
FETCH(sg_exec_tex_grad, at_grad(w, ti, lane, t, &p))
FETCH(sg_exec_tld4, sg_sample_gather(t, &p, ti->channel))

/* The numbers of OpenCL, which PTX uses (PTX ISA 5.3, "Channel Data Type and Channel Order"). */
static uint32_t data_type(const struct sg_texel *t)
{
	static const uint16_t types[][3] = {		/* 8, 16, 32 bits */
		[SG_TEXEL_UINT] = { 0x10da, 0x10db, 0x10dc },
		[SG_TEXEL_SINT] = { 0x10d7, 0x10d8, 0x10d9 },
		[SG_TEXEL_FLOAT] = { 0, 0x10dd, 0x10de },
		[SG_TEXEL_UNORM] = { 0x10d2, 0x10d3, 0 },
		[SG_TEXEL_SNORM] = { 0x10d0, 0x10d1, 0 },
	};

	return types[t->cls][t->bits == 8 ? 0 : t->bits == 16 ? 1 : 2];
}

static uint32_t order(const struct sg_texel *t)
{
	return t->channels == 1 ? 0x10b0 : t->channels == 2 ? 0x10b2 : 0x10b5;	/* R, RG, RGBA */
}

/* Dimensions that an image does not have are 0. */
static uint32_t query_image(const struct sg_view *v, const struct sg_image *g, enum sg_query q)
{
	switch (q) {
	case SG_QUERY_WIDTH:
		return g->width;
	case SG_QUERY_HEIGHT:
		return v->dims > 1 ? g->height : 0;
	case SG_QUERY_DEPTH:
		return v->dims > 2 ? g->depth : 0;
	case SG_QUERY_ARRAY_SIZE:
		return v->layered ? v->cube ? g->depth / 6 : g->depth : 0;
	case SG_QUERY_DATA_TYPE:
		return data_type(&v->texel);
	default:
		return order(&v->texel);
	}
}

static uint32_t query_texture(const struct sg_texture *t, const struct sg_image *g, enum sg_query q)
{
	switch (q) {
	case SG_QUERY_NORMALIZED:
		return t->normalized;
	case SG_QUERY_UNNORMALIZED:
		return !t->normalized;
	case SG_QUERY_LEVELS:
		return t->nr_levels;
	case SG_QUERY_SAMPLES:
		return 1;
	case SG_QUERY_FILTER:
		return t->linear;
	case SG_QUERY_ADDRESS_0:
	case SG_QUERY_ADDRESS_1:
	case SG_QUERY_ADDRESS_2:
		return t->address[q - SG_QUERY_ADDRESS_0];
	default:
		return query_image(&t->view, g, q);
	}
}

enum sg_result sg_exec_txq(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	uint32_t *d = SG_ROW(uint32_t, 0);

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m),
			 level = in->r[2] ? word(w, in->r[2], lane) : 0;
		const struct sg_texture *t = lane_texture(w, in, in->r[1], lane);

		if (!t)
			return SG_ILLEGAL_ADDRESS;
		d[lane] = level < t->nr_levels
				  ? query_texture(t, &t->levels[level], (enum sg_query)in->imm)
				  : 0;
	}
	return SG_OK;
}

enum sg_result sg_exec_suq(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	uint32_t *d = SG_ROW(uint32_t, 0);

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m);
		const struct sg_surface *s = sg_lane_surface(w, in, in->r[1], lane);

		if (!s)
			return SG_ILLEGAL_ADDRESS;
		/* memory_layout: 0, linear, or 1 */
		d[lane] = in->imm == SG_QUERY_MEMORY_LAYOUT ? 1 :
			  query_image(&s->view, &s->image, (enum sg_query)in->imm);
	}
	return SG_OK;
}

/* A sampler is always part of a texture here. */
enum sg_result sg_exec_istypep(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	const uint64_t *a = SG_ROW(const uint64_t, 1);
	uint32_t bits = 0;

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m);
		bool is = in->imm == 0 ? texture(w, a[lane]) != NULL :
			  in->imm == 2 ? surface(w, a[lane]) != NULL : false;

		bits |= (uint32_t)is << lane;
	}
	sg_set_pred(SG_ROW(uint32_t, 0), mask, bits);
	return SG_OK;
}
