/* SPDX-License-Identifier: MIT */
/*
 * sample.c - address modes and filters
 *
 * Positions are computed in double, where the product of a coordinate and a size is exact, and the
 * weights of a linear filter have 8 bits, as the guide says of the hardware. What it does not say -
 * in which order the products are added, and with how many bits - is done exactly and rounded once.
 */
#include "sample.h"

#include <math.h>
#include <string.h>

#define OUTSIDE		UINT32_MAX	/* index of a texel of border colour */
#define WEIGHT_ONE	256

const struct sg_geometry_info sg_geometries[SG_NR_GEOMS] = {
	[SG_GEOM_1D] = { "1d", 1, 1, false, false },
	[SG_GEOM_2D] = { "2d", 2, 2, false, false },
	[SG_GEOM_3D] = { "3d", 3, 3, false, false },
	[SG_GEOM_A1D] = { "a1d", 1, 1, true, false },
	[SG_GEOM_A2D] = { "a2d", 2, 2, true, false },
	[SG_GEOM_CUBE] = { "cube", 2, 3, false, true },
	[SG_GEOM_ACUBE] = { "acube", 2, 3, true, true },
};

/* Where a filter looks in one direction. */
struct span {
	int64_t first;		/* texel, not yet addressed */
	uint32_t weight;	/* of the one after it, of WEIGHT_ONE */
};

/* A point on one level, before addressing. */
struct footprint {
	const struct sg_image *image;
	uint32_t dims, slice;	/* slice: layer, face */
	struct span span[3];
	bool seamless;
};

static uint32_t extent(const struct sg_image *g, uint32_t dim)
{
	return dim == 0 ? g->width : dim == 1 ? g->height : g->depth;
}

static bool is_linear_memory(const struct sg_texture *t)
{
	return t->view.lo != t->view.hi && t->view.dims == 1;
}

/* floor(), without a call; of what is far outside, something outside */
static inline int64_t whole(double u)
{
	int64_t i;

	if (!(fabs(u) < 0x1p62))
		return u < 0 ? -(1ll << 62) : 1ll << 62;
	i = (int64_t)u;
	return i - ((double)i > u);
}

static double fraction(double u)
{
	return fabs(u) < 0x1p52 ? u - (double)whole(u) : 0;
}

static bool is_odd(double u)
{
	return fabs(u) < 0x1p52 && whole(u) & 1;
}

/* In texels; an index that is far outside need only stay outside. */
static double position(const struct sg_texture *t, uint32_t dim, float x, uint32_t n)
{
	double u = x;

	if (!(fabs(u) < 0x1p100))
		u = u != u ? 0 : u < 0 ? -0x1p60 : 0x1p60;
	if (t->normalized) {
		if (t->address[dim] == SG_ADDRESS_WRAP)
			u = fraction(u);
		else if (t->address[dim] == SG_ADDRESS_MIRROR)
			u = is_odd(u) ? 1 - fraction(u) : fraction(u);
		u *= n;
	}
	return u < -0x1p40 ? -0x1p40 : u > 0x1p40 ? 0x1p40 : u;
}

static struct span span_of(double u, bool linear)
{
	int64_t i;

	if (!linear)
		return (struct span){ whole(u), 0 };
	u -= 0.5;
	i = whole(u);
	return (struct span){ i, (uint32_t)((u - (double)i) * WEIGHT_ONE + 0.5) };
}

static uint32_t address(const struct sg_texture *t, uint32_t dim, int64_t i, uint32_t n)
{
	int64_t m;

	if (is_linear_memory(t))
		return i < 0 || i >= n ? OUTSIDE : (uint32_t)i;
	switch (t->address[dim]) {
	case SG_ADDRESS_WRAP:
		m = i % n;
		return (uint32_t)(m < 0 ? m + n : m);
	case SG_ADDRESS_MIRROR:
		m = i % (2 * (int64_t)n);
		m = m < 0 ? m + 2 * (int64_t)n : m;
		return (uint32_t)(m < n ? m : 2 * (int64_t)n - 1 - m);
	case SG_ADDRESS_BORDER:
		return i < 0 || i >= n ? OUTSIDE : (uint32_t)i;
	default:
		return i < 0 ? 0 : i >= n ? n - 1 : (uint32_t)i;
	}
}

/* Which face a direction meets, and where in [0, 1] (guide, "Cubemap textures"). */
static uint32_t face_of(const double d[3], double st[2])
{
	double ax = fabs(d[0]), ay = fabs(d[1]), az = fabs(d[2]), m, s, t;
	uint32_t face;

	if (az >= ax && az >= ay) {
		face = d[2] < 0 ? 5 : 4;
		m = az;
		s = d[2] < 0 ? -d[0] : d[0];
		t = -d[1];
	} else if (ay >= ax) {
		face = d[1] < 0 ? 3 : 2;
		m = ay;
		s = d[0];
		t = d[1] < 0 ? -d[2] : d[2];
	} else {
		face = d[0] < 0 ? 1 : 0;
		m = ax;
		s = d[0] < 0 ? d[2] : -d[2];
		t = -d[1];
	}
	st[0] = m > 0 ? (s / m + 1) / 2 : 0.5;
	st[1] = m > 0 ? (t / m + 1) / 2 : 0.5;
	return face;
}

/* The direction of a point of a face, which may lie beyond its edge. */
static void direction_of(uint32_t face, double s, double t, double d[3])
{
	static const int8_t major[6][3] = { { 1, 0, 0 }, { -1, 0, 0 }, { 0, 1, 0 }, { 0, -1, 0 },
					    { 0, 0, 1 }, { 0, 0, -1 } };
	static const int8_t along_s[6][3] = { { 0, 0, -1 }, { 0, 0, 1 }, { 1, 0, 0 }, { 1, 0, 0 },
					      { 1, 0, 0 }, { -1, 0, 0 } };
	static const int8_t along_t[6][3] = { { 0, -1, 0 }, { 0, -1, 0 }, { 0, 0, 1 }, { 0, 0, -1 },
					      { 0, -1, 0 }, { 0, -1, 0 } };

	for (int i = 0; i < 3; i++)
		d[i] = major[face][i] + along_s[face][i] * (2 * s - 1) +
		       along_t[face][i] * (2 * t - 1);
}

/* A texel beyond the edge of a face is one of its neighbour's. */
static void cross_edge(const struct sg_image *g, uint32_t *slice, int64_t i[3])
{
	double n = g->width, d[3], st[2];
	uint32_t face = *slice % 6;

	if (i[0] >= 0 && i[0] < g->width && i[1] >= 0 && i[1] < g->height)
		return;
	direction_of(face, ((double)i[0] + 0.5) / n, ((double)i[1] + 0.5) / n, d);
	*slice = *slice - face + face_of(d, st);
	i[0] = whole(st[0] * n);
	i[1] = whole(st[1] * n);
}

static struct sg_channels outside(const struct sg_texture *t)
{
	struct sg_channels c = sg_texel_blank(t);

	if (!is_linear_memory(t))
		return sg_texel_border(t);
	memset(c.c, 0, t->view.texel.channels * sizeof(c.c[0]));
	return c;
}

/* The texel at corner (a bit for each direction) of the footprint. */
static struct sg_channels texel(const struct sg_texture *t, const struct footprint *f,
				uint32_t corner)
{
	const struct sg_image *g = f->image;
	uint32_t slice = f->slice, at[3] = { 0, 0, 0 };
	int64_t i[3] = { 0, 0, 0 };

	for (uint32_t d = 0; d < f->dims; d++)
		i[d] = f->span[d].first + (corner >> d & 1);
	if (f->seamless)
		cross_edge(g, &slice, i);
	for (uint32_t d = 0; d < f->dims; d++) {
		at[d] = address(t, d, i[d], extent(g, d));
		if (at[d] == OUTSIDE)
			return outside(t);
	}
	if (f->dims < 3)
		at[2] = slice < g->depth ? slice : g->depth - 1;
	return sg_texel_read(t, g->texels + at[2] * g->slice + at[1] * g->pitch +
				(uint64_t)at[0] * t->view.texel.bytes);
}

static struct sg_channels filter(const struct sg_texture *t, const struct footprint *f)
{
	struct sg_channels c, r = sg_texel_blank(t);
	uint32_t channels = t->view.texel.channels;
	double sum[4] = { 0 }, scale = 1.0 / (1u << 8 * f->dims);
	float v;

	for (uint32_t corner = 0; corner < 1u << f->dims; corner++) {
		uint32_t weight = 1;

		for (uint32_t d = 0; d < f->dims; d++)
			weight *= corner >> d & 1 ? f->span[d].weight
						  : WEIGHT_ONE - f->span[d].weight;
		if (!weight)
			continue;
		c = texel(t, f, corner);
		for (uint32_t i = 0; i < channels; i++) {
			memcpy(&v, &c.c[i], sizeof(v));
			sum[i] += (double)v * weight;
		}
	}
	for (uint32_t i = 0; i < channels; i++) {
		v = (float)(sum[i] * scale);	/* a power of two: exact */
		memcpy(&r.c[i], &v, sizeof(v));
	}
	return r;
}

static void place(const struct sg_texture *t, const struct sg_point *p, uint32_t level, bool linear,
		  struct footprint *f)
{
	const struct sg_image *g = &t->levels[level];
	uint32_t layers = p->geom->cube ? g->depth / 6 : g->depth, face = 0;
	double st[2], d[3] = { p->at[0], p->at[1], p->at[2] };

	*f = (struct footprint){ .image = g, .dims = p->geom->dims };
	f->seamless = p->geom->cube && t->seamless && t->view.cube;
	if (p->geom->cube)
		face = face_of(d, st);
	if (p->geom->layered)
		f->slice = p->layer < layers ? p->layer : layers ? layers - 1 : 0;
	if (p->geom->cube)
		f->slice = f->slice * 6 + face;
	for (uint32_t i = 0; i < f->dims; i++) {
		uint32_t n = extent(g, i);

		if (p->geom->cube)
			f->span[i] = span_of(st[i] == st[i] ? st[i] * n : 0, linear);
		else if (p->is_texel)
			f->span[i] = (struct span){ p->texel[i], 0 };
		else
			f->span[i] = span_of(position(t, i, p->at[i], n), linear);
		f->span[i].first += p->offset[i];
	}
}

static struct sg_channels at_level(const struct sg_texture *t, const struct sg_point *p,
				   uint32_t level)
{
	bool linear = t->linear && !p->is_texel;
	struct footprint f;

	place(t, p, level, linear, &f);
	return linear ? filter(t, &f) : texel(t, &f, 0);
}

struct sg_channels sg_sample(const struct sg_texture *t, const struct sg_point *p)
{
	return at_level(t, p, 0);
}

struct sg_channels sg_sample_level(const struct sg_texture *t, const struct sg_point *p, float lod)
{
	double top = t->nr_levels - 1, l = (double)lod + t->bias;
	struct sg_channels a, b;
	uint32_t weight, level;

	l = l > t->max_lod ? t->max_lod : l;
	l = l < t->min_lod ? t->min_lod : l;
	l = l > top ? top : l > 0 ? l : 0;	/* NaN is 0 */
	if (!t->mip_linear || !sg_texel_is_float(t))
		return at_level(t, p, (uint32_t)(l + 0.5));
	level = (uint32_t)l;
	weight = (uint32_t)((l - level) * WEIGHT_ONE + 0.5);
	a = at_level(t, p, level);
	if (!weight)
		return a;
	b = at_level(t, p, level + 1);
	for (int i = 0; i < 4; i++) {
		float u, v;

		memcpy(&u, &a.c[i], sizeof(u));
		memcpy(&v, &b.c[i], sizeof(v));
		u = (float)(((double)u * (WEIGHT_ONE - weight) + (double)v * weight) / WEIGHT_ONE);
		memcpy(&a.c[i], &u, sizeof(u));
	}
	return a;
}

/* Texels for each step in a direction; a face spans 2 units of a direction of length 1. */
float sg_sample_lod(const struct sg_texture *t, const struct sg_point *p, const float dx[3],
		    const float dy[3])
{
	const struct sg_image *g = &t->levels[0];
	double x = 0, y = 0, m = 0;

	for (uint32_t i = 0; i < p->geom->coords; i++) {
		double n = t->normalized ? extent(g, i) : 1;

		if (p->geom->cube)
			n = g->width / 2.0;
		x += dx[i] * n * dx[i] * n;
		y += dy[i] * n * dy[i] * n;
		m = fmax(m, fabs(p->at[i]));
	}
	x = log2(fmax(x, y)) / 2;
	return (float)(p->geom->cube && m > 0 ? x - log2(m) : x);
}

struct sg_channels sg_sample_gather(const struct sg_texture *t, const struct sg_point *p,
				    uint32_t channel)
{
	static const uint32_t corners[] = { 2, 3, 1, 0 };
	struct sg_channels c;
	struct footprint f;

	place(t, p, 0, !p->is_texel, &f);
	for (int i = 0; i < 4; i++)
		c.c[i] = texel(t, &f, corners[i]).c[channel];
	return c;
}
