/* SPDX-License-Identifier: MIT */
/* What tools/twin.c and the generated functions of build/gen/twin.gen.c know of each other. */
#ifndef TWIN_H
#define TWIN_H

#include <cuda.h>

typedef void (*twin_fn)(void);

struct twin_row {
	const char *name;
	twin_fn *real;		/* in the library behind */
};
extern const struct twin_row twin_rows[];

/* Calls that this thread is in: what the library calls itself is not recorded. */
extern __thread int twin_depth;

void twin_record(const char *name, CUresult result);
void twin_swap(const char *name, void **pfn, int version, cuuint64_t flags);

#endif
