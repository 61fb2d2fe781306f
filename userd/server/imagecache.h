/* SPDX-License-Identifier: MIT */
/*
 * imagecache.h - module images on disk, by tenant and content hash
 *
 * One folder for each tenant, so that nobody learns from a hit what another one runs. A file
 * appears by rename, whole; its hash is checked again when it is read. Several workers share a
 * folder.
 */
#ifndef SERVER_IMAGECACHE_H
#define SERVER_IMAGECACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGECACHE_HASH		16u
#define IMAGECACHE_LIST_MAX	512u		/* the newest stay, older ones are removed */
#define IMAGECACHE_BYTES_MAX	(8ull << 30)	/* of a tenant */

struct imagecache {
	int dir;	/* of the tenant, locked shared by each session; -1: no cache */
	bool full;	/* of what could not be removed */
};

void imagecache_hash(const void *image, size_t n, uint8_t hash[IMAGECACHE_HASH]);
/* root -1: no cache. */
void imagecache_open(struct imagecache *c, int root, const char *tenant);
/*
 * Hashes of the newest images into list, up to IMAGECACHE_LIST_MAX: there as long as the session is.
 * Removes what is too much, unless another session has the folder open.
 */
unsigned int imagecache_list(struct imagecache *c, uint8_t (*list)[IMAGECACHE_HASH]);
/*
 * The image in fresh memory with pad zero bytes behind it; NULL: not there, or not what it should
 * be.
 */
void *imagecache_get(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH], size_t n,
		     size_t pad);
void imagecache_put(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH], const void *image,
		    size_t n);
/*
 * A name for a folder: letters, digits, - and _ stand for themselves. out has 3 * strlen + 1 bytes.
 */
void imagecache_folder(const char *tenant, char *out);

#endif /* SERVER_IMAGECACHE_H */
