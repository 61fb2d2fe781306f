/* SPDX-License-Identifier: MIT */
/*
 * exec_mem.c - ld, st, fences, address windows
 */
#include <stdatomic.h>

#include "resolve.h"

static inline bool consecutive(const uint64_t ea[SG_LANES], uint32_t size)
{
	uint64_t diff = 0;

	for (uint32_t i = 0; i < SG_LANES; i++)
		diff |= (ea[i] - ea[0]) ^ (uint64_t)i * size;
	return !diff;
}

/*
 * A vector of up to 16 bytes is read and written in one piece, as a GPU does: CUB keeps a value and
 * its state in one, for other blocks to look at.
 */
typedef uint64_t piece __attribute__((vector_size(16), may_alias));

struct whole {
	_Alignas(32) uint8_t bytes[32];
};

static inline void copy_piece(void *to, const void *from, uint32_t size)
{
	if (size == 16)
		*(volatile piece *)to = *(const volatile piece *)from;
	else if (size == 8)
		*(volatile uint64_t *)to = *(const volatile uint64_t *)from;
	else if (size == 4)
		*(volatile uint32_t *)to = *(const volatile uint32_t *)from;
	else
		*(volatile uint16_t *)to = *(const volatile uint16_t *)from;
}

static inline void copy_whole(void *to, const void *from, uint32_t size)
{
	uint32_t step = size < 16 ? size : 16;

	for (uint32_t at = 0; at < size; at += step)
		copy_piece((uint8_t *)to + at, (const uint8_t *)from + at, step);
}

/* Reads the vectors of all lanes; their addresses become those of the copies. */
static void read_whole(uint64_t ea[SG_LANES], struct whole v[SG_LANES], uint32_t size)
{
	for (uint32_t i = 0; i < SG_LANES; i++) {
		copy_whole(v[i].bytes, (const void *)(uintptr_t)ea[i], size);
		ea[i] = (uintptr_t)v[i].bytes;
	}
}

/* Loads of type MT into rows of type DT; a vector's elements follow one another in memory. */
#define LD(fn, DT, MT) EXEC(fn) { \
	uint64_t ea[SG_LANES]; \
	struct whole whole[SG_LANES]; \
	uint32_t n = in->vec; \
	enum shape shape; \
	enum sg_result res = resolve(w, in, mask, (uint32_t)sizeof(MT) * n, ea, &shape); \
	if (res) \
		return res; \
	if (n > 1) \
		read_whole(ea, whole, (uint32_t)sizeof(MT) * n); \
	for (uint32_t k = 0; k < n; k++) { \
		DT *d = SG_ROW(DT, k); \
		if (shape == SHAPE_UNIFORM) { \
			DT v = (DT)((const MT *)(uintptr_t)ea[0])[k]; \
			if (mask == SG_ALL) { \
				LANES d[i] = v; \
			} else { \
				LANES d[i] = mask >> i & 1 ? v : d[i]; \
			} \
		} else if (mask == SG_ALL && shape == SHAPE_RUN && n == 1 && sizeof(DT) == sizeof(MT) && \
			   consecutive(ea, sizeof(MT))) { \
			memcpy(d, (const void *)(uintptr_t)ea[0], sizeof(DT) * SG_LANES); \
		} else if (mask == SG_ALL) { \
			LANES d[i] = (DT)((const MT *)(uintptr_t)ea[i])[k]; \
		} else { \
			LANES { \
				DT v = (DT)((const MT *)(uintptr_t)ea[i])[k]; \
				d[i] = mask >> i & 1 ? v : d[i]; \
			} \
		} \
	} \
	if (in->flags & SG_F_ACQUIRE) \
		atomic_thread_fence(memory_order_seq_cst); \
	return SG_OK; }

LD(ld_w_u8, uint32_t, uint8_t)
LD(ld_w_s8, uint32_t, int8_t)
LD(ld_w_u16, uint32_t, uint16_t)
LD(ld_w_s16, uint32_t, int16_t)
LD(ld_w_u32, uint32_t, uint32_t)
LD(ld_l_u8, uint64_t, uint8_t)
LD(ld_l_s8, uint64_t, int8_t)
LD(ld_l_u16, uint64_t, uint16_t)
LD(ld_l_s16, uint64_t, int16_t)
LD(ld_l_u32, uint64_t, uint32_t)
LD(ld_l_s32, uint64_t, int32_t)
LD(ld_l_u64, uint64_t, uint64_t)

#define ST(fn, DT, MT) EXEC(fn) { \
	uint64_t ea[SG_LANES]; \
	uint32_t n = in->vec; \
	enum shape shape; \
	enum sg_result res = resolve(w, in, mask, (uint32_t)sizeof(MT) * n, ea, &shape); \
	if (res) \
		return res; \
	if (in->flags & SG_F_RELEASE) \
		atomic_thread_fence(memory_order_seq_cst); \
	if (mask == SG_ALL && shape == SHAPE_RUN && n == 1 && sizeof(DT) == sizeof(MT) && consecutive(ea, sizeof(MT))) { \
		memcpy((void *)(uintptr_t)ea[0], SG_ROW(const DT, 0), sizeof(DT) * SG_LANES); \
		return SG_OK; \
	} \
	for (uint32_t m = n == 1 ? mask : 0; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m); \
		*(MT *)(uintptr_t)ea[i] = (MT)SG_ROW(const DT, 0)[i]; \
	} \
	for (uint32_t m = n == 1 ? 0 : mask; m; m &= m - 1) { \
		uint32_t i = (uint32_t)__builtin_ctz(m); \
		struct whole v; \
		for (uint32_t k = 0; k < n; k++) \
			((MT *)v.bytes)[k] = (MT)SG_ROW(const DT, k)[i]; \
		copy_whole((void *)(uintptr_t)ea[i], v.bytes, (uint32_t)sizeof(MT) * n); \
	} \
	return SG_OK; }

ST(st_w_u8, uint32_t, uint8_t)
ST(st_w_u16, uint32_t, uint16_t)
ST(st_w_u32, uint32_t, uint32_t)
ST(st_l_u8, uint64_t, uint8_t)
ST(st_l_u16, uint64_t, uint16_t)
ST(st_l_u32, uint64_t, uint32_t)
ST(st_l_u64, uint64_t, uint64_t)

EXEC(fence)
{
	(void)in, (void)mask;
	if (w->race)
		sg_race_fence(w);
	atomic_thread_fence(memory_order_seq_cst);
	return SG_OK;
}

EXEC(cvta)
{
	const uint64_t *a = SG_ROW(const uint64_t, 1);
	uint64_t base = (uint64_t)in->imm;

	MAP(uint64_t, a[i] + base);
}

EXEC(cvta_to)
{
	const uint64_t *a = SG_ROW(const uint64_t, 1);
	uint64_t base = (uint64_t)in->imm;

	MAP(uint64_t, a[i] - base);
}

/* Every address outside the windows counts as global; PTX says nothing of wild ones. */
EXEC(isspacep)
{
	const uint64_t *a = SG_ROW(const uint64_t, 1);
	uint32_t bits = 0;

	for (uint32_t i = 0; i < SG_LANES; i++) {
		uint64_t window = SG_WINDOW_OF(a[i]);
		bool in_window = window == SG_WINDOW_SHARED || window == SG_WINDOW_LOCAL ||
				 window == SG_WINDOW_PARAM;

		bits |= (uint32_t)(in->imm ? window == (uint64_t)in->imm : !in_window) << i;
	}
	sg_set_pred(SG_ROW(uint32_t, 0), mask, bits);
	return SG_OK;
}

const struct sg_form SG_TABLE(sg_forms_mem)[] = {
	FORM("@ld.w.u8", ld_w_u8, ""), FORM("@ld.w.s8", ld_w_s8, ""), FORM("@ld.w.u16", ld_w_u16, ""),
	FORM("@ld.w.s16", ld_w_s16, ""), FORM("@ld.w.u32", ld_w_u32, ""), FORM("@ld.l.u8", ld_l_u8, ""),
	FORM("@ld.l.s8", ld_l_s8, ""), FORM("@ld.l.u16", ld_l_u16, ""), FORM("@ld.l.s16", ld_l_s16, ""),
	FORM("@ld.l.u32", ld_l_u32, ""), FORM("@ld.l.s32", ld_l_s32, ""), FORM("@ld.l.u64", ld_l_u64, ""),
	FORM("@st.w.u8", st_w_u8, ""), FORM("@st.w.u16", st_w_u16, ""), FORM("@st.w.u32", st_w_u32, ""),
	FORM("@st.l.u8", st_l_u8, ""), FORM("@st.l.u16", st_l_u16, ""), FORM("@st.l.u32", st_l_u32, ""),
	FORM("@st.l.u64", st_l_u64, ""),
	FORM("@fence", fence, ""), FORM("@cvta", cvta, ""), FORM("@cvta.to", cvta_to, ""),
	FORM("@isspacep", isspacep, ""),
	FORM_END
};
