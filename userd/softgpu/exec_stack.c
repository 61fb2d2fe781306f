/* SPDX-License-Identifier: MIT */
/*
 * exec_stack.c - alloca, stacksave and stackrestore (PTX ISA 9.7.20)
 *
 * Memory of a frame that grows lies behind the variables of its function, at the same offset in all
 * lanes. It goes back when all lanes of the frame restore the stack together, or with the frame.
 */
#include "exec.h"
#include "ptx_module.h"

static uint32_t bottom(const struct sg_frame *f)
{
	return f->local_base + f->fn->local_bytes;
}

/* The greatest size that a lane wants, for all; imm is the alignment. */
static enum sg_result grow(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
			   uint64_t size, uint32_t *at)
{
	struct sg_frame *f = w->frame;
	uint64_t align = (uint64_t)in->imm,
		 from = (bottom(f) + (uint64_t)f->grown + align - 1) & ~(align - 1);

	if (size > UINT32_MAX || from + size > UINT32_MAX ||
	    !sg_local_need(w, (uint32_t)(from + size)))
		return sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, mask, from,
				     "stack overflow: alloca of %llu bytes",
				     (unsigned long long)size);
	f->grown = (uint32_t)(from + size) - bottom(f);
	*at = (uint32_t)from;
	return SG_OK;
}

#define STACK(t, T) \
EXEC(alloca_##t) { \
	const T *size = SG_ROW(const T, 1); \
	uint32_t at; \
	T most = 0; \
	enum sg_result res; \
	for (uint32_t m = mask; m; m &= m - 1) \
		most = size[__builtin_ctz(m)] > most ? size[__builtin_ctz(m)] : most; \
	res = grow(w, in, mask, most, &at); \
	if (res) \
		return res; \
	MAP(T, at); } \
EXEC(save_##t) { \
	uint32_t top = bottom(w->frame) + w->frame->grown; \
	MAP(T, top); } \
EXEC(restore_##t) { \
	struct sg_frame *f = w->frame; \
	const T *top = SG_ROW(const T, 0); \
	T first = top[__builtin_ctz(mask)]; \
	bool same = mask == f->live; \
	for (uint32_t m = mask; m; m &= m - 1) \
		same &= top[__builtin_ctz(m)] == first; \
	if (same && first >= bottom(f) && first <= bottom(f) + f->grown) \
		f->grown = (uint32_t)first - bottom(f); \
	return SG_OK; }
STACK(w, uint32_t)
STACK(l, uint64_t)

const struct sg_form SG_TABLE(sg_forms_stack)[] = {
	FORM("@alloca.w", alloca_w, ""), FORM("@alloca.l", alloca_l, ""),
	FORM("stacksave.u32", save_w, "w="), FORM("stacksave.u64", save_l, "l="),
	FORM("stackrestore.u32", restore_w, "=w"), FORM("stackrestore.u64", restore_l, "=l"),
	FORM_END
};
