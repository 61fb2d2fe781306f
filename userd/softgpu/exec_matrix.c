/* SPDX-License-Identifier: MIT */
/*
 * exec_matrix.c - matrices between memory and registers: wmma.load, wmma.store, ldmatrix, stmatrix,
 * movmatrix (PTX ISA 9.7.14)
 */
#include "mma.h"
#include "resolve.h"

/* What a lane has to know of the matrix in memory; registers may be overwritten as it is loaded. */
struct place {
	uint64_t base[SG_LANES], stride[SG_LANES];
};

static void find_place(const struct sg_warp *w, const struct sg_insn *in, struct place *p)
{
	const uint32_t *stride = SG_ROW(const uint32_t, 1);

	for (uint32_t i = 0; i < SG_LANES; i++) {
		p->base[i] =
			(in->a32 ? SG_ROW(const uint32_t, 4)[i] : SG_ROW(const uint64_t, 4)[i]) +
			(uint64_t)in->imm;
		p->stride[i] = stride[i];
	}
}

/* Host addresses of each lane's e-th element of a tile. */
static enum sg_result element(struct sg_warp *w, const struct sg_insn *in, const struct place *p,
			      uint32_t tile, uint32_t e, uint32_t size, uint64_t ea[SG_LANES])
{
	const struct sg_fragment *f = in->aux;
	enum shape shape;

	for (uint32_t i = 0; i < SG_LANES; i++) {
		uint32_t outer, inner;
		uint64_t at;

		sg_fragment_place(f, tile, i, &outer, &inner);
		inner += e;
		at = f->major ? outer * p->stride[i] + inner : inner * p->stride[i] + outer;
		ea[i] = p->base[i] + at * f->bits / 8;
		if (in->a32)
			ea[i] = (uint32_t)ea[i];
	}
	return resolve_lanes(w, in, SG_ALL, size, ea, &shape);
}

/* A register that neighbours in memory fill is one access, otherwise each element is one. */
static bool whole(const struct sg_fragment *f)
{
	return f->regs == 1 && (f->major || f->per == 1);
}

static uint64_t load(uint64_t at, uint32_t size)
{
	const void *p = (const void *)(uintptr_t)at;

	return size == 8 ? *(const uint64_t *)p : size == 4 ? *(const uint32_t *)p :
	       size == 2 ? *(const uint16_t *)p : *(const uint8_t *)p;
}

static void store(uint64_t at, uint32_t size, uint64_t v)
{
	void *p = (void *)(uintptr_t)at;

	if (size == 8)
		*(uint64_t *)p = v;
	else if (size == 4)
		*(uint32_t *)p = (uint32_t)v;
	else if (size == 2)
		*(uint16_t *)p = (uint16_t)v;
	else
		*(uint8_t *)p = (uint8_t)v;
}

static void put(struct sg_warp *w, uint32_t row, bool wide, uint32_t shift, uint32_t lane,
		uint64_t v)
{
	if (wide)
		((uint64_t *)(w->regs + row))[lane] = v;
	else if (shift)
		((uint32_t *)(w->regs + row))[lane] |= (uint32_t)v << shift;
	else
		((uint32_t *)(w->regs + row))[lane] = (uint32_t)v;
}

static uint64_t get(const struct sg_warp *w, uint32_t row, bool wide, uint32_t shift, uint32_t lane)
{
	return wide ? ((const uint64_t *)(w->regs + row))[lane]
		    : ((const uint32_t *)(w->regs + row))[lane] >> shift;
}

/* Every access of a fragment in turn, to registers or (out) from them. */
static enum sg_result fragment(struct sg_warp *w, const struct sg_insn *in, bool out)
{
	const struct sg_fragment *f = in->aux;
	uint32_t tiles = sg_fragment_regs(f) / f->regs, parts = whole(f) ? 1 : f->per,
		 in_reg = f->per / f->regs;
	uint32_t size = f->bits * f->per / parts / 8;
	uint64_t ea[SG_LANES];
	struct place p;

	find_place(w, in, &p);
	for (uint32_t t = 0; t < tiles; t++)
		for (uint32_t e = 0; e < parts; e++) {
			uint32_t row = f->r[t * f->regs + e / in_reg], shift = e % in_reg * f->bits;
			enum sg_result res = element(w, in, &p, t, e, size, ea);

			if (res)
				return res;
			for (uint32_t i = 0; i < SG_LANES; i++) {
				if (out)
					store(ea[i], size, get(w, row, f->bits == 64, shift, i));
				else
					put(w, row, f->bits == 64, shift, i, load(ea[i], size));
			}
		}
	return SG_OK;
}

EXEC(wmma_load)
{
	const struct sg_fragment *f = in->aux;
	uint32_t nr = sg_fragment_regs(f);
	enum sg_result res = mask == SG_ALL ? fragment(w, in, false) : sg_mma_partial(w, in, mask);

	for (uint32_t r = nr; !res && r < f->nr; r++)
		memmove(w->regs + f->r[r], w->regs + f->r[r % nr], SG_LANES * sizeof(uint32_t));
	return res;
}

EXEC(wmma_store)
{
	return mask == SG_ALL ? fragment(w, in, true) : sg_mma_partial(w, in, mask);
}

/*
 * 8 x 8 elements of 16 bits, one to four of them: lane 8m + i holds the address of row i of the
 * m-th. Registers hold elements 2 * (lane % 4) and the next of row lane / 4; with .trans, of column
 * lane / 4.
 */
static enum sg_result matrix_rows(struct sg_warp *w, const struct sg_insn *in,
				  uint64_t ea[SG_LANES])
{
	enum shape shape;

	return resolve(w, in, in->vec == 4 ? SG_ALL : (1u << 8 * in->vec) - 1, 16, ea, &shape);
}

static uint16_t *cell(const uint64_t *rows, uint32_t lane, uint32_t e, bool trans)
{
	uint32_t along = lane % 4 * 2 + e, row = trans ? along : lane / 4,
		 col = trans ? lane / 4 : along;

	return (uint16_t *)(uintptr_t)rows[row] + col;
}

EXEC(ldmatrix)
{
	bool trans = in->flags & SG_F_TRANS;
	uint64_t ea[SG_LANES];
	enum sg_result res;

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	res = matrix_rows(w, in, ea);
	for (uint32_t m = 0; !res && m < in->vec; m++)
		for (uint32_t i = 0; i < SG_LANES; i++)
			SG_ROW(uint32_t, m)[i] = *cell(ea + 8 * m, i, 0, trans) |
						 (uint32_t)*cell(ea + 8 * m, i, 1, trans) << 16;
	return res;
}

EXEC(stmatrix)
{
	bool trans = in->flags & SG_F_TRANS;
	uint64_t ea[SG_LANES];
	enum sg_result res;

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	res = matrix_rows(w, in, ea);
	for (uint32_t m = 0; !res && m < in->vec; m++)
		for (uint32_t i = 0; i < SG_LANES; i++) {
			uint32_t v = SG_ROW(const uint32_t, m)[i];

			*cell(ea + 8 * m, i, 0, trans) = (uint16_t)v;
			*cell(ea + 8 * m, i, 1, trans) = (uint16_t)(v >> 16);
		}
	return res;
}

EXEC(movmatrix)
{
	uint32_t src[SG_LANES], *d = SG_ROW(uint32_t, 0);
	uint64_t rows[8];

	if (mask != SG_ALL)
		return sg_mma_partial(w, in, mask);
	memcpy(src, SG_ROW(const uint32_t, 1), sizeof(src));
	for (uint32_t i = 0; i < 8; i++)
		rows[i] = (uintptr_t)(src + 4 * i);
	for (uint32_t i = 0; i < SG_LANES; i++)
		d[i] = *cell(rows, i, 0, true) | (uint32_t)*cell(rows, i, 1, true) << 16;
	return SG_OK;
}

const struct sg_form SG_TABLE(sg_forms_matrix)[] = {
	FORM("@wmma.load", wmma_load, ""), FORM("@wmma.store", wmma_store, ""), FORM("@ldmatrix", ldmatrix, ""),
	FORM("@stmatrix", stmatrix, ""), FORM("@movmatrix", movmatrix, ""),
	FORM_END
};
