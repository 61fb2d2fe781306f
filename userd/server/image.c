/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <stdlib.h>
#include <string.h>

static bool elf_is_whole(const uint8_t *p, size_t n)
{
	size_t bytes;

	return image_form(p, n) == IMAGE_ELF && image_size(p, n, &bytes);
}

/* Bytes of the fatbin at p, 0 when it is not one or not whole. */
static size_t fatbin_bytes(const uint8_t *p, size_t left)
{
	struct fatbin_entry e;
	struct fatbin_walk w;
	int more;

	if (!fatbin_begin(&w, p, left))
		return 0;
	while ((more = fatbin_next(&w, &e)) > 0)
		if (e.kind == FATBIN_ELF && e.codec == FATBIN_STORED &&
		    !elf_is_whole(e.data, e.size))
			return 0;
	return more ? 0 : w.end - p;
}

static void wrap(struct image_source *s, const void *fatbin)
{
	s->wrapper = (struct fatbin_wrapper){
		.magic = FATBIN_WRAPPER_MAGIC,
		.version = 2,
		.data = fatbin,
		.list = s->fatbins,
	};
	s->code = &s->wrapper;
}

static bool open_fatbin(const uint8_t *p, size_t n)
{
	/* as it is: in a wrapper the driver takes fewer of them, and none of cuFFT's */
	return fatbin_bytes(p, n) == n;
}

/* Each fatbin is a multiple of 8 long, so they follow each other without a gap. */
static bool open_several(struct image_source *s, const uint8_t *p, size_t n)
{
	size_t nr = 0, room = 0;

	for (size_t at = fatbin_bytes(p, n); at < n; nr++) {
		size_t bytes = fatbin_bytes(p + at, n - at);

		if (!at || !bytes)
			return false;
		if (nr + 1 >= room) {
			const void **more = realloc(s->fatbins, (room + 64) * sizeof(*more));

			if (!more)
				return false;
			s->fatbins = more;
			room += 64;
		}
		s->fatbins[nr] = p + at;
		s->fatbins[nr + 1] = NULL;
		at += bytes;
	}
	if (!nr)
		return open_fatbin(p, n);
	wrap(s, p);
	return true;
}

/* PTX: printable from the first byte, and without a NUL but for the end. */
static bool is_text(const uint8_t *p, size_t n)
{
	size_t length = strnlen((const char *)p, n);

	for (size_t i = length; i < n; i++)
		if (p[i])
			return false;
	return length >= 8 &&
	       (p[0] == '\n' || p[0] == '\t' || p[0] == '\r' || (p[0] >= ' ' && p[0] < 0x7f));
}

bool image_open(struct image_source *s, const void *image, size_t n, bool rdc)
{
	const uint8_t *p = image;

	*s = (struct image_source){ .code = image };
	if (n < 8)
		return false;
	if (rdc)
		return open_several(s, p, n);
	if (image_form(p, n) == IMAGE_FATBIN)
		return open_fatbin(p, n);
	return elf_is_whole(p, n) || is_text(p, n);
}

void image_close(struct image_source *s)
{
	free(s->fatbins);
	s->fatbins = NULL;
}
