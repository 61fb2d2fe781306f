/* SPDX-License-Identifier: MIT */
/*
 * eval_rows.c - the results that a plan of rows.py should have by eval.c, written as run.c writes them
 *
 * Lines whose form is a piece of program, or is not known there, are left out.
 *
 *	eval_rows PLAN
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"

#define N 64
#define MAX_INPUTS 256

static struct {
	char name[32];
	uint64_t v[EV_MAX_SRC + 2][N];
} inputs[MAX_INPUTS];
static int nr_inputs;

/* Forms with more operands than eval.c takes are pieces of program: their inputs are left out too. */
static void read_input(char *line)
{
	int used = 0;
	unsigned n = 0;

	if (nr_inputs == MAX_INPUTS || sscanf(line, "%31s %u%n", inputs[nr_inputs].name, &n, &used) != 2) {
		fprintf(stderr, "eval_rows: bad input\n");
		exit(1);
	}
	if (n > (EV_MAX_SRC + 2) * N)
		return;
	line += used;
	for (unsigned i = 0; i < n; i++)
		inputs[nr_inputs].v[i / N][i % N] = strtoull(line, &line, 16);
	nr_inputs++;
}

/* An immediate as PTX spells it; a decimal fraction takes the form's type. */
static uint64_t immediate(const char *s, const struct ev_op *op)
{
	uint64_t u = 0;

	if (!strncmp(s, "0f", 2) || !strncmp(s, "0d", 2))
		return strtoull(s + 2, NULL, 16);
	if (strchr(s, '.') && op->type[op->nr_types - 1] == EV_F32) {
		float f = strtof(s, NULL);
		uint32_t bits;

		memcpy(&bits, &f, sizeof(bits));
		return bits;
	}
	if (strchr(s, '.')) {
		double d = strtod(s, NULL);

		memcpy(&u, &d, sizeof(u));
		return u;
	}
	return s[0] == '-' ? (uint64_t)strtoll(s, NULL, 0) : strtoull(s, NULL, 0);
}

static void print_results(uint64_t r[2][N], const char *dst)
{
	for (int k = 0; dst[k]; k++) {
		uint64_t bits = 0;

		if (k)
			putchar('|');
		for (int i = 0; i < N && dst[k] == 'p'; i++)
			bits |= (r[k][i] & 1) << i;
		if (dst[k] == 'p')
			printf("%" PRIx64, bits);
		for (int i = 0; i < N && dst[k] != 'p'; i++)
			printf(i ? " %" PRIx64 : "%" PRIx64, dst[k] == 'w' || dst[k] == 'f' ? r[k][i] & 0xffffffff :
			       dst[k] == 'h' ? r[k][i] & 0xffff : r[k][i]);
	}
	putchar('\n');
}

/* ENTRY INPUT DST HOW LABEL, where LABEL is FORM DST = SRC... */
static void evaluate(char *line)
{
	static uint64_t r[2][N];
	char sig[32], dst[16], label[512], *word, *save = NULL, *form, *src[EV_MAX_SRC];
	int used = 0, nr = 0, in = 0;
	struct ev_op op;

	if (sscanf(line, "%*s %31s %15s %*s %n", sig, dst, &used) != 2 || strchr(line + used, '$') || strchr(line + used, ';') ||
	    strlen(dst) > 2 || strlen(line + used) >= sizeof(label))
		return;
	strcpy(label, line + used);
	form = strtok_r(label, " ", &save);
	while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, "="))
		;
	while ((word = strtok_r(NULL, " ", &save)) && nr < EV_MAX_SRC)
		src[nr++] = word;
	if (!form || !ev_parse(form, nr, &op))
		return;
	while (in < nr_inputs && strcmp(inputs[in].name, sig))
		in++;
	for (int i = 0; i < N; i++) {
		uint64_t a[EV_MAX_SRC] = { 0 }, d[2] = { 0 };

		for (int j = 0, k = 0; j < nr; j++)
			a[j] = strlen(src[j]) == 1 && strchr("hwlcfdFDgkGKezpi", src[j][0]) ? inputs[in].v[k++][i] :
			       immediate(src[j], &op);
		ev_run(&op, a, d);
		r[0][i] = d[0];
		r[1][i] = d[1];
	}
	printf("%s\t", line + used);
	print_results(r, dst);
}

int main(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	char *line = NULL;
	size_t cap = 0;

	if (!f) {
		fprintf(stderr, "usage: eval_rows PLAN\n");
		return 2;
	}
	while (getline(&line, &cap, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "input ", 6))
			read_input(line + 6);
		else if (!strncmp(line, "kernel ", 7))
			evaluate(line + 7);
	}
	free(line);
	fclose(f);
	return 0;
}
