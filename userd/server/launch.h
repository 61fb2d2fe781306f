/* SPDX-License-Identifier: MIT */
/*
 * launch.h - the functions of loaded modules by the ids that the client got, and their launches
 *
 * Executor only. An id is an index plus one and is never used again in a session.
 */
#ifndef SERVER_LAUNCH_H
#define SERVER_LAUNCH_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgpu_wire.h"

struct worker;

#define FUNCTIONS_MAX	(1u << 22)	/* ids of a session */

struct function {
	CUfunction fn;		/* NULL: its module is gone */
	bool is_kernel;		/* fn is a CUkernel */
	uint32_t nr_params;
	uint32_t *offsets;	/* of the parameters in the block */
	size_t param_bytes;	/* of the block */
};

struct functions {
	struct function *list;
	uint32_t nr, room;
	void **pointers;	/* to the parameters of the launch at hand */
	uint32_t nr_pointers;
};

/* Adds one and returns its id; takes offsets over. 0: no memory or too many. */
uint32_t functions_add(struct functions *f, const struct function *fn);
void functions_del(struct functions *f, uint32_t first, uint32_t nr);
/* NULL: no such id, or its module is gone. */
struct function *functions_find(struct functions *f, uint32_t id);
/* CUfunction_attribute 0 to 15; the result has a bit for each that the driver gave. */
uint32_t function_attributes(struct worker *w, const struct function *fn,
			     int values[VWIRE_KERNEL_ATTRIBUTES]);

#endif /* SERVER_LAUNCH_H */
