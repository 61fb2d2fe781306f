/* SPDX-License-Identifier: MIT */
/*
 * cover.c - which rows of the executors' tables a set of PTX texts uses
 *
 *	cover FILE...
 *
 * Parses the texts and writes the name of each row, a tab, and 1 if an instruction was decoded to it. The linker
 * wraps ptx_form_find(), by which every instruction finds its row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "ptx_parse.h"

#define MAX_ROWS 8192

static const struct sg_form *used[MAX_ROWS];
static size_t nr_used;

const struct sg_form *__real_ptx_form_find(const char *name, size_t len);
const struct sg_form *__wrap_ptx_form_find(const char *name, size_t len);

const struct sg_form *__wrap_ptx_form_find(const char *name, size_t len)
{
	const struct sg_form *f = __real_ptx_form_find(name, len);

	for (size_t i = 0; i < nr_used; i++)
		if (used[i] == f)
			return f;
	if (f && nr_used < MAX_ROWS)
		used[nr_used++] = f;
	return f;
}

static void parse(const char *path)
{
	struct sg_log log = { NULL, 0, 0 };
	struct sg_module *m = NULL;
	struct sg_ptx ptx;
	FILE *f = fopen(path, "rb");
	char *text = malloc(1 << 24);

	if (!f || !text) {
		fprintf(stderr, "cover: cannot read %s\n", path);
		exit(1);
	}
	ptx = (struct sg_ptx){ text, fread(text, 1, 1 << 24, f) };
	fclose(f);
	if (!sg_module_create(&ptx, 1, &m, &log))
		sg_module_destroy(m);
	free(text);
}

static int is_used(const struct sg_form *form)
{
	for (size_t i = 0; i < nr_used; i++)
		if (used[i] == form)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		parse(argv[i]);
	for (const struct sg_form *const *t = ptx_isa()->forms; *t; t++)
		for (const struct sg_form *f = *t; f->name; f++)
			printf("%s\t%d\n", f->name, is_used(f));
	return 0;
}
