// SPDX-License-Identifier: MIT
/*
 * ipc.c - memory and events of other processes of the tenant
 *
 * A handle names what the server has, by a key that nobody can guess; the worker of the process
 * that shares hands it to a worker of the same tenant only. Memory is shared by granules: a small
 * allocation's handle says where in its granule it lies. What is mapped counts against the limit
 * of the process that maps it.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define MAGIC	0x66677364u	/* "dsgf" */

/* What a CUipcMemHandle and a CUipcEventHandle hold. */
struct ipc_handle {
	uint32_t magic, kind;
	struct vwire_token token;
	uint64_t offset, size;		/* of the allocation */
};

_Static_assert(sizeof(struct ipc_handle) <= sizeof(CUipcMemHandle), "room");
_Static_assert(sizeof(CUipcMemHandle) == sizeof(CUipcEventHandle), "one form for both");

/* Memory of another process that is mapped here. */
struct import {
	struct arena_run run;
	struct import *next;
	struct ipc_handle handle;
	unsigned int refs;
	uint64_t id;
	CUcontext ctx;
};

static struct import *imports;		/* under the arena's lock */
static _Atomic bool sharing;

bool vcuda_is_sharing(void)
{
	return atomic_load_explicit(&sharing, memory_order_relaxed);
}

/* ---- questions to the server ---- */

CUresult vcuda_share(enum cuda_id id, const uint64_t *args, unsigned int n,
		     struct vwire_token *token)
{
	struct vcuda_call c;
	unsigned int i;

	vcuda_begin(&c, id);
	for (i = 0; i < n; i++)
		vcuda_put_u64(&c, args[i]);
	vcuda_want_blob(&c, token, sizeof(*token), false);
	/* what was copied before may not have ended */
	atomic_store(&sharing, true);
	return vcuda_sync(&c);
}

CUresult vcuda_open_shared(enum cuda_id id, const struct vwire_token *token, const uint64_t *args,
			   unsigned int n)
{
	struct vcuda_call c;
	unsigned int i;

	vcuda_begin(&c, id);
	wr_bytes(&c.wr, token, sizeof(*token));
	for (i = 0; i < n; i++)
		vcuda_put_u64(&c, args[i]);
	atomic_store(&sharing, true);
	return vcuda_sync(&c);
}

static void put_handle(void *out, const struct ipc_handle *h)
{
	memset(out, 0, sizeof(CUipcMemHandle));
	memcpy(out, h, sizeof(*h));
}

/* Which other process wrote it is for the server to find out. */
static bool take_handle(const void *in, uint32_t kind, struct ipc_handle *h)
{
	memcpy(h, in, sizeof(*h));
	return h->magic == MAGIC && h->kind == kind;
}

/* ---- memory ---- */

CUresult hand_cuIpcGetMemHandle(CUipcMemHandle *out, CUdeviceptr ptr)
{
	struct ipc_handle h = { .magic = MAGIC, .kind = VWIRE_TOKEN_MEMORY };
	struct vcuda_range range;
	uint64_t span[2];
	struct arena_run *r;
	CUresult err = CUDA_ERROR_INVALID_VALUE;

	if (!out)
		return err;
	vcuda_arena_lock();
	if (vcuda_memory_lookup(ptr, &range) &&
	    (range.kind == ARENA_DEVICE || range.kind == ARENA_CHUNK)) {
		r = vcuda_arena_at(ptr);
		span[0] = r->addr;
		span[1] = r->granules * vcuda_arena_granule();
		h.offset = range.start - r->addr;
		h.size = range.size;
		err = CUDA_SUCCESS;
	}
	vcuda_arena_unlock();
	/* copies that the program has seen return are done when the other process looks */
	if (!err && !vcuda_device_idle()) {
		vcuda_note_work(vcuda_last_work());
		err = vcuda_context_wait(NULL);
	}
	if (!err)
		err = vcuda_share(CUDA_ID_cuIpcGetMemHandle, span, 2, &h.token);
	if (!err)
		put_handle(out, &h);
	return err;
}

static struct import *find_import(const struct ipc_handle *h)
{
	struct import *i;

	for (i = imports; i; i = i->next)
		if (!memcmp(&i->handle.token, &h->token, sizeof(h->token)) &&
		    i->handle.offset == h->offset)
			break;
	return i;
}

/* Under the lock, which it drops while it asks. */
static CUresult import(const struct ipc_handle *h, CUdeviceptr *out)
{
	uint64_t bytes = le64toh(h->token.size), span[2];
	struct import *i;
	CUresult r;

	if (!h->size || h->size > bytes || h->offset > bytes - h->size ||
	    bytes % vcuda_arena_granule())
		return CUDA_ERROR_INVALID_HANDLE;
	i = calloc(1, sizeof(*i));
	if (!i)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcuda_arena_charge(bytes);
	if (!r)
		r = vcuda_arena_take(&i->run, ARENA_IMPORT, vcuda_arena_granules(bytes), 1, 0);
	if (r) {
		free(i);
		return r;
	}
	span[0] = i->run.addr;
	span[1] = bytes;
	vcuda_arena_unlock();
	r = vcuda_open_shared(CUDA_ID_cuIpcOpenMemHandle_v2, &h->token, span, 2);
	vcuda_arena_lock();
	if (r) {
		vcuda_arena_uncharge(bytes);
		vcuda_arena_drop(&i->run);
		free(i);
		return r;
	}
	i->run.mapped = true;
	i->handle = *h;
	i->refs = 1;
	i->id = vcuda_memory_id();
	i->ctx = vcuda_current();
	i->next = imports;
	imports = i;
	*out = i->run.addr + h->offset;
	return CUDA_SUCCESS;
}

CUresult hand_cuIpcOpenMemHandle_v2(CUdeviceptr *out, CUipcMemHandle handle, unsigned int flags)
{
	struct ipc_handle h;
	struct import *i;
	CUdeviceptr at = 0;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!out || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
		return CUDA_ERROR_INVALID_VALUE;
	if (!take_handle(&handle, VWIRE_TOKEN_MEMORY, &h))
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_arena_lock();
	i = find_import(&h);
	if (i) {
		i->refs++;
		at = i->run.addr + h.offset;
	} else {
		r = import(&h, &at);
	}
	vcuda_arena_unlock();
	if (!r)
		*out = at;
	return r;
}

CUresult hand_cuIpcOpenMemHandle(CUdeviceptr *out, CUipcMemHandle handle, unsigned int flags)
{
	return hand_cuIpcOpenMemHandle_v2(out, handle, flags);
}

static void leave(struct import *i)
{
	struct import **p;

	for (p = &imports; *p && *p != i; p = &(*p)->next)
		;
	if (*p)
		*p = i->next;
	vcuda_arena_leave(&i->run);
}

CUresult hand_cuIpcCloseMemHandle(CUdeviceptr ptr)
{
	CUresult r = vcuda_need_context();
	struct import *i;

	if (r)
		return r;
	vcuda_arena_lock();
	for (i = imports; i && i->run.addr + i->handle.offset != ptr; i = i->next)
		;
	if (!i)
		r = CUDA_ERROR_INVALID_VALUE;
	else if (!--i->refs)
		leave(i);
	vcuda_arena_unlock();
	return r;
}

bool vcuda_ipc_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out)
{
	const struct import *i = (struct import *)r;

	if (!i->refs)
		return false;
	out->start = i->run.addr + i->handle.offset;
	out->size = i->handle.size;
	out->id = i->id;
	out->ctx = i->ctx;
	return addr - out->start < out->size;
}

void vcuda_ipc_context(CUcontext ctx)
{
	struct import *i, *next;

	for (i = imports; i; i = next) {
		next = i->next;
		if (i->ctx == ctx)
			leave(i);
	}
}

/* ---- events ---- */

CUresult hand_cuIpcGetEventHandle(CUipcEventHandle *out, CUevent event)
{
	struct ipc_handle h = { .magic = MAGIC, .kind = VWIRE_TOKEN_EVENT };
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_event, event);
	uint64_t number = vcuda_handle_number(event);
	CUresult r;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!o)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!(o->event.flags & CU_EVENT_INTERPROCESS))
		return CUDA_ERROR_INVALID_HANDLE;
	r = vcuda_share(CUDA_ID_cuIpcGetEventHandle, &number, 1, &h.token);
	if (!r)
		put_handle(out, &h);
	return r;
}

CUresult hand_cuIpcOpenEventHandle(CUevent *out, CUipcEventHandle handle)
{
	struct vcuda_object *o;
	struct ipc_handle h;
	uint64_t event, number;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!take_handle(&handle, VWIRE_TOKEN_EVENT, &h))
		return CUDA_ERROR_MAP_FAILED;
	event = vcuda_handle_new(CUDA_HANDLE_event, &o);
	if (!event)
		return CUDA_ERROR_OUT_OF_MEMORY;
	number = (uint32_t)event;
	r = vcuda_open_shared(CUDA_ID_cuIpcOpenEventHandle, &h.token, &number, 1);
	if (r) {
		vcuda_handle_del(CUDA_HANDLE_event, (void *)(uintptr_t)event);
		return r;
	}
	o->event.ctx = vcuda_current();
	o->event.flags = CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING;
	*out = (CUevent)(uintptr_t)event;
	return CUDA_SUCCESS;
}
