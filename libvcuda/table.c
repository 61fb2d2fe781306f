// SPDX-License-Identifier: MIT
/*
 * table.c - what the server has said of an image's kernels, for when a program loads it again
 *
 * cuDNN loads a small text for each handle, twice.
 */
#include <stdlib.h>
#include <string.h>

#include "load.h"

#define TABLES_MAX	64u
#define TABLE_BYTES_MAX	(64u << 10)

struct vcuda_table {
	struct vcuda_table *next;
	uint8_t hash[16];
	size_t n;
	uint8_t bytes[];
};

static struct vcuda_table *tables;
static unsigned int nr_tables;

static struct vcuda_table *find(const uint8_t hash[16])
{
	struct vcuda_table *t;

	for (t = tables; t && memcmp(t->hash, hash, sizeof(t->hash)); t = t->next)
		;
	return t;
}

struct vcuda_table *vcuda_table_new(const uint8_t hash[16], const void *p, size_t n)
{
	struct vcuda_table *t = n <= TABLE_BYTES_MAX ? malloc(sizeof(*t) + n) : NULL;

	if (!t)
		return NULL;
	memcpy(t->hash, hash, sizeof(t->hash));
	t->n = n;
	memcpy(t->bytes, p, n);
	return t;
}

void vcuda_table_keep(struct vcuda_table *t)
{
	if (!t || nr_tables == TABLES_MAX || find(t->hash)) {
		free(t);
		return;
	}
	t->next = tables;
	tables = t;
	nr_tables++;
}

uint8_t *vcuda_table_copy(const uint8_t hash[16], size_t *n)
{
	const struct vcuda_table *t = find(hash);
	uint8_t *copy = t ? malloc(t->n) : NULL;

	if (copy) {
		memcpy(copy, t->bytes, t->n);
		*n = t->n;
	}
	return copy;
}
