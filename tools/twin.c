// SPDX-License-Identifier: MIT
/*
 * twin.c - build/twin/libcuda.so.1: passes every call on to another libcuda.so.1, and records it
 *
 * DGSF_REAL_CUDA names the library behind. Each call of the program is a line of the file
 * DGSF_TWIN_LOG: process, thread, function, result. Lines are written one at a time, so that those
 * before a crash are there.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "procaddr.gen.h"
#include "twin.h"

__thread int twin_depth;
static int out = -1;

void twin_record(const char *name, CUresult result)
{
	char line[160];
	int n;

	if (--twin_depth || out < 0)
		return;
	n = snprintf(line, sizeof(line), "%d %d %s %d\n", (int)getpid(), (int)gettid(), name,
		     (int)result);
	if (write(out, line, n) != n)
		abort();
}

static CUresult missing(void)
{
	return CUDA_ERROR_NOT_FOUND;
}

static const struct twin_row *find(const char *symbol)
{
	for (const struct twin_row *row = twin_rows; row->name; row++)
		if (!strcmp(row->name, symbol))
			return row;
	return NULL;
}

/* The function here for what the library behind answered; that itself for a name not known here. */
void twin_swap(const char *name, void **pfn, int version, cuuint64_t flags)
{
	const struct gen_procaddr *best = NULL;
	bool per_thread = flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;

	if (!pfn || !*pfn)
		return;
	for (size_t i = 0; i < gen_procaddr_count; i++) {
		const struct gen_procaddr *p = &gen_procaddr[i];
		const struct twin_row *row = strcmp(p->name, name) ? NULL : find(p->symbol);

		if (!row || *row->real == (twin_fn)missing || p->since > version ||
		    (p->per_thread && !per_thread))
			continue;
		if (!best || p->per_thread > best->per_thread ||
		    (p->per_thread == best->per_thread && p->since >= best->since))
			best = p;
	}
	if (best && best->fn)
		*pfn = (void *)best->fn;
}

__attribute__((constructor)) static void load(void)
{
	const char *real = getenv("DGSF_REAL_CUDA"), *log = getenv("DGSF_TWIN_LOG");
	void *library = real ? dlopen(real, RTLD_NOW | RTLD_LOCAL) : NULL;

	if (!library) {
		fprintf(stderr, "twin: %s\n", real ? dlerror() : "DGSF_REAL_CUDA names no library");
		_exit(125);
	}
	for (const struct twin_row *row = twin_rows; row->name; row++) {
		*(void **)row->real = dlsym(library, row->name);
		if (!*row->real)
			*row->real = (twin_fn)missing;
	}
	if (log)
		out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}
