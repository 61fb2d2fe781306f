/* SPDX-License-Identifier: MIT */
/*
 * exec_mma.c - mma and wmma.mma: D = A * B + C by a whole warp (PTX ISA 9.7.14)
 *
 * The fragments are gathered into plain matrices, multiplied, and D is scattered to its registers.
 *
 * Integers are exact; the sum wraps, or is clamped once at its end (.satfinite). Double precision is
 * a chain of fma from C on, in the order of k. What the tensor cores do with shorter numbers PTX
 * leaves open; here it is what was published of the H100 ("Numerical behavior of NVIDIA tensor
 * cores", PeerJ CS 330; arXiv 2511.10909): fused_sum() says how. All of it is in that function, and
 * gives every bit that an H100 gave for the rows of tests/ptx/rows.tsv.
 */
#include <fenv.h>
#include <math.h>

#include "half.h"
#include "mma.h"

/*
 * Products and C are aligned to the largest exponent with so many bits after the point, what is
 * below is cut off. One such sum takes 32 bytes of a row of A, which is all of it in every shape.
 */
#define FRACTION 25
#define MIN_EXP (-126)		/* the largest exponent is never below that of the f32 subnormals */

#define AB_BITS 10		/* bits after the point of significands of A and B: those of .f16 and .tf32 */
#define C_BITS 23
#define ZERO_EXP (-4096)	/* of a zero: never the largest */

struct operand {
	uint32_t raw[SG_MMA_MAX_AB];
	int32_t sig[SG_MMA_MAX_AB], exp[SG_MMA_MAX_AB];
};

/* A is m x k, B k x n, C and D m x n; all by rows. */
struct product {
	uint32_t m, n, k;
	enum sg_mma_type ta, tb, tc, td;
	struct operand a, b, c;
	uint32_t d[SG_MMA_MAX_C];
};

static const struct format {
	uint8_t exp_bits, bits, drop;	/* bits: of the significand; drop: of the element that do not count */
	bool no_inf;			/* the largest exponent has numbers, only all ones is NaN */
} formats[SG_MMA_NR_TYPES] = {
	[SG_MMA_F16] = { 5, 10, 0, false }, [SG_MMA_BF16] = { 8, 7, 0, false }, [SG_MMA_TF32] = { 8, 10, 13, false },
	[SG_MMA_E4M3] = { 4, 3, 0, true }, [SG_MMA_E5M2] = { 5, 2, 0, false }, [SG_MMA_F32] = { 8, 23, 0, false },
};

/* Where the first lane's elements of a tile lie in a matrix with steps so and si. */
static uint32_t tile_base(const struct sg_fragment *f, uint32_t tile, uint32_t so, uint32_t si)
{
	uint32_t outer, inner;

	sg_fragment_place(f, tile, 0, &outer, &inner);
	return outer * so + inner * si;
}

/* Element (outer, inner) goes to out[outer * so + inner * si]. */
static void gather(const struct sg_warp *w, const struct sg_fragment *f, uint32_t so, uint32_t si,
		   uint32_t *out)
{
	uint32_t tiles = sg_fragment_regs(f) / f->regs, in_reg = f->per / f->regs, per = f->per,
		 bits = f->bits;
	uint32_t keep = bits == 32 ? SG_ALL : (1u << bits) - 1;

	for (uint32_t t = 0; t < tiles; t++) {
		uint32_t *to = out + tile_base(f, t, so, si);

		for (uint32_t e = 0; e < per; e++) {
			const uint32_t *row =
				(const uint32_t *)(w->regs + f->r[t * f->regs + e / in_reg]);
			uint32_t shift = e % in_reg * bits;

			for (uint32_t i = 0; i < SG_LANES; i++)
				to[i / 4 * so + (i % 4 * per + e) * si] = row[i] >> shift & keep;
		}
	}
}

/* D: pairs of 16 or 32 bits. */
static void scatter(const struct sg_warp *w, const struct sg_fragment *f, const uint32_t *from)
{
	uint32_t tiles = sg_fragment_regs(f) / f->regs, so = f->inner;

	for (uint32_t t = 0; t < tiles; t++) {
		const uint32_t *p = from + tile_base(f, t, so, 1);
		uint32_t *first = (uint32_t *)(w->regs + f->r[t * f->regs]);
		uint32_t *second = (uint32_t *)(w->regs + f->r[t * f->regs + f->regs - 1]);

		for (uint32_t i = 0; i < SG_LANES; i++) {
			uint32_t a = p[i / 4 * so + i % 4 * 2], b = p[i / 4 * so + i % 4 * 2 + 1];

			second[i] = b;
			first[i] = f->regs == 1 ? a | b << 16 : a;
		}
	}
}

/* Significands with so many bits after the point, signed, and exponents; true: an Inf or a NaN. */
static bool unpack(struct operand *o, enum sg_mma_type type, uint32_t nr, uint32_t point,
		   int32_t zero)
{
	const struct format *f = &formats[type];
	uint32_t top = (1u << f->exp_bits) - 1, bits = f->bits, one = 1u << bits, special = 0;
	uint32_t nan = f->no_inf ? one - 1 : 0, drop = f->drop, eb = f->exp_bits;
	int32_t bias = (int32_t)(top >> 1);

	for (uint32_t i = 0; i < nr; i++) {
		uint32_t u = o->raw[i] >> drop, m = u & (one - 1), e = u >> bits & top;
		int32_t sig = (int32_t)((e ? m | one : m) << (point - bits)),
			exp = (int32_t)(e ? e : 1) - bias;

		o->exp[i] = sig ? exp : zero;
		o->sig[i] = u >> (bits + eb) & 1 ? -sig : sig;
		special |= e == top && m >= nan;
	}
	return special;
}

#define COLS 8
typedef int32_t cols __attribute__((vector_size(4 * COLS), aligned(4), may_alias));
typedef uint32_t ucols __attribute__((vector_size(4 * COLS)));

/* v * 2^up / 2^down, towards zero; down is not negative, and 31 leaves nothing. */
#define ALIGN(v, up, down) ({ \
	cols v_ = (v), sign_ = v_ >> 31, far_ = (down) > 31, down_ = ((down) & ~far_) | (31 & far_); \
	((cols)((ucols)((v_ ^ sign_) - sign_) << (up) >> (ucols)down_) ^ sign_) - sign_; })

/*
 * The arithmetic of a tensor core, for COLS neighbours of a row of D: products are exact and not
 * normalised (their exponent is the sum of those of the factors), they and C are aligned to the
 * largest exponent and cut off towards zero, FRACTION bits after the point, and then added
 * exactly. The caller rounds the sum.
 */
static void fused_sum(const struct product *x, uint32_t row, uint32_t col, double *out)
{
	const int32_t *as = x->a.sig + row * x->k, *ae = x->a.exp + row * x->k;
	const int32_t *bs = x->b.sig + col, *be = x->b.exp + col;
	cols cs = *(const cols *)(x->c.sig + row * x->n + col),
	     ce = *(const cols *)(x->c.exp + row * x->n + col);
	cols top = ce, part;
	double sum[COLS] = { 0 };

	for (uint32_t k = 0; k < x->k; k++) {
		cols e = *(const cols *)(be + k * x->n) + ae[k], more = e > top;

		top = (e & more) | (top & ~more);
	}
	part = ALIGN(cs, FRACTION - C_BITS, top - ce);
	for (uint32_t k = 0; k < x->k; k++) {
		cols e = *(const cols *)(be + k * x->n) + ae[k];

		/* a product is below 2^FRACTION * 4: an int holds eight of them and C */
		if (k && k % 8 == 0) {
			for (uint32_t i = 0; i < COLS; i++)
				sum[i] += part[i];
			part = (cols){ 0 };
		}
		part += ALIGN(*(const cols *)(bs + k * x->n) * as[k], FRACTION - 2 * AB_BITS,
			      top - e);
	}
	for (uint32_t i = 0; i < COLS; i++)
		out[i] = (sum[i] + part[i]) * f64_of((uint64_t)(top[i] - FRACTION + 1023) << 52);
}

/* Towards zero, but what is too large becomes Inf. */
static float cut_f32(double v)
{
	if (fabs(v) >= 0x1p-126)
		return (float)f64_of(f64_bits(v) & ~0x1fffffffull);
	return (float)((double)(int32_t)(v * 0x1p149) * 0x1p-149);
}

/* To nearest: what cut_f32() left out is kept as a sticky bit. */
static uint32_t nearest_f16(double v)
{
	float f = cut_f32(v);

	return f32_to_f16(f == v ? f : f32_of(f32_bits(f) | 1));
}

static float value(enum sg_mma_type type, uint32_t raw)
{
	switch (type) {
	case SG_MMA_F16:
		return f16_to_f32(raw);
	case SG_MMA_BF16:
		return bf16_to_f32(raw);
	case SG_MMA_E5M2:
		return f16_to_f32(raw << 8);
	case SG_MMA_E4M3:	/* it has no Inf: beside one only zero or not and the sign matter */
		return (raw & 0x7f) == 0x7f ? NAN
		       : raw & 0x80	    ? -(float)(raw & 0x7f)
					    : (float)(raw & 0x7f);
	case SG_MMA_TF32:
		return f32_of(raw & ~0x1fffu);
	default:
		return f32_of(raw);
	}
}

/* Where an Inf or a NaN takes part: what IEEE arithmetic gives. No finite sum overflows a double. */
static void special_values(struct product *x)
{
	for (uint32_t i = 0; i < x->m; i++)
		for (uint32_t j = 0; j < x->n; j++) {
			double s = value(x->tc, x->c.raw[i * x->n + j]);

			for (uint32_t k = 0; k < x->k; k++)
				s += (double)value(x->ta, x->a.raw[i * x->k + k]) *
				     value(x->tb, x->b.raw[k * x->n + j]);
			if (s - s == 0)
				continue;
			x->d[i * x->n + j] = x->td == SG_MMA_F32
						     ? s == s ? f32_bits((float)s) : F32_NAN
					     : s == s ? f32_to_f16((float)s)
						      : HALF_NAN;
		}
}

static void float_product(struct product *x)
{
	bool special = unpack(&x->a, x->ta, x->m * x->k, AB_BITS, ZERO_EXP);

	special |= unpack(&x->b, x->tb, x->k * x->n, AB_BITS, ZERO_EXP);
	special |= unpack(&x->c, x->tc, x->m * x->n, C_BITS, MIN_EXP);
	for (uint32_t i = 0; i < x->m; i++)
		for (uint32_t j = 0; j < x->n; j += COLS) {
			uint32_t *d = x->d + i * x->n + j;
			double s[COLS];

			fused_sum(x, i, j, s);
			for (uint32_t c = 0; c < COLS; c++)
				d[c] = x->td == SG_MMA_F32 ? f32_bits(cut_f32(s[c]))
							   : nearest_f16(s[c]);
		}
	if (special)
		special_values(x);
}

static void start(struct product *x, const struct sg_mma *a)
{
	x->m = a->m;
	x->n = a->n;
	x->k = a->k;
	x->ta = (enum sg_mma_type)a->f[SG_MMA_A].type;
	x->tb = (enum sg_mma_type)a->f[SG_MMA_B].type;
	x->tc = (enum sg_mma_type)a->f[SG_MMA_C].type;
	x->td = (enum sg_mma_type)a->f[SG_MMA_D].type;
}

static void gather_all(const struct sg_warp *w, const struct sg_mma *a, struct product *x)
{
	start(x, a);
	gather(w, &a->f[SG_MMA_A], a->k, 1, x->a.raw);
	gather(w, &a->f[SG_MMA_B], 1, a->n, x->b.raw);
	gather(w, &a->f[SG_MMA_C], a->n, 1, x->c.raw);
}

EXEC(mma_float)
{
	const struct sg_mma *a = in->aux;
	struct product x;

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	gather_all(w, a, &x);
	float_product(&x);
	scatter(w, &a->f[SG_MMA_D], x.d);
	return SG_OK;
}

static void extend(int32_t *to, const uint32_t *raw, enum sg_mma_type type, uint32_t nr)
{
	uint32_t shift = type == SG_MMA_S8 ? 24 : type == SG_MMA_S4 ? 28 : 0;

	for (uint32_t i = 0; i < nr; i++)
		to[i] = (int32_t)(raw[i] << shift) >> shift;
}

/* No sum of products reaches 2^31, so one addition decides whether D overflows. */
static uint32_t add_c(int32_t sum, uint32_t c, bool sat)
{
	int32_t r;

	if (!__builtin_add_overflow(sum, (int32_t)c, &r) || !sat)
		return (uint32_t)r;
	return sum < 0 ? 0x80000000 : 0x7fffffff;
}

EXEC(mma_int)
{
	const struct sg_mma *a = in->aux;
	struct product x;

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	gather_all(w, a, &x);
	extend(x.a.sig, x.a.raw, x.ta, x.m * x.k);
	extend(x.b.sig, x.b.raw, x.tb, x.k * x.n);
	for (uint32_t i = 0; i < x.m; i++)
		for (uint32_t j = 0; j < x.n; j += COLS) {
			cols sum = { 0 };

			for (uint32_t k = 0; k < x.k; k++)
				sum += *(const cols *)(x.b.sig + k * x.n + j) *
				       x.a.sig[i * x.k + k];
			for (uint32_t c = 0; c < COLS; c++)
				x.d[i * x.n + j + c] =
					add_c(sum[c], x.c.raw[i * x.n + j + c], a->sat);
		}
	scatter(w, &a->f[SG_MMA_D], x.d);
	return SG_OK;
}

/* A register of A or B is one word of a row; the multiplication is xor or and, the sum popc. */
EXEC(mma_bit)
{
	const struct sg_mma *a = in->aux;
	uint32_t words = a->k / 32, c[SG_MMA_MAX_C];
	const struct sg_fragment *fa = &a->f[SG_MMA_A], *fb = &a->f[SG_MMA_B];

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	gather(w, &a->f[SG_MMA_C], a->n, 1, c);
	for (uint32_t i = 0; i < a->m; i++)
		for (uint32_t j = 0; j < a->n; j++)
			for (uint32_t k = 0; k < words; k++) {
				const uint32_t *ra =
					(const uint32_t *)(w->regs +
							   fa->r[i / 8 + k / 4 * (a->m / 8)]);
				const uint32_t *rb = (const uint32_t *)(w->regs + fb->r[k / 4]);
				uint32_t p = ra[i % 8 * 4 + k % 4], q = rb[j % 8 * 4 + k % 4];

				c[i * a->n + j] +=
					(uint32_t)__builtin_popcount(a->and ? p & q : p ^ q);
			}
	scatter(w, &a->f[SG_MMA_D], c);
	return SG_OK;
}

/* The caller may have set the rounding mode, so no part of this may be moved out of it. */
static __attribute__((noinline)) void fma_chains(const struct sg_mma *x, const double *a,
						 const double *b, double *d)
{
	for (uint32_t i = 0; i < x->m; i++)
		for (uint32_t k = 0; k < x->k; k++)
			for (uint32_t j = 0; j < x->n; j++) {
				double p = a[i * x->k + k], q = b[k * x->n + j],
				       s = d[i * x->n + j];

				d[i * x->n + j] = f64_out(fma(p, q, s), q, s, p);
			}
}

/* As gather() and, with store, scatter(). */
static void move_doubles(const struct sg_warp *w, const struct sg_fragment *f, uint32_t so,
			 uint32_t si, double *m, bool store)
{
	for (uint32_t r = 0; r < f->nr; r++) {
		double *reg = (double *)(w->regs + f->r[r]);
		double *at = m + tile_base(f, r / f->regs, so, si) + r % f->regs * si;

		for (uint32_t i = 0; i < SG_LANES; i++) {
			double *cell = at + i / 4 * so + i % 4 * f->per * si;

			*(store ? reg + i : cell) = *(store ? cell : reg + i);
		}
	}
}

EXEC(mma_double)
{
	const struct sg_mma *x = in->aux;
	double a[SG_MMA_MAX_C], b[SG_MMA_MAX_C], c[SG_MMA_MAX_C];
	int old = fegetround();

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	move_doubles(w, &x->f[SG_MMA_A], x->k, 1, a, false);
	move_doubles(w, &x->f[SG_MMA_B], 1, x->n, b, false);
	move_doubles(w, &x->f[SG_MMA_C], x->n, 1, c, false);
	if (in->mods & (M_RZ | M_RM | M_RP))
		fesetround(in->mods & M_RZ   ? FE_TOWARDZERO
			   : in->mods & M_RM ? FE_DOWNWARD
					     : FE_UPWARD);
	fma_chains(x, a, b, c);
	fesetround(old);
	move_doubles(w, &x->f[SG_MMA_D], x->n, 1, c, true);
	return SG_OK;
}

/*
 * mma.m8n8k4 with .f16: four products, each by the lanes 4q..4q+3 and 16+4q..19+4q. Where element e
 * of a lane lies in the matrix (PTX ISA, "Matrix Fragments for mma.m8n8k4 with .f16"):
 */
static uint32_t quad_ab(bool along, uint32_t lane, uint32_t e, uint32_t so, uint32_t si)
{
	uint32_t half = lane / 16 * 4;

	return along ? (lane % 4 + half) * so + e * si : (e + half) * so + lane % 4 * si;
}

static uint32_t quad_c(const struct sg_fragment *f, uint32_t lane, uint32_t e)
{
	uint32_t half = lane / 16 * 4;

	if (f->bits == 16)
		return (lane % 4 + half) * 8 + e;
	return ((lane & 1) + (e & 2) + half) * 8 + (e & 4) + (lane & 2) + (e & 1);
}

static uint32_t half_of(const struct sg_warp *w, const struct sg_fragment *f, uint32_t lane,
			uint32_t e)
{
	return ((const uint16_t *)((const uint32_t *)(w->regs + f->r[e / 2]) + lane))[e % 2];
}

static void quad_gather(const struct sg_warp *w, const struct sg_mma *a, uint32_t lane,
			struct product *x)
{
	const struct sg_fragment *fa = &a->f[SG_MMA_A], *fb = &a->f[SG_MMA_B],
				 *fc = &a->f[SG_MMA_C];

	for (uint32_t e = 0; e < 4; e++) {
		x->a.raw[quad_ab(fa->major, lane, e, 4, 1)] = half_of(w, fa, lane, e);
		x->b.raw[quad_ab(fb->major, lane, e, 1, 8)] = half_of(w, fb, lane, e);
	}
	for (uint32_t e = 0; e < 8; e++)
		x->c.raw[quad_c(fc, lane, e)] = fc->bits == 16 ? half_of(w, fc, lane, e) :
						((const uint32_t *)(w->regs + fc->r[e]))[lane];
}

static void quad_scatter(const struct sg_warp *w, const struct sg_fragment *f, uint32_t lane,
			 const uint32_t *d)
{
	for (uint32_t r = 0; r < f->nr; r++) {
		uint32_t *to = (uint32_t *)(w->regs + f->r[r]) + lane;

		*to = f->bits == 32 ? d[quad_c(f, lane, r)] :
		      d[quad_c(f, lane, 2 * r)] | d[quad_c(f, lane, 2 * r + 1)] << 16;
	}
}

/*
 * No tensor core has this shape since Volta's: an H100 computes it with fma.rn.f32, from the first
 * product on, and adds C at the end.
 */
static void quad_product(struct product *x)
{
	for (uint32_t i = 0; i < 8; i++)
		for (uint32_t j = 0; j < 8; j++) {
			float s = 0;

			for (uint32_t k = 0; k < 4; k++) {
				float a = value(x->ta, x->a.raw[i * 4 + k]),
				      b = value(x->tb, x->b.raw[k * 8 + j]);

				s = k ? __builtin_fmaf(a, b, s) : a * b;
			}
			s += value(x->tc, x->c.raw[i * 8 + j]);
			x->d[i * 8 + j] = x->td == SG_MMA_F32 ? f32_bits(f32_canon(s))
							      : f32_to_f16(s);
		}
}

EXEC(mma_quads)
{
	const struct sg_mma *a = in->aux;
	struct product x;
	uint32_t d[4][64];

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	start(&x, a);
	for (uint32_t q = 0; q < 4; q++) {
		for (uint32_t i = 0; i < 8; i++)
			quad_gather(w, a, i / 4 * 16 + 4 * q + i % 4, &x);
		quad_product(&x);
		memcpy(d[q], x.d, sizeof(d[q]));
	}
	for (uint32_t i = 0; i < SG_LANES; i++)
		quad_scatter(w, &a->f[SG_MMA_D], i, d[i / 4 % 4]);
	return SG_OK;
}

const struct sg_form SG_TABLE(sg_forms_mma)[] = {
	FORM("@mma.float", mma_float, ""), FORM("@mma.int", mma_int, ""), FORM("@mma.bit", mma_bit, ""),
	FORM("@mma.double", mma_double, ""), FORM("@mma.quads", mma_quads, ""),
	FORM_END
};
