/* SPDX-License-Identifier: MIT */
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "context.h"
#include "log.h"
#include "reply.h"
#include "run.h"
#include "worker.h"


__thread bool wait_is_waiter;

static void queue_init(struct queue *q, CUstream stream)
{
	*q = (struct queue){ .stream = stream, .refs = 1 };
	q->tail = &q->head;
}

int wait_init(struct worker *w)
{
	struct wait *t = &w->wait;

	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->ready, NULL);
	pthread_cond_init(&t->ended, NULL);
	t->ready_tail = &t->ready_head;
	t->data_tail = &t->data_head;
	queue_init(&t->legacy, CU_STREAM_LEGACY);
	queue_init(&t->context, NULL);
	t->legacy.legacy = &t->legacy;
	return 0;
}

struct queue *wait_queue_new(struct worker *w, CUstream stream)
{
	struct queue *q = malloc(sizeof(*q));

	if (!q)
		return NULL;
	queue_init(q, stream);
	context_join(q, &w->wait.legacy, true);
	q->next_stream = w->wait.streams;
	q->prev_stream = &w->wait.streams;
	if (q->next_stream)
		q->next_stream->prev_stream = &q->next_stream;
	w->wait.streams = q;
	return q;
}

static void queue_unref(struct queue *q)
{
	if (--q->refs == 0)
		free(q);
}

/* With the lock. */
static void marks_put(struct wait *t, struct mark *m)
{
	while (m) {
		struct mark *next = m->next;

		m->next = t->marks;
		t->marks = m;
		m = next;
	}
}

void wait_queue_put(struct worker *w, struct queue *q)
{
	*q->prev_stream = q->next_stream;
	if (q->next_stream)
		q->next_stream->prev_stream = q->prev_stream;
	context_forget(w, q);
	pthread_mutex_lock(&w->wait.lock);
	marks_put(&w->wait, q->orphans);
	if (q->fences)
		queue_unref(q->fences);
	queue_unref(q);
	pthread_mutex_unlock(&w->wait.lock);
}

static CUresult mark_get(struct wait *t, struct mark **out)
{
	struct mark *m;
	CUresult r;

	pthread_mutex_lock(&t->lock);
	m = t->marks;
	if (m)
		t->marks = m->next;
	pthread_mutex_unlock(&t->lock);
	*out = m;
	if (m)
		return CUDA_SUCCESS;
	m = malloc(sizeof(*m));
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = real.cuEventCreate(&m->event, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC);
	if (r != CUDA_SUCCESS) {
		free(m);
		return r;
	}
	*out = m;
	return CUDA_SUCCESS;
}

static CUresult mark_make(struct wait *t, CUstream stream, struct mark **list)
{
	struct mark *m;
	CUresult r = mark_get(t, &m);

	if (r != CUDA_SUCCESS)
		return r;
	r = real.cuEventRecord(m->event, stream);
	if (r == CUDA_SUCCESS) {
		m->next = *list;
		*list = m;
		return r;
	}
	pthread_mutex_lock(&t->lock);
	m->next = NULL;
	marks_put(t, m);
	pthread_mutex_unlock(&t->lock);
	return r;
}

void wait_mark(struct worker *w, struct job *job, struct queue *q)
{
	CUresult r = mark_make(&w->wait, q->stream, &job->marks);

	if (r != CUDA_SUCCESS && !job->err)
		job->err = r;
}

static void adopt(struct job *job, struct mark **orphans)
{
	struct mark **end;

	for (end = &job->marks; *end; end = &(*end)->next)
		;
	*end = *orphans;
	*orphans = NULL;
}

void wait_fence(struct worker *w, struct job *job)
{
	struct wait *t = &w->wait;

	if (t->legacy.busy)
		wait_mark(w, job, &t->legacy);
	t->legacy.busy = false;
	for (struct queue *q = t->streams; q; q = q->next_stream) {
		if (q->busy)
			wait_mark(w, job, q);
		q->busy = false;
	}
	adopt(job, &t->orphans);
}

void wait_fence_context(struct worker *w, struct job *job, struct queue *legacy)
{
	struct wait *t = &w->wait;

	if (legacy == &t->legacy && legacy->busy_context)
		wait_mark(w, job, legacy);
	t->legacy.busy_context &= legacy != &t->legacy;
	for (struct queue *q = t->streams; q; q = q->next_stream) {
		if (q->legacy != legacy)
			continue;
		if (q->busy_context)
			wait_mark(w, job, q);
		q->busy_context = false;
	}
	adopt(job, &legacy->orphans);
}

struct queue *wait_queue_fences(void)
{
	struct queue *q = malloc(sizeof(*q));

	if (q)
		queue_init(q, NULL);
	return q;
}

/* Destroying a stream does not end its work: the next fences still have to cover it. */
void wait_queue_leave(struct worker *w, struct queue *q)
{
	context_leave(q);
	if (q->busy && mark_make(&w->wait, q->stream, &w->wait.orphans) == CUDA_SUCCESS)
		q->busy = false;
	if (q->busy_context && w->wait.several &&
	    mark_make(&w->wait, q->stream, &q->legacy->orphans) == CUDA_SUCCESS)
		q->busy_context = false;
}

struct job *wait_job(struct request *rq, void (*run)(struct worker *, struct job *, CUresult))
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->op = rq->op;
	job->seq = rq->seq;
	job->run = run;
	return job;
}

void wait_answer(struct worker *w, struct job *job, CUresult r)
{
	reply_result(w, job->op, job->seq, r, NULL, 0);
}

/* What the waits of a job come to, CUDA_ERROR_NOT_READY while one has not. */
static CUresult job_query(const struct job *job)
{
	CUresult r = job->err;

	if (r == CUDA_SUCCESS && job->event)
		r = real.cuEventQuery(job->event);
	for (const struct mark *m = job->marks; m && r == CUDA_SUCCESS; m = m->next)
		r = real.cuEventQuery(m->event);
	return r;
}

/* Most waits of a busy program are short: a sleep and its wake-up would cost more than they do. */
static CUresult event_wait(CUevent event)
{
	struct halt_poll *p = worker_poll();
	uint64_t start = worker_now_ns(), look = halt_poll_enter(p), looked = 0;
	CUresult r = real.cuEventQuery(event);

	while (r == CUDA_ERROR_NOT_READY && looked < look) {
		halt_poll_pause(p, looked);
		r = real.cuEventQuery(event);
		looked = worker_now_ns() - start;
	}
	halt_poll_leave(p, look);
	if (r == CUDA_ERROR_NOT_READY)
		r = real.cuEventSynchronize(event);
	halt_poll_note(p, worker_now_ns() - start);
	return r;
}

static void note_lost(struct worker *w, CUresult *r)
{
	if (run_is_sticky(*r))
		w->lost = *r;
	else if (*r == CUDA_SUCCESS && w->lost)
		*r = w->lost;
}

CUresult wait_events(struct worker *w, const struct job *job)
{
	CUresult r = job->err;

	if (r == CUDA_SUCCESS && job->event)
		r = event_wait(job->event);
	for (const struct mark *m = job->marks; m && r == CUDA_SUCCESS; m = m->next)
		r = event_wait(m->event);
	note_lost(w, &r);
	return r;
}

bool wait_next_is_over(struct worker *w, const struct job *job)
{
	const struct job *next;
	bool over;

	pthread_mutex_lock(&w->wait.lock);
	next = job->next;
	over = next && next->run == job->run && !next->marks && !next->err;
	pthread_mutex_unlock(&w->wait.lock);
	return over;
}

static void *waiter(void *arg);

/*
 * With the lock: every ready queue has a thread that is about to take it, as far as WAIT_THREADS
 * goes.
 */
static void call_threads(struct worker *w)
{
	struct wait *t = &w->wait;
	unsigned int nr_ready = 0;
	pthread_t thread;

	for (struct queue *q = t->ready_head; q; q = q->next_ready)
		nr_ready++;
	if (nr_ready && t->nr_idle)
		pthread_cond_signal(&t->ready);
	while (nr_ready > t->nr_idle && t->nr_threads - t->nr_covering < WAIT_THREADS) {
		/* It counts as idle from the start, as it takes the first queue it finds. */
		if (pthread_create(&thread, NULL, waiter, w)) {
			if (t->nr_threads)
				return;
			log_err("cannot start a thread: %s", strerror(errno));
			_exit(1);
		}
		pthread_detach(thread);
		t->nr_threads++;
		t->nr_idle++;
	}
}

static void queue_ready(struct worker *w, struct queue *q)
{
	struct wait *t = &w->wait;

	q->active = true;
	q->refs++;
	q->next_ready = NULL;
	*t->ready_tail = q;
	t->ready_tail = &q->next_ready;
	call_threads(w);
}

static struct queue *ready_pop(struct wait *t)
{
	struct queue *q = t->ready_head;

	if (!q)
		return NULL;
	t->ready_head = q->next_ready;
	if (!t->ready_head)
		t->ready_tail = &t->ready_head;
	return q;
}

static void data_add(struct wait *t, struct job *job)
{
	job->prev_data = t->data_tail;
	*t->data_tail = job;
	t->data_tail = &job->next_data;
}

static void data_del(struct wait *t, struct job *job)
{
	*job->prev_data = job->next_data;
	if (job->next_data)
		job->next_data->prev_data = job->prev_data;
	else
		t->data_tail = job->prev_data;
}

static void wait_ended(struct wait *t)
{
	t->nr_ended_waiters++;
	pthread_cond_wait(&t->ended, &t->lock);
	t->nr_ended_waiters--;
}

/* With the lock: an earlier job that has data for the host, and whose event has come. */
static bool is_uncovered(struct wait *t, const struct job *job)
{
	for (const struct job *d = t->data_head; d && d->order < job->order; d = d->next_data)
		if (job_query(d) != CUDA_ERROR_NOT_READY)
			return true;
	return false;
}

static void cover(struct worker *w, struct job *job)
{
	struct wait *t = &w->wait;

	while (is_uncovered(t, job)) {
		/* The queue of that data may still look for a thread. */
		t->nr_covering++;
		call_threads(w);
		wait_ended(t);
		t->nr_covering--;
	}
}

/*
 * What device code has printed comes ahead of the end of a wait. The driver writes it out when it is
 * asked to wait, even for what is over; a question is not enough.
 */
static void print(struct worker *w, const struct job *job)
{
	if (!job->is_wait)
		return;
	if (job->event)
		real.cuEventSynchronize(job->event);
	else if (job->marks)
		real.cuEventSynchronize(job->marks->event);
	text_flush(w);
}

static void job_end(struct wait *t, struct job *job)
{
	if (job->prev_data)
		data_del(t, job);
	marks_put(t, job->marks);
	free(job);
	t->nr_jobs--;
	if (t->nr_ended_waiters)
		pthread_cond_broadcast(&t->ended);
}

/*
 * With the lock, which is dropped while a job waits and runs. A job stays at the head until it has
 * ended.
 */
static void queue_run(struct worker *w, struct queue *q)
{
	struct wait *t = &w->wait;
	struct job *job;
	CUresult r;

	while ((job = q->head)) {
		pthread_mutex_unlock(&t->lock);
		r = job->waits ? job->err : wait_events(w, job);
		pthread_mutex_lock(&t->lock);
		if (job->is_wait)
			cover(w, job);
		pthread_mutex_unlock(&t->lock);
		print(w, job);
		job->run(w, job, r);
		pthread_mutex_lock(&t->lock);
		q->head = job->next;
		if (!q->head)
			q->tail = &q->head;
		job_end(t, job);
	}
	q->active = false;
	queue_unref(q);
}

static void *waiter(void *arg)
{
	struct worker *w = arg;
	struct wait *t = &w->wait;
	struct queue *q;

	wait_is_waiter = true;
	real.cuCtxSetCurrent(w->ctx);
	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (!(q = ready_pop(t)))
			pthread_cond_wait(&t->ready, &t->lock);
		t->nr_idle--;
		queue_run(w, q);
		t->nr_idle++;
	}
	return NULL;
}

/* With the lock: nothing is left to wait for, in this queue or for data of others. */
static bool is_over(struct worker *w, const struct queue *q, const struct job *job, CUresult *r)
{
	if (job->is_slow || (q && q->head) || w->wait.data_head ||
	    (job->is_data && !reply_is_idle(w)))
		return false;
	*r = job_query(job);
	return *r != CUDA_ERROR_NOT_READY;
}

/*
 * A client that waits, and of which nothing else is there, is answered soonest by this thread: to
 * wake another takes longer than most waits.
 */
static void linger(struct worker *w, const struct queue *q, const struct job *job)
{
	uint64_t least = worker_poll()->least, end = worker_now_ns() + least;
	bool alone;

	if (!job->is_wait || job->is_slow || !least)
		return;
	pthread_mutex_lock(&w->wait.lock);
	alone = !(q && q->head) && !w->wait.data_head;
	pthread_mutex_unlock(&w->wait.lock);
	while (alone && job_query(job) == CUDA_ERROR_NOT_READY && worker_now_ns() < end &&
	       !worker_has_input(w))
		__builtin_ia32_pause();
}

static void submit(struct worker *w, struct queue *q, struct job *job)
{
	*q->tail = job;
	q->tail = &job->next;
	if (job->is_data)
		data_add(&w->wait, job);
	if (!q->active)
		queue_ready(w, q);
}

/* A wait for one event belongs to no stream's order: its queue lives as long as the job. */
static struct queue *queue_alone(void)
{
	struct queue *q = malloc(sizeof(*q));

	if (!q)
		return NULL;
	queue_init(q, NULL);
	q->refs = 0;
	return q;
}

void wait_submit(struct worker *w, struct queue *q, struct job *job)
{
	struct wait *t = &w->wait;
	CUresult r;

	linger(w, q, job);
	pthread_mutex_lock(&t->lock);
	while (t->nr_jobs >= WAIT_JOBS_MAX)
		wait_ended(t);
	t->nr_jobs++;
	job->order = ++t->last_order;
	if (is_over(w, q, job, &r)) {
		pthread_mutex_unlock(&t->lock);
		note_lost(w, &r);
		print(w, job);
		job->run(w, job, r);
		pthread_mutex_lock(&t->lock);
		job_end(t, job);
	} else if (q || (q = queue_alone())) {
		submit(w, q, job);
	} else {
		log_err("no memory for a wait");
		_exit(1);
	}
	pthread_mutex_unlock(&t->lock);
}
