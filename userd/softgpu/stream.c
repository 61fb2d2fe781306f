/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "capture.h"
#include "engine.h"
#include "graph_memory.h"
#include "init.h"
#include "malloc.h"
#include "peer.h"
#include "pool.h"
#include "print.h"

static uint64_t last_seq;
static uint64_t last_id = 2;		/* 1 and 2 name the legacy and the per-thread stream */

static uint64_t last_thread;
static __thread uint64_t thread_number;
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

static bool is_blocking(const struct stream *s)
{
	return !(s->flags & CU_STREAM_NON_BLOCKING);
}

uint64_t stream_now(void)
{
	return last_seq;
}

void stream_get(struct stream *s)
{
	s->refs++;
}

void stream_put(struct stream *s)
{
	if (--s->refs)
		return;
	pthread_cond_destroy(&s->more);
	free(s);
}

struct stream *stream_create(struct context *ctx, unsigned int flags, int priority)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ctx = ctx;
	s->refs = 1;
	s->flags = flags;
	s->priority = stream_clamp_priority(priority);
	s->sync_policy = CU_SYNC_POLICY_AUTO;
	s->domain_map.remote = 1;
	s->id = ++last_id;
	s->oldest = STREAM_IDLE;
	STAILQ_INIT(&s->queue);
	pthread_cond_init(&s->more, NULL);
	LIST_INSERT_HEAD(&ctx->streams, s, link);
	if (context_order(s) != CUDA_SUCCESS) {
		stream_close(s);
		return NULL;
	}
	return s;
}

static void stream_unlink(struct stream *s)
{
	LIST_REMOVE(s, link);
	s->ctx = NULL;
	stream_put(s);
	driver_wake();
}

void stream_close(struct stream *s)
{
	context_retire(s->ctx, &s->obj);
	capture_forget_stream(s);
	s->closing = true;
	if (s->started)
		pthread_cond_signal(&s->more);	/* its thread unlinks it when the queue is empty */
	else
		stream_unlink(s);
}

/*
 * The legacy stream's work waits for older work of all blocking streams, and theirs for older work
 * of the legacy stream.
 */
static bool legacy_order_holds(const struct stream *s, uint64_t seq)
{
	const struct stream *t;

	if (!is_blocking(s))
		return true;
	if (s != s->ctx->legacy)
		return stream_passed(s->ctx->legacy, seq);
	LIST_FOREACH(t, &s->ctx->streams, link)
		if (t != s && is_blocking(t) && !stream_passed(t, seq))
			return false;
	return true;
}

bool stream_is_idle(const struct stream *s)
{
	return s->oldest == STREAM_IDLE && legacy_order_holds(s, last_seq);
}

static bool is_ready(const struct stream *s, const struct work *w)
{
	if (w->after && !stream_passed(w->after, w->after_seq))
		return false;
	return legacy_order_holds(s, w->seq);
}

static void work_destroy(struct work *w)
{
	if (w->destroy)
		w->destroy(w);
	else
		free(w);
}

/*
 * Runs the queue's head, which stays there meanwhile, so that the stream has not passed it. On the
 * stream's thread or on one that waits for it.
 */
static void run_head(struct stream *s, struct work *w)
{
	struct context *ctx = s->ctx;
	CUresult r = CUDA_SUCCESS;

	s->running = true;
	while (!is_ready(s, w))
		driver_wait();
	if (ctx->error == CUDA_SUCCESS || w->always) {
		struct sg_reach reach = sg_reach;

		sg_reach = peer_reach(ctx);
		driver_unlock();
		r = w->run(w, ctx);
		driver_lock();
		sg_reach = reach;
	}
	if (r != CUDA_SUCCESS)
		context_fault(ctx, r);
	STAILQ_REMOVE_HEAD(&s->queue, link);
	s->oldest = STAILQ_EMPTY(&s->queue) ? STREAM_IDLE : STAILQ_FIRST(&s->queue)->seq;
	if (w->after)
		stream_put(w->after);
	work_destroy(w);
	if (!SLIST_EMPTY(&ctx->zombies))
		malloc_reap(ctx);
	graph_memory_reap();
	s->running = false;
	driver_wake();
}

/*
 * A program that launches and waits gets here a moment after this thread: work that may run anywhere
 * is left to it for so long, which saves it the sleep until this thread has run it.
 */
#define YIELD_NS 5000

static void leave_to_waiter(void)
{
	struct timespec now;
	uint64_t end = 0, ns;

	driver_unlock();
	do {
		__builtin_ia32_pause();
		clock_gettime(CLOCK_MONOTONIC, &now);
		ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
		end = end ? end : ns + YIELD_NS;
	} while (ns < end);
	driver_lock();
}

static bool has_nothing(const struct stream *s)
{
	return s->running || (STAILQ_EMPTY(&s->queue) && !s->closing);
}

static void *stream_thread(void *arg)
{
	struct stream *s = arg;
	bool slept;

	driver_lock();
	for (;;) {
		for (slept = false; has_nothing(s); slept = true)
			pthread_cond_wait(&s->more, driver_mutex());
		if (STAILQ_EMPTY(&s->queue))
			break;
		if (slept && STAILQ_FIRST(&s->queue)->anywhere) {
			leave_to_waiter();
			if (has_nothing(s))
				continue;
			if (STAILQ_EMPTY(&s->queue))
				break;
		}
		run_head(s, STAILQ_FIRST(&s->queue));
	}
	stream_unlink(s);
	driver_unlock();
	print_flush();
	return NULL;
}

/* Signals belong to the program's own threads. */
static int start_thread(struct stream *s)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t t;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&t, &attr, stream_thread, s);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(t, "softgpu-stream");
	s->started = err == 0;
	return err;
}

CUresult stream_submit(struct stream *s, struct work *w)
{
	if (s->closing || (!s->started && start_thread(s))) {
		if (w->after)
			stream_put(w->after);
		work_destroy(w);
		return s->closing ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_OUT_OF_MEMORY;
	}
	w->seq = ++last_seq;
	if (STAILQ_EMPTY(&s->queue))
		s->oldest = w->seq;
	STAILQ_INSERT_TAIL(&s->queue, w, link);
	pthread_cond_signal(&s->more);
	return CUDA_SUCCESS;
}

static CUresult wait_run(struct work *w, struct context *ctx)
{
	(void)w;
	(void)ctx;
	return CUDA_SUCCESS;	/* work.after was all there is to it */
}

CUresult stream_queue_wait(struct stream *s, struct stream *other, uint64_t seq)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	w->run = wait_run;
	w->after = other;
	w->after_seq = seq;
	stream_get(other);
	return stream_submit(s, w);
}

/*
 * Whether s has passed seq, and with it, if order counts or s is the legacy stream, what it waits
 * for.
 */
static bool is_past(const struct stream *s, uint64_t seq, bool order)
{
	if (!stream_passed(s, seq))
		return false;
	if (!s->ctx || (!order && s != s->ctx->legacy))
		return true;
	return legacy_order_holds(s, seq);
}

/*
 * Waking the stream's thread takes longer than a small kernel: a thread that waits for s takes its
 * next piece of work itself, if it is one that may run anywhere.
 */
static bool help(struct stream *s, uint64_t seq)
{
	struct work *w = STAILQ_FIRST(&s->queue);

	if (s->running || !w || !w->anywhere || w->seq > seq || !is_ready(s, w))
		return false;
	run_head(s, w);
	if (s->closing || !STAILQ_EMPTY(&s->queue))
		pthread_cond_signal(&s->more);
	return true;
}

bool stream_help_any(struct context *ctx, uint64_t seq)
{
	struct stream *s;

	LIST_FOREACH(s, &ctx->streams, link)
		if (help(s, seq))
			return true;	/* the list may be another one now */
	return false;
}

static CUresult wait_past(struct stream *s, bool order)
{
	struct context *ctx = s->ctx;
	uint64_t seq = last_seq;

	ctx->busy++;
	stream_get(s);
	while (!is_past(s, seq, order))
		if (!help(s, seq) && !(order && s->ctx && stream_help_any(s->ctx, seq)))
			driver_wait();
	stream_put(s);
	pool_synchronized();
	ctx->busy--;
	driver_wake();
	return ctx->closing ? CUDA_ERROR_CONTEXT_IS_DESTROYED : ctx->error;
}

CUresult stream_drain(struct stream *s)
{
	return wait_past(s, true);
}

CUresult stream_sync(struct stream *s)
{
	return wait_past(s, false);
}

bool stream_is_done(const struct stream *s)
{
	return is_past(s, last_seq, false);
}

void stream_wait(struct stream *s, uint64_t seq)
{
	stream_get(s);
	while (!stream_passed(s, seq))
		driver_wait();
	stream_put(s);
}

/* Ends the per-thread streams of a thread that ends. */
static void thread_exit(void *number)
{
	struct stream *s, *next;
	struct context *ctx;

	if (driver_ready() != CUDA_SUCCESS)
		return;
	driver_lock();
	LIST_FOREACH(ctx, &context_all, link) {
		for (s = LIST_FIRST(&ctx->streams); s; s = next) {
			next = LIST_NEXT(s, link);
			if (s->owner == (uintptr_t)number && !s->closing)
				stream_close(s);
		}
	}
	driver_unlock();
}

static void make_thread_key(void)
{
	pthread_key_create(&thread_key, thread_exit);
}

uint64_t stream_thread_number(void)
{
	if (!thread_number) {
		pthread_once(&thread_once, make_thread_key);
		thread_number = ++last_thread;
		pthread_setspecific(thread_key, (void *)(uintptr_t)thread_number);
	}
	return thread_number;
}

static struct stream *per_thread_stream(struct context *ctx)
{
	uint64_t number = stream_thread_number();
	struct stream *s;

	LIST_FOREACH(s, &ctx->streams, link)
		if (s->owner == number && !s->closing)
			return s;
	s = stream_create(ctx, 0, 0);
	if (s)
		s->owner = number;
	return s;
}

CUresult stream_find(struct context *ctx, CUstream handle, struct stream **out)
{
	bool legacy = !handle || handle == CU_STREAM_LEGACY;

	if (!ctx && (legacy || handle == CU_STREAM_PER_THREAD))
		return context_missing();
	if (legacy) {
		*out = ctx->legacy;
		return CUDA_SUCCESS;
	}
	if (handle == CU_STREAM_PER_THREAD) {
		*out = per_thread_stream(ctx);
		return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	}
	*out = HANDLE_FIND(handle, HANDLE_STREAM);
	return *out ? CUDA_SUCCESS : context_bad_handle(handle, HANDLE_STREAM);
}

CUresult stream_enter(CUstream handle, struct stream **s)
{
	struct context *ctx;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find(ctx, handle, s);
	if (r == CUDA_SUCCESS)
		r = (*s)->ctx->error;
	return r == CUDA_SUCCESS ? r : context_leave(r);
}

CUresult stream_find_own(struct context *ctx, CUstream handle, struct stream **out)
{
	CUresult r = stream_find(ctx, handle, out);

	return r == CUDA_SUCCESS && (*out)->ctx != ctx ? CUDA_ERROR_INVALID_HANDLE : r;
}
