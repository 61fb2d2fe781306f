// SPDX-License-Identifier: MIT
/*
 * cubin.c - the kernels of a cubin
 *
 * A kernel is a function symbol with STO_ENTRY. Its code is a section, and the section .nv.info.NAME,
 * linked to it by sh_info, is a list of attributes: a format, an id, and 16 bits that are a value or
 * the length of one. .nv.info itself, linked to none, has those that name a symbol. cuobjdump -elf
 * prints them by name (EIATTR_...).
 */
#include "cubin.h"

#include <cuda.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define OSABI_OLD	0x33		/* up to CUDA 12: the architecture in the low byte of e_flags */
#define OSABI_NEW	0x41		/* in the one above */
#define STO_ENTRY	0x10
#define SHT_INFO	SHT_LOPROC

#define FORMAT_NONE	1
#define FORMAT_BYTE	2
#define FORMAT_SIZED	4
#define ATTR_MAX_THREADS	0x05	/* x, y, z */
#define ATTR_STACK	0x12		/* symbol, bytes */
#define ATTR_PARAM	0x17
#define ATTR_REGISTERS	0x2f		/* symbol, count */
#define ATTR_CLUSTER	0x3d		/* x, y, z */
#define ATTR_CLUSTER_SET	0x3e
#define ATTR_BARRIERS	0x4c
#define TEXT_BARRIERS	20		/* first bit in the flags of a kernel's code */
#define ATTR_PARAM_2	0x45		/* for blocks over 4 KiB */

#define NOTE_VIRTUAL	26u		/* where the note of CUDA 13 has the virtual architecture */
#define NOTE_BYTES	32u

#define PARAM_BYTES_MAX	65536u		/* more than any kernel may have */
#define PARAMS_MAX	16384u		/* of a kernel */

struct section {
	Elf64_Shdr head;
	uint32_t kernel;		/* whose code it is, plus 1 */
};

struct reader {
	const uint8_t *elf;
	size_t n;
	struct section *sections;
	unsigned int nr;
	const Elf64_Shdr *symbols, *names;
	uint32_t *kernel_of;		/* a symbol, plus 1 */
	uint32_t nr_symbols;
	struct cubin *out;
	uint32_t room;			/* of out->params */
	unsigned int section_names;
};

static bool inside(const struct reader *r, uint64_t at, uint64_t bytes)
{
	return at <= r->n && bytes <= r->n - at;
}

static uint32_t u32_at(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t u16_at(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- the file ---- */

static bool arch_fits(struct cubin *c, const Elf64_Ehdr *h, unsigned int sm)
{
	if (h->e_ident[EI_OSABI] == OSABI_OLD)
		c->arch = h->e_flags & 0xff;
	else if (h->e_ident[EI_OSABI] == OSABI_NEW)
		c->arch = h->e_flags >> 8 & 0xff;
	else
		return false;
	c->virtual_arch = h->e_ident[EI_OSABI] == OSABI_OLD ? h->e_flags >> 16 & 0xff : c->arch;
	return c->arch / 10 == sm / 10 && c->arch <= sm;
}

static bool read_sections(struct reader *r, unsigned int sm)
{
	Elf64_Ehdr h;

	if (r->n < sizeof(h))
		return false;
	memcpy(&h, r->elf, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_machine != EM_CUDA || h.e_type != ET_EXEC ||
	    !arch_fits(r->out, &h, sm))
		return false;
	if (!h.e_shnum || h.e_shentsize != sizeof(Elf64_Shdr) ||
	    !inside(r, h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr)))
		return false;
	r->sections = calloc(h.e_shnum, sizeof(*r->sections));
	if (!r->sections)
		return false;
	r->nr = h.e_shnum;
	r->section_names = h.e_shstrndx < h.e_shnum ? h.e_shstrndx : 0;
	for (unsigned int i = 0; i < r->nr; i++) {
		Elf64_Shdr *s = &r->sections[i].head;

		memcpy(s, r->elf + h.e_shoff + i * sizeof(*s), sizeof(*s));
		if (s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL &&
		    !inside(r, s->sh_offset, s->sh_size))
			return false;
		if (s->sh_type == SHT_SYMTAB)
			r->symbols = s;
	}
	return true;
}

/* ---- kernels ---- */

static bool read_kernel(struct reader *r, uint32_t symbol, const Elf64_Sym *s)
{
	struct cubin *c = r->out;
	const char *name = (const char *)r->elf + r->names->sh_offset + s->st_name;

	if (s->st_name >= r->names->sh_size || s->st_shndx >= r->nr ||
	    !memchr(name, 0, r->names->sh_size - s->st_name))
		return false;
	c->kernels[c->nr_kernels++].name = name;
	r->kernel_of[symbol] = c->nr_kernels;
	r->sections[s->st_shndx].kernel = c->nr_kernels;
	return true;
}

static bool read_symbols(struct reader *r)
{
	const Elf64_Shdr *s = r->symbols;
	uint32_t nr_kernels = 0;
	Elf64_Sym sym;

	if (!s || s->sh_link >= r->nr || s->sh_size / sizeof(sym) > UINT32_MAX / 2)
		return false;
	r->names = &r->sections[s->sh_link].head;
	r->nr_symbols = s->sh_size / sizeof(sym);
	if (r->names->sh_type != SHT_STRTAB)
		return false;
	for (int count = 1; count >= 0; count--) {
		for (uint32_t i = 0; i < r->nr_symbols; i++) {
			memcpy(&sym, r->elf + s->sh_offset + i * sizeof(sym), sizeof(sym));
			if (ELF64_ST_TYPE(sym.st_info) != STT_FUNC || !(sym.st_other & STO_ENTRY))
				continue;
			if (count)
				nr_kernels++;
			else if (!read_kernel(r, i, &sym))
				return false;
		}
		if (!count)
			break;
		r->out->kernels = calloc(nr_kernels + 1, sizeof(*r->out->kernels));
		r->kernel_of = calloc(r->nr_symbols + 1, sizeof(*r->kernel_of));
		if (!r->out->kernels || !r->kernel_of)
			return false;
	}
	return true;
}

/* ---- attributes ---- */

static struct vcuda_param *params_of(struct reader *r, const struct cubin_kernel *k)
{
	return r->out->params + k->first_param;
}

/* Parameters come in any order: the place of one is its ordinal. */
static bool add_param(struct reader *r, struct cubin_kernel *k, uint32_t ordinal,
		      struct vcuda_param p)
{
	struct cubin *c = r->out;

	if (ordinal >= PARAMS_MAX || !p.size || p.offset + p.size > PARAM_BYTES_MAX)
		return false;
	if (k->first_param + ordinal >= r->room) {
		uint32_t room = (k->first_param + ordinal) * 2 + 64;
		struct vcuda_param *more = realloc(c->params, room * sizeof(*more));

		if (!more)
			return false;
		c->params = more;
		r->room = room;
	}
	while (k->nr_params <= ordinal)
		params_of(r, k)[k->nr_params++] = (struct vcuda_param){ 0 };
	if (params_of(r, k)[ordinal].size)
		return false;
	params_of(r, k)[ordinal] = p;
	return true;
}

static bool take_attribute(struct reader *r, struct cubin_kernel *k, unsigned int id,
			   const uint8_t *p, size_t n)
{
	switch (id) {
	case ATTR_PARAM:		/* size: the upper 14 bits */
		return n == 12 && add_param(r, k, u16_at(p + 4),
					    (struct vcuda_param){ u16_at(p + 6), u32_at(p + 8) >> 18 });
	case ATTR_PARAM_2:
		return n == 12 && u32_at(p + 8) <= PARAM_BYTES_MAX &&
		       add_param(r, k, u16_at(p + 4),
				 (struct vcuda_param){ u16_at(p + 6), u32_at(p + 8) });
	case ATTR_MAX_THREADS:
		if (n != 12)
			return false;
		k->max_threads = u32_at(p) * u32_at(p + 4) * u32_at(p + 8);
		return true;
	case ATTR_CLUSTER:
		if (n != 12)
			return false;
		for (int i = 0; i < 3; i++)
			k->cluster[i] = u32_at(p + 4 * i);
		return true;
	default:
		return true;
	}
}

/* Of symbols: k is NULL. */
static bool take_of_symbol(struct reader *r, unsigned int id, const uint8_t *p, size_t n)
{
	struct cubin_kernel *k;
	uint32_t symbol;

	if (id != ATTR_REGISTERS && id != ATTR_STACK)
		return true;
	if (n != 8)
		return false;
	symbol = u32_at(p);
	if (symbol >= r->nr_symbols || !r->kernel_of[symbol])
		return true;
	k = &r->out->kernels[r->kernel_of[symbol] - 1];
	if (id == ATTR_REGISTERS)
		k->registers = u32_at(p + 4);
	else
		k->stack_bytes = u32_at(p + 4);
	return true;
}

/* Up to CUDA 12 the flags of the code tell, then an attribute. */
static void take_barriers(struct cubin_kernel *k, unsigned int n)
{
	if (n > k->barriers)
		k->barriers = n;
}

static bool read_info(struct reader *r, const Elf64_Shdr *s, struct cubin_kernel *k)
{
	const uint8_t *p = r->elf + s->sh_offset, *end = p + s->sh_size;

	while (end - p >= 4) {
		unsigned int format = p[0], id = p[1];
		size_t n = format == FORMAT_SIZED ? u16_at(p + 2) : 0;

		p += 4;
		if (n > (size_t)(end - p))
			return false;
		if (format == FORMAT_NONE && k && id == ATTR_CLUSTER_SET)
			k->cluster_set = true;
		if (format == FORMAT_BYTE && k && id == ATTR_BARRIERS)
			take_barriers(k, p[-2]);
		if (format == FORMAT_SIZED &&
		    !(k ? take_attribute(r, k, id, p, n) : take_of_symbol(r, id, p, n)))
			return false;
		p += n;
	}
	return p == end;
}

/* No parameter is left out, none over another. */
static bool params_whole(struct reader *r, const struct cubin_kernel *k)
{
	const struct vcuda_param *p = params_of(r, k);
	uint32_t end = 0;

	for (uint32_t i = 0; i < k->nr_params; i++) {
		if (!p[i].size || p[i].offset < end)
			return false;
		end = p[i].offset + p[i].size;
	}
	return true;
}

static bool is_named(const struct reader *r, const Elf64_Shdr *s, const char *name)
{
	const Elf64_Shdr *strings = &r->sections[r->section_names].head;
	size_t n = strlen(name) + 1;

	return strings->sh_type == SHT_STRTAB && s->sh_name < strings->sh_size &&
	       n <= strings->sh_size - s->sh_name &&
	       !memcmp(r->elf + strings->sh_offset + s->sh_name, name, n);
}

static bool read_section(struct reader *r, const Elf64_Shdr *s)
{
	struct cubin_kernel *k = NULL;

	if (s->sh_type == SHT_PROGBITS && is_named(r, s, ".nv.constant3"))
		r->out->const_bytes = s->sh_size;
	if (s->sh_type == SHT_NOTE && is_named(r, s, ".note.nv.cuinfo") && s->sh_size >= NOTE_BYTES)
		r->out->virtual_arch = u16_at(r->elf + s->sh_offset + NOTE_VIRTUAL);

	if (s->sh_info && s->sh_info < r->nr && r->sections[s->sh_info].kernel)
		k = &r->out->kernels[r->sections[s->sh_info].kernel - 1];
	if (s->sh_type == SHT_NOBITS && k && s->sh_flags & SHF_INFO_LINK) {
		k->shared_bytes = s->sh_size < UINT32_MAX ? s->sh_size : UINT32_MAX;
		return true;
	}
	if (s->sh_type != SHT_INFO || (s->sh_info && !k))
		return true;
	if (k && k->nr_params)
		return false;
	if (k)
		k->first_param = r->out->nr_params;
	if (!read_info(r, s, k) || (k && !params_whole(r, k)))
		return false;
	if (k)
		r->out->nr_params += k->nr_params;
	return true;
}

static bool read_all(struct reader *r, unsigned int sm)
{
	if (!read_sections(r, sm) || !read_symbols(r))
		return false;
	for (unsigned int i = 0; i < r->nr; i++) {
		if (r->sections[i].kernel)
			take_barriers(&r->out->kernels[r->sections[i].kernel - 1],
				      r->sections[i].head.sh_flags >> TEXT_BARRIERS & 0x7f);
		if (!read_section(r, &r->sections[i].head))
			return false;
	}
	return true;
}

bool cubin_read(struct cubin *c, const void *elf, size_t n, unsigned int sm)
{
	struct reader r = { .elf = elf, .n = n, .out = c };
	bool ok;

	memset(c, 0, sizeof(*c));
	ok = read_all(&r, sm);
	free(r.sections);
	free(r.kernel_of);
	if (!ok)
		cubin_free(c);
	return ok;
}

/* ---- as the driver tells it ---- */

#define BLOCK_THREADS	1024u
#define BLOCK_REGISTERS	65536u
#define REGISTERS_UNIT	256u		/* that a warp gets */
#define WARPS_UNIT	4u		/* a block's warps get them */
#define SHARED_DEFAULT	49152u
#define SHARED_KEPT	1024u		/* of a block's from 9.0 on, when it has any */

static uint32_t block_threads(const struct cubin_kernel *k)
{
	uint64_t of_warp = ((uint64_t)k->registers * 32 + REGISTERS_UNIT - 1) / REGISTERS_UNIT *
			   REGISTERS_UNIT;
	uint64_t max = BLOCK_THREADS;

	if (of_warp && BLOCK_REGISTERS / of_warp / WARPS_UNIT * WARPS_UNIT * 32 < max)
		max = BLOCK_REGISTERS / of_warp / WARPS_UNIT * WARPS_UNIT * 32;
	return k->max_threads && k->max_threads < max ? k->max_threads : max;
}

void cubin_attributes(const struct cubin *c, const struct cubin_kernel *k,
		      int values[CUBIN_ATTRIBUTES])
{
	uint32_t kept = c->arch >= 90 ? SHARED_KEPT : 0;
	uint32_t shared = k->shared_bytes > kept ? k->shared_bytes - kept : 0;

	memset(values, 0, CUBIN_ATTRIBUTES * sizeof(*values));
	values[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = block_threads(k);
	values[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES] = shared;
	values[CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES] = c->const_bytes;
	values[CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES] = k->stack_bytes;
	values[CU_FUNC_ATTRIBUTE_NUM_REGS] = k->registers;
	values[CU_FUNC_ATTRIBUTE_PTX_VERSION] = c->virtual_arch;
	values[CU_FUNC_ATTRIBUTE_BINARY_VERSION] = c->arch;
	values[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES] =
		shared < SHARED_DEFAULT ? SHARED_DEFAULT - shared : 0;
	values[CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT] = -1;
	values[CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET] = k->cluster_set;
	values[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH] = k->cluster[0];
	values[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT] = k->cluster[1];
	values[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH] = k->cluster[2];
}

void cubin_free(struct cubin *c)
{
	free(c->kernels);
	free(c->params);
	memset(c, 0, sizeof(*c));
}
