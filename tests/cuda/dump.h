/* SPDX-License-Identifier: MIT */
/*
 * dump.h - the outputs of a program, for tools/softcheck.py to compare with those of another device
 *
 * With DGSF_DUMP=FILE in the environment each dump() appends one record: a line "name bytes bound",
 * then the bytes. bound is a word: "exact"; or "f32:N" or "f64:N", numbers of that type that may
 * differ by N units in the last place; or "f32:abs:X" or "f64:abs:X", by X: what PTX leaves open of
 * the instruction behind them, whose own error two devices may have to opposite sides.
 */
#ifndef DUMP_H
#define DUMP_H

#include "check.h"

static inline void dump_as(const char *bound, const char *name, const void *p, size_t bytes)
{
	const char *path = getenv("DGSF_DUMP");
	FILE *f = path && *path ? fopen(path, "ab") : NULL;

	if (!path || !*path)
		return;
	if (!f || fprintf(f, "%s %zu %s\n", name, bytes, bound) < 0 ||
	    fwrite(p, 1, bytes, f) != bytes || fclose(f))
		fail("cannot write %s", path);
}

static inline void dump(const char *name, const void *p, size_t bytes)
{
	dump_as("exact", name, p, bytes);
}

#endif
