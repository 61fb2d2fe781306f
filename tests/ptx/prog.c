/* SPDX-License-Identifier: MIT */
/*
 * prog.c - makes random programs
 */
#include <stdlib.h>
#include <string.h>

#include "prog.h"

#define MAX_FORMS 4096
#define MAX_DEPTH 3

static uint64_t state;

static uint64_t next_random(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static int below(int n)
{
	return (int)(next_random() >> 33) % n;
}

/* Few values are special, and special ones are what goes wrong. */
static uint64_t random_value(enum prog_class c)
{
	static const uint64_t f32[] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001,
					1, 0x807fffff, 0x00800000, 0x7f7fffff, 0x33800000, 0x3f000000, 0x4f000000, 0xcf000000,
					0x4f800000, 0x40490fdb, 0x42fe0000 };
	static const uint64_t f64[] = { 0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
					0xfff0000000000000, 0x7ff8000000000000, 1, 0x000fffffffffffff, 0x0010000000000000,
					0x7fefffffffffffff, 0x3ca0000000000000, 0x3fe0000000000000, 0x41e0000000000000,
					0xc1e0000000000000, 0x43e0000000000000, 0x400921fb54442d18 };
	static const uint64_t ints[] = { 0, 1, 2, 31, 32, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
					 UINT64_MAX, 1ull << 63, INT64_MAX, 0x3c00, 0x7c00, 0x3f80, 0x7f80, 0x3c003c00, 3, 7, 64 };

	if (below(2)) {
		if (c == CLS_F)
			return f32[below(sizeof(f32) / sizeof(f32[0]))];
		return c == CLS_D ? f64[below(sizeof(f64) / sizeof(f64[0]))] : ints[below(sizeof(ints) / sizeof(ints[0]))];
	}
	if (c == CLS_F)		/* of like size */
		return (uint64_t)(120 + below(16)) << 23 | (next_random() & 0x807fffff);
	if (c == CLS_D)
		return (uint64_t)(1015 + below(16)) << 52 | (next_random() & 0x800fffffffffffff);
	return below(2) ? next_random() : (uint64_t)below(300);
}

static int class_of(char letter, enum prog_class *c)
{
	static const char *const letters[NR_CLASSES] = { "hgke", "wcGKz", "l", "fF", "dD", "p" };

	for (int i = 0; i < NR_CLASSES; i++)
		if (strchr(letters[i], letter)) {
			*c = (enum prog_class)i;
			return 1;
		}
	return 0;
}

/* FORM <tab> DST... = SRC... */
static bool read_form(char *line, struct prog_form *f)
{
	char *save = NULL, *word;
	bool right = false;

	memset(f, 0, sizeof(*f));
	word = strtok_r(line, "\t\n", &save);
	if (!word || strlen(word) >= sizeof(f->name))
		return false;
	strcpy(f->name, word);
	while ((word = strtok_r(NULL, " \n", &save))) {
		bool pair = !strcmp(word, "p|p");

		if (!strcmp(word, "=")) {
			right = true;
		} else if (!right) {
			if ((strchr(word, '|') && !pair) || f->nr_dst + (pair ? 2 : 1) > 2 || !class_of(word[0], &f->dst[f->nr_dst++]))
				return false;
			if (pair)
				f->dst[f->nr_dst++] = CLS_P;
			f->pair |= pair;
		} else if (f->nr_src == PROG_MAX_SRC) {
			return false;
		} else if (strlen(word) == 1 && class_of(word[0], &f->src[f->nr_src])) {
			f->letters[f->nr_src++] = word[0];
		} else if (!strncmp(word, "0x", 2)) {
			f->literal[f->nr_src] = strtoull(word, NULL, 16);
			f->letters[f->nr_src++] = 'i';
		} else {
			return false;
		}
	}
	return f->nr_dst == (f->pair ? 2 : 1) && ev_parse(f->name, f->nr_src, &f->op);
}

size_t prog_read_forms(const char *path, struct prog_form **forms)
{
	FILE *f = fopen(path, "r");
	size_t nr = 0, cap = 0;
	char *line = NULL;

	*forms = calloc(MAX_FORMS, sizeof(**forms));
	while (f && *forms && nr < MAX_FORMS && getline(&line, &cap, f) > 0)
		nr += read_form(line, &(*forms)[nr]);
	free(line);
	if (f)
		fclose(f);
	return nr;
}

static struct stmt *new_stmt(enum stmt_kind kind)
{
	struct stmt *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->kind = kind;
	s->guard = -1;
	return s;
}

static void guard(struct stmt *s)
{
	s->guard = below(PROG_REGS);
	s->negated = below(2);
}

static struct operand operand(enum prog_class c, char letter)
{
	struct operand o = { .reg = below(PROG_REGS) };

	if (strchr("hwlcfd", letter) && !below(7)) {
		o.imm = true;
		o.value = random_value(c);
		if (c == CLS_H)
			o.value &= 0xffff;
		if (c == CLS_W || c == CLS_F)
			o.value &= 0xffffffff;
	}
	return o;
}

static struct stmt *make_op(const struct prog_form *forms, size_t nr)
{
	struct stmt *s = new_stmt(ST_OP);
	const struct prog_form *f = s->form = &forms[next_random() % nr];

	if (!below(3))
		guard(s);
	for (int i = 0; i < f->nr_src; i++) {
		s->src[i] = operand(f->src[i], f->letters[i]);
		if (f->letters[i] == 'i')
			s->src[i] = (struct operand){ .imm = true, .value = f->literal[i] };
	}
	s->dst[0] = below(PROG_REGS);
	s->dst[1] = (s->dst[0] + 1 + below(PROG_REGS - 1)) % PROG_REGS;
	return s;
}

/* Registers and modes of the statements that are no instruction of the table. */
static struct stmt *make_other(struct prog *p, enum stmt_kind kind)
{
	struct stmt *s = new_stmt(kind);

	s->dst[0] = below(PROG_REGS);
	s->dst[1] = (s->dst[0] + 1 + below(PROG_REGS - 1)) % PROG_REGS;
	for (int i = 0; i < 3; i++)
		s->src[i].reg = below(PROG_REGS);
	s->mode = below(64);
	s->label = p->nr_labels++;
	if (kind == ST_BREAK || kind == ST_IF)
		guard(s);
	if ((kind == ST_CARRY || kind == ST_LOCAL) && !below(3))
		guard(s);
	return s;
}

static struct stmt *make_list(struct prog *p, int depth, bool in_loop, int len, const struct prog_form *forms, size_t nr)
{
	static const enum stmt_kind top[] = { ST_EXCHANGE, ST_ATOMIC, ST_SHFL, ST_VOTE, ST_REDUX };
	struct stmt *first = NULL, **end = &first;

	for (int i = 0; i < len; i++) {
		int what = below(20);
		struct stmt *s;

		if (what < 2 && depth < MAX_DEPTH) {
			s = make_other(p, ST_IF);
			s->body = make_list(p, depth + 1, in_loop, 1 + below(5), forms, nr);
			s->other = below(2) ? make_list(p, depth + 1, in_loop, 1 + below(4), forms, nr) : NULL;
		} else if (what < 3 && depth < MAX_DEPTH) {
			s = make_other(p, ST_LOOP);
			s->mode = below(64);
			s->body = make_list(p, depth + 1, true, 1 + below(6), forms, nr);
		} else if (what < 4 && in_loop) {
			s = make_other(p, ST_BREAK);
		} else if (what < 7 && !depth) {
			s = make_other(p, top[below(5)]);
		} else if (what < 8) {
			s = make_other(p, below(2) ? ST_CARRY : ST_LOCAL);
		} else {
			s = make_op(forms, nr);
		}
		*end = s;
		end = &s->next;
	}
	return first;
}

struct prog *prog_make(uint64_t seed, const struct prog_form *forms, size_t nr)
{
	struct prog *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	state = seed * 0x2545f4914f6cdd1d;
	for (int c = 0; c < NR_CLASSES; c++)
		for (int r = 0; r < PROG_REGS; r++)
			for (int t = 0; t < PROG_THREADS; t++)
				p->init[c][r][t] = c == CLS_P ? next_random() & 1 : random_value((enum prog_class)c);
	p->stmts = make_list(p, 0, false, 20 + below(40), forms, nr);
	return p;
}

static void free_list(struct stmt *s)
{
	while (s) {
		struct stmt *next = s->next;

		free_list(s->body);
		free_list(s->other);
		free(s);
		s = next;
	}
}

void prog_free(struct prog *p)
{
	free_list(p->stmts);
	free(p);
}
