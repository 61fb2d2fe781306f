/* SPDX-License-Identifier: MIT */
/*
 * evalfloat.h - the floating point half of eval.h
 */
#ifndef PTX_EVALFLOAT_H
#define PTX_EVALFLOAT_H

#include "eval.h"

typedef __int128 i128;
typedef unsigned __int128 u128;

void evf_arith(const struct ev_op *op, const uint64_t *a, uint64_t *d);
void evf_extreme(const struct ev_op *op, const uint64_t *a, uint64_t *d);
void evf_sign(const struct ev_op *op, const uint64_t *a, uint64_t *d);
void evf_testp(const struct ev_op *op, const uint64_t *a, uint64_t *d);
bool evf_compare(const char *cmp, enum ev_type t, bool ftz, uint64_t x, uint64_t y);
/* cvt of which one side at least is floating; value is an integer source, bits and is_signed an integer target's. */
void evf_convert(const struct ev_op *op, const uint64_t *a, uint64_t *d, int bits, bool is_signed, bool from_int, i128 value);

#endif
