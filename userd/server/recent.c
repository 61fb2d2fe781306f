/* SPDX-License-Identifier: MIT */
#include "recent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct recent_image *find(struct recent *r, const uint8_t hash[IMAGECACHE_HASH])
{
	for (unsigned int i = 0; i < r->nr; i++)
		if (!memcmp(r->images[i].hash, hash, IMAGECACHE_HASH))
			return &r->images[i];
	return NULL;
}

struct recent_image *recent_add(struct recent *r, const uint8_t hash[IMAGECACHE_HASH])
{
	struct recent_image *i = find(r, hash);

	if (i || r->nr == RECENT_IMAGES)
		return i;
	i = &r->images[r->nr++];
	memcpy(i->hash, hash, IMAGECACHE_HASH);
	return i;
}

static bool is_line(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < ' ')
			return false;
	return true;
}

/* One image more than half of the file is room for: see print(). */
_Static_assert(RECENT_KERNELS * (RECENT_NAME + 2) + IMAGECACHE_NAME < RECENT_BYTES / 2, "any fits");

void recent_add_kernel(struct recent_image *i, const char *name)
{
	char *copy;

	if (i->nr_kernels == RECENT_KERNELS || !*name || strlen(name) > RECENT_NAME || !is_line(name))
		return;
	for (unsigned int k = 0; k < i->nr_kernels; k++)
		if (!strcmp(i->kernels[k], name))
			return;
	copy = strdup(name);
	if (copy)
		i->kernels[i->nr_kernels++] = copy;
}

void recent_append(struct recent *r, const struct recent *older)
{
	for (unsigned int i = 0; i < older->nr; i++) {
		const struct recent_image *from = &older->images[i];
		struct recent_image *to = find(r, from->hash) ? NULL : recent_add(r, from->hash);

		for (unsigned int k = 0; to && k < from->nr_kernels; k++)
			recent_add_kernel(to, from->kernels[k]);
	}
}

void recent_read(struct recent *r, const struct imagecache *c)
{
	char *text = imagecache_read(c, IMAGECACHE_RECENT, RECENT_BYTES), *rest = text, *line;
	struct recent_image *i = NULL;
	uint8_t hash[IMAGECACHE_HASH];

	*r = (struct recent){ 0 };
	while ((line = strsep(&rest, "\n"))) {
		if (*line == '\t' && i)
			recent_add_kernel(i, line + 1);
		else if (imagecache_hash_of(line, hash))
			i = recent_add(r, hash);
	}
	free(text);
}

static void print(const struct recent *r, FILE *f)
{
	char name[IMAGECACHE_NAME];
	long before = 0;

	for (unsigned int i = 0; i < r->nr && before < RECENT_BYTES / 2; i++) {
		imagecache_name(r->images[i].hash, name);
		fprintf(f, "%s\n", name);
		for (unsigned int k = 0; k < r->images[i].nr_kernels; k++)
			fprintf(f, "\t%s\n", r->images[i].kernels[k]);
		before = ftell(f);
	}
}

bool recent_write(const struct recent *r, const struct imagecache *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = c->dir < 0 ? NULL : open_memstream(&text, &n);
	bool ok = false;

	if (!f)
		return false;
	print(r, f);
	if (!fclose(f) && n <= RECENT_BYTES)
		ok = imagecache_replace(c, IMAGECACHE_RECENT, text, n);
	free(text);
	return ok;
}

void recent_free(struct recent *r)
{
	for (unsigned int i = 0; i < r->nr; i++)
		for (unsigned int k = 0; k < r->images[i].nr_kernels; k++)
			free(r->images[i].kernels[k]);
	*r = (struct recent){ 0 };
}
