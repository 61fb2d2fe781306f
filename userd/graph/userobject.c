/* SPDX-License-Identifier: MIT */
/*
 * userobject.c - cuUserObject*: what the program wants to hear the end of
 *
 * References are the program's, and those of graphs and executable graphs. The destructor is called
 * when the last is gone, without the lock, on the thread that let it go.
 */
#include <stdlib.h>

#include "graph.h"
#include "hostfunc.h"
#include "init.h"

struct user_object {
	struct object obj;
	SLIST_ENTRY(user_object) link;	/* of those that are due */
	CUhostFn destroy;
	void *ptr;
	unsigned long refs;
};

static SLIST_HEAD(, user_object) due = SLIST_HEAD_INITIALIZER(due);

void users_flush(void)
{
	struct user_object *u;

	driver_lock();
	while (!SLIST_EMPTY(&due)) {
		u = SLIST_FIRST(&due);
		SLIST_REMOVE_HEAD(&due, link);
		driver_unlock();
		hostfunc_call(u->destroy, u->ptr);
		free(u);
		driver_lock();
	}
	driver_unlock();
}

static void drop(struct user_object *u, unsigned long count)
{
	u->refs -= count;
	if (u->refs)
		return;
	handle_retire(&u->obj);
	SLIST_INSERT_HEAD(&due, u, link);
}

static struct user_ref *find_ref(struct user_refs *refs, const struct user_object *u)
{
	struct user_ref *ref;

	SLIST_FOREACH(ref, refs, link)
		if (ref->object == u)
			return ref;
	return NULL;
}

/* Counts only; the references are the caller's. */
static CUresult hold(struct user_refs *refs, struct user_object *u, unsigned int count)
{
	struct user_ref *ref = find_ref(refs, u);

	if (!ref) {
		ref = calloc(1, sizeof(*ref));
		if (!ref)
			return CUDA_ERROR_OUT_OF_MEMORY;
		ref->object = u;
		SLIST_INSERT_HEAD(refs, ref, link);
	}
	if (__builtin_add_overflow(ref->count, count, &ref->count)) {
		ref->count -= count;
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult users_copy(struct user_refs *to, const struct user_refs *from)
{
	const struct user_ref *ref;

	SLIST_FOREACH(ref, from, link) {
		CUresult r = hold(to, ref->object, ref->count);

		if (r != CUDA_SUCCESS)
			return r;
		ref->object->refs += ref->count;
	}
	return CUDA_SUCCESS;
}

void users_drop(struct user_refs *refs)
{
	struct user_ref *ref;

	while (!SLIST_EMPTY(refs)) {
		ref = SLIST_FIRST(refs);
		SLIST_REMOVE_HEAD(refs, link);
		drop(ref->object, ref->count);
		free(ref);
	}
}

/* Only destructors that need not be waited for exist. */
CUresult cuUserObjectCreate(CUuserObject *out, void *ptr, CUhostFn destroy, unsigned int refs,
			    unsigned int flags)
{
	struct user_object *u;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out || !destroy || !refs || refs > INT32_MAX ||
	    flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
		return CUDA_ERROR_INVALID_VALUE;
	u = calloc(1, sizeof(*u));
	if (!u)
		return CUDA_ERROR_OUT_OF_MEMORY;
	u->ptr = ptr;
	u->destroy = destroy;
	u->refs = refs;
	driver_lock();
	if (handle_create(&u->obj, HANDLE_USER_OBJECT)) {
		free(u);
		return context_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	*out = HANDLE_OF(u);
	return context_leave(CUDA_SUCCESS);
}

static CUresult enter(CUuserObject handle, unsigned int count, struct user_object **u)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!count || count > INT32_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	*u = HANDLE_FIND(handle, HANDLE_USER_OBJECT);
	return *u ? CUDA_SUCCESS : context_leave(CUDA_ERROR_INVALID_VALUE);
}

CUresult cuUserObjectRetain(CUuserObject handle, unsigned int count)
{
	struct user_object *u;
	CUresult r = enter(handle, count, &u);

	if (r != CUDA_SUCCESS)
		return r;
	u->refs += count;
	return context_leave(CUDA_SUCCESS);
}

CUresult cuUserObjectRelease(CUuserObject handle, unsigned int count)
{
	struct user_object *u;
	CUresult r = enter(handle, count, &u);

	if (r != CUDA_SUCCESS)
		return r;
	if (count > u->refs)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	drop(u, count);
	driver_unlock();
	users_flush();
	return CUDA_SUCCESS;
}

CUresult cuGraphRetainUserObject(CUgraph graph, CUuserObject handle, unsigned int count,
				 unsigned int flags)
{
	struct user_object *u;
	struct graph *g;
	CUresult r = enter(handle, count, &u);

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(graph, &g);
	if (flags > CU_GRAPH_USER_OBJECT_MOVE || (flags && count > u->refs))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = hold(&g->users, u, count);
	if (r == CUDA_SUCCESS && flags != CU_GRAPH_USER_OBJECT_MOVE)
		u->refs += count;
	return context_leave(r);
}

CUresult cuGraphReleaseUserObject(CUgraph graph, CUuserObject handle, unsigned int count)
{
	struct user_ref *ref;
	struct user_object *u;
	struct graph *g;
	CUresult r = enter(handle, count, &u);

	if (r != CUDA_SUCCESS)
		return r;
	r = graph_find(graph, &g);
	if (r != CUDA_SUCCESS)
		return context_leave(r);
	ref = find_ref(&g->users, u);
	if (!ref || count > ref->count)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	ref->count -= count;
	if (!ref->count) {
		SLIST_REMOVE(&g->users, ref, user_ref, link);
		free(ref);
	}
	drop(u, count);
	driver_unlock();
	users_flush();
	return CUDA_SUCCESS;
}
