/* SPDX-License-Identifier: MIT */
/*
 * launch.c - launches, and what programs ask about functions
 */
#include <stdlib.h>
#include <string.h>

#include "function.h"
#include "launchattr.h"
#include "run.h"
#include "worker.h"

#define NR_ATTRIBUTES_MAX	32u

/* The function, or err set as for any other handle. */
static struct function *take_function(struct request *rq, uint32_t id)
{
	struct function *fn = functions_find(&rq->w->functions, id);

	if (!fn && !rq->err)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	return fn;
}

/*
 * A parameter block and pointers into it, for kernelParams: good for functions and kernels, plain
 * and cooperative launches alike. The driver copies them before it returns.
 */
static void **take_params(struct request *rq, const struct function *fn)
{
	void **pointers = rq->w->functions.pointers;
	const uint8_t *block;

	if (!fn)
		return NULL;
	block = rd_bytes(&rq->in, fn->param_bytes);
	for (uint32_t i = 0; block && i < fn->nr_params; i++)
		pointers[i] = (void *)(block + fn->params[i].offset);
	return fn->nr_params ? pointers : NULL;
}

/* A function that is not there has no parameter block that could be checked. */
static bool launch_ready(struct request *rq, const struct function *fn)
{
	if (!fn && !rq->in.err)
		rq->in.p = rq->in.end;
	return run_args_ready(rq);
}

static CUresult launch(const struct vwire_launch *l, const struct function *fn, CUstream stream,
		       void **params)
{
	if (le32toh(l->flags) & VWIRE_LAUNCH_F_COOPERATIVE)
		return real.cuLaunchCooperativeKernel(fn->fn, le32toh(l->grid[0]),
						      le32toh(l->grid[1]), le32toh(l->grid[2]),
						      le32toh(l->block[0]), le32toh(l->block[1]),
						      le32toh(l->block[2]),
						      le32toh(l->shared_bytes), stream, params);
	return real.cuLaunchKernel(fn->fn, le32toh(l->grid[0]), le32toh(l->grid[1]),
				   le32toh(l->grid[2]), le32toh(l->block[0]), le32toh(l->block[1]),
				   le32toh(l->block[2]), le32toh(l->shared_bytes), stream, params,
				   NULL);
}

void run_cuLaunchKernel(struct request *rq)
{
	struct vwire_launch l;
	struct function *fn;
	struct queue *q;
	void **params;

	rd_copy(&rq->in, &l, sizeof(l));
	fn = take_function(rq, le32toh(l.function));
	q = run_queue(rq, le32toh(l.stream));
	params = take_params(rq, fn);
	if (launch_ready(rq, fn))
		run_result(rq, launch(&l, fn, q->stream, params));
}

/* An event stands in the value as its number. */
static CUresult take_event(struct request *rq, const uint8_t *value, CUevent *event)
{
	uint64_t number;
	struct handle *h;

	memcpy(&number, value, sizeof(number));
	number = le64toh(number);
	h = number <= UINT32_MAX ? handles_find(&rq->w->handles, CUDA_HANDLE_event, number) : NULL;
	if (!h)
		return CUDA_ERROR_INVALID_HANDLE;
	*event = h->real;
	return CUDA_SUCCESS;
}

/* Values without a pointer go to the driver as they came; ids this does not know may have one. */
static CUresult take_attribute(struct request *rq, uint32_t id, const uint8_t *value,
			       CUlaunchAttribute *a)
{
	a->id = id;
	memcpy(&a->value, value, sizeof(a->value));
	if (launch_attribute_is_plain(id))
		return CUDA_SUCCESS;
	switch (id) {
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
		return take_event(rq, value, &a->value.programmaticEvent.event);
	case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
		return take_event(rq, value, &a->value.launchCompletionEvent.event);
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

static void take_attributes(struct request *rq, uint32_t nr, CUlaunchAttribute *attributes)
{
	for (uint32_t i = 0; i < nr; i++) {
		const uint8_t *p = rd_bytes(&rq->in, VWIRE_ATTRIBUTE_BYTES);
		uint32_t id;
		CUresult r;

		if (!p)
			return;
		memcpy(&id, p, sizeof(id));
		r = take_attribute(rq, le32toh(id), p + 8, &attributes[i]);
		if (!rq->err)
			rq->err = r;
	}
}

_Static_assert(sizeof(CUlaunchAttributeValue) == 64, "as vwire_launch_ex has it");

/*
 * struct vwire_launch_ex and its attributes; the caller reads what follows, and asks whether all
 * was there. Gives its cluster_sizes.
 */
static uint32_t take_config(struct request *rq, CUlaunchConfig *config,
			    CUlaunchAttribute *attributes, struct function **fn)
{
	struct vwire_launch_ex ex;
	const struct vwire_launch *l = &ex.launch;
	struct queue *q;
	uint32_t nr;

	rd_copy(&rq->in, &ex, sizeof(ex));
	nr = le32toh(ex.nr_attributes);
	if (nr > NR_ATTRIBUTES_MAX) {
		rq->in.err = true;
		nr = 0;
	}
	take_attributes(rq, nr, attributes);
	*fn = take_function(rq, le32toh(l->function));
	q = run_queue(rq, le32toh(l->stream));
	*config = (CUlaunchConfig){
		.gridDimX = le32toh(l->grid[0]), .gridDimY = le32toh(l->grid[1]),
		.gridDimZ = le32toh(l->grid[2]), .blockDimX = le32toh(l->block[0]),
		.blockDimY = le32toh(l->block[1]), .blockDimZ = le32toh(l->block[2]),
		.sharedMemBytes = le32toh(l->shared_bytes),
		.hStream = q ? q->stream : NULL,
		.attrs = attributes, .numAttrs = nr,
	};
	return le32toh(ex.cluster_sizes);
}

void run_cuLaunchKernelEx(struct request *rq)
{
	CUlaunchAttribute attributes[NR_ATTRIBUTES_MAX] = { 0 };
	CUlaunchConfig config;
	struct function *fn;
	void **params;

	if (take_config(rq, &config, attributes, &fn))
		rq->in.err = true;
	params = take_params(rq, fn);
	if (!launch_ready(rq, fn))
		return;
	run_result(rq, real.cuLaunchKernelEx(&config, fn->fn, params, NULL));
}

/* ---- attributes and occupancy ---- */

static void put_attributes(struct worker *w, const struct function *fn,
			   struct vwire_attributes *out)
{
	int values[VWIRE_KERNEL_ATTRIBUTES];

	out->mask = htole32(function_attributes(w, fn, values));
	for (int i = 0; i < VWIRE_KERNEL_ATTRIBUTES; i++)
		out->attributes[i] = htole32(values[i]);
}

void run_cuFuncGetAttribute(struct request *rq)
{
	struct vwire_ask_attributes in;
	struct vwire_attributes *list = NULL;
	CUresult r = CUDA_SUCCESS;
	uint32_t n;
	int value;

	rd_copy(&rq->in, &in, sizeof(in));
	n = le32toh(in.count);
	if (!n || n > VWIRE_KERNELS_ASK)
		rq->in.err = true;
	take_function(rq, le32toh(in.function));
	if (!run_args_end(rq))
		return;
	list = calloc(n, sizeof(*list));
	if (!list)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	for (uint32_t i = 0; list && i < n; i++) {
		struct function *fn = functions_find(&rq->w->functions,
						     le32toh(in.function) + i);

		if (fn)
			put_attributes(rq->w, fn, &list[i]);
	}
	/* a kernel that has none at all: the driver says why */
	if (list && !list[0].mask)
		r = function_attribute(rq->w, functions_find(&rq->w->functions, le32toh(in.function)),
				       0, &value);
	reply_table(rq->w, rq->op, rq->seq, r, 0, list, list ? n * sizeof(*list) : 0);
	free(list);
}

void run_cuFuncSetAttribute(struct request *rq)
{
	struct function *fn = take_function(rq, rd_u32(&rq->in));
	uint32_t attribute = rd_u32(&rq->in);
	int32_t value = rd_s32(&rq->in);
	CUresult r;

	if (!run_args_ready(rq))
		return;
	if (fn->is_kernel)
		r = real.cuKernelSetAttribute(attribute, value, (CUkernel)fn->fn,
					      rq->w->device.dev);
	else
		r = real.cuFuncSetAttribute(fn->fn, attribute, value);
	run_result(rq, r);
}

void run_cuFuncSetCacheConfig(struct request *rq)
{
	struct function *fn = take_function(rq, rd_u32(&rq->in));
	uint32_t config = rd_u32(&rq->in);
	CUresult r;

	if (!run_args_ready(rq))
		return;
	if (fn->is_kernel)
		r = real.cuKernelSetCacheConfig((CUkernel)fn->fn, config, rq->w->device.dev);
	else
		r = real.cuFuncSetCacheConfig(fn->fn, config);
	run_result(rq, r);
}

void run_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(struct request *rq)
{
	struct function *fn = take_function(rq, rd_u32(&rq->in));
	int32_t block = rd_s32(&rq->in);
	uint64_t shared = rd_u64(&rq->in);
	uint32_t flags = rd_u32(&rq->in);
	int blocks = 0;
	CUresult r;

	if (!run_args_end(rq))
		return;
	r = real.cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, fn->fn, block,
								      shared, flags);
	run_out_u64(rq, blocks);
	run_reply(rq, r);
}

void run_cuOccupancyAvailableDynamicSMemPerBlock(struct request *rq)
{
	struct function *fn = take_function(rq, rd_u32(&rq->in));
	int32_t nr = rd_s32(&rq->in);
	int32_t block = rd_s32(&rq->in);
	size_t bytes = 0;
	CUresult r;

	if (!run_args_end(rq))
		return;
	r = real.cuOccupancyAvailableDynamicSMemPerBlock(&bytes, fn->fn, nr, block);
	run_out_u64(rq, bytes);
	run_reply(rq, r);
}

/* The attribute that says how large a cluster is; NULL: none does. */
static CUlaunchAttribute *cluster_of(CUlaunchAttribute *attributes, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (attributes[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
			return &attributes[i];
	return NULL;
}

typedef CUresult (*ask_fn)(int *, CUfunction, const CUlaunchConfig *);

/* The same of clusters of 1 to n blocks in x. What ends the context is the answer to all. */
static CUresult ask_sizes(struct request *rq, ask_fn ask, const struct function *fn,
			  CUlaunchConfig *config, CUlaunchAttribute *cluster, uint32_t n)
{
	struct vwire_clusters answers[VWIRE_CLUSTER_SIZES];
	bool is_one = !config->gridDimX;

	for (uint32_t i = 0; i < n; i++) {
		int clusters = 0;
		CUresult r;

		cluster->value.clusterDim.x = i + 1;
		if (is_one)
			config->gridDimX = i + 1;
		r = ask(&clusters, fn->fn, config);
		if (run_is_sticky(r))
			return r;
		answers[i] = (struct vwire_clusters){ htole32(r), htole32(clusters) };
	}
	run_out_blob(rq, answers, n * sizeof(answers[0]));
	return CUDA_SUCCESS;
}

static void run_clusters(struct request *rq, ask_fn ask, bool several)
{
	CUlaunchAttribute attributes[NR_ATTRIBUTES_MAX] = { 0 };
	CUlaunchAttribute *cluster = NULL;
	CUlaunchConfig config;
	struct function *fn;
	int clusters = 0;
	uint32_t sizes;
	CUresult r;

	sizes = take_config(rq, &config, attributes, &fn);
	if (sizes)
		cluster = cluster_of(attributes, config.numAttrs);
	if (sizes && (!cluster || !several || sizes > VWIRE_CLUSTER_SIZES))
		rq->in.err = true;
	if (!run_args_end(rq))
		return;
	if (!ask) {
		r = CUDA_ERROR_NOT_SUPPORTED;
	} else if (sizes) {
		r = ask_sizes(rq, ask, fn, &config, cluster, sizes);
	} else {
		r = ask(&clusters, fn->fn, &config);
		run_out_u64(rq, clusters);
	}
	run_reply(rq, r);
}

void run_cuOccupancyMaxActiveClusters(struct request *rq)
{
	run_clusters(rq, real.cuOccupancyMaxActiveClusters, true);
}

void run_cuOccupancyMaxPotentialClusterSize(struct request *rq)
{
	run_clusters(rq, real.cuOccupancyMaxPotentialClusterSize, false);
}
