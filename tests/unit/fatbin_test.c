/* SPDX-License-Identifier: MIT */
/*
 * fatbin_test.c - the image walker: whole, cut short and damaged images
 *
 * Every image lies at the end of a page that nothing follows, so that a read too far is a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#include "code.h"
#include "decompress.h"
#include "fatbin.h"

#define ROOM	65536

static unsigned char *area;	/* ROOM bytes, then a page that cannot be read */

/* Puts n bytes right before the unreadable page. */
static unsigned char *at_edge(const void *data, size_t n)
{
	if (!area) {
		area = mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
		assert_ptr_not_equal(area, MAP_FAILED);
		assert_int_equal(mprotect(area + ROOM, 4096, PROT_NONE), 0);
	}
	assert_true(n <= ROOM);
	return memcpy(area + ROOM - n, data, n);
}

struct builder {
	unsigned char data[4096];
	size_t len;
};

static void put(struct builder *b, size_t at, const void *v, size_t n)
{
	memcpy(b->data + at, v, n);
}

#define PUT(b, at, type, v)	put(b, at, &(type){ v }, sizeof(type))

static void begin(struct builder *b)
{
	memset(b, 0, sizeof(*b));
	PUT(b, 0, uint32_t, FATBIN_MAGIC);
	PUT(b, 4, uint16_t, 1);
	PUT(b, 6, uint16_t, 16);
	b->len = 16;
}

static void add(struct builder *b, unsigned int kind, unsigned int arch, uint64_t flags,
		const void *payload, size_t n, size_t plain)
{
	size_t at = b->len, header = 80, padded = (n + 7) & ~(size_t)7;

	PUT(b, at, uint16_t, kind);
	PUT(b, at + 2, uint16_t, 0x0101);
	PUT(b, at + 4, uint32_t, header);
	PUT(b, at + 8, uint64_t, padded);
	PUT(b, at + 16, uint32_t, plain ? n : 0);
	PUT(b, at + 28, uint32_t, arch);
	PUT(b, at + 40, uint64_t, flags);
	PUT(b, at + 56, uint64_t, plain);
	put(b, at + header, payload, n);
	b->len += header + padded;
	PUT(b, 8, uint64_t, b->len - 16);
}

static const char text[] =
	"\n\n.version 9.0\n.target sm_75\n.address_size 64\nabcabcabcabcabcabcabc\n";

/*
 * "abc", a match of 18 bytes at distance 3, and five literals: "abcabcabcabcabcabcabc" and "12345".
 */
static const unsigned char lz4_block[] = {
	0x3e, 'a', 'b', 'c', 3, 0, 0x50, '1', '2', '3', '4', '5'
};
static const char lz4_plain[] = "abcabcabcabcabcabcabc12345";

static void build(struct builder *b)
{
	char z[256];
	size_t n = ZSTD_compress(z, sizeof(z), text, sizeof(text), 3);

	assert_false(ZSTD_isError(n));
	begin(b);
	add(b, FATBIN_ELF, 75, FATBIN_F_64BIT, "\177ELF", 5, 0);
	add(b, FATBIN_PTX, 75, FATBIN_F_64BIT, text, sizeof(text), 0);
	add(b, FATBIN_PTX, 80, FATBIN_F_LZ4, lz4_block, sizeof(lz4_block), sizeof(lz4_plain) - 1);
	add(b, FATBIN_PTX, 90, FATBIN_F_ZSTD, z, n, sizeof(text));
}

static void entries_are_found_and_decompressed(void **state)
{
	struct fatbin_entry e;
	struct fatbin_walk w;
	struct builder b;
	unsigned char *p;
	char out[256];
	size_t size;

	(void)state;
	build(&b);
	p = at_edge(b.data, b.len);
	assert_int_equal(image_form(p, SIZE_MAX), IMAGE_FATBIN);
	assert_true(image_size(p, SIZE_MAX, &size));
	assert_int_equal(size, b.len);
	assert_true(fatbin_begin(&w, p, b.len));
	assert_int_equal(fatbin_next(&w, &e), 1);
	assert_int_equal(e.kind, FATBIN_ELF);
	assert_int_equal(e.arch, 75);
	assert_int_equal(e.codec, FATBIN_STORED);
	assert_int_equal(fatbin_next(&w, &e), 1);
	assert_int_equal(e.kind, FATBIN_PTX);
	assert_true(fatbin_decompress(&e, out));
	assert_string_equal(out, text);
	assert_int_equal(fatbin_next(&w, &e), 1);
	assert_int_equal(e.codec, FATBIN_LZ4);
	assert_int_equal(e.plain_size, sizeof(lz4_plain) - 1);
	assert_true(fatbin_decompress(&e, out));
	assert_memory_equal(out, lz4_plain, e.plain_size);
	assert_int_equal(fatbin_next(&w, &e), 1);
	assert_int_equal(e.codec, FATBIN_ZSTD);
	assert_true(fatbin_decompress(&e, out));
	assert_string_equal(out, text);
	assert_int_equal(fatbin_next(&w, &e), 0);
	assert_int_equal(fatbin_next(&w, &e), 0);
}

/* Reads all that the walk gives. -1: refused somewhere. */
static int walk(const unsigned char *p, size_t n)
{
	static char out[ROOM];
	struct fatbin_entry e;
	struct fatbin_walk w;
	int more, bad = 0;

	if (!fatbin_begin(&w, p, n))
		return -1;
	while ((more = fatbin_next(&w, &e)) > 0) {
		assert_true((const unsigned char *)e.data >= p &&
			    (const unsigned char *)e.data + e.size <= p + n);
		if (e.plain_size > sizeof(out) || !fatbin_decompress(&e, out))
			bad = -1;
	}
	return more ? -1 : bad;
}

static void fatbins_cut_short_are_refused(void **state)
{
	struct builder b;
	size_t size;

	(void)state;
	build(&b);
	assert_int_equal(walk(at_edge(b.data, b.len), b.len), 0);
	for (size_t n = 0; n < b.len; n++) {
		unsigned char *p = at_edge(b.data, n);

		assert_false(image_size(p, n, &size));
		assert_int_equal(walk(p, n), -1);
	}
}

/*
 * A shorter total is believed, and then the entries do not fit it, unless it ends exactly between
 * two.
 */
static void totals_that_lie_are_refused(void **state)
{
	struct builder b;
	int whole = 0;

	(void)state;
	build(&b);
	for (uint64_t total = 0; total < b.len - 16; total++) {
		PUT(&b, 8, uint64_t, total);
		whole += walk(at_edge(b.data, 16 + total), 16 + total) == 0;
	}
	assert_int_equal(whole, 4);	/* after 0, 1, 2 and 3 entries */
	PUT(&b, 8, uint64_t, b.len - 15);
	assert_int_equal(walk(at_edge(b.data, b.len), b.len), -1);
	PUT(&b, 8, uint64_t, UINT64_MAX);
	assert_int_equal(walk(at_edge(b.data, b.len), b.len), -1);
	PUT(&b, 8, uint64_t, UINT64_MAX - 15);
	assert_int_equal(walk(at_edge(b.data, b.len), b.len), -1);
}

/* Whatever byte is wrong: no read outside, which walk() and the page behind the image see. */
static void damaged_fatbins_are_survived(void **state)
{
	static const unsigned char values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	struct builder b;
	unsigned int refused = 0;

	(void)state;
	build(&b);
	for (size_t i = 0; i < b.len; i++) {
		unsigned char old = b.data[i];

		for (size_t v = 0; v < sizeof(values); v++) {
			b.data[i] = values[v];
			refused += walk(at_edge(b.data, b.len), b.len) < 0;
		}
		b.data[i] = old;
	}
	assert_true(refused > 100);
}

static void lengths_of_entries_are_checked(void **state)
{
	static const struct { size_t at; uint64_t value; size_t n;
	} bad[] = {
		{ 4, 0, 4 },
		{ 4, 63, 4 },
		{ 4, 0xffffffff, 4 },
		{ 8, UINT64_MAX, 8 },
		{ 8, UINT64_MAX - 79, 8 },
		{ 16, 0xffffffff, 4 },
		{ 56, UINT64_MAX, 8 },
	};
	struct builder b;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(&b);
		add(&b, FATBIN_PTX, 80, FATBIN_F_LZ4, lz4_block, sizeof(lz4_block),
		    sizeof(lz4_plain) - 1);
		assert_int_equal(walk(at_edge(b.data, b.len), b.len), 0);
		put(&b, 16 + bad[i].at, &bad[i].value, bad[i].n);
		assert_int_equal(walk(at_edge(b.data, b.len), b.len), -1);
	}
	/* A codec without a compressed size. */
	begin(&b);
	add(&b, FATBIN_PTX, 80, FATBIN_F_LZ4, lz4_block, sizeof(lz4_block), 0);
	assert_int_equal(walk(at_edge(b.data, b.len), b.len), -1);
}

/* It may be for another driver than ours, and for another architecture. */
static void an_unknown_codec_hides_no_other_entry(void **state)
{
	static const uint64_t codecs[] = { 0, FATBIN_F_LZ4 | FATBIN_F_ZSTD };
	struct fatbin_entry e;
	struct fatbin_walk w;
	struct builder b;
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		begin(&b);
		add(&b, FATBIN_ELF, 80, codecs[i], lz4_block, sizeof(lz4_block), 26);
		add(&b, FATBIN_ELF, 75, FATBIN_F_LZ4, lz4_block, sizeof(lz4_block), 26);
		assert_true(fatbin_begin(&w, at_edge(b.data, b.len), b.len));
		assert_int_equal(fatbin_next(&w, &e), 1);
		assert_int_equal(e.codec, FATBIN_UNKNOWN);
		assert_false(fatbin_decompress(&e, out));
		assert_int_equal(fatbin_next(&w, &e), 1);
		assert_true(fatbin_decompress(&e, out));
		assert_int_equal(fatbin_next(&w, &e), 0);
		assert_true(code_find(at_edge(b.data, b.len), b.len, 75, &e));
		assert_int_equal(e.codec, FATBIN_LZ4);
		assert_false(code_find(at_edge(b.data, b.len), b.len, 86, &e));
	}
}

/* No compiler writes any: what is there is too short for an entry. */
static void nothing_stands_behind_the_last_entry(void **state)
{
	struct builder b;

	(void)state;
	for (size_t n = 1; n < 64; n++) {
		build(&b);
		b.len += n;
		PUT(&b, 8, uint64_t, b.len - 16);
		assert_int_equal(walk(at_edge(b.data, b.len), b.len), -1);
	}
}

static bool lz4(const void *in, size_t in_size, void *out, size_t out_size)
{
	struct fatbin_entry e = { .codec = FATBIN_LZ4, .data = in, .size = in_size, .plain_size = out_size };

	return fatbin_decompress(&e, out);
}

static void damaged_lz4_is_refused(void **state)
{
	static const unsigned char cases[][6] = {
		{ 0x10 },			 /* literals beyond the input */
		{ 0xf0, 0xff, 0xff },		 /* a length without an end */
		{ 0x10, 'a', 1 },		 /* half a distance */
		{ 0x10, 'a', 0, 0 },		 /* distance 0 */
		{ 0x10, 'a', 2, 0 },		 /* distance before the start */
		{ 0x1f, 'a', 1, 0, 0xff, 0xff }, /* match beyond the output, without an end */
	};
	static const size_t lengths[] = { 1, 3, 3, 4, 4, 6 };
	char out[32];

	(void)state;
	assert_true(lz4(lz4_block, sizeof(lz4_block), out, 26));
	assert_false(lz4(lz4_block, sizeof(lz4_block), out, 25));
	assert_false(lz4(lz4_block, sizeof(lz4_block), out, 27));
	for (size_t n = 0; n < sizeof(lz4_block); n++)
		assert_false(lz4(at_edge(lz4_block, n), n, out, 26));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_false(lz4(at_edge(cases[i], lengths[i]), lengths[i], out,
					    sizeof(out)));
}

static void forms_are_told_apart(void **state)
{
	const struct fatbin_wrapper wrapper = { FATBIN_WRAPPER_MAGIC, 1, NULL, NULL };
	size_t size;

	(void)state;
	assert_int_equal(image_form(at_edge(&wrapper, sizeof(wrapper)), SIZE_MAX), IMAGE_WRAPPER);
	assert_int_equal(image_form(at_edge(text, sizeof(text)), SIZE_MAX), IMAGE_TEXT);
	assert_true(image_size(at_edge(text, sizeof(text)), SIZE_MAX, &size));
	assert_int_equal(size, sizeof(text));
	/* Without the NUL it is no text of that length. */
	assert_false(image_size(at_edge(text, sizeof(text) - 1), sizeof(text) - 1, &size));
	/* Short ones end where they end. */
	assert_int_equal(image_form(at_edge("", 1), SIZE_MAX), IMAGE_NONE);
	assert_int_equal(image_form(at_edge("a", 2), SIZE_MAX), IMAGE_TEXT);
	assert_int_equal(image_form(at_edge("ab", 3), SIZE_MAX), IMAGE_TEXT);
	assert_int_equal(image_form(at_edge("\177EL", 3), 3), IMAGE_NONE);
	assert_int_equal(image_form(at_edge("\1\2\3\4", 4), 4), IMAGE_NONE);
	assert_int_equal(image_form(NULL, 4), IMAGE_NONE);
	/* Garbage that begins like a text is left at the first byte that no text has. */
	assert_false(image_size(at_edge("text\1", 5), SIZE_MAX, &size));
}

static void cubins_have_a_size(void **state)
{
	struct {
		Elf64_Ehdr eh;
		char code[40];
		Elf64_Shdr sh[3];
	} elf = { 0 };
	size_t size;

	(void)state;
	memcpy(elf.eh.e_ident, ELFMAG, SELFMAG);
	elf.eh.e_ident[EI_CLASS] = ELFCLASS64;
	elf.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	elf.eh.e_shoff = offsetof(typeof(elf), sh);
	elf.eh.e_shnum = 3;
	elf.eh.e_shentsize = sizeof(Elf64_Shdr);
	elf.sh[1].sh_type = SHT_PROGBITS;
	elf.sh[1].sh_offset = sizeof(elf.eh);
	elf.sh[1].sh_size = sizeof(elf.code);
	elf.sh[2].sh_type = SHT_NOBITS;		/* shared memory: no bytes in the file */
	elf.sh[2].sh_size = 1 << 20;
	assert_true(image_size(at_edge(&elf, sizeof(elf)), SIZE_MAX, &size));
	assert_int_equal(size, sizeof(elf));
	for (size_t n = 0; n < sizeof(elf); n++)
		assert_false(image_size(at_edge(&elf, n), n, &size));
	elf.sh[1].sh_size = UINT64_MAX - 8;
	assert_false(image_size(at_edge(&elf, sizeof(elf)), sizeof(elf), &size));
	assert_false(image_size(at_edge(&elf, sizeof(elf)), SIZE_MAX, &size));
	elf.sh[1].sh_size = 1;
	elf.eh.e_shoff = UINT64_MAX;
	assert_false(image_size(at_edge(&elf, sizeof(elf)), SIZE_MAX, &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found_and_decompressed),
		cmocka_unit_test(fatbins_cut_short_are_refused),
		cmocka_unit_test(totals_that_lie_are_refused),
		cmocka_unit_test(damaged_fatbins_are_survived),
		cmocka_unit_test(lengths_of_entries_are_checked),
		cmocka_unit_test(an_unknown_codec_hides_no_other_entry),
		cmocka_unit_test(nothing_stands_behind_the_last_entry),
		cmocka_unit_test(damaged_lz4_is_refused),
		cmocka_unit_test(forms_are_told_apart),
		cmocka_unit_test(cubins_have_a_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
