/* SPDX-License-Identifier: MIT */
/*
 * exec_async.c - cp.async, cp.async.bulk, cp.reduce.async.bulk (PTX ISA 9.7.9.25)
 *
 * The copies are done at once, so a group of them is complete when it is made, and waiting for one
 * is nothing. An mbarrier hears of the bytes as if they had just come.
 */
#include "async.h"
#include "exec.h"
#include "mbarrier.h"
#include "race.h"

static uint64_t raw_address(const struct sg_warp *w, const struct sg_place *at, uint32_t lane)
{
	const uint8_t *row = w->regs + at->row;

	if (at->a32)
		return ((const uint32_t *)row)[lane] + (uint32_t)at->offset;
	return ((const uint64_t *)row)[lane] + (uint64_t)at->offset;
}

static enum sg_result find(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			   const struct sg_place *at, uint32_t size, uint32_t align, uint8_t **ptr)
{
	const struct sg_copy *c = in->aux;
	uint64_t a = raw_address(w, at, lane);

	if (a & (align - 1))
		return sg_warp_fault(w, in, SG_MISALIGNED, 1u << lane, a,
				     "misaligned copy of %u bytes at 0x%llx", size,
				     (unsigned long long)a);
	*ptr = sg_space_ptr(w, at->space, lane, a, size);
	if (!*ptr)
		return sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, a,
				     "illegal copy of %u bytes at 0x%llx", size,
				     (unsigned long long)a);
	if (w->race && !(c->atom && at == &c->dst))
		sg_race_copy(w, in, lane, *ptr, size, at == &c->src);
	return SG_OK;
}

/* Bytes of the source that count; the rest of cp-size is zeros. */
static uint32_t source_bytes(const struct sg_warp *w, const struct sg_insn *in, uint32_t lane)
{
	const struct sg_copy *c = in->aux;
	uint32_t n = in->bytes;

	if (!in->r[2])
		return n;
	if (c->ignore)
		return *SG_ROW(uint32_t, 2) >> lane & 1 ? 0 : n;
	return SG_ROW(uint32_t, 2)[lane] < n ? SG_ROW(uint32_t, 2)[lane] : n;
}

EXEC(copy_async)
{
	const struct sg_copy *c = in->aux;

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(m), n = source_bytes(w, in, i);
		uint8_t *dst, *src = NULL, data[16] = { 0 };
		enum sg_result res = find(w, in, i, &c->dst, in->bytes, in->bytes, &dst);

		if (!res && n)
			res = find(w, in, i, &c->src, n, in->bytes, &src);
		if (res)
			return res;
		if (n)
			memcpy(data, src, n);
		memcpy(dst, data, in->bytes);
	}
	return SG_OK;
}

static enum sg_result bulk_size(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
				uint32_t *size)
{
	*size = SG_ROW(uint32_t, 2)[lane];
	if (*size % 16 == 0)
		return SG_OK;
	return sg_warp_fault(w, in, SG_MISALIGNED, 1u << lane, *size,
			     "bulk copy of %u bytes, which is no multiple of 16", *size);
}

/* Element by element, as atom would: each is atomic by itself (PTX ISA 9.7.9.25.5.2). */
static enum sg_result reduce(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			     const uint8_t *src, uint32_t size)
{
	const struct sg_copy *c = in->aux;
	const struct sg_insn *atom = c->atom;
	uint64_t at = raw_address(w, &c->dst, lane), v = 0;
	enum sg_result res = SG_OK;

	for (uint32_t i = 0; i < size && !res; i += in->bytes) {
		memcpy(&v, src + i, in->bytes);
		if (in->bytes == 8)
			((uint64_t *)(w->regs + atom->r[1]))[lane] = v;
		else
			((uint32_t *)(w->regs + atom->r[1]))[lane] = (uint32_t)v;
		((uint64_t *)(w->regs + atom->r[4]))[lane] = at + i;
		res = atom->exec(w, atom, 1u << lane);
	}
	return res;
}

static enum sg_result copy(struct sg_warp *w, const struct sg_insn *in, uint32_t lane,
			   uint32_t size)
{
	const struct sg_copy *c = in->aux;
	uint8_t *dst, *src;
	enum sg_result res = find(w, in, lane, &c->dst, size, 16, &dst);

	if (!res)
		res = find(w, in, lane, &c->src, size, 16, &src);
	if (!res && c->atom)
		return reduce(w, in, lane, src, size);
	if (!res)
		memmove(dst, src, size);
	return res;
}

EXEC(copy_bulk)
{
	const struct sg_copy *c = in->aux;

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(m), size;
		enum sg_result res = bulk_size(w, in, i, &size);
		uint64_t bar = 0;

		if (!res && c->bar.row)
			res = sg_mbar_address(w, in, i, raw_address(w, &c->bar, i), c->bar.space,
					      &bar);
		if (!res && size)
			res = copy(w, in, i, size);
		if (!res && c->bar.row)
			res = sg_mbar_change(w, in, i, bar, 0, 0, -(int64_t)size, NULL);
		if (res)
			return res;
	}
	return SG_OK;
}

/* A prefetch brings nothing, but of a place that must exist. */
EXEC(prefetch_bulk)
{
	const struct sg_copy *c = in->aux;

	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(m), size;
		enum sg_result res = bulk_size(w, in, i, &size);
		uint8_t *src;

		if (!res && size)
			res = find(w, in, i, &c->src, size, 16, &src);
		if (res)
			return res;
	}
	return SG_OK;
}

const struct sg_form SG_TABLE(sg_forms_async)[] = {
	FORM("@cp.async", copy_async, ""), FORM("@cp.async.bulk", copy_bulk, ""),
	FORM("@cp.reduce.async.bulk", copy_bulk, ""), FORM("@cp.async.bulk.prefetch", prefetch_bulk, ""),
	FORM_END
};
