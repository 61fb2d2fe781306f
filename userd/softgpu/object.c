/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <ar.h>
#include <elf.h>
#include <stdint.h>
#include <string.h>

#include "fatbin.h"

/* Fatbins lie one behind the other, at multiples of 8, with zeros between them. */
static bool section_each(const unsigned char *p, size_t size, object_fn fn, void *arg)
{
	size_t at = 0, n;

	while (size - at >= 8) {
		if (image_form(p + at, size - at) != IMAGE_FATBIN) {
			at += 8;
			continue;
		}
		if (!image_size(p + at, size - at, &n) || !fn(arg, p + at, size - at))
			return false;
		n = (n + 7) & ~(size_t)7;
		at = n < size - at ? at + n : size;
	}
	return true;
}

/* True when [offset, offset + n) lies within size bytes. */
static bool fits(uint64_t offset, uint64_t n, size_t size)
{
	return offset <= size && n <= size - offset;
}

static bool section_has_fatbins(const char *name, size_t max)
{
	static const char *const names[] = { "__nv_relfatbin", ".nv_fatbin" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) < max && !strcmp(names[i], name))
			return true;
	return false;
}

static bool elf_each(const unsigned char *p, size_t size, object_fn fn, void *arg)
{
	Elf64_Shdr sh, strings;
	Elf64_Ehdr eh;
	size_t whole;

	if (!image_size(p, size, &whole))
		return false;
	memcpy(&eh, p, sizeof(eh));
	if (eh.e_shstrndx >= eh.e_shnum)
		return false;
	memcpy(&strings, p + eh.e_shoff + eh.e_shstrndx * sizeof(sh), sizeof(sh));
	/* The table of names has to end with a NUL. */
	if (!fits(strings.sh_offset, strings.sh_size, size) || !strings.sh_size ||
	    p[strings.sh_offset + strings.sh_size - 1])
		return false;
	for (unsigned int i = 0; i < eh.e_shnum; i++) {
		const char *name = (const char *)p + strings.sh_offset;

		memcpy(&sh, p + eh.e_shoff + i * sizeof(sh), sizeof(sh));
		if (sh.sh_type != SHT_PROGBITS || sh.sh_name >= strings.sh_size ||
		    !section_has_fatbins(name + sh.sh_name, strings.sh_size - sh.sh_name))
			continue;
		if (!fits(sh.sh_offset, sh.sh_size, size) ||
		    !section_each(p + sh.sh_offset, sh.sh_size, fn, arg))
			return false;
	}
	return true;
}

static bool member_size(const struct ar_hdr *h, size_t *size)
{
	size_t n = 0;

	if (memcmp(h->ar_fmag, ARFMAG, sizeof(h->ar_fmag)))
		return false;
	for (size_t i = 0; i < sizeof(h->ar_size) && h->ar_size[i] != ' '; i++) {
		if (h->ar_size[i] < '0' || h->ar_size[i] > '9')
			return false;
		n = n * 10 + (size_t)(h->ar_size[i] - '0');
	}
	*size = n;
	return true;
}

/* Members that hold no code, as the index, are passed over. */
static bool archive_each(const unsigned char *p, size_t size, object_fn fn, void *arg)
{
	size_t at = SARMAG, n;
	struct ar_hdr h;

	while (size - at >= sizeof(h)) {
		memcpy(&h, p + at, sizeof(h));
		at += sizeof(h);
		if (!member_size(&h, &n) || n > size - at)
			return false;
		if (image_form(p + at, n) == IMAGE_ELF && !elf_each(p + at, n, fn, arg))
			return false;
		if (image_form(p + at, n) == IMAGE_FATBIN && !section_each(p + at, n, fn, arg))
			return false;
		n += n & 1;
		at = n < size - at ? at + n : size;
	}
	return true;
}

bool object_each(const void *data, size_t size, object_fn fn, void *arg)
{
	if (size >= SARMAG && !memcmp(data, ARMAG, SARMAG))
		return archive_each(data, size, fn, arg);
	switch (image_form(data, size)) {
	case IMAGE_ELF:
		return elf_each(data, size, fn, arg);
	case IMAGE_FATBIN:
		return section_each(data, size, fn, arg);
	default:
		return false;
	}
}
