// SPDX-License-Identifier: MIT
/*
 * handle.c - handles are numbers with a kind, never pointers
 *
 * A handle is 0x56 in bits 40 to 47, its kind in 32 to 39, and a 32-bit number: the slot in the low
 * 22 bits and above it the slot's generation, so that a handle used after its object has gone, or
 * garbage, or (CUcontext)-1, is told from a live one without touching memory that it may point to.
 * The number alone goes over the wire. Slots are never freed, only used again.
 */
#include <stdlib.h>
#include <string.h>

#include "vcuda.h"

#define MAGIC		0x56ull
#define SLOT_BITS	22
#define CHUNK_BITS	10
#define CHUNK		(1u << CHUNK_BITS)
#define NR_CHUNKS	(1u << (SLOT_BITS - CHUNK_BITS))
#define SLOT_MASK	((1u << SLOT_BITS) - 1)
#define GEN_MASK	((1u << (32 - SLOT_BITS)) - 1)

struct slot {
	_Atomic uint32_t number;	/* of the live object; 0: free */
	uint32_t generation;
	uint32_t next_free;
	uint64_t orphaned;		/* when its last object was; 0: it was not */
	struct vcuda_object obj;
};

struct table {
	pthread_mutex_t lock;		/* creation and deletion; look-up takes none */
	struct slot *_Atomic chunks[NR_CHUNKS];
	uint32_t used;			/* slots ever used; slot 0 never is, so no number is 0 */
	uint32_t free, last_free;	/* free slots, the longest free first; 0: none */
};

static struct table tables[CUDA_HANDLE_MAX + 1] = {
	[0 ... CUDA_HANDLE_MAX] = { .lock = PTHREAD_MUTEX_INITIALIZER, .used = 1 },
};

static struct slot *slot_at(struct table *t, uint32_t i)
{
	struct slot *chunk =
		atomic_load_explicit(&t->chunks[i >> CHUNK_BITS], memory_order_acquire);

	return chunk ? &chunk[i & (CHUNK - 1)] : NULL;
}

static uint32_t take_slot(struct table *t)
{
	uint32_t i = t->free;
	struct slot *chunk;

	if (i) {
		t->free = slot_at(t, i)->next_free;
		if (!t->free)
			t->last_free = 0;
		return i;
	}
	i = t->used;
	if (i > SLOT_MASK)
		return 0;
	if (!slot_at(t, i)) {
		chunk = calloc(CHUNK, sizeof(*chunk));
		if (!chunk)
			return 0;
		atomic_store_explicit(&t->chunks[i >> CHUNK_BITS], chunk, memory_order_release);
	}
	t->used++;
	return i;
}

static void give_slot(struct table *t, struct slot *s, uint32_t i)
{
	s->next_free = 0;
	if (t->last_free)
		slot_at(t, t->last_free)->next_free = i;
	else
		t->free = i;
	t->last_free = i;
}

uint64_t vcuda_handle_new(enum cuda_handle_kind kind, struct vcuda_object **obj)
{
	struct table *t = &tables[kind];
	struct slot *s;
	uint32_t i, number = 0;

	pthread_mutex_lock(&t->lock);
	i = take_slot(t);
	if (i) {
		s = slot_at(t, i);
		number = (s->generation & GEN_MASK) << SLOT_BITS | i;
		memset(&s->obj, 0, sizeof(s->obj));
		s->orphaned = 0;
		if (obj)
			*obj = &s->obj;
		atomic_store_explicit(&s->number, number, memory_order_release);
	}
	pthread_mutex_unlock(&t->lock);
	return number ? MAGIC << 40 | (uint64_t)kind << 32 | number : 0;
}

/* So do some addresses of a program's. */
static bool looks_like_one(enum cuda_handle_kind kind, const void *handle)
{
	return (uintptr_t)handle >> 32 == (MAGIC << 8 | kind);
}

bool vcuda_handle_was_given(enum cuda_handle_kind kind, const void *handle)
{
	uint32_t number = (uint32_t)(uintptr_t)handle, i = number & SLOT_MASK;
	struct table *t = &tables[kind];
	bool given;

	if (!looks_like_one(kind, handle))
		return false;
	pthread_mutex_lock(&t->lock);
	given = i && i < t->used && number >> SLOT_BITS <= slot_at(t, i)->generation;
	pthread_mutex_unlock(&t->lock);
	return given;
}

static struct slot *find(enum cuda_handle_kind kind, const void *handle)
{
	uint64_t h = (uintptr_t)handle;
	uint32_t number = h;
	struct slot *s;

	if (!looks_like_one(kind, handle))
		return NULL;
	s = slot_at(&tables[kind], number & SLOT_MASK);
	if (!number || !s || atomic_load_explicit(&s->number, memory_order_acquire) != number)
		return NULL;
	return s;
}

struct vcuda_object *vcuda_handle_get(enum cuda_handle_kind kind, const void *handle)
{
	struct slot *s = find(kind, handle);

	return s ? &s->obj : NULL;
}

void *vcuda_handle_of(enum cuda_handle_kind kind, uint32_t number)
{
	return (void *)(uintptr_t)(MAGIC << 40 | (uint64_t)kind << 32 | number);
}

void vcuda_handle_del(enum cuda_handle_kind kind, const void *handle)
{
	struct table *t = &tables[kind];
	struct slot *s;

	pthread_mutex_lock(&t->lock);
	s = find(kind, handle);
	if (s) {
		atomic_store_explicit(&s->number, 0, memory_order_release);
		s->generation++;
		give_slot(t, s, (uintptr_t)handle & SLOT_MASK);
	}
	pthread_mutex_unlock(&t->lock);
}

/* With the lock: the free slot whose last object had that handle. */
static struct slot *find_last(enum cuda_handle_kind kind, const void *handle)
{
	uint32_t number = (uint32_t)(uintptr_t)handle;
	struct slot *s;

	if (!looks_like_one(kind, handle))
		return NULL;
	s = slot_at(&tables[kind], number & SLOT_MASK);
	if (!s || atomic_load(&s->number) || ((s->generation - 1) & GEN_MASK) != number >> SLOT_BITS)
		return NULL;
	return s;
}

void vcuda_handle_orphan(enum cuda_handle_kind kind, const void *handle, uint64_t when)
{
	struct slot *s;

	pthread_mutex_lock(&tables[kind].lock);
	s = find_last(kind, handle);
	if (s)
		s->orphaned = when;
	pthread_mutex_unlock(&tables[kind].lock);
}

uint64_t vcuda_handle_orphaned(enum cuda_handle_kind kind, const void *handle)
{
	const struct slot *s;
	uint64_t when;

	pthread_mutex_lock(&tables[kind].lock);
	s = find_last(kind, handle);
	when = s ? s->orphaned : 0;
	pthread_mutex_unlock(&tables[kind].lock);
	return when;
}

void vcuda_handle_each(enum cuda_handle_kind kind,
		       void (*fn)(void *handle, struct vcuda_object *obj, void *arg), void *arg)
{
	struct table *t = &tables[kind];
	uint32_t i, number;
	struct slot *s;

	for (i = 1; i < t->used; i++) {
		s = slot_at(t, i);
		number = atomic_load_explicit(&s->number, memory_order_acquire);
		if (number)
			fn((void *)(uintptr_t)(MAGIC << 40 | (uint64_t)kind << 32 | number),
			   &s->obj, arg);
	}
}
