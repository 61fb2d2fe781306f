// SPDX-License-Identifier: MIT
/*
 * objects.c - handles, contexts and streams for userd/graph, and the lock over all of it
 */
#include <errno.h>
#include <stdlib.h>

#include "capture.h"
#include "event.h"
#include "init.h"
#include "stream.h"
#include "vcuda.h"
#include "vcuda_graph.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, object) conditionals = LIST_HEAD_INITIALIZER(conditionals);
static struct context context;
static struct stream legacy = { .ctx = &context };

void driver_lock(void)
{
	pthread_mutex_lock(&lock);
}

void driver_unlock(void)
{
	pthread_mutex_unlock(&lock);
	vcuda_graph_over();
}

bool driver_trylock(void)
{
	return !pthread_mutex_trylock(&lock);
}

/* ---- handles ---- */

int handle_create(struct object *obj, enum handle_kind kind)
{
	struct vcuda_object *o;

	obj->kind = kind;
	obj->handle = vcuda_handle_new((enum cuda_handle_kind)kind, &o);
	if (!obj->handle)
		return -ENOMEM;
	o->p = obj;
	return 0;
}

/* The server has given the handle. */
void vcuda_graph_conditional(struct object *obj, uint64_t handle)
{
	obj->kind = HANDLE_CONDITIONAL;
	obj->handle = handle;
	LIST_INSERT_HEAD(&conditionals, obj, link);
}

void handle_retire(struct object *obj)
{
	if (!obj->handle)
		return;
	if (obj->kind == HANDLE_GRAPH && ((struct graph *)obj)->remote)
		vcuda_graph_gone(vcuda_handle_number((void *)(uintptr_t)obj->handle));
	if (obj->kind == HANDLE_CONDITIONAL)
		LIST_REMOVE(obj, link);
	else
		vcuda_handle_del((enum cuda_handle_kind)obj->kind, (void *)(uintptr_t)obj->handle);
	obj->handle = 0;
}

void *handle_find(uint64_t handle, enum handle_kind kind)
{
	struct vcuda_object *o;
	struct object *obj;

	if (kind == HANDLE_CONDITIONAL) {
		LIST_FOREACH(obj, &conditionals, link)
			if (obj->handle == handle)
				return obj;
		return NULL;
	}
	o = vcuda_handle_get((enum cuda_handle_kind)kind, (void *)(uintptr_t)handle);
	return o ? o->p : NULL;
}

/* ---- contexts and streams ---- */

CUresult context_enter(struct context **ctx)
{
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	driver_lock();
	context.legacy = &legacy;
	context.device = vcuda_current_device();
	context.error = vcuda_sticky_error();
	*ctx = &context;
	return CUDA_SUCCESS;
}

CUresult context_leave(CUresult r)
{
	driver_unlock();
	return r;
}

/* What parameters of nodes say about contexts is only given back. */
CUresult context_of(CUcontext handle, struct context **out)
{
	static __thread struct context named;

	if (!handle)
		handle = vcuda_current();
	if (!handle || !vcuda_context_ok(handle))
		return CUDA_ERROR_INVALID_CONTEXT;
	named.obj.handle = (uintptr_t)handle;
	named.device = vcuda_current_device();
	*out = &named;
	return CUDA_SUCCESS;
}

uint64_t stream_thread_number(void)
{
	static _Atomic uint64_t last;
	static __thread uint64_t own;

	if (!own)
		own = ++last;
	return own;
}

CUresult stream_find(struct context *ctx, CUstream handle, struct stream **out)
{
	struct vcuda_object *o;
	struct stream *s;
	uint32_t number;
	CUresult r = vcuda_stream_number(handle, &number);

	*out = ctx->legacy;
	if (r || !handle || handle == CU_STREAM_LEGACY)
		return r;
	handle = vcuda_handle_of(CUDA_HANDLE_stream, number);
	o = vcuda_handle_get(CUDA_HANDLE_stream, handle);
	if (!o)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!o->stream.captures) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return CUDA_ERROR_OUT_OF_MEMORY;
		s->obj.handle = (uintptr_t)handle;
		s->ctx = ctx;
		o->stream.captures = s;
	}
	s = o->stream.captures;
	s->flags = o->stream.flags;
	s->priority = o->stream.priority;
	*out = s;
	return CUDA_SUCCESS;
}

struct event *vcuda_graph_event(CUevent handle)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_event, handle);

	if (o && !o->event.captures)
		o->event.captures = calloc(1, sizeof(struct event));
	return o ? o->event.captures : NULL;
}

/* A stream or event is about to go. */
void vcuda_graph_forget(enum cuda_handle_kind kind, const void *handle)
{
	struct vcuda_object *o = vcuda_handle_get(kind, handle);

	if (!o || !capture_ever)
		return;
	driver_lock();
	if (kind == CUDA_HANDLE_stream && o->stream.captures) {
		capture_forget_stream(o->stream.captures);
		free(o->stream.captures);
		o->stream.captures = NULL;
	}
	if (kind == CUDA_HANDLE_event && o->event.captures) {
		capture_forget_event(o->event.captures);
		free(o->event.captures);
		o->event.captures = NULL;
	}
	driver_unlock();
}
