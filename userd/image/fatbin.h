/* SPDX-License-Identifier: MIT */
/*
 * fatbin.h - the shapes in which a program hands over GPU code
 *
 * CUDA's calls take an image without a size. Everything here takes the number of bytes that may be
 * read, SIZE_MAX when nobody knows it, and reads no byte before something it has checked says that
 * it is there. No allocation, no state, libc only.
 */
#ifndef IMAGE_FATBIN_H
#define IMAGE_FATBIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum image_form {
	IMAGE_NONE,		/* nothing we know */
	IMAGE_WRAPPER,		/* fatbinC wrapper: pointers to fatbins */
	IMAGE_FATBIN,
	IMAGE_ELF,		/* a cubin */
	IMAGE_TEXT,		/* PTX, with a NUL at its end */
};

#define FATBIN_WRAPPER_MAGIC	0x466243b1u
#define FATBIN_MAGIC		0xba55ed50u

/*
 * As cudart passes it. Version 1: data is the fatbin. Version 2: data is linked code, list the
 * fatbins it was linked from.
 */
struct fatbin_wrapper {
	uint32_t magic, version;
	const void *data;
	const void *const *list;	/* NULL-terminated; version 1: a file name or NULL */
};

enum fatbin_kind { FATBIN_PTX = 1, FATBIN_ELF = 2 };

enum fatbin_codec {
	FATBIN_STORED,
	FATBIN_LZ4,
	FATBIN_ZSTD,
	FATBIN_UNKNOWN,		/* the driver may know it, fatbin_decompress() does not */
};

#define FATBIN_F_64BIT		0x1
#define FATBIN_F_LZ4		0x2000
#define FATBIN_F_ZSTD		0x8000
#define FATBIN_F_ARCH_SPECIFIC	0x100000	/* sm_90a: runs on exactly this architecture */
#define FATBIN_F_FAMILY		0x200000	/* sm_100f: runs on its family */

struct fatbin_entry {
	uint16_t kind;			/* enum fatbin_kind, or one we do not know */
	uint32_t arch;			/* 75 */
	uint64_t flags;
	enum fatbin_codec codec;
	const void *data;		/* the payload */
	size_t size;			/* its bytes, without the padding if compressed */
	size_t plain_size;		/* after decompression */
};

struct fatbin_walk {
	const unsigned char *at, *end;
};

enum image_form image_form(const void *image, size_t avail);

/*
 * Total bytes of a fatbin, cubin or text (NUL included), or of the wrapper structure itself. False
 * when it is no whole image within avail bytes.
 */
bool image_size(const void *image, size_t avail, size_t *size);

/* Starts at the header of a fatbin; false when it is none, or longer than avail. */
bool fatbin_begin(struct fatbin_walk *w, const void *fatbin, size_t avail);
/* 1: *e is the next entry. 0: there are no more. -1: the fatbin is damaged here. */
int fatbin_next(struct fatbin_walk *w, struct fatbin_entry *e);

#endif
