/* SPDX-License-Identifier: MIT */
/*
 * race_report.c - what is said of races: one line for each pair of source places of a launch
 */
#include "race.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grid.h"

#define MAX_PAIRS 64	/* that are told; others are counted */

struct race_log {
	const struct sg_job *job;
	uint64_t races, untold;
	uint32_t nr_pairs;
	struct { char a[96], b[96]; } pairs[MAX_PAIRS];
};

struct race_log *race_log_new(const struct sg_job *job)
{
	struct race_log *l = calloc(1, sizeof(*l));

	if (l)
		l->job = job;
	return l;
}

static void place(const struct race_log *l, const struct sg_insn *in, char out[96])
{
	if (!sg_source_name(l->job->k->module, in, out, 96))
		snprintf(out, 96, "PTX line %u", in->line);
}

/* Is this pair, in either order, a new one? */
static bool remember(struct race_log *l, const char *a, const char *b)
{
	if (strcmp(a, b) > 0) {
		const char *t = a;

		a = b;
		b = t;
	}
	for (uint32_t i = 0; i < l->nr_pairs; i++)
		if (!strcmp(l->pairs[i].a, a) && !strcmp(l->pairs[i].b, b))
			return false;
	if (l->nr_pairs == MAX_PAIRS) {
		l->untold++;
		return false;
	}
	strcpy(l->pairs[l->nr_pairs].a, a);
	strcpy(l->pairs[l->nr_pairs].b, b);
	l->nr_pairs++;
	return true;
}

static void describe(const struct race_log *l, const struct race_side *s, const char *at, char *out,
		     size_t size)
{
	const struct sg_dim *b = &l->job->l->block, *g = &l->job->l->grid;

	snprintf(out, size, "%s at %s by thread (%u,%u,%u) of block (%llu,%llu,%llu)",
		 s->atomic  ? "atomic"
		 : s->write ? "write"
			    : "read",
		 at, s->tid % b->x, s->tid / b->x % b->y, s->tid / b->x / b->y,
		 (unsigned long long)(s->cta % g->x), (unsigned long long)(s->cta / g->x % g->y),
		 (unsigned long long)(s->cta / g->x / g->y));
}

void race_log_add(struct race_log *l, const char *space, uint64_t address,
		  const struct race_side *now, const struct race_side *before)
{
	char a[96], b[96], first[224], second[224], line[640];

	l->races++;
	if (!l->job->l->report)
		return;
	place(l, now->in, a);
	place(l, before->in, b);
	if (!remember(l, a, b))
		return;
	describe(l, now, a, first, sizeof(first));
	describe(l, before, b, second, sizeof(second));
	snprintf(line, sizeof(line), "race in kernel %.80s on %s 0x%llx: %s, %s",
		 l->job->k->info.name, space, (unsigned long long)address, first, second);
	l->job->l->report(line);
}

uint64_t race_log_end(struct race_log *l, uint64_t unchecked)
{
	uint64_t races = l->races;
	char line[256];

	if (l->job->l->report && races) {
		snprintf(line, sizeof(line),
			 "kernel %.80s: %llu race%s between %u pair%s of places%s",
			 l->job->k->info.name, (unsigned long long)races, races == 1 ? "" : "s",
			 l->nr_pairs, l->nr_pairs == 1 ? "" : "s",
			 l->untold ? ", and others that are not told" : "");
		l->job->l->report(line);
	}
	if (l->job->l->report && unchecked) {
		snprintf(line, sizeof(line),
			 "kernel %.80s: %llu accesses were not checked: no shadow memory is left",
			 l->job->k->info.name, (unsigned long long)unchecked);
		l->job->l->report(line);
	}
	free(l);
	return races;
}
