/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <elf.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define FATBIN_HEADER	16u
#define ENTRY_HEADER	64u	/* at least */

struct fatbin {
	uint32_t magic;
	uint16_t version, header_bytes;
	uint64_t bytes;		/* behind the header */
};

struct entry {
	uint16_t kind, version;
	uint32_t header_bytes;
	uint64_t bytes;		/* of the payload, padded to 8 */
	uint32_t packed_bytes;	/* 0: not compressed */
};

static uint32_t word_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static bool fits(uint64_t at, uint64_t n, uint64_t bytes)
{
	return at <= bytes && n <= bytes - at;
}

/* ELF-64: the tables and every section with contents lie inside. */
static bool elf_is_whole(const uint8_t *p, uint64_t n)
{
	Elf64_Ehdr e;

	if (n < sizeof(e))
		return false;
	memcpy(&e, p, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	if ((e.e_shnum && e.e_shentsize != sizeof(Elf64_Shdr)) ||
	    (e.e_phnum && e.e_phentsize != sizeof(Elf64_Phdr)))
		return false;
	if (!fits(e.e_shoff, (uint64_t)e.e_shnum * sizeof(Elf64_Shdr), n) ||
	    !fits(e.e_phoff, (uint64_t)e.e_phnum * sizeof(Elf64_Phdr), n))
		return false;
	for (unsigned int i = 0; i < e.e_shnum; i++) {
		Elf64_Shdr s;

		memcpy(&s, p + e.e_shoff + i * sizeof(s), sizeof(s));
		if (s.sh_type != SHT_NOBITS && !fits(s.sh_offset, s.sh_size, n))
			return false;
	}
	return true;
}

/* Bytes of the entry at p, 0 when it is not whole. */
static uint64_t entry_bytes(const uint8_t *p, uint64_t left)
{
	struct entry e;

	if (left < ENTRY_HEADER)
		return 0;
	memcpy(&e, p, sizeof(e));
	e.header_bytes = le32toh(e.header_bytes);
	e.bytes = le64toh(e.bytes);
	if (e.header_bytes < ENTRY_HEADER || !fits(e.header_bytes, e.bytes, left))
		return 0;
	if (le32toh(e.packed_bytes) > e.bytes)
		return 0;
	if (le16toh(e.kind) == FATBIN_ELF && !e.packed_bytes &&
	    !elf_is_whole(p + e.header_bytes, e.bytes))
		return 0;
	return e.header_bytes + e.bytes;
}

static bool is_zero(const uint8_t *p, uint64_t n)
{
	while (n && !*p)
		p++, n--;
	return !n;
}

/* Bytes of the fatbin at p, 0 when it is not one or not whole. */
static uint64_t fatbin_bytes(const uint8_t *p, uint64_t left)
{
	struct fatbin f;
	uint64_t at, end;

	if (left < FATBIN_HEADER)
		return 0;
	memcpy(&f, p, sizeof(f));
	f.header_bytes = le16toh(f.header_bytes);
	if (le32toh(f.magic) != FATBIN_MAGIC || f.header_bytes < FATBIN_HEADER ||
	    !fits(f.header_bytes, le64toh(f.bytes), left))
		return 0;
	end = f.header_bytes + le64toh(f.bytes);
	for (at = f.header_bytes; at < end;) {
		uint64_t n = entry_bytes(p + at, end - at);

		if (!n && end - at < ENTRY_HEADER && is_zero(p + at, end - at))
			break;
		if (!n)
			return 0;
		at += n;
	}
	return end;
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
	if (word_at(p) == FATBIN_MAGIC)
		return open_fatbin(p, n);
	if (!memcmp(p, ELFMAG, SELFMAG))
		return elf_is_whole(p, n);
	return is_text(p, n);
}

void image_close(struct image_source *s)
{
	free(s->fatbins);
	s->fatbins = NULL;
}
