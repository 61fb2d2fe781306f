// SPDX-License-Identifier: MIT
/*
 * cluster.c - how many clusters of blocks fit
 *
 * That depends on which multiprocessors a device has, so the driver is asked. Libraries ask for one
 * size of cluster after the other: the answers for all that differ only in x come at once.
 */
#include <string.h>

#include "module.h"

/* As it travels, and as it is remembered. */
struct question {
	struct vcuda_kernel *kernel;
	size_t bytes;			/* of attributes */
	struct vwire_launch_ex wire;
	uint8_t attributes[VCUDA_LAUNCH_ATTRIBUTES];
};

static CUresult question(struct question *q, CUfunction fn, const CUlaunchConfig *c)
{
	CUresult r = vcuda_kernel_use(fn, &q->kernel);

	if (!r)
		r = vcuda_launch_attributes(c, &q->wire, q->attributes);
	if (r)
		return r;
	q->bytes = c->numAttrs * VWIRE_ATTRIBUTE_BYTES;
	q->wire.launch = (struct vwire_launch){
		.function = htole32(q->kernel->function),
		.stream = htole32(VWIRE_STREAM_LEGACY),
		.grid = { htole32(c->gridDimX), htole32(c->gridDimY), htole32(c->gridDimZ) },
		.block = { htole32(c->blockDimX), htole32(c->blockDimY), htole32(c->blockDimZ) },
		.shared_bytes = htole32(c->sharedMemBytes),
	};
	return CUDA_SUCCESS;
}

static void put(struct vcuda_call *call, enum cuda_id id, const struct question *q)
{
	vcuda_begin(call, id);
	wr_bytes(&call->wr, &q->wire, sizeof(q->wire));
	wr_bytes(&call->wr, q->attributes, q->bytes);
}

static CUresult ask(enum cuda_id id, int *out, const struct question *q)
{
	struct vcuda_call call;

	put(&call, id, q);
	vcuda_want_scalar(&call, out, sizeof(*out), false);
	return vcuda_memo_kernel(&call, q->kernel);
}

/*
 * The blocks of the cluster in x, of which, and of the grid's where they are as many, the question
 * is rid then. 0: it has none, or too many.
 */
static unsigned int take_size(struct question *q, const CUlaunchConfig *c)
{
	unsigned int i, x;
	uint8_t *value;

	for (i = 0; i < c->numAttrs; i++)
		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
			break;
	x = i < c->numAttrs ? c->attrs[i].value.clusterDim.x : 0;
	if (!x || x > VWIRE_CLUSTER_SIZES || !c->gridDimX)
		return 0;
	/* behind id and padding: x, y, z, and what the program left there */
	value = q->attributes + i * VWIRE_ATTRIBUTE_BYTES + 8;
	memset(value, 0, sizeof(uint32_t));
	memset(value + sizeof(c->attrs[i].value.clusterDim), 0,
	       sizeof(c->attrs[i].value) - sizeof(c->attrs[i].value.clusterDim));
	if (c->gridDimX == x)
		q->wire.launch.grid[0] = 0;
	q->wire.cluster_sizes = htole32(VWIRE_CLUSTER_SIZES);
	return x;
}

/* The rest says nothing of the cluster, but that it could not be asked about. */
static bool is_answer(CUresult r)
{
	return r == CUDA_SUCCESS || r == CUDA_ERROR_INVALID_VALUE ||
	       r == CUDA_ERROR_INVALID_CLUSTER_SIZE;
}

/* Of all sizes up to VWIRE_CLUSTER_SIZES, that of x. false: it has to be asked by itself. */
static bool ask_all(int *clusters, CUresult *result, const struct question *q, unsigned int x)
{
	struct vwire_clusters answers[VWIRE_CLUSTER_SIZES];
	struct vcuda_call call;

	put(&call, CUDA_ID_cuOccupancyMaxActiveClusters, q);
	memset(answers, 0xff, sizeof(answers));
	vcuda_want_blob(&call, answers, sizeof(answers), false);
	*result = vcuda_memo_kernel(&call, q->kernel);
	if (*result)
		return true;
	*result = le32toh(answers[x - 1].result);
	if (!*result)
		*clusters = (int)le32toh(answers[x - 1].clusters);
	return is_answer(*result);
}

CUresult hand_cuOccupancyMaxActiveClusters(int *clusters, CUfunction fn, const CUlaunchConfig *c)
{
	struct question q, all;
	unsigned int x;
	CUresult r;

	if (!clusters || !c)
		return CUDA_ERROR_INVALID_VALUE;
	r = question(&q, fn, c);
	if (r)
		return r;
	all = q;
	x = take_size(&all, c);
	if (x && ask_all(clusters, &r, &all, x))
		return r;
	return ask(CUDA_ID_cuOccupancyMaxActiveClusters, clusters, &q);
}

CUresult hand_cuOccupancyMaxPotentialClusterSize(int *size, CUfunction fn, const CUlaunchConfig *c)
{
	struct question q;
	CUresult r;

	if (!size || !c)
		return CUDA_ERROR_INVALID_VALUE;
	r = question(&q, fn, c);
	return r ? r : ask(CUDA_ID_cuOccupancyMaxPotentialClusterSize, size, &q);
}
