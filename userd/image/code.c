/* SPDX-License-Identifier: MIT */
#include "code.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "decompress.h"

#define HUGE_PAGE	(2ul << 20)

/* 0: does not run on the device; the greater, the sooner the driver takes it. */
static unsigned int preference(const struct fatbin_entry *e, unsigned int sm)
{
	if (e->kind != FATBIN_ELF || e->arch / 10 != sm / 10 || e->arch > sm ||
	    e->flags & FATBIN_F_FAMILY)
		return 0;
	if (e->flags & FATBIN_F_ARCH_SPECIFIC)
		return e->arch == sm ? 2 * sm + 1 : 0;
	return 2 * e->arch;
}

bool code_find(const void *fatbin, size_t n, unsigned int sm, struct fatbin_entry *best)
{
	struct fatbin_entry e;
	struct fatbin_walk w;
	unsigned int found = 0;
	int r;

	if (!fatbin_begin(&w, fatbin, n))
		return false;
	while ((r = fatbin_next(&w, &e)) > 0)
		if (preference(&e, sm) > found) {
			found = preference(&e, sm);
			*best = e;
		}
	return !r && found && best->codec != FATBIN_UNKNOWN;
}

void *code_alloc(size_t n)
{
	void *p;

	if (n < 2 * HUGE_PAGE || n > SIZE_MAX - HUGE_PAGE)
		return malloc(n);
	n = (n + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	p = aligned_alloc(HUGE_PAGE, n);
	if (p)
		madvise(p, n, MADV_HUGEPAGE);
	return p;
}

void *code_unpack(const struct fatbin_entry *e, size_t pad)
{
	unsigned char *p = e->plain_size <= SIZE_MAX - pad ? code_alloc(e->plain_size + pad) : NULL;

	if (p && fatbin_decompress(e, p)) {
		memset(p + e->plain_size, 0, pad);
		return p;
	}
	free(p);
	return NULL;
}
