/* SPDX-License-Identifier: MIT */
/*
 * progfuzz.c - random programs on one build of softgpu's executors, against a plain interpreter
 *
 *	progfuzz FORMS ISA SEED COUNT		COUNT programs, or for COUNT seconds: 600s
 *
 * Speaks TAP. A program that differs is printed with its seed and the first register that does.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "memory.h"
#include "prog.h"
#include "ptx_parse.h"

#define BYTES (NR_CLASSES * PROG_REGS * PROG_THREADS * 8)

static uint64_t in, out;

static void quote(const char *text)
{
	int line = 1;

	printf("# %4d\t", line);
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n' && text[1])
			printf("# %4d\t", ++line);
	}
}

static bool run(const char *text, size_t len, char *why, size_t size)
{
	struct sg_log log = { why, size, 0 };
	struct sg_ptx ptx = { text, len };
	uint64_t params[2] = { in, out };
	struct sg_launch l = { .grid = { 1, 1, 1 }, .block = { PROG_THREADS, 1, 1 }, .params = params };
	struct sg_fault fault = { 0 };
	struct sg_module *m;

	if (sg_module_create(&ptx, 1, &m, &log))
		return false;
	l.kernel = sg_module_find(m, "k");
	if (sg_launch_run(&l, &fault)) {
		snprintf(why, size, "%s", fault.text);
		sg_module_destroy(m);
		return false;
	}
	sg_module_destroy(m);
	return true;
}

static bool compare(const struct prog_state *want, char *why, size_t size)
{
	static const char letters[] = "hwlfdp";
	const uint64_t *got = (const uint64_t *)(uintptr_t)out;

	for (int c = 0; c < NR_CLASSES; c++)
		for (int r = 0; r < PROG_REGS; r++)
			for (int t = 0; t < PROG_THREADS; t++, got++)
				if (*got != want[t].r[c][r]) {
					snprintf(why, size, "thread %d: %%%c%d is %" PRIx64 ", not %" PRIx64, t, letters[c], r,
						 *got, want[t].r[c][r]);
					return false;
				}
	return true;
}

static bool one(uint64_t seed, const struct prog_form *forms, size_t nr)
{
	static struct prog_state want[PROG_THREADS];
	struct prog *p = prog_make(seed, forms, nr);
	char *text = NULL, why[256] = "";
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool ok;

	if (!f)
		abort();
	prog_print(p, f);
	fclose(f);
	prog_interpret(p, want);
	memcpy((void *)(uintptr_t)in, p->init, sizeof(p->init));
	memset((void *)(uintptr_t)out, 0, BYTES);
	ok = run(text, len, why, sizeof(why)) && compare(want, why, sizeof(why));
	if (!ok) {
		quote(text);
		printf("# seed %" PRIu64 ": %s\n", seed, why);
	}
	prog_free(p);
	free(text);
	return ok;
}

int main(int argc, char **argv)
{
	struct prog_form *forms;
	unsigned long count, done = 0, bad = 0;
	bool seconds = argc == 5 && strchr(argv[4], 's');
	time_t end;
	size_t nr;

	if (argc != 5) {
		fprintf(stderr, "usage: progfuzz FORMS ISA SEED COUNT\n");
		return 2;
	}
	setenv("SOFTGPU_ISA", argv[2], 1);
	setenv("SOFTGPU_SM", "90", 1);	/* which has every form */
	nr = prog_read_forms(argv[1], &forms);
	count = strtoul(argv[4], NULL, 10);
	end = time(NULL) + (time_t)count;
	printf("1..1\n");
	if (strcmp(ptx_isa()->name, argv[2])) {
		printf("ok 1 random programs # SKIP this processor has no %s\n", argv[2]);
		return 0;
	}
	in = sg_mem_alloc(BYTES, 256);
	out = sg_mem_alloc(BYTES, 256);
	if (!nr || !in || !out) {
		printf("Bail out! no forms, or no memory\n");
		return 1;
	}
	for (uint64_t seed = strtoull(argv[3], NULL, 10); bad < 3 && (seconds ? time(NULL) < end : done < count); seed++, done++)
		bad += !one(seed, forms, nr);
	printf("%s 1 %lu random programs of %zu forms on %s\n", bad ? "not ok" : "ok", done, nr, argv[2]);
	sg_mem_free(in);
	sg_mem_free(out);
	free(forms);
	return bad != 0;
}
