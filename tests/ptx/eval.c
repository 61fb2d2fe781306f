/* SPDX-License-Identifier: MIT */
/*
 * eval.c - parsing of instruction names, and integer, logic and comparison instructions
 */
#include <string.h>

#include "evalfloat.h"

static const struct {
	const char *name;
	int bits;
	char cls;
} types[EV_NR_TYPES] = {
	[EV_NONE] = { "", 0, 0 }, [EV_PRED] = { "pred", 1, 'p' }, [EV_B8] = { "b8", 8, 'u' }, [EV_B16] = { "b16", 16, 'u' },
	[EV_B32] = { "b32", 32, 'u' }, [EV_B64] = { "b64", 64, 'u' }, [EV_U8] = { "u8", 8, 'u' }, [EV_U16] = { "u16", 16, 'u' },
	[EV_U32] = { "u32", 32, 'u' }, [EV_U64] = { "u64", 64, 'u' }, [EV_S8] = { "s8", 8, 's' }, [EV_S16] = { "s16", 16, 's' },
	[EV_S32] = { "s32", 32, 's' }, [EV_S64] = { "s64", 64, 's' }, [EV_F16] = { "f16", 16, 'f' },
	[EV_BF16] = { "bf16", 16, 'f' },
	[EV_F32] = { "f32", 32, 'f' }, [EV_F64] = { "f64", 64, 'f' },
};

static enum ev_type last_type(const struct ev_op *op)
{
	return op->type[op->nr_types - 1];
}

static int bits_of(const struct ev_op *op)
{
	return types[last_type(op)].bits;
}

static uint64_t low(i128 v, int bits)
{
	return bits == 64 ? (uint64_t)v : (uint64_t)v & ((1ull << bits) - 1);
}

/* The number that the low bits of v are in this type. */
static i128 number(uint64_t v, enum ev_type t)
{
	int bits = types[t].bits;

	v = low(v, bits);
	return types[t].cls == 's' && v >> (bits - 1) ? (i128)v - ((i128)1 << bits) : (i128)v;
}

static i128 clamp(i128 v, enum ev_type t)
{
	int bits = types[t].bits;
	i128 min = types[t].cls == 's' ? -((i128)1 << (bits - 1)) : 0;
	i128 max = ((i128)1 << (types[t].cls == 's' ? bits - 1 : bits)) - 1;

	return v < min ? min : v > max ? max : v;
}

#define OP(name) static void name(const struct ev_op *op __attribute__((unused)), const uint64_t *a, uint64_t *d)
#define NUM(i) number(a[i], last_type(op))

static i128 multiply(const struct ev_op *op, i128 x, i128 y)
{
	i128 r = (i128)((u128)x * (u128)y);	/* 64-bit unsigned operands need all 128 bits */

	return op->hi ? types[last_type(op)].cls == 's' ? r >> bits_of(op) : (i128)((u128)r >> bits_of(op)) : r;
}

OP(arith)
{
	int bits = bits_of(op) * (op->wide ? 2 : 1);
	i128 r;

	if (!strcmp(op->kind, "add"))
		r = NUM(0) + NUM(1);
	else if (!strcmp(op->kind, "sub"))
		r = NUM(0) - NUM(1);
	else
		r = multiply(op, NUM(0), NUM(1));
	if (!strcmp(op->kind, "mad"))
		r += op->sat ? NUM(2) : (i128)a[2];
	if (op->sat)
		r = clamp(r, last_type(op));
	d[0] = low(r, bits);
}

/* Both halves by themselves. */
OP(pairs)
{
	uint64_t x[EV_MAX_SRC], y[EV_MAX_SRC], hi = 0;

	for (int i = 0; i < EV_MAX_SRC; i++) {
		x[i] = a[i] & 0xffff;
		y[i] = a[i] >> 16 & 0xffff;
	}
	op->one(op, x, d);
	op->one(op, y, &hi);
	d[0] = (d[0] & 0xffff) | (hi & 0xffff) << 16;
}

/* The low 24 bits of each; the low or the high 32 of the 48. */
OP(mul24)
{
	bool s = types[last_type(op)].cls == 's';
	i128 x = a[0] & 0xffffff, y = a[1] & 0xffffff, r;

	if (s && x >> 23)
		x -= 1 << 24;
	if (s && y >> 23)
		y -= 1 << 24;
	r = op->hi ? x * y >> 16 : x * y;
	r = number((uint64_t)r, last_type(op));
	if (!strcmp(op->kind, "mad24"))
		r = op->sat ? clamp(r + NUM(2), last_type(op)) : r + (i128)a[2];
	d[0] = low(r, 32);
}

OP(sad)
{
	i128 diff = NUM(0) - NUM(1);

	d[0] = low((i128)a[2] + (diff < 0 ? -diff : diff), bits_of(op));
}

/* By zero: all ones. */
OP(divide)
{
	i128 x = NUM(0), y = NUM(1);
	bool rem = !strcmp(op->kind, "rem");

	d[0] = low(!y ? -1 : rem ? x % y : x / y, bits_of(op));
}

OP(extreme)
{
	bool first = !strcmp(op->kind, "min") ? NUM(0) < NUM(1) : NUM(0) > NUM(1);
	i128 r = first ? NUM(0) : NUM(1);

	d[0] = low(op->relu && r < 0 ? 0 : r, bits_of(op));
}

OP(logic)
{
	uint64_t r = !strcmp(op->kind, "and") ? a[0] & a[1] : !strcmp(op->kind, "or") ? a[0] | a[1] : a[0] ^ a[1];

	d[0] = low((i128)r, bits_of(op));
}

OP(unary)
{
	int bits = bits_of(op);
	i128 x = NUM(0), r = x;

	if (!strcmp(op->kind, "not"))
		r = ~x;
	else if (!strcmp(op->kind, "cnot"))
		r = low(x, bits) == 0;
	else if (!strcmp(op->kind, "neg"))
		r = -x;
	else if (!strcmp(op->kind, "abs"))
		r = x < 0 ? -x : x;
	d[0] = low(r, bits);
}

OP(count)
{
	int bits = bits_of(op), n = 0, top = -1;
	uint64_t v = low((i128)a[0], bits);

	for (int i = 0; i < bits; i++) {
		n += v >> i & 1;
		top = v >> i & 1 ? i : top;
	}
	d[0] = !strcmp(op->kind, "popc") ? (uint64_t)n : (uint64_t)(bits - 1 - top);
}

OP(brev)
{
	int bits = bits_of(op);

	d[0] = 0;
	for (int i = 0; i < bits; i++)
		d[0] |= (a[0] >> i & 1) << (bits - 1 - i);
}

/* The highest bit that is no sign. */
OP(bfind)
{
	int bits = bits_of(op), i = bits - 1;
	i128 x = NUM(0);
	uint64_t v = low(x < 0 ? ~x : x, bits);

	while (i >= 0 && !(v >> i & 1))
		i--;
	d[0] = i < 0 ? 0xffffffff : (uint64_t)(op->shiftamt ? bits - 1 - i : i);
}

OP(bfe)
{
	int bits = bits_of(op), pos = (int)(a[1] & 0xff), len = (int)(a[2] & 0xff);
	int top = pos + len - 1 < bits - 1 ? pos + len - 1 : bits - 1;
	uint64_t sign = types[last_type(op)].cls == 's' && len ? a[0] >> top & 1 : 0;

	d[0] = 0;
	for (int i = 0; i < bits; i++)
		d[0] |= (i < len && pos + i < bits ? a[0] >> (pos + i) & 1 : sign) << i;
}

OP(bfi)
{
	int bits = bits_of(op), pos = (int)(a[2] & 0xff), len = (int)(a[3] & 0xff);

	d[0] = a[1];
	for (int i = 0; i < len && pos + i < bits; i++)
		d[0] = (d[0] & ~(1ull << (pos + i))) | (a[0] >> i & 1) << (pos + i);
}

OP(bmsk)
{
	uint64_t pos = op->wrap ? a[0] & 31 : a[0], len = op->wrap ? a[1] & 31 : a[1];

	d[0] = 0;
	for (uint64_t i = 0; i < 32; i++)
		d[0] |= (uint64_t)(i >= pos && i - pos < len) << i;
}

OP(szext)
{
	uint64_t n = op->wrap ? a[1] & 31 : a[1], sign;

	if (n > 32)
		n = 32;
	sign = n && types[last_type(op)].cls == 's' ? a[0] >> (n - 1) & 1 : 0;
	d[0] = 0;
	for (uint64_t i = 0; i < 32; i++)
		d[0] |= (i < n ? a[0] >> i & 1 : sign) << i;
}

OP(shift)
{
	int bits = bits_of(op);
	uint64_t n = a[1] > 64 ? 64 : a[1];

	if (!strcmp(op->kind, "shl"))
		d[0] = low((i128)((u128)a[0] << n), bits);
	else
		d[0] = low(NUM(0) >> n, bits);
}

OP(funnel)
{
	uint64_t both = a[1] << 32 | a[0], n = op->wrap ? a[2] & 31 : a[2] > 32 ? 32 : a[2];

	d[0] = op->left ? (uint64_t)((u128)both << n >> 32) & 0xffffffff : both >> n & 0xffffffff;
}

static bool combine(const struct ev_op *op, bool t, uint64_t c)
{
	return op->bool_op == '&' ? t & c : op->bool_op == '|' ? t | c : op->bool_op == '^' ? t ^ c : t;
}

OP(lop3)
{
	d[0] = 0;
	for (int i = 0; i < 32; i++)
		d[0] |= (a[3] >> ((a[0] >> i & 1) << 2 | (a[1] >> i & 1) << 1 | (a[2] >> i & 1)) & 1) << i;
	d[1] = combine(op, d[0] != 0, a[4] & 1);
}

/* The byte that each mode puts at place i when the low bits of c are n. */
static int prmt_select(const char *mode, int n, int i)
{
	if (!strcmp(mode, "f4e"))
		return n + i;
	if (!strcmp(mode, "b4e"))
		return (n + 8 - i) & 7;
	if (!strcmp(mode, "rc8"))
		return n;
	if (!strcmp(mode, "ecl"))
		return i < n ? n : i;
	if (!strcmp(mode, "ecr"))
		return i > n ? n : i;
	return (n & 1) * 2 + (i & 1);
}

OP(prmt)
{
	uint64_t both = a[1] << 32 | a[0];

	d[0] = 0;
	for (int i = 0; i < 4; i++) {
		int sel = op->cmp[0] ? prmt_select(op->cmp, (int)(a[2] & 3), i) : (int)(a[2] >> 4 * i & 15);
		uint64_t byte = both >> 8 * (sel & 7) & 0xff;

		d[0] |= (sel & 8 ? byte >> 7 ? 0xff : 0 : byte) << 8 * i;
	}
}

OP(dot)
{
	bool two = op->kind[2] == '2';
	i128 r = (i128)a[2];

	for (int i = 0; i < (two ? 2 : 4); i++) {
		int k = two && op->hi ? i + 2 : i;
		bool sx = types[op->type[0]].cls == 's', sy = types[op->type[1]].cls == 's';
		i128 x = two ? number(a[0] >> 16 * i, sx ? EV_S16 : EV_U16) : number(a[0] >> 8 * i, sx ? EV_S8 : EV_U8);

		r += x * number(a[1] >> 8 * k, sy ? EV_S8 : EV_U8);
	}
	d[0] = low(r, 32);
}

OP(selp)
{
	d[0] = a[2] & 1 ? a[0] : a[1];
}

OP(slct)
{
	bool first = last_type(op) == EV_S32 ? number(a[2], EV_S32) >= 0 : evf_compare("ge", EV_F32, op->ftz, a[2], 0);

	d[0] = first ? a[0] : a[1];
}

static bool compare(const struct ev_op *op, enum ev_type t, uint64_t x, uint64_t y)
{
	const char *c = op->cmp;
	i128 m, n;

	if (types[t].cls == 'f')
		return evf_compare(c, t, op->ftz, x, y);
	m = number(x, t);
	n = number(y, t);
	if (!strcmp(c, "eq"))
		return m == n;
	if (!strcmp(c, "ne"))
		return m != n;
	if (!strcmp(c, "lt") || !strcmp(c, "lo"))
		return m < n;
	if (!strcmp(c, "le") || !strcmp(c, "ls"))
		return m <= n;
	return !strcmp(c, "gt") || !strcmp(c, "hi") ? m > n : m >= n;
}

OP(setp)
{
	enum ev_type t = last_type(op);
	bool second, first;

	if (op->pair) {
		first = compare(op, t, a[0] & 0xffff, a[1] & 0xffff);
		second = compare(op, t, a[0] >> 16, a[1] >> 16);
	} else {
		first = compare(op, t, a[0], a[1]);
		second = !first;
	}
	d[0] = combine(op, first, a[2] & 1);
	d[1] = combine(op, second, a[2] & 1);
}

OP(set)
{
	enum ev_type t = op->type[0];
	bool r = combine(op, compare(op, last_type(op), a[0], a[1]), a[2] & 1);

	d[0] = !r ? 0 : t == EV_F32 ? 0x3f800000 : t == EV_F16 ? 0x3c00 : t == EV_BF16 ? 0x3f80 : low(-1, types[t].bits);
}

OP(cvt)
{
	enum ev_type to = op->type[0], from = op->type[1];
	i128 r;

	if (op->pair && op->nr_src == 2) {	/* the first is the upper half */
		evf_convert(op, a + 1, d + 1, 0, false, false, 0);
		evf_convert(op, a, d, 0, false, false, 0);
		d[0] = d[0] << 16 | d[1];
		return;
	}
	if (types[to].cls == 'f' || types[from].cls == 'f') {
		evf_convert(op, a, d, types[to].bits, types[to].cls == 's', types[from].cls == 's' || types[from].cls == 'u',
			    number(a[0], from));
		r = (i128)d[0];
	} else {
		r = number(a[0], from);
		if (op->sat)
			r = clamp(r, to);
	}
	/* a narrow integer is extended into the register */
	d[0] = types[to].cls == 's' && types[to].bits < 32 ? low(number((uint64_t)r, to), 32) : low(r, types[to].bits);
}

OP(move)
{
	d[0] = op->nr_types ? low((i128)a[0], bits_of(op)) : a[0];
}

static const struct {
	const char *name;
	ev_fn integer, floating;
} ops[] = {
	{ "add", arith, evf_arith }, { "sub", arith, evf_arith }, { "mul", arith, evf_arith }, { "mad", arith, evf_arith },
	{ "fma", NULL, evf_arith }, { "div", divide, evf_arith }, { "rem", divide, NULL }, { "sqrt", NULL, evf_arith },
	{ "rcp", NULL, evf_arith }, { "min", extreme, evf_extreme }, { "max", extreme, evf_extreme }, { "neg", unary, evf_sign },
	{ "abs", unary, evf_sign }, { "copysign", NULL, evf_sign }, { "testp", NULL, evf_testp }, { "mul24", mul24, NULL },
	{ "mad24", mul24, NULL }, { "sad", sad, NULL }, { "and", logic, NULL }, { "or", logic, NULL }, { "xor", logic, NULL },
	{ "not", unary, NULL }, { "cnot", unary, NULL }, { "popc", count, NULL }, { "clz", count, NULL }, { "brev", brev, NULL },
	{ "bfind", bfind, NULL }, { "bfe", bfe, NULL }, { "bfi", bfi, NULL }, { "bmsk", bmsk, NULL }, { "szext", szext, NULL },
	{ "shl", shift, NULL }, { "shr", shift, NULL }, { "shf", funnel, NULL }, { "lop3", lop3, NULL }, { "prmt", prmt, NULL },
	{ "dp4a", dot, NULL }, { "dp2a", dot, NULL }, { "selp", selp, selp }, { "slct", slct, slct }, { "setp", setp, setp },
	{ "set", set, set }, { "cvt", cvt, cvt }, { "mov", move, move },
};

static bool word(struct ev_op *op, const char *s)
{
	static const char *const cmps[] = { "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hs", "equ", "neu", "ltu", "leu",
					    "gtu", "geu", "num", "nan", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16", "finite",
					    "infinite", "number", "notanumber", "normal", "subnormal" };
	bool set = !strncmp(op->kind, "set", 3);

	for (int t = 1; t < EV_NR_TYPES; t++)
		if (!strcmp(types[t].name, s)) {
			if (op->nr_types < 3)
				op->type[op->nr_types++] = (enum ev_type)t;
			return op->nr_types <= 3;
		}
	for (size_t i = 0; i < sizeof(cmps) / sizeof(cmps[0]); i++)
		if (!strcmp(cmps[i], s)) {
			strcpy(op->cmp, s);
			return true;
		}
	if (!strcmp(s, "hi") && set) {
		strcpy(op->cmp, "hi");
		return true;
	}
	if (s[0] == 'r' && strchr("nzmp", s[1]) && s[1] && (!s[2] || !strcmp(s + 2, "i"))) {
		op->round = s[1];
		op->integral = s[2];
		return true;
	}
	op->ftz |= !strcmp(s, "ftz");
	op->sat |= !strcmp(s, "sat");
	op->nan |= !strcmp(s, "NaN");
	op->abs |= !strcmp(s, "abs");
	op->xorsign |= !strcmp(s, "xorsign");
	op->relu |= !strcmp(s, "relu");
	op->wide |= !strcmp(s, "wide");
	op->hi |= !strcmp(s, "hi");
	op->shiftamt |= !strcmp(s, "shiftamt");
	op->wrap |= !strcmp(s, "wrap");
	op->left |= !strcmp(s, "l");
	if ((set || !strcmp(op->kind, "lop3")) && (!strcmp(s, "and") || !strcmp(s, "or") || !strcmp(s, "xor")))
		op->bool_op = s[0] == 'a' ? '&' : s[0] == 'o' ? '|' : '^';
	else if (!strcmp(s, "cc") || !strcmp(s, "approx") || !strcmp(s, "full"))
		return false;
	return true;
}

/* Words that word() does not know by a flag of their own are refused here. */
static bool known(const char *s)
{
	static const char *const names[] = { "ftz", "sat", "NaN", "abs", "xorsign", "relu", "wide", "hi", "lo", "shiftamt", "wrap",
					     "clamp", "l", "r", "and", "or", "xor", "rn", "rz", "rm", "rp", "rni", "rzi", "rmi",
					     "rpi" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], s))
			return true;
	for (int t = 1; t < EV_NR_TYPES; t++)
		if (!strcmp(types[t].name, s))
			return true;
	return false;
}

bool ev_parse(const char *form, int nr_src, struct ev_op *op)
{
	char buf[64], *save = NULL, *s, *x2, cls;
	bool pair = false;

	memset(op, 0, sizeof(*op));
	if (strlen(form) >= sizeof(buf))
		return false;
	strcpy(buf, form);
	s = strtok_r(buf, ".", &save);
	if (!s || strlen(s) >= sizeof(op->kind))
		return false;
	strcpy(op->kind, s);
	op->nr_src = nr_src;
	while ((s = strtok_r(NULL, ".", &save))) {
		char had = op->cmp[0];

		x2 = strstr(s, "16x2");
		if (x2) {
			pair = true;
			x2[2] = '\0';
		}
		if (!word(op, s) || (!known(s) && (had || !op->cmp[0])))
			return false;
	}
	if (!op->nr_types)
		return false;
	cls = types[last_type(op)].cls;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].name, op->kind))
			op->fn = cls == 'f' ? ops[i].floating : ops[i].integer;
	op->one = op->fn;
	if (pair && op->fn && op->fn != setp && op->fn != cvt)
		op->fn = pairs;
	op->pair = pair;
	return op->fn != NULL;
}
