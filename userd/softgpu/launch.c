/* SPDX-License-Identifier: MIT */
/*
 * launch.c - cuLaunchKernel*
 */
#include "launch.h"

#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "device.h"
#include "event.h"
#include "graph.h"
#include "init.h"
#include "limit.h"
#include "occupancy.h"
#include "print.h"
#include "settings.h"

static void report(const char *line)
{
	driver_log("%s", line);
}

CUresult launch_begin(const struct launch *w)
{
	const struct sg_kernel_info *info = sg_kernel_info(w->l.kernel);

	if (info->prints)
		w->ctx->prints = true;
	return info->allocates ? limit_heap(w->ctx) : CUDA_SUCCESS;
}

/*
 * The first fault of a context is told on stderr, because the program learns of it late and without
 * the place.
 */
CUresult launch_grid(const struct launch *w, int priority)
{
	struct sg_fault fault = { .result = SG_OK };
	struct sg_launch l = w->l;
	enum sg_result r;

	l.priority = priority;
	l.stack = limit_get(w->ctx, CU_LIMIT_STACK_SIZE);
	l.heap = w->ctx->heap;
	l.print_arg = (void *)limit_get(w->ctx, CU_LIMIT_PRINTF_FIFO_SIZE);
	l.check = driver_check();
	l.report = report;
	r = sg_launch_run(&l, &fault);

	if (r != SG_OK)
		driver_log("kernel %s: %s%s%s", sg_kernel_info(l.kernel)->name,
			   fault.text[0] ? fault.text : "failed", fault.source[0] ? ", at " : "",
			   fault.source);
	return image_error(r);
}

static CUresult launch_run(struct work *w, struct context *ctx)
{
	const struct launch *l = (struct launch *)w;

	(void)ctx;
	return launch_grid(l, l->l.priority);
}

static bool dims_are_valid(const struct geometry *g)
{
	const struct sg_dim *b = &g->block;

	if (!g->grid.x || !g->grid.y || !g->grid.z || !b->x || !b->y || !b->z)
		return false;
	if (g->grid.x > 0x7fffffff || g->grid.y > 65535 || g->grid.z > 65535)
		return false;
	return b->x <= 1024 && b->y <= 1024 && b->z <= 64 &&
	       (uint64_t)b->x * b->y * b->z <= DEVICE_THREADS_PER_BLOCK;
}

/* All blocks of a cooperative grid have to be resident at once. */
static bool is_resident(const struct function *f, const struct geometry *g)
{
	unsigned int threads = g->block.x * g->block.y * g->block.z;
	uint64_t room = (uint64_t)occupancy_blocks(f, threads, g->shared) *
			device_multiprocessors();

	return g->grid.x <= room && (uint64_t)g->grid.x * g->grid.y <= room &&
	       (uint64_t)g->grid.x * g->grid.y * g->grid.z <= room;
}

CUresult launch_check(const struct function *f, const struct geometry *g)
{
	unsigned int threads;

	if (!dims_are_valid(g))
		return CUDA_ERROR_INVALID_VALUE;
	if (g->shared > function_max_dynamic_shared(f))
		return CUDA_ERROR_INVALID_VALUE;
	threads = g->block.x * g->block.y * g->block.z;
	/* than .maxntid promised to the compiler */
	if (threads > sg_kernel_info(f->code)->max_threads)
		return CUDA_ERROR_INVALID_VALUE;
	/* than there are registers for */
	if (!occupancy_blocks(f, threads, g->shared))
		return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	if (g->cooperative && !is_resident(f, g))
		return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
	return CUDA_SUCCESS;
}

static CUresult pack_pointers(const struct sg_kernel_info *info, void **pointers,
			      unsigned char *block)
{
	for (uint32_t i = 0; i < info->nr_params; i++) {
		if (!pointers[i])
			return CUDA_ERROR_INVALID_VALUE;
		memcpy(block + info->params[i].offset, pointers[i], info->params[i].size);
	}
	return CUDA_SUCCESS;
}

/* The list form: one buffer, already packed by the program; what it leaves out is 0. */
static CUresult pack_extra(const struct sg_kernel_info *info, void **extra, unsigned char *block)
{
	const void *buffer = NULL;
	size_t size = 0;

	for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
		if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
			buffer = extra[1];
		else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[1])
			size = *(size_t *)extra[1];
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (info->nr_params && !buffer)
		return CUDA_ERROR_INVALID_VALUE;
	if (info->nr_params)
		memcpy(block, buffer, size < info->param_bytes ? size : info->param_bytes);
	return CUDA_SUCCESS;
}

static CUresult pack(const struct sg_kernel_info *info, void **pointers, void **extra,
		     unsigned char *block)
{
	if (pointers && extra)
		return CUDA_ERROR_INVALID_VALUE;
	if (extra)
		return pack_extra(info, extra, block);
	if (!info->nr_params)
		return CUDA_SUCCESS;
	return pointers ? pack_pointers(info, pointers, block) : CUDA_ERROR_INVALID_VALUE;
}

CUresult launch_create(const struct function *f, const struct geometry *g, void **pointers,
		       void **extra, struct launch **out)
{
	const struct sg_kernel_info *info = sg_kernel_info(f->code);
	struct launch *w = calloc(1, sizeof(*w) + info->param_bytes);
	CUresult r;

	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = pack(info, pointers, extra, w->params);
	if (r != CUDA_SUCCESS) {
		free(w);
		return r;
	}
	w->ctx = f->module->ctx;
	w->work.run = launch_run;
	w->work.anywhere = true;
	w->l = (struct sg_launch){
		.kernel = f->code,
		.grid = g->grid,
		.block = g->block,
		.dynamic_shared = g->shared,
		.cooperative = g->cooperative,
		.priority = g->priority,
		.params = w->params,
		.print = print_append,
		.set_conditional = conditional_set,
	};
	*out = w;
	return CUDA_SUCCESS;
}

static CUresult queue(struct function *f, const struct geometry *g, struct stream *s,
		      void **pointers, void **extra)
{
	struct launch *w;
	CUresult r = launch_create(f, g, pointers, extra, &w);

	if (r != CUDA_SUCCESS)
		return r;
	r = launch_begin(w);
	if (r != CUDA_SUCCESS) {
		free(w);
		return r;
	}
	if (w->l.priority == LAUNCH_INHERIT)
		w->l.priority = s->priority;
	return stream_submit(s, &w->work);
}

static CUresult capture(CUfunction handle, const CUlaunchConfig *c, struct stream *s,
			void **pointers, void **extra)
{
	CUgraphNodeParams p = {
		.type = CU_GRAPH_NODE_TYPE_KERNEL,
		.kernel = {
			.func = handle,
			.gridDimX = c->gridDimX,
			.gridDimY = c->gridDimY,
			.gridDimZ = c->gridDimZ,
			.blockDimX = c->blockDimX,
			.blockDimY = c->blockDimY,
			.blockDimZ = c->blockDimZ,
			.sharedMemBytes = c->sharedMemBytes,
			.kernelParams = pointers,
			.extra = extra,
			.ctx = HANDLE_OF(s->ctx),
		},
	};

	return capture_kernel(s, &p, c->attrs, c->numAttrs);
}

/*
 * The event that a launch records. It comes when the whole kernel is done: "dependents are not
 * guaranteed to observe the release precisely when it is released".
 */
static CUevent event_of(const CUlaunchAttribute *a)
{
	return a->id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT ? a->value.programmaticEvent.event :
	       a->id == CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT ?
	       a->value.launchCompletionEvent.event : NULL;
}

static CUresult record_events(const CUlaunchConfig *c, struct stream *s)
{
	CUresult r = CUDA_SUCCESS;

	for (unsigned int i = 0; i < c->numAttrs && r == CUDA_SUCCESS; i++)
		if (event_of(&c->attrs[i]))
			r = event_record(HANDLE_FIND(event_of(&c->attrs[i]), HANDLE_EVENT), s);
	return r;
}

/* The grid consists of whole clusters; one without a size is none. */
static bool divides(const CUlaunchAttributeValue *v, const struct sg_dim *grid)
{
	unsigned int x = v->clusterDim.x, y = v->clusterDim.y, z = v->clusterDim.z;

	return !x || !y || !z || (grid->x % x == 0 && grid->y % y == 0 && grid->z % z == 0);
}

static CUresult read_attributes(const CUlaunchConfig *c, struct context *ctx, struct geometry *g)
{
	CUresult r = CUDA_SUCCESS;

	for (unsigned int i = 0; i < c->numAttrs && r == CUDA_SUCCESS; i++) {
		CUevent handle = event_of(&c->attrs[i]);
		struct event *e = HANDLE_FIND(handle, HANDLE_EVENT);

		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION &&
		    !divides(&c->attrs[i].value, &g->grid))
			r = CUDA_ERROR_INVALID_CLUSTER_SIZE;
		else
			r = launch_attribute(&c->attrs[i], g);
		if (r == CUDA_SUCCESS && handle &&
		    (!e || e->ctx != ctx || !(e->flags & CU_EVENT_DISABLE_TIMING)))
			r = CUDA_ERROR_INVALID_VALUE;
	}
	return r;
}

static CUresult launch(CUfunction handle, const CUlaunchConfig *c, void **pointers, void **extra)
{
	struct geometry g = {
		{ c->gridDimX, c->gridDimY, c->gridDimZ },
		{ c->blockDimX, c->blockDimY, c->blockDimZ },
		c->sharedMemBytes,
		false,
		LAUNCH_INHERIT,
	};
	bool capturing = false;
	struct context *ctx;
	struct function *f;
	struct stream *s;
	CUresult r = context_enter_any(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!function_exists(handle))
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	r = stream_find(ctx, c->hStream, &s);
	/* the stream's context counts, whichever is current */
	if (r == CUDA_SUCCESS)
		r = s->ctx->error;
	if (r == CUDA_SUCCESS)
		r = function_find(s->ctx, handle, &f);
	if (r == CUDA_SUCCESS)
		r = capture_enter(s, &capturing);
	if (r == CUDA_SUCCESS)
		r = read_attributes(c, s->ctx, &g);
	if (r == CUDA_SUCCESS)
		r = launch_check(f, &g);
	if (r == CUDA_SUCCESS)
		r = capturing ? capture(handle, c, s, pointers, extra)
			      : queue(f, &g, s, pointers, extra);
	if (r == CUDA_SUCCESS && c->numAttrs)
		r = record_events(c, s);
	return context_leave(r);
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			CUstream stream, void **params, void **extra)
{
	CUlaunchConfig c = { gx, gy, gz, bx, by, bz, shared, stream, NULL, 0 };

	return launch(f, &c, params, extra);
}

static bool is_one(const CUlaunchAttributeValue *v)
{
	return v->clusterDim.x <= 1 && v->clusterDim.y <= 1 && v->clusterDim.z <= 1;
}

/*
 * Some attributes are hints, or allow an overlap that need not be; the others would change what the
 * program may rely on.
 */
CUresult launch_attribute(const CUlaunchAttribute *a, struct geometry *g)
{
	switch ((int)a->id) {
	case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
		g->cooperative = a->value.cooperative;
		return CUDA_SUCCESS;
	case CU_LAUNCH_ATTRIBUTE_PRIORITY:
		g->priority = stream_clamp_priority(a->value.priority);
		return CUDA_SUCCESS;
	case CU_LAUNCH_ATTRIBUTE_IGNORE:
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
	case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
	case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING:
		return CUDA_SUCCESS;
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
		if (is_one(&a->value))
			return CUDA_SUCCESS;
		driver_log("launch: clusters of more than one block are not supported");
		return CUDA_ERROR_NOT_SUPPORTED;
	case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
		if (!a->value.deviceUpdatableKernelNode.deviceUpdatable)
			return CUDA_SUCCESS;
		break;
	}
	driver_log("launch attribute %d is not supported", (int)a->id);
	/* the last that there is */
	return (unsigned int)a->id > CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING
		       ? CUDA_ERROR_INVALID_VALUE
		       : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra)
{
	if (!c || (c->numAttrs && !c->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	return launch(f, c, params, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
				   unsigned int bx, unsigned int by, unsigned int bz,
				   unsigned int shared, CUstream stream, void **params)
{
	CUlaunchAttribute a = { .id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value.cooperative = 1 };
	CUlaunchConfig c = { gx, gy, gz, bx, by, bz, shared, stream, &a, 1 };

	return launch(f, &c, params, NULL);
}

/*
 * Deprecated. On one device it is a cooperative launch; a grid over several devices would need
 * their grids to synchronise with one another, for which CUDA 13 has no device code any more.
 */
CUresult cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *list, unsigned int nr,
					      unsigned int flags)
{
	const unsigned int known = CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_PRE_LAUNCH_SYNC |
				   CUDA_COOPERATIVE_LAUNCH_MULTI_DEVICE_NO_POST_LAUNCH_SYNC;
	const CUDA_LAUNCH_PARAMS *p = list;

	if (!list || !nr || (flags & ~known))
		return CUDA_ERROR_INVALID_VALUE;
	if (nr > (unsigned int)driver_devices())
		return CUDA_ERROR_INVALID_VALUE;
	if (nr > 1) {
		driver_log("cuLaunchCooperativeKernelMultiDevice: more than one device is not supported");
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (!p->hStream || p->hStream == CU_STREAM_LEGACY || p->hStream == CU_STREAM_PER_THREAD)
		return CUDA_ERROR_INVALID_VALUE;
	return cuLaunchCooperativeKernel(p->function, p->gridDimX, p->gridDimY, p->gridDimZ,
					 p->blockDimX, p->blockDimY, p->blockDimZ,
					 p->sharedMemBytes, p->hStream, p->kernelParams);
}
