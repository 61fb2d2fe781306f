/* SPDX-License-Identifier: MIT */
/*
 * ptx_reuse.c - which registers of a body may share a row of the register file
 *
 * nvcc names thousands of registers in a kernel, each once defined; a row each would not fit the
 * caches. Before a body is parsed, its text is read once for where each name occurs. A register
 * keeps its row over an interval of statements and gives it to one that begins after it. The
 * interval holds every occurrence, and either
 *
 * - begins with a full, unguarded definition and has no other entry: no branch from outside goes to
 *   a label within, so the value is dead outside, whatever loops are around; or
 * - is closed under backward branches: once it is left, no path leads back.
 *
 * Lanes are separate, and liveness is that of one thread: a lane that waits (barrier, warp-wide
 * operation, poll) stands at its statement, and what is written when it goes on has its row until
 * the statement after. Registers of a range only; predicates are small and have rows of their own,
 * as has whatever the text says in a way that is odd.
 */
#include <stdlib.h>
#include <string.h>

#include "ptx_parse.h"

#define NONE UINT32_MAX
#define MAX_STEPS 16

enum kind { NAME_REG, NAME_LABEL, NAME_STEM };

struct name {
	struct name *hash_next, *all_next, *start_next, *end_next;
	const char *s;
	uint32_t len, hash;
	enum kind kind;
	uint32_t first, last;	/* NAME_REG: statements of its interval; NAME_LABEL: those that branch to it */
	uint32_t at;		/* NAME_LABEL */
	uint32_t begin, end;
	uint32_t slot;		/* NAME_REG: 0: a row of its own; NAME_STEM: how many declarations */
	uint8_t bytes;
	bool def, full;		/* begins with a definition; a full one */
};

struct ptx_reuse {
	struct arena mem;
	struct name **buckets, *all;
	uint32_t nr_buckets, nr, nr_labels, pos, nr_slots;
	uint32_t *rows;		/* of each slot; 0: not taken yet */
	bool odd;
};

/* Labels in order; least and greatest statements that branch to those of a range, as a tree. */
struct entries {
	struct name **labels;
	uint32_t *least, *most, *loop_begin, *loop_end;
	uint32_t nr, nr_loops;
};

static struct name *find(struct ptx_parser *p, struct ptx_reuse *u, const char *s, uint32_t len,
			 enum kind kind)
{
	uint32_t hash = ptx_hash(p, s, len);

	for (struct name *n = u->buckets ? u->buckets[hash & (u->nr_buckets - 1)] : NULL; n;
	     n = n->hash_next)
		if (n->hash == hash && n->kind == kind && n->len == len && !memcmp(n->s, s, len))
			return n;
	return NULL;
}

static bool grow(struct ptx_reuse *u)
{
	uint32_t nr = u->nr_buckets ? u->nr_buckets * 4 : 256;
	struct name **buckets = calloc(nr, sizeof(*buckets));

	if (!buckets)
		return false;
	for (struct name *n = u->all; n; n = n->all_next) {
		n->hash_next = buckets[n->hash & (nr - 1)];
		buckets[n->hash & (nr - 1)] = n;
	}
	free(u->buckets);
	u->buckets = buckets;
	u->nr_buckets = nr;
	return true;
}

/* NULL: no memory, and the body is odd */
static struct name *get(struct ptx_parser *p, struct ptx_reuse *u, const struct ptx_tok *t,
			uint32_t len, enum kind kind)
{
	struct name *n = find(p, u, t->s, len, kind);

	if (n)
		return n;
	n = u->nr < u->nr_buckets || grow(u) ? arena_alloc(&u->mem, sizeof(*n)) : NULL;
	if (!n) {
		u->odd = true;
		return NULL;
	}
	*n = (struct name){ .s = t->s, .len = len, .hash = ptx_hash(p, t->s, len), .kind = kind, .all_next = u->all,
			    .first = NONE, .at = NONE };
	n->hash_next = u->buckets[n->hash & (u->nr_buckets - 1)];
	u->buckets[n->hash & (u->nr_buckets - 1)] = n;
	u->all = n;
	u->nr++;
	return n;
}

static uint32_t stem_len(const char *s, uint32_t len)
{
	while (len && s[len - 1] >= '0' && s[len - 1] <= '9')
		len--;
	return len;
}

static void branch_from(struct ptx_parser *p, struct ptx_reuse *u, const struct ptx_tok *t,
			uint32_t from)
{
	struct name *n = get(p, u, t, t->len, NAME_LABEL);

	if (!n)
		return;
	n->first = n->first == NONE || from < n->first ? from : n->first;
	n->last = from > n->last ? from : n->last;
}

static void occurs(struct ptx_parser *p, struct ptx_reuse *u, const struct ptx_tok *t, bool def,
		   bool full)
{
	struct name *n;

	if (t->s[0] != '%')
		return;
	n = get(p, u, t, t->len, NAME_REG);
	if (!n)
		return;
	if (n->first == NONE) {
		n->first = u->pos;
		n->def = def;
		n->full = full;
	} else if (n->first == u->pos && !def) {
		n->def = n->full = false;	/* add %r1, %r1, 1: carried from somewhere */
	}
	n->last = u->pos;
}

/* .reg .b32 %r<100>; a name of its own makes that name odd */
static void registers(struct ptx_parser *p, struct ptx_reuse *u, struct ptx_lex *l)
{
	enum ptx_type t;

	ptx_next(l);
	t = l->tok.kind == TOK_DOT ? ptx_type_find(l->tok.s, l->tok.len) : PTX_NONE;
	ptx_next(l);
	while (l->tok.kind == TOK_IDENT) {
		struct ptx_tok name = l->tok;
		struct name *n;

		ptx_next(l);
		if (!ptx_accept(l, '<')) {
			n = get(p, u, &name, name.len, NAME_REG);
			if (n)
				n->slot = NONE;
		} else {
			n = get(p, u, &name, name.len, NAME_STEM);
			if (n) {
				n->slot++;
				n->bytes = !t || t == PTX_PRED || ptx_types[t].bits > 64 ? 0 :
					   ptx_types[t].bits > 32 ? 8 : 4;
			}
			u->odd |= stem_len(name.s, name.len) != name.len;
			ptx_next(l);
			ptx_accept(l, '>');
		}
		ptx_accept(l, ',');
	}
	u->odd |= !ptx_at(l, ';');
}

static void directive(struct ptx_parser *p, struct ptx_reuse *u, struct ptx_lex *l)
{
	bool targets = ptx_at_dot(l, "branchtargets");

	if (ptx_at_dot(l, "loc") || ptx_at_dot(l, "file")) {
		uint32_t line = l->tok.line;

		while (l->tok.kind != TOK_EOF && l->tok.line == line)
			ptx_next(l);
		return;
	}
	if (ptx_at_dot(l, "reg"))
		registers(p, u, l);
	for (; l->tok.kind != TOK_EOF && !ptx_at(l, ';'); ptx_next(l)) {
		if (targets && l->tok.kind == TOK_IDENT) {	/* a brx may be anywhere */
			branch_from(p, u, &l->tok, 0);
			branch_from(p, u, &l->tok, NONE - 1);
		}
	}
}

/* Opcodes that write the whole of their first operand. */
static bool writes(const struct ptx_tok *op)
{
	static const char *const names[] = {
		"abs", "add", "addc", "and", "atom", "bfe", "bfi", "bfind", "brev", "clz", "cnot", "copysign", "cos", "cvt",
		"cvta", "div", "dp2a", "dp4a", "ex2", "fma", "ld", "lg2", "lop3", "mad", "mad24", "madc", "match", "max",
		"min", "mov", "mul", "mul24", "neg", "not", "or", "popc", "prmt", "rcp", "redux", "rem", "rsqrt", "sad",
		"selp", "shf", "shfl", "shl", "shr", "sin", "slct", "sqrt", "sub", "subc", "tanh", "tex", "vote", "xor",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ptx_tok_is(op, names[i]))
			return true;
	return false;
}

static void instruction(struct ptx_parser *p, struct ptx_reuse *u, struct ptx_lex *l)
{
	bool guarded = ptx_accept(l, '@'), bra, def;
	uint32_t depth = 0, brackets = 0;

	if (guarded) {
		ptx_accept(l, '!');
		ptx_next(l);
	}
	bra = ptx_tok_is(&l->tok, "bra");
	def = writes(&l->tok);
	for (ptx_next(l); l->tok.kind != TOK_EOF && !ptx_at(l, ';'); ptx_next(l)) {
		if (l->tok.kind == TOK_IDENT && bra)
			branch_from(p, u, &l->tok, u->pos);
		else if (l->tok.kind == TOK_IDENT)
			occurs(p, u, &l->tok, def && !brackets, def && !brackets && !guarded);
		if (l->tok.kind != TOK_PUNCT)
			continue;
		brackets += l->tok.ch == '[';
		depth += !!strchr("[{(", l->tok.ch);
		depth -= depth && strchr("]})", l->tok.ch);
		def = def && (depth || l->tok.ch != ',');
	}
}

static void read_body(struct ptx_parser *p, struct ptx_reuse *u)
{
	struct ptx_lex l = p->l;
	uint32_t depth = 0;

	l.log = NULL;
	do {
		struct ptx_tok ahead;

		u->pos++;
		if (ptx_accept(&l, '{')) {
			depth++;
		} else if (ptx_at(&l, '}')) {
			if (--depth)
				ptx_next(&l);
		} else if (l.tok.kind == TOK_DOT) {
			directive(p, u, &l);
		} else if (l.tok.kind == TOK_IDENT &&
			   (ahead = ptx_peek(&l), ahead.kind == TOK_PUNCT && ahead.ch == ':')) {
			struct name *n = get(p, u, &l.tok, l.tok.len, NAME_LABEL);

			u->odd |= !n || n->at != NONE;
			if (n)
				n->at = u->pos;
			u->nr_labels++;
			ptx_next(&l);
			ptx_next(&l);
		} else if (!ptx_accept(&l, ';')) {
			instruction(p, u, &l);
		}
	} while (depth && l.tok.kind != TOK_EOF);
	u->odd |= l.tok.kind == TOK_EOF;
}

static int by_place(const void *a, const void *b)
{
	uint32_t x = (*(struct name *const *)a)->at, y = (*(struct name *const *)b)->at;

	return x < y ? -1 : x > y;
}

/* Loops that touch become one. */
static void find_loops(struct entries *e)
{
	for (uint32_t i = 0; i < e->nr; i++) {
		const struct name *n = e->labels[i];

		if (n->last < n->at)
			continue;
		if (!e->nr_loops || n->at > e->loop_end[e->nr_loops - 1]) {
			e->loop_begin[e->nr_loops] = n->at;
			e->loop_end[e->nr_loops++] = n->last;
		} else if (n->last > e->loop_end[e->nr_loops - 1]) {
			e->loop_end[e->nr_loops - 1] = n->last;
		}
	}
}

static bool find_entries(struct ptx_reuse *u, struct entries *e)
{
	uint32_t *mem = arena_alloc(&u->mem, ((size_t)u->nr_labels + 1) * 6 * sizeof(*mem));

	e->labels = arena_alloc(&u->mem, ((size_t)u->nr_labels + 1) * sizeof(*e->labels));
	if (!mem || !e->labels)
		return false;
	for (struct name *n = u->all; n; n = n->all_next)
		if (n->kind == NAME_LABEL && n->at != NONE)
			e->labels[e->nr++] = n;
	qsort(e->labels, e->nr, sizeof(*e->labels), by_place);
	e->least = mem;
	e->most = e->least + 2 * (u->nr_labels + 1);
	e->loop_begin = e->most + 2 * (u->nr_labels + 1);
	e->loop_end = e->loop_begin + u->nr_labels + 1;
	for (uint32_t i = 0; i < e->nr; i++) {
		e->least[e->nr + i] = e->labels[i]->first;
		e->most[e->nr + i] = e->labels[i]->last;
	}
	for (uint32_t i = e->nr; i-- > 1;) {
		const uint32_t *l = &e->least[2 * i], *m = &e->most[2 * i];

		e->least[i] = l[0] < l[1] ? l[0] : l[1];
		e->most[i] = m[0] > m[1] ? m[0] : m[1];
	}
	find_loops(e);
	return true;
}

/* The first label after a statement. */
static uint32_t label_after(const struct entries *e, uint32_t pos)
{
	uint32_t lo = 0, hi = e->nr;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (e->labels[mid]->at > pos)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* Can it only be entered at its first statement, perhaps when it ends later? */
static bool one_entry(const struct entries *e, struct name *n)
{
	uint32_t end = n->last;

	for (int step = 0; step < MAX_STEPS; step++) {
		uint32_t lo = label_after(e, n->first) + e->nr, hi = label_after(e, end) + e->nr,
			 least = NONE, most = 0;

		for (; lo < hi; lo /= 2, hi /= 2) {
			if (lo & 1) {
				least = e->least[lo] < least ? e->least[lo] : least;
				most = e->most[lo] > most ? e->most[lo] : most;
				lo++;
			}
			if (hi & 1) {
				hi--;
				least = e->least[hi] < least ? e->least[hi] : least;
				most = e->most[hi] > most ? e->most[hi] : most;
			}
		}
		if (least < n->first)
			return false;
		if (most <= end) {
			n->begin = n->first;
			n->end = end;
			return true;
		}
		end = most;
	}
	return false;
}

/* With the whole of each loop that it meets. */
static void whole_loops(const struct entries *e, struct name *n)
{
	uint32_t lo = 0, hi = e->nr_loops;

	n->begin = n->first;
	n->end = n->last;
	while (lo < hi) {	/* the first loop that ends at or after it */
		uint32_t mid = (lo + hi) / 2;

		if (e->loop_end[mid] >= n->first)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo < e->nr_loops && e->loop_begin[lo] < n->begin)
		n->begin = e->loop_begin[lo];
	for (hi = e->nr_loops; lo < hi;) {	/* the first that begins after it */
		uint32_t mid = (lo + hi) / 2;

		if (e->loop_begin[mid] > n->last)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo && e->loop_end[lo - 1] > n->end)
		n->end = e->loop_end[lo - 1];
}

/* Walks the statements and hands slots out, the one that was given back last first. */
static bool share(struct ptx_parser *p, struct ptx_reuse *u, const struct entries *e)
{
	struct name **starts = arena_alloc(&u->mem, ((size_t)u->pos + 1) * sizeof(*starts)), *n;
	struct name **ends = arena_alloc(&u->mem, ((size_t)u->pos + 1) * sizeof(*ends));
	uint32_t *slots[2], nr_free[2] = { 0 };

	slots[0] = arena_alloc(&u->mem, ((size_t)u->nr + 1) * sizeof(uint32_t));
	slots[1] = arena_alloc(&u->mem, ((size_t)u->nr + 1) * sizeof(uint32_t));
	u->rows = arena_alloc(&u->mem, ((size_t)u->nr + 2) * sizeof(uint32_t));
	if (!starts || !ends || !slots[0] || !slots[1] || !u->rows)
		return false;
	for (n = u->all; n; n = n->all_next) {
		const struct name *stem;

		if (n->kind != NAME_REG || n->slot || n->first == NONE)
			continue;
		stem = find(p, u, n->s, stem_len(n->s, n->len), NAME_STEM);
		if (!stem || stem->slot != 1 || !stem->bytes || !n->def)
			continue;
		if (!n->full || !one_entry(e, n))
			whole_loops(e, n);
		if (n->end > u->pos)
			n->end = u->pos;
		n->bytes = stem->bytes;
		n->start_next = starts[n->begin];
		starts[n->begin] = n;
		n->end_next = ends[n->end];
		ends[n->end] = n;
	}
	for (uint32_t pos = 0; pos <= u->pos; pos++) {
		for (n = starts[pos]; n; n = n->start_next) {
			uint32_t c = n->bytes == 8;

			n->slot = nr_free[c] ? slots[c][--nr_free[c]] : ++u->nr_slots;
		}
		for (n = ends[pos]; n; n = n->end_next)
			slots[n->bytes == 8][nr_free[n->bytes == 8]++] = n->slot;
	}
	return true;
}

void ptx_reuse_begin(struct ptx_parser *p)
{
	struct ptx_reuse *u = calloc(1, sizeof(*u));
	struct entries e = { 0 };

	if (!u)
		return;
	p->reuse = u;
	read_body(p, u);
	if (u->odd || !u->nr || !find_entries(u, &e) || !share(p, u, &e))
		ptx_reuse_end(p);
}

void ptx_reuse_end(struct ptx_parser *p)
{
	if (p->reuse) {
		arena_free(&p->reuse->mem);
		free(p->reuse->buckets);
		free(p->reuse);
	}
	p->reuse = NULL;
}

uint32_t ptx_reuse_row(struct ptx_parser *p, const char *s, size_t len, enum ptx_type t)
{
	struct name *n = p->reuse ? find(p, p->reuse, s, (uint32_t)len, NAME_REG) : NULL;
	uint32_t *row;

	if (!n || !n->slot || n->slot == NONE)
		return ptx_reg_row(p, t, 1);
	row = &p->reuse->rows[n->slot];
	if (*row)
		p->fn->nr_rows += n->bytes / 4;	/* the estimate of registers goes by names */
	else
		*row = ptx_reg_row(p, t, 1);
	return *row;
}
