// SPDX-License-Identifier: MIT
/*
 * variable.c - variables of modules that the program has asked for: the device's memory outside the
 * lease's range
 */
#include "variable.h"

#include <stdatomic.h>

#define MAX_VARIABLES	1024

static struct { uint64_t addr, size; CUcontext ctx; } variables[MAX_VARIABLES];
static _Atomic unsigned int nr_variables;

static int find(uint64_t addr)
{
	int i;

	for (i = atomic_load(&nr_variables) - 1; i >= 0; i--)
		if (addr - variables[i].addr < variables[i].size)
			return i;
	return -1;
}

void vcuda_variable_note(uint64_t addr, uint64_t size, CUcontext ctx)
{
	unsigned int i, n;

	vcuda_arena_lock();
	n = atomic_load(&nr_variables);
	for (i = 0; i < n && variables[i].addr != addr; i++)
		;
	if (i < MAX_VARIABLES) {
		variables[i].addr = addr;
		variables[i].size = size;
		variables[i].ctx = ctx;
		if (i == n)
			atomic_store(&nr_variables, n + 1);
	}
	vcuda_arena_unlock();
}

void vcuda_variables_context(CUcontext ctx)
{
	int i;

	for (i = atomic_load(&nr_variables) - 1; i >= 0; i--)
		if (variables[i].ctx == ctx)
			variables[i].size = 0;
}

CUcontext vcuda_variable_context(uint64_t addr)
{
	CUcontext ctx;
	int i;

	if (vcuda_arena_holds(addr))
		return NULL;
	vcuda_arena_lock();
	i = find(addr);
	ctx = i < 0 ? NULL : variables[i].ctx;
	vcuda_arena_unlock();
	return ctx;
}

bool vcuda_is_variable(uint64_t addr)
{
	return find(addr) >= 0;
}

bool vcuda_variable_find(uint64_t addr, struct vcuda_range *out)
{
	int i = find(addr);

	if (i < 0)
		return false;
	*out = (struct vcuda_range){
		.kind = ARENA_DEVICE, .start = variables[i].addr, .size = variables[i].size,
		.id = variables[i].addr, .ctx = variables[i].ctx ?: vcuda_current(),
	};
	return true;
}
