/* SPDX-License-Identifier: MIT */
/*
 * recent.h - the images that a tenant's last sessions used, and kernels of them, in a file beside the
 * images
 *
 * A line for each image, its hash; behind it a line for each kernel, a tab and its name.
 */
#ifndef SERVER_RECENT_H
#define SERVER_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "imagecache.h"

#define RECENT_IMAGES	64u
#define RECENT_KERNELS	16u		/* of one */
#define RECENT_NAME	4096u		/* bytes of a kernel's */
#define RECENT_BYTES	(256u << 10)	/* of the file */

struct recent_image {
	uint8_t hash[IMAGECACHE_HASH];
	unsigned int nr_kernels;
	char *kernels[RECENT_KERNELS];
};

struct recent {
	struct recent_image images[RECENT_IMAGES];
	unsigned int nr;
};

/* What the file says as far as it can be read; nothing where there is none, or it is too large. */
void recent_read(struct recent *r, const struct imagecache *c);
/* A new file in the place of the old one. */
bool recent_write(const struct recent *r, const struct imagecache *c);
/* That image, added if need be; NULL: there are RECENT_IMAGES. It stays where it is. */
struct recent_image *recent_add(struct recent *r, const uint8_t hash[IMAGECACHE_HASH]);
/* Not more than RECENT_KERNELS, none whose name is too long or has characters that end one in the file. */
void recent_add_kernel(struct recent_image *i, const char *name);
/* What is in older and not in r, behind what is in r, as far as there is room. */
void recent_append(struct recent *r, const struct recent *older);
void recent_free(struct recent *r);

#endif /* SERVER_RECENT_H */
