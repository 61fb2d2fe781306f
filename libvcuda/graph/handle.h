/* SPDX-License-Identifier: MIT */
/*
 * handle.h - the library's handles (vcuda.h) as userd/graph knows handles
 *
 * Conditional handles are values of the server's driver, for device code to use.
 */
#ifndef VCUDA_GRAPH_HANDLE_H
#define VCUDA_GRAPH_HANDLE_H

#include <stdint.h>
#include <sys/queue.h>

#include "cuda_ids.gen.h"

enum handle_kind {
	HANDLE_GRAPH = CUDA_HANDLE_graph,
	HANDLE_NODE = CUDA_HANDLE_graph_node,
	HANDLE_EXEC = CUDA_HANDLE_graph_exec,
	HANDLE_USER_OBJECT = CUDA_HANDLE_user_object,
	HANDLE_EVENT = CUDA_HANDLE_event,
	HANDLE_CONDITIONAL = CUDA_HANDLE_MAX,
};

struct object {
	enum handle_kind kind;
	uint64_t handle;		/* 0: none, or no longer */
	LIST_ENTRY(object) link;	/* conditional handles */
};

/* 0, or -ENOMEM. */
int handle_create(struct object *obj, enum handle_kind kind);
void handle_retire(struct object *obj);
/* NULL: garbage, stale, or of another kind. */
void *handle_find(uint64_t handle, enum handle_kind kind);

#define HANDLE_OF(p)		((void *)(uintptr_t)(p)->obj.handle)
#define HANDLE_FIND(h, kind)	handle_find((uint64_t)(uintptr_t)(h), kind)

#endif
