/* SPDX-License-Identifier: MIT */
/*
 * image.h - a module image as bytes from a client, made into what the driver takes
 *
 * The driver is given pointers without sizes, so every length inside an image is checked here
 * against the bytes that there are. Pointers never come from the client.
 */
#ifndef SERVER_IMAGE_H
#define SERVER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fatbin.h"

#define IMAGE_PAD	128u	/* zero bytes that stand behind an image in memory */

struct image_source {
	struct fatbin_wrapper wrapper;
	const void **fatbins;
	const void *code;	/* for the driver: the wrapper, or the bytes */
};

/*
 * image: n bytes and IMAGE_PAD zeros; must stay as long as s is used. rdc: several fatbins back to
 * back, the linked one first. false: not an image, or cut short.
 */
bool image_open(struct image_source *s, const void *image, size_t n, bool rdc);
void image_close(struct image_source *s);

#endif /* SERVER_IMAGE_H */
