/* SPDX-License-Identifier: MIT */
/*
 * eval.h - what an instruction of PTX computes, for one thread, written for plainness
 *
 * It shares no code with the executors of softgpu: integers are computed in 128 bits, floating point numbers in
 * binary128 with a sticky last bit, which one general routine then rounds.
 */
#ifndef PTX_EVAL_H
#define PTX_EVAL_H

#include <stdbool.h>
#include <stdint.h>

#define EV_MAX_SRC 6

enum ev_type {
	EV_NONE, EV_PRED, EV_B8, EV_B16, EV_B32, EV_B64, EV_U8, EV_U16, EV_U32, EV_U64, EV_S8, EV_S16, EV_S32, EV_S64,
	EV_F16, EV_BF16, EV_F32, EV_F64, EV_NR_TYPES
};

struct ev_op;
typedef void (*ev_fn)(const struct ev_op *op, const uint64_t *a, uint64_t *d);

struct ev_op {
	ev_fn fn, one;		/* one: of a pair's halves */
	enum ev_type type[3];	/* as they stand in the name; the last is that of the operands */
	int nr_types, nr_src;
	char round;		/* n z m p: rn rz rm rp, or rni ...; 0 none */
	bool pair, integral, ftz, sat, nan, abs, xorsign, relu, wide, hi, shiftamt, wrap, left;
	char bool_op;		/* & | ^ or 0 */
	char kind[12];		/* opcode, comparison of setp, mode of prmt, property of testp */
	char cmp[12];
};

/* false: not an instruction that is known here */
bool ev_parse(const char *form, int nr_src, struct ev_op *op);

/* The results of sources a[]: one, or two predicates of setp p|q. */
static inline void ev_run(const struct ev_op *op, const uint64_t *a, uint64_t *d)
{
	op->fn(op, a, d);
}

#endif
