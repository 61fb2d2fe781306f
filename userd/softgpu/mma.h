/* SPDX-License-Identifier: MIT */
/*
 * mma.h - matrix instructions: what the decoder tells the executors
 *
 * The matrices of mma and wmma lie in registers as tiles: 8 rows of A or of C, or 8 columns of B,
 * by what 4 lanes hold of the other dimension. PTX fixes this layout for mma and leaves it open for
 * wmma, where the same one serves. Only mma.m8n8k4 with .f16 has another (exec_mma.c).
 */
#ifndef SOFTGPU_MMA_H
#define SOFTGPU_MMA_H

#include "warp.h"

#define SG_MMA_REGS 8		/* of one matrix in a lane, at most */
#define SG_MMA_MAX_AB 1024	/* elements of A or of B; words of .b1 are fewer */
#define SG_MMA_MAX_C 256

/* X(id, name, bits, class): f and d floating point, i and b integers */
#define SG_MMA_TYPES(X) \
	X(F16, "f16", 16, 'f') X(BF16, "bf16", 16, 'f') X(TF32, "tf32", 32, 'f') X(E4M3, "e4m3", 8, 'f') \
	X(E5M2, "e5m2", 8, 'f') X(F32, "f32", 32, 'f') X(F64, "f64", 64, 'd') X(S8, "s8", 8, 'i') X(U8, "u8", 8, 'i') \
	X(S4, "s4", 4, 'i') X(U4, "u4", 4, 'i') X(B1, "b1", 1, 'b') X(S32, "s32", 32, 'i')

#define SG_MMA_ENUM(id, name, bits, cls) SG_MMA_##id,
enum sg_mma_type { SG_MMA_NONE, SG_MMA_TYPES(SG_MMA_ENUM) SG_MMA_NR_TYPES };
#undef SG_MMA_ENUM

/* One matrix in registers: outer are the rows of A, C, D and the columns of B, inner the others. */
struct sg_fragment {
	uint8_t type, bits;
	uint8_t per, regs;		/* elements of a lane in a tile, and the registers that hold them */
	uint8_t nr;			/* registers of a lane; those beyond the tiles repeat them (wmma .f16) */
	uint8_t outer;
	uint16_t inner;
	bool major;			/* in memory, elements along inner are neighbours */
	uint32_t r[SG_MMA_REGS];	/* byte offsets of rows of the register file */
};

enum sg_mma_matrix { SG_MMA_A, SG_MMA_B, SG_MMA_C, SG_MMA_D };

struct sg_mma {
	uint16_t m, n, k;
	bool sat, and;			/* and: of .b1, which is xor otherwise */
	struct sg_fragment f[4];	/* by enum sg_mma_matrix */
};

/* Registers that hold different elements; f->nr may be larger. */
static inline uint32_t sg_fragment_regs(const struct sg_fragment *f)
{
	return f->outer / 8u * (f->inner / (4u * f->per)) * f->regs;
}

/* Where the lane's elements of a tile begin. */
static inline void sg_fragment_place(const struct sg_fragment *f, uint32_t tile, uint32_t lane,
				     uint32_t *outer, uint32_t *inner)
{
	uint32_t tiles = f->outer / 8;

	*outer = tile % tiles * 8 + lane / 4;
	*inner = (tile / tiles * 4 + lane % 4) * f->per;
}

/* A warp-wide operation that a part of the warp came to: lanes have exited, or a guard kept them away. */
static inline enum sg_result sg_mma_partial(struct sg_warp *w, const struct sg_insn *in,
					    uint32_t mask)
{
	return sg_warp_fault(w, in, SG_ILLEGAL_INSTRUCTION, mask, 0,
			     "a matrix operation by %d of the 32 lanes that it needs",
			     __builtin_popcount(mask));
}

#endif
