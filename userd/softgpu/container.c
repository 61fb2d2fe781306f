/* SPDX-License-Identifier: MIT */
#include "container.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "fatbin.h"
#include "init.h"

#define OSABI_CUDA	0x33

static const char mark[] = "softgpu";	/* fills e_ident from EI_PAD on, without the NUL */

/* What the second section begins with; then the texts, each after its length, padded to 8. */
struct payload {
	uint64_t nr;
};

struct head {
	Elf64_Ehdr eh;
	Elf64_Shdr sh[2];
	struct payload payload;
};

static size_t padded(size_t len)
{
	return (len + 1 + 7) & ~(size_t)7;	/* at least one NUL */
}

void *container_create(const struct sg_ptx *texts, size_t nr, size_t *size)
{
	size_t n = sizeof(struct head);
	struct head *h;
	char *p;

	for (size_t i = 0; i < nr; i++)
		n += sizeof(uint64_t) + padded(texts[i].len);
	h = calloc(1, n);
	if (!h)
		return NULL;
	h->eh = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT, OSABI_CUDA },
		.e_type = ET_EXEC,
		.e_machine = EM_CUDA,
		.e_version = EV_CURRENT,
		.e_shoff = offsetof(struct head, sh),
		.e_flags = driver_sm(),
		.e_ehsize = sizeof(h->eh),
		.e_shentsize = sizeof(h->sh[0]),
		.e_shnum = 2,
	};
	memcpy(h->eh.e_ident + EI_PAD, mark, EI_NIDENT - EI_PAD);
	h->sh[1].sh_type = SHT_PROGBITS;
	h->sh[1].sh_offset = offsetof(struct head, payload);
	h->sh[1].sh_size = n - offsetof(struct head, payload);
	h->payload.nr = nr;
	p = (char *)(h + 1);
	for (size_t i = 0; i < nr; i++) {
		uint64_t len = texts[i].len;

		memcpy(p, &len, sizeof(len));
		memcpy(p + sizeof(len), texts[i].text, len);
		p += sizeof(len) + padded(len);
	}
	*size = n;
	return h;
}

bool container_is(const void *elf, size_t avail)
{
	return avail >= sizeof(struct head) && image_form(elf, avail) == IMAGE_ELF &&
	       !memcmp((const char *)elf + EI_PAD, mark, EI_NIDENT - EI_PAD);
}

int container_text(const void *elf, size_t avail, size_t i, struct sg_ptx *text)
{
	const char *p = (const char *)elf + sizeof(struct head);
	struct head h;
	size_t left;

	if (!image_size(elf, avail, &left) || left < sizeof(h))
		return -1;
	memcpy(&h, elf, sizeof(h));
	left -= sizeof(h);
	if (i >= h.payload.nr)
		return 0;
	for (;; i--) {
		uint64_t len;

		if (left < sizeof(len))
			return -1;
		memcpy(&len, p, sizeof(len));
		left -= sizeof(len);
		p += sizeof(len);
		if (len >= left || padded(len) > left)
			return -1;
		if (!i) {
			*text = (struct sg_ptx){ p, len };
			return 1;
		}
		p += padded(len);
		left -= padded(len);
	}
}
