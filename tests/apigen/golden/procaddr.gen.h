/* SPDX-License-Identifier: MIT */
/* what cuGetProcAddress chooses from; made by tools/apigen.py from cuda.def, do not edit */
#ifndef PROCADDR_GEN_H
#define PROCADDR_GEN_H

#include <stdbool.h>
#include <stddef.h>

struct gen_procaddr {
	const char *name;	/* without _vN, _ptsz and _ptds */
	int since;		/* version of CUDA that brought this variant */
	bool per_thread;
	const char *symbol;
	void (*fn)(void);	/* NULL: not in this library */
};
/* Sorted by name, then per_thread, then since. */
extern const struct gen_procaddr gen_procaddr[];
extern const size_t gen_procaddr_count;

#endif
