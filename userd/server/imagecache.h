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
#define IMAGECACHE_NAME		(2 * IMAGECACHE_HASH + 1)	/* bytes of a hash as text */
#define IMAGECACHE_RECENT	"recent"	/* a file, see recent.h */
#define IMAGECACHE_LIST_MAX	512u		/* the newest stay, older ones are removed */
#define IMAGECACHE_BYTES_MAX	(8ull << 30)	/* of a tenant */
#define IMAGECACHE_SESSION_MAX	(4ull << 30)	/* bytes that a session adds at most, in whole pages */

struct imagecache {
	int dir;	/* of the tenant, locked shared by each session; -1: no cache */
	unsigned int sm;	/* what cubins are kept for */
	bool full;	/* of what could not be removed */
	uint64_t added;	/* bytes, by this session */
};

void imagecache_hash(const void *image, size_t n, uint8_t hash[IMAGECACHE_HASH]);
/* root -1: no cache; so is a folder that somebody keeps locked. sm: the device's compute capability, 90 for 9.0. */
void imagecache_open(struct imagecache *c, int root, const char *tenant, unsigned int sm);
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
 * The cubin in an image, unpacked, beside the image: the driver takes it in a fifth of the time. As
 * imagecache_get() and imagecache_put(), but for n, which is told.
 */
void *imagecache_get_cubin(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH], size_t pad,
			   size_t *n);
void imagecache_put_cubin(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH],
			  const void *cubin, size_t n);
/* A hash as text and back, the latter false where it is none. */
void imagecache_name(const uint8_t hash[IMAGECACHE_HASH], char name[IMAGECACHE_NAME]);
bool imagecache_hash_of(const char *name, uint8_t hash[IMAGECACHE_HASH]);
/* Another file of the folder, as a string for free(); NULL: not there, or of more than most bytes. */
char *imagecache_read(const struct imagecache *c, const char *name, size_t most);
/* A new one in its place, whole or as it was. */
bool imagecache_replace(const struct imagecache *c, const char *name, const void *p, size_t n);
/*
 * A name for a folder: letters, digits, - and _ stand for themselves. out has 3 * strlen + 1 bytes.
 */
void imagecache_folder(const char *tenant, char *out);

#endif /* SERVER_IMAGECACHE_H */
