/* SPDX-License-Identifier: MIT */
/*
 * image_fuzz.c - any bytes as a module's image: image.c of the worker, fatbin.c of softgpu and the
 * library
 *
 * The driver takes images without a size. So after image_open() has said yes, what a driver would
 * walk lies inside the bytes: fatbin.c walks it, without a size, on memory that ends there.
 */
#include <stdlib.h>
#include <string.h>

#include "fatbin.h"
#include "frames.h"
#include "image.h"

bool frames_count;
const uint64_t frames_numbers[] = { 0, 1, 2, 8, 16, 64, FATBIN_MAGIC, FATBIN_WRAPPER_MAGIC, FATBIN_F_LZ4, FATBIN_F_ZSTD, 1ull << 32, ~0ull };
const size_t frames_nr_numbers = sizeof(frames_numbers) / sizeof(frames_numbers[0]);

/* Every byte of every payload is read. */
static void walk(const void *fatbin, size_t n)
{
	volatile uint8_t last __attribute__((unused));
	struct fatbin_entry e;
	struct fatbin_walk w;

	if (!fatbin_begin(&w, fatbin, n))
		return;
	while (fatbin_next(&w, &e) > 0)
		for (size_t i = 0; i < e.size; i++)
			last = ((const uint8_t *)e.data)[i];
}

static void as_image(const uint8_t *data, size_t size, bool rdc)
{
	uint8_t *image = calloc(1, size + IMAGE_PAD);
	struct image_source s;

	if (!image)
		return;
	memcpy(image, data, size);
	if (image_open(&s, image, size, rdc)) {
		if (s.code == &s.wrapper)
			walk(s.wrapper.data, size + IMAGE_PAD - ((const uint8_t *)s.wrapper.data - image));
		for (size_t i = 0; s.fatbins && s.fatbins[i]; i++)
			walk(s.fatbins[i], size + IMAGE_PAD - ((const uint8_t *)s.fatbins[i] - image));
	}
	image_close(&s);
	free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;

	if (!size)
		return 0;
	as_image(data, size, false);
	as_image(data, size, true);
	exact = malloc(size);
	if (exact) {
		memcpy(exact, data, size);
		walk(exact, size);
	}
	free(exact);
	return 0;
}
