/* SPDX-License-Identifier: MIT */
#include "imagecache.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "code.h"
#include "log.h"
#include "vgpu_wire.h"

#define NAME_BYTES	IMAGECACHE_NAME
#define CUBIN_BYTES	(NAME_BYTES + 12)	/* "NAME-90" */
#define CUBIN_MAX	(VWIRE_IMAGE_MAX + IMAGECACHE_HASH)	/* bytes of a file */
#define TMP_OLD_S	600	/* an unfinished file of that age has lost its worker */
#define PAGE		4096u	/* bytes on disk that any file takes */
#define LOCK_MS		100	/* for another session to remove what is too much */

struct entry {
	char name[NAME_BYTES];
	struct timespec time;
	uint64_t bytes;
};

void imagecache_hash(const void *image, size_t n, uint8_t hash[IMAGECACHE_HASH])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(image, n));
	memcpy(hash, canonical.digest, IMAGECACHE_HASH);
}

void imagecache_folder(const char *tenant, char *out)
{
	for (; *tenant; tenant++) {
		unsigned char c = *tenant;

		if (c < 0x80 && (isalnum(c) || c == '-' || c == '_'))
			*out++ = c;
		else
			out += sprintf(out, "%%%02x", c);
	}
	*out = 0;
}

/* Who may write to the folder may keep it locked: false, and it is done without. */
static bool lock_shared(int dir)
{
	for (unsigned int ms = 0; flock(dir, LOCK_SH | LOCK_NB); ms++) {
		if (errno != EWOULDBLOCK || ms == LOCK_MS) {
			log_warn("image cache: not used, for want of a lock: %s", strerror(errno));
			return false;
		}
		usleep(1000);
	}
	return true;
}

void imagecache_open(struct imagecache *c, int root, const char *tenant, unsigned int sm)
{
	char name[3 * VWIRE_NAME_MAX + 1];

	*c = (struct imagecache){ .dir = -1, .sm = sm };
	if (root < 0 || !*tenant || strlen(tenant) >= VWIRE_NAME_MAX)
		return;
	imagecache_folder(tenant, name);
	if (mkdirat(root, name, 0700) && errno != EEXIST) {
		log_warn("image cache: cannot make %s: %s", name, strerror(errno));
		return;
	}
	c->dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir < 0) {
		log_warn("image cache: cannot open %s: %s", name, strerror(errno));
	} else if (!lock_shared(c->dir)) {
		close(c->dir);
		c->dir = -1;
	}
}

void imagecache_name(const uint8_t hash[IMAGECACHE_HASH], char name[NAME_BYTES])
{
	for (unsigned int i = 0; i < IMAGECACHE_HASH; i++)
		sprintf(name + 2 * i, "%02x", hash[i]);
}

static void cubin_name(const struct imagecache *c, const char *image, char name[CUBIN_BYTES])
{
	snprintf(name, CUBIN_BYTES, "%.32s-%u", image, c->sm);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool imagecache_hash_of(const char *name, uint8_t hash[IMAGECACHE_HASH])
{
	if (strlen(name) != 2 * IMAGECACHE_HASH)
		return false;
	for (unsigned int i = 0; i < IMAGECACHE_HASH; i++) {
		int high = nibble(name[2 * i]), low = nibble(name[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		hash[i] = high << 4 | low;
	}
	return true;
}

static int newest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->time.tv_sec != y->time.tv_sec)
		return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
	return (x->time.tv_nsec < y->time.tv_nsec) - (x->time.tv_nsec > y->time.tv_nsec);
}

/* A cubin whose image is gone, or an unfinished file, whose worker is. */
static void remove_stray(int dir, const char *name, const struct stat *st)
{
	char image[NAME_BYTES];

	snprintf(image, sizeof(image), "%.32s", name);
	if (strlen(name) >= NAME_BYTES && name[NAME_BYTES - 1] == '-' &&
	    !faccessat(dir, image, F_OK, AT_SYMLINK_NOFOLLOW))
		return;
	if (st->st_mtim.tv_sec < time(NULL) - TMP_OLD_S && strcmp(name, IMAGECACHE_RECENT))
		unlinkat(dir, name, 0);
}

static bool read_entry(const struct imagecache *c, const char *name, struct entry *e)
{
	uint8_t hash[IMAGECACHE_HASH];
	char cubin[CUBIN_BYTES];
	struct stat st;

	if (fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return false;
	if (!imagecache_hash_of(name, hash)) {
		remove_stray(c->dir, name, &st);
		return false;
	}
	memcpy(e->name, name, NAME_BYTES);
	e->time = st.st_mtim;
	e->bytes = st.st_size;
	cubin_name(c, name, cubin);
	if (!fstatat(c->dir, cubin, &st, AT_SYMLINK_NOFOLLOW))
		e->bytes += st.st_size;
	return true;
}

/* All entries, newest first, in fresh memory. */
static size_t read_entries(const struct imagecache *c, DIR *d, struct entry **out)
{
	struct entry *list = NULL;
	size_t nr = 0, room = 0;
	struct dirent *e;

	while ((e = readdir(d))) {
		if (nr == room) {
			struct entry *more = realloc(list, (room + 1024) * sizeof(*list));

			if (!more)
				break;
			list = more;
			room += 1024;
		}
		if (read_entry(c, e->d_name, &list[nr]))
			nr++;
	}
	if (nr)
		qsort(list, nr, sizeof(*list), newest_first);
	*out = list;
	return nr;
}

/*
 * What another session was told of it may still ask for, and does not send again: so nothing goes
 * while there is one. Where there always is, the folder is full in the end, and no more is kept.
 * false: anything may go from now on.
 */
static bool remove_rest(struct imagecache *c, const struct entry *list, size_t nr)
{
	if (!nr)
		return true;
	/* which gives the other lock up, even where it is not to be had */
	c->full = flock(c->dir, LOCK_EX | LOCK_NB);
	for (size_t i = 0; i < nr && !c->full; i++) {
		char cubin[CUBIN_BYTES];

		cubin_name(c, list[i].name, cubin);
		unlinkat(c->dir, cubin, 0);
		unlinkat(c->dir, list[i].name, 0);
	}
	return lock_shared(c->dir);
}

unsigned int imagecache_list(struct imagecache *c, uint8_t (*list)[IMAGECACHE_HASH])
{
	unsigned int nr_listed = 0;
	struct entry *entries;
	uint64_t bytes = 0;
	size_t nr;
	DIR *d;
	int fd;

	fd = c->dir < 0 ? -1 : openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return 0;
	nr = read_entries(c, d, &entries);
	closedir(d);
	while (nr_listed < nr && nr_listed < IMAGECACHE_LIST_MAX &&
	       bytes + entries[nr_listed].bytes <= IMAGECACHE_BYTES_MAX) {
		bytes += entries[nr_listed].bytes;
		imagecache_hash_of(entries[nr_listed].name, list[nr_listed]);
		nr_listed++;
	}
	if (!remove_rest(c, entries + nr_listed, nr - nr_listed))
		nr_listed = 0;
	free(entries);
	return nr_listed;
}

static bool read_all(int fd, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t part = read(fd, p, n);

		if (part <= 0)
			return false;
		p += part;
		n -= part;
	}
	return true;
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t part = write(fd, p, n);

		if (part <= 0)
			return false;
		p += part;
		n -= part;
	}
	return true;
}

/* n bytes with pad zeros behind them; NULL: not there, or not of that hash. */
static void *read_image(int fd, const uint8_t hash[IMAGECACHE_HASH], size_t n, size_t pad)
{
	uint8_t found[IMAGECACHE_HASH];
	uint8_t *image = code_alloc(n + pad);

	if (!image)
		return NULL;
	if (read_all(fd, image, n)) {
		imagecache_hash(image, n, found);
		memset(image + n, 0, pad);
		if (!memcmp(found, hash, sizeof(found)))
			return image;
	}
	free(image);
	return NULL;
}

/* Other workers of the tenant write there: what is no file, as a pipe, must not hold this one up. */
static int open_kept(const struct imagecache *c, const char *name, uint64_t *bytes)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct stat st;
	int fd = c->dir < 0 ? -1 : openat(c->dir, name, flags);

	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	if (fd >= 0)
		*bytes = st.st_size;
	return fd;
}

/* Used: not to be removed soon. What is not as it should be goes at once. */
static void close_kept(struct imagecache *c, int fd, const char *name, bool good)
{
	if (good)
		futimens(fd, NULL);
	else
		unlinkat(c->dir, name, 0);
	close(fd);
}

void *imagecache_get(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH], size_t n,
		     size_t pad)
{
	char name[NAME_BYTES];
	void *image = NULL;
	uint64_t bytes;
	int fd;

	imagecache_name(hash, name);
	fd = open_kept(c, name, &bytes);
	if (fd < 0)
		return NULL;
	if (bytes == n)
		image = read_image(fd, hash, n, pad);
	close_kept(c, fd, name, image);
	return image;
}

/* The file: the hash of the contents, and those. */
void *imagecache_get_cubin(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH], size_t pad,
			   size_t *n)
{
	char image[NAME_BYTES], name[CUBIN_BYTES];
	uint8_t own[IMAGECACHE_HASH];
	void *cubin = NULL;
	uint64_t bytes;
	int fd;

	imagecache_name(hash, image);
	cubin_name(c, image, name);
	fd = open_kept(c, name, &bytes);
	if (fd < 0)
		return NULL;
	if (bytes > sizeof(own) && bytes <= CUBIN_MAX && read_all(fd, own, sizeof(own))) {
		*n = bytes - sizeof(own);
		cubin = read_image(fd, own, *n, pad);
	}
	close_kept(c, fd, name, cubin);
	if (cubin)
		utimensat(c->dir, image, NULL, AT_SYMLINK_NOFOLLOW);
	return cubin;
}

/* head: nr_head bytes that come first. */
static bool replace(const struct imagecache *c, const char *name, const void *head, size_t nr_head,
		    const void *p, size_t n)
{
	char tmp[CUBIN_BYTES + 24];
	bool ok;
	int fd;

	snprintf(tmp, sizeof(tmp), "tmp-%d-%s", (int)getpid(), name);
	fd = openat(c->dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_warn("image cache: cannot make a file: %s", strerror(errno));
		return false;
	}
	ok = write_all(fd, head, nr_head) && write_all(fd, p, n);
	if (!close(fd) && ok && !renameat(c->dir, tmp, c->dir, name))
		return true;
	log_warn("image cache: cannot keep %s: %s", name, strerror(errno));
	unlinkat(c->dir, tmp, 0);
	return false;
}

static void put(struct imagecache *c, const char *name, const void *head, size_t nr_head,
		const void *p, size_t n)
{
	uint64_t pages = (nr_head + n + PAGE - 1) / PAGE * PAGE;

	if (c->added + pages <= IMAGECACHE_SESSION_MAX &&
	    faccessat(c->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) &&
	    replace(c, name, head, nr_head, p, n))
		c->added += pages;
}

char *imagecache_read(const struct imagecache *c, const char *name, size_t most)
{
	char *text = NULL;
	uint64_t bytes;
	int fd = open_kept(c, name, &bytes);

	if (fd < 0)
		return NULL;
	if (bytes <= most)
		text = calloc(1, bytes + 1);
	if (text && !read_all(fd, (uint8_t *)text, bytes)) {
		free(text);
		text = NULL;
	}
	close(fd);
	return text;
}

bool imagecache_replace(const struct imagecache *c, const char *name, const void *p, size_t n)
{
	return c->dir >= 0 && replace(c, name, NULL, 0, p, n);
}

void imagecache_put(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH], const void *image,
		    size_t n)
{
	char name[NAME_BYTES];

	if (c->dir < 0 || c->full)
		return;
	imagecache_name(hash, name);
	put(c, name, NULL, 0, image, n);
}

void imagecache_put_cubin(struct imagecache *c, const uint8_t hash[IMAGECACHE_HASH],
			  const void *cubin, size_t n)
{
	char image[NAME_BYTES], name[CUBIN_BYTES];
	uint8_t own[IMAGECACHE_HASH];

	if (c->dir < 0 || c->full || n > CUBIN_MAX - sizeof(own))
		return;
	imagecache_name(hash, image);
	cubin_name(c, image, name);
	imagecache_hash(cubin, n, own);
	put(c, name, own, sizeof(own), cubin, n);
}
