/* SPDX-License-Identifier: MIT */
/*
 * race.c - which accesses are ordered, and which are a race
 *
 * Every word of shared and global memory that a kernel touches has a cell with its last accesses: a
 * plain write, a strong operation (atomic, volatile, relaxed, acquire, release) and two reads. A
 * new access that is in conflict with one of them, and not ordered after it, is a race.
 *
 * Three things order accesses; where they are coarser than the PTX memory model (chapter 8), they
 * order more, so that a race may be missed but none is invented:
 *  - lanes of one warp: by warp-wide operations. A warp counts its synchronisations (clock), and a
 *    lane knows up to which count of each other lane it has seen (lanes).
 *  - warps of a CTA: by barriers. A warp knows up to which count of each other warp it has seen
 *    (warps), and a barrier hands that on.
 *  - all others: by a release that an acquire has seen. The launch counts releases (time); one is
 *    taken to release all that was done before it, by anyone.
 */
#include "race.h"

#include <stdlib.h>
#include <string.h>

#include "grid.h"

#define PAGE_WORDS 256u
#define PAGE_SHIFT 10
#define NR_BUCKETS 65536u
#define SHADOW_MAX (1ull << 30)	/* bytes of one launch's cells of global memory */

struct record {
	const struct sg_insn *in;	/* NULL: none */
	uint32_t cta, clock, time;
	uint16_t tid;
	uint8_t bytes;			/* of the word, a bit each */
	bool write, strong, is_volatile, atomic;
};

enum slot { SLOT_WRITE, SLOT_STRONG, SLOT_READ, SLOT_READ2, NR_SLOTS };

struct cell {
	struct record r[NR_SLOTS];
	uint32_t released;		/* the time that who acquires from here has seen */
	uint32_t owner;			/* shared memory: the CTA, plus one */
};

struct page {
	struct page *next;
	uint64_t nr;
	struct cell cells[PAGE_WORDS];
};

struct sg_race {
	struct race_log *log;
	uint32_t time;
	uint64_t shadow_bytes, unchecked;
	struct page *last, *buckets[NR_BUCKETS];
};

struct race_bar {
	uint32_t come[SG_LANES], done[SG_LANES];	/* by warp: of the running and of the last generation */
	uint32_t come_seen, done_seen;
};

struct race_warp {
	uint32_t clock;
	/* releases: what this warp has acquired, what the next fence will acquire, its last fence */
	uint32_t seen, pending, fence;
	uint32_t left[SG_NR_BARRIERS];			/* own clock of the last generation it left */
	uint32_t warps[SG_LANES];
	uint32_t lanes[SG_LANES][SG_LANES];
};

struct race_cta {
	struct sg_race *race;
	struct cell *shared;
	struct race_bar bars[SG_NR_BARRIERS];
	struct race_warp warps[];
};

struct sg_race *sg_race_new(const struct sg_job *job)
{
	struct sg_race *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->time = 1;
	r->log = race_log_new(job);
	if (r->log)
		return r;
	free(r);
	return NULL;
}

uint64_t sg_race_end(struct sg_race *r)
{
	uint64_t races = race_log_end(r->log, r->unchecked);

	for (uint32_t i = 0; i < NR_BUCKETS; i++) {
		while (r->buckets[i]) {
			struct page *p = r->buckets[i];

			r->buckets[i] = p->next;
			free(p);
		}
	}
	free(r);
	return races;
}

bool sg_race_cta_init(struct sg_cta *cta, struct sg_race *r)
{
	struct race_cta *c = calloc(1, sizeof(*c) + cta->nr_warps * sizeof(c->warps[0]));

	cta->race = c;
	if (!c)
		return false;
	c->race = r;
	c->shared = calloc(cta->shared_bytes / 4 + 1, sizeof(*c->shared));
	for (uint32_t i = 0; i < cta->nr_warps; i++)
		cta->warps[i].race = &c->warps[i];
	return c->shared;
}

void sg_race_cta_start(struct sg_cta *cta)
{
	struct race_cta *c = cta->race;

	memset(c->bars, 0, sizeof(c->bars));
	memset(c->warps, 0, cta->nr_warps * sizeof(c->warps[0]));
	for (uint32_t i = 0; i < cta->nr_warps; i++)
		c->warps[i].clock = 1;
}

void sg_race_cta_fini(struct sg_cta *cta)
{
	if (cta->race)
		free(cta->race->shared);
	free(cta->race);
	cta->race = NULL;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* At the end of its range time stands still: then more counts as ordered. */
static uint32_t release(struct sg_race *r)
{
	return r->time == UINT32_MAX ? r->time : r->time++;
}

/* What one of the lanes has seen, and done, all of them have seen from now on. */
static void sync_lanes(struct race_warp *rw, uint32_t lanes)
{
	uint32_t all[SG_LANES] = { 0 };

	for (uint32_t m = lanes; m; m &= m - 1) {
		const uint32_t *row = rw->lanes[__builtin_ctz(m)];

		for (uint32_t i = 0; i < SG_LANES; i++)
			all[i] = larger(all[i], row[i]);
	}
	for (uint32_t m = lanes; m; m &= m - 1)
		all[__builtin_ctz(m)] = rw->clock;
	for (uint32_t m = lanes; m; m &= m - 1)
		memcpy(rw->lanes[__builtin_ctz(m)], all, sizeof(all));
	rw->clock++;
}

/* Lanes that came together may each name others. */
void sg_race_warp_sync(struct sg_warp *w, const uint32_t members[SG_LANES], uint32_t active)
{
	while (active) {
		uint32_t first = (uint32_t)__builtin_ctz(active),
			 lanes = members[first] | 1u << first;

		sync_lanes(w->race, lanes);
		active &= ~lanes;
	}
}

void sg_race_fence(struct sg_warp *w)
{
	struct race_warp *rw = w->race;

	rw->seen = larger(rw->seen, rw->pending);
	rw->fence = release(w->cta->race->race);
}

/* A barrier counts as a fence for what was read before it, but not for what is written after it. */
void sg_race_bar_arrive(struct sg_warp *w, uint32_t bar)
{
	struct race_bar *b = &w->cta->race->bars[bar];
	struct race_warp *rw = w->race;

	for (uint32_t i = 0; i < SG_LANES; i++)
		b->come[i] = larger(b->come[i], rw->warps[i]);
	b->come[w->id] = rw->clock++;
	b->come_seen = larger(b->come_seen, larger(rw->seen, rw->pending));
}

void sg_race_bar_complete(struct sg_cta *cta, uint32_t bar)
{
	struct race_bar *b = &cta->race->bars[bar];

	memcpy(b->done, b->come, sizeof(b->done));
	b->done_seen = b->come_seen;
	memset(b->come, 0, sizeof(b->come));
	b->come_seen = 0;
}

/* Lanes of a warp that arrived apart leave apart, but are ordered by the first that does. */
void sg_race_bar_leave(struct sg_warp *w, uint32_t bar)
{
	struct race_bar *b = &w->cta->race->bars[bar];
	struct race_warp *rw = w->race;

	for (uint32_t i = 0; i < SG_LANES; i++)
		rw->warps[i] = larger(rw->warps[i], b->done[i]);
	rw->seen = larger(rw->seen, b->done_seen);
	if (b->done[w->id] > rw->left[bar]) {
		rw->left[bar] = b->done[w->id];
		sync_lanes(rw, SG_ALL);
	}
}

static struct cell *shared_cell(struct sg_cta *cta, uint64_t offset)
{
	struct cell *c = &cta->race->shared[offset / 4];
	uint32_t owner = (uint32_t)cta->linear + 1;

	if (c->owner != owner) {
		memset(c, 0, sizeof(*c));
		c->owner = owner;
	}
	return c;
}

/* NULL: no room, or (only if it exists) nothing was there */
static struct cell *global_cell(struct sg_race *r, uint64_t at, bool make)
{
	uint64_t nr = at >> PAGE_SHIFT;
	struct page **bucket = &r->buckets[(nr ^ nr >> 16) % NR_BUCKETS], *p = r->last;

	if (!p || p->nr != nr) {
		for (p = *bucket; p && p->nr != nr; p = p->next)
			;
		if (!p && make && r->shadow_bytes < SHADOW_MAX) {
			p = calloc(1, sizeof(*p));
			if (p) {
				p->nr = nr;
				p->next = *bucket;
				*bucket = p;
				r->shadow_bytes += sizeof(*p);
			}
		}
		if (!p)
			return NULL;
		r->last = p;
	}
	return &p->cells[at / 4 % PAGE_WORDS];
}

void sg_race_forget(struct sg_warp *w, uint64_t at, uint64_t size)
{
	for (uint64_t end = at + size; at < end; at += 4) {
		struct cell *c = global_cell(w->cta->race->race, at, false);

		if (c)
			memset(c, 0, sizeof(*c));
	}
}

void sg_race_mbar_arrive(struct sg_warp *w, uint64_t address)
{
	shared_cell(w->cta, address)->released = release(w->cta->race->race);
}

void sg_race_mbar_wait(struct sg_warp *w, uint64_t address)
{
	w->race->seen = larger(w->race->seen, shared_cell(w->cta, address)->released);
}

/* One lane's part of an instruction. */
struct access {
	struct sg_warp *w;
	struct record r;
	uint32_t lane, mask, size;
	const uint64_t *ea;		/* of all lanes; NULL: a copy */
	uint64_t at;
	bool shared;
};

static bool same_warp(const struct record *a, const struct record *b)
{
	return a->cta == b->cta && a->tid / SG_LANES == b->tid / SG_LANES;
}

static bool ordered(const struct access *x, const struct record *before)
{
	const struct race_warp *rw = x->w->race;

	if (before->time <= rw->seen)
		return true;
	if (before->cta != x->r.cta)
		return false;
	if (!same_warp(before, &x->r))
		return before->clock <= rw->warps[before->tid / SG_LANES];
	return before->tid == x->r.tid ||
	       before->clock <= rw->lanes[x->lane][before->tid % SG_LANES];
}

static void stored_value(const struct access *x, uint32_t lane, uint8_t out[32])
{
	const struct sg_insn *in = x->r.in;

	for (uint32_t k = 0; k < in->vec; k++) {
		const uint8_t *row = x->w->regs + in->r[k];

		memcpy(out + k * in->bytes, row + lane * (in->flags & SG_F_WIDE ? 8 : 4),
		       in->bytes);
	}
}

/*
 * Two writes of one value leave that value, whoever comes last. What an earlier instruction wrote is
 * in memory; lanes of this one have not written yet.
 */
static bool same_value(const struct access *x, const struct record *before)
{
	uint32_t other = before->tid % SG_LANES;
	uint8_t mine[32], theirs[32];

	if (!before->write || before->atomic || !x->ea)
		return false;
	if (x->r.in == before->in && same_warp(before, &x->r) && before->clock == x->r.clock &&
	    x->mask >> other & 1 && x->ea[other] == x->at) {
		if (!(x->r.in->flags & SG_F_STORE))
			return true;	/* parts of one matrix */
		stored_value(x, other, theirs);
	} else {
		if (!(x->r.in->flags & SG_F_STORE))
			return false;
		memcpy(theirs, (const void *)(uintptr_t)x->at, x->size);
	}
	stored_value(x, x->lane, mine);
	return !memcmp(mine, theirs, x->size);
}

/*
 * Strong operations do not race with one another. But volatile orders nothing between the lanes of
 * a warp, where it was once used in place of a synchronisation.
 */
static bool conflict(const struct access *x, const struct record *before)
{
	if (!before->in || !(before->bytes & x->r.bytes) || (!x->r.write && !before->write))
		return false;
	if (x->r.strong && before->strong &&
	    !(x->shared && x->r.is_volatile && before->is_volatile && same_warp(&x->r, before)))
		return false;
	return !ordered(x, before) && !(x->r.write && same_value(x, before));
}

static struct record *read_slot(const struct access *x, struct cell *c)
{
	struct record *a = &c->r[SLOT_READ], *b = &c->r[SLOT_READ2];

	if (!a->in || (a->cta == x->r.cta && a->tid == x->r.tid) || ordered(x, a))
		return a;
	if (!b->in || (b->cta == x->r.cta && b->tid == x->r.tid) || ordered(x, b) ||
	    same_warp(a, b))
		return b;
	return same_warp(a, &x->r) ? NULL : b;
}

static void report(const struct access *x, const struct record *before, uint64_t word)
{
	struct race_side now = { x->r.in, x->w->cta->linear, x->r.tid, x->r.write, x->r.atomic };
	struct race_side was = { before->in, before->cta, before->tid, before->write,
				 before->atomic };

	race_log_add(x->w->cta->race->race->log, x->shared ? "shared" : "global",
		     x->shared ? word - (uintptr_t)x->w->shared : word, &now, &was);
}

static void touch_word(const struct access *x, struct cell *c, uint64_t word)
{
	struct record *slot;

	for (uint32_t i = 0; i < NR_SLOTS; i++) {
		if (conflict(x, &c->r[i])) {
			report(x, &c->r[i], word);
			break;		/* one report of an access is enough */
		}
	}
	if (x->r.strong)
		slot = x->r.write || !c->r[SLOT_STRONG].write ? &c->r[SLOT_STRONG]
							      : read_slot(x, c);
	else
		slot = x->r.write ? &c->r[SLOT_WRITE] : read_slot(x, c);
	if (slot)
		*slot = x->r;
}

static void touch(struct access *x)
{
	struct sg_race *r = x->w->cta->race->race;
	uint16_t flags = x->ea ? x->r.in->flags : 0;

	for (uint64_t word = x->at & ~3ull, end = x->at + x->size; word < end; word += 4) {
		struct race_warp *rw = x->w->race;
		struct cell *c = x->shared ? shared_cell(x->w->cta, word - (uintptr_t)x->w->shared)
					   : global_cell(r, word, true);
		uint32_t low = word < x->at ? (uint32_t)(x->at - word) : 0,
			 high = end - word < 4 ? (uint32_t)(end - word) : 4;

		if (!c) {
			r->unchecked++;
			continue;
		}
		x->r.bytes = (uint8_t)((1u << high) - (1u << low));
		if (x->r.strong && (!x->r.write || x->r.atomic)) {
			rw->pending = larger(rw->pending, c->released);
			if (flags & SG_F_ACQUIRE)
				rw->seen = larger(rw->seen, rw->pending);
		}
		touch_word(x, c, word);
		if (x->r.strong && x->r.write)
			c->released = larger(c->released, rw->fence);
	}
}

static bool inside(uint64_t at, const void *base, uint64_t size)
{
	return at - (uintptr_t)base < size;
}

static void describe(struct access *x, struct sg_warp *w, const struct sg_insn *in, uint16_t flags)
{
	*x = (struct access){ .w = w };
	x->r.in = in;
	x->r.cta = (uint32_t)w->cta->linear;
	x->r.clock = w->race->clock;
	x->r.time = w->cta->race->race->time;
	x->r.write = !(flags & SG_F_LOAD);
	x->r.atomic = flags & SG_F_ATOMIC;
	x->r.is_volatile = flags & SG_F_VOLATILE_ACCESS;
	x->r.strong = flags & SG_F_STRONG;
}

static void touch_lane(struct access *x, uint32_t lane, uint64_t at, uint32_t size)
{
	struct sg_warp *w = x->w;

	if (inside(at, w->params, w->param_bytes) ||
	    (w->local && inside(at, w->local, (uint64_t)SG_LANES * w->local_cap)))
		return;
	x->lane = lane;
	x->r.tid = (uint16_t)(w->id * SG_LANES + lane);
	x->at = at;
	x->size = size;
	x->shared = inside(at, w->shared, w->shared_bytes);
	touch(x);
}

/* A strong write that follows a fence, or is a release, is itself part of what it releases. */
void sg_race_access(struct sg_warp *w, const struct sg_insn *in, uint32_t mask, uint32_t size,
		    const uint64_t ea[SG_LANES])
{
	struct race_warp *rw = w->race;
	struct access x;

	if (in->space == SG_SPACE_LOCAL || in->space == SG_SPACE_PARAM)
		return;
	if (in->flags & SG_F_RELEASE)
		rw->fence = release(w->cta->race->race);
	describe(&x, w, in, in->flags);
	if (x.r.strong && x.r.write && rw->fence)
		x.r.time = rw->fence;
	x.mask = mask;
	x.ea = ea;
	for (uint32_t m = mask; m; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m);

		touch_lane(&x, lane, ea[lane], size);
	}
}

void sg_race_copy(struct sg_warp *w, const struct sg_insn *in, uint32_t lane, const void *at,
		  uint32_t size, bool load)
{
	struct access x;

	describe(&x, w, in, load ? SG_F_LOAD : 0);
	touch_lane(&x, lane, (uintptr_t)at, size);
}
