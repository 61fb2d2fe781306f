/* SPDX-License-Identifier: MIT */
#include "handle.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/*
 * A handle is generation << 32 | index << 6 | kind: never small, so it cannot collide with
 * CU_STREAM_LEGACY (1) and (2).
 */
#define KIND_BITS	6
#define KIND_MASK	((1 << KIND_BITS) - 1)
#define INDEX_BITS	(32 - KIND_BITS)

struct slot {
	struct object *obj;	/* NULL: free */
	uint64_t orphan;	/* the handle of one that went with its context, while it is free */
	uint64_t orphaned;	/* when */
	uint32_t next_free;
};

static struct slot *slots;
static uint32_t nr_slots, max_slots;
static uint32_t first_free = UINT32_MAX, last_free;	/* the longest free first */
static uint32_t generation;

static int grow(void)
{
	uint32_t n = max_slots ? max_slots * 2 : 64;
	struct slot *s;

	if (n > 1u << INDEX_BITS)
		return -ENOMEM;
	s = realloc(slots, n * sizeof(*s));
	if (!s)
		return -ENOMEM;
	slots = s;
	max_slots = n;
	return 0;
}

int handle_create(struct object *obj, enum handle_kind kind)
{
	uint32_t i = first_free;

	if (i != UINT32_MAX) {
		first_free = slots[i].next_free;
	} else {
		if (nr_slots == max_slots && grow())
			return -ENOMEM;
		i = nr_slots++;
	}
	if (++generation == 0)
		generation = 1;
	slots[i].obj = obj;
	slots[i].orphan = 0;
	obj->kind = kind;
	obj->handle = (uint64_t)generation << 32 | (uint64_t)i << KIND_BITS | kind;
	return 0;
}

static struct slot *slot_of(uint64_t handle)
{
	uint32_t i = (uint32_t)handle >> KIND_BITS;

	if (i >= nr_slots || !slots[i].obj || slots[i].obj->handle != handle)
		return NULL;
	return &slots[i];
}

void handle_retire(struct object *obj)
{
	struct slot *s = slot_of(obj->handle);
	uint32_t i;

	if (!s)
		return;
	i = s - slots;
	s->obj = NULL;
	s->next_free = UINT32_MAX;
	if (first_free == UINT32_MAX)
		first_free = i;
	else
		slots[last_free].next_free = i;
	last_free = i;
	obj->handle = 0;
}

void handle_orphan(struct object *obj, uint64_t when)
{
	struct slot *s = slot_of(obj->handle);

	if (s) {
		s->orphan = obj->handle;
		s->orphaned = when;
	}
	handle_retire(obj);
}

uint64_t handle_orphaned(uint64_t handle)
{
	uint32_t i = (uint32_t)handle >> KIND_BITS;

	return handle && i < nr_slots && slots[i].orphan == handle ? slots[i].orphaned : 0;
}

void *handle_find(uint64_t handle, enum handle_kind kind)
{
	struct slot *s;

	if ((handle & KIND_MASK) != kind)
		return NULL;
	s = slot_of(handle);
	return s ? s->obj : NULL;
}

bool handle_was_given(uint64_t handle, enum handle_kind kind)
{
	uint32_t when = handle >> 32;

	return (handle & KIND_MASK) == kind && (uint32_t)handle >> KIND_BITS < nr_slots && when &&
	       when <= generation;
}
