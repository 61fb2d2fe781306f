/* SPDX-License-Identifier: MIT */
/*
 * exec_int.c - integer, logic, shift, bit and move instructions (PTX ISA 9.7.1, 9.7.2, 9.7.8)
 */
#include <time.h>

#include "exec.h"
#include "ptx_module.h"

typedef __int128 i128;
typedef unsigned __int128 u128;

/*
 * Results that PTX leaves open (a division by zero) are what an H100 gives: all ones, as quotient
 * and as remainder.
 */
static inline uint32_t div_s32(int32_t a, int32_t b)
{
	return b == 0 ? SG_ALL : b == -1 ? 0u - (uint32_t)a : (uint32_t)(a / b);
}

static inline uint32_t rem_s32(int32_t a, int32_t b)
{
	return b == 0 ? SG_ALL : b == -1 ? 0 : (uint32_t)(a % b);
}

static inline uint64_t div_s64(int64_t a, int64_t b)
{
	return b == 0 ? UINT64_MAX : b == -1 ? 0ull - (uint64_t)a : (uint64_t)(a / b);
}

static inline uint64_t rem_s64(int64_t a, int64_t b)
{
	return b == 0 ? UINT64_MAX : b == -1 ? 0 : (uint64_t)(a % b);
}

static inline uint32_t sat_s32(int64_t v)
{
	return (uint32_t)(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
}

#define S32(x) ((int32_t)(x))
#define S64(x) ((int64_t)(x))
#define S16(x) ((int16_t)(x))
#define U16(x) ((uint16_t)(x))

static inline int64_t product24(uint32_t a, uint32_t b)
{
	return S64(S32(a << 8) >> 8) * (S32(b << 8) >> 8);
}

/* min and max of two halves; .relu makes negative results zero */
static inline uint32_t extreme_x2(uint32_t a, uint32_t b, bool is_signed, bool max, bool relu)
{
	uint32_t d = 0;

	for (uint32_t k = 0; k < 32; k += 16) {
		int32_t x = is_signed ? S16(a >> k) : (int32_t)U16(a >> k),
			y = is_signed ? S16(b >> k) : (int32_t)U16(b >> k);
		int32_t r = (max ? x > y : x < y) ? x : y;

		d |= (uint32_t)U16(relu && r < 0 ? 0 : r) << k;
	}
	return d;
}

#define BINS(X) \
	X(add_w, uint32_t, uint32_t, a + b) X(add_l, uint64_t, uint64_t, a + b) \
	X(sub_w, uint32_t, uint32_t, a - b) X(sub_l, uint64_t, uint64_t, a - b) \
	X(add_sat, uint32_t, uint32_t, sat_s32(S64(S32(a)) + S32(b))) \
	X(sub_sat, uint32_t, uint32_t, sat_s32(S64(S32(a)) - S32(b))) \
	X(add_u16x2, uint32_t, uint32_t, ((a + b) & 0xffff) | (((a >> 16) + (b >> 16)) << 16)) \
	X(mul_w, uint32_t, uint32_t, a * b) X(mul_l, uint64_t, uint64_t, a * b) \
	X(mul_h, uint32_t, uint32_t, (uint32_t)U16(a) * U16(b)) \
	X(mul_hi_u16, uint32_t, uint32_t, (uint32_t)U16(a) * U16(b) >> 16) \
	X(mul_hi_s16, uint32_t, uint32_t, (uint32_t)(S16(a) * S16(b)) >> 16) \
	X(mul_hi_u32, uint32_t, uint32_t, (uint64_t)a * b >> 32) \
	X(mul_hi_s32, uint32_t, uint32_t, (uint64_t)(S64(S32(a)) * S32(b)) >> 32) \
	X(mul_hi_u64, uint64_t, uint64_t, (uint64_t)((u128)a * b >> 64)) \
	X(mul_hi_s64, uint64_t, uint64_t, (uint64_t)((i128)S64(a) * S64(b) >> 64)) \
	X(mul_wide_u16, uint32_t, uint32_t, (uint32_t)U16(a) * U16(b)) \
	X(mul_wide_s16, uint32_t, uint32_t, (uint32_t)(S16(a) * S16(b))) \
	X(mul_wide_u32, uint64_t, uint32_t, (uint64_t)a * b) \
	X(mul_wide_s32, uint64_t, uint32_t, (uint64_t)(S64(S32(a)) * S32(b))) \
	X(mul24_u32, uint32_t, uint32_t, (a & 0xffffff) * (b & 0xffffff)) \
	X(mul24_s32, uint32_t, uint32_t, (uint32_t)(S64(S32(a << 8) >> 8) * (S32(b << 8) >> 8))) \
	X(mul24_hi_u32, uint32_t, uint32_t, (uint64_t)(a & 0xffffff) * (b & 0xffffff) >> 16) \
	X(mul24_hi_s32, uint32_t, uint32_t, (uint64_t)product24(a, b) >> 16) \
	X(min_u16x2, uint32_t, uint32_t, extreme_x2(a, b, false, false, false)) \
	X(max_u16x2, uint32_t, uint32_t, extreme_x2(a, b, false, true, false)) \
	X(min_s16x2, uint32_t, uint32_t, extreme_x2(a, b, true, false, in->mods & M_RELU)) \
	X(max_s16x2, uint32_t, uint32_t, extreme_x2(a, b, true, true, in->mods & M_RELU)) \
	X(min_relu_s32, uint32_t, uint32_t, S32(a) < 0 || S32(b) < 0 ? 0 : a < b ? a : b) \
	X(max_relu_s32, uint32_t, uint32_t, S32(a) < 0 ? S32(b) < 0 ? 0 : b : S32(b) < 0 || a > b ? a : b) \
	X(div_u16, uint32_t, uint32_t, U16(b) ? U16(a) / U16(b) : 0xffff) \
	X(div_s16, uint32_t, uint32_t, div_s32(S16(a), S16(b))) \
	X(div_u32, uint32_t, uint32_t, b ? a / b : SG_ALL) \
	X(div_s32_, uint32_t, uint32_t, div_s32(S32(a), S32(b))) \
	X(div_u64, uint64_t, uint64_t, b ? a / b : UINT64_MAX) \
	X(div_s64_, uint64_t, uint64_t, div_s64(S64(a), S64(b))) \
	X(rem_u16, uint32_t, uint32_t, U16(b) ? U16(a) % U16(b) : SG_ALL) \
	X(rem_s16, uint32_t, uint32_t, rem_s32(S16(a), S16(b))) \
	X(rem_u32, uint32_t, uint32_t, b ? a % b : SG_ALL) \
	X(rem_s32_, uint32_t, uint32_t, rem_s32(S32(a), S32(b))) \
	X(rem_u64, uint64_t, uint64_t, b ? a % b : UINT64_MAX) \
	X(rem_s64_, uint64_t, uint64_t, rem_s64(S64(a), S64(b))) \
	X(min_u16, uint32_t, uint32_t, U16(a) < U16(b) ? U16(a) : U16(b)) \
	X(min_s16, uint32_t, uint32_t, S16(a) < S16(b) ? S16(a) : S16(b)) \
	X(min_u32, uint32_t, uint32_t, a < b ? a : b) X(min_s32, uint32_t, uint32_t, S32(a) < S32(b) ? a : b) \
	X(min_u64, uint64_t, uint64_t, a < b ? a : b) X(min_s64, uint64_t, uint64_t, S64(a) < S64(b) ? a : b) \
	X(max_u16, uint32_t, uint32_t, U16(a) > U16(b) ? U16(a) : U16(b)) \
	X(max_s16, uint32_t, uint32_t, S16(a) > S16(b) ? S16(a) : S16(b)) \
	X(max_u32, uint32_t, uint32_t, a > b ? a : b) X(max_s32, uint32_t, uint32_t, S32(a) > S32(b) ? a : b) \
	X(max_u64, uint64_t, uint64_t, a > b ? a : b) X(max_s64, uint64_t, uint64_t, S64(a) > S64(b) ? a : b) \
	X(and_w, uint32_t, uint32_t, a & b) X(and_l, uint64_t, uint64_t, a & b) \
	X(or_w, uint32_t, uint32_t, a | b) X(or_l, uint64_t, uint64_t, a | b) \
	X(xor_w, uint32_t, uint32_t, a ^ b) X(xor_l, uint64_t, uint64_t, a ^ b)
#define X(fn, DT, AT, expr) BIN(fn, DT, AT, AT, expr)
BINS(X)
#undef X

/* Shift counts are clamped to the width (PTX ISA 9.7.8.7). */
BIN(shl_h, uint32_t, uint32_t, uint32_t, b > 15 ? 0 : a << (b & 15))
BIN(shl_w, uint32_t, uint32_t, uint32_t, b > 31 ? 0 : a << (b & 31))
BIN(shl_l, uint64_t, uint64_t, uint32_t, b > 63 ? 0 : a << (b & 63))
BIN(shr_u16, uint32_t, uint32_t, uint32_t, b > 15 ? 0 : U16(a) >> (b & 15))
BIN(shr_s16, uint32_t, uint32_t, uint32_t, (uint32_t)(S16(a) >> (b > 15 ? 15 : b)))
BIN(shr_u32, uint32_t, uint32_t, uint32_t, b > 31 ? 0 : a >> (b & 31))
BIN(shr_s32, uint32_t, uint32_t, uint32_t, (uint32_t)(S32(a) >> (b > 31 ? 31 : b)))
BIN(shr_u64, uint64_t, uint64_t, uint32_t, b > 63 ? 0 : a >> (b & 63))
BIN(shr_s64, uint64_t, uint64_t, uint32_t, (uint64_t)(S64(a) >> (b > 63 ? 63 : b)))

#define FUNNEL(a, b) ((uint64_t)(b) << 32 | (a))
TER(shf_l_wrap, uint32_t, uint32_t, uint32_t, uint32_t, FUNNEL(a, b) << (c & 31) >> 32)
TER(shf_l_clamp, uint32_t, uint32_t, uint32_t, uint32_t, c > 31 ? a : FUNNEL(a, b) << (c & 31) >> 32)
TER(shf_r_wrap, uint32_t, uint32_t, uint32_t, uint32_t, FUNNEL(a, b) >> (c & 31))
TER(shf_r_clamp, uint32_t, uint32_t, uint32_t, uint32_t, c > 31 ? b : FUNNEL(a, b) >> (c & 31))

UN(mov_w, uint32_t, uint32_t, a)
UN(mov_l, uint64_t, uint64_t, a)
UN(not_w, uint32_t, uint32_t, ~a)
UN(not_l, uint64_t, uint64_t, ~a)
UN(cnot_h, uint32_t, uint32_t, U16(a) == 0)
UN(cnot_w, uint32_t, uint32_t, a == 0)
UN(cnot_l, uint64_t, uint64_t, a == 0)
UN(neg_w, uint32_t, uint32_t, 0u - a)
UN(neg_l, uint64_t, uint64_t, 0ull - a)
UN(abs_h, uint32_t, uint32_t, S16(a) < 0 ? 0u - (uint32_t)S16(a) : U16(a))
UN(abs_w, uint32_t, uint32_t, S32(a) < 0 ? 0u - a : a)
UN(abs_l, uint64_t, uint64_t, S64(a) < 0 ? 0ull - a : a)
UN(popc_w, uint32_t, uint32_t, (uint32_t)__builtin_popcount(a))
UN(popc_l, uint32_t, uint64_t, (uint32_t)__builtin_popcountll(a))
UN(clz_w, uint32_t, uint32_t, a ? (uint32_t)__builtin_clz(a) : 32)
UN(clz_l, uint32_t, uint64_t, a ? (uint32_t)__builtin_clzll(a) : 64)

static inline uint32_t reverse(uint32_t v)
{
	v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
	v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
	v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(v);
}

UN(brev_w, uint32_t, uint32_t, reverse(a))
UN(brev_l, uint64_t, uint64_t, (uint64_t)reverse((uint32_t)a) << 32 | reverse((uint32_t)(a >> 32)))

static inline uint32_t find_msb(uint64_t v, uint32_t width, bool shift)
{
	uint32_t at;

	if (!v)
		return SG_ALL;
	at = 63 - (uint32_t)__builtin_clzll(v);
	return shift ? width - 1 - at : at;
}

#define SHIFT (in->mods & M_SHIFTAMT)
UN(bfind_u32, uint32_t, uint32_t, find_msb(a, 32, SHIFT))
UN(bfind_s32, uint32_t, uint32_t, find_msb(S32(a) < 0 ? ~a : a, 32, SHIFT))
UN(bfind_u64, uint32_t, uint64_t, find_msb(a, 64, SHIFT))
UN(bfind_s64, uint32_t, uint64_t, find_msb(S64(a) < 0 ? ~a : a, 64, SHIFT))

static inline uint64_t extract(uint64_t a, uint32_t pos, uint32_t len, uint32_t width,
			       bool is_signed)
{
	uint64_t v, top;

	pos &= 0xff;
	len &= 0xff;
	if (!len)
		return 0;
	/* the sign of a field that leaves the register is the register's (PTX ISA 9.7.1.16) */
	top = is_signed ? a >> (pos + len - 1 < width - 1 ? pos + len - 1 : width - 1) & 1 : 0;
	v = pos < width ? a >> pos : 0;
	if (pos + len > width && pos < width)
		v &= width - pos == 64 ? UINT64_MAX : (1ull << (width - pos)) - 1;
	else if (len < 64)
		v &= (1ull << len) - 1;
	if (top) {
		uint32_t have = pos >= width ? 0 : pos + len > width ? width - pos : len;

		v |= have > 63 ? 0 : UINT64_MAX << have;
	}
	return v;
}

TER(bfe_u32, uint32_t, uint32_t, uint32_t, uint32_t, extract(a, b, c, 32, false))
TER(bfe_s32, uint32_t, uint32_t, uint32_t, uint32_t, extract(a, b, c, 32, true))
TER(bfe_u64, uint64_t, uint64_t, uint32_t, uint32_t, extract(a, b, c, 64, false))
TER(bfe_s64, uint64_t, uint64_t, uint32_t, uint32_t, extract(a, b, c, 64, true))

static inline uint64_t insert(uint64_t field, uint64_t into, uint32_t pos, uint32_t len,
			      uint32_t width)
{
	uint64_t m;

	pos &= 0xff;
	len &= 0xff;
	if (pos >= width || !len)
		return into;
	m = (len > 63 ? UINT64_MAX : (1ull << len) - 1) << pos;
	return (into & ~m) | (field << pos & m);
}

EXEC(bfi_w)
{
	const uint32_t *a = SG_ROW(uint32_t, 1), *b = SG_ROW(uint32_t, 2), *c = SG_ROW(uint32_t, 3);
	const uint32_t *e = SG_ROW(uint32_t, 4);

	MAP(uint32_t, insert(a[i], b[i], c[i], e[i], 32));
}

EXEC(bfi_l)
{
	const uint64_t *a = SG_ROW(uint64_t, 1), *b = SG_ROW(uint64_t, 2);
	const uint32_t *c = SG_ROW(uint32_t, 3), *e = SG_ROW(uint32_t, 4);

	MAP(uint64_t, insert(a[i], b[i], c[i], e[i], 64));
}

static inline uint32_t bmsk(uint32_t pos, uint32_t len, bool wrap)
{
	if (wrap) {
		pos &= 31;
		len &= 31;
	}
	if (pos > 31 || !len)
		return 0;
	return (len > 31 ? SG_ALL : (1u << len) - 1) << pos;
}

BIN(bmsk_clamp, uint32_t, uint32_t, uint32_t, bmsk(a, b, false))
BIN(bmsk_wrap, uint32_t, uint32_t, uint32_t, bmsk(a, b, true))

static inline uint32_t szext(uint32_t a, uint32_t n, bool wrap, bool is_signed)
{
	if (wrap)
		n &= 31;
	if (!n)
		return 0;
	if (n > 31)
		return a;
	return is_signed ? (uint32_t)(S32(a << (32 - n)) >> (32 - n)) : a & ((1u << n) - 1);
}

BIN(szext_wrap_u32, uint32_t, uint32_t, uint32_t, szext(a, b, true, false))
BIN(szext_wrap_s32, uint32_t, uint32_t, uint32_t, szext(a, b, true, true))
BIN(szext_clamp_u32, uint32_t, uint32_t, uint32_t, szext(a, b, false, false))
BIN(szext_clamp_s32, uint32_t, uint32_t, uint32_t, szext(a, b, false, true))

/* The n'th bit that is set, from base on upwards, or downwards with n below 0. */
static inline uint32_t find_nth(uint32_t mask, uint32_t base, int32_t n)
{
	int64_t left = n < 0 ? -(int64_t)n : n, step = n < 0 ? -1 : 1;

	if (!n)
		return base < 32 && mask >> base & 1 ? base : SG_ALL;
	for (int64_t at = base; at >= 0 && at < 32; at += step)
		if (mask >> at & 1 && !--left)
			return (uint32_t)at;
	return SG_ALL;
}

#define MADS(X) \
	X(mad_w, uint32_t, uint32_t, a * b + c) X(mad_l, uint64_t, uint64_t, a * b + c) \
	X(mad_h, uint32_t, uint32_t, (uint32_t)U16(a) * U16(b) + c) \
	X(mad_hi_u16, uint32_t, uint32_t, ((uint32_t)U16(a) * U16(b) >> 16) + c) \
	X(mad_hi_s16, uint32_t, uint32_t, ((uint32_t)(S16(a) * S16(b)) >> 16) + c) \
	X(mad_hi_u32, uint32_t, uint32_t, (uint32_t)((uint64_t)a * b >> 32) + c) \
	X(mad_hi_s32, uint32_t, uint32_t, (uint32_t)((uint64_t)(S64(S32(a)) * S32(b)) >> 32) + c) \
	X(mad_hi_sat, uint32_t, uint32_t, sat_s32((S64(S32(a)) * S32(b) >> 32) + S32(c))) \
	X(mad_hi_u64, uint64_t, uint64_t, (uint64_t)((u128)a * b >> 64) + c) \
	X(mad_hi_s64, uint64_t, uint64_t, (uint64_t)((i128)S64(a) * S64(b) >> 64) + c) \
	X(mad24_u32, uint32_t, uint32_t, (a & 0xffffff) * (b & 0xffffff) + c) \
	X(mad24_s32, uint32_t, uint32_t, (uint32_t)(S64(S32(a << 8) >> 8) * (S32(b << 8) >> 8)) + c) \
	X(mad24_hi_u32, uint32_t, uint32_t, (uint32_t)((uint64_t)(a & 0xffffff) * (b & 0xffffff) >> 16) + c) \
	X(mad24_hi_s32, uint32_t, uint32_t, (uint32_t)(product24(a, b) >> 16) + c) \
	X(mad24_hi_sat, uint32_t, uint32_t, sat_s32(S64(S32((uint32_t)(product24(a, b) >> 16))) + S32(c))) \
	X(fns, uint32_t, uint32_t, find_nth(a, b, S32(c))) \
	X(sad_u16, uint32_t, uint32_t, c + (U16(a) < U16(b) ? U16(b) - U16(a) : U16(a) - U16(b))) \
	X(sad_s16, uint32_t, uint32_t, c + (uint32_t)(S16(a) < S16(b) ? S16(b) - S16(a) : S16(a) - S16(b))) \
	X(sad_u32, uint32_t, uint32_t, c + (a < b ? b - a : a - b)) \
	X(sad_s32, uint32_t, uint32_t, c + (S32(a) < S32(b) ? b - a : a - b)) \
	X(sad_u64, uint64_t, uint64_t, c + (a < b ? b - a : a - b)) \
	X(sad_s64, uint64_t, uint64_t, c + (S64(a) < S64(b) ? b - a : a - b))
#define X(fn, DT, AT, expr) TER(fn, DT, AT, AT, AT, expr)
MADS(X)
#undef X
TER(mad_wide_u16, uint32_t, uint32_t, uint32_t, uint32_t, (uint32_t)U16(a) * U16(b) + c)
TER(mad_wide_s16, uint32_t, uint32_t, uint32_t, uint32_t, (uint32_t)(S16(a) * S16(b)) + c)
TER(mad_wide_u32, uint64_t, uint32_t, uint32_t, uint64_t, (uint64_t)a * b + c)
TER(mad_wide_s32, uint64_t, uint32_t, uint32_t, uint64_t, (uint64_t)(S64(S32(a)) * S32(b)) + c)

/* Carries: *.cc writes w->cc, addc and its kin read it. */
#define CARRY(fn, T, WIDE, expr, write) EXEC(fn) { \
	const T *pa = SG_ROW(const T, 1), *pb = SG_ROW(const T, 2), *pc = SG_ROW(const T, 3); \
	T *d = SG_ROW(T, 0); \
	(void)pc; \
	for (uint32_t i = 0; i < SG_LANES; i++) { \
		WIDE a = pa[i], b = pb[i], cc = w->cc[i], r; \
		(void)a, (void)b, (void)cc; \
		if (!(mask >> i & 1)) \
			continue; \
		r = (expr); \
		if (write) \
			w->cc[i] = (uint32_t)(r >> (sizeof(T) * 8)) & 1; \
		d[i] = (T)r; \
	} \
	return SG_OK; }

#define LO(T, x) ((T)(x))
#define HI(T, x) ((T)((x) >> (sizeof(T) * 8)))
#define CARRIES(T, W, IW, t) \
	CARRY(add_cc_##t, T, W, a + b, true) \
	CARRY(addc_##t, T, W, a + b + cc, false) \
	CARRY(addc_cc_##t, T, W, a + b + cc, true) \
	CARRY(sub_cc_##t, T, W, a - b, true) \
	CARRY(subc_##t, T, W, a - b - cc, false) \
	CARRY(subc_cc_##t, T, W, a - b - cc, true) \
	CARRY(mad_lo_cc_##t, T, W, (W)LO(T, a * b) + pc[i], true) \
	CARRY(madc_lo_##t, T, W, (W)LO(T, a * b) + pc[i] + cc, false) \
	CARRY(madc_lo_cc_##t, T, W, (W)LO(T, a * b) + pc[i] + cc, true) \
	CARRY(mad_hi_cc_u##t, T, W, (W)HI(T, a * b) + pc[i], true) \
	CARRY(madc_hi_u##t, T, W, (W)HI(T, a * b) + pc[i] + cc, false) \
	CARRY(madc_hi_cc_u##t, T, W, (W)HI(T, a * b) + pc[i] + cc, true) \
	CARRY(mad_hi_cc_s##t, T, W, (W)HI(T, (W)((IW)(int##t##_t)a * (int##t##_t)b)) + pc[i], true) \
	CARRY(madc_hi_s##t, T, W, (W)HI(T, (W)((IW)(int##t##_t)a * (int##t##_t)b)) + pc[i] + cc, false) \
	CARRY(madc_hi_cc_s##t, T, W, (W)HI(T, (W)((IW)(int##t##_t)a * (int##t##_t)b)) + pc[i] + cc, true)
CARRIES(uint32_t, uint64_t, int64_t, 32)
CARRIES(uint64_t, u128, i128, 64)

/* The table is an immediate: eight terms of which the zero ones cost little. */
EXEC(lop3)
{
	const uint32_t *pa = SG_ROW(uint32_t, 1), *pb = SG_ROW(uint32_t, 2),
		       *pc = SG_ROW(uint32_t, 3);
	uint32_t t[8], *d = SG_ROW(uint32_t, 0);

	for (uint32_t k = 0; k < 8; k++)
		t[k] = in->imm >> k & 1 ? SG_ALL : 0;
	LANES {
		uint32_t a = pa[i], b = pb[i], c = pc[i], lo, hi, r;

		lo = (~b & ((~c & t[0]) | (c & t[1]))) | (b & ((~c & t[2]) | (c & t[3])));
		hi = (~b & ((~c & t[4]) | (c & t[5]))) | (b & ((~c & t[6]) | (c & t[7])));
		r = (~a & lo) | (a & hi);
		d[i] = mask >> i & 1 ? r : d[i];
	}
	return SG_OK;
}

/* lop3.BoolOp: a predicate too, of whether the result is zero and another predicate */
EXEC(lop3_pred)
{
	const uint32_t *d = SG_ROW(uint32_t, 0);
	uint32_t q = *SG_ROW(uint32_t, 5), bits = 0;

	lop3(w, in, mask);
	for (uint32_t i = 0; i < SG_LANES; i++)
		bits |= (uint32_t)(d[i] != 0) << i;
	bits = in->mods & M_AND ? bits & q : in->mods & M_OR ? bits | q : bits ^ q;
	sg_set_pred(SG_ROW(uint32_t, 4), mask, bits);
	return SG_OK;
}

static inline uint32_t permute(uint32_t a, uint32_t b, uint32_t sel)
{
	uint64_t bytes = (uint64_t)b << 32 | a;
	uint32_t r = 0;

	for (uint32_t k = 0; k < 4; k++) {
		uint32_t s = sel >> (4 * k) & 15, v = (uint32_t)(bytes >> ((s & 7) * 8)) & 0xff;

		if (s & 8)
			v = v & 0x80 ? 0xff : 0;
		r |= v << (8 * k);
	}
	return r;
}

/* The modes are tables of selectors by the two low bits of c (PTX ISA 9.7.9.7). */
static inline uint32_t permute_mode(uint32_t a, uint32_t b, const uint16_t sel[4], uint32_t c)
{
	return permute(a, b, sel[c & 3]);
}

static const uint16_t prmt_f4e[] = { 0x3210, 0x4321, 0x5432, 0x6543 },
		      prmt_b4e[] = { 0x5670, 0x6701, 0x7012, 0x0123 };
static const uint16_t prmt_rc8[] = { 0x0000, 0x1111, 0x2222, 0x3333 },
		      prmt_ecl[] = { 0x3210, 0x3211, 0x3222, 0x3333 };
static const uint16_t prmt_ecr[] = { 0x0000, 0x1110, 0x2210, 0x3210 },
		      prmt_rc16[] = { 0x1010, 0x3232, 0x1010, 0x3232 };
TER(prmt, uint32_t, uint32_t, uint32_t, uint32_t, permute(a, b, c))
#define PRMT(m) TER(do_prmt_##m, uint32_t, uint32_t, uint32_t, uint32_t, permute_mode(a, b, prmt_##m, c))
PRMT(f4e) PRMT(b4e) PRMT(rc8) PRMT(ecl) PRMT(ecr) PRMT(rc16)

static inline uint32_t dot4(uint32_t a, uint32_t b, uint32_t c, bool sa, bool sb)
{
	for (uint32_t k = 0; k < 32; k += 8) {
		int32_t x = sa ? (int8_t)(a >> k) : (int32_t)(a >> k & 0xff);
		int32_t y = sb ? (int8_t)(b >> k) : (int32_t)(b >> k & 0xff);

		c += (uint32_t)(x * y);
	}
	return c;
}

static inline uint32_t dot2(uint32_t a, uint32_t b, uint32_t c, bool sa, bool sb, bool hi)
{
	for (uint32_t k = 0; k < 2; k++) {
		int32_t x = sa ? (int16_t)(a >> 16 * k) : (int32_t)(a >> 16 * k & 0xffff);
		uint32_t byte = b >> (8 * k + (hi ? 16 : 0));
		int32_t y = sb ? (int8_t)byte : (int32_t)(byte & 0xff);

		c += (uint32_t)x * (uint32_t)y;
	}
	return c;
}

#define DOT(ta, tb, sa, sb) \
	TER(dp4a_##ta##_##tb, uint32_t, uint32_t, uint32_t, uint32_t, dot4(a, b, c, sa, sb)) \
	TER(dp2a_lo_##ta##_##tb, uint32_t, uint32_t, uint32_t, uint32_t, dot2(a, b, c, sa, sb, false)) \
	TER(dp2a_hi_##ta##_##tb, uint32_t, uint32_t, uint32_t, uint32_t, dot2(a, b, c, sa, sb, true))
DOT(u32, u32, false, false) DOT(u32, s32, false, true) DOT(s32, u32, true, false) DOT(s32, s32, true, true)

/* Vectors in one register: rows 0 to 3 are the elements, row 4 the whole. */
#define PACK(fn, DT, ET, N, BITS) EXEC(fn) { \
	const ET *e[4] = { SG_ROW(const ET, 0), SG_ROW(const ET, 1), SG_ROW(const ET, 2), SG_ROW(const ET, 3) }; \
	DT *d = SG_ROW(DT, 4), m = (DT)(1ull << (BITS)) - 1; \
	for (uint32_t i = 0; i < SG_LANES; i++) { \
		DT v = 0; \
		for (uint32_t k = 0; k < N; k++) \
			v |= ((DT)e[k][i] & m) << (k * (BITS)); \
		d[i] = mask >> i & 1 ? v : d[i]; \
	} \
	return SG_OK; }
#define UNPACK(fn, DT, ET, N, BITS) EXEC(fn) { \
	ET *e[4] = { SG_ROW(ET, 0), SG_ROW(ET, 1), SG_ROW(ET, 2), SG_ROW(ET, 3) }; \
	const DT *s = SG_ROW(const DT, 4); \
	DT m = (DT)(1ull << (BITS)) - 1; \
	for (uint32_t i = 0; i < SG_LANES; i++) { \
		DT v = s[i];	/* the whole may be one of the elements */ \
		for (uint32_t k = 0; k < N; k++) \
			e[k][i] = mask >> i & 1 ? (ET)(v >> (k * (BITS)) & m) : e[k][i]; \
	} \
	return SG_OK; }
PACK(pack_h2, uint32_t, uint32_t, 2, 8)
PACK(pack_w2, uint32_t, uint32_t, 2, 16)
PACK(pack_w4, uint32_t, uint32_t, 4, 8)
PACK(pack_l2, uint64_t, uint32_t, 2, 32)
PACK(pack_l4, uint64_t, uint32_t, 4, 16)
UNPACK(unpack_h2, uint32_t, uint32_t, 2, 8)
UNPACK(unpack_w2, uint32_t, uint32_t, 2, 16)
UNPACK(unpack_w4, uint32_t, uint32_t, 4, 8)
UNPACK(unpack_l2, uint64_t, uint32_t, 2, 32)
UNPACK(unpack_l4, uint64_t, uint32_t, 4, 16)

/* Special registers that change while the kernel runs. */
static uint64_t volatile_sreg(const struct sg_warp *w, int64_t id)
{
	struct timespec ts;
	uint64_t ns;

	clock_gettime(id >= SREG_TIMER ? CLOCK_REALTIME : CLOCK_MONOTONIC, &ts);
	ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	(void)w;
	return id == SREG_CLOCK_HI || id == SREG_TIMER_HI ? ns >> 32 : ns;
}

EXEC(sreg_w)
{
	uint32_t v = (uint32_t)volatile_sreg(w, in->imm);

	MAP(uint32_t, v);
}

EXEC(sreg_l)
{
	uint64_t v = volatile_sreg(w, in->imm);

	MAP(uint64_t, v);
}

#define BITS3(op) FORM(#op ".b16", op##_w, "h=hh"), FORM(#op ".b32", op##_w, "w=ww"), FORM(#op ".b64", op##_l, "l=ll")
#define SIGNS(name, h, wd, l) \
	FORM(name ".u16", h, "h=hh"), FORM(name ".s16", h, "h=hh"), FORM(name ".u32", wd, "w=ww"), \
	FORM(name ".u64", l, "l=ll"), FORM(name ".s64", l, "l=ll")
#define TYPED(op) \
	FORM(#op ".u16", op##_u16, "h=hh"), FORM(#op ".s16", op##_s16, "h=hh"), FORM(#op ".u32", op##_u32, "w=ww"), \
	FORM(#op ".u64", op##_u64, "l=ll")
#define CC2(name, fn) \
	FORM(name ".u32", fn##_32, "w=ww"), FORM(name ".s32", fn##_32, "w=ww"), FORM(name ".u64", fn##_64, "l=ll"), \
	FORM(name ".s64", fn##_64, "l=ll")
#define CC3(name, fn) \
	FORM(name ".u32", fn##_32, "w=www"), FORM(name ".s32", fn##_32, "w=www"), FORM(name ".u64", fn##_64, "l=lll"), \
	FORM(name ".s64", fn##_64, "l=lll")
#define CCH(name, fn) \
	FORM(name ".u32", fn##_u32, "w=www"), FORM(name ".s32", fn##_s32, "w=www"), \
	FORM(name ".u64", fn##_u64, "l=lll"), FORM(name ".s64", fn##_s64, "l=lll")
#define DOTS(ta, tb) \
	FORM("dp4a." #ta "." #tb, dp4a_##ta##_##tb, "w=www"), FORM("dp2a.lo." #ta "." #tb, dp2a_lo_##ta##_##tb, "w=www"), \
	FORM("dp2a.hi." #ta "." #tb, dp2a_hi_##ta##_##tb, "w=www")

const struct sg_form SG_TABLE(sg_forms_int)[] = {
	SIGNS("add", add_w, add_w, add_l), { "add.s32", add_w, add_sat, M_SAT, "w=ww" },
	FORM("add.u16x2", add_u16x2, "w=ww"), FORM("add.s16x2", add_u16x2, "w=ww"),
	SIGNS("sub", sub_w, sub_w, sub_l), { "sub.s32", sub_w, sub_sat, M_SAT, "w=ww" },
	SIGNS("mul.lo", mul_h, mul_w, mul_l), FORM("mul.lo.s32", mul_w, "w=ww"),
	FORM("mul.hi.u16", mul_hi_u16, "h=hh"), FORM("mul.hi.s16", mul_hi_s16, "h=hh"),
	FORM("mul.hi.u32", mul_hi_u32, "w=ww"), FORM("mul.hi.s32", mul_hi_s32, "w=ww"),
	FORM("mul.hi.u64", mul_hi_u64, "l=ll"), FORM("mul.hi.s64", mul_hi_s64, "l=ll"),
	FORM("mul.wide.u16", mul_wide_u16, "w=hh"), FORM("mul.wide.s16", mul_wide_s16, "w=hh"),
	FORM("mul.wide.u32", mul_wide_u32, "l=ww"), FORM("mul.wide.s32", mul_wide_s32, "l=ww"),
	FORM("mul24.lo.u32", mul24_u32, "w=ww"), FORM("mul24.lo.s32", mul24_s32, "w=ww"),
	FORM("mul24.hi.u32", mul24_hi_u32, "w=ww"), FORM("mul24.hi.s32", mul24_hi_s32, "w=ww"),
	FORM("mad24.hi.u32", mad24_hi_u32, "w=www"), { "mad24.hi.s32", mad24_hi_s32, mad24_hi_sat, M_SAT, "w=www" },
	FORM("min.u16x2", min_u16x2, "w=ww"), FORM("max.u16x2", max_u16x2, "w=ww"),
	{ "min.s16x2", min_s16x2, NULL, M_RELU, "w=ww" }, { "max.s16x2", max_s16x2, NULL, M_RELU, "w=ww" },
	FORM("fns.b32", fns, "w=www"),
	FORM("mad24.lo.u32", mad24_u32, "w=www"), FORM("mad24.lo.s32", mad24_s32, "w=www"),
	FORM("mad.lo.u16", mad_h, "h=hhh"), FORM("mad.lo.s16", mad_h, "h=hhh"), FORM("mad.lo.u32", mad_w, "w=www"),
	FORM("mad.lo.s32", mad_w, "w=www"), FORM("mad.lo.u64", mad_l, "l=lll"), FORM("mad.lo.s64", mad_l, "l=lll"),
	FORM("mad.hi.u16", mad_hi_u16, "h=hhh"), FORM("mad.hi.s16", mad_hi_s16, "h=hhh"),
	FORM("mad.hi.u32", mad_hi_u32, "w=www"), { "mad.hi.s32", mad_hi_s32, mad_hi_sat, M_SAT, "w=www" },
	FORM("mad.hi.u64", mad_hi_u64, "l=lll"), FORM("mad.hi.s64", mad_hi_s64, "l=lll"),
	FORM("mad.wide.u16", mad_wide_u16, "w=hhw"), FORM("mad.wide.s16", mad_wide_s16, "w=hhw"),
	FORM("mad.wide.u32", mad_wide_u32, "l=wwl"), FORM("mad.wide.s32", mad_wide_s32, "l=wwl"),
	FORM("sad.u16", sad_u16, "h=hhh"), FORM("sad.s16", sad_s16, "h=hhh"), FORM("sad.u32", sad_u32, "w=www"),
	FORM("sad.s32", sad_s32, "w=www"), FORM("sad.u64", sad_u64, "l=lll"), FORM("sad.s64", sad_s64, "l=lll"),
	TYPED(div), FORM("div.s32", div_s32_, "w=ww"), FORM("div.s64", div_s64_, "l=ll"),
	TYPED(rem), FORM("rem.s32", rem_s32_, "w=ww"), FORM("rem.s64", rem_s64_, "l=ll"),
	TYPED(min), { "min.s32", min_s32, min_relu_s32, M_RELU, "w=ww" }, FORM("min.s64", min_s64, "l=ll"),
	TYPED(max), { "max.s32", max_s32, max_relu_s32, M_RELU, "w=ww" }, FORM("max.s64", max_s64, "l=ll"),
	BITS3(and), BITS3(or), BITS3(xor),
	FORM("not.b16", not_w, "h=h"), FORM("not.b32", not_w, "w=w"), FORM("not.b64", not_l, "l=l"),
	FORM("cnot.b16", cnot_h, "h=h"), FORM("cnot.b32", cnot_w, "w=w"), FORM("cnot.b64", cnot_l, "l=l"),
	FORM("neg.s16", neg_w, "h=h"), FORM("neg.s32", neg_w, "w=w"), FORM("neg.s64", neg_l, "l=l"),
	FORM("abs.s16", abs_h, "h=h"), FORM("abs.s32", abs_w, "w=w"), FORM("abs.s64", abs_l, "l=l"),
	FORM("shl.b16", shl_h, "h=hw"), FORM("shl.b32", shl_w, "w=ww"), FORM("shl.b64", shl_l, "l=lw"),
	FORM("shr.b16", shr_u16, "h=hw"), FORM("shr.b32", shr_u32, "w=ww"), FORM("shr.b64", shr_u64, "l=lw"),
	FORM("shr.u16", shr_u16, "h=hw"), FORM("shr.u32", shr_u32, "w=ww"), FORM("shr.u64", shr_u64, "l=lw"),
	FORM("shr.s16", shr_s16, "h=hw"), FORM("shr.s32", shr_s32, "w=ww"), FORM("shr.s64", shr_s64, "l=lw"),
	FORM("shf.l.wrap.b32", shf_l_wrap, "w=www"), FORM("shf.l.clamp.b32", shf_l_clamp, "w=www"),
	FORM("shf.r.wrap.b32", shf_r_wrap, "w=www"), FORM("shf.r.clamp.b32", shf_r_clamp, "w=www"),
	FORM("popc.b32", popc_w, "w=w"), FORM("popc.b64", popc_l, "w=l"), FORM("clz.b32", clz_w, "w=w"),
	FORM("clz.b64", clz_l, "w=l"), FORM("brev.b32", brev_w, "w=w"), FORM("brev.b64", brev_l, "l=l"),
	{ "bfind.u32", bfind_u32, NULL, M_SHIFTAMT, "w=w" }, { "bfind.s32", bfind_s32, NULL, M_SHIFTAMT, "w=w" },
	{ "bfind.u64", bfind_u64, NULL, M_SHIFTAMT, "w=l" }, { "bfind.s64", bfind_s64, NULL, M_SHIFTAMT, "w=l" },
	FORM("bfe.u32", bfe_u32, "w=www"), FORM("bfe.s32", bfe_s32, "w=www"), FORM("bfe.u64", bfe_u64, "l=lww"),
	FORM("bfe.s64", bfe_s64, "l=lww"), FORM("bfi.b32", bfi_w, "w=wwww"), FORM("bfi.b64", bfi_l, "l=llww"),
	FORM("bmsk.clamp.b32", bmsk_clamp, "w=ww"), FORM("bmsk.wrap.b32", bmsk_wrap, "w=ww"),
	FORM("szext.wrap.u32", szext_wrap_u32, "w=ww"), FORM("szext.wrap.s32", szext_wrap_s32, "w=ww"),
	FORM("szext.clamp.u32", szext_clamp_u32, "w=ww"), FORM("szext.clamp.s32", szext_clamp_s32, "w=ww"),
	CC2("add.cc", add_cc), CC2("addc", addc), CC2("addc.cc", addc_cc), CC2("sub.cc", sub_cc), CC2("subc", subc),
	CC2("subc.cc", subc_cc), CC3("mad.lo.cc", mad_lo_cc), CC3("madc.lo", madc_lo), CC3("madc.lo.cc", madc_lo_cc),
	CCH("mad.hi.cc", mad_hi_cc), CCH("madc.hi", madc_hi), CCH("madc.hi.cc", madc_hi_cc),
	FORM("lop3.b32", lop3, "w=wwwi"), FORM("@lop3.pred", lop3_pred, ""), FORM("prmt.b32", prmt, "w=www"), FORM("prmt.b32.f4e", do_prmt_f4e, "w=www"),
	FORM("prmt.b32.b4e", do_prmt_b4e, "w=www"), FORM("prmt.b32.rc8", do_prmt_rc8, "w=www"),
	FORM("prmt.b32.ecl", do_prmt_ecl, "w=www"), FORM("prmt.b32.ecr", do_prmt_ecr, "w=www"),
	FORM("prmt.b32.rc16", do_prmt_rc16, "w=www"),
	DOTS(u32, u32), DOTS(u32, s32), DOTS(s32, u32), DOTS(s32, s32),
	FORM("mov.b32", mov_w, "w=w"), FORM("mov.b64", mov_l, "l=l"),
	FORM("@pack.h2", pack_h2, ""), FORM("@unpack.h2", unpack_h2, ""),
	FORM("@pack.w2", pack_w2, ""), FORM("@pack.w4", pack_w4, ""), FORM("@pack.l2", pack_l2, ""),
	FORM("@pack.l4", pack_l4, ""), FORM("@unpack.w2", unpack_w2, ""), FORM("@unpack.w4", unpack_w4, ""),
	FORM("@unpack.l2", unpack_l2, ""), FORM("@unpack.l4", unpack_l4, ""),
	FORM("@sreg.w", sreg_w, ""), FORM("@sreg.l", sreg_l, ""),
	FORM_END
};
