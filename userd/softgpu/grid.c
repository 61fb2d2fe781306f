/* SPDX-License-Identifier: MIT */
/*
 * grid.c - launches: CTAs spread over the engine's threads
 *
 * A thread takes the next CTA, runs its warps in turn until all are done, and takes another; CTAs
 * start in order, so one that waits for an earlier one is served. A cooperative grid has all CTAs
 * at once: threads take them from a queue for one round each.
 *
 * pool.lock guards the list of jobs, their users and their fault.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grid.h"
#include "memory.h"
#include "race.h"

#define SLICE 100000		/* instructions of a warp before the next has its turn */
/* so many polls may a loop count before it does something else */
#define IDLE_ROUNDS 100000
#define MAX_SHARED (228u << 10)
#define MAX_LOCAL (512u << 10)	/* per thread, as on a GPU */
#define WORKSPACE_BYTES 4096
#define STEP_LIMIT (1ull << 36)	/* warp instructions of one warp: about an hour */

enum cta_end { CTA_DONE, CTA_AGAIN, CTA_FAULT };

struct coop {
	pthread_mutex_t lock;
	struct sg_cta *ctas;
	struct sg_extents *ext;		/* one for each CTA */
	struct sg_fault *faults;
	uint64_t *queue, done, nr;
	_Atomic uint64_t head, tail;	/* changed with the lock, looked at without */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	struct sg_job *jobs;
	uint64_t next_id;
	uint32_t nr_threads;		/* started */
	pid_t pid;			/* a child of fork() has none of them */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .work = PTHREAD_COND_INITIALIZER,
	   .idle = PTHREAD_COND_INITIALIZER };

static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;

void sg_job_print(struct sg_job *job, const char *text, size_t len)
{
	if (!job->l->print)
		return;
	pthread_mutex_lock(&print_lock);
	job->l->print(job->l->print_arg, text, len);
	pthread_mutex_unlock(&print_lock);
}

static void stop_job(struct sg_job *job, const struct sg_fault *f)
{
	pthread_mutex_lock(&pool.lock);
	if (!job->stop) {
		job->fault = *f;
		job->res = f->result;
		job->stop = 1;
	}
	pthread_mutex_unlock(&pool.lock);
}

static void cta_fini(struct sg_cta *cta)
{
	for (uint32_t i = 0; i < cta->nr_warps && cta->warps; i++)
		sg_warp_fini(&cta->warps[i]);
	sg_race_cta_fini(cta);
	free(cta->warps);
	free(cta->shared);
	cta->warps = NULL;
	cta->shared = NULL;
}

static bool cta_init(struct sg_cta *cta, struct sg_job *job, struct sg_extents *ext,
		     struct sg_fault *fault)
{
	memset(cta, 0, sizeof(*cta));
	cta->job = job;
	cta->nr_warps = job->nr_warps;
	cta->shared_bytes = job->shared_bytes;
	/* aligned, and never NULL: an address of it is checked, then used */
	cta->shared = aligned_alloc(1024, (cta->shared_bytes + 1024) & ~1023u);
	cta->warps = aligned_alloc(64, (sizeof(*cta->warps) * cta->nr_warps + 63) & ~(size_t)63);
	if (!cta->shared || !cta->warps)
		goto fail;
	memset(cta->warps, 0, sizeof(*cta->warps) * cta->nr_warps);
	for (uint32_t i = 0; i < cta->nr_warps; i++)
		if (!sg_warp_init(&cta->warps[i], cta, i, ext, fault))
			goto fail;
	if (job->race && !sg_race_cta_init(cta, job->race))
		goto fail;
	return true;
fail:
	cta_fini(cta);
	return false;
}

static bool cta_start(struct sg_cta *cta, uint64_t linear)
{
	const struct sg_dim *g = &cta->job->l->grid;

	cta->linear = linear;
	cta->ctaid.x = (uint32_t)(linear % g->x);
	cta->ctaid.y = (uint32_t)(linear / g->x % g->y);
	cta->ctaid.z = (uint32_t)(linear / g->x / g->y);
	cta->live_threads = cta->job->threads;
	cta->live_warps = cta->nr_warps;
	cta->idle = 0;
	if (cta->race)
		sg_race_cta_start(cta);
	memset(cta->bar, 0, sizeof(cta->bar));
	for (uint32_t i = 0; i < SG_NR_BARRIERS; i++)
		cta->bar[i].all = 1;
	memset(cta->shared, 0, cta->shared_bytes);
	for (uint32_t i = 0; i < cta->nr_warps; i++)
		if (!sg_warp_start(&cta->warps[i]))
			return false;
	return true;
}

static void waits(struct sg_cta *cta)
{
	for (uint32_t i = 0; i < cta->nr_warps; i++) {
		struct sg_warp *w = &cta->warps[i];

		for (uint32_t k = 0; k < w->nr_groups; k++) {
			struct sg_group *g = &w->groups[k];
			const struct sg_insn *in = &g->frame->fn->code[g->pc];

			if (g->state == SG_WAIT_BAR)
				sg_warp_fault(w, in, SG_TIMEOUT, g->mask, 0,
					      "barrier %u cannot complete: %u of %u threads have come", g->bar,
					      cta->bar[g->bar].arrived, cta->bar[g->bar].expected ?
					      cta->bar[g->bar].expected : cta->live_threads);
			else
				sg_warp_fault(w, in, SG_TIMEOUT, g->mask, 0,
					      "a warp operation cannot complete: lanes 0x%08x of "
					      "it never come",
					      ((uint32_t *)(g->frame->regs +
							    in->r[5]))[__builtin_ctz(g->mask)] &
						      w->live & ~g->mask);
			return;
		}
	}
}

/* Everybody polls or waits: for something outside the CTA, or for nothing that will ever come. */
static void deadlock(struct sg_cta *cta)
{
	for (uint32_t i = 0; i < cta->nr_warps; i++) {
		if (cta->warps[i].nr_groups && cta->warps[i].polled) {
			sg_mbarrier_stuck(&cta->warps[i]);
			return;
		}
	}
	waits(cta);
}

/* Runs a warp for a slice; false: a fault. *moved: it ran; *busy: it did more than poll. */
static bool warp_turn(struct sg_warp *w, bool *moved, bool *busy)
{
	struct sg_cta *cta = w->cta;
	uint64_t steps = w->steps, events = cta->events;

	w->watch = cta->idle;
	w->observed = false;
	switch (sg_warp_run(w, SLICE)) {
	case SG_WARP_FAULT:
		return false;
	case SG_WARP_DONE:
		cta->live_warps--;
		*moved = *busy = true;
		break;
	default:
		*moved |= w->steps != steps;
		*busy |= w->steps != steps && (!w->polled || w->observed || cta->events != events);
	}
	if (w->steps <= cta->job->step_limit)
		return true;
	sg_warp_fault(w, NULL, SG_TIMEOUT, 1, 0, "the step limit of %llu instructions is reached",
		      (unsigned long long)cta->job->step_limit);
	return false;
}

/* One turn for each warp. */
static enum cta_end cta_round(struct sg_cta *cta)
{
	bool moved = false, busy = false;

	for (uint32_t i = 0; i < cta->nr_warps; i++)
		if (cta->warps[i].nr_groups && !warp_turn(&cta->warps[i], &moved, &busy))
			return CTA_FAULT;
	if (!cta->live_warps)
		return CTA_DONE;
	cta->idle = busy ? 0 : cta->idle + 1;
	if (!moved || cta->idle > IDLE_ROUNDS) {
		deadlock(cta);
		return CTA_FAULT;
	}
	return CTA_AGAIN;
}

static const struct sg_fault no_memory = { .result = SG_NOMEM,
					   .text = "no memory for the threads of a block" };

static void run_plain(struct sg_job *job)
{
	struct sg_extents ext = { .gen = UINT64_MAX };
	struct sg_fault fault = { 0 };
	struct sg_cta cta;
	uint64_t i;

	if (job->next_cta >= job->nr_ctas || job->stop)
		return;
	if (!cta_init(&cta, job, &ext, &fault)) {
		stop_job(job, &no_memory);
		return;
	}
	while (!job->stop && (i = job->next_cta++) < job->nr_ctas) {
		enum cta_end end = CTA_AGAIN;

		if (!cta_start(&cta, i)) {
			stop_job(job, &no_memory);
			break;
		}
		if (ext.gen != sg_mem_generation())
			memset(&ext, 0, sizeof(ext));
		ext.gen = sg_mem_generation();
		while (end == CTA_AGAIN && !job->stop)
			end = cta_round(&cta);
		if (end == CTA_FAULT)
			stop_job(job, &fault);
	}
	cta_fini(&cta);
}

static void run_coop(struct sg_job *job)
{
	struct coop *c = job->coop;
	enum cta_end end;

	while (!job->stop) {
		uint64_t i = UINT64_MAX;

		pthread_mutex_lock(&c->lock);
		if (c->head != c->tail)
			i = c->queue[c->head++ % c->nr];
		pthread_mutex_unlock(&c->lock);
		if (i == UINT64_MAX)
			return;		/* fewer CTAs than threads are left */
		end = cta_round(&c->ctas[i]);
		if (end == CTA_FAULT)
			stop_job(job, &c->faults[i]);
		pthread_mutex_lock(&c->lock);
		if (end == CTA_AGAIN)
			c->queue[c->tail++ % c->nr] = i;
		pthread_mutex_unlock(&c->lock);
	}
}

__thread struct sg_reach sg_reach;

static void run_job(struct sg_job *job)
{
	sg_reach = job->reach;
	if (job->coop)
		run_coop(job);
	else
		run_plain(job);
}

static bool job_has_work(const struct sg_job *job)
{
	if (job->stop || job->race)
		return false;
	return job->coop ? job->coop->head != job->coop->tail : job->next_cta < job->nr_ctas;
}

static void *pool_thread(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct sg_job *job = pool.jobs;

		while (job && !job_has_work(job))
			job = job->next;
		if (!job) {
			pthread_cond_wait(&pool.work, &pool.lock);
			continue;
		}
		job->users++;
		pthread_mutex_unlock(&pool.lock);
		run_job(job);
		pthread_mutex_lock(&pool.lock);
		if (!--job->users)
			pthread_cond_broadcast(&pool.idle);
	}
	return NULL;
}

uint32_t sg_threads(void)
{
	const char *env = getenv("SOFTGPU_THREADS");
	long n = env ? strtol(env, NULL, 10) : 0;
	cpu_set_t set;

	if (n <= 0)
		n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
	return n < SG_MAX_THREADS ? (uint32_t)n : SG_MAX_THREADS;
}

/* The caller of a launch works too: one thread fewer than cores. Called with the lock. */
static void start_threads(void)
{
	uint32_t want = sg_threads() - 1;
	pthread_attr_t attr;
	pthread_t t;

	if (pool.pid != getpid()) {
		pool.pid = getpid();
		pool.nr_threads = 0;
		pool.jobs = NULL;
	}
	if (pool.nr_threads >= want || pthread_attr_init(&attr))
		return;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (pool.nr_threads < want && !pthread_create(&t, &attr, pool_thread, NULL))
		pool.nr_threads++;
	pthread_attr_destroy(&attr);
}

static void enlist(struct sg_job *job)
{
	struct sg_job **at;

	pthread_mutex_lock(&pool.lock);
	start_threads();
	job->id = ++pool.next_id;
	/* the most urgent first, and of those the oldest */
	for (at = &pool.jobs; *at && (*at)->l->priority <= job->l->priority; at = &(*at)->next)
		;
	job->next = *at;
	*at = job;
	/* the caller takes one block itself: a thread that finds nothing has been woken for nothing */
	for (uint64_t i = 1; !job->race && i < job->nr_ctas && i <= pool.nr_threads; i++)
		pthread_cond_signal(&pool.work);
	pthread_mutex_unlock(&pool.lock);
}

static void delist(struct sg_job *job)
{
	struct sg_job **at;

	pthread_mutex_lock(&pool.lock);
	for (at = &pool.jobs; *at != job; at = &(*at)->next)
		;
	*at = job->next;
	while (job->users)
		pthread_cond_wait(&pool.idle, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
}

static void coop_fini(struct sg_job *job)
{
	struct coop *c = job->coop;

	if (!c)
		return;
	for (uint64_t i = 0; i < c->nr && c->ctas; i++)
		cta_fini(&c->ctas[i]);
	free(c->ctas);
	free(c->ext);
	free(c->faults);
	free(c->queue);
	pthread_mutex_destroy(&c->lock);
	free(c);
	if (job->workspace)
		sg_mem_free(job->workspace);
}

static bool coop_init(struct sg_job *job)
{
	struct coop *c = calloc(1, sizeof(*c));

	if (!c)
		return false;
	job->coop = c;
	pthread_mutex_init(&c->lock, NULL);
	c->ctas = calloc(job->nr_ctas, sizeof(*c->ctas));
	c->ext = calloc(job->nr_ctas, sizeof(*c->ext));
	c->faults = calloc(job->nr_ctas, sizeof(*c->faults));
	c->queue = calloc(job->nr_ctas, sizeof(*c->queue));
	job->workspace = sg_mem_alloc(WORKSPACE_BYTES, 256);
	if (!c->ctas || !c->ext || !c->faults || !c->queue || !job->workspace)
		return false;
	for (; c->nr < job->nr_ctas; c->nr++) {
		c->ext[c->nr].gen = UINT64_MAX;
		if (!cta_init(&c->ctas[c->nr], job, &c->ext[c->nr], &c->faults[c->nr]) ||
		    !cta_start(&c->ctas[c->nr], c->nr)) {
			c->nr++;
			return false;
		}
		c->queue[c->tail++] = c->nr;
	}
	return true;
}

static enum sg_result refuse(struct sg_fault *f, enum sg_result res, const char *text)
{
	f->result = res;
	snprintf(f->text, sizeof(f->text), "%s", text);
	return res;
}

static uint64_t step_limit(void)
{
	const char *env = getenv("SOFTGPU_STEP_LIMIT");
	uint64_t n = env ? strtoull(env, NULL, 0) : 0;

	return n ? n : STEP_LIMIT;
}

static bool shape_ok(const struct sg_dim *d, uint64_t limit, uint64_t *product)
{
	return d->x && d->y && d->z &&
	       !__builtin_mul_overflow((uint64_t)d->x * d->y, (uint64_t)d->z, product) &&
	       *product <= limit;
}

static uint32_t local_max(const struct sg_launch *l)
{
	uint64_t n = (uint64_t)l->kernel->info.stack_bytes + l->stack;

	return l->stack && n < MAX_LOCAL ? (uint32_t)n : MAX_LOCAL;
}

enum sg_result sg_launch_run(const struct sg_launch *l, struct sg_fault *fault)
{
	struct sg_job job = {
		.l = l, .k = l->kernel, .step_limit = step_limit(), .reach = sg_reach
	};
	uint64_t threads,
		dyn = ((uint64_t)l->kernel->info.static_shared + 15) / 16 * 16 + l->dynamic_shared;
	struct sg_launch own = *l;
	void *params;

	memset(fault, 0, sizeof(*fault));
	if (!shape_ok(&l->grid, UINT64_MAX >> 16, &job.nr_ctas) ||
	    !shape_ok(&l->block, 1024, &threads))
		return refuse(fault, SG_INVALID_PC,
			      "a grid or block of this shape cannot be launched");
	if (dyn > MAX_SHARED)
		return refuse(fault, SG_NOMEM, "more shared memory than 228 KiB");
	job.threads = (uint32_t)threads;
	job.nr_warps = (job.threads + SG_LANES - 1) / SG_LANES;
	job.user_shared = ((uint32_t)dyn + 15) / 16 * 16;
	job.shared_bytes = (uint32_t)dyn;
	if (l->kernel->module->reserved)
		job.shared_bytes = job.user_shared + SG_RESERVED_SHARED;
	job.local_max = local_max(l);
	/* a copy, because a wild generic store may reach it */
	params = calloc(1, l->kernel->info.param_bytes + 16);
	if (!params)
		return refuse(fault, SG_NOMEM, "no memory for the parameters");
	if (l->kernel->info.param_bytes)
		memcpy(params, l->params, l->kernel->info.param_bytes);
	own.params = params;
	job.l = &own;
	if (l->check & SG_CHECK_RACE && !(job.race = sg_race_new(&job))) {
		free(params);
		return refuse(fault, SG_NOMEM, "no memory to check for races");
	}
	if (l->cooperative && !coop_init(&job)) {
		coop_fini(&job);
		if (job.race)
			sg_race_end(job.race);
		free(params);
		return refuse(fault, SG_NOMEM, "no memory for all blocks of a cooperative grid");
	}
	enlist(&job);
	run_job(&job);
	delist(&job);
	coop_fini(&job);
	if (job.race && sg_race_end(job.race) && l->check & SG_CHECK_FATAL && !job.res) {
		job.res = SG_TRAP;
		refuse(&job.fault, SG_TRAP, "races were found, and SOFTGPU_CHECK says fatal");
	}
	free(params);
	*fault = job.fault;
	return job.res;
}
