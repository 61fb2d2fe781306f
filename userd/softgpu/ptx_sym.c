/* SPDX-License-Identifier: MIT */
/*
 * ptx_sym.c - the parser's memory and its scoped, hashed symbols
 */
#include <stdlib.h>
#include <string.h>

#include "ptx_parse.h"

#define CHUNK_BYTES (64u << 10)
#define ARENA_ALIGN 64

struct arena_chunk {
	struct arena_chunk *next;
	uint8_t pad[ARENA_ALIGN - sizeof(void *)];
	uint8_t data[];
};

void *arena_alloc(struct arena *a, size_t size)
{
	size_t want = (size + 15) & ~(size_t)15;
	struct arena_chunk *c;
	size_t room;
	void *p;

	if (size > SIZE_MAX / 4)
		return NULL;
	if (a->chunks && a->size - a->used >= want) {
		p = a->chunks->data + a->used;
		a->used += want;
		return p;
	}
	room = want > CHUNK_BYTES / 4 ? want : CHUNK_BYTES;
	c = calloc(1, sizeof(*c) + room);
	if (!c)
		return NULL;
	if (room == want && a->chunks) {	/* a large piece: go on filling the old chunk */
		c->next = a->chunks->next;
		a->chunks->next = c;
		return c->data;
	}
	c->next = a->chunks;
	a->chunks = c;
	a->size = room;
	a->used = want;
	return c->data;
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	a->used = a->size = 0;
}

void *ptx_alloc(struct ptx_parser *p, struct arena *a, size_t size)
{
	void *mem = arena_alloc(a, size);

	if (!mem)
		ptx_error_at(&p->l, &p->l.tok, SG_NOMEM, "no memory");
	return mem;
}

const char *ptx_strdup(struct ptx_parser *p, const char *s, size_t len)
{
	char *copy = ptx_alloc(p, p->arena, len + 1);

	if (copy)
		memcpy(copy, s, len);
	return copy;
}

/* Seeded: a text must not be able to choose its collisions. */
uint32_t ptx_hash(const struct ptx_parser *p, const char *s, size_t len)
{
	uint32_t h = p->syms.seed;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h ^ h >> 15;
}

static struct ptx_sym *find_hashed(struct ptx_parser *p, const char *s, size_t len, uint32_t hash)
{
	struct ptx_symtab *t = &p->syms;
	struct ptx_sym *best = NULL;

	if (!t->nr_buckets)
		return NULL;
	for (struct ptx_sym *y = t->buckets[hash & (t->nr_buckets - 1)]; y; y = y->next)
		if (y->hash == hash && y->len == len && !memcmp(y->name, s, len) &&
		    (!best || y->depth > best->depth))
			best = y;
	return best;
}

static bool grow(struct ptx_parser *p)
{
	struct ptx_symtab *t = &p->syms;
	uint32_t nr = t->nr_buckets ? t->nr_buckets * 4 : 256;
	struct ptx_sym **buckets = calloc(nr, sizeof(*buckets));

	if (!buckets) {
		ptx_error_at(&p->l, &p->l.tok, SG_NOMEM, "no memory");
		return false;
	}
	for (uint32_t i = 0; i < t->nr_buckets; i++) {
		struct ptx_sym *y = t->buckets[i], *next;

		for (; y; y = next) {
			next = y->next;
			y->next = buckets[y->hash & (nr - 1)];
			buckets[y->hash & (nr - 1)] = y;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->nr_buckets = nr;
	return true;
}

static struct ptx_sym *insert(struct ptx_parser *p, const char *s, uint32_t len, uint32_t hash,
			      enum ptx_sym_kind kind, uint32_t depth)
{
	struct ptx_symtab *t = &p->syms;
	struct ptx_sym *y;

	if (t->nr >= t->nr_buckets && !grow(p))
		return NULL;
	y = ptx_alloc(p, &p->tmp, sizeof(*y));
	if (!y)
		return NULL;
	y->name = s;
	y->len = len;
	y->hash = hash;
	y->kind = kind;
	y->depth = depth;
	y->next = t->buckets[hash & (t->nr_buckets - 1)];
	t->buckets[hash & (t->nr_buckets - 1)] = y;
	y->scope_next = t->scope[depth].syms;
	t->scope[depth].syms = y;
	t->nr++;
	return y;
}

struct ptx_sym *ptx_sym_add(struct ptx_parser *p, const struct ptx_tok *name,
			    enum ptx_sym_kind kind)
{
	uint32_t hash = ptx_hash(p, name->s, name->len);
	struct ptx_sym *old = find_hashed(p, name->s, name->len, hash);

	/* parameters of a prototype may all be called "_" */
	if (old && old->depth == p->syms.depth && !ptx_tok_is(name, "_")) {
		ptx_error_at(&p->l, name, SG_INVALID_PTX, "'%.*s' is declared twice",
			     (int)name->len, name->s);
		return NULL;
	}
	return insert(p, name->s, name->len, hash, kind, p->syms.depth);
}

/*
 * %r<100> is one symbol "%r"; a register of it becomes a symbol, and takes a row, when it is first
 * named. outer: what the name means outside the innermost blocks, or NULL: only their ranges count.
 */
static struct ptx_sym *from_range(struct ptx_parser *p, const char *s, size_t len,
				  const struct ptx_sym *outer)
{
	size_t stem = len;
	uint64_t n = 0;
	struct ptx_sym *range, *y;

	while (stem && s[stem - 1] >= '0' && s[stem - 1] <= '9')
		stem--;
	/* "%r01" is no member of %r<2>, and a stem may itself end in digits: try each cut */
	for (; stem < len; stem++) {
		if (s[stem] == '0' && stem + 1 < len)
			continue;
		range = find_hashed(p, s, stem, ptx_hash(p, s, stem));
		if (!range || range->kind != SYM_RANGE || len - stem > 9 ||
		    (outer && range->depth <= outer->depth))
			continue;
		n = 0;
		for (size_t i = stem; i < len; i++)
			n = n * 10 + (uint64_t)(s[i] - '0');
		if (n >= range->row)
			continue;
		y = insert(p, s, (uint32_t)len, ptx_hash(p, s, len), SYM_REG, range->depth);
		if (!y)
			return NULL;
		y->type = range->type;
		y->lanes = range->lanes;
		y->row = y->lanes > 1 ? ptx_reg_row(p, y->type, y->lanes)
				      : ptx_reuse_row(p, s, len, y->type);
		return y;
	}
	return NULL;
}

struct ptx_sym *ptx_sym_find(struct ptx_parser *p, const char *s, size_t len)
{
	struct ptx_sym *y = find_hashed(p, s, len, ptx_hash(p, s, len)), *inner;

	if (!p->fn || (y && y->depth == p->syms.depth))
		return y;
	inner = from_range(p, s, len, y);
	return inner ? inner : y;
}

bool ptx_scope_push(struct ptx_parser *p)
{
	if (p->syms.depth + 1 >= PTX_MAX_SCOPES) {
		ptx_error(&p->l, "blocks are nested more than %d deep", PTX_MAX_SCOPES - 1);
		return false;
	}
	p->syms.depth++;
	p->syms.scope[p->syms.depth].syms = NULL;
	p->syms.scope[p->syms.depth].fixups = NULL;
	return true;
}

static void settle(struct ptx_parser *p, struct ptx_fixup *f, const struct ptx_sym *label)
{
	if (label->kind != SYM_LABEL)
		ptx_error_at(&p->l, &f->tok, SG_INVALID_PTX, "'%.*s' is not a label",
			     (int)f->tok.len, f->tok.s);
	else if (f->slot)
		*f->slot = label->pc;
	else
		p->fn->code[f->insn].imm = label->pc;
}

/*
 * Labels belong to their block: a use that this block does not answer is asked again in the one
 * around it.
 */
void ptx_scope_pop(struct ptx_parser *p)
{
	struct ptx_symtab *t = &p->syms;
	struct ptx_fixup *f = t->scope[t->depth].fixups, *next;

	for (; f; f = next) {
		struct ptx_sym *y = find_hashed(p, f->tok.s, f->tok.len, f->hash);

		next = f->next;
		if (y && y->depth == t->depth) {
			settle(p, f, y);
		} else if (t->depth <= 1) {
			ptx_error_at(&p->l, &f->tok, SG_INVALID_PTX, "unknown label '%.*s'",
				     (int)f->tok.len, f->tok.s);
		} else {
			f->next = t->scope[t->depth - 1].fixups;
			t->scope[t->depth - 1].fixups = f;
		}
	}
	for (struct ptx_sym *y = t->scope[t->depth].syms; y; y = y->scope_next) {
		struct ptx_sym **at = &t->buckets[y->hash & (t->nr_buckets - 1)];

		while (*at != y)
			at = &(*at)->next;
		*at = y->next;
		t->nr--;
	}
	t->scope[t->depth].syms = NULL;
	t->scope[t->depth].fixups = NULL;
	t->depth--;
}

void ptx_label_use(struct ptx_parser *p, const struct ptx_tok *name, uint32_t insn, uint32_t *slot)
{
	struct ptx_fixup *f = ptx_alloc(p, &p->tmp, sizeof(*f));

	if (!f)
		return;
	f->tok = *name;
	f->hash = ptx_hash(p, name->s, name->len);
	f->insn = insn;
	f->slot = slot;
	f->next = p->syms.scope[p->syms.depth].fixups;
	p->syms.scope[p->syms.depth].fixups = f;
}
