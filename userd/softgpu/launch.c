/* SPDX-License-Identifier: MIT */
/*
 * launch.c - cuLaunchKernel*
 */
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "init.h"
#include "module.h"
#include "occupancy.h"
#include "print.h"
#include "stream.h"

struct launch {
	struct work work;
	struct sg_launch l;
	unsigned char params[];
};

struct geometry {
	struct sg_dim grid, block;
	unsigned int shared;
	bool cooperative;
};

/*
 * The first fault of a context is told on stderr, because the program learns of it late and without
 * the place.
 */
static CUresult launch_run(struct work *w, struct context *ctx)
{
	struct launch *launch = (struct launch *)w;
	struct sg_fault fault = { .result = SG_OK };
	enum sg_result r = sg_launch_run(&launch->l, &fault);

	(void)ctx;
	if (r != SG_OK)
		driver_log("kernel %s: %s%s%s", sg_kernel_info(launch->l.kernel)->name,
			   fault.text[0] ? fault.text : "failed", fault.source[0] ? ", at " : "",
			   fault.source);
	return image_error(r);
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

static CUresult check_geometry(const struct function *f, const struct geometry *g)
{
	const struct sg_kernel_info *info = sg_kernel_info(f->code);

	if (!dims_are_valid(g))
		return CUDA_ERROR_INVALID_VALUE;
	if (g->shared > function_max_dynamic_shared(f))
		return CUDA_ERROR_INVALID_VALUE;
	/* More than .maxntid promised to the compiler: registers would not suffice. */
	if (g->block.x * g->block.y * g->block.z > info->max_threads)
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

/*
 * The list form: one buffer, already packed by the program, which may leave out the padding at its
 * end.
 */
static CUresult pack_extra(const struct sg_kernel_info *info, void **extra, unsigned char *block)
{
	const struct sg_param *last = info->nr_params ? &info->params[info->nr_params - 1] : NULL;
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
	if (last && (!buffer || size < last->offset + last->size))
		return CUDA_ERROR_INVALID_VALUE;
	if (last)
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

static CUresult queue(struct function *f, const struct geometry *g, struct stream *s,
		      void **pointers, void **extra)
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
	w->work.run = launch_run;
	w->l = (struct sg_launch){
		.kernel = f->code,
		.grid = g->grid,
		.block = g->block,
		.dynamic_shared = g->shared,
		.cooperative = g->cooperative,
		.params = w->params,
		.print = print_append,
	};
	return stream_submit(s, &w->work);
}

static CUresult launch(CUfunction handle, const struct geometry *g, CUstream stream,
		       void **pointers, void **extra)
{
	struct context *ctx;
	struct function *f;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = function_find(ctx, handle, &f);
	if (r == CUDA_SUCCESS)
		r = stream_find_own(ctx, stream, &s);
	if (r == CUDA_SUCCESS)
		r = check_geometry(f, g);
	if (r == CUDA_SUCCESS)
		r = queue(f, g, s, pointers, extra);
	return context_leave(r);
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			CUstream stream, void **params, void **extra)
{
	struct geometry g = { { gx, gy, gz }, { bx, by, bz }, shared, false };

	return launch(f, &g, stream, params, extra);
}

static bool is_one(const CUlaunchAttributeValue *v)
{
	return v->clusterDim.x == 1 && v->clusterDim.y == 1 && v->clusterDim.z == 1;
}

/*
 * Some attributes are hints, or ask for what happens anyway; the others would change what the
 * program may rely on.
 */
static CUresult check_attribute(const CUlaunchAttribute *a)
{
	switch (a->id) {
	case CU_LAUNCH_ATTRIBUTE_IGNORE:
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
	case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
	case CU_LAUNCH_ATTRIBUTE_PRIORITY:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
		return CUDA_SUCCESS;
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
		return is_one(&a->value) ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra)
{
	bool cooperative = false;
	struct geometry g;

	if (!c || (c->numAttrs && !c->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < c->numAttrs; i++) {
		CUresult r = check_attribute(&c->attrs[i]);

		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
			cooperative = c->attrs[i].value.cooperative;
		if (r != CUDA_SUCCESS) {
			driver_log("cuLaunchKernelEx: attribute %d is not supported",
				   c->attrs[i].id);
			return r;
		}
	}
	g = (struct geometry){
		{ c->gridDimX, c->gridDimY, c->gridDimZ },
		{ c->blockDimX, c->blockDimY, c->blockDimZ },
		c->sharedMemBytes,
		cooperative,
	};
	return launch(f, &g, c->hStream, params, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
				   unsigned int bx, unsigned int by, unsigned int bz,
				   unsigned int shared, CUstream stream, void **params)
{
	struct geometry g = { { gx, gy, gz }, { bx, by, bz }, shared, true };

	return launch(f, &g, stream, params, NULL);
}
