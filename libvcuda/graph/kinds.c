// SPDX-License-Identifier: MIT
/*
 * kinds.c - what nodes do, but for kernels: how parameters are checked here, and told to the server
 */
#include <stdlib.h>
#include <string.h>

#include "graph_kind.h"
#include "init.h"
#include "wire.h"

#define MEMOPS_MAX	256		/* of one node, as the driver has it */

/* ---- memcpy ---- */

/* Unified addresses are told apart once and for all, as the driver does. */
static bool resolve(CUmemorytype *type, const void **host, CUdeviceptr *device)
{
	if (*type == CU_MEMORYTYPE_UNIFIED) {
		*type = vcuda_is_device(*device) ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
		*host = (void *)(uintptr_t)*device;
	}
	switch (*type) {
	case CU_MEMORYTYPE_HOST:
		return *host != NULL;
	case CU_MEMORYTYPE_DEVICE:
		return *device != 0;
	default:
		return *type == CU_MEMORYTYPE_ARRAY;
	}
}

static bool pitch_fits(CUmemorytype type, const CUDA_MEMCPY3D *c, size_t *pitch, size_t *height,
		       size_t x)
{
	if (type == CU_MEMORYTYPE_ARRAY)
		return true;
	if (!*pitch)
		*pitch = c->WidthInBytes + x;
	if (!*height)
		*height = c->Height;
	return *pitch >= c->WidthInBytes + x && *height >= c->Height &&
	       c->WidthInBytes + x >= x;
}

static bool array_ok(CUmemorytype type, CUarray array)
{
	return type != CU_MEMORYTYPE_ARRAY || vcuda_handle_get(CUDA_HANDLE_array, array);
}

static CUresult memcpy_make(struct action *a, CUgraphNodeParams *p)
{
	CUDA_MEMCPY3D *c = malloc(sizeof(*c));
	struct context *ctx;
	CUresult r = c ? context_of(p->memcpy.copyCtx, &ctx) : CUDA_ERROR_OUT_OF_MEMORY;
	size_t bytes;

	if (r) {
		free(c);
		return r;
	}
	*c = p->memcpy.copyParams;
	if (p->memcpy.flags || p->memcpy.reserved || !c->WidthInBytes || !c->Height || !c->Depth ||
	    !resolve(&c->srcMemoryType, &c->srcHost, &c->srcDevice) ||
	    !resolve(&c->dstMemoryType, (const void **)&c->dstHost, &c->dstDevice) ||
	    !pitch_fits(c->srcMemoryType, c, &c->srcPitch, &c->srcHeight, c->srcXInBytes) ||
	    !pitch_fits(c->dstMemoryType, c, &c->dstPitch, &c->dstHeight, c->dstXInBytes) ||
	    !array_ok(c->srcMemoryType, c->srcArray) || !array_ok(c->dstMemoryType, c->dstArray) ||
	    __builtin_mul_overflow(c->WidthInBytes, c->Height, &bytes) ||
	    __builtin_mul_overflow(bytes, c->Depth, &bytes)) {
		free(c);
		return CUDA_ERROR_INVALID_VALUE;
	}
	a->data = c;
	a->params.memcpy.copyCtx = (CUcontext)(uintptr_t)ctx->obj.handle;
	return CUDA_SUCCESS;
}

static void free_data(struct action *a)
{
	free(a->data);
}

static struct vwire_graph_side side(struct graph_wire *w, const CUDA_MEMCPY3D *c, bool src)
{
	CUmemorytype type = src ? c->srcMemoryType : c->dstMemoryType;
	CUdeviceptr device = src ? c->srcDevice : c->dstDevice;
	CUarray array = src ? c->srcArray : c->dstArray;
	struct slot slot = { .kind = src ? SLOT_SOURCE : SLOT_PLACE,
			     .fetch = w->fetch, .copy = *c };

	if (type == CU_MEMORYTYPE_HOST)
		return (struct vwire_graph_side){
			.type = htole32(type),
			.ptr = htole64(wire_slot(w, &slot)),
			.pitch = htole64(c->WidthInBytes),
			.height = htole64(c->Height),
		};
	return (struct vwire_graph_side){
		.type = htole32(type),
		.lod = htole32(src ? c->srcLOD : c->dstLOD),
		.ptr = htole64(type == CU_MEMORYTYPE_ARRAY ? vcuda_handle_number(array) : device),
		.pitch = htole64(src ? c->srcPitch : c->dstPitch),
		.height = htole64(src ? c->srcHeight : c->dstHeight),
		.x = htole64(src ? c->srcXInBytes : c->dstXInBytes),
		.y = htole64(src ? c->srcY : c->dstY),
		.z = htole64(src ? c->srcZ : c->dstZ),
	};
}

static bool stays_here(const CUDA_MEMCPY3D *c)
{
	return c->srcMemoryType == CU_MEMORYTYPE_HOST && c->dstMemoryType == CU_MEMORYTYPE_HOST;
}

static CUresult memcpy_put(const struct action *a, struct graph_wire *w)
{
	const CUDA_MEMCPY3D *c = a->data;
	struct vwire_graph_copy out = {
		.width = htole64(c->WidthInBytes),
		.height = htole64(c->Height),
		.depth = htole64(c->Depth),
		.flags = htole32(w->fetch ? VWIRE_GRAPH_F_FETCH : 0),
	};
	uint64_t token;

	if (stays_here(c)) {
		token = htole64(wire_slot(w, &(struct slot){ .kind = SLOT_COPY, .copy = *c }));
		wire_bytes(w, &token, sizeof(token));
		return CUDA_SUCCESS;
	}
	out.src = side(w, c, true);
	out.dst = side(w, c, false);
	wire_bytes(w, &out, sizeof(out));
	return CUDA_SUCCESS;
}

const struct node_kind node_kind_memcpy = {
	.name = "memcpy",
	.can_disable = true,
	.in_body = true,
	.make = memcpy_make,
	.destroy = free_data,
	.update = graph_memcpy_update,
	.put = memcpy_put,
};

/* ---- memset ---- */

static CUresult memset_put(const struct action *a, struct graph_wire *w)
{
	const CUDA_MEMSET_NODE_PARAMS_v2 *m = &a->params.memset;
	struct vwire_graph_memset out = {
		htole64(m->dst),    htole64(m->pitch), htole64(m->width),
		htole64(m->height), htole32(m->value), htole32(m->elementSize),
	};

	wire_bytes(w, &out, sizeof(out));
	return CUDA_SUCCESS;
}

const struct node_kind node_kind_memset = {
	.name = "memset",
	.can_disable = true,
	.in_body = true,
	.make = graph_memset_make,
	.update = graph_memset_update,
	.put = memset_put,
};

/* ---- events ---- */

static CUevent event_of(const struct action *a)
{
	return a->params.type == CU_GRAPH_NODE_TYPE_EVENT_RECORD ? a->params.eventRecord.event
								  : a->params.eventWait.event;
}

static CUresult event_make(struct action *a, CUgraphNodeParams *p)
{
	(void)p;
	return vcuda_handle_get(CUDA_HANDLE_event, event_of(a)) ? CUDA_SUCCESS
								 : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult event_put(const struct action *a, struct graph_wire *w)
{
	uint64_t number = htole64(vcuda_handle_number(event_of(a)));

	if (!vcuda_handle_get(CUDA_HANDLE_event, event_of(a)))
		return CUDA_ERROR_INVALID_HANDLE;
	wire_bytes(w, &number, sizeof(number));
	return CUDA_SUCCESS;
}

const struct node_kind node_kind_event_wait = {
	.name = "event wait",
	.make = event_make,
	.put = event_put,
};

const struct node_kind node_kind_event_record = {
	.name = "event record",
	.make = event_make,
	.put = event_put,
};

/* ---- batches of memory operations ---- */

static CUresult memop_make(struct action *a, CUgraphNodeParams *p)
{
	size_t bytes = p->memOp.count * sizeof(*p->memOp.paramArray);

	if (!p->memOp.count || p->memOp.count > MEMOPS_MAX || !p->memOp.paramArray ||
	    p->memOp.flags)
		return CUDA_ERROR_INVALID_VALUE;
	a->data = malloc(bytes);
	if (!a->data)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(a->data, p->memOp.paramArray, bytes);
	a->params.memOp.paramArray = a->data;
	return CUDA_SUCCESS;
}

static CUresult memop_put(const struct action *a, struct graph_wire *w)
{
	wire_bytes(w, a->data, a->params.memOp.count * sizeof(*a->params.memOp.paramArray));
	return CUDA_SUCCESS;
}

const struct node_kind node_kind_memop = {
	.name = "batch of memory operations",
	.make = memop_make,
	.destroy = free_data,
	.put = memop_put,
};
