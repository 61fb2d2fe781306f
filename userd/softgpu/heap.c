/* SPDX-License-Identifier: MIT */
/*
 * heap.c - the heap of kernels: first fit from where the last allocation was
 *
 * Freed blocks join with those that follow. What is known of the blocks lies beside the memory, not
 * in it, where a kernel could write over it.
 */
#include "heap.h"

#include <pthread.h>
#include <stdlib.h>

#define UNIT 16

struct sg_heap {
	pthread_mutex_t lock;
	uint64_t base;
	uint32_t units, next;
	uint32_t *len;		/* at the first unit of a block: its units; else 0 */
	uint8_t *used;
};

struct sg_heap *sg_heap_create(uint64_t base, uint64_t bytes)
{
	struct sg_heap *h = bytes / UNIT > UINT32_MAX ? NULL : calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->base = base;
	h->units = (uint32_t)(bytes / UNIT);
	h->len = calloc((size_t)h->units + 1, sizeof(*h->len));
	h->used = calloc((size_t)h->units + 1, sizeof(*h->used));
	if (!h->len || !h->used) {
		free(h->len);
		free(h->used);
		free(h);
		return NULL;
	}
	pthread_mutex_init(&h->lock, NULL);
	h->len[0] = h->units;
	return h;
}

void sg_heap_destroy(struct sg_heap *h)
{
	if (!h)
		return;
	pthread_mutex_destroy(&h->lock);
	free(h->len);
	free(h->used);
	free(h);
}

/* Joins the free blocks that follow block i. */
static uint32_t join(struct sg_heap *h, uint32_t i)
{
	uint32_t next;

	while ((next = i + h->len[i]) < h->units && !h->used[next]) {
		h->len[i] += h->len[next];
		h->len[next] = 0;	/* no block starts there any more */
	}
	return h->len[i];
}

static uint64_t scan(struct sg_heap *h, uint32_t from, uint32_t units)
{
	for (uint32_t i = from; i < h->units; i += h->len[i]) {
		if (h->used[i] || join(h, i) < units)
			continue;
		if (h->len[i] > units) {
			h->len[i + units] = h->len[i] - units;
			h->used[i + units] = 0;
			h->len[i] = units;
		}
		h->used[i] = 1;
		h->next = i + units < h->units ? i + units : 0;
		return h->base + (uint64_t)i * UNIT;
	}
	return 0;
}

uint64_t heap_alloc(struct sg_heap *h, uint64_t size)
{
	uint64_t units = size / UNIT + (size % UNIT != 0), at = 0;

	if (!h || !units || units > h->units)
		return 0;
	pthread_mutex_lock(&h->lock);
	if (h->len[h->next])
		at = scan(h, h->next, (uint32_t)units);
	if (!at)
		at = scan(h, 0, (uint32_t)units);
	pthread_mutex_unlock(&h->lock);
	return at;
}

bool heap_free(struct sg_heap *h, uint64_t addr)
{
	uint64_t i = h ? (addr - h->base) / UNIT : 0;
	bool ok;

	if (!h || addr < h->base || addr % UNIT || i >= h->units)
		return false;
	pthread_mutex_lock(&h->lock);
	ok = h->used[i];
	if (ok) {
		h->used[i] = 0;
		join(h, (uint32_t)i);
	}
	pthread_mutex_unlock(&h->lock);
	return ok;
}
