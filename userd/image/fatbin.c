/* SPDX-License-Identifier: MIT */
#include "fatbin.h"

#include <elf.h>
#include <string.h>

#define HEADER_SIZE		16
#define ENTRY_HEADER_SIZE	64

static uint16_t u16_at(const unsigned char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t u32_at(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t u64_at(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool is_text(unsigned char c)
{
	return (c >= ' ' && c != 0x7f) || (c >= '\t' && c <= '\r');
}

/* Reads four bytes, or fewer when one of them already is the end of a text. */
enum image_form image_form(const void *image, size_t avail)
{
	const unsigned char *p = image;
	size_t n = avail < 4 ? avail : 4;
	uint32_t magic;

	if (!image || !n || !p[0])
		return IMAGE_NONE;
	for (size_t i = 0; i < n && p[i] < 0x80 && is_text(p[i]); i++)
		if (i + 1 == n || !p[i + 1])
			return IMAGE_TEXT;
	if (n < 4)
		return IMAGE_NONE;
	magic = u32_at(p);
	if (magic == FATBIN_WRAPPER_MAGIC)
		return IMAGE_WRAPPER;
	if (magic == FATBIN_MAGIC)
		return IMAGE_FATBIN;
	return memcmp(p, ELFMAG, SELFMAG) ? IMAGE_NONE : IMAGE_ELF;
}

/*
 * Stops at the first byte that no PTX text has, so that garbage that begins like a text is not read
 * for ever.
 */
static bool text_size(const unsigned char *p, size_t avail, size_t *size)
{
	for (size_t i = 0; i < avail; i++) {
		if (!p[i]) {
			*size = i + 1;
			return true;
		}
		if (!is_text(p[i]))
			return false;
	}
	return false;
}

static bool fatbin_size(const unsigned char *p, size_t avail, size_t *size)
{
	uint64_t body;

	if (avail < HEADER_SIZE || u32_at(p) != FATBIN_MAGIC || u16_at(p + 4) != 1 ||
	    u16_at(p + 6) != HEADER_SIZE)
		return false;
	body = u64_at(p + 8);
	if (body > SIZE_MAX / 2 || body > avail - HEADER_SIZE)
		return false;
	*size = HEADER_SIZE + body;
	return true;
}

static bool extend(uint64_t offset, uint64_t len, size_t avail, uint64_t *end)
{
	uint64_t e;

	if (__builtin_add_overflow(offset, len, &e) || e > avail || e > SIZE_MAX / 2)
		return false;
	if (e > *end)
		*end = e;
	return true;
}

/*
 * The file ends with the last of: section headers, program headers, contents of sections. One of no
 * type has none, but what it says of them is checked too.
 */
static bool elf_size(const unsigned char *p, size_t avail, size_t *size)
{
	uint64_t end = sizeof(Elf64_Ehdr);
	Elf64_Ehdr eh;
	Elf64_Shdr sh;

	if (avail < sizeof(eh))
		return false;
	memcpy(&eh, p, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return false;
	if ((eh.e_shnum && eh.e_shentsize != sizeof(sh)) ||
	    (eh.e_phnum && eh.e_phentsize != sizeof(Elf64_Phdr)))
		return false;
	if (!extend(eh.e_shoff, (uint64_t)eh.e_shnum * sizeof(sh), avail, &end) ||
	    !extend(eh.e_phoff, (uint64_t)eh.e_phnum * sizeof(Elf64_Phdr), avail, &end))
		return false;
	for (unsigned int i = 0; i < eh.e_shnum; i++) {
		uint64_t none = 0;

		memcpy(&sh, p + eh.e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type != SHT_NOBITS &&
		    !extend(sh.sh_offset, sh.sh_size, avail, sh.sh_type ? &end : &none))
			return false;
	}
	*size = end;
	return true;
}

bool image_size(const void *image, size_t avail, size_t *size)
{
	switch (image_form(image, avail)) {
	case IMAGE_WRAPPER:
		*size = sizeof(struct fatbin_wrapper);
		return avail >= *size;
	case IMAGE_FATBIN:
		return fatbin_size(image, avail, size);
	case IMAGE_ELF:
		return elf_size(image, avail, size);
	case IMAGE_TEXT:
		return text_size(image, avail, size);
	case IMAGE_NONE:
		break;
	}
	return false;
}

bool fatbin_begin(struct fatbin_walk *w, const void *fatbin, size_t avail)
{
	size_t size;

	if (!fatbin || !fatbin_size(fatbin, avail, &size))
		return false;
	w->at = (const unsigned char *)fatbin + HEADER_SIZE;
	w->end = (const unsigned char *)fatbin + size;
	return true;
}

static bool set_codec(struct fatbin_entry *e, uint32_t compressed, uint64_t plain_size)
{
	bool lz4 = e->flags & FATBIN_F_LZ4, zstd = e->flags & FATBIN_F_ZSTD;

	e->codec = FATBIN_STORED;
	e->plain_size = e->size;
	if (!compressed)
		return !lz4 && !zstd;
	if (compressed > e->size || plain_size > SIZE_MAX / 2)
		return false;
	if (lz4 == zstd)
		e->codec = FATBIN_UNKNOWN;
	else
		e->codec = lz4 ? FATBIN_LZ4 : FATBIN_ZSTD;
	e->size = compressed;
	e->plain_size = plain_size;
	return true;
}

int fatbin_next(struct fatbin_walk *w, struct fatbin_entry *e)
{
	const unsigned char *p = w->at;
	size_t left = w->end - w->at;
	uint64_t payload;
	uint32_t header;

	if (!left)
		return 0;
	if (left < ENTRY_HEADER_SIZE)
		return -1;
	header = u32_at(p + 4);
	payload = u64_at(p + 8);
	if (header < ENTRY_HEADER_SIZE || header > left || payload > left - header)
		return -1;
	e->kind = u16_at(p);
	e->arch = u32_at(p + 28);
	e->flags = u64_at(p + 40);
	e->data = p + header;
	e->size = payload;
	if (!set_codec(e, u32_at(p + 16), u64_at(p + 56)))
		return -1;
	w->at = p + header + payload;
	return 1;
}
