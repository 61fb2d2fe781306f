/* SPDX-License-Identifier: MIT */
/*
 * exec_atom.c - atom and red (PTX ISA 9.7.13.5)
 *
 * CTAs run on several threads, so global memory gets real atomic operations; they are sequentially
 * consistent, which covers every .sem of PTX. The lanes of a warp take their turns in order. Shared
 * memory is touched by one thread at a time: where the instruction names it, and the operation is
 * one that sorts and histograms are made of, nothing is locked.
 */
#include <stdatomic.h>

#include "half.h"
#include "resolve.h"

#define ATOM_BEGIN(T) \
	uint64_t ea[SG_LANES]; \
	enum shape shape; \
	const T *pb = SG_ROW(const T, 1); \
	T *d = SG_ROW(T, 0); \
	enum sg_result res = resolve(w, in, mask, sizeof(T), ea, &shape); \
	if (res) \
		return res; \
	for (uint32_t m = mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m); \
		T *p = (T *)(uintptr_t)ea[i], b = pb[i];
#define ATOM_END } return SG_OK;

/* expr: what builtin makes of the old value a and the operand b */
#define DIRECT(fn, T, builtin, expr) EXEC(fn) { ATOM_BEGIN(T) \
		if (in->space == SG_SPACE_SHARED) { \
			T a = *p; \
			(void)a; \
			*p = (expr); \
			d[i] = a; \
		} else { \
			d[i] = builtin(p, b, __ATOMIC_SEQ_CST); \
		} \
	ATOM_END }
DIRECT(add_w, uint32_t, __atomic_fetch_add, a + b)
DIRECT(add_l, uint64_t, __atomic_fetch_add, a + b)
DIRECT(and_w, uint32_t, __atomic_fetch_and, a & b)
DIRECT(and_l, uint64_t, __atomic_fetch_and, a & b)
DIRECT(or_w, uint32_t, __atomic_fetch_or, a | b)
DIRECT(or_l, uint64_t, __atomic_fetch_or, a | b)
DIRECT(xor_w, uint32_t, __atomic_fetch_xor, a ^ b)
DIRECT(xor_l, uint64_t, __atomic_fetch_xor, a ^ b)
DIRECT(exch_w, uint32_t, __atomic_exchange_n, b)
DIRECT(exch_l, uint64_t, __atomic_exchange_n, b)

#define CAS(fn, T) EXEC(fn) { \
	const T *pc = SG_ROW(const T, 2); \
	ATOM_BEGIN(T) \
		__atomic_compare_exchange_n(p, &b, pc[i], false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
		d[i] = b; \
	ATOM_END }

/* 16 bits of a row with 32-bit elements */
EXEC(cas_h)
{
	const uint32_t *pb = SG_ROW(const uint32_t, 1), *pc = SG_ROW(const uint32_t, 2);
	uint32_t *d = SG_ROW(uint32_t, 0);
	uint64_t ea[SG_LANES];
	enum shape shape;
	enum sg_result res = resolve(w, in, mask, sizeof(uint16_t), ea, &shape);

	for (uint32_t m = res ? 0 : mask; m; m &= m - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(m);
		uint16_t want = (uint16_t)pb[i];

		__atomic_compare_exchange_n((uint16_t *)(uintptr_t)ea[i], &want, (uint16_t)pc[i],
					    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		d[i] = want;
	}
	return res;
}

CAS(cas_w, uint32_t)
CAS(cas_l, uint64_t)

/* new = expr of the old value a and the operand b */
#define LOOP(fn, T, expr) EXEC(fn) { ATOM_BEGIN(T) \
		T a = __atomic_load_n(p, __ATOMIC_SEQ_CST); \
		if (in->space == SG_SPACE_SHARED) \
			*p = (T)(expr); \
		else \
			while (!__atomic_compare_exchange_n(p, &a, (T)(expr), true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) \
				; \
		d[i] = a; \
	ATOM_END }
LOOP(min_u32, uint32_t, a < b ? a : b)
LOOP(max_u32, uint32_t, a > b ? a : b)
LOOP(min_s32, uint32_t, (int32_t)a < (int32_t)b ? a : b)
LOOP(max_s32, uint32_t, (int32_t)a > (int32_t)b ? a : b)
LOOP(min_u64, uint64_t, a < b ? a : b)
LOOP(max_u64, uint64_t, a > b ? a : b)
LOOP(min_s64, uint64_t, (int64_t)a < (int64_t)b ? a : b)
LOOP(max_s64, uint64_t, (int64_t)a > (int64_t)b ? a : b)
LOOP(inc_u32, uint32_t, a >= b ? 0 : a + 1)
LOOP(dec_u32, uint32_t, a == 0 || a > b ? b : a - 1)
/*
 * atom.add.f32 on global memory flushes subnormal operands and results; on shared memory it does
 * not
 */
LOOP(add_f32, uint32_t, in->space == SG_SPACE_SHARED ?
     f32_bits(f32_canon(f32_of(a) + f32_of(b))) :
     f32_bits(f32_ftz(f32_canon(f32_ftz(f32_of(a)) + f32_ftz(f32_of(b))))))
/*
 * A NaN: on global memory the operand's before the old one, and as it is; in shared memory the old
 * one's first, made quiet.
 */
static inline uint64_t sum64(uint64_t old, uint64_t add, bool shared)
{
	double a = f64_of(old), b = f64_of(add), r = a + b;

	if (shared)
		return f64_bits(f64_out(r, a, b, b));
	return b != b ? add : a != a ? old : f64_bits(f64_out(r, r, r, r));
}

LOOP(add_f64, uint64_t, sum64(a, b, in->space == SG_SPACE_SHARED))

/* Halves: rows have 32-bit elements, memory has T. -0 is below +0, and a number wins over a NaN. */
static inline uint32_t half_extreme(uint32_t a, uint32_t b, uint32_t inf, bool max)
{
	bool na = (a & 0x7fff) > inf, nb = (b & 0x7fff) > inf;
	int32_t x = a & 0x8000 ? -(int32_t)(a & 0x7fff) - 1 : (int32_t)a,
		y = b & 0x8000 ? -(int32_t)(b & 0x7fff) - 1 : (int32_t)b;

	if (na || nb)
		return na && nb ? HALF_NAN : na ? b : a;
	return (max ? x > y : x < y) ? a : b;
}

#define PAIR(fn) ((uint32_t)fn(a >> 16, b >> 16) << 16 | fn(a & 0xffff, b & 0xffff))
#define F16_ADD(x, y) f32_to_f16(f16_to_f32(x) + f16_to_f32(y))
#define F16_MIN(x, y) half_extreme(x, y, 0x7c00, false)
#define F16_MAX(x, y) half_extreme(x, y, 0x7c00, true)
#define BF16_ADD(x, y) f32_to_bf16(bf16_to_f32(x) + bf16_to_f32(y))
#define BF16_MIN(x, y) half_extreme(x, y, 0x7f80, false)
#define BF16_MAX(x, y) half_extreme(x, y, 0x7f80, true)

#define LOOP16(fn, T, expr) EXEC(fn) { \
	const uint32_t *pb = SG_ROW(const uint32_t, 1); \
	uint32_t *d = SG_ROW(uint32_t, 0); \
	uint64_t ea[SG_LANES]; \
	enum shape shape; \
	enum sg_result res = resolve(w, in, mask, sizeof(T), ea, &shape); \
	for (uint32_t m = res ? 0 : mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m); \
		T *p = (T *)(uintptr_t)ea[i], a = __atomic_load_n(p, __ATOMIC_SEQ_CST), b = (T)pb[i]; \
		while (!__atomic_compare_exchange_n(p, &a, (T)(expr), true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) \
			; \
		d[i] = a; \
	} \
	return res; }
#define LOOPS16(op, OP) \
	LOOP16(op##_f16, uint16_t, F16_##OP(a, b)) LOOP16(op##_f16x2, uint32_t, PAIR(F16_##OP)) \
	LOOP16(op##_bf16, uint16_t, BF16_##OP(a, b)) LOOP16(op##_bf16x2, uint32_t, PAIR(BF16_##OP))
LOOPS16(add, ADD)
LOOPS16(min, MIN)
LOOPS16(max, MAX)

typedef unsigned __int128 u128;

/* *p becomes new when it is *old, and *old what it was. */
static inline bool cas128(u128 *p, u128 *old, u128 new)
{
#ifdef __x86_64__
	uint64_t lo = (uint64_t)*old, hi = (uint64_t)(*old >> 64);
	bool done;

	__asm__ volatile("lock cmpxchg16b %1" : "=@cce"(done), "+m"(*p), "+a"(lo), "+d"(hi)
			 : "b"((uint64_t)new), "c"((uint64_t)(new >> 64)) : "memory");
	*old = (u128)hi << 64 | lo;
	return done;
#else
	/* atomic among themselves */
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	u128 was;

	while (atomic_flag_test_and_set(&busy))
		;
	was = *p;
	if (was == *old)
		*p = new;
	atomic_flag_clear(&busy);
	new = *old;
	*old = was;
	return was == new;
#endif
}

static inline u128 wide(const struct sg_warp *w, uint32_t row, uint32_t lane)
{
	const uint64_t *lo = (const uint64_t *)(w->regs + row),
		       *hi = (const uint64_t *)(w->regs + row + SG_WIDE_HALF);

	return (u128)hi[lane] << 64 | lo[lane];
}

/* exch tries until nobody came between. */
static inline enum sg_result atom128(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
				     bool exch)
{
	uint64_t ea[SG_LANES], *lo = SG_ROW(uint64_t, 0),
			       *hi = (uint64_t *)(w->regs + in->r[0] + SG_WIDE_HALF);
	enum shape shape;
	enum sg_result res = resolve(w, in, mask, sizeof(u128), ea, &shape);

	for (uint32_t m = res ? 0 : mask; m; m &= m - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(m);
		u128 old = exch ? 0 : wide(w, in->r[1], i), new = wide(w, in->r[exch ? 1 : 2], i);

		while (!cas128((u128 *)(uintptr_t)ea[i], &old, new) && exch)
			;
		lo[i] = (uint64_t)old;
		hi[i] = (uint64_t)(old >> 64);
	}
	return res;
}

EXEC(exch_q)
{
	return atom128(w, in, mask, true);
}

EXEC(cas_q)
{
	return atom128(w, in, mask, false);
}

#define HALVES(op) \
	FORM("atom." #op ".f16", op##_f16, ""), FORM("atom." #op ".f16x2", op##_f16x2, ""), \
	FORM("atom." #op ".bf16", op##_bf16, ""), FORM("atom." #op ".bf16x2", op##_bf16x2, "")

const struct sg_form SG_TABLE(sg_forms_atom)[] = {
	FORM("atom.add.u32", add_w, ""), FORM("atom.add.s32", add_w, ""), FORM("atom.add.u64", add_l, ""),
	FORM("atom.add.s64", add_l, ""), FORM("atom.add.f32", add_f32, ""), FORM("atom.add.f64", add_f64, ""),
	FORM("atom.and.b32", and_w, ""), FORM("atom.and.b64", and_l, ""), FORM("atom.or.b32", or_w, ""),
	FORM("atom.or.b64", or_l, ""), FORM("atom.xor.b32", xor_w, ""), FORM("atom.xor.b64", xor_l, ""),
	FORM("atom.exch.b32", exch_w, ""), FORM("atom.exch.b64", exch_l, ""), FORM("atom.cas.b16", cas_h, ""),
	FORM("atom.cas.b32", cas_w, ""), FORM("atom.cas.b64", cas_l, ""), FORM("atom.min.u32", min_u32, ""),
	FORM("atom.max.u32", max_u32, ""), FORM("atom.min.s32", min_s32, ""), FORM("atom.max.s32", max_s32, ""),
	FORM("atom.min.u64", min_u64, ""), FORM("atom.max.u64", max_u64, ""), FORM("atom.min.s64", min_s64, ""),
	FORM("atom.max.s64", max_s64, ""), HALVES(add), HALVES(min), HALVES(max),
	FORM("atom.exch.b128", exch_q, ""), FORM("atom.cas.b128", cas_q, ""), FORM("atom.inc.u32", inc_u32, ""), FORM("atom.dec.u32", dec_u32, ""),
	FORM_END
};
