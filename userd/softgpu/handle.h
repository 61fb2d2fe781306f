/* SPDX-License-Identifier: MIT */
/*
 * handle.h - what the program holds instead of a pointer
 *
 * A handle is a table index with a generation that is never used twice, so a garbage or stale one
 * is recognised without touching memory it may point at. Everything here is called with the driver
 * lock held (init.h).
 */
#ifndef SOFTGPU_HANDLE_H
#define SOFTGPU_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

enum handle_kind {
	HANDLE_CONTEXT = 1,
	HANDLE_STREAM,
	HANDLE_EVENT,
	HANDLE_MODULE,
	HANDLE_FUNCTION,
	HANDLE_LIBRARY,
	HANDLE_KERNEL,
	HANDLE_MEMORY,		/* CUmemGenericAllocationHandle */
	HANDLE_GRAPH,
	HANDLE_NODE,
	HANDLE_EXEC,		/* CUgraphExec */
	HANDLE_USER_OBJECT,
	HANDLE_POOL,
	HANDLE_CONDITIONAL,	/* CUgraphConditionalHandle */
	HANDLE_ARRAY,
	HANDLE_MIPMAPPED,	/* CUmipmappedArray */
	HANDLE_TEXTURE,		/* CUtexObject */
	HANDLE_SURFACE,		/* CUsurfObject */
	HANDLE_LINK,		/* CUlinkState */
};

/* First member of everything that has a handle. */
struct object {
	enum handle_kind kind;
	uint64_t handle;	/* 0: none, or no longer */
};

/* Gives obj a handle. 0, or -ENOMEM. */
int handle_create(struct object *obj, enum handle_kind kind);
/* The handle is stale from here on; the object lives as long as its owner wants. */
void handle_retire(struct object *obj);
/* The same for what goes with its context; when: as the caller counts, not 0. */
void handle_orphan(struct object *obj, uint64_t when);
/* When the object went with its context; 0: it did not, or another has its place. */
uint64_t handle_orphaned(uint64_t handle);
/* NULL: garbage, stale, or of another kind. */
void *handle_find(uint64_t handle, enum handle_kind kind);
/* It was given out once, and may be stale: not so garbage. */
bool handle_was_given(uint64_t handle, enum handle_kind kind);

#define HANDLE_OF(p)		((void *)(uintptr_t)(p)->obj.handle)
#define HANDLE_FIND(h, kind)	handle_find((uint64_t)(uintptr_t)(h), kind)

#endif
