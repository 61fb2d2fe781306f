/* SPDX-License-Identifier: MIT */
/*
 * prog.h - random programs of PTX: a small tree that is printed as text and run by a plain interpreter
 *
 * Every program ends: loops count down, branches go forward. What needs all lanes of a warp, or a barrier, stands at
 * the top only, where no lane has gone its own way.
 */
#ifndef PTX_PROG_H
#define PTX_PROG_H

#include <stdio.h>

#include "eval.h"

#define PROG_THREADS 64
#define PROG_REGS 8		/* of each class */
#define PROG_MAX_SRC 5

enum prog_class { CLS_H, CLS_W, CLS_L, CLS_F, CLS_D, CLS_P, NR_CLASSES };

/* A line of what "rows.py forms" writes. */
struct prog_form {
	char name[48], letters[PROG_MAX_SRC + 1];
	uint64_t literal[PROG_MAX_SRC];	/* where letters has 'i' */
	int nr_dst, nr_src;
	bool pair;			/* p|q */
	enum prog_class dst[2], src[PROG_MAX_SRC];
	struct ev_op op;
};

enum stmt_kind {
	ST_OP, ST_IF, ST_LOOP, ST_BREAK,
	ST_CARRY,	/* add.cc.u32; addc.u32 */
	ST_EXCHANGE,	/* through shared memory, with a barrier */
	ST_LOCAL,	/* through local memory, at an address that is the thread's */
	ST_ATOMIC,	/* red.shared.add on one of four words, read after a barrier */
	ST_SHFL, ST_VOTE, ST_REDUX,
};

struct operand {
	bool imm;
	int reg;
	uint64_t value;
};

struct stmt {
	struct stmt *next, *body, *other;
	enum stmt_kind kind;
	int guard;		/* predicate, or -1 */
	bool negated;
	const struct prog_form *form;
	int dst[2], mode, label;
	struct operand src[PROG_MAX_SRC];
};

struct prog {
	struct stmt *stmts;
	uint64_t init[NR_CLASSES][PROG_REGS][PROG_THREADS];
	int nr_labels;
};

struct prog_state {
	uint64_t r[NR_CLASSES][PROG_REGS];
};

/* prog.c */
size_t prog_read_forms(const char *path, struct prog_form **forms);
struct prog *prog_make(uint64_t seed, const struct prog_form *forms, size_t nr);
void prog_free(struct prog *p);

/* progtext.c */
void prog_print(const struct prog *p, FILE *f);

/* proginterp.c: the registers of all threads at the end */
void prog_interpret(const struct prog *p, struct prog_state *threads);

#endif
