// SPDX-License-Identifier: MIT
/*
 * legacy.c - the legacy streams of contexts
 *
 * The worker has one context, whose legacy stream stands for that of the first context here that
 * uses one. Any other makes a stream of its own in its place, and names it with each stream that it
 * makes: the worker keeps the order between them (userd/server/context.c).
 */
#include "vcuda_context.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct context *first;		/* has the worker's legacy stream */
static _Atomic bool several;

bool vcuda_several_contexts(void)
{
	return atomic_load_explicit(&several, memory_order_relaxed);
}

/* The stream itself is its context's legacy stream: its number stands in both halves. */
static CUresult make(struct context *c)
{
	struct vcuda_object *o;
	uint64_t h = vcuda_handle_new(CUDA_HANDLE_stream, &o);
	uint64_t args[2] = { htole64((uint32_t)h), htole64(h << 32) };
	struct vcuda_iov iov = { args, sizeof(args) };
	CUresult r;

	if (!h)
		return CUDA_ERROR_OUT_OF_MEMORY;
	o->stream.ctx = c->handle;
	r = vcuda_submit(CUDA_ID_cuStreamCreate, 0, &iov, 1, NULL, NULL);
	if (r) {
		vcuda_handle_del(CUDA_HANDLE_stream, (void *)(uintptr_t)h);
		return r;
	}
	c->legacy = (uint32_t)h;
	atomic_store(&several, true);
	return r;
}

static CUresult place(struct context *c)
{
	CUresult r = CUDA_SUCCESS;

	pthread_mutex_lock(&lock);
	if (!c->placed) {
		if (!first || first == c) {
			first = c;
			c->legacy = VWIRE_STREAM_LEGACY;
		} else {
			r = make(c);
		}
		if (!r)
			atomic_store_explicit(&c->placed, true, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult vcuda_legacy_number(CUcontext ctx, uint32_t *number)
{
	struct context *c;
	CUresult r = context_named(ctx, &c);

	if (!r && !atomic_load_explicit(&c->placed, memory_order_acquire))
		r = place(c);
	if (!r)
		*number = c->legacy;
	return r;
}

/* A stream of its own has been destroyed with the others of the context. */
void vcuda_legacy_forget(CUcontext ctx)
{
	struct context *c = context_get(ctx);

	pthread_mutex_lock(&lock);
	if (first == c)
		first = NULL;
	if (c)
		c->placed = false;
	pthread_mutex_unlock(&lock);
}
