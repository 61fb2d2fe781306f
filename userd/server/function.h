/* SPDX-License-Identifier: MIT */
/*
 * function.h - the functions of loaded modules, by their ids
 *
 * Executor only. An id is never used again in a session. Of a module with a table the worker gives
 * them: an index plus one. Those that the client names itself have VWIRE_FUNCTION_NAMED plus an
 * index.
 */
#ifndef SERVER_FUNCTION_H
#define SERVER_FUNCTION_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgpu_wire.h"

struct module;
struct worker;

#define FUNCTIONS_MAX	(1u << 22)	/* ids of a session, of either kind */

struct parameter {
	uint32_t offset, size;	/* bytes, in the block */
};

struct function {
	CUfunction fn;		/* NULL: its module is gone, or it has no such function */
	uint32_t previous;	/* that the client named in the same module, plus one; 0: none */
	bool is_kernel;		/* fn is a CUkernel */
	uint32_t nr_params;
	struct parameter *params;
	size_t param_bytes;	/* of the block */
};

struct function_list {
	struct function *list;
	uint32_t nr, room;
};

struct functions {
	struct function_list given, named;
	void **pointers;	/* to the parameters of the launch at hand */
	uint32_t nr_pointers;
};

/* Asks the driver for the parameters of fn->fn. After an error fn->params is to be freed, too. */
CUresult function_read(struct function *fn);
/* Adds one and returns its id; takes params over. 0: no memory or too many. */
uint32_t functions_add(struct functions *f, const struct function *fn);
void functions_del(struct functions *f, uint32_t first, uint32_t nr);
/* Those of a module that the client named. */
void functions_drop(struct functions *f, struct module *m);
/* NULL: no such id, or its module is gone. */
struct function *functions_find(struct functions *f, uint32_t id);
CUresult function_attribute(struct worker *w, const struct function *fn, int attribute, int *value);
/* CUfunction_attribute 0 to 15; the result has a bit for each that the driver gave. */
uint32_t function_attributes(struct worker *w, const struct function *fn,
			     int values[VWIRE_KERNEL_ATTRIBUTES]);

#endif /* SERVER_FUNCTION_H */
