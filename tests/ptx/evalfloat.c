/* SPDX-License-Identifier: MIT */
/*
 * evalfloat.c - floating point instructions for eval.h
 *
 * Every operation is done once in binary128, towards zero, and its last bit is set when something was cut off. That
 * is enough (113 bits against at most 53) for round_to() to give what the exact result would.
 */
#include <fenv.h>
#include <string.h>

#include "evalfloat.h"

typedef __float128 quad;

static const struct {
	int exp, frac;
} formats[EV_NR_TYPES] = { [EV_F16] = { 5, 10 }, [EV_BF16] = { 8, 7 }, [EV_F32] = { 8, 23 }, [EV_F64] = { 11, 52 } };

#define BIT(n) (1ull << (n))

static int width(enum ev_type t)
{
	return formats[t].exp + formats[t].frac + 1;
}

static uint64_t sign_bit(enum ev_type t)
{
	return BIT(width(t) - 1);
}

static uint64_t infinity(enum ev_type t)
{
	return (BIT(formats[t].exp) - 1) << formats[t].frac;
}

static uint64_t magnitude(enum ev_type t, uint64_t v)
{
	return v & (sign_bit(t) - 1);
}

static bool is_nan(enum ev_type t, uint64_t v)
{
	return magnitude(t, v) > infinity(t);
}

static uint64_t flush(enum ev_type t, bool ftz, uint64_t v)
{
	return ftz && magnitude(t, v) < BIT(formats[t].frac) ? v & sign_bit(t) : v;
}

/* What an operation gives for a NaN: f64 hands on an operand's, the first in the order of the digits. */
static uint64_t nan_of(enum ev_type t, const uint64_t *a, const char *order)
{
	for (; t == EV_F64 && *order; order++)
		if (is_nan(t, a[*order - '0']))
			return a[*order - '0'] | BIT(51);
	return t == EV_F64 ? 0xfff8000000000000 : sign_bit(t) - 1;
}

/* The NaN that a conversion makes of the NaN v; tests/data/ptx-rows.tsv has them all. */
static uint64_t converted_nan(const struct ev_op *op, enum ev_type to, enum ev_type from, uint64_t v)
{
	uint64_t payload = v & (BIT(formats[from].frac) - 1), sign = v & sign_bit(from) ? sign_bit(to) : 0;
	int up = formats[to].frac - formats[from].frac;
	bool plain = !op->ftz && !op->sat && !op->relu && !op->round;

	if (to == EV_F64 && from == EV_F64 && plain)
		return v;
	if (from == EV_F64 && to != EV_F64)
		return sign | infinity(to) | BIT(formats[to].frac - 1) | payload >> -up;
	if (to == EV_F64)
		return sign | infinity(to) | BIT(51) | payload << up;
	if (to == EV_F32 && (from == EV_F32 || from == EV_BF16) && plain)
		return v << up;
	return sign_bit(to) - 1;
}

static u128 quad_bits(quad q)
{
	u128 u;

	memcpy(&u, &q, sizeof(u));
	return u;
}

static quad quad_of(u128 u)
{
	quad q;

	memcpy(&q, &u, sizeof(q));
	return q;
}

/* n * 2^e, for normal results */
static quad scale(quad q, int e)
{
	for (; e > 0; e--)
		q *= 2;
	for (; e < 0; e++)
		q /= 2;
	return q;
}

static quad power_of_two(int e)
{
	return quad_of((u128)(e + 16383) << 112);
}

static quad decode(enum ev_type t, uint64_t v)
{
	int frac = formats[t].frac, e = (int)(magnitude(t, v) >> frac);
	int bias = (1 << (formats[t].exp - 1)) - 1;
	uint64_t m = v & (BIT(frac) - 1);
	quad q;

	if (is_nan(t, v))
		return (quad)__builtin_nan("");
	if (magnitude(t, v) == infinity(t))
		q = (quad)__builtin_inf();
	else
		q = (quad)(e ? m | BIT(frac) : m) * power_of_two((e ? e : 1) - bias - frac);
	return v & sign_bit(t) ? -q : q;
}

/* Should a number whose cut-off part is `rest` of `unit` go up in magnitude? */
static bool goes_up(char mode, bool negative, bool odd, quad rest)
{
	switch (mode) {
	case 'z':
		return false;
	case 'm':
		return negative && rest != 0;
	case 'p':
		return !negative && rest != 0;
	default:
		return rest > 0.5 || (rest == 0.5 && odd);
	}
}

/* Rounds q, whose last bit is sticky, to a format. */
static uint64_t round_to(enum ev_type t, quad q, char mode)
{
	int frac = formats[t].frac, bias = (1 << (formats[t].exp - 1)) - 1, e;
	u128 u = quad_bits(q), m;
	bool negative = u >> 127;
	uint64_t sign = negative ? sign_bit(t) : 0, r;
	quad x, rest;

	e = (int)(u >> 112 & 0x7fff) - 16383;
	if (q == 0)
		return sign;
	if (e == 16384)
		return sign | infinity(t);
	if (e > bias)
		return sign | (mode == 'z' || (mode == 'm' && !negative) || (mode == 'p' && negative) ? infinity(t) - 1 :
			       infinity(t));
	if (e < 1 - bias)
		e = 1 - bias;
	x = (negative ? -q : q);
	/* units of the last place; a double step keeps tiny ones normal */
	x = e - frac < -16000 ? scale(x, frac - e) : x * power_of_two(frac - e);
	m = (u128)x;
	rest = x - (quad)m;
	r = (uint64_t)m + goes_up(mode, negative, m & 1, rest);
	/* the carry into the exponent is the right one, and so is infinity */
	return sign | (r + ((uint64_t)(e - 1 + bias) << frac));
}

/* op applied towards zero, with a sticky last bit */
static quad sticky(char op, quad x, quad y)
{
	volatile quad a = x, b = y, r;
	int old = fegetround();
	u128 u;

	fesetround(FE_TOWARDZERO);
	feclearexcept(FE_INEXACT);
	r = op == '+' ? a + b : op == '*' ? a * b : a / b;
	u = quad_bits(r);
	if (fetestexcept(FE_INEXACT))
		u |= 1;
	fesetround(old);
	return quad_of(u);
}

static quad square_root(quad q)
{
	u128 u = quad_bits(q), m, r = 0;
	int e = (int)(u >> 112 & 0x7fff) - 16383;

	if (q == 0 || q != q || e == 16384)
		return q < 0 ? (quad)__builtin_nan("") : q;
	if (q < 0)
		return (quad)__builtin_nan("");
	/* the source has 53 bits at most; m = q * 2^(120 - even exponent) */
	m = ((u & (((u128)1 << 112) - 1)) | (u128)1 << 112) << 8;
	if (e & 1)
		m <<= 1;
	for (int i = 62; i >= 0; i--)
		if ((r | (u128)1 << i) * (r | (u128)1 << i) <= m)
			r |= (u128)1 << i;
	r = r << 1 | (r * r != m);
	return (quad)r * power_of_two(((e & 1 ? e - 1 : e) - 120) / 2 - 1);
}

static uint64_t saturate(enum ev_type t, uint64_t v)
{
	uint64_t one = (BIT(formats[t].exp - 1) - 1) << formats[t].frac;

	return is_nan(t, v) || v & sign_bit(t) ? 0 : v > one ? one : v;
}

static uint64_t finish(const struct ev_op *op, enum ev_type t, uint64_t v)
{
	v = flush(t, op->ftz, v);
	if (op->sat)
		return saturate(t, v);
	return op->relu && !is_nan(t, v) && v & sign_bit(t) ? 0 : v;
}

/* The sum of two products' signs decides which zero an exact cancellation gives. */
static quad add(quad x, quad y, char mode)
{
	quad r = sticky('+', x, y);

	if (r == 0 && (x != 0 || y != 0 || quad_bits(x) >> 127 != quad_bits(y) >> 127))
		return mode == 'm' ? -(quad)0 : (quad)0;
	return r;
}

static enum ev_type type_of(const struct ev_op *op)
{
	return op->type[op->nr_types - 1];
}

void evf_arith(const struct ev_op *op, const uint64_t *a, uint64_t *d)
{
	enum ev_type t = type_of(op);
	char c = op->kind[0], mode = op->round ? op->round : 'n';
	bool division = !strcmp(op->kind, "div"), product = false;
	const char *nans = op->nr_src == 1 ? "0" : op->nr_src == 3 ? "120" : division ? "01" : "10";
	uint64_t in[EV_MAX_SRC];
	quad x[3] = { 0, 0, 0 }, r;

	for (int i = 0; i < op->nr_src && i < 3; i++) {
		in[i] = flush(t, op->ftz, a[i]);
		x[i] = decode(t, in[i]);
	}
	if (!strcmp(op->kind, "add"))
		r = add(x[0], x[1], mode);
	else if (!strcmp(op->kind, "sub"))
		r = add(x[0], -x[1], mode);
	else if ((product = !strcmp(op->kind, "mul")))
		r = sticky('*', x[0], x[1]);
	else if ((product = c == 'f' || c == 'm'))
		r = add(x[0] * x[1], x[2], mode);
	else if (division)
		r = sticky('/', x[0], x[1]);
	else if (!strcmp(op->kind, "rcp"))
		r = sticky('/', 1, x[0]);
	else
		r = square_root(x[0]);
	/* a product is flushed by what it is before it is rounded */
	if (product && op->ftz && t == EV_F32 && r < power_of_two(-126) && r > -power_of_two(-126))
		r *= 0;
	d[0] = finish(op, t, r != r ? nan_of(t, in, nans) : round_to(t, r, mode));
}

/* A number as an integer that is ordered as it is: -0 below +0. */
static int64_t order(enum ev_type t, uint64_t v)
{
	int64_t m = (int64_t)magnitude(t, v);

	return v & sign_bit(t) ? -m - 1 : m;
}

void evf_extreme(const struct ev_op *op, const uint64_t *a, uint64_t *d)
{
	enum ev_type t = type_of(op);
	uint64_t x = flush(t, op->ftz, a[0]), y = flush(t, op->ftz, a[1]), sign = (a[0] ^ a[1]) & sign_bit(t), in[2], r;
	bool min = !strcmp(op->kind, "min"), nx, ny;

	in[0] = x;
	in[1] = y;
	if (op->xorsign) {
		x = magnitude(t, x);
		y = magnitude(t, y);
	}
	nx = is_nan(t, x);
	ny = is_nan(t, y);
	if ((nx && ny) || (op->nan && (nx || ny))) {
		d[0] = nan_of(t, in, "10");
		return;
	}
	r = nx ? y : ny ? x : (order(t, x) < order(t, y)) == min ? x : y;
	d[0] = op->xorsign ? magnitude(t, r) | sign : r;
}

void evf_sign(const struct ev_op *op, const uint64_t *a, uint64_t *d)
{
	enum ev_type t = type_of(op);
	uint64_t v = flush(t, op->ftz, a[0]);

	if (op->kind[0] == 'c')		/* the first operand gives the sign */
		d[0] = (a[0] & sign_bit(t)) | magnitude(t, a[1]);
	else if (is_nan(t, v))
		d[0] = nan_of(t, a, "0");
	else
		d[0] = op->kind[0] == 'n' ? v ^ sign_bit(t) : magnitude(t, v);
}

void evf_testp(const struct ev_op *op, const uint64_t *a, uint64_t *d)
{
	enum ev_type t = type_of(op);
	uint64_t m = magnitude(t, a[0]), inf = infinity(t), least = BIT(formats[t].frac);
	const char *c = op->cmp;

	d[0] = !strcmp(c, "finite") ? m < inf : !strcmp(c, "infinite") ? m == inf : !strcmp(c, "number") ? m <= inf :
	       !strcmp(c, "notanumber") ? m > inf : !strcmp(c, "normal") ? !m || (m >= least && m < inf) : m && m < least;
}

bool evf_compare(const char *c, enum ev_type t, bool ftz, uint64_t a, uint64_t b)
{
	uint64_t x = flush(t, ftz, a), y = flush(t, ftz, b);
	bool nan = is_nan(t, x) || is_nan(t, y);
	int64_t m = order(t, x), n = order(t, y);

	if (!strcmp(c, "num") || !strcmp(c, "nan"))
		return nan == (c[1] == 'a');
	if (nan)
		return c[2] == 'u';
	if (!magnitude(t, x) && !magnitude(t, y))
		m = n = 0;
	switch (c[0]) {
	case 'e':
		return m == n;
	case 'n':
		return m != n;
	case 'l':
		return c[1] == 't' ? m < n : m <= n;
	default:
		return c[1] == 't' ? m > n : m >= n;
	}
}

/* q as an integer, by the rounding that is asked for */
static quad integral(quad q, char mode)
{
	bool negative = q < 0;
	quad x = negative ? -q : q, whole;

	if (q != q || x >= power_of_two(112))
		return q;
	whole = (quad)(u128)x;
	if (goes_up(mode, negative, (u128)x & 1, x - whole))
		whole += 1;
	return negative || quad_bits(q) >> 127 ? -whole : whole;
}

static uint64_t to_integer(quad q, int bits, bool is_signed, bool wide)
{
	quad max = power_of_two(is_signed ? bits - 1 : bits), min = is_signed ? -max : 0;

	if (q != q)
		return wide || bits == 64 ? BIT(bits - 1) : 0;
	if (q <= min)
		return is_signed ? BIT(bits - 1) : 0;
	if (q >= max)
		return is_signed ? BIT(bits - 1) - 1 : bits == 64 ? UINT64_MAX : BIT(bits) - 1;
	return q < 0 ? 0 - (uint64_t)-q : (uint64_t)q;
}

void evf_convert(const struct ev_op *op, const uint64_t *a, uint64_t *d, int bits, bool is_signed, bool from_int, i128 value)
{
	enum ev_type to = op->type[0], from = op->type[1];
	char mode = op->round && !op->integral ? op->round : 'n';
	uint64_t in[1] = { 0 };
	quad q;

	if (from_int) {
		q = (quad)value;
	} else {
		in[0] = flush(from, op->ftz && from == EV_F32 && to != EV_F16, a[0]);
		if (op->ftz && from == EV_F32 && is_nan(from, a[0]))
			in[0] = nan_of(from, a, "");
		q = decode(from, in[0]);
		if (op->integral)
			q = integral(q, op->round);
	}
	if (!formats[to].exp) {
		d[0] = to_integer(q, bits, is_signed, from == EV_F64);
		return;
	}
	d[0] = q != q ? converted_nan(op, to, from, in[0]) : round_to(to, q, mode);
	d[0] = flush(to, op->ftz && to == EV_F32, d[0]);
	if (op->sat)
		d[0] = saturate(to, d[0]);
	if (op->relu && !is_nan(to, d[0]) && d[0] & sign_bit(to))
		d[0] = 0;
}
