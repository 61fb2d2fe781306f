/* SPDX-License-Identifier: MIT */
/*
 * progtext.c - prints a random program as PTX
 *
 * A compiler gives each value a name of its own, and softgpu lets names share rows: so most unguarded definitions take
 * a new name here. Where paths join, in a loop and behind a branch, the old name gets the value.
 */
#include <inttypes.h>

#include "prog.h"

static const char letters[NR_CLASSES] = { 'h', 'w', 'l', 'f', 'd', 'p' };

struct names {
	int of[NR_CLASSES][PROG_REGS];
};

static struct names now;		/* the numbers that the registers of the program go by */
static const struct names *around;	/* those before the innermost loop */
static int nr_names, nr_definitions;

/* The number under which a statement defines a register; it is the register's once the sources are printed. */
static int define(const struct stmt *s, enum prog_class c, int reg)
{
	if (s->guard >= 0 || c == CLS_P || ++nr_definitions % 4 == 0)
		return now.of[c][reg];
	return nr_names++;
}

static void print_join(const struct names *before, FILE *f)
{
	static const char *const moves[NR_CLASSES] = { "b16", "b32", "b64", "f32", "f64", "pred" };

	for (int c = 0; c < NR_CLASSES; c++)
		for (int r = 0; r < PROG_REGS; r++)
			if (now.of[c][r] != before->of[c][r])
				fprintf(f, "\tmov.%s %%%c%d, %%%c%d;\n", moves[c], letters[c], before->of[c][r], letters[c],
					now.of[c][r]);
}

static void print_guard(const struct stmt *s, FILE *f)
{
	fputc('\t', f);
	if (s->guard >= 0)
		fprintf(f, "@%s%%p%d ", s->negated ? "!" : "", s->guard);
}

static void print_src(const struct prog_form *form, int i, const struct operand *o, FILE *f)
{
	if (!o->imm)
		fprintf(f, ", %%%c%d", letters[form->src[i]], now.of[form->src[i]][o->reg]);
	else if (form->letters[i] == 'i')
		fprintf(f, ", 0x%" PRIx64, o->value);
	else if (form->src[i] == CLS_F)
		fprintf(f, ", 0f%08" PRIx64, o->value);
	else if (form->src[i] == CLS_D)
		fprintf(f, ", 0d%016" PRIx64, o->value);
	else
		fprintf(f, ", 0x%" PRIx64, o->value);
}

static void print_op(const struct stmt *s, FILE *f)
{
	const struct prog_form *form = s->form;
	int d = define(s, form->dst[0], s->dst[0]);

	print_guard(s, f);
	fprintf(f, "%s %%%c%d", form->name, letters[form->dst[0]], d);
	if (form->pair)
		fprintf(f, "|%%p%d", s->dst[1]);
	for (int i = 0; i < form->nr_src; i++)
		print_src(form, i, &s->src[i], f);
	fprintf(f, ";\n");
	now.of[form->dst[0]][s->dst[0]] = d;
}

static void print_list(const struct stmt *s, int depth, int exit_label, FILE *f);

static void print_block(const struct stmt *s, int depth, int exit_label, FILE *f)
{
	const struct names before = now;

	print_list(s, depth, exit_label, f);
	print_join(&before, f);
	now = before;
}

static void print_loop(const struct stmt *s, int depth, FILE *f)
{
	const struct names before = now, *outer = around;

	/* a trip count of its own for each lane, or the same for all */
	if (s->mode & 1)
		fprintf(f, "\tand.b32 %%c%d, %%id, 3; add.u32 %%c%d, %%c%d, %d;\n", depth, depth, depth, 1 + (s->mode >> 1 & 1));
	else
		fprintf(f, "\tmov.u32 %%c%d, %d;\n", depth, 1 + (s->mode >> 1 & 3));
	fprintf(f, "L%d:\n", s->label);
	around = &before;
	print_block(s->body, depth + 1, s->label, f);
	around = outer;
	fprintf(f, "\tsub.u32 %%c%d, %%c%d, 1; setp.ne.u32 %%q, %%c%d, 0; @%%q bra L%d;\nE%d:\n", depth, depth, depth, s->label,
		s->label);
}

static void print_if(const struct stmt *s, int depth, int exit_label, FILE *f)
{
	fprintf(f, "\t@%s%%p%d bra L%d;\n", s->negated ? "" : "!", s->guard, s->label);
	print_block(s->body, depth + 1, exit_label, f);
	if (s->other) {
		fprintf(f, "\tbra E%d;\nL%d:\n", s->label, s->label);
		print_block(s->other, depth + 1, exit_label, f);
		fprintf(f, "E%d:\n", s->label);
	} else {
		fprintf(f, "L%d:\n", s->label);
	}
}

static void print_carry(const struct stmt *s, FILE *f)
{
	const char *op = s->mode & 1 ? "sub" : "add", *t = s->mode & 2 ? "u64" : "u32";
	enum prog_class c = s->mode & 2 ? CLS_L : CLS_W;
	int d = define(s, c, s->dst[0]), again;

	print_guard(s, f);
	fprintf(f, "%s.cc.%s %%%c%d, %%%c%d, %%%c%d;\n", op, t, letters[c], d, letters[c], now.of[c][s->src[0].reg],
		letters[c], now.of[c][s->src[1].reg]);
	now.of[c][s->dst[0]] = d;
	again = now.of[CLS_W][s->src[2].reg];
	d = define(s, CLS_W, s->dst[1]);
	print_guard(s, f);
	fprintf(f, "%sc.u32 %%w%d, %%w%d, %%w%d;\n", op, d, again, again);
	now.of[CLS_W][s->dst[1]] = d;
}

/* Each thread writes its word and reads that of another. */
static void print_exchange(const struct stmt *s, FILE *f)
{
	int src = now.of[CLS_W][s->src[0].reg], d = now.of[CLS_W][s->dst[0]] = define(s, CLS_W, s->dst[0]);

	fprintf(f, "\tshl.b32 %%a, %%id, 2; mov.u32 %%b, sh; add.u32 %%a, %%a, %%b; st.shared.u32 [%%a], %%w%d; bar.sync 0;\n",
		src);
	fprintf(f, "\txor.b32 %%a, %%id, %d; shl.b32 %%a, %%a, 2; add.u32 %%a, %%a, %%b; ld.shared.u32 %%w%d, [%%a]; bar.sync 0;\n",
		s->mode, d);
}

static void print_atomic(const struct stmt *s, FILE *f)
{
	int src = now.of[CLS_W][s->src[0].reg], d = now.of[CLS_W][s->dst[0]] = define(s, CLS_W, s->dst[0]);

	fprintf(f, "\tmov.u32 %%b, sh; and.b32 %%a, %%id, 3; shl.b32 %%a, %%a, 2; add.u32 %%a, %%a, %%b; mov.u32 %%b, 0;\n"
		"\tst.shared.u32 [%%a], %%b; bar.sync 0; red.shared.add.u32 [%%a], %%w%d; bar.sync 0;\n"
		"\tld.shared.u32 %%w%d, [%%a]; bar.sync 0;\n", src, d);
}

static void print_local(const struct stmt *s, FILE *f)
{
	int d;

	fprintf(f, "\tmov.u32 %%a, loc; and.b32 %%b, %%w%d, 24; add.u32 %%a, %%a, %%b;\n", now.of[CLS_W][s->src[0].reg]);
	print_guard(s, f);
	fprintf(f, "st.local.u64 [%%a], %%l%d;\n", now.of[CLS_L][s->src[1].reg]);
	print_guard(s, f);
	d = now.of[CLS_W][s->dst[0]] = define(s, CLS_W, s->dst[0]);
	fprintf(f, "ld.local.%s %%w%d, [%%a+%d];\n", s->mode & 1 ? "u32" : "s8", d, s->mode & 1 ? s->mode & 4 : s->mode & 7);
}

static void print_warp(const struct stmt *s, FILE *f)
{
	static const char *const shfl[] = { "up", "down", "bfly", "idx" }, *const vote[] = { "all", "any", "uni" };
	static const char *const redux[] = { "add.u32", "min.s32", "max.u32", "and.b32", "or.b32", "xor.b32", "min.u32", "max.s32" };

	bool pred = s->kind == ST_VOTE && s->mode & 3;
	int src = now.of[s->kind == ST_VOTE ? CLS_P : CLS_W][s->src[0].reg];
	int d = pred ? s->dst[0] : define(s, CLS_W, s->dst[0]);

	if (!pred)
		now.of[CLS_W][s->dst[0]] = d;
	if (s->kind == ST_SHFL)
		fprintf(f, "\tshfl.sync.%s.b32 %%w%d|%%p%d, %%w%d, %d, %s, 0xffffffff;\n", shfl[s->mode & 3], d, s->dst[1],
			src, s->mode >> 2 & 7, s->mode & 3 ? "31" : "0");
	else if (pred)
		fprintf(f, "\tvote.sync.%s.pred %%p%d, %%p%d, 0xffffffff;\n", vote[(s->mode & 3) - 1], d, src);
	else if (s->kind == ST_VOTE)
		fprintf(f, "\tvote.sync.ballot.b32 %%w%d, %%p%d, 0xffffffff;\n", d, src);
	else
		fprintf(f, "\tredux.sync.%s %%w%d, %%w%d, 0xffffffff;\n", redux[s->mode & 7], d, src);
}

static void print_list(const struct stmt *s, int depth, int exit_label, FILE *f)
{
	for (; s; s = s->next)
		switch (s->kind) {
		case ST_OP:
			print_op(s, f);
			break;
		case ST_IF:
			print_if(s, depth, exit_label, f);
			break;
		case ST_LOOP:
			print_loop(s, depth, f);
			break;
		case ST_BREAK:
			print_join(around, f);
			fprintf(f, "\t@%s%%p%d bra E%d;\n", s->negated ? "!" : "", s->guard, exit_label);
			break;
		case ST_CARRY:
			print_carry(s, f);
			break;
		case ST_EXCHANGE:
			print_exchange(s, f);
			break;
		case ST_LOCAL:
			print_local(s, f);
			break;
		case ST_ATOMIC:
			print_atomic(s, f);
			break;
		default:
			print_warp(s, f);
			break;
		}
}

static void print_memory(FILE *f, bool load)
{
	static const char *const moves[NR_CLASSES] = { "u16", "u32", "u64", "f32", "f64", "u32" };

	for (int c = 0; c < NR_CLASSES; c++)
		for (int r = 0; r < PROG_REGS; r++) {
			int at = (c * PROG_REGS + r) * PROG_THREADS * 8;

			if (c == CLS_P && load)
				fprintf(f, "\tld.global.u32 %%a, [%%in+%d]; setp.ne.u32 %%p%d, %%a, 0;\n", at, r);
			else if (c == CLS_P)
				fprintf(f, "\tselp.u32 %%a, 1, 0, %%p%d; st.global.u32 [%%out+%d], %%a;\n", r, at);
			else if (load)
				fprintf(f, "\tld.global.%s %%%c%d, [%%in+%d];\n", moves[c], letters[c], now.of[c][r], at);
			else
				fprintf(f, "\tst.global.%s [%%out+%d], %%%c%d;\n", moves[c], at, letters[c], now.of[c][r]);
		}
}

void prog_print(const struct prog *p, FILE *f)
{
	nr_names = PROG_REGS;
	nr_definitions = 0;
	for (int c = 0; c < NR_CLASSES; c++)
		for (int r = 0; r < PROG_REGS; r++)
			now.of[c][r] = r;
	fprintf(f, ".version 8.2\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out)\n{\n"
		"\t.reg .b16 %%h<9999>; .reg .b32 %%w<9999>; .reg .b64 %%l<9999>; .reg .f32 %%f<9999>; .reg .f64 %%d<9999>;\n"
		"\t.reg .pred %%p<8>;\n"
		"\t.reg .b32 %%a, %%b, %%id, %%c<8>; .reg .pred %%q; .reg .b64 %%in, %%out, %%at;\n"
		"\t.shared .align 8 .b8 sh[256]; .local .align 8 .b8 loc[32];\n"
		"\tmov.u32 %%id, %%tid.x; mul.wide.u32 %%at, %%id, 8; ld.param.u64 %%in, [in]; ld.param.u64 %%out, [out];\n"
		"\tadd.u64 %%in, %%in, %%at; add.u64 %%out, %%out, %%at;\n");
	print_memory(f, true);
	print_list(p->stmts, 0, -1, f);
	print_memory(f, false);
	fprintf(f, "\tret;\n}\n");
}
