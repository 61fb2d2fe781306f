/* SPDX-License-Identifier: MIT */
#include "handles.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SLOTS	256u	/* a power of two */

static uint32_t slot_of(const struct handles *h, uint32_t kind, uint32_t number)
{
	uint64_t x = (((uint64_t)kind << 32) | number) ^ h->seed;

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	x ^= x >> 33;
	return x & h->mask;
}

int handles_init(struct handles *h, uint64_t seed)
{
	*h = (struct handles){ .mask = FIRST_SLOTS - 1, .seed = seed };
	h->slots = calloc(FIRST_SLOTS, sizeof(*h->slots));
	return h->slots ? 0 : -ENOMEM;
}

void handles_fini(struct handles *h)
{
	free(h->slots);
	*h = (struct handles){ 0 };
}

struct handle *handles_find(const struct handles *h, uint32_t kind, uint32_t number)
{
	uint32_t i = slot_of(h, kind, number);

	if (!number)
		return NULL;
	for (; h->slots[i].number; i = (i + 1) & h->mask)
		if (h->slots[i].number == number && h->slots[i].kind == kind)
			return &h->slots[i];
	return NULL;
}

static struct handle *insert(struct handles *h, const struct handle *new)
{
	uint32_t i = slot_of(h, new->kind, new->number);

	while (h->slots[i].number)
		i = (i + 1) & h->mask;
	h->slots[i] = *new;
	h->nr++;
	return &h->slots[i];
}

/* At most half full, so that a search ends. */
static bool grow(struct handles *h)
{
	struct handles new = { .mask = h->mask * 2 + 1, .seed = h->seed };

	new.slots = calloc((size_t)new.mask + 1, sizeof(*new.slots));
	if (!new.slots)
		return false;
	for (uint32_t i = 0; i <= h->mask; i++)
		if (h->slots[i].number)
			insert(&new, &h->slots[i]);
	free(h->slots);
	*h = new;
	return true;
}

struct handle *handles_add(struct handles *h, uint32_t kind, uint32_t number, void *real)
{
	struct handle new = { .kind = kind, .number = number, .real = real };

	if (!number || h->nr >= HANDLES_MAX || handles_find(h, kind, number))
		return NULL;
	if (h->nr >= (h->mask + 1) / 2 && !grow(h))
		return NULL;
	return insert(h, &new);
}

/* Closes the gap, so that no search stops at it: whoever may stand there moves up. */
bool handles_del(struct handles *h, uint32_t kind, uint32_t number)
{
	struct handle *gone = handles_find(h, kind, number);
	uint32_t gap, i;

	if (!gone)
		return false;
	gap = gone - h->slots;
	for (i = (gap + 1) & h->mask; h->slots[i].number; i = (i + 1) & h->mask) {
		uint32_t home = slot_of(h, h->slots[i].kind, h->slots[i].number);

		if (((i - home) & h->mask) >= ((i - gap) & h->mask)) {
			h->slots[gap] = h->slots[i];
			gap = i;
		}
	}
	h->slots[gap] = (struct handle){ 0 };
	h->nr--;
	return true;
}

/* A deletion moves others up, maybe into the slot that was just looked at, maybe round the end. */
void handles_drop(struct handles *h, uint32_t kind, const void *aux)
{
	bool again = true;
	uint32_t i;

	while (again) {
		again = false;
		for (i = 0; i <= h->mask; i++) {
			if (!h->slots[i].number || h->slots[i].kind != kind ||
			    h->slots[i].aux != aux)
				continue;
			handles_del(h, kind, h->slots[i].number);
			again = true;
		}
	}
}
